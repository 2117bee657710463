"""Tables as laboratories publish them: which column is what, and the sets they become."""

import warnings
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.measured.measured_set import LATE, Treatment
from hmlm_fm.formats.measured.midas import read_midas_sets
from hmlm_fm.formats.measured.paired_matrices import lembas_names, read_cellbox, read_lembas
from hmlm_fm.formats.measured.published_tables import TableOptions, read_published_table
from hmlm_fm.formats.measured.set_folder import read_measured_set
from hmlm_fm.formats.measured.set_formats import read_sets, set_format
from hmlm_fm.formats.measured.table_roles import Roles

WIDE = """\
cell_line,time (min),EGF,MEKi,replicate,pERK,pAKT_S473
A,0,0,0,1,0.1,0.2
A,30,0,0,1,0.2,0.2
A,30,100,0,1,1.4,0.9
A,30,100,0,2,1.6,1.1
A,30,50,0,1,1.1,
A,30,100,1,1,0.3,1.2
B,30,0,0,1,0.5,0.4
B,30,100,1,1,0.6,0.7
"""
LONG = """\
Donor,Stimulant,Inhibitor,Cytokine,log2 MFI
7,nostim,noinh,IL-6,0.1
7,TNF-a,noinh,IL-6,3.5
7,TNF-a,IKKi-IKK16,IL-6,1.5
7,TNF-a,IKKi-IKK16,IL-8,1.0
"""


@pytest.fixture
def table(tmp_path):
    def write(text: str, name: str = "panel.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_wide_table_is_one_set_per_line(table, separator):
    a, b = read_published_table(table(WIDE.replace(",", separator)))
    assert (a.name, a.cell_line, a.study) == ("panel-A", "A", "panel")
    assert a.times_hours == (0.0, 0.5)
    assert {t.label: t.value for t in a.treatments} == {"EGF": 100.0, "MEKi": 1.0}
    assert [t.kind for t in a.treatments] == ["stimulus", "inhibition"]
    both = (
        Treatment("stimulus", "EGF", 100, unit="as in the table"),
        Treatment("inhibition", "MEK"),
    )
    assert both in a.conditions.values()
    assert a.conditions["control"] == ()
    again = [m for m in a.measurements if m.readout == "pERK" and m.value in (1.4, 1.6)]
    assert [m.replicate for m in again] == ["1", "2"]
    assert sum(m.readout == "pAKT_S473" for m in a.measurements) == 5  # one cell is empty
    assert {m.modality for m in a.measurements} == {"phosphoprotein"}
    assert len(b.conditions) == 2
    assert "readouts: 'pERK', 'pAKT_S473'" in a.notes


def test_a_workbook_is_read_as_its_text(tmp_path, table):
    book = openpyxl.Workbook()
    for row in WIDE.splitlines():
        cells = row.split(",")
        book.active.append([float(c) if c.replace(".", "").isdigit() else c or None for c in cells])
    path = tmp_path / "panel.xlsx"
    book.save(path)
    of_text, of_book = read_published_table(table(WIDE)), read_published_table(path)
    for one, other in zip(of_text, of_book, strict=True):
        assert one.conditions == other.conditions
        assert [m.value for m in one.measurements] == [m.value for m in other.measurements]


def test_a_long_table_names_readouts_and_drugs(table):
    (one,) = read_published_table(table(LONG), TableOptions(scale="log2"))
    assert one.readout_names == ("IL-6", "IL-8")
    assert one.times_hours == (LATE,)
    assert list(one.conditions) == ["control", "TNF-a", "TNF-a + IKK16"] or list(
        one.conditions
    ) == ["control", "TNF-a", "TNF-a + IKKi"]
    assert {str(m.scale) for m in one.measurements} == {"log2"}


def test_stated_columns_are_used_instead_of_guesses(table):
    text = "what,how much,minutes,ERK\nnone,1,5,1\nEGF,10,5,3\nEGF,20,5,4\n"
    with pytest.raises(FormatError, match="no column of what was given"):
        read_published_table(table(text))
    roles = Roles(given=("what",), doses=("how much",))
    (one,) = read_published_table(table(text), TableOptions(roles))
    assert {t.value for done in one.conditions.values() for t in done} == {10.0, 20.0}
    assert one.times_hours == pytest.approx((5 / 60,))
    with pytest.raises(FormatError, match="no column 'whot'; did you mean 'what'"):
        read_published_table(table(text), TableOptions(Roles(given=("whot",))))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is no table with a header"),
        ("EGF,pERK\n", "it holds no rows"),
        ("name,text\na,b\n", "there is no column of values"),
        ("drug,pERK\nx,1\ny,z\n", "there is no column of values"),
        (
            "drug,dose,pERK\nx,-1,1\ny,0,2\n",
            "row 2: dose is '-1'; expected a level or a dose of at least 0",
        ),
        ("drug,time,pERK\nx,-1,1\ny,0,2\n", "row 2: time is -1.0 hours; expected from 0"),
    ],
)
def test_tables_that_make_no_sense(table, text, words):
    with pytest.raises(FormatError) as caught:
        read_published_table(table(text))
    assert words in str(caught.value)
    assert "panel.csv" in str(caught.value)


def test_formats_of_networks_are_no_measurements(tmp_path):
    for text in (
        "EGF 1 EGFR\nEGFR -1 AKT\n",
        "source\ttarget\tsign\nA\tB\t1\n",
        "targets, factors\nA, B & !C\n",
    ):
        path = tmp_path / "network.txt"
        path.write_text(text)
        assert set_format(path) is None
    with pytest.raises(FormatError, match="it holds no measurements that are known"):
        read_sets(path)


def test_midas_says_what_it_takes_for_what(tmp_path):
    path = tmp_path / "MD-x.csv"
    path.write_text(
        "TR:CellLine,TR:EGF/NRG1a:Stimuli,TR:EGF,TR:NRG1a,TR:loX:Stimuli,TR:hiX:Stimuli,"
        "TR:Trametinib_GSK690693:Inhibitors,TR:NO-INHIB:Inhibitors,DA:ALL,DV:AKT\n"
        "HeLa,1,0,0,0,0,0,1,10,5.0\nHeLa,0,1,0,1,0,0,1,10,6.0\nMCF7,0,0,0,0,1,1,0,10,7.0\n"
    )
    hela, mcf7 = read_midas_sets(path)
    assert (hela.cell_line, mcf7.cell_line) == ("HeLa", "MCF7")
    assert list(hela.conditions) == ["EGF + NRG1a", "EGF + X 0.5"]
    (done,) = mcf7.conditions.values()
    assert [(t.kind, t.name, t.value) for t in done] == [
        ("stimulus", "X", 1.0), ("drug", "Trametinib", 1.0), ("drug", "GSK690693", 1.0),
    ]  # fmt: skip
    assert "drugs by their names: Trametinib, GSK690693" in hela.notes


def test_doses_of_midas_are_relative_to_the_largest(tmp_path, toy_network):
    path = tmp_path / "MD-x.csv"
    path.write_text("TR:EGF,DA:ALL,DV:AKT\n0,1,0.1\n100,1,0.9\n50,1,0.5\n")
    (one,) = read_midas_sets(path, toy_network)
    assert sorted(t.value for done in one.conditions.values() for t in done) == [50.0, 100.0]


def test_convert_writes_sets_that_are_read_back(table, tmp_path):
    out = tmp_path / "sets"
    done = CliRunner().invoke(app, ["convert", str(table(WIDE)), str(out)])
    assert done.exit_code == 0, done.output
    assert "note: doses: 'EGF', 'MEKi'" in done.output
    assert read_measured_set(out / "A").cell_line == "A"
    assert read_measured_set(out / "B").name == "sets-B"
    again = CliRunner().invoke(app, ["convert", str(table(WIDE)), str(out)])
    assert again.exit_code == 2
    assert "--force" in again.output
    one = CliRunner().invoke(
        app, ["convert", str(table(WIDE)), str(tmp_path / "b"), "--cell-line", "B"]
    )
    assert one.exit_code == 0
    assert read_measured_set(tmp_path / "b").study == "b"


def test_sets_as_they_are_published(shared_data):
    folder = shared_data / "perturbation"
    cellbox = read_cellbox(folder / "cellbox", "cellbox")
    assert (len(cellbox.conditions), len(cellbox.readout_names)) == (89, 87)
    assert len(cellbox.treatments) == 12
    names = lembas_names(folder / "lembas")
    sizes = {
        name: (len(one.conditions), len(one.readout_names), len(one.treatments))
        for name in names
        for one in [read_lembas(folder / "lembas", name, name)]
    }
    assert sizes == {"ligandScreen": (103, 74, 60), "macrophage": (23, 88, 12)}
    donors = read_published_table(folder / "jones2017" / "RA_DataFrame.csv.gz")
    assert len(donors) == 7
    assert {(len(d.conditions), len(d.readout_names)) for d in donors} == {(24, 51)}
    assert {len(d.treatments) for d in donors} == {8}


def test_every_table_of_midas_is_read(shared_data):
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in sorted(shared_data.glob("*/**/M*D*.csv")) + sorted(
            shared_data.glob("cellnopt/*/*Data-*.csv")
        ):
            if "insilico_True" not in path.name:
                for one in read_midas_sets(path):
                    key = f"{path.stem} {one.cell_line}"
                    found[key] = len(one.conditions), len(one.measurements)
    assert found["MD_BT20_main BT20"] == (31, 11232)
    assert found["MD_BT549_main BT549"] == (24, 11340)
    assert found["MD_insilico inSilico"] == (20, 13200)
    assert found["RawData-Exp1 PriHu"] == found["BoolData-Exp1 PriHu"] == (14, 462)
    assert found["MIDAS-HT29 HT29"] == (43, 1168)
    assert len([name for name in found if name.startswith("MIDAS-")]) == 7
