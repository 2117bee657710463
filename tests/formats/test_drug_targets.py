"""Drugs and what they act on: the table of the package, and those of users."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.measured.drug_targets import (
    DrugTable,
    DrugTarget,
    key_of_drug,
    read_targets,
    shipped_targets,
    target_of_inhibitor_name,
)
from hmlm_fm.model.conditions import PERTURBATION_KINDS
from hmlm_fm.model.vocabulary import Vocabulary


def genes_of(table: DrugTable, name: str) -> set[str]:
    found = table.find(name)
    assert found is not None, name
    return {target.gene for target in found[1]}


@pytest.mark.parametrize(
    ("name", "proper", "genes"),
    [
        ("GSK1120212", "trametinib", {"MAP2K1", "MAP2K2"}),
        ("gsk-1120212", "trametinib", {"MAP2K1", "MAP2K2"}),
        ("PD 0325901", "PD0325901", {"MAP2K1", "MAP2K2"}),
        ("PLX4032", "vemurafenib", {"BRAF"}),
        ("GSK690693", "GSK690693", {"AKT1", "AKT2", "AKT3"}),
        ("PD173074", "PD173074", {"FGFR1", "FGFR3"}),
        ("AZD8055", "AZD8055", {"MTOR"}),
        ("sirolimus", "rapamycin", {"MTOR"}),
        ("IKK16", "IKK-16", {"CHUK", "IKBKB"}),
        ("oxozeaenol", "5Z-7-oxozeaenol", {"MAP3K7"}),
        ("JNK-IN-8", "JNK-IN-8", {"MAPK8", "MAPK9", "MAPK10"}),
        ("BIRB_796", "doramapimod", {"MAPK11", "MAPK12", "MAPK13", "MAPK14"}),
        ("FK506", "tacrolimus", {"PPP3CA", "PPP3CB", "PPP3R1"}),
        ("Go6976", "Gö 6976", {"PRKCA", "PRKCB"}),
        ("losartan", "losartan", {"AGTR1"}),
    ],
)
def test_common_drugs_are_known_by_any_spelling(name, proper, genes):
    table = shipped_targets()
    found = table.find(name)
    assert found is not None
    assert found[0] == proper
    assert genes_of(table, name) == genes
    assert {(t.kind, t.strength) for t in found[1]} == {("inhibition", 0.9)}


def test_the_shipped_table_is_sound():
    """Every drug has targets of the vocabulary, a kind and a source."""
    table, index = shipped_targets(), Vocabulary.shipped().index
    assert len(table.targets) >= 150
    for drug, targets in table.targets.items():
        assert targets, drug
        for target in targets:
            assert target.gene in index, drug
            assert target.kind in PERTURBATION_KINDS, drug
            assert 0 < target.strength <= 1, drug
        assert table.sources.get(drug), drug
        assert table.find(drug) == (drug, targets)


def test_what_is_no_drug_is_not_found():
    for name in ("", "-", "DMSO", "EGF", "MEK", "MEKi", "none", "PBS", "vehicle"):
        assert shipped_targets().find(name) is None


def test_a_users_table_is_read(tmp_path):
    path = tmp_path / "drugs.csv"
    path.write_text(
        "drug,target,strength,kind,aliases,source\n"
        "A-1,EGFR|HER2,0.5,,A one|first,lab\n"
        "A-1,MEK,1,,,\n"
        "B,TP53,,knockout,,\n"
        "C,MYC,0.3,overexpression,,\n"
    )
    table = read_targets(path)
    assert table.find("a 1") == table.find("A_ONE") == table.find("First")
    assert table.find("a1") == (
        "A-1",
        (
            DrugTarget("EGFR", 0.5),
            DrugTarget("ERBB2", 0.5),
            DrugTarget("MAP2K1", 1.0),
            DrugTarget("MAP2K2", 1.0),
        ),
    )
    assert table.find("B") == ("B", (DrugTarget("TP53", 1.0, "knockout"),))
    assert table.find("C") == ("C", (DrugTarget("MYC", 0.3, "overexpression"),))
    assert dict(table.sources) == {"A-1": "lab"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drug,target\nA,EGFR\nB,\n", "row 3: drug 'B' has no target"),
        ("drug,target\nA,|\n", "row 2: drug 'A' has no target"),
        ("drug,target\nA,EGFRR\n", "row 2: drug 'A': the target 'EGFRR' is not known.*'EGFR'"),
        ("drug,target,strength\nA,EGFR,1.5\n", "row 2: .*strength 1.5; expected a number in"),
        ("drug,target,strength\nA,EGFR,much\n", "row 2: strength is 'much'"),
        ("drug,target,strength,kind\nA,EGFR,0.5,knockout\n", "row 2: .*knockout is always whole"),
        ("drug,target,kind\nA,EGFR,inhibits\n", "row 2: kind is 'inhibits'.*'inhibition'"),
        ("drug,target,strength\nA,MEK,1\nA,MAP2K1,0.5\n", "row 3: drug 'A' has the target MAP2K1"),
        ("drug,target,aliases\nA 1,EGFR,\nB,MET,a-1\n", "row 3: the name 'a-1' .*'A 1' in row 2"),
        ("drug,target\n--,EGFR\n", "row 2: '--' is no name of a drug"),
        ("drug,target\n,EGFR\n", "row 2: drug is empty"),
        ("drug,target\n", "it holds no drugs"),
        ("drug,genes\nA,EGFR\n", "there is no column 'target'"),
    ],
)
def test_a_bad_table_of_drugs_is_refused_in_a_line(tmp_path, text, message):
    path = tmp_path / "drugs.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=f"drugs.csv.*{message}"):
        read_targets(path)


def test_a_users_table_wins_over_the_shipped_one(tmp_path):
    path = tmp_path / "drugs.csv"
    path.write_text("drug,target,aliases\nmine,BRAF,GSK1120212\ngefitinib,MET,\nST,STAT3,\n")
    table = shipped_targets().overlaid(read_targets(path))
    assert table.find("GSK1120212") == table.find("trametinib") == table.find("Mekinist")
    assert table.find("trametinib") == ("mine", (DrugTarget("BRAF"),))
    assert genes_of(table, "Iressa") == {"MET"}
    assert genes_of(table, "ST") == {"STAT3"}
    assert genes_of(table, "erlotinib") == {"EGFR"}
    assert "trametinib" not in table.targets
    assert "gefitinib" not in table.sources
    assert genes_of(shipped_targets(), "trametinib") == {"MAP2K1", "MAP2K2"}


@pytest.mark.parametrize(
    ("name", "genes"),
    [
        ("MEKi", "MAP2K1|MAP2K2"),
        ("MEK12i", "MAP2K1|MAP2K2"),
        ("mek12i", "MAP2K1|MAP2K2"),
        ("MEK inhibitor", "MAP2K1|MAP2K2"),
        ("MEK_inh", "MAP2K1|MAP2K2"),
        ("PI3Ki", "PIK3CA|PIK3CB|PIK3CD|PIK3R1|PIK3R2"),
        ("p38i", "MAPK11|MAPK12|MAPK13|MAPK14"),
        ("p38i-PH797804", "MAPK11|MAPK12|MAPK13|MAPK14"),
        ("JNKi-JNK-IN-8", "MAPK8|MAPK9|MAPK10"),
        ("mTORrapi", "MTOR"),
        ("BRAFi", "BRAF"),
        ("raf1i", "RAF1"),
        ("TAK1i", "MAP3K7"),
        ("IKKi", "CHUK|IKBKB|IKBKG"),
        ("GSK3i", "GSK3A|GSK3B"),
        ("CDK4/6i", "CDK4|CDK6"),
    ],
)
def test_an_inhibitor_is_named_after_its_target(name, genes):
    assert target_of_inhibitor_name(name) == genes


@pytest.mark.parametrize("name", ["", "i", "MEK", "noinh", "NOINHIB", "Gi", "DMSO", "PDK1i", "EGF"])
def test_what_is_named_after_no_target_has_none(name):
    assert target_of_inhibitor_name(name) is None


@given(st.text(max_size=60))
def test_no_name_of_a_drug_raises(name):
    found = shipped_targets().find(name)
    assert found is None or key_of_drug(name)
    genes = target_of_inhibitor_name(name)
    assert genes is None or all(gene in Vocabulary.shipped().index for gene in genes.split("|"))
