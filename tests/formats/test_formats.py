"""Every format is read, recognised by content, and comes back as written."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.edge_table import read_edge_table
from hmlm_fm.formats.json_format import read_json, write_json
from hmlm_fm.formats.logic.rules import format_rule, parse_rule
from hmlm_fm.formats.netflux import read_netflux
from hmlm_fm.formats.network_loading import load_core, load_network, load_networks, shipped_networks
from hmlm_fm.formats.sif import read_sif, write_sif
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork

FIBROBLAST = "cardiac-fibroblast"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rules(network: SignalingNetwork) -> list[str]:
    return [interaction.rule for interaction in network.interactions]


# -- shipped networks ---------------------------------------------------------------------------


def test_shipped_networks_load_by_name():
    for name in shipped_networks():
        assert load_network(name).name == name


def test_the_core_is_sorted_and_each_network_is_its_own_pathway():
    core = load_core()
    names = [network.name for network in core]
    assert names == sorted(names)
    assert FIBROBLAST not in names
    for network in core:
        assert [pathway.name for pathway in network.pathways] == [network.name]
        assert all(molecule.pathways == (network.name,) for molecule in network.molecules)


def test_an_unknown_name_is_an_error_with_the_closest_ones():
    with pytest.raises(FormatError, match="did you mean 'cardiac-fibroblast'"):
        load_network("cardiac-fibroblasts")
    with pytest.raises(FileNotFoundError, match="nothing-like-it"):
        load_network("nothing-like-it")


def test_the_fibroblast_network_has_its_published_size():
    network = load_network(FIBROBLAST)
    assert len(network.molecules) == 109
    assert len(network.interactions) == 172
    assert len(network.inputs) == 10
    assert sum(len(i.sources) > 1 for i in network.interactions) == 46
    assert len(network.pathways) == 8
    assert network.family_name == FIBROBLAST


# -- Netflux ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "n_molecules", "n_interactions", "n_inputs", "n_pathways"),
    [
        ("BSD3_Netflux_exampleNet.xlsx", 5, 6, 2, 0),
        ("BSD3_Netflux_kraeutler_betaAdrenergic_bmcsysbio2010.xlsx", 25, 36, 5, 2),
        ("BSD3_Netflux_ryall_cardiomyocyte_hypertrophy_jbc2012.xlsx", 106, 193, 17, 3),
        ("BSD3_Netflux_tan_mechanosignaling_ploscb2017.xlsx", 94, 135, 11, 10),
        ("BSD3_Netflux_zeigler_fibroblast_jmcc2016.xls", 91, 142, 11, 9),
        ("Brahma-Model.xlsx", 15, 27, 5, 1),
        ("MYBPC3_HCMDCM_2026.xlsx", 41, 90, 8, 3),
    ],
)
def test_published_models_have_their_size(
    shared_data: Path, file, n_molecules, n_interactions, n_inputs, n_pathways
):
    network = load_network(shared_data / "netflux" / file)
    assert len(network.molecules) == n_molecules
    assert len(network.interactions) == n_interactions
    assert len(network.inputs) == n_inputs
    assert len(network.pathways) == n_pathways
    assert network.logic_known


def test_the_shipped_fibroblast_network_is_revision_4_rule_by_rule(shared_data: Path):
    published = read_netflux(shared_data / "fibroblast" / "snm_1_1_rev4.xlsx")
    shipped = load_network(FIBROBLAST)
    for ours, theirs in zip(shipped.interactions, published.interactions, strict=True):
        assert ours.rule == theirs.rule
        assert (ours.weight, ours.n, ours.ec50) == (theirs.weight, theirs.n, theirs.ec50)
    for mine, other in zip(shipped.molecules, published.molecules, strict=True):
        assert mine.name == other.name
        assert mine.pathways == other.pathways
        assert (mine.tau_hours, mine.y0, mine.ymax) == (other.tau_hours, other.y0, other.ymax)
    assert [p.name for p in shipped.pathways] == [p.name for p in published.pathways]


# -- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("=> A", ((), (), "A")),
        ("A => B", (("A",), (1,), "B")),
        ("NFAT & !Gactin => MRTF", (("NFAT", "Gactin"), (1, -1), "MRTF")),
        ("  !A&B=>C ", (("A", "B"), (-1, 1), "C")),
        ("?A => B", (("A",), (0,), "B")),
        ("A+B => C", (("A", "B"), (1, 1), "C")),
        ('"A & B" => C', (("A & B",), (1,), "C")),
        (r'"a \"b\" \\" => C', (('a "b" \\',), (1,), "C")),
        ("α-SMA => β", (("α-SMA",), (1,), "β")),
    ],
)
def test_rules_are_read_and_written(text, rule):
    assert parse_rule(text) == rule
    assert parse_rule(format_rule(Interaction(*rule))) == rule


def test_a_plus_that_belongs_to_a_name_is_no_and():
    assert parse_rule("Ca2+ + A => B", {"Ca2+"}) == (("Ca2+", "A"), (1, 1), "B")
    assert parse_rule("Ca2++A => B", {"Ca2+"}) == (("Ca2+", "A"), (1, 1), "B")


# -- JSON ---------------------------------------------------------------------------------------


def awkward_network() -> SignalingNetwork:
    """A network with everything that a format could lose."""
    return SignalingNetwork(
        name="awkward",
        molecules=(
            Molecule("Ca2+", "calcium", "small molecule", ("CHEBI:29108",), "cytosol", ("p & q",)),
            Molecule('a "b"\\', kind="family", members=("PRKCA", "PRKCE"), y0=0.1, ymax=2.0),
            Molecule("=> x", compartment="nucleus", tau_hours=1 / 3),
            Molecule("α\tβ\n"[:1], kind="process", pathways=("p & q", "r")),
        ),
        interactions=(
            Interaction((), (), "Ca2+", "input", weight=0.1, n=1.25, ec50=0.6),
            Interaction(("Ca2+", 'a "b"\\'), (1, -1), "=> x", "phosphorylation"),
            Interaction(("=> x",), (0,), "α", "indirect"),
        ),
        pathways=(Pathway("p & q", "title", "source"), Pathway("r")),
        title="Títle",
        source="doi:10/x",
        licence="CC0-1.0",
        logic_known=False,
        family="awkward ones",
    )


def test_json_gives_back_an_equal_network(tmp_path):
    network = awkward_network()
    write_json(network, tmp_path / "network.json")
    assert read_json(tmp_path / "network.json") == network


@pytest.mark.parametrize("name", [FIBROBLAST, "tgf-beta"])
def test_json_gives_back_shipped_networks(tmp_path, name):
    network = load_network(name)
    write_json(network, tmp_path / "network.json")
    again = load_network(tmp_path / "network.json")
    assert again == network
    assert again.content_hash == network.content_hash


@pytest.mark.parametrize("text", ['"a network"', "[1, 2]", "null", "12"])
def test_json_that_is_no_network_is_refused_as_json(tmp_path, text):
    with pytest.raises(FormatError, match="expected a network in braces"):
        load_network(write(tmp_path / "network.json", text))


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    write_json(awkward_network(), tmp_path / "network.json")
    text = (tmp_path / "network.json").read_text(encoding="utf-8")
    (tmp_path / "network.json").write_text(text, encoding="utf-8-sig")
    assert load_network(tmp_path / "network.json") == awkward_network()


# -- SIF ----------------------------------------------------------------------------------------


def test_and_nodes_are_folded_back(tmp_path):
    path = write(
        tmp_path / "model.sif",
        "A\t1\tand1\nB\t-1\tand1\nand1\t1\tC\nC\t-1\tD\nA\t1\trcn12\nD\t1\trcn12\nrcn12\t1\tE\n",
    )
    network = load_network(path)
    assert network.name == "model"
    assert network.names == ("A", "B", "C", "D", "E")
    assert rules(network) == ["A & !B => C", "!C => D", "A & D => E"]
    assert network.logic_known


def test_words_signs_and_lists_of_targets(tmp_path):
    path = write(
        tmp_path / "model.sif", "A activates B C\nB inhibits C\nC unknown A\nC 1 B\nalone\n"
    )
    network = read_sif(path)
    assert rules(network) == ["A => B", "A => C", "!B => C", "?C => A", "C => B"]
    assert network.names == ("A", "B", "C", "alone")
    assert not network.logic_known


def test_sif_gives_back_signed_edges_and_tells_what_it_loses(tmp_path):
    network = load_network(FIBROBLAST)
    with pytest.warns(UserWarning, match="AND of 46 interactions") as caught:
        lost = write_sif(network, tmp_path / "network.sif")
    assert "10 inputs" in lost
    assert "8 pathways" in str(caught[0].message)
    again = load_network(tmp_path / "network.sif")
    assert set(again.names) == set(network.names)
    expected = {i.rule for i in network.without_logic().interactions if i.sources}
    assert set(rules(again)) == expected
    assert len(expected) == 212
    assert not again.logic_known


def test_sif_without_a_loss_warns_of_nothing(tmp_path, recwarn):
    network = SignalingNetwork(
        "edges",
        (Molecule("x1"), Molecule("x2")),
        (Interaction(("x1",), (-1,), "x2", "inhibition"),),
        logic_known=False,
    )
    assert write_sif(network, tmp_path / "edges.sif") == ()
    assert len(recwarn) == 0
    assert rules(read_sif(tmp_path / "edges.sif")) == ["!x1 => x2"]


def test_blanks_and_rare_line_breaks_in_names_survive_sif(tmp_path):
    network = SignalingNetwork(
        "odd",
        (Molecule("a b c"), Molecule("x\u2028y"), Molecule("p\x85q")),
        (Interaction(("x\u2028y",), (1,), "p\x85q", "activation"),),
        logic_known=False,
    )
    write_sif(network, tmp_path / "odd.sif")
    again = read_sif(tmp_path / "odd.sif")
    assert set(again.names) == set(network.names)
    assert rules(again) == rules(network)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(tmp_path, end):
    (tmp_path / "model.sif").write_bytes(end.join(["A\t1\tB", "B\t-1\tC", ""]).encode())
    assert rules(read_sif(tmp_path / "model.sif")) == ["A => B", "!B => C"]


def test_a_name_that_sif_cannot_hold_is_an_error(tmp_path):
    network = SignalingNetwork("tabs", (Molecule("a\tb"),))
    with pytest.raises(FormatError, match="tab or line break"):
        write_sif(network, tmp_path / "tabs.sif")


def test_the_published_sif_has_the_rules_of_the_network(shared_data: Path):
    published = load_network(shared_data / "fibroblast" / "snm_1_1_rev4_SIF.sif")
    shipped = load_network(FIBROBLAST)
    assert published.logic_known

    def signed(network: SignalingNetwork) -> set[tuple[frozenset[tuple[str, int]], str]]:
        return {
            (frozenset(zip(i.sources, i.signs, strict=True)), i.target)
            for i in network.interactions
            if i.sources
        }

    assert signed(published) == signed(shipped)


# -- edge tables --------------------------------------------------------------------------------

TABLE = """pathway\tsource\ttarget\tarrow\tsign
P1\tTGFB1\tSMAD2;SMAD3\tArrow\t1
P1\tSMAD2;SMAD3\tCTGF\tmim-transcription-translation\t1
P1\tSMAD7\tTGFB1\tTBar\t-1
P1\tSMAD7\tTGFB1\tmim-inhibition\t-1
P1\tCTGF\tApoptosis\tArrow\t1
P1\tCTGF\tApoptosis\tmim-inhibition\t-1
P2\tATP\tno such thing\tmim-conversion\t0
"""


def test_an_edge_table_holds_one_network_per_pathway(tmp_path):
    path = write(tmp_path / "edges.tsv", TABLE)
    write(tmp_path / "pathways.tsv", "pathway\ttitle\nP1\tTGF-beta\n")
    first, second = load_networks(path)
    assert (first.name, first.title, second.name, second.title) == ("P1", "TGF-beta", "P2", "")
    assert [p.name for p in first.pathways] == ["P1"]
    assert not first.logic_known


@pytest.mark.parametrize(
    "text",
    [
        "source,target,sign\nA,B,1\n",
        "Source\tTarget\tSign\nA\tB\t1\n",
        "source\tinteraction\ttarget\nA\tactivates\tB\n",
        'pathway;"source";"target";arrow;sign\nP;A;B;;1\n',
    ],
)
def test_the_error_of_another_table_of_edges_names_the_header(text, tmp_path):
    with pytest.raises(FormatError, match="columns pathway, source, target, arrow, sign"):
        load_network(write(tmp_path / "edges.csv", text))


def test_molecules_called_like_columns_are_no_header(tmp_path):
    network = load_network(write(tmp_path / "model.sif", "source\t1\ttarget\n"))
    assert rules(network) == ["source => target"]
    assert rules(load_network(write(tmp_path / "model.bnet", "source, target\n"))) == [
        "target => source",
        "=> target",
    ]


def test_repeated_edges_are_merged_and_conflicts_are_unknown(tmp_path):
    network = read_edge_table(write(tmp_path / "edges.tsv", TABLE), pathway="P1")
    assert [(i.rule, i.kind) for i in network.interactions] == [
        ("TGFB1 => SMAD2;SMAD3", "activation"),
        ("SMAD2;SMAD3 => CTGF", "expression"),
        ("!SMAD7 => TGFB1", "inhibition"),
        ("?CTGF => Apoptosis", "unknown"),
    ]


def test_names_in_an_edge_table_get_their_members(tmp_path):
    first, second = read_edge_table(write(tmp_path / "edges.tsv", TABLE))
    found = {m.name: (m.kind, m.members) for m in (*first.molecules, *second.molecules)}
    assert found["SMAD2;SMAD3"] == ("family", ("SMAD2", "SMAD3"))
    assert found["CTGF"] == ("protein", ("CCN2",))
    assert found["Apoptosis"] == ("process", ("process:apoptosis",))
    assert found["ATP"] == ("small molecule", ("CHEBI:15422",))
    assert found["no such thing"] == ("unknown", ())


def test_one_pathway_of_a_table_loads_by_its_name(tmp_path):
    path = write(tmp_path / "edges.tsv", TABLE)
    assert load_network(path, pathway="P2") == read_edge_table(path, pathway="P2")
    with pytest.raises(FormatError, match="2 networks .*as pathway"):
        load_network(path)
    for read in (load_network, read_edge_table):
        with pytest.raises(FormatError, match="no .*'P11'.* did you mean 'P1'"):
            read(path, pathway="P11")


def test_wikipathways_loads_quickly_and_whole(shared_data: Path):
    start = time.perf_counter()
    networks = load_networks(shared_data / "wikipathways" / "edges.tsv")
    assert time.perf_counter() - start < 15
    assert len(networks) == 960
    assert sum(len(network.interactions) for network in networks) > 30_000
    assert all(network.title for network in networks)
    signs = {sign for n in networks for i in n.interactions for sign in i.signs}
    assert signs == {-1, 0, 1}


def test_an_edge_table_survives_json(shared_data: Path, tmp_path):
    network = load_networks(shared_data / "wikipathways" / "edges.tsv")[0]
    write_json(network, tmp_path / "network.json")
    assert read_json(tmp_path / "network.json") == network
    assert replace(network, logic_known=True) != network
