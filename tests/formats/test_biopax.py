"""BioPAX: every class of reaction, control and entity, both levels, and damaged files."""

from __future__ import annotations

import contextlib
import random
import warnings
from pathlib import Path

import pytest
from damage import damaged

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.biopax.biopax import read_biopax
from hmlm_fm.formats.identifiers import Identifiers
from hmlm_fm.model.network import SignalingNetwork

STRANGE = ["", "#", "#A", "#Complex1", "http://[", "%"]

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<rdf:RDF {RDF} xmlns:owl="http://www.w3.org/2002/07/owl#"
  xmlns:bp="http://www.biopax.org/release/biopax-level3.owl#" xml:base="http://example.org/made-up">
<owl:Ontology rdf:about=""/>
"""
TABLES = Identifiers({"uniprot:P00533": ("EGFR",), "uniprot:P28482": ("MAPK1",)})


def entity(kind: str, name: str, *more: str) -> str:
    inside = f"<bp:displayName>{name}</bp:displayName>" + "".join(more)
    return f'<bp:{kind} rdf:ID="{name}">{inside}</bp:{kind}>\n'


def link(**properties: str) -> str:
    """Links to the entities of these names, several of them with a blank between."""
    return "".join(
        f'<bp:{name} rdf:resource="#{target}"/>'
        for name, targets in properties.items()
        for target in targets.split()
    )


def stated(**properties: str) -> str:
    return "".join(f"<bp:{name}>{text}</bp:{name}>" for name, text in properties.items())


PROTEINS = "".join(entity("Protein", name) for name in "A B C D E".split())
PROTEINS += entity("Complex", "A:B", link(component="A B"))


def read(tmp_path: Path, body: str, identifiers: Identifiers | None = None):
    path = tmp_path / "made-up.owl"
    path.write_text(f"{HEAD}{body}</rdf:RDF>", encoding="utf-8")
    return read_biopax(path, identifiers)


def only(tmp_path: Path, body: str, identifiers: Identifiers | None = None) -> SignalingNetwork:
    (network,) = read(tmp_path, body, identifiers)
    return network


def rules(network: SignalingNetwork) -> list[tuple[str, str]]:
    return [(interaction.rule, interaction.kind) for interaction in network.interactions]


# -- reactions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "left", "right", "expected"),
    [
        ("BiochemicalReaction", "r", "A", "B", [("?A => B", "conversion")]),
        ("Conversion", "r", "A", "B", [("?A => B", "conversion")]),
        ("Transport", "r", "A", "B", [("?A => B", "transport")]),
        ("TransportWithBiochemicalReaction", "r", "A", "B", [("?A => B", "transport")]),
        ("ComplexAssembly", "r", "C D", "E", [("?C & ?D => E", "binding")]),
        ("ComplexAssembly", "r", "E", "C D", [("?E => C", "dissociation"),
                                              ("?E => D", "dissociation")]),
        ("BiochemicalReaction", "r", "A B", "A:B", [("?A & ?B => A:B", "binding")]),
        ("BiochemicalReaction", "r", "A:B", "A B", [("?A:B => A", "dissociation"),
                                                    ("?A:B => B", "dissociation")]),
        ("BiochemicalReaction", "X phosphorylates A", "A", "B", [("?A => B", "phosphorylation")]),
        ("BiochemicalReaction", "Dephosphorylation of A", "A", "B",
         [("?A => B", "dephosphorylation")]),
        ("BiochemicalReaction", "Ubiquitination of A", "A", "B", [("?A => B", "ubiquitination")]),
        ("BiochemicalReaction", "A is cleaved by X", "A", "B", [("?A => B", "cleavage")]),
        ("BiochemicalReaction", "A translocates to nucleus", "A", "B", [("?A => B", "transport")]),
        ("BiochemicalReaction", "Phosphorylated A does more", "A", "B",
         [("?A => B", "conversion")]),
        ("BiochemicalReaction", "GDP-GTP exchange", "A", "B",
         [("?A => B", "nucleotide exchange")]),
    ],
)  # fmt: skip
def test_conversions(tmp_path, kind, name, left, right, expected):
    body = f'<bp:{kind} rdf:ID="r">{stated(displayName=name)}{link(left=left, right=right)}'
    assert rules(only(tmp_path, PROTEINS + body + f"</bp:{kind}>")) == expected


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("LEFT-TO-RIGHT", ["?A => B"]),
        ("LEFT_TO_RIGHT", ["?A => B"]),
        ("RIGHT-TO-LEFT", ["?B => A"]),
        ("PHYSIOL-RIGHT-TO-LEFT", ["?B => A"]),
        ("REVERSIBLE", ["?A => B", "?B => A"]),
        ("", ["?A => B"]),
    ],
)
def test_direction(tmp_path, direction, expected):
    body = entity(
        "Conversion", "r", link(left="A", right="B"), stated(conversionDirection=direction)
    )
    assert [rule for rule, _ in rules(only(tmp_path, PROTEINS + body))] == expected


def test_a_catalysis_may_tell_the_direction(tmp_path):
    body = entity("Conversion", "r", link(left="A", right="B"))
    body += entity("Catalysis", "c", link(controller="C", controlled="r"),
                   stated(catalysisDirection="RIGHT-TO-LEFT"))  # fmt: skip
    assert rules(only(tmp_path, PROTEINS + body)) == [("?B & C => A", "conversion")]


def test_controls_join_the_inputs(tmp_path):
    body = entity("BiochemicalReaction", "r", link(left="A", right="B"))
    body += entity("Catalysis", "c1", link(controller="C", controlled="r"))
    body += entity("Catalysis", "c2", link(controller="D", controlled="r"),
                   stated(controlType="ACTIVATION"))  # fmt: skip
    body += entity("Control", "c3", link(controller="E", controlled="r"),
                   stated(controlType="INHIBITION"))  # fmt: skip
    network = only(tmp_path, PROTEINS + body)
    assert [rule for rule, _ in rules(network)] == ["?A & C & !E => B", "?A & D & !E => B"]
    assert network.logic_known


def test_a_modulation_acts_on_the_reaction_of_its_catalysis(tmp_path):
    body = entity("BiochemicalReaction", "r", link(left="A", right="B"))
    body += entity("Catalysis", "c", link(controller="C", controlled="r"))
    body += entity("Modulation", "m1", link(controller="D", controlled="c"),
                   stated(controlType="INHIBITION-COMPETITIVE"))  # fmt: skip
    body += entity("Modulation", "m2", link(controller="E", controlled="m1"),
                   stated(controlType="INHIBITION"))  # fmt: skip
    assert rules(only(tmp_path, PROTEINS + body)) == [("?A & C & E & !D => B", "conversion")]


def test_controls_in_a_circle_end(tmp_path):
    body = entity("Conversion", "r", link(left="A", right="B"))
    body += entity("Control", "c1", link(controller="C", controlled="c2"))
    body += entity("Control", "c2", link(controller="D", controlled="c1"))
    with pytest.warns(FormatWarning, match="controls of what is no reaction are left out: 2"):
        assert rules(only(tmp_path, PROTEINS + body)) == [("?A => B", "conversion")]


def test_a_degradation_lowers_what_it_degrades(tmp_path):
    body = entity("Degradation", "r", link(left="A"))
    body += entity("Catalysis", "c", link(controller="C", controlled="r"))
    body += entity("Control", "i", link(controller="D", controlled="r"),
                   stated(controlType="INHIBITION"))  # fmt: skip
    assert rules(only(tmp_path, PROTEINS + body)) == [("D & !C => A", "inhibition")]


def test_gene_expression(tmp_path):
    body = entity("TemplateReaction", "r", link(product="A"))
    body += entity("TemplateReactionRegulation", "t1", link(controller="B", controlled="r"),
                   stated(controlType="ACTIVATION"))  # fmt: skip
    body += entity("TemplateReactionRegulation", "t2", link(controller="C", controlled="r"))
    body += entity("TemplateReaction", "s", link(product="D"))
    body += entity("TemplateReactionRegulation", "t3", link(controller="C", controlled="s"),
                   stated(controlType="INHIBITION"))  # fmt: skip
    assert rules(only(tmp_path, PROTEINS + body)) == [
        ("B => A", "expression"),
        ("C => A", "expression"),
        ("!C => D", "repression"),
    ]


def test_partners_that_meet_bind_both_ways(tmp_path):
    body = entity("MolecularInteraction", "m", link(participant="A B"))
    body += entity("GeneticInteraction", "g", link(participant="C D"))
    assert rules(only(tmp_path, PROTEINS + body)) == [
        ("?A => B", "binding"),
        ("?B => A", "binding"),
        ("?C => D", "indirect"),
        ("?D => C", "indirect"),
    ]


def test_of_many_partners_the_first_binds_each(tmp_path):
    many = [f"P{n}" for n in range(12)]
    body = "".join(entity("Protein", name) for name in many)
    body += entity("MolecularInteraction", "m", link(participant=" ".join(many)))
    network = only(tmp_path, body)
    assert len(network.interactions) == 22
    assert all("P0" in (i.target, *i.sources) for i in network.interactions)


def test_controls_of_pathways_are_counted(tmp_path):
    body = entity("Conversion", "r", link(left="A", right="B"))
    body += entity("Pathway", "p", link(pathwayComponent="r"))
    body += entity("Control", "c", link(controller="C", controlled="p"))
    with pytest.warns(FormatWarning, match="controls of what is no reaction are left out: 1"):
        assert only(tmp_path, PROTEINS + body).names == ("A", "B")


# -- pathways -----------------------------------------------------------------------------------


def test_every_pathway_with_reactions_is_a_network(tmp_path):
    body = "".join(
        entity("Conversion", name, link(left=left, right=right))
        for name, left, right in (("r1", "A", "B"), ("r2", "B", "C"), ("r3", "C", "D"))
    )
    body += entity("Catalysis", "c", link(controller="E", controlled="r2"))
    body += entity("Conversion", "r4", link(left="D", right="E"))
    body += entity("Pathway", "Outer", link(pathwayComponent="Inner Other"))
    body += entity("Pathway", "Inner", link(pathwayComponent="r1", pathwayOrder="s1"))
    body += entity("PathwayStep", "s1", link(stepProcess="c"))
    body += entity("Pathway", "Other", link(pathwayComponent="r3"))
    networks = read(tmp_path, PROTEINS + body)
    assert {n.name: [rule for rule, _ in rules(n)] for n in networks} == {
        "Inner": ["?A => B", "?B & E => C"],
        "Other": ["?C => D"],
        "made-up": ["?D => E"],
    }
    for network in networks:
        assert [p.name for p in network.pathways] == [network.name]
        assert all(m.pathways == (network.name,) for m in network.molecules)


def test_only_reactome_is_taken_for_reactome(tmp_path):
    reaction = entity("Conversion", "r", link(left="A", right="B"))
    xref = "<bp:xref><bp:UnificationXref><bp:db>Reactome</bp:db><bp:id>R-HSA-1</bp:id>"
    xref += "</bp:UnificationXref></bp:xref>"
    pathway = entity("Pathway", "P", link(pathwayComponent="r"), xref)
    network = only(tmp_path, PROTEINS + reaction + pathway)
    assert (network.name, network.title) == ("R-HSA-1", "P")
    assert (network.source, network.licence) == ("Reactome R-HSA-1", "CC0")
    other = '<bp:Provenance rdf:ID="o"><bp:name>NCI PID</bp:name></bp:Provenance>'
    pathway = entity("Pathway", "P", link(pathwayComponent="r", dataSource="o"))
    network = only(tmp_path, PROTEINS + reaction + pathway + other)
    assert (network.name, network.source, network.licence) == ("P", "NCI PID", "")


# -- entities -----------------------------------------------------------------------------------


def test_entities_are_resolved_to_their_last_parts(tmp_path):
    body = """
      <bp:ProteinReference rdf:about="urn:miriam:uniprot:P00533"/>
      <bp:ProteinReference rdf:ID="ref"><bp:name>UniProt:Q99999 KRAS</bp:name>
        <bp:xref rdf:resource="#ux"/></bp:ProteinReference>
      <bp:UnificationXref rdf:ID="ux"><bp:db>UniProt</bp:db><bp:id>P28482-2</bp:id>
        </bp:UnificationXref>
      <bp:SmallMoleculeReference rdf:ID="chem"><bp:xref rdf:resource="#cx"/>
        </bp:SmallMoleculeReference>
      <bp:RelationshipXref rdf:ID="cx"><bp:db>ChEBI</bp:db><bp:id>CHEBI:15422</bp:id>
        </bp:RelationshipXref>
      <bp:CellularLocationVocabulary rdf:ID="cyt"><bp:term>cytosol</bp:term>
        </bp:CellularLocationVocabulary>
      <bp:CellularLocationVocabulary rdf:ID="nuc"><bp:term>nucleoplasm</bp:term>
        </bp:CellularLocationVocabulary>
      <bp:Protein rdf:ID="P1"><bp:displayName>R</bp:displayName>
        <bp:entityReference rdf:resource="urn:miriam:uniprot:P00533"/>
        <bp:cellularLocation rdf:resource="#cyt"/></bp:Protein>
      <bp:Protein rdf:ID="P2"><bp:displayName>R</bp:displayName>
        <bp:entityReference rdf:resource="urn:miriam:uniprot:P00533"/>
        <bp:cellularLocation rdf:resource="#nuc"/></bp:Protein>
      <bp:Protein rdf:ID="P3"><bp:displayName>R</bp:displayName>
        <bp:entityReference rdf:resource="#ref"/>
        <bp:cellularLocation rdf:resource="#nuc"/></bp:Protein>
      <bp:SmallMolecule rdf:ID="S"><bp:name>energy</bp:name>
        <bp:entityReference rdf:resource="#chem"/></bp:SmallMolecule>
      <bp:Rna rdf:ID="X"><bp:name>mRNA of X</bp:name></bp:Rna>"""
    body += entity("Complex", "inner", link(component="P3 S outer"))
    body += entity("Complex", "outer", link(component="P1 inner"))
    body += entity("Protein", "set", link(memberPhysicalEntity="P1 P3"))
    body += entity("Conversion", "r", link(left="P1 P2 P3 S X", right="outer set"))
    network = only(tmp_path, body, TABLES)
    assert {m.name: (m.kind, m.members, m.compartment) for m in network.molecules} == {
        "R": ("protein", ("EGFR",), "cytosol"),
        "R [nucleoplasm]": ("protein", ("EGFR",), "nucleus"),
        "R [nucleoplasm] (2)": ("protein", ("MAPK1",), "nucleus"),
        "energy": ("small molecule", ("CHEBI:15422",), "unknown"),
        "mRNA of X": ("RNA", (), "unknown"),
        "outer": ("complex", ("EGFR", "MAPK1", "CHEBI:15422"), "unknown"),
        "set": ("family", ("EGFR", "MAPK1"), "unknown"),
    }
    assert only(tmp_path, body).molecule("R").members == ("uniprot:P00533",)


@pytest.mark.parametrize(
    ("term", "compartment"),
    [
        ("extracellular region", "extracellular"),
        ("plasma membrane", "plasma membrane"),
        ("cytoplasm", "cytosol"),
        ("nuclear envelope", "nucleus"),
        ("mitochondrial outer membrane", "mitochondrion"),
        ("endoplasmic reticulum lumen", "endoplasmic reticulum"),
        ("Golgi membrane", "Golgi"),
        ("early endosome membrane", "endosome"),
        ("lysosomal lumen", "lysosome"),
        ("GO:0005634", "nucleus"),
        ("somewhere", "unknown"),
    ],
)
def test_compartments(tmp_path, term, compartment):
    where = f"<bp:CellularLocationVocabulary>{stated(term=term)}</bp:CellularLocationVocabulary>"
    body = entity("Protein", "X", f"<bp:cellularLocation>{where}</bp:cellularLocation>")
    body += entity("Conversion", "r", link(left="X", right="A"))
    assert only(tmp_path, PROTEINS + body).molecule("X").compartment == compartment


# -- ways to write RDF --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        """<bp:Pathway rdf:about="http://example.org/p"><bp:displayName>P</bp:displayName>
          <bp:pathwayComponent><bp:Conversion rdf:nodeID="n1">
            <bp:left><bp:Protein bp:displayName="A"/></bp:left>
            <bp:right><bp:Protein rdf:about="http://example.org/made-up#B">
              <bp:name>B</bp:name></bp:Protein></bp:right></bp:Conversion></bp:pathwayComponent>
          <bp:pathwayComponent><bp:Catalysis><bp:controlled rdf:nodeID="n1"/>
            <bp:controller rdf:resource="http://example.org/made-up#C"/></bp:Catalysis>
            </bp:pathwayComponent></bp:Pathway>
          <bp:Protein rdf:ID="C"><bp:displayName>C</bp:displayName></bp:Protein>""",
        """<rdf:Description rdf:about="#A"><bp:displayName>A</bp:displayName>
          <rdf:type rdf:resource="http://www.biopax.org/release/biopax-level3.owl#Protein"/>
          </rdf:Description>
          <bp:Protein rdf:ID="B"/><rdf:Description rdf:about="#B"><bp:name>B</bp:name>
          </rdf:Description>
          <bp:Protein rdf:about="other#C"><bp:standardName>C</bp:standardName></bp:Protein>
          <bp:Pathway rdf:ID="p"><bp:displayName>P</bp:displayName>
            <bp:pathwayComponent rdf:resource="#r"/></bp:Pathway>
          <bp:Conversion rdf:ID="r"><bp:left rdf:resource="#A"/><bp:right rdf:resource="B"/>
            </bp:Conversion>
          <bp:Catalysis><bp:controller rdf:resource="other#C"/><bp:controlled rdf:resource="#r"/>
            </bp:Catalysis>""",
    ],
    ids=["inline and blank nodes", "descriptions and relative addresses"],
)
def test_rdf_is_read_however_it_is_written(tmp_path, body):
    network = only(tmp_path, body)
    assert network.title == "P"
    assert rules(network) == [("?A & C => B", "conversion")]


def test_nesting_may_be_deep(tmp_path):
    depth = 3000
    body = "".join(
        f'<bp:Complex rdf:ID="c{n}"><bp:displayName>c{n}</bp:displayName><bp:component>'
        for n in range(depth)
    )
    body += '<bp:Protein rdf:ID="KRAS"><bp:displayName>KRAS</bp:displayName></bp:Protein>'
    body += "</bp:component></bp:Complex>" * depth
    body += entity("Conversion", "r", link(left="c0", right="KRAS"))
    assert only(tmp_path, body).molecule("c0").members == ("KRAS",)


LEVEL_2 = f"""<rdf:RDF {RDF} xmlns:bp="http://www.biopax.org/release/biopax-level2.owl#">
  <bp:pathway rdf:ID="p"><bp:NAME>A pathway of level 2</bp:NAME>
    <bp:PATHWAY-COMPONENTS><bp:pathwayStep rdf:ID="s">
      <bp:STEP-INTERACTIONS rdf:resource="#cat"/></bp:pathwayStep></bp:PATHWAY-COMPONENTS>
  </bp:pathway>
  <bp:catalysis rdf:ID="cat"><bp:DIRECTION>PHYSIOL-LEFT-TO-RIGHT</bp:DIRECTION>
    <bp:CONTROL-TYPE>ACTIVATION</bp:CONTROL-TYPE>
    <bp:CONTROLLER><bp:physicalEntityParticipant rdf:ID="pep1">
      <bp:PHYSICAL-ENTITY rdf:resource="#kinase"/></bp:physicalEntityParticipant></bp:CONTROLLER>
    <bp:CONTROLLED rdf:resource="#r1"/></bp:catalysis>
  <bp:biochemicalReaction rdf:ID="r1"><bp:SHORT-NAME>K phosphorylates ERK2</bp:SHORT-NAME>
    <bp:LEFT rdf:resource="#pep2"/><bp:RIGHT rdf:resource="#pep3"/></bp:biochemicalReaction>
  <bp:biochemicalReaction rdf:ID="r2"><bp:LEFT rdf:resource="#pep5"/>
    <bp:RIGHT rdf:resource="#pep4"/></bp:biochemicalReaction>
  <bp:pathway rdf:ID="q"><bp:SHORT-NAME>q</bp:SHORT-NAME>
    <bp:PATHWAY-COMPONENTS rdf:resource="#r2"/></bp:pathway>
  <bp:physicalEntityParticipant rdf:ID="pep2"><bp:PHYSICAL-ENTITY rdf:resource="#erk"/>
    </bp:physicalEntityParticipant>
  <bp:physicalEntityParticipant rdf:ID="pep3"><bp:PHYSICAL-ENTITY rdf:resource="#pair"/>
    </bp:physicalEntityParticipant>
  <bp:physicalEntityParticipant rdf:ID="pep4"><bp:PHYSICAL-ENTITY rdf:resource="#kinase"/>
    </bp:physicalEntityParticipant>
  <bp:sequenceParticipant rdf:ID="pep5"><bp:PHYSICAL-ENTITY rdf:resource="#erk"/>
    <bp:CELLULAR-LOCATION><bp:openControlledVocabulary><bp:TERM>nucleus</bp:TERM>
    </bp:openControlledVocabulary></bp:CELLULAR-LOCATION></bp:sequenceParticipant>
  <bp:protein rdf:ID="kinase"><bp:SHORT-NAME>K</bp:SHORT-NAME></bp:protein>
  <bp:protein rdf:ID="erk"><bp:SHORT-NAME>ERK2</bp:SHORT-NAME><bp:XREF><bp:unificationXref>
    <bp:DB>UniProt</bp:DB><bp:ID>P28482</bp:ID></bp:unificationXref></bp:XREF></bp:protein>
  <bp:complex rdf:ID="pair"><bp:SHORT-NAME>pair</bp:SHORT-NAME>
    <bp:COMPONENTS rdf:resource="#pep4"/><bp:COMPONENTS rdf:resource="#pep2"/></bp:complex>
</rdf:RDF>
"""


def test_level_2_says_the_same(tmp_path):
    path = tmp_path / "level2.owl"
    path.write_text(LEVEL_2, encoding="utf-8")
    one, two = read_biopax(path, TABLES)
    assert (one.title, rules(one)) == (
        "A pathway of level 2",
        [("?ERK2 & K => pair", "phosphorylation")],
    )
    assert (two.title, rules(two)) == ("q", [("?ERK2 [nucleus] => K", "conversion")])
    assert one.molecule("pair").kind == "complex"
    assert one.molecule("ERK2").members == ("MAPK1",)
    assert two.molecule("ERK2 [nucleus]").compartment == "nucleus"
    assert two.molecule("K").kind == "protein"


# -- odd and hostile files ----------------------------------------------------------------------


def test_oddities_are_counted_in_one_warning_each(tmp_path):
    body = entity("Conversion", "r", link(left="A gone lost", right="B r"))
    body += entity("Conversion", "empty")
    body += entity("Control", "c", link(controller="C", controlled="gone"))
    with pytest.warns(FormatWarning) as caught:
        network = only(tmp_path, PROTEINS + body)
    messages = sorted(str(warning.message).partition(": ")[2] for warning in caught)
    assert [message.partition(" (such as")[0].partition(": ")[0] for message in messages] == [
        "controls of what is no reaction are left out",
        "links to what the file does not hold",
        "participants that are no physical entities",
        "reactions without participants",
    ]
    assert rules(network) == [("?A => B", "conversion")]


def test_entities_without_reactions_are_a_network_without_interactions(tmp_path):
    with pytest.warns(FormatWarning, match="networks without an interaction"):
        network = only(tmp_path, PROTEINS)
    assert network.names == ("A", "B", "C", "D", "E", "A:B")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not well-formed XML"),
        ("<html/>", "the root is <html>; expected <rdf:RDF>"),
        (f"{HEAD}<bp:Pathway", "not well-formed XML"),
        (f"{HEAD}{PROTEINS}", "not well-formed XML"),
        (f"{HEAD}</rdf:RDF>", "no reactions and no physical entities"),
        (f'<!DOCTYPE x [<!ENTITY a "a">]><rdf:RDF {RDF}>&a;</rdf:RDF>', "holds entities"),
    ],
    ids=["empty", "web page", "cut off", "cut off late", "nothing in it", "entities"],
)
def test_unreadable_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.owl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        read_biopax(path)
    assert "bad.owl" in str(caught.value)


def fuzz(text: str, folder: Path, cases: int) -> None:
    for case in range(cases):
        path = folder / f"{case}.owl"
        path.write_text(damaged(text, random.Random(case), STRANGE, 0.05, 0.02), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FormatWarning)
            with contextlib.suppress(FormatError):
                assert all(network.molecules for network in read_biopax(path))


def test_damaged_level_2_gives_networks_or_one_clear_error(tmp_path):
    fuzz(LEVEL_2, tmp_path, 60)


def test_damaged_reactome_gives_networks_or_one_clear_error(tmp_path, shared_data):
    sample = shared_data / "reactome" / "biopax" / "R-HSA-139910.xml"
    fuzz(sample.read_text(encoding="utf-8"), tmp_path, 60)


# -- real files ---------------------------------------------------------------------------------


def test_reactome_of_today(shared_data):
    (network,) = read_biopax(shared_data / "reactome" / "biopax" / "R-HSA-139910.xml")
    assert network.source == "Reactome R-HSA-139910"
    assert network.licence == "CC0"
    assert rules(network)[0] == (
        "?BMF sequestered to dynein (DLC2) & ?ATP & JNK1 => p-BMF",
        "phosphorylation",
    )
    assert rules(network)[-1] == ("?p-BMF => p-BMF [mitochondrial outer membrane]", "transport")
    assert network.molecule("JNK1").members == ("MAPK8",)
    assert network.molecule("p-BMF [mitochondrial outer membrane]").compartment == "mitochondrion"


def test_reactome_by_way_of_pathway_commons(shared_data):
    (network,) = read_biopax(shared_data / "reactome" / "biopax" / "REACT_12034-3.owl")
    assert network.title == "Signaling by BMP"
    assert len(network.interactions) == 18
    assert ("!SMURF => SMAD1/5/8", "inhibition") in rules(network)


def test_every_sub_pathway_of_reactome_is_a_network(shared_data):
    folder = shared_data / "reactome" / "biopax"
    with pytest.warns(FormatWarning, match="controls of what is no reaction"):
        networks = read_biopax(folder / "raf_map_kinase_cascade_reactome.owl")
    assert [network.title for network in networks] == [
        "MEK activation",
        "RAF phosphorylates MEK",
        "ERK1 activation",
        "ERK2 activation",
    ]
