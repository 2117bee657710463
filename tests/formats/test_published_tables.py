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
        ("drug,pERK\nx,1\ny,z\n", "row 3: pERK is 'z'; expected a number"),
        ("drug,pERK\nx,1\n,3\n", "row 3: drug is empty; expected what was given, or none"),
        ("EGF (nM),MEKi,pERK\n-10,0,1\n0,1,2\n0,0,3\n", "row 2: EGF (nM) is '-10'"),
        ("drug,tme (min),pERK\nx,0,1\ny,30,2\n", "'tme (min)' is in a unit of time"),
        ("Dose,EGF,pERK\n1,1,2\n0,0,1\n", "'Dose' is of the dose of nothing"),
        ("drug,pre,pERK\nx,a,1\nx,b,2\nx,a,3\ny,b,1\n", "row 3: column 'pre' has no role"),
        ("Analyte,drug,MFI\nA,x,1\nB,y,q\n", "row 3: MFI is 'q'"),
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


def treatments_of(table, text, **options):
    (one,) = read_published_table(table(text), TableOptions(**options))
    return {(t.kind, t.name, t.value, t.unit) for done in one.conditions.values() for t in done}


@pytest.mark.parametrize(
    "text",
    [
        "Treatment,Dose (nM),pERK\nDMSO,0,1\nTrametinib,10,2\nTrametinib,100,3\n",
        "drug,dose_nM,pERK\nDMSO,0,1\nTrametinib,10,2\nTrametinib,100,3\n",
        "Inhibitor,Inhibitor dose [nM],pERK\nnone,0,1\nTrametinib,10,2\nTrametinib,100,3\n",
        "Treatment,pERK\n0,1\nTrametinib 10 nM,2\nTrametinib_100nM,3\n",
        "Treatment,Dose,pERK\nUT,0,1\nTrametinib,10 nM,2\nTrametinib,100 nM,3\n",
        "Treatment,Dose,Unit,pERK\nvehicle (0.1% DMSO),0,nM,1\nTrametinib,10,nM,2\n"
        "Trametinib,100,nM,3\n",
        "Trametinib (nM),pERK\n0,1\n10,2\n100,3\n",
    ],
)
def test_doses_are_read_wherever_they_stand(table, text):
    assert treatments_of(table, text) == {
        ("drug", "Trametinib", 10.0, "nM"), ("drug", "Trametinib", 100.0, "nM"),
    }  # fmt: skip


def test_a_dose_belongs_to_what_stands_before_it(table):
    text = "Inhibitor,Dose,Stimulus,pERK\nnone,0,EGF,1\nTrametinib,10,EGF,2\nnone,0,none,3\n"
    assert treatments_of(table, text) == {
        ("stimulus", "EGF", 1.0, ""), ("drug", "Trametinib", 10.0, "as in the table"),
    }  # fmt: skip


def test_readouts_that_are_mostly_0_or_logarithms_are_no_doses(table):
    text = "EGF,pERK,clAsp3,log2 pJNK\n0,0,0,0\n1,1.5,0,1\n1,1.2,0.7,0\n0,0,0.4,0\n"
    (one,) = read_published_table(table(text))
    assert one.readout_names == ("pERK", "clAsp3", "log2 pJNK")
    assert [t.name for t in one.treatments] == ["EGF"]
    assert any("log" in note for note in one.notes)


def test_scales_that_headers_state(table):
    for name, scale in (
        ("log2 MFI", "log2"), ("log2FC", "log2 change from control"),
        ("ln ratio", "ln change from control"), ("Log MFI", "linear"),
    ):  # fmt: skip
        text = f"Analyte,drug,{name}\nA,none,0\nA,Trametinib,1.5\n"
        (one,) = read_published_table(table(text))
        assert {str(m.scale) for m in one.measurements} == {scale}


def test_standard_deviations_and_counts_are_no_readouts(table):
    (one,) = read_published_table(table("drug,pERK,pERK_sd,n\nnone,1,0.1,3\nTrametinib,2,0.2,3\n"))
    assert one.readout_names == ("pERK",)
    assert [m.sd for m in one.measurements] == [0.1, 0.2]


def test_sheets_with_one_header_are_lines(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "MEF-WT"
    for sheet in (book.active, book.create_sheet("MEF-KO")):
        for row in (("drug", "time (h)", "pERK"), ("none", 1, 2.0), ("Trametinib", 1, 0.5)):
            sheet.append(row)
    path = tmp_path / "book.xlsx"
    book.save(path)
    sets = read_published_table(path)
    assert [one.cell_line for one in sets] == ["mef-wt", "mef-ko"]
    book["MEF-KO"]["C1"] = "pAKT"
    book.save(path)
    with pytest.raises(FormatError, match="its sheets 'mef-wt', 'mef-ko' have different headers"):
        read_published_table(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("treatmnt,pERK\nx,1\n", "there is no column of what was given"),
        ("", "it is no table with a header"),
        ("drug,pERK,pERK\nx,1,2\n", "there are several columns 'pERK'"),
        ("Sample\tdrug\tpERK\n1\tx\t2\n2\tnone\t1\n", ""),
    ],
)
def test_the_command_says_what_a_table_lacks(tmp_path, text, words):
    path = tmp_path / "table.tsv"
    path.write_text(text)
    done = CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "out")])
    assert done.exit_code == (2 if words else 0), done.output
    assert words in done.output
    assert not words or "table.tsv" in done.output
    missing = CliRunner().invoke(app, ["convert", str(tmp_path / "no.csv"), str(tmp_path / "o")])
    assert "no.csv: there is no such file" in missing.output


def test_sets_of_lines_do_not_go_into_a_set(table, tmp_path):
    out = tmp_path / "one"
    single = table("drug,pERK\nnone,1\nTrametinib,2\n", "single.csv")
    assert CliRunner().invoke(app, ["convert", str(single), str(out)]).exit_code == 0
    done = CliRunner().invoke(app, ["convert", str(table(WIDE)), str(out)])
    assert done.exit_code == 2
    assert "it holds a measured set, and several" in done.output
