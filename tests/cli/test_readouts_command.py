"""`hmlm readouts`: drafts of what readouts measure and of what drugs act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hmlm_fm.cli.main import app
from hmlm_fm.formats.measured.drug_targets import read_targets
from hmlm_fm.formats.measured.readout_tables import read_readouts
from hmlm_fm.formats.measured.set_folder import is_set_folder

TABLE = """\
Stimulus,Drug,time_min,pERK1/2,AKT_pS473,CellArea,Xyz9
DMSO,DMSO,0,1,1,1,1
EGF,DMSO,30,3,2,1,1
EGF,GSK1120212,30,1,2,1,1
EGF,p38i,30,1,2,1,2
EGF,MysteryCompound,30,2,2,1,2
"""


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def readouts(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["readouts", *map(str, arguments)])


def refused(*arguments: str | Path) -> str:
    result = readouts(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_readouts_are_guessed_and_counted(table, tmp_path):
    out = tmp_path / "readouts.csv"
    result = readouts(table, "--out", out)
    assert result.exit_code == 0, result.stderr
    found = read_readouts(out)
    assert list(found) == ["pERK1/2", "AKT_pS473", "CellArea", "Xyz9"]
    assert found["pERK1/2"].genes == ("MAPK1", "MAPK3")
    assert found["AKT_pS473"].sites == ("S473",)
    assert found["Xyz9"].genes == ()
    assert "4 readouts, of which 2 guessed, 2 not known" in result.stdout
    assert "not known: CellArea, Xyz9" in result.stdout
    assert "check each row" in result.stdout
    assert not (tmp_path / "targets.csv").exists()


def test_drugs_are_found_guessed_or_named_as_missing(table, tmp_path):
    out, targets = tmp_path / "readouts.csv", tmp_path / "targets.csv"
    result = readouts(table, "--out", out, "--targets-out", targets)
    assert "drug GSK1120212 (trametinib): MAP2K1, MAP2K2" in result.stdout
    assert "inhibitor of p38: probably MAPK" in result.stdout
    assert "drugs that need a row in a table --targets: 'MysteryCompound'" in result.stdout
    drafted = read_targets(targets)
    name, acts_on = drafted.find("GSK1120212")
    assert name == "GSK1120212"
    assert [t.gene for t in acts_on] == ["MAP2K1", "MAP2K2"]
    assert drafted.find("MysteryCompound") is None


def test_a_drug_that_is_named_after_its_target_is_a_guess_in_the_table(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "conditions.csv").write_text(
        "condition,kind,molecule,value,unit\ncontrol,,,,\na,drug,MEK inhibitor,5,nM\n"
    )
    (folder / "observations.csv").write_text(
        "condition,molecule,time_hours,value\na,pERK,1,0.5\ncontrol,pERK,1,0.7\n"
    )
    targets = tmp_path / "targets.csv"
    result = readouts(folder, "--out", tmp_path / "r.csv", "--targets-out", targets)
    assert "drug MEK inhibitor: probably MAP2K1, MAP2K2, by its name; check it" in result.stdout
    assert read_targets(targets).sources == {"MEK inhibitor": "guess by its name"}


def test_what_a_set_states_stays(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "conditions.csv").write_text("condition,kind,molecule,value\ncontrol,,,\n")
    (folder / "observations.csv").write_text(
        "condition,molecule,time_hours,value\ncontrol,pERK,1,0.5\ncontrol,Q,1,0.5\n"
    )
    own = folder / "readouts.csv"
    own.write_text("readout,genes\nQ,EGFR\n")
    assert "it exists; replace it with --force" in refused(folder, "--out", own)
    result = readouts(folder, "--out", own, "--force")
    assert result.exit_code == 0, result.stderr
    assert "1 as the set states them" in result.stdout
    assert read_readouts(own)["Q"].genes == ("EGFR",)
    assert read_readouts(own)["pERK"].genes == ("MAPK1", "MAPK3")
    assert is_set_folder(folder)
    # Its other files are what is read, and no place for a draft.
    message = refused(folder, "--out", folder / "conditions.csv", "--force")
    assert "this run reads it" in message


def test_orthologues_and_identifiers(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("drug,time_h,Trp53bpX,my:1\nDMSO,1,1,2\nxyz,1,2,3\n")
    orthologues = tmp_path / "orthologues.csv"
    orthologues.write_text("symbol,human\nTrp53bpX,TP53\n")
    out = tmp_path / "readouts.csv"
    result = readouts(table, "--out", out, "--orthologues", orthologues)
    assert result.exit_code == 0, result.stderr
    assert read_readouts(out)["Trp53bpX"].genes == ("TP53",)


def test_no_table_of_drugs_where_none_is_known(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("drug,time_h,pERK\nDMSO,1,1\nxyz,1,2\n")
    targets = tmp_path / "targets.csv"
    result = readouts(table, "--out", tmp_path / "r.csv", "--targets-out", targets)
    assert f"{targets}: not written" in result.stdout
    assert not targets.exists()


def test_what_must_not_be_written(table, tmp_path):
    out = tmp_path / "readouts.csv"
    assert "are one file; expected two" in refused(table, "--out", out, "--targets-out", out)
    assert "this run reads it" in refused(table, "--out", table, "--force")
    assert "there is no folder to write it into" in refused(table, "--out", tmp_path / "x/y.csv")
    out.write_text("mine")
    assert "it exists" in refused(table, "--out", out)
    assert out.read_text() == "mine"
    assert "no such file or folder" in refused(tmp_path / "none.csv", "--out", out, "--force")
    network = tmp_path / "network.sif"
    network.write_text("A 1 B\n")
    assert "it holds no measurements" in refused(network, "--out", tmp_path / "n.csv")


@pytest.mark.parametrize(
    ("source", "count"), [("hpn_dream/MD_BT20_main.csv", 48), ("perturbation/cellbox", 87)]
)
def test_published_sets(shared_data, tmp_path, source, count):
    out = tmp_path / "readouts.csv"
    result = readouts(shared_data / source, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"{count} readouts" in result.stdout
    assert len(read_readouts(out)) == count
