"""KGML: every type of entry, relation and reaction, odd maps, and damaged ones."""

from __future__ import annotations

import contextlib
import random
import warnings
from pathlib import Path

import pytest
from damage import damaged

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.identifiers import Identifiers
from hmlm_fm.formats.kgml import LICENCE, read_kgml
from hmlm_fm.model.network import SignalingNetwork

STRANGE = ["", "1", "hsa:", ":", "undefined", "5 5"]

HEAD = """<?xml version="1.0"?>
<!DOCTYPE pathway SYSTEM "https://www.kegg.jp/kegg/xml/KGML_v0.7.2_.dtd">
<!-- Creation date: Jan 1, 2026 -->
"""
PATHWAY = '<pathway name="path:hsa09999" org="hsa" number="09999" title="A made-up map">'
TABLES = Identifiers({"entrez:5594": ("MAPK1",), "entrez:5595": ("MAPK3",)})

MAP = f"""{HEAD}{PATHWAY}
  <entry id="1" name="hsa:5594 hsa:5595" type="gene" link="https://www.kegg.jp/">
    <graphics name="MAPK1, ERK, ERK2..." type="rectangle" x="1" y="2"/>
  </entry>
  <entry id="2" name="hsa:1956" type="gene"><graphics name="EGFR, ERBB"/></entry>
  <entry id="3" name="hsa:5728" type="gene"><graphics name="PTEN"/></entry>
  <entry id="4" name="cpd:C00076" type="compound"><graphics name="C00076"/></entry>
  <entry id="5" name="path:hsa04010" type="map"><graphics name="TITLE:MAPK"/></entry>
  <entry id="6" name="undefined" type="group">
    <graphics type="rectangle"/><component id="2"/><component id="3"/>
  </entry>
  <entry id="7" name="ko:K04371" type="ortholog"><graphics name="K04371"/></entry>
  <entry id="8" name="ec:2.7.11.24" type="enzyme"><graphics name="2.7.11.24"/></entry>
  <entry id="9" name="hsa:5728" type="gene"><graphics name="PTEN"/></entry>
  <entry id="10" name="undefined" type="other"><graphics name="DNA"/></entry>
"""


def relation(one: object, two: object, *subtypes: str, kind: str = "PPrel", value: str = "") -> str:
    inside = "".join(f'<subtype name="{name}" value="{value}"/>' for name in subtypes)
    return f'<relation entry1="{one}" entry2="{two}" type="{kind}">{inside}</relation>\n'


def read(tmp_path: Path, body: str, identifiers: Identifiers | None = None) -> SignalingNetwork:
    path = tmp_path / "map.xml"
    path.write_text(f"{MAP}{body}</pathway>", encoding="utf-8")
    return read_kgml(path, identifiers)


def rules(network: SignalingNetwork) -> list[tuple[str, str]]:
    return [(interaction.rule, interaction.kind) for interaction in network.interactions]


# -- entries ------------------------------------------------------------------------------------


def test_every_type_of_entry_becomes_a_molecule(tmp_path):
    network = read(tmp_path, relation(1, 2, "activation"), TABLES)
    assert {m.name: (m.kind, m.members) for m in network.molecules} == {
        "MAPK1": ("family", ("MAPK1", "MAPK3")),
        "EGFR": ("protein", ("EGFR",)),
        "PTEN": ("protein", ("PTEN",)),
        "C00076": ("small molecule", ("kegg.compound:C00076",)),
        "K04371": ("protein", ("ko:K04371",)),
        "2.7.11.24": ("protein", ("ec:2.7.11.24",)),
        "DNA": ("unknown", ()),
        "EGFR;PTEN": ("complex", ("EGFR", "PTEN")),
    }
    assert network.molecule("MAPK1").label == "MAPK1, ERK, ERK2..."


def test_the_label_stands_for_the_first_gene_alone(tmp_path):
    network = read(tmp_path, relation(1, 2, "activation"))
    assert network.molecule("MAPK1").members == ("MAPK1", "entrez:5595")


def test_what_the_map_is_and_how_it_may_be_used(tmp_path):
    network = read(tmp_path, relation(1, 2, "activation"))
    assert (network.name, network.title) == ("hsa09999", "A made-up map")
    assert (network.source, network.licence) == ("KEGG hsa09999", LICENCE)
    assert network.family_name == "map09999"
    assert not network.logic_known
    assert [p.name for p in network.pathways] == ["hsa09999"]
    assert all(m.pathways == ("hsa09999",) for m in network.molecules)


def test_one_label_on_different_genes_gives_two_names(tmp_path):
    extra = '<entry id="20" name="hsa:1 hsa:2" type="gene"><graphics name="PTEN"/></entry>'
    with pytest.warns(FormatWarning, match="no relations between molecules"):
        network = read(tmp_path, extra)
    assert {"PTEN", "PTEN (2)"} <= set(network.names)
    assert network.molecule("PTEN (2)").kind == "family"


def test_an_entry_without_a_label_is_called_by_its_identifier(tmp_path):
    extra = '<entry id="20" name="hsa:7157" type="gene"/><entry id="21" type="other"/>'
    network = read(tmp_path, extra + relation(20, 1, "activation"))
    assert {"hsa:7157", "entry 21"} <= set(network.names)


def test_groups_of_groups_and_in_circles_are_read(tmp_path):
    extra = """
      <entry id="20" type="group"><component id="6"/><component id="1"/></entry>
      <entry id="21" type="group"><component id="22"/><component id="10"/></entry>
      <entry id="22" type="group"><component id="21"/><component id="404"/></entry>"""
    with pytest.warns(FormatWarning, match="components that do not exist"):
        network = read(tmp_path, extra + relation(20, 1, "activation"), TABLES)
    assert network.molecule("EGFR;PTEN;MAPK1").members == ("EGFR", "PTEN", "MAPK1", "MAPK3")


# -- relations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subtypes", "sign", "kind"),
    [
        (["activation"], 1, "activation"),
        (["inhibition"], -1, "inhibition"),
        (["expression"], 1, "expression"),
        (["repression"], -1, "repression"),
        (["phosphorylation"], 0, "phosphorylation"),
        (["activation", "phosphorylation"], 1, "phosphorylation"),
        (["inhibition", "dephosphorylation"], -1, "dephosphorylation"),
        (["inhibition", "ubiquitination"], -1, "ubiquitination"),
        (["methylation"], 0, "methylation"),
        (["demethylation"], 0, "unknown"),
        (["glycosylation"], 0, "unknown"),
        (["activation", "glycosylation"], 1, "activation"),
        (["state change"], 0, "unknown"),
        (["indirect effect"], 0, "indirect"),
        (["activation", "indirect effect"], 1, "indirect"),
        (["binding/association"], 0, "binding"),
        (["dissociation"], 0, "dissociation"),
        (["missing interaction"], 0, "unknown"),
        (["activation", "inhibition"], 0, "unknown"),
        (["activation", "inhibition", "phosphorylation"], 0, "phosphorylation"),
        (["expression", "inhibition"], 0, "unknown"),
        ([], 0, "unknown"),
    ],
)
def test_subtypes_add_up_to_one_interaction(tmp_path, subtypes, sign, kind):
    (interaction,) = read(tmp_path, relation(1, 2, *subtypes)).interactions
    assert (interaction.sources, interaction.target) == (("MAPK1",), "EGFR")
    assert (interaction.signs, interaction.kind) == ((sign,), kind)


def test_relations_of_one_pair_and_of_copies_are_merged(tmp_path):
    network = read(
        tmp_path,
        relation(1, 3, "activation")
        + relation(1, 9, "phosphorylation")
        + relation(2, 3, "activation")
        + relation(2, 3, "inhibition")
        + relation(3, 2, "inhibition"),
    )
    assert rules(network) == [
        ("MAPK1 => PTEN", "phosphorylation"),
        ("?EGFR => PTEN", "unknown"),
        ("!PTEN => EGFR", "inhibition"),
    ]


def test_a_group_acts_as_one_complex(tmp_path):
    network = read(tmp_path, relation(6, 1, "activation") + relation(1, 6, "inhibition"))
    assert rules(network) == [
        ("EGFR;PTEN => MAPK1", "activation"),
        ("!MAPK1 => EGFR;PTEN", "inhibition"),
    ]


def test_a_relation_by_way_of_a_compound_is_two_conversions(tmp_path):
    links = relation(2, 3, "compound", kind="ECrel", value="4")
    links += relation(3, 1, "activation", "hidden compound", value="4")
    assert rules(read(tmp_path, links)) == [
        ("?EGFR => C00076", "conversion"),
        ("?C00076 => PTEN", "conversion"),
        ("?PTEN => C00076", "conversion"),
        ("?C00076 => MAPK1", "conversion"),
        ("PTEN => MAPK1", "activation"),
    ]


def test_a_compound_that_is_not_drawn_leaves_a_direct_conversion(tmp_path):
    with pytest.warns(FormatWarning, match="compounds of relations that do not exist: 1"):
        network = read(tmp_path, relation(2, 3, "compound", kind="ECrel", value="404"))
    assert rules(network) == [("?EGFR => PTEN", "conversion")]


def test_links_to_other_maps_are_left_out(tmp_path):
    body = relation(1, 2, "activation") + relation(1, 5, "compound", kind="maplink", value="4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rules(read(tmp_path, body)) == [("MAPK1 => EGFR", "activation")]
    with pytest.warns(FormatWarning, match="between a molecule and another map are left out: 2"):
        network = read(tmp_path, body + 2 * relation(5, 1, "activation"))
    assert rules(network) == [("MAPK1 => EGFR", "activation")]


def test_a_loop_is_kept_where_it_has_a_sign(tmp_path):
    network = read(tmp_path, relation(1, 1, "binding/association") + relation(2, 2, "inhibition"))
    assert rules(network) == [("!EGFR => EGFR", "inhibition")]


# -- reactions ----------------------------------------------------------------------------------

REACTION_ENTRIES = """
  <entry id="30" name="hsa:3098" type="gene" reaction="rn:R01786 rn:R01600">
    <graphics name="HK1"/></entry>
  <entry id="31" name="hsa:2645" type="gene" reaction="rn:R01786"><graphics name="GCK"/></entry>
  <entry id="32" name="cpd:C00267" type="compound"><graphics name="Glc"/></entry>
  <entry id="33" name="cpd:C00668 gl:G00001" type="compound"><graphics name="G6P"/></entry>
"""


@pytest.mark.parametrize("ids", [True, False], ids=["0.7", "0.6"])
def test_reactions_join_substrates_and_enzyme(tmp_path, ids):
    one, two = ('id="32" ', 'id="33" ') if ids else ("", "")
    reaction = f"""<reaction id="31" name="rn:R01786" type="irreversible">
      <substrate {one}name="cpd:C00267"/><product {two}name="cpd:C00668"/></reaction>"""
    network = read(tmp_path, REACTION_ENTRIES + reaction)
    assert rules(network) == [
        ("?Glc & HK1 => G6P", "conversion"),
        ("?Glc & GCK => G6P", "conversion"),
    ]


def test_a_reversible_reaction_goes_both_ways(tmp_path):
    reaction = """<reaction name="rn:R01600" type="reversible">
      <substrate name="cpd:C00267"/><substrate name="cpd:C00002"/><product name="cpd:C00668"/>
      </reaction>"""
    network = read(tmp_path, REACTION_ENTRIES + reaction)
    assert rules(network) == [
        ("?Glc & ?cpd:C00002 & HK1 => G6P", "conversion"),
        ("?G6P & HK1 => Glc", "conversion"),
        ("?G6P & HK1 => cpd:C00002", "conversion"),
    ]
    assert network.molecule("cpd:C00002").members == ("kegg.compound:C00002",)


def test_a_reaction_without_products_is_reported(tmp_path):
    body = '<reaction name="rn:R1" type="reversible"><substrate name="cpd:C00267"/></reaction>'
    body += relation(1, 2, "activation")
    with pytest.warns(FormatWarning, match="without substrates or products"):
        assert len(read(tmp_path, REACTION_ENTRIES + body).interactions) == 1


# -- odd and hostile files ----------------------------------------------------------------------


def test_oddities_are_counted_in_one_warning_each(tmp_path):
    body = "".join(relation(1, n, "activation") for n in range(900, 950))
    body += relation(1, 2, "magic") + relation(1, 3, "magic") + relation(1, 2, "activation")
    body += '<entry id="1" name="hsa:207" type="gene"><graphics name="AKT1"/></entry>'
    with pytest.warns(FormatWarning) as caught:
        network = read(tmp_path, body)
    messages = sorted(str(warning.message).partition(": ")[2] for warning in caught)
    assert len(messages) == 3
    assert messages[0].startswith("entries without an id of their own: 1 (such as line ")
    assert messages[1].startswith("relations of entries that do not exist are left out: 50")
    assert messages[2] == "unknown subtypes of relations: 2 (such as 'magic')"
    assert "AKT1" in network.names
    assert rules(network)[0] == ("MAPK1 => EGFR", "activation")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not well-formed XML"),
        ("<html/>", "the root is <html>; expected <pathway>"),
        (MAP, "not well-formed XML"),
        (MAP[:400], "not well-formed XML"),
        (f"{PATHWAY}</pathway>", "it is empty"),
        (f'<!DOCTYPE pathway [<!ENTITY a "aa">]>{PATHWAY}&a;</pathway>', "holds entities"),
    ],
    ids=["empty", "web page", "cut off", "cut off early", "nothing in it", "entities"],
)
def test_unreadable_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=message) as caught:
        read_kgml(path)
    assert "bad.xml" in str(caught.value)


def test_damaged_maps_give_a_network_or_one_clear_error(tmp_path):
    reaction = '<reaction id="31" name="rn:R01786" type="reversible">'
    reaction += '<substrate id="32" name="cpd:C00267"/><product id="33" name="cpd:C00668"/>'
    body = relation(1, 2, "activation") + relation(2, 3, "compound", value="4")
    body += relation(6, 9, "inhibition") + relation(7, 8, "expression") + reaction + "</reaction>"
    whole = f"{MAP}{REACTION_ENTRIES}{body}</pathway>"
    for case in range(60):
        (tmp_path / f"{case}.xml").write_text(damaged(whole, random.Random(case), STRANGE))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FormatWarning)
            with contextlib.suppress(FormatError):
                assert read_kgml(tmp_path / f"{case}.xml").molecules
