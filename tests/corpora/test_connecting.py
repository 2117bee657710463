"""Networks that connect what was treated to what was measured: small corpora with known paths."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from dataclasses import replace

import networkx as nx
import pytest

from hmlm_fm import HMLMTokenizer
from hmlm_fm.corpora.connecting import Connection, connect
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.names import meaning_of
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork

SIGN_OF_ARROW = {"->": 1, "-|": -1, "-?": 0}
FAMILIES = {"ERKs": ("MAPK1", "MAPK3"), "RASs": ("HRAS", "KRAS", "NRAS"), "TSC": ("TSC1", "TSC2")}


def drawn(name: str, *edges: str, **stated: str) -> SignalingNetwork:
    """A network of edges such as `EGF -> EGFR`; names of `FAMILIES` have several members."""
    parts = [edge.split() for edge in edges]
    names = dict.fromkeys(n for source, _, target in parts for n in (source, target))
    molecules = [Molecule(n, members=members_of(n), pathways=(name,)) for n in names]
    interactions = [Interaction((s,), (SIGN_OF_ARROW[a],), t, "activation") for s, a, t in parts]
    return SignalingNetwork(
        name, tuple(molecules), tuple(interactions), (Pathway(name, source="PMID:1"),), **stated
    )


def members_of(name: str) -> tuple[str, ...]:
    return FAMILIES.get(name) or meaning_of(name).members or (name,)


def corpus(*edges: str) -> list[tuple[str, SignalingNetwork]]:
    return [("hand", drawn("one", *edges))]


def one(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: members_of(name) for name in names}


def edges_of(connection: Connection) -> set[str]:
    marks = {1: "->", -1: "-|", 0: "-?"}
    found = {f"{e.source} {marks[e.sign]} {e.target}" for e in connection.edges}
    in_network = {
        f"{i.sources[0]} {marks[i.signs[0]]} {i.target}"
        for i in connection.network.interactions
        if not i.is_input
    }
    assert found == in_network
    return found


CASCADE = ("EGF -> EGFR", "EGFR -> SRC", "SRC -| CBL", "CBL -> JUN")


def test_a_path_with_its_steps_and_its_sign():
    found = connect(one("EGF"), one("JUN"), corpus(*CASCADE))
    assert edges_of(found) == set(CASCADE)
    (pair,) = found.readouts
    assert (pair.treatment, pair.end, pair.steps, pair.signs) == ("EGF", "JUN", 4, (-1,))
    assert found.network.names == ("EGF", "EGFR", "SRC", "CBL", "JUN")
    assert not found.unreached
    assert not found.reaching_nothing
    assert not found.network.logic_known


def test_two_inhibitions_activate_and_shortest_paths_may_disagree():
    edges = ("EGF -| EGFR", "EGFR -| JUN", "EGF -> SRC", "SRC -| JUN")
    found = connect(one("EGF"), one("JUN"), corpus(*edges))
    assert [pair.signs for pair in found.readouts] == [(-1, 1)]
    found = connect(one("EGF"), one("JUN"), corpus(*edges[:2]))
    assert [pair.signs for pair in found.readouts] == [(1,)]


def test_what_is_not_on_a_shortest_path_is_left_out():
    detour = ("EGFR -> MET", "MET -> CBL")  # one step more than through SRC -| CBL
    beside = ("EGFR -> GAB1", "STAT3 -> JUN", "JUN -> FOS")
    edges = ("EGF -> EGFR", "EGFR -| CBL", "CBL -> JUN")
    sources = corpus(*edges, *detour, *beside)
    assert edges_of(connect(one("EGF"), one("JUN"), sources)) == set(edges)
    longer = connect(one("EGF"), one("JUN"), sources, most_paths_longer=1)
    assert edges_of(longer) == {*edges, *detour}
    assert longer.readouts[0].signs == (-1,)  # of the shortest alone
    limited = connect(one("EGF"), one("JUN"), sources, most_steps=3, most_paths_longer=1)
    assert edges_of(limited) == set(edges)


def test_each_pair_keeps_its_own_shortest_paths():
    """JUN is two steps from EGF and four from HGF, by other molecules."""
    edges = ("EGF -> EGFR", "EGFR -> JUN", "HGF -> MET", "MET -> GAB1", "GAB1 -> SRC", "SRC -> JUN")
    found = connect(one("EGF", "HGF"), one("JUN"), corpus(*edges, "EGFR -> SRC"))
    assert edges_of(found) == set(edges)
    assert {pair.treatment: pair.steps for pair in found.readouts} == {"EGF": 2, "HGF": 4}


def test_readouts_out_of_reach_are_named_with_the_steps_that_would_do():
    found = connect(one("EGF"), one("JUN", "TP53"), corpus(*CASCADE), most_steps=3)
    assert found.unreached == {"JUN": 4, "TP53": None}
    assert found.reaching_nothing == {"EGF": 4}
    assert edges_of(found) == set()
    # They were measured, so they are molecules.
    assert found.network.names == ("EGF", "JUN", "TP53")
    assert found.network.inputs == ("EGF",)


def test_reversing_every_edge_changes_the_answer():
    backwards = [" ".join(reversed(edge.split())) for edge in CASCADE]
    found = connect(one("EGF"), one("JUN"), corpus(*backwards))
    assert found.unreached == {"JUN": None}
    assert found.reaching_nothing == {"EGF": None}
    there = connect(one("JUN"), one("EGF"), corpus(*backwards))
    assert [(pair.steps, pair.signs) for pair in there.readouts] == [(4, (-1,))]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("longer", [0, 1])
def test_the_edges_and_signs_are_those_of_all_paths_that_networkx_finds(seed, longer):
    chance = random.Random(seed)
    genes = ["EGF", "HGF", "JUN", "FOS", "MYC", "SRC", "CBL", "MET", "KIT", "ABL1", "VAV1", "GAB1"]
    pairs = chance.sample(list(itertools.permutations(genes, 2)), 26)
    graph = nx.DiGraph()
    graph.add_nodes_from(genes)
    graph.add_edges_from((*pair, {"sign": chance.choice([1, -1])}) for pair in pairs)
    arrow = {1: "->", -1: "-|"}
    edges = [f"{a} {arrow[d['sign']]} {b}" for a, b, d in graph.edges(data=True)]
    found = connect(one("EGF", "HGF"), one("JUN", "MYC"), corpus(*edges), 4, longer)

    kept: set[tuple[str, str]] = set()
    signs: dict[tuple[str, str], set[int]] = defaultdict(set)
    for start, end in itertools.product(("EGF", "HGF"), ("JUN", "MYC")):
        if not nx.has_path(graph, start, end):
            continue
        fewest = nx.shortest_path_length(graph, start, end)
        limit = min(fewest + longer, 4)
        for path in nx.all_simple_edge_paths(graph, start, end, cutoff=limit):
            kept |= set(path)
            if len(path) == fewest:
                product = 1
                for edge in path:
                    product *= graph.edges[edge]["sign"]
                signs[start, end].add(product)
    alike = connect(
        one("EGF", "HGF"), one("JUN", "MYC"), corpus(*edges), 4, longer, alike_as_one=False
    )
    assert {(e.source, e.target) for e in alike.edges} == kept
    assert {(p.treatment, p.end): set(p.signs) for p in found.readouts} == signs


# -- families, complexes, and what is no gene ----------------------------------------------------


def test_a_measured_family_is_one_molecule_with_the_edges_of_its_members():
    edges = ("EGF -> MAPK1", "EGF -> SRC", "SRC -> MAPK3", "MAPK3 -> JUN")
    measured = {"pERK": ("MAPK3", "MAPK1"), "pJUN": ("JUN",), "JUN": ("JUN",)}
    found = connect(one("EGF"), measured, corpus(*edges))
    assert found.molecule_of_readout == {"pERK": "ERK", "pJUN": "JUN", "JUN": "JUN"}
    erk = found.network.molecule("ERK")
    assert (erk.kind, erk.members) == ("family", ("MAPK1", "MAPK3"))
    assert edges_of(found) == {"EGF -> ERK", "ERK -> JUN"}
    assert {pair.end: pair.steps for pair in found.readouts} == {"pERK": 1, "pJUN": 2, "JUN": 2}


def test_families_that_overlap_are_joined_until_none_do():
    measured = {"a": ("AKT1", "AKT2"), "b": ("AKT2", "AKT3"), "c": ("AKT3",), "d": ("JUN",)}
    edges = ("EGF -> AKT1", "AKT3 -| JUN")
    found = connect(one("EGF"), measured, corpus(*edges))
    assert set(found.molecule_of_readout.values()) == {"AKT", "JUN"}
    assert found.network.molecule("AKT").members == ("AKT1", "AKT2", "AKT3")
    assert edges_of(found) == {"EGF -> AKT", "AKT -| JUN"}


def test_a_family_without_a_name_is_named_by_its_genes():
    genes = {"two": ("SRC", "JUN"), "six": ("MYC", "FOS", "MET", "KIT", "VAV1", "CBL")}
    found = connect(one("EGF"), genes, corpus("EGF -> SRC"))
    assert found.molecule_of_readout == {"two": "JUN/SRC", "six": "CBL/FOS/KIT/MET/+2"}


def test_what_sources_draw_as_a_family_acts_and_is_acted_on_by_every_gene_of_it():
    found = connect(one("EGF", "KRAS"), one("BRAF"), corpus("EGF -> RASs", "RASs -> BRAF"))
    assert edges_of(found) == {
        "EGF -> HRAS/NRAS", "HRAS/NRAS -> BRAF", "EGF -> KRAS", "KRAS -> BRAF",
    }  # fmt: skip
    assert found.network.molecule("HRAS/NRAS").members == ("HRAS", "NRAS")


def test_genes_that_a_source_tells_apart_stay_apart():
    told = ("EGF -> RASs", "RASs -> BRAF", "KRAS -> BRAF")
    found = connect(one("EGF"), one("BRAF"), corpus(*told))
    assert {"EGF", "KRAS", "HRAS/NRAS", "BRAF"} == set(found.network.names)
    every = connect(one("EGF"), one("BRAF"), corpus(*told), alike_as_one=False)
    assert {"EGF", "KRAS", "HRAS", "NRAS", "BRAF"} == set(every.network.names)


def test_the_assembly_of_a_complex_is_no_step():
    found = connect(one("TSC1"), one("TSC2", "RHEB"), corpus("TSC1 -> TSC", "TSC -| RHEB"))
    assert edges_of(found) == {"TSC1 -| RHEB"}
    assert found.unreached == {"TSC2": None}
    assert found.left_out.within_one == 1


def test_small_molecules_are_steps_and_processes_are_not():
    edges = ("PIK3CA -> PIP3", "PIP3 -> AKT1", "PIK3CA -> apoptosis", "apoptosis -> JUN")
    sources = corpus(*edges)
    assert sources[0][1].molecule("apoptosis").members[0].startswith("process:")
    found = connect(one("PIK3CA"), one("AKT1", "JUN"), sources)
    assert edges_of(found) == {"PIK3CA -> PIP3", "PIP3 -> AKT1"}
    assert found.network.molecule("PIP3").kind == "small molecule"
    assert found.network.molecule("PIP3").members == ("CHEBI:16618",)
    assert found.unreached == {"JUN": None}
    assert found.left_out.without_genes == 2
    # What was treated is a molecule, whatever it is.
    treated = connect(one("apoptosis"), one("JUN"), sources)
    assert [pair.steps for pair in treated.readouts] == [1]


# -- evidence -----------------------------------------------------------------------------------


def test_most_networks_decide_between_signs_and_the_others_are_kept_as_contrary():
    sources = [
        ("a", drawn("one", "EGF -> JUN")),
        ("a", drawn("two", "EGF -| JUN", "EGF -> SRC")),
        ("b", drawn("one", "EGF -| JUN")),
    ]
    found = connect(one("EGF"), one("JUN"), sources)
    (edge,) = found.edges
    assert edge.sign == -1
    assert [(e.corpus, e.network) for e in edge.evidence] == [("a", "two"), ("b", "one")]
    assert [(e.corpus, e.network, e.sign) for e in edge.contrary] == [("a", "one", 1)]
    assert found.in_conflict == (edge,)
    assert edge.evidence[0].rule == "!EGF => JUN"
    assert edge.evidence[0].reference == "PMID:1"
    assert edge.evidence[0].pathways == ("two",)


def test_a_network_counts_once_however_often_it_says_so():
    sources = [
        ("a", drawn("one", "EGF -> MAPK1", "EGF -> MAPK3", "EGF -> ERKs")),
        ("a", drawn("two", "EGF -| ERKs")),
        ("a", drawn("three", "EGF -| MAPK1")),
    ]
    found = connect(one("EGF"), {"pERK": ("MAPK1", "MAPK3")}, sources)
    assert [(edge.sign, len(edge.evidence)) for edge in found.edges] == [(-1, 2)]


def test_on_equal_evidence_the_first_corpus_decides_and_a_divided_one_does_not():
    plus, minus = drawn("p", "EGF -> JUN"), drawn("m", "EGF -| JUN")
    first = connect(one("EGF"), one("JUN"), [("a", plus), ("b", minus)])
    other = connect(one("EGF"), one("JUN"), [("b", minus), ("a", plus)])
    assert [first.edges[0].sign, other.edges[0].sign] == [1, -1]
    divided = [("a", plus), ("a", minus)]
    found = connect(one("EGF"), one("JUN"), divided)
    assert found.left_out.undecided == [("EGF", "JUN")]
    assert found.unreached == {"JUN": None}
    unsigned = connect(one("EGF"), one("JUN"), divided, unsigned=True)
    assert [pair.signs for pair in unsigned.readouts] == [(0,)]


def test_unknown_signs_are_used_where_asked_and_where_nothing_better_is_known():
    sources = [("a", drawn("one", "EGF -? SRC", "SRC -> JUN")), ("b", drawn("two", "SRC -? JUN"))]
    found = connect(one("EGF"), one("JUN"), sources)
    assert found.unreached == {"JUN": None}
    assert found.left_out.without_sign == 2
    found = connect(one("EGF"), one("JUN"), sources, unsigned=True)
    assert edges_of(found) == {"EGF -? SRC", "SRC -> JUN"}
    assert [pair.signs for pair in found.readouts] == [(0,)]


def test_the_network_says_whose_it_is():
    pathway = ("EGF -> EGFR", "EGFR -> SRC", "SRC -> CBL", "CBL -> JUN")
    sources = [
        ("a", drawn("egf", *pathway, licence="CC0")),
        ("b", drawn("short", "SRC -> CBL", licence="CC BY 4.0")),
        ("b", drawn("other", "TNF -> MYC", licence="unused")),
    ]
    network = connect(one("EGF"), one("JUN"), sources, name="mine").network
    assert network.name == "mine"
    assert network.licence == "CC BY 4.0; CC0"
    assert network.source == "2 networks of a, b"
    assert [(p.name, p.source) for p in network.pathways] == [("egf", "PMID:1")]
    assert network.molecule("SRC").pathways == ("egf",)


# -- inputs -------------------------------------------------------------------------------------


def test_stimuli_and_unregulated_targets_have_inputs_and_paths_lead_to_targets():
    edges = ("EGF -> EGFR", "EGFR -> MAP2K1", "MAP2K1 -> MAPK1", "EGFR -> JUN", "TBK1 -> JUN")
    treated = one("EGF", "MAP2K1", "TBK1")
    found = connect(treated, one("JUN", "MAPK1"), corpus(*edges), most_steps=2, stimuli=["EGF"])
    assert set(found.network.inputs) == {"EGF", "TBK1"}
    assert [(p.treatment, p.end, p.steps) for p in found.perturbed] == [("EGF", "MAP2K1", 2)]
    assert edges_of(found) == set(edges)  # MAPK1 is three steps from EGF, and one from its target
    everything = connect(treated, one("JUN"), corpus(*edges))
    assert set(everything.network.inputs) == {"EGF", "MAP2K1", "TBK1"}
    assert everything.perturbed == ()


def test_a_treated_molecule_that_is_measured_reaches_itself_in_no_step():
    found = connect(one("EGF", "SRC"), one("SRC"), corpus("EGF -> SRC", "SRC -> CBL", "CBL -> SRC"))
    assert {p.treatment: (p.steps, p.signs) for p in found.readouts} == {
        "EGF": (1, (1,)),
        "SRC": (0, (1,)),
    }
    assert found.reaching_nothing == {"SRC": None}
    assert edges_of(found) == {"EGF -> SRC"}


# -- the result as a network --------------------------------------------------------------------


def test_the_order_of_names_genes_and_networks_changes_nothing():
    networks = [("core", network) for network in load_core()]
    treated = {"EGF": ("EGF",), "TNF": ("TNF",), "MEK": ("MAP2K1", "MAP2K2")}
    measured = {"erk": ("MAPK1", "MAPK3"), "jnk": ("MAPK8", "MAPK9"), "akt": ("AKT1",)}
    first = connect(treated, measured, networks, stimuli=["EGF", "TNF"])
    mixed = connect(
        {name: treated[name][::-1] for name in reversed(treated)},
        {name: measured[name][::-1] for name in reversed(measured)},
        reversed(networks),
        stimuli=["TNF", "EGF"],
    )
    assert len(first.edges) > 20
    assert mixed.network.content_hash == first.network.content_hash
    assert mixed == first


def test_the_result_is_read_back_and_becomes_tokens(tmp_path):
    networks = [("core", network) for network in load_core()]
    network = connect(one("EGF"), {"erk": ("MAPK1", "MAPK3")}, networks).network
    write_json(network, tmp_path / "net.json")
    again = load_network(tmp_path / "net.json")
    assert again == network
    tokenizer = HMLMTokenizer()
    decoded = tokenizer.decode(tokenizer.encode_network(again))  # unknown genes would be a warning
    assert [m.members for m in decoded.molecules] == [m.members for m in network.molecules]
    assert [i.signs for i in decoded.interactions] == [i.signs for i in network.interactions]


def test_core_connects_what_a_published_prior_network_connects(shared_data):
    """Most pairs that the prior network of the liver set joins; CellNOptR, LiverDREAM."""
    prior = load_network(shared_data / "cellnopt" / "LiverDREAM" / "PKN-LiverDREAM.sif")
    by_name = tuple(replace(m, members=(m.name,)) for m in prior.molecules)
    prior = replace(prior, molecules=by_name)
    treated = {
        "igf1": ("IGF1",), "il1a": ("IL1A",), "tgfa": ("TGFA",), "tnfa": ("TNF",),
        "mek12": ("MAP2K1", "MAP2K2"), "p38": ("MAPK11", "MAPK12", "MAPK13", "MAPK14"),
    }  # fmt: skip
    measured = {
        "akt": ("AKT1", "AKT2", "AKT3"), "erk12": ("MAPK1", "MAPK3"), "ikb": ("NFKBIA",),
        "jnk12": ("MAPK8", "MAPK9"), "hsp27": ("HSPB1",),
    }  # fmt: skip
    theirs = connect(
        {name: (name,) for name in treated}, {name: (name,) for name in measured},
        [("prior", prior)], 20, alike_as_one=False,
    )  # fmt: skip
    ours = connect(treated, measured, [("core", n) for n in load_core()], 8)
    pairs = {(p.treatment, p.end) for p in theirs.readouts}
    assert len(pairs) > 15
    assert len(pairs & {(p.treatment, p.end) for p in ours.readouts}) >= 0.9 * len(pairs)


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("treated", "measured", "options", "words"),
    [
        ({}, one("JUN"), {}, "nothing is treated"),
        (one("EGF"), {}, {}, "nothing is measured"),
        ({"EGF": ()}, one("JUN"), {}, "treated 'EGF' has the genes ()"),
        ({"EGF": "EGF"}, one("JUN"), {}, "expected a tuple"),
        (one("EGF"), one("JUN"), {"stimuli": ["TNF"]}, "the stimulus 'TNF' is not among"),
        (one("EGF"), one("JUN"), {"most_steps": 0}, "at most 0 steps"),
        (one("EGF"), one("JUN"), {"most_paths_longer": -1}, "-1 longer"),
    ],
)
def test_what_cannot_be_connected_is_refused(treated, measured, options, words):
    with pytest.raises(HMLMError) as caught:
        connect(treated, measured, corpus(*CASCADE), **options)
    assert words in str(caught.value)


def test_two_networks_of_one_name_in_a_corpus_are_refused():
    twice = [("a", drawn("one", "EGF -> JUN")), ("a", drawn("one", "EGF -> SRC"))]
    with pytest.raises(HMLMError, match="corpus 'a' has two networks 'one'"):
        connect(one("EGF"), one("JUN"), twice)
