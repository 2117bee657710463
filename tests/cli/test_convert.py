"""`hmlm convert` and the writers: what comes back, what is reported as lost, what is refused."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.logic.rules import kind_of_signs
from hmlm_fm.formats.network_loading import load_network, load_networks
from hmlm_fm.formats.output_formats import WRITABLE, write_networks
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork

FIBROBLAST = "cardiac-fibroblast"
ENDING = {known.name: known.endings[0] for known in WRITABLE}
FORMATS = tuple(ENDING)


@pytest.fixture(params=["toy", FIBROBLAST])
def network(request, toy_network) -> SignalingNetwork:
    return toy_network if request.param == "toy" else load_network(FIBROBLAST)


def written(networks: SignalingNetwork | Iterable[SignalingNetwork], path: Path) -> tuple[str, ...]:
    """What was lost; whatever was lost must have been warned of in the same words."""
    networks = (networks,) if isinstance(networks, SignalingNetwork) else tuple(networks)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lost = write_networks(networks, path)
    assert len(caught) == bool(lost)
    assert all(words in str(caught[0].message) for words in lost)
    return lost


def convert(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def refused(*arguments: str | Path) -> str:
    """The one line with which the command refuses its arguments."""
    result = convert(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def signed_edges(network: SignalingNetwork) -> set[tuple[str, int, str]]:
    return {
        (source, sign, i.target)
        for i in network.interactions
        for source, sign in zip(i.sources, i.signs, strict=True)
    }


def is_active(network: SignalingNetwork, target: str, active: frozenset[str]) -> bool:
    """The OR of the interactions on a target, at the molecules that are active."""
    return any(
        all(
            (source in active) == (sign > 0)
            for source, sign in zip(i.sources, i.signs, strict=True)
        )
        for i in network.interactions
        if i.target == target and i.sources
    )


def assert_same_logic(one: SignalingNetwork, other: SignalingNetwork) -> None:
    assert one.names == other.names
    for target in one.names:
        # A source that never matters may be missing in one of them.
        interactions = (i for n in (one, other) for i in n.interactions if i.target == target)
        regulators = sorted({source for i in interactions for source in i.sources})
        for chosen in itertools.product((False, True), repeat=len(regulators)):
            active = frozenset(itertools.compress(regulators, chosen))
            assert is_active(one, target, active) == is_active(other, target, active), target


def without_unknown_signs(network: SignalingNetwork, sign: int | None) -> SignalingNetwork:
    """Sources of unknown sign given a sign, or for None left out with what is left empty."""
    changed = []
    for i in network.interactions:
        signed = [
            (s, g or sign) for s, g in zip(i.sources, i.signs, strict=True) if g or sign is not None
        ]
        if signed or not i.sources:
            changed.append(replace(i, sources=[s for s, _ in signed], signs=[g for _, g in signed]))
    return replace(network, interactions=tuple(changed))


# -- round trips --------------------------------------------------------------------------------


def test_json_holds_everything(tmp_path, network):
    assert written(network, tmp_path / "out.json") == ()
    assert load_network(tmp_path / "out.json") == network


def test_netflux_holds_all_but_what_it_says(tmp_path, network):
    path = tmp_path / f"{network.name}.xlsx"
    lost = written(network, path)
    interactions = tuple(
        replace(i, kind=kind_of_signs(i.signs))
        for i in without_unknown_signs(network, 1).interactions
    )
    expected = replace(
        network,
        interactions=interactions,
        molecules=tuple(
            replace(m, compartment="unknown", pathways=m.pathways[:1]) for m in network.molecules
        ),
        pathways=tuple(Pathway(p.name) for p in network.pathways),
        title="",
        source="",
        licence="",
        family="",
    )
    assert load_network(path) == expected
    printed = " ".join(lost)
    for words in ("kinds of", "compartments", "title, source, licence", "sources of pathways"):
        assert words in printed
    assert ("unknown signs of 1" in printed) == (network.name == "toy")
    assert ("further pathways of 1 molecules" in printed) == (network.name == "toy")
    assert "members" not in printed
    assert "kinetic" not in printed


def test_netflux_says_which_molecules_it_cannot_hold(tmp_path):
    molecules = (
        Molecule("x", kind="family", members=("AKT1",)),
        Molecule("y", kind="process", members=("process:two words",)),
    )
    lost = written(SignalingNetwork("odd", molecules), tmp_path / "odd.xlsx")
    assert lost == ("the kinds of 1 molecules", "the members of 1 molecules")
    again = load_network(tmp_path / "odd.xlsx")
    assert [m.members for m in again.molecules] == [("AKT1",), ()]


def test_netflux_texts_are_no_formulas_errors_or_numbers(tmp_path):
    names = ("=A1", "#N/A", "1e5", "Ca2+", 'a "b" & c', "x\u2028y")
    network = SignalingNetwork(
        "odd",
        tuple(Molecule(name, label=f"={name}", kind="unknown") for name in names),
        tuple(Interaction((a,), (-1,), b, "inhibition") for a, b in itertools.pairwise(names)),
    )
    assert written(network, tmp_path / "odd.xlsx") == ()
    assert load_network(tmp_path / "odd.xlsx") == network


@pytest.mark.parametrize("ending", [".bnet", ".sbml"])
def test_boolean_formats_hold_the_logic(tmp_path, network, ending):
    if ending == ".sbml":
        pytest.importorskip("libsbml")
    lost = written(network, tmp_path / f"out{ending}")
    again = load_network(tmp_path / f"out{ending}")
    known = without_unknown_signs(network, 1 if ending == ".bnet" else None)
    if network.name == "toy":
        assert any("unknown sign" in words for words in lost)
        plain = {"Ca2+": next(name for name in again.names if name.startswith("Ca"))}
        known = renamed(known, plain)
    assert_same_logic(known, again)
    driven = {i.target for i in known.interactions if i.sources}
    assert set(again.inputs) == set(again.names) - driven
    assert "kinetic parameters" in lost


@pytest.mark.parametrize("ending", [".bnet", ".sbml"])
def test_boolean_formats_say_which_interactions_do_not_come_back(tmp_path, ending):
    """B is always on, D keeps its state, and of C's regulators one is enough."""
    if ending == ".sbml":
        pytest.importorskip("libsbml")
    edges = [("A", 1, "B"), ("A", -1, "B"), ("D", 1, "D"), ("A", 1, "C")]
    network = SignalingNetwork(
        "odd",
        tuple(map(Molecule, "ABCD")),
        (
            *(Interaction((a,), (sign,), b, kind_of_signs((sign,))) for a, sign, b in edges),
            Interaction(("A", "D"), (1, 1), "C", "activation"),
        ),
    )
    lost = written(network, tmp_path / f"odd{ending}")
    again = load_network(tmp_path / f"odd{ending}")
    assert {i.rule for i in again.interactions} == {"=> A", "=> B", "A => C", "=> D"}
    assert any(words.startswith("the regulators of 2 molecules") for words in lost)
    assert any(words.startswith("which interactions state the logic of 1") for words in lost)


def renamed(network: SignalingNetwork, names: dict[str, str]) -> SignalingNetwork:
    return replace(
        network,
        molecules=tuple(replace(m, name=names.get(m.name, m.name)) for m in network.molecules),
        interactions=tuple(
            replace(
                i,
                sources=tuple(names.get(s, s) for s in i.sources),
                target=names.get(i.target, i.target),
            )
            for i in network.interactions
        ),
    )


@pytest.mark.parametrize("ending", [".tsv", ".sif"])
def test_edge_formats_hold_the_signed_edges(tmp_path, network, ending):
    lost = written(network, tmp_path / f"{network.name}{ending}")
    again = load_network(tmp_path / f"{network.name}{ending}")
    assert signed_edges(again) == signed_edges(network)
    assert not again.logic_known
    groups = sum(len(i.sources) > 1 for i in network.interactions)
    assert {f"the AND of {groups} interactions", f"{len(network.inputs)} inputs"} <= set(lost)


def test_an_edge_table_holds_the_kinds_that_have_an_arrow(tmp_path):
    kinds = {
        "activation": 1, "inhibition": -1, "conversion": 0, "binding": 0, "expression": 1,
        "catalysis": -1, "cleavage": 0, "unknown": 0,
    }  # fmt: skip
    network = SignalingNetwork(
        "kinds",
        tuple(Molecule(name) for name in ("x", *kinds)),
        tuple(Interaction(("x",), (sign,), kind, kind) for kind, sign in kinds.items()),
        pathways=(Pathway("kinds"),),
        logic_known=False,
    )
    assert written(network, tmp_path / "table.tsv") == ()
    assert load_network(tmp_path / "table.tsv").interactions == network.interactions


def test_an_edge_table_says_which_edges_it_merges(tmp_path):
    network = SignalingNetwork(
        "both",
        (Molecule("x"), Molecule("y"), Molecule("alone")),
        (
            Interaction(("x",), (1,), "y", "activation"),
            Interaction(("x",), (-1,), "y", "inhibition"),
            Interaction(("y",), (1,), "x", "phosphorylation"),
        ),
        logic_known=False,
    )
    lost = written(network, tmp_path / "table.tsv")
    assert "the signs of 2 edges that contradict others" in lost
    assert "1 molecules without edges" in lost
    assert any(words.startswith("the kinds of") for words in lost)
    again = load_network(tmp_path / "table.tsv")
    assert signed_edges(again) == {("x", 0, "y"), ("y", 1, "x")}


def test_an_edge_table_holds_several_networks_and_adds_up_their_losses(tmp_path, toy_network):
    networks = (toy_network, replace(toy_network, name="second"))
    lost = written(networks, tmp_path / "both.tsv")
    assert "2 inputs" in lost
    assert [n.name for n in load_networks(tmp_path / "both.tsv")] == ["toy", "second"]
    with pytest.raises(FormatError, match="two networks are called 'toy'"):
        write_networks((toy_network, toy_network), tmp_path / "same.tsv")


def test_sbml_is_valid_and_keeps_names_and_compartments(tmp_path, network):
    libsbml = pytest.importorskip("libsbml")
    path = tmp_path / "model.sbml"
    written(network, path)
    document = libsbml.readSBMLFromFile(str(path))
    document.checkConsistency()
    problems = [document.getError(i) for i in range(document.getNumErrors())]
    assert [p.getMessage() for p in problems if p.getSeverity() >= 2] == []
    again = load_network(path)
    assert [m.compartment for m in again.molecules] == [m.compartment for m in network.molecules]
    if network.name == "toy":
        assert again.molecules[-1].name == "Ca2_"
        assert again.molecules[-1].label == "Ca2+"


def test_sbml_ids_are_unique_and_escaped(tmp_path):
    pytest.importorskip("libsbml")
    names = ("a b", "a_b", "a-b", "1", "cytosol", "transition_a_b", '<&">', "odd")
    network = SignalingNetwork(
        "odd",
        tuple(Molecule(name, compartment="cytosol") for name in names),
        tuple(Interaction((a,), (1,), b) for a, b in itertools.pairwise(names)),
    )
    written(network, tmp_path / "odd.sbml")
    again = load_network(tmp_path / "odd.sbml")
    assert tuple(m.label for m in again.molecules) == names
    assert again.molecules[1].name == "a_b"
    assert len(again.interactions) == len(names)  # the chain, and the input at its start


@pytest.mark.filterwarnings("ignore:.*no molecule acts on another")
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_inputs_of_weight_0_and_1_are_constants_of_sbml(tmp_path, weight):
    pytest.importorskip("libsbml")
    network = SignalingNetwork(
        "held", (Molecule("x"),), (Interaction((), (), "x", "input", weight=weight),)
    )
    written(network, tmp_path / "held.sbml")
    assert load_network(tmp_path / "held.sbml").interactions == network.interactions


# -- what a format cannot hold ------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".sif", ".tsv"])
def test_formats_of_edges_refuse_a_network_without_any(tmp_path, ending):
    with pytest.raises(FormatError, match="holds edges"):
        write_networks([SignalingNetwork("bare", (Molecule("x"),))], tmp_path / f"bare{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*no molecule acts on another")
@pytest.mark.parametrize("ending", [".xlsx", ".bnet", ".sbml"])
def test_other_formats_hold_a_network_without_edges(tmp_path, ending):
    if ending == ".sbml":
        pytest.importorskip("libsbml")
    written(SignalingNetwork("bare", (Molecule("x"),)), tmp_path / f"bare{ending}")
    assert load_network(tmp_path / f"bare{ending}").names == ("x",)


@pytest.mark.parametrize("ending", [".xlsx", ".sbml"])
def test_control_characters_are_refused_before_anything_is_written(tmp_path, ending):
    network = SignalingNetwork("odd", (Molecule("x", label="bell \x07"),))
    with pytest.raises(FormatError, match="control characters"):
        write_networks([network], tmp_path / f"odd{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".xlsx", ".tsv", ".sif"])
def test_names_with_line_breaks_are_refused(tmp_path, ending):
    network = SignalingNetwork("odd", (Molecule("a\nb"),), (Interaction(("a\nb",), (1,), "a\nb"),))
    with pytest.raises(FormatError, match="tab or line break"):
        write_networks([network], tmp_path / f"odd{ending}")


def test_sif_refuses_molecules_that_would_pass_for_and_nodes(tmp_path):
    chain = (Interaction(("x",), (1,), "and1"), Interaction(("and1",), (1,), "y"))
    network = SignalingNetwork("odd", tuple(map(Molecule, ("x", "and1", "y"))), chain)
    with pytest.raises(FormatError, match="'and1' for an AND node"):
        write_networks([network], tmp_path / "odd.sif")


# -- the command --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_format_becomes_every_other(tmp_path, source, target):
    if "sbml-qual" in (source, target):
        pytest.importorskip("libsbml")
    network = SignalingNetwork(
        "small",
        (Molecule("TGFB1"), Molecule("SMAD3"), Molecule("SMAD7")),
        (
            Interaction((), (), "TGFB1", "input"),
            Interaction(("TGFB1", "SMAD7"), (1, -1), "SMAD3"),
            Interaction(("SMAD3",), (1,), "SMAD7", "activation"),
        ),
    )
    first, second = tmp_path / f"small{ENDING[source]}", tmp_path / f"again{ENDING[target]}"
    written(network, first)
    result = convert(first, second)
    assert result.exit_code == 0, result.stderr
    assert signed_edges(load_network(second)) == signed_edges(network)


def test_losses_are_printed_once_each_and_the_file_is_named(tmp_path):
    out = tmp_path / "network.sif"
    result = convert(FIBROBLAST, out)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{out}: {FIBROBLAST} as sif"
    assert "lost: the AND of 46 interactions" in lines
    assert all(line.startswith("lost: ") for line in lines[1:])
    assert len(set(lines)) == len(lines)
    assert result.stderr == ""
    assert convert(FIBROBLAST, tmp_path / "network.json").stdout.count("\n") == 1


def test_the_format_can_be_named(tmp_path):
    assert convert(FIBROBLAST, tmp_path / "model.txt", "--to", "SIF").exit_code == 0
    assert len(signed_edges(load_network(tmp_path / "model.txt"))) == 212
    assert "did you mean 'sif'" in refused(FIBROBLAST, tmp_path / "x", "--to", "siff")


def test_one_network_of_several_is_named(tmp_path):
    out = tmp_path / "one.json"
    message = refused("core", out)
    assert "adrenergic" in message
    assert "name of one of them as pathway" in message
    assert "did you mean" in refused("core", out, "--pathway", "adrenergik")
    assert not out.exists()
    assert convert("core", out, "--pathway", "adrenergic").exit_code == 0
    assert load_network(out) == load_network("adrenergic")


def test_a_folder_gets_a_file_per_network(tmp_path):
    out = f"{tmp_path / 'core'}/"
    assert convert("core", out, "--to", "json").exit_code == 0
    files = sorted((tmp_path / "core").iterdir())
    assert len(files) == 65
    assert load_network(files[0]) == load_network("adrenergic")
    again = convert(tmp_path / "core", f"{tmp_path / 'sif'}/", "--to", "sif")
    assert again.exit_code == 0
    assert "65 networks as sif" in again.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["core", "sif"]


def test_names_of_networks_become_names_of_files(tmp_path, toy_network):
    networks = [replace(toy_network, name=name) for name in ("a/b", "a:b", "../up", "")]
    write_networks(networks, tmp_path, "json")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["_up.json", "a_b (2).json", "a_b.json", "network.json"]


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, toy_network):
    networks = (toy_network, SignalingNetwork("bare", (Molecule("x"),)))
    with pytest.raises(FormatError, match="'bare' has none"):
        write_networks(networks, f"{tmp_path / 'new'}/", "sif")
    with pytest.raises(FormatError, match="'bare' has none"):
        write_networks(networks, tmp_path, "sif")
    assert list(tmp_path.iterdir()) == []


def test_a_mapping_says_what_identifiers_mean(tmp_path):
    table, pathway = tmp_path / "map.tsv", tmp_path / "map.xml"
    table.write_text("kegg\tsymbol\nhsa:99999999\tMAPK1\n", encoding="utf-8")
    pathway.write_text(
        '<pathway name="path:hsa1" org="hsa" number="1" title="t">'
        '<entry id="1" name="hsa:99999999" type="gene"/></pathway>',
        encoding="utf-8",
    )
    result = convert(pathway, tmp_path / "out.json", "--mapping", table)
    assert result.exit_code == 2
    assert "the database 'kegg' is not known" in result.stderr
    table.write_text("entrez\tsymbol\n99999999\tMAPK1\n", encoding="utf-8")
    result = convert(pathway, tmp_path / "out.json", "--mapping", table)
    assert result.exit_code == 0
    assert "warning: " in result.stderr  # a map without relations
    assert load_network(tmp_path / "out.json").molecules[0].members == ("MAPK1",)


# -- what is refused ----------------------------------------------------------------------------


def test_bad_input_and_output_are_refused_in_one_line(tmp_path):
    garbage = tmp_path / "garbage.json"
    garbage.write_text("{", encoding="utf-8")
    out = tmp_path / "out.json"
    assert "garbage.json" in refused(garbage, out)
    assert "no such file" in refused(tmp_path / "missing.sif", out)
    assert "'.doc' is of no format" in refused(FIBROBLAST, tmp_path / "out.doc")
    assert "no ending" in refused(FIBROBLAST, tmp_path / "out")
    assert "it is a folder" in refused(FIBROBLAST, tmp_path)
    nowhere = tmp_path / "nowhere" / "out"
    assert "does not exist" in refused(FIBROBLAST, f"{nowhere}.json")
    assert "does not exist" in refused("core", f"{nowhere}/", "--to", "json")
    assert [path.name for path in tmp_path.iterdir()] == ["garbage.json"]


def test_the_input_is_never_replaced(tmp_path, toy_network):
    source = tmp_path / "toy.json"
    write_json(toy_network, source)
    before = source.read_bytes()
    assert "this run reads it" in refused(
        tmp_path, tmp_path / "new.json", "--force", "--pathway", "toy"
    )
    (tmp_path / "link.json").symlink_to(source)
    for out in (source, tmp_path / "." / "toy.json", tmp_path / "link.json"):
        assert "this run reads it" in refused(source, out, "--force")
    assert source.read_bytes() == before


def test_an_existing_file_is_replaced_only_by_force(tmp_path):
    out = tmp_path / "fibroblast.json"
    out.write_text("mine", encoding="utf-8")
    assert "--force" in refused(FIBROBLAST, out)
    assert "--force" in refused(FIBROBLAST, out, "--to", "sif")
    assert out.read_text(encoding="utf-8") == "mine"
    assert convert(FIBROBLAST, out, "--force").exit_code == 0
    assert load_network(out) == load_network(FIBROBLAST)


def test_the_module_runs_as_a_script(tmp_path):
    command = [sys.executable, "-m", "hmlm_fm.cli.main", "convert", FIBROBLAST]
    done = subprocess.run(
        [*command, str(tmp_path / "out.xlsx")], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "lost: compartments" in done.stdout
    failed = subprocess.run(
        [*command, str(tmp_path / "out.doc")], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "Traceback" not in failed.stderr


def test_a_folder_called_like_a_shipped_corpus_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert convert("core", "core/", "--to", "json").exit_code == 0
    assert "--force" in refused("core", "core/", "--to", "json")
    assert convert("core", "core/", "--to", "json", "--force").exit_code == 0
