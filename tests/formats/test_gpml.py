"""GPML: nodes, groups, anchors and arrows in every dialect, odd diagrams, and damaged ones."""

from __future__ import annotations

import contextlib
import csv
import random
import warnings
from collections import defaultdict
from pathlib import Path

import pytest
from damage import damaged

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.edge_table import KIND_OF_ARROW
from hmlm_fm.formats.gpml import SIGN_OF_ARROW, read_gpml
from hmlm_fm.formats.identifiers import Identifiers
from hmlm_fm.model.network import SignalingNetwork

STRANGE = ["", "n1", "g1", "a1", "gg2", "Complex", "x"]

GPML_2013 = """<?xml version="1.0" encoding="UTF-8"?>
<Pathway xmlns="http://pathvisio.org/GPML/2013a" Name="A made-up diagram"
    Data-Source="WikiPathways" Version="WP9999_r12" Organism="Homo sapiens">
  <Graphics BoardWidth="10" BoardHeight="10"/>
  <DataNode TextLabel="EGFR" GraphId="n1" Type="GeneProduct"><Xref Database="" ID=""/></DataNode>
  <DataNode TextLabel="KRAS" GraphId="n2" Type="Protein">
    <Xref Database="Entrez Gene" ID="3845"/></DataNode>
  <DataNode TextLabel="KRAS" GraphId="n3" Type="Protein">
    <Xref Database="Entrez Gene" ID="3845"/></DataNode>
  <DataNode TextLabel="calcium&#xA;ion" GraphId="n4" Type="Metabolite">
    <Xref Database="ChEBI" ID="CHEBI:29108"/></DataNode>
  <DataNode TextLabel="MAPK1" GraphId="n5" Type="GeneProduct" GroupRef="g1"/>
  <DataNode TextLabel="MAPK3" GraphId="n6" Type="GeneProduct" GroupRef="g1"/>
  <DataNode TextLabel="CDK4" GraphId="n7" Type="Protein" GroupRef="g2"/>
  <DataNode TextLabel="CCND1" GraphId="n8" Type="Protein" GroupRef="g2"/>
  <DataNode TextLabel="Cell cycle" GraphId="n9" Type="Pathway">
    <Xref Database="WikiPathways" ID="WP179"/></DataNode>
  <DataNode TextLabel="let-7" GraphId="n10" Type="Rna"/>
  <State TextLabel="P" GraphId="s1" GraphRef="n2"/>
  <Interaction GraphId="i1"><Graphics>
    <Point X="0" Y="0" GraphRef="n1"/><Point X="1" Y="0" GraphRef="n2" ArrowHead="Arrow"/>
    <Anchor Position="0.5" GraphId="a1"/></Graphics></Interaction>
  <Interaction GraphId="i2"><Graphics>
    <Point GraphRef="n3"/><Point GraphRef="gg1" ArrowHead="mim-stimulation"/></Graphics>
    </Interaction>
  <Interaction><Graphics>
    <Point GraphRef="n4"/><Point GraphRef="a1" ArrowHead="mim-catalysis"/></Graphics></Interaction>
  <Interaction><Graphics>
    <Point GraphRef="gg1" ArrowHead="mim-inhibition"/><Point GraphRef="n10"/></Graphics>
    </Interaction>
  <Interaction><Graphics>
    <Point GraphRef="gg2"/><Point GraphRef="n9" ArrowHead="mim-transcription-translation"/>
    </Graphics></Interaction>
  <Interaction><Graphics>
    <Point GraphRef="a1"/><Point GraphRef="t1" ArrowHead="mim-conversion"/></Graphics></Interaction>
  <Interaction><Graphics><Point GraphRef="s1"/><Point GraphRef="n4"/></Graphics></Interaction>
  <Label TextLabel="a signal" GraphId="t1"/>
  <Group GroupId="g1" GraphId="gg1" Style="Group"/>
  <Group GroupId="g2" GraphId="gg2" Style="Complex" TextLabel="cyclin D"/>
</Pathway>
"""

GPML_2021 = """<?xml version="1.0" encoding="UTF-8"?>
<Pathway xmlns="http://pathvisio.org/GPML/2021" title="A made-up diagram" organism="Homo sapiens"
    source="WikiPathways" version="WP9999_r12">
  <Xref identifier="WP9999" dataSource="WikiPathways"/>
  <Graphics boardWidth="10" boardHeight="10"/>
  <DataNodes>
    <DataNode elementId="n1" textLabel="EGFR" type="GeneProduct"/>
    <DataNode elementId="n2" textLabel="KRAS" type="Protein">
      <Xref identifier="3845" dataSource="Entrez Gene"/>
      <States><State elementId="s1" textLabel="P" type="ProteinModification"/></States></DataNode>
    <DataNode elementId="n3" textLabel="KRAS" type="Alias" aliasRef="n2"/>
    <DataNode elementId="n4" textLabel="calcium&#xA;ion" type="Metabolite">
      <Xref identifier="CHEBI:29108" dataSource="ChEBI"/></DataNode>
    <DataNode elementId="n5" textLabel="MAPK1" type="GeneProduct" groupRef="g1"/>
    <DataNode elementId="n6" textLabel="MAPK3" type="GeneProduct" groupRef="g1"/>
    <DataNode elementId="n7" textLabel="CDK4" type="Protein" groupRef="g2"/>
    <DataNode elementId="n8" textLabel="CCND1" type="Protein" groupRef="g2"/>
    <DataNode elementId="n9" textLabel="Cell cycle" type="Pathway"/>
    <DataNode elementId="n10" textLabel="let-7" type="RNA"/>
    <DataNode elementId="n11" textLabel="ERK" type="Alias" elementRef="g1"/>
  </DataNodes>
  <Interactions>
    <Interaction elementId="i1"><Waypoints>
      <Point elementId="p1" elementRef="n1" arrowHead="Undirected" x="0" y="0"/>
      <Point elementId="p2" elementRef="n2" arrowHead="Directed" x="1" y="0"/>
      <Anchor elementId="a1" position="0.5"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="n3"/>
      <Point elementRef="n11" arrowHead="Stimulation"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="n4"/>
      <Point elementRef="a1" arrowHead="Catalysis"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="g1" arrowHead="Inhibition"/>
      <Point elementRef="n10"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="g2"/>
      <Point elementRef="n9" arrowHead="Transcription-translation"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="a1"/>
      <Point elementRef="t1" arrowHead="Conversion"/></Waypoints></Interaction>
    <Interaction><Waypoints><Point elementRef="s1"/><Point elementRef="n4"/></Waypoints>
      </Interaction>
  </Interactions>
  <Labels><Label elementId="t1" textLabel="a signal"/></Labels>
  <Groups>
    <Group elementId="g1" type="Group"/>
    <Group elementId="g2" type="Complex" textLabel="cyclin D"/>
  </Groups>
</Pathway>
"""

RULES = [
    ("EGFR => KRAS", "activation"),
    ("KRAS => MAPK1;MAPK3", "activation"),
    ("calcium ion => KRAS", "catalysis"),
    ("!let-7 => MAPK1;MAPK3", "inhibition"),
    ("CCND1;CDK4 => Cell cycle", "expression"),
    ("?EGFR => a signal", "conversion"),
]


def read(tmp_path: Path, text: str, identifiers: Identifiers | None = None) -> SignalingNetwork:
    path = tmp_path / "diagram.gpml"
    path.write_text(text, encoding="utf-8")
    return read_gpml(path, identifiers)


def rules(network: SignalingNetwork) -> list[tuple[str, str]]:
    return [(interaction.rule, interaction.kind) for interaction in network.interactions]


def diagram(*lines: str, more: str = "") -> str:
    """A diagram of the nodes A to E with these lines, in GPML 2013a."""
    nodes = "".join(f'<DataNode TextLabel="{n}" GraphId="{n}" Type="Protein"/>' for n in "ABCDE")
    return f'<Pathway Name="small">{nodes}{"".join(lines)}{more}</Pathway>'


def line(
    start: str, end: str, arrow: str = "Arrow", *, anchor: str = "", back: str = "", tag=""
) -> str:
    tag = tag or "Interaction"
    anchored = f'<Anchor GraphId="{anchor}"/>' if anchor else ""
    return (
        f'<{tag}><Graphics><Point GraphRef="{start}" ArrowHead="{back}"/>'
        f'<Point GraphRef="{end}" ArrowHead="{arrow}"/>{anchored}</Graphics></{tag}>'
    )


# -- the dialects -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [GPML_2013, GPML_2021], ids=["2013a", "2021"])
def test_both_dialects_are_read_for_what_they_say(tmp_path, text):
    tables = Identifiers({"entrez:3845": ("KRAS",)})
    network = read(tmp_path, text, tables)
    assert rules(network) == [*RULES, ("?KRAS => calcium ion", "binding")]
    assert {m.name: (m.kind, m.members) for m in network.molecules} == {
        "EGFR": ("protein", ("EGFR",)),
        "KRAS": ("protein", ("KRAS",)),
        "calcium ion": ("small molecule", ("CHEBI:29108",)),
        "MAPK1": ("protein", ("MAPK1",)),
        "MAPK3": ("protein", ("MAPK3",)),
        "CDK4": ("protein", ("CDK4",)),
        "CCND1": ("protein", ("CCND1",)),
        "Cell cycle": ("process", network.molecule("Cell cycle").members),
        "let-7": ("RNA", network.molecule("let-7").members),
        "MAPK1;MAPK3": ("family", ("MAPK1", "MAPK3")),
        "CCND1;CDK4": ("complex", ("CCND1", "CDK4")),
        "a signal": ("unknown", ()),
    }
    assert network.molecule("CCND1;CDK4").label == "cyclin D"
    assert (network.name, network.title) == ("WP9999", "A made-up diagram")
    assert (network.source, network.licence) == ("WikiPathways WP9999_r12", "CC0")
    assert not network.logic_known
    assert all(m.pathways == ("WP9999",) for m in network.molecules)


def test_the_dialects_give_one_network(tmp_path):
    assert read(tmp_path, GPML_2013) == read(tmp_path, GPML_2021)


def test_the_lines_of_older_dialects_are_read(tmp_path):
    old = diagram(line("A", "B", "TBar", tag="Line"), line("B", "C", tag="Line"))
    old = old.replace("<Pathway", '<Pathway xmlns="http://genmapp.org/GPML/2010a"')
    assert rules(read(tmp_path, old)) == [("!A => B", "inhibition"), ("B => C", "activation")]
    oldest = old.replace("ArrowHead", "Head").replace("2010a", "2007")
    assert rules(read(tmp_path, oldest)) == rules(read(tmp_path, old))


def test_the_name_falls_back_on_the_file(tmp_path):
    network = read(tmp_path, diagram(line("A", "B")))
    assert (network.name, network.source, network.licence) == ("diagram", "", "")
    path = tmp_path / "Hs_Some_Pathway_WP554_69950.gpml"
    path.write_text(diagram(line("A", "B")), encoding="utf-8")
    assert read_gpml(path).name == "WP554"


# -- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrow", "sign", "kind"),
    [
        *((arrow, SIGN_OF_ARROW[arrow], kind) for arrow, kind in KIND_OF_ARROW.items()),
        ("Arrow", 1, "activation"),
        ("mim-modification", 1, "activation"),
        ("TBar", -1, "inhibition"),
        ("mim-gap", 0, "unknown"),
        ("mim-translocation", 0, "transport"),
        ("Directed", 1, "activation"),
        ("Conversion", 0, "conversion"),
        ("Inhibition", -1, "inhibition"),
        ("Catalysis", 1, "catalysis"),
        ("Stimulation", 1, "activation"),
        ("Binding", 0, "binding"),
        ("Translocation", 0, "transport"),
        ("Transcription-translation", 1, "expression"),
        ("Undirected", 0, "binding"),
        ("Line", 0, "binding"),
        ("", 0, "binding"),
    ],
)
def test_arrow_heads_have_sign_and_kind(tmp_path, arrow, sign, kind):
    (interaction,) = read(tmp_path, diagram(line("A", "B", arrow))).interactions
    assert (interaction.sources, interaction.target) == (("A",), "B")
    assert (interaction.signs, interaction.kind) == ((sign,), kind)


def test_the_arrow_head_gives_the_direction(tmp_path):
    backwards = line("A", "B", "", back="TBar")
    both = line("C", "D", "Arrow", back="mim-inhibition")
    assert rules(read(tmp_path, diagram(backwards, both))) == [
        ("!B => A", "inhibition"),
        ("C => D", "activation"),
        ("!D => C", "inhibition"),
    ]


def test_lines_of_one_pair_are_one_interaction(tmp_path):
    network = read(
        tmp_path,
        diagram(
            line("A", "B"), line("A", "B", "mim-transcription-translation"), line("B", "A"),
            line("C", "D"), line("C", "D", "TBar"),
        ),
    )  # fmt: skip
    assert rules(network) == [
        ("A => B", "expression"),
        ("B => A", "activation"),
        ("?C => D", "unknown"),
    ]


def test_anchors_are_followed(tmp_path):
    network = read(
        tmp_path,
        diagram(
            line("A", "B", anchor="x"),
            line("C", "x", "mim-inhibition", anchor="y"),
            line("D", "y", "mim-catalysis"),
            line("x", "E"),
        ),
    )
    assert rules(network) == [
        ("A => B", "activation"),
        ("!C => B", "inhibition"),
        ("D => B", "catalysis"),
        ("A => E", "activation"),
    ]


def test_what_starts_between_two_partners_starts_at_both(tmp_path):
    network = read(tmp_path, diagram(line("A", "B", "", anchor="x"), line("x", "C")))
    assert rules(network) == [
        ("?A => B", "binding"),
        ("A => C", "activation"),
        ("B => C", "activation"),
    ]


def test_anchors_in_a_circle_and_long_chains_end(tmp_path):
    circle = [line("y", "x", anchor="x"), line("x", "y", anchor="y"), line("A", "B")]
    with pytest.warns(FormatWarning, match="to or from nothing with a name are left out: 2"):
        assert rules(read(tmp_path, diagram(*circle))) == [("A => B", "activation")]
    chain = [line("A", f"x{n + 1}", anchor=f"x{n}") for n in range(1500)]
    network = read(tmp_path, diagram(*chain, line("A", "B", anchor="x1500")))
    assert rules(network) == [("A => B", "activation")]


# -- groups and texts ---------------------------------------------------------------------------


def test_groups_in_groups_count_all_their_nodes(tmp_path):
    more = """
      <DataNode TextLabel="F" GraphId="F" GroupRef="g"/><DataNode TextLabel="G" GroupRef="h"/>
      <Group GroupId="g" GraphId="gg"/><Group GroupId="h" GraphId="hh" GroupRef="g"/>
      <Group GroupId="k" GraphId="kk" GroupRef="k"/>"""
    network = read(tmp_path, diagram(line("A", "gg"), line("hh", "A"), more=more))
    assert rules(network) == [("A => F;G", "activation"), ("G => A", "activation")]


def test_a_complex_is_there_without_lines_and_a_mere_group_is_not(tmp_path):
    more = """
      <DataNode TextLabel="F" GroupRef="g"/><DataNode TextLabel="G" GroupRef="g"/>
      <DataNode TextLabel="H" GroupRef="h"/><DataNode TextLabel="I" GroupRef="h"/>
      <Group GroupId="g" Style="Complex"/><Group GroupId="h" Style="Group"/>"""
    network = read(tmp_path, diagram(line("A", "B"), more=more))
    assert network.molecule("F;G").kind == "complex"
    assert "H;I" not in network.names


def test_a_text_at_the_end_of_a_line_is_a_molecule_and_a_bare_shape_is_none(tmp_path):
    more = """<Label TextLabel="some&#xA;stress" GraphId="t1"/><Label TextLabel="Legend"/>
      <Shape TextLabel="" GraphId="t2"/><Shape TextLabel="some stress" GraphId="t3"/>"""
    lines = [line("t1", "A"), line("t2", "A"), line("t3", "B")]
    with pytest.warns(FormatWarning, match="nothing with a name are left out: 1"):
        network = read(tmp_path, diagram(*lines, more=more))
    assert rules(network) == [
        ("some stress => A", "activation"),
        ("some stress => B", "activation"),
    ]
    assert network.molecule("some stress").kind == "unknown"
    assert "Legend" not in network.names


def test_one_label_on_different_molecules_gives_two_names(tmp_path):
    more = """<DataNode TextLabel="X" GraphId="X1" Type="Metabolite">
        <Xref Database="HMDB" ID="HMDB1"/></DataNode>
      <DataNode TextLabel="X" GraphId="X2" Type="Metabolite">
        <Xref Database="HMDB" ID="HMDB2"/></DataNode>"""
    network = read(tmp_path, diagram(line("X1", "X2"), more=more))
    assert rules(network) == [("X => X (2)", "activation")]
    assert network.molecule("X (2)").members == ("hmdb:HMDB2",)


# -- odd and hostile files ----------------------------------------------------------------------


def test_oddities_are_counted_in_one_warning_each(tmp_path):
    lines = [line("A", "B"), *(line("A", "") for _ in range(40)), line("A", "404")]
    lines.append(line("B", "C", "magic"))
    more = '<DataNode TextLabel="" GraphId="F"/><DataNode TextLabel="G" GraphId="A"/>'
    more += '<DataNode TextLabel="H" GroupRef="404"/><Interaction/>'
    with pytest.warns(FormatWarning) as caught:
        network = read(tmp_path, diagram(*lines, more=more))
    messages = sorted(str(warning.message).partition(": ")[2] for warning in caught)
    assert [message.partition(" (such as")[0] for message in messages] == [
        "lines to or from nothing with a name are left out: 1",
        "lines with a loose end are left out: 40",
        "lines without two points: 1",
        "nodes of groups that do not exist: 1",
        "nodes with the id of another: 1",
        "nodes without a label: 1",
        "unknown arrow heads: 1",
    ]
    assert rules(network) == [("A => B", "activation"), ("?B => C", "unknown")]
    assert {"node F", "G", "H"} <= set(network.names)


def test_nodes_without_lines_are_a_network_without_interactions(tmp_path):
    with pytest.warns(FormatWarning, match="no line connects two molecules"):
        network = read(tmp_path, diagram())
    assert network.names == tuple("ABCDE")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not well-formed XML"),
        ("<html/>", "the root is <html>; expected <Pathway>"),
        ('<pathway name="path:hsa04010"/>', "the root is <pathway>; expected <Pathway>"),
        (GPML_2013[:2000], "not well-formed XML"),
        ("<Pathway/>", "it is empty"),
        ('<!DOCTYPE x [<!ENTITY a "a">]><Pathway Name="&a;"/>', "holds entities"),
    ],
    ids=["empty", "web page", "KGML", "cut off", "nothing in it", "entities"],
)
def test_unreadable_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.gpml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        read_gpml(path)
    assert "bad.gpml" in str(caught.value)


@pytest.mark.parametrize("text", [GPML_2013, GPML_2021], ids=["2013a", "2021"])
def test_damaged_diagrams_give_a_network_or_one_clear_error(tmp_path, text):
    for case in range(60):
        path = tmp_path / f"{case}.gpml"
        path.write_text(damaged(text, random.Random(case), STRANGE), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FormatWarning)
            with contextlib.suppress(FormatError):
                assert read_gpml(path).molecules


# -- real diagrams ------------------------------------------------------------------------------


def test_real_diagrams_have_the_edges_of_the_edge_table(shared_data):
    """The table was drawn from other revisions, so that a few edges may be missing."""
    folder = shared_data / "wikipathways"
    stated: dict[str, dict[tuple[str, str], set[int]]] = defaultdict(lambda: defaultdict(set))
    with open(folder / "edges.tsv", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            stated[row["pathway"]][row["source"], row["target"]].add(int(row["sign"]))
    total = found = agree = 0
    for path in sorted((folder / "gpml").glob("*.gpml")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FormatWarning)
            network = read_gpml(path)
        assert network.name == path.stem
        assert network.licence == "CC0"
        read_edges = {(i.sources[0], i.target): i.signs[0] for i in network.interactions}
        for pair, signs in stated[path.stem].items():
            total += 1
            if pair in read_edges:
                found += 1
                agree += len(signs) > 1 or read_edges[pair] in signs
    assert total > 1000
    assert found > 0.95 * total
    assert agree > 0.98 * found
