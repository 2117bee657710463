"""AnnData: what its observations mean, what comes back, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from typer.testing import CliRunner

from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.measured import anndata_sets
from hmlm_fm.formats.measured.anndata_sets import AnnDataOptions, read_anndata, write_anndata
from hmlm_fm.formats.measured.drug_targets import DrugTable, DrugTarget
from hmlm_fm.formats.measured.measured_set import (
    DRUG,
    LATE,
    STIMULUS,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
)
from hmlm_fm.formats.measured.published_tables import TableOptions
from hmlm_fm.formats.measured.readout_tables import Readout
from hmlm_fm.formats.measured.set_folder import read_measured_set, write_measured_set
from hmlm_fm.formats.measured.set_formats import SetOptions, read_sets, set_format
from hmlm_fm.formats.measured.table_roles import Roles

anndata = pytest.importorskip(
    "anndata", reason="anndata is not installed: pip install 'hmlm-fm[measurements]'"
)
h5py = pytest.importorskip("h5py")

OBS = {
    "ligand": ["none", "EGF", "EGF", "none"],
    "drug": ["DMSO", "DMSO", "trametinib", "trametinib"],
    "time_min": [0.0, 30.0, 30.0, 30.0],
    "cell_line": ["A", "A", "A", "B"],
    "replicate": ["1", "1", "2", "1"],
    "n_counts": [101, 102, 103, 104],
}
VALUES = np.array([[0.5, 1.0], [2.0, np.nan], [0.25, 3.0], [1.5, 4.0]])


def frame(columns: dict[str, list], index: list[str]) -> pd.DataFrame:
    """A table whose texts are categories of objects, as anndata writes with any pandas."""
    found = pd.DataFrame(index=pd.Index(index, dtype=object))
    for name, cells in columns.items():
        if isinstance(cells[0], str):
            kinds = pd.Index(sorted(set(cells)), dtype=object)
            found[name] = pd.Categorical(cells, categories=kinds)
        else:
            found[name] = cells
    return found


@pytest.fixture
def written(tmp_path):
    """Writes a file of AnnData."""

    def write(obs=None, values=VALUES, names=("pERK", "AKT"), uns=None, layers=None) -> Path:
        obs = OBS if obs is None else obs
        index = [f"cell {i}" for i in range(values.shape[0])]
        content = anndata.AnnData(
            values, obs=frame(obs, index), var=frame({}, list(names)), layers=layers
        )
        content.uns.update(uns or {})
        path = tmp_path / "table.h5ad"
        content.write_h5ad(path)
        return path

    return write


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_columns_of_obs_are_those_of_a_table(written, form):
    values = np.nan_to_num(VALUES, nan=7.0)
    first, second = read_anndata(written(values=form(values)))
    assert (first.name, first.cell_line, second.cell_line) == ("table-A", "A", "B")
    egf = Treatment(STIMULUS, "EGF")
    assert first.conditions == {
        "control": (),
        "EGF": (egf,),
        "EGF + trametinib": (egf, Treatment(DRUG, "trametinib")),
    }
    rows = [(m.condition, m.readout, m.time_hours, m.value) for m in first.measurements]
    assert rows == [
        ("control", "pERK", 0.0, 0.5), ("control", "AKT", 0.0, 1.0),
        ("EGF", "pERK", 0.5, 2.0), ("EGF", "AKT", 0.5, 7.0),
        ("EGF + trametinib", "pERK", 0.5, 0.25), ("EGF + trametinib", "AKT", 0.5, 3.0),
    ]  # fmt: skip
    assert first.measurements[0].place == "observation 'cell 0'"
    assert first.measurements[-1].replicate == "2"
    assert "no use was found for the columns 'n_counts'" in " ".join(first.notes)


def test_missing_values_are_left_out(written):
    first, _ = read_anndata(written())
    assert [m.readout for m in first.measurements if m.condition == "EGF"] == ["pERK"]


def test_a_layer_facts_and_stated_roles(written):
    path = written(
        layers={"log": VALUES + 1},
        uns={"hmlm": {"source": "doi:1", "licence": "CC0", "organism": "mouse", "odd": 3}},
    )
    table = TableOptions(Roles(given=("ligand",), line="cell_line"), "hours", "log2", "mRNA")
    first, _ = read_anndata(path, AnnDataOptions(table, "log"))
    assert (first.source, first.licence, first.organism) == ("doi:1", "CC0", "mouse")
    assert list(first.conditions) == ["control", "EGF"]
    assert first.measurements[0].value == 1.5
    assert first.measurements[0].scale == Scale("log2")
    assert {m.modality for m in first.measurements} == {"mRNA"}
    assert first.times_hours == (0.0, 30.0)
    (again, _) = read_sets(path, SetOptions(layer="log"))
    assert again.measurements[0].value == 1.5


@pytest.fixture
def whole_set(toy_network) -> MeasuredSet:
    """A set with everything that a set can have."""
    change = Scale("log2", is_change=True)
    return MeasuredSet(
        "lab-one",
        {
            "nothing": (),
            "both": (
                Treatment(STIMULUS, "TGF/b", 10.0, unit="ng/mL"),
                Treatment(DRUG, "aMEK", 2.0, -1.0, 24.0, "µM"),
            ),
        },
        (
            Measurement("nothing", "pERK", 0.0, 0.0, "phosphoprotein", 0.1, change, "", "blot 1"),
            Measurement("nothing", "pERK", 0.0, 0.2, "phosphoprotein", None, change, "2", "blot 1"),
            Measurement("both", "pERK", LATE, 1 / 3, "phosphoprotein", None, change),
            Measurement("both", "AKT", 1.5, 5.0, "mRNA"),
            Measurement("both", "AKT", 1.5, 0.5, "protein"),
        ),
        study="lab", source="doi:2", licence="CC0", organism="human", cell_line="MCF7",
        shares="nothing", network=toy_network,
        readouts={"pERK": Readout("pERK", ("MAPK1", "MAPK3"), ("T202",), "phosphoprotein")},
        targets=DrugTable({"aMEK": (DrugTarget("MAP2K1", 0.8),)}, {"amek": "aMEK"}),
        notes=("one", "two"),
    )  # fmt: skip


def test_a_set_comes_back_as_it_was(whole_set, tmp_path):
    path = tmp_path / "set.h5ad"
    write_anndata(whole_set, path)
    assert set_format(path).name == "AnnData"
    (found,) = read_sets(path)
    assert replace(found, measurements=()) == replace(whole_set, measurements=())
    assert set(found.measurements) == set(whole_set.measurements)
    content = anndata.read_h5ad(path)
    assert content.shape == (4, 3)
    assert list(content.var_names) == ["pERK", "AKT (mRNA)", "AKT (protein)"]
    assert list(content.obs["treatment"])[:1] == ["control"]
    assert content.uns["hmlm"]["licence"] == "CC0"


def test_the_same_measured_twice_is_refused(whole_set, tmp_path):
    again = replace(whole_set, measurements=whole_set.measurements + whole_set.measurements[:1])
    with pytest.raises(FormatError, match="pERK is measured twice in 'nothing' at 0 h"):
        write_anndata(again, tmp_path / "set.h5ad")
    assert not (tmp_path / "set.h5ad").exists()


def convert(*arguments: str | Path):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_convert_writes_and_reads_it(whole_set, tmp_path):
    folder, path = tmp_path / "first", tmp_path / "two.h5ad"
    folder.mkdir()
    write_measured_set(whole_set, folder)
    result = convert(folder, path)
    assert result.exit_code == 0, result.stderr
    assert "2 conditions, 2 treatments, 2 readouts" in result.stdout
    assert "it exists; replace it with --force" in convert(folder, path).stderr
    assert convert(folder, path, "--force").exit_code == 0
    assert convert(path, tmp_path / "back").exit_code == 0
    back, first = read_measured_set(tmp_path / "back"), read_measured_set(folder)
    assert back.conditions == first.conditions
    assert set(back.measurements) == set(first.measurements)
    assert back.network == first.network


def test_several_lines_need_the_name_of_one(written, tmp_path):
    path = written()
    out = tmp_path / "one.h5ad"
    assert "of the cell lines 'A', 'B'" in convert(path, out).stderr
    assert convert(path, out, "--cell-line", "B").exit_code == 0
    (found,) = read_anndata(out)
    assert found.cell_line == "B"


# -- what is refused ----------------------------------------------------------------------------


def refused(path: Path, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read_anndata(path, AnnDataOptions(**options))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_single_cells_without_treatments_are_refused(written):
    message = refused(written(obs={"leiden": ["0", "1", "0", "2"]}))
    assert "obs says of no observation what was given (it has 'leiden')" in message
    assert "pseudobulk" in message


def test_files_that_are_too_large_are_refused_before_they_are_read(written, monkeypatch):
    monkeypatch.setattr(anndata_sets, "MOST_OBSERVATIONS", 3)
    monkeypatch.setattr(anndata, "read_h5ad", lambda path: pytest.fail("it was read"))
    message = refused(written())
    assert "it has 4 observations of 2 readouts; expected at most 3" in message
    assert "pseudobulk" in message
    monkeypatch.setattr(anndata_sets, "MOST_OBSERVATIONS", 30)
    monkeypatch.setattr(anndata_sets, "MOST_VALUES", 7)
    assert "expected at most 30 observations and 7 values" in refused(written())


def test_a_file_of_many_cells_is_refused(written):
    count = anndata_sets.MOST_OBSERVATIONS + 1
    values = sparse.csr_matrix((count, 2))
    assert "20001 observations" in refused(written({"drug": ["x"] * count}, values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("pERK", "pERK")}, "var has 'pERK' several times"),
        ({"names": ("pERK", "drug")}, "'drug' is in obs and in var"),
        ({"values": np.array([[np.inf, 1.0], *VALUES[1:]])}, "'cell 0': pERK is 'inf'"),
        ({"obs": OBS | {"time_min": [0.0, -5.0, 1.0, 1.0]}}, "'cell 1': time_min is -0.08"),
        ({"obs": {"dose": [-1.0, 0.0, 0.0, 1.0]}}, "'dose' is of the dose of nothing"),
        ({"obs": {"drug": ["x"] * 4, "dose": [-1.0, 0, 0, 1]}}, "'cell 0': dose is '-1.0'"),
        ({"values": VALUES[:0], "obs": {}}, "it holds no observations"),
    ],
)
def test_what_is_wrong_is_said_with_its_observation(written, change, message):
    assert message in refused(written(**change))


def test_layers_that_are_not_there(written):
    path = written(layers={"counts": VALUES})
    assert "there is no layer 'count'; it has 'counts'; did you mean" in refused(
        path, layer="count"
    )


def test_no_x(tmp_path):
    path = tmp_path / "table.h5ad"
    index = [f"{i}" for i in range(4)]
    content = anndata.AnnData(obs=frame(OBS, index), var=frame({}, ["pERK", "AKT"]))
    content.layers["counts"] = VALUES
    content.write_h5ad(path)
    assert "it has no X" in refused(path)
    first, _ = read_anndata(path, AnnDataOptions(layer="counts"))
    assert first.measurements[0].value == 0.5


def test_texts_and_other_hdf5_are_refused(tmp_path):
    path = tmp_path / "table.h5ad"
    path.write_text("drug,pERK\nx,1\n")
    assert "it is no HDF5 file; expected AnnData" in refused(path)
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2, 3]
    assert "it cannot be read as AnnData" in refused(path)


@pytest.mark.parametrize("size", [0, 8, 100, 2000, -100])
def test_files_that_are_cut_are_refused(written, size):
    path = written()
    path.write_bytes(path.read_bytes()[:size])
    assert "AnnData" in refused(path)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("conditions.csv", "condition,kind,molecule,value\na,magic,B,1\n", "conditions.csv, row 2"),
        ("conditions.csv", "condition,kind,molecule,value\na,,,\n", "condition 'nothing' is none"),
        ("network.json", "{", "network.json"),
    ],
)
def test_damaged_tables_of_an_own_file_are_named(whole_set, tmp_path, key, text, message):
    path = tmp_path / "set.h5ad"
    write_anndata(whole_set, path)
    with h5py.File(path, "a") as file:
        attributes = dict(file["uns/hmlm"][key].attrs)
        del file["uns/hmlm"][key]
        file["uns/hmlm"][key] = text
        file["uns/hmlm"][key].attrs.update(attributes)
    assert message in refused(path)


def test_without_anndata_the_extra_is_named(whole_set, written, tmp_path, monkeypatch):
    path = written()
    monkeypatch.setitem(sys.modules, "anndata", None)
    assert 'anndata is not installed; expected pip install "hmlm-fm[measurements]"' in str(
        pytest.raises(FormatError, read_anndata, path).value
    )
    with pytest.raises(FormatError, match="anndata is not installed"):
        write_anndata(whole_set, tmp_path / "other.h5ad")
