"""`hmlm network`: tables in, a network with its evidence out, and what is said and refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hmlm_fm.cli.main import app
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.measured.condition_tables import read_conditions
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

READOUTS = "readout,genes,site\npERK,MAPK1|MAPK3,T202\npERK_total,ERK1/2,\npJUN,JUN,S63\n"
HEADER = "condition,kind,molecule,value\n"
CONDITIONS = f"""{HEADER}\
control,,,
egf,stimulus,EGF,1
egf with inhibitor,stimulus,EGF,1
egf with inhibitor,inhibition,MEK1/2,0.9
"""
SIGNOR = """ENTITYA\tTYPEA\tIDA\tDATABASEA\tENTITYB\tTYPEB\tIDB\tDATABASEB\tEFFECT\tMECHANISM
EGF\tprotein\tP01133\tUNIPROT\tEGFR\tprotein\tP00533\tUNIPROT\tup-regulates\tbinding
EGFR\tprotein\tP00533\tUNIPROT\tMAP2K1\tprotein\tQ02750\tUNIPROT\tup-regulates\tphosphorylation
MAP2K1\tprotein\tQ02750\tUNIPROT\tMAPK3\tprotein\tP27361\tUNIPROT\tup-regulates\tphosphorylation
MAPK3\tprotein\tP27361\tUNIPROT\tJUN\tprotein\tP05412\tUNIPROT\tdown-regulates\tphosphorylation
"""


@pytest.fixture
def tables(tmp_path) -> Path:
    """A folder with the two tables and a small source, `hand.json`: EGF to ERK and to JUN."""
    (tmp_path / "readouts.csv").write_text(READOUTS)
    (tmp_path / "conditions.csv").write_text(CONDITIONS)
    edges = (("EGF", 1, "EGFR"), ("EGFR", 1, "MEK"), ("MEK", 1, "ERK"), ("ERK", -1, "JUN"))
    members = {"MEK": ("MAP2K1", "MAP2K2"), "ERK": ("MAPK1", "MAPK3")}
    names = ("EGF", "EGFR", "MEK", "ERK", "JUN")
    network = SignalingNetwork(
        "cascade",
        tuple(Molecule(name, members=members.get(name, (name,))) for name in names),
        tuple(Interaction((s,), (sign,), t, "phosphorylation") for s, sign, t in edges),
        source="PMID:7",
    )
    write_json(network, tmp_path / "hand.json")
    return tmp_path


def run(folder: Path, *arguments: str | Path, source: str | Path | None = "hand.json") -> Result:
    words = ["--readouts", folder / "readouts.csv", "--conditions", folder / "conditions.csv"]
    words += ["--source", source if source == "core" else folder / source] if source else []
    if "--out" not in arguments:
        words += ["--out", folder / "net.json"]
    return CliRunner().invoke(app, ["network", *map(str, [*words, *arguments])])


def refused(result: Result) -> str:
    """The one line on stderr with which a command ends that cannot do what it should."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_network_its_evidence_and_its_drawing_are_written(tables):
    result = run(tables, "--plot", tables / "net.svg")
    assert result.exit_code == 0, result.output
    network = load_network(tables / "net.json")
    assert network.name == "net"
    assert network.names == ("EGF", "EGFR", "MEK", "ERK", "JUN")
    assert [i.rule for i in network.interactions if not i.is_input] == [
        "EGF => EGFR", "EGFR => MEK", "MEK => ERK", "!ERK => JUN",
    ]  # fmt: skip
    assert network.inputs == ("EGF",)
    assert network.molecule("ERK").members == ("MAPK1", "MAPK3")
    found = rows(tables / "net-evidence.csv")
    assert [(row["source"], row["target"], row["sign"]) for row in found][-1] == (
        "ERK",
        "JUN",
        "-1",
    )
    assert {(row["corpus"], row["network"], row["reference"]) for row in found} == {
        ("hand.json", "cascade", "PMID:7")
    }
    assert found[-1]["rule"] == "!ERK => JUN"
    drawing = (tables / "net.svg").read_text()
    assert all(f">{name}</text>" in drawing for name in network.names)


def test_what_was_found_is_said_in_lines(tables):
    lines = run(tables).stdout.splitlines()
    assert "source hand.json: 1 network" in lines
    assert "treated: 1 stimulus, 1 other molecule; measured: 3 readouts of 2 molecules" in lines
    assert "one molecule: ERK is MAPK1, MAPK3" in lines
    assert "reached: 3 of 3 readouts, in at most 4 steps" in lines
    assert "paths of 6 pairs: 1 step: 2, 2 steps: 1, 3 steps: 2, 4 steps: 1" in lines
    assert (
        f"{tables / 'net.json'}: 5 molecules, 5 interactions of which 1 input, 0 pathways" in lines
    )


def test_readouts_out_of_reach_are_named(tables):
    (tables / "readouts.csv").write_text(READOUTS + "pSMAD2,SMAD2,\nviability,,\n")
    lines = run(tables, "--steps", "3").stdout.splitlines()
    assert "reached: 3 of 4 readouts, in at most 3 steps" in lines
    assert "not reached: readout 'pSMAD2' (SMAD2); no path leads there" in lines
    assert "not used: readout 'viability' has no gene in the table" in lines
    assert "SMAD2" in load_network(tables / "net.json").names
    (tables / "conditions.csv").write_text(HEADER + "a,stimulus,EGF,1\n")
    lines = run(tables, "--steps", "3", "--force").stdout.splitlines()
    assert "not reached: readout 'pJUN' (JUN); --steps 4 would find a path" in lines


def test_its_conditions_are_those_of_the_network(tables):
    (tables / "conditions.csv").write_text(CONDITIONS.replace("MEK1/2", "MEK"))
    run(tables)
    network = load_network(tables / "net.json")
    conditions = read_conditions(tables / "conditions.csv", network, strict=True)
    assert conditions["egf with inhibitor"].perturbations[0].target == "MEK"


def test_drugs_act_on_the_targets_that_tables_give(tables):
    text = CONDITIONS + "new,drug,XY-17,1\nold,drug,trametinib,1\n"
    (tables / "conditions.csv").write_text(text)
    lines = run(tables).stdout.splitlines()
    assert "drug trametinib acts on MAP2K1, MAP2K2" in lines
    assert (
        "not used: 'XY-17' has no gene; expected it in a table of drugs, --targets, with columns "
        "drug and target"
    ) in lines
    (tables / "targets.csv").write_text("drug,target\nXY-17,EGFR\n")
    lines = run(tables, "--targets", tables / "targets.csv", "--force").stdout.splitlines()
    assert "drug XY-17 acts on EGFR" in lines
    assert not [line for line in lines if line.startswith("not used: 'XY-17'")]


def test_names_without_a_gene_are_listed_with_what_to_do(tables):
    text = CONDITIONS + "a,stimulus,Wonder,1\nb,inhibition,trametinib,1\nc,drug,FOXO1 inhibitor,1\n"
    (tables / "conditions.csv").write_text(text)
    result = run(tables)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(
        line.startswith("not used: 'Wonder' has no gene; expected an HGNC") for line in lines
    )
    assert any("'trametinib' has no gene; expected the kind drug" in line for line in lines)
    assert any(line.endswith("(its name suggests FOXO1)") for line in lines)


MIDAS = """TR:mock:CellLine,TR:egf,TR:mek12i,DA:erk,DV:erk
1,0,0,0,0.1
1,1,0,0,0.1
1,1,0,30,0.9
1,1,1,30,0.2
"""


def test_conditions_may_be_midas_and_names_that_are_guessed_are_told(tables):
    (tables / "conditions.csv").write_text(MIDAS)
    result = run(tables)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "taken for: 'mek12' is MAP2K1, MAP2K2, by its spelling" in lines
    assert "treated: 1 stimulus, 1 other molecule; measured: 3 readouts of 2 molecules" in lines
    assert load_network(tables / "net.json").inputs == ("EGF",)


def test_a_measured_set_states_its_own_readouts_and_targets(tables):
    folder = tables / "set"
    folder.mkdir()
    (tables / "readouts.csv").rename(folder / "readouts.csv")
    (folder / "conditions.csv").write_text(CONDITIONS + "new,drug,XY-17,1\n")
    (folder / "observations.csv").write_text(
        "condition,molecule,time_hours,value\negf,pERK,1,0.5\nnew,pERK,1,0.2\n"
    )
    (folder / "targets.csv").write_text("drug,target\nXY-17,EGFR\n")
    words = ["--conditions", folder, "--source", tables / "hand.json", "--out", tables / "net.json"]
    result = CliRunner().invoke(app, ["network", *map(str, words)])
    assert result.exit_code == 0, result.output
    assert "drug XY-17 acts on EGFR" in result.stdout
    assert "reached: 3 of 3 readouts" in result.stdout


def test_core_is_the_default_and_a_built_corpus_is_named_by_its_folder(tables):
    assert "source core: 65 networks" in run(tables, source=None).stdout
    (tables / "files").mkdir()
    (tables / "files" / "all.tsv").write_text(SIGNOR)
    built = CliRunner().invoke(
        app,
        ["corpus", "build", "signor", "--from-dir", str(tables / "files"),
         "--out", str(tables / "mine")],
    )  # fmt: skip
    assert built.exit_code == 0, built.output
    result = run(tables, "--force", source="mine")
    assert result.exit_code == 0, result.output
    assert {row["corpus"] for row in rows(tables / "net-evidence.csv")} == {"mine"}
    both = run(tables, "--force", "--source", "core", source="mine")
    assert "source mine: 1 network" in both.stdout
    assert {row["corpus"] for row in rows(tables / "net-evidence.csv")} == {"mine", "core"}


def test_equal_input_gives_equal_files(tables):
    files = ("net.json", "net-evidence.csv", "net.svg")
    run(tables, "--plot", tables / "net.svg", source="core")
    first = [(tables / name).read_bytes() for name in files]
    lines = (tables / "readouts.csv").read_text().splitlines()
    (tables / "readouts.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    run(tables, "--plot", tables / "net.svg", "--force", source="core")
    assert [(tables / name).read_bytes() for name in files] == first


def test_files_that_exist_are_replaced_by_force_alone(tables):
    run(tables)
    assert "net.json: it exists; replace it with --force" in refused(run(tables))
    (tables / "net.json").unlink()
    assert "net-evidence.csv: it exists" in refused(run(tables))
    assert not (tables / "net.json").exists()
    assert run(tables, "--force").exit_code == 0


def test_what_is_read_is_never_written(tables):
    assert "this run reads it" in refused(run(tables, "--out", tables / "hand.json", "--force"))
    assert "expected .json" in refused(run(tables, "--out", tables / "net.sif"))
    assert "ending" in refused(run(tables, "--plot", tables / "net.txt"))
    assert "no folder" in refused(run(tables, "--out", tables / "none" / "net.json"))


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("readouts.csv", "", "readouts.csv: it is empty"),
        ("readouts.csv", "readout,gene\na,b\n", "there is no column 'genes'"),
        ("readouts.csv", "readout,genes\nviability,\n", "no readout has a gene"),
        ("conditions.csv", "condition,kind\na,b\n", "there is no column 'molecule'"),
        ("conditions.csv", HEADER + "a,,,\n", "it does nothing in any condition"),
        ("conditions.csv", HEADER + "a,stimulus,EGF,0\n", "it does nothing in any condition"),
        ("conditions.csv", HEADER + "a,stimulus,,1\n", "row 2: molecule is empty"),
        ("conditions.csv", HEADER + "a,stimuli,EGF,1\n", "did you mean 'stimulus'?"),
        (
            "conditions.csv",
            HEADER + "a,stimulus,Wonder,1\n",
            "conditions.csv: nothing that it does is done to a known gene; of 'Wonder'",
        ),
        ("hand.json", "{}", "hand.json"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tables, file, text, words):
    (tables / file).write_text(text)
    assert words in refused(run(tables))
    assert not (tables / "net.json").exists()


def test_options_that_make_no_sense_are_refused(tables):
    assert "expected at least 1 and 0" in refused(run(tables, "--steps", "0"))
    assert "--longer is -1" in refused(run(tables, "--longer", "-1"))
    assert "both have the name 'hand.json'" in refused(
        run(tables, "--source", tables / "hand.json")
    )
    assert "no such file" in refused(run(tables, source="missing"))
    bare = CliRunner().invoke(app, ["network", "--out", str(tables / "net.json")])
    assert "--conditions is missing" in refused(bare)
    bare = ["network", "--out", str(tables / "n.json"), "--conditions"]
    message = refused(CliRunner().invoke(app, [*bare, str(tables / "conditions.csv")]))
    assert "conditions.csv does not state what readouts measure; expected --readouts" in message


def test_nothing_is_written_where_nothing_is_connected(tables):
    (tables / "readouts.csv").write_text("readout,genes\npJUN,JUN\n")
    (tables / "conditions.csv").write_text(HEADER + "a,stimulus,EGF,1\n")
    result = run(tables, "--steps", "2")
    message = refused(result)
    assert "no path of at most 2 steps leads from what was treated to any of 1 readout" in message
    assert "--steps 4 would find the first" in message
    assert not (tables / "net.json").exists()
    assert not (tables / "net-evidence.csv").exists()
