"""AnnData (.h5ad), the form in which matrices of observations and variables are exchanged.

Observations are conditions at a time, variables are readouts. Columns of `obs` are what the
columns of a published table are, see `table_roles`, and readouts are the names of `var`. `uns`
holds facts under `hmlm`, such as source and licence. What `write_anndata` writes holds the tables
of the set there too, and comes back as it was.

Source of the format: Virshup et al., J Open Source Softw 2024;9:4371.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...common.errors import FormatError
from ...common.files import read_start, read_text, write_bytes, write_text
from ...common.words import not_installed
from ...model.error_base import did_you_mean, quoted
from ..tables import PathLike
from .measured_set import LATE, MeasuredSet, Measurement, Scale, condition_name
from .published_tables import TableOptions, sets_of_rows
from .set_folder import (
    CONDITIONS_FILE,
    NETWORK_FILE,
    OBSERVATIONS_FILE,
    READOUTS_FILE,
    SET_FILE,
    TARGETS_FILE,
    read_measured_set,
    write_measured_set,
)
from .set_tables import write_values
from .table_roles import find_roles

ENDING, HDF5_MAGIC = ".h5ad", b"\x89HDF\r\n\x1a\n"
MOST_OBSERVATIONS, MOST_VALUES = 20_000, 2_000_000
"""Of a file: beyond, it is probably of single cells, and fits no machine as single values."""

FACTS = "hmlm"
_TABLES = (CONDITIONS_FILE, NETWORK_FILE, READOUTS_FILE, TARGETS_FILE)
_STATED = ("study", "source", "licence", "organism", "cell_line", "shares")
_PSEUDOBULK = (
    "sum or average the cells of each condition, time, line and replicate first (pseudobulk, such "
    "as decoupler.pp.pseudobulk)"
)


@dataclass(frozen=True)
class AnnDataOptions:
    """What a file does not state.

    Attributes:
        table: roles of the columns of obs, and the rest that a table does not state.
        layer: the name of the layer to read; X where empty.
    """

    table: TableOptions = TableOptions()
    layer: str = ""


def is_anndata(path: PathLike) -> bool:
    """Whether a file is called as those of AnnData are; reading it tells whether it is one."""
    return Path(path).suffix.lower() == ENDING


def read_anndata(
    path: PathLike, options: AnnDataOptions = AnnDataOptions()
) -> tuple[MeasuredSet, ...]:
    """Read a file as measured sets, one for each cell line.

    Raw intensities are put on log2, see `on_log2`.

    Raises:
        FormatError: anndata is not installed, the file is damaged or too large, has no such layer,
            no treatments, or a value that is no number. The message names the observation.
        HMLMError: an unknown scale.
    """
    content = _open(path, options.layer)
    facts = content.uns.get(FACTS, {})
    facts = facts if isinstance(facts, Mapping) else {}
    values = _dense(content, options.layer, path)
    if CONDITIONS_FILE in facts:
        return (_own(content, values, facts, path),)
    names = list(map(str, content.var_names))
    columns = {str(name): _cells(content.obs[name]) for name in content.obs.columns}
    _check_names(names, columns, path)
    try:
        roles = find_roles(
            _without_classes(content.obs, columns) | dict.fromkeys(names, ["0"]),
            replace(options.table.roles, readouts=tuple(names)),
            path,
            options.table.time_unit,
        )
    except FormatError as error:
        if "no column of what was given" not in error.problem:
            raise
        raise FormatError(
            f"obs says of no observation what was given (it has {quoted(columns) or 'nothing'}); "
            "expected columns of doses, or one called treatment, stimulus, ligand, drug or "
            f"inhibitor. Of single cells, {_PSEUDOBULK}",
            path=path,
        ) from None
    rows = []
    for i, label in enumerate(map(str, content.obs_names)):
        cells = {name: column[i] for name, column in columns.items()}
        cells |= dict(zip(names, map(repr, map(float, values[i])), strict=True))
        rows.append((f"observation {label!r}", cells))
    stated = {key: str(facts[key]) for key in _STATED if facts.get(key)}
    sets = sets_of_rows(rows, options.table, path, roles)
    return tuple(_with_facts(one, stated) for one in sets)


def write_anndata(measured: MeasuredSet, path: PathLike) -> None:
    """Write a measured set as a file that `read_anndata` reads as the same set.

    An observation is a condition at a time, with its replicate and batch; values are X, standard
    deviations the layer `sd`. Steady states have the time `inf`.

    Raises:
        FormatError: anndata is not installed, the set holds nothing or a name that a table cannot
            hold, or one thing is measured twice in one replicate and batch.
        OSError: the file cannot be written.
    """
    anndata, numpy, pandas = _libraries()
    places: dict[tuple[str, float, str, str], int] = {}
    columns: dict[tuple[str, str], int] = {}
    for m in measured.measurements:
        places.setdefault((m.condition, m.time_hours, m.replicate, m.batch), len(places))
        columns.setdefault((m.readout, m.modality), len(columns))
    values = numpy.full((len(places), len(columns)), numpy.nan)
    sds, scales = numpy.full(values.shape, numpy.nan), {}
    for m in measured.measurements:
        row = places[m.condition, m.time_hours, m.replicate, m.batch]
        at = row, columns[m.readout, m.modality]
        if not math.isnan(values[at]):
            raise FormatError(
                f"{m.readout} is measured twice in {m.condition!r} at {m.time_hours:g} h; expected "
                "another replicate",
                path=path,
            )
        values[at], scales[m.readout, m.modality] = m.value, str(m.scale)
        sds[at] = math.nan if m.sd is None else m.sd
    obs: dict[str, list[Any]] = {
        "condition": [place[0] for place in places],
        "treatment": [condition_name(measured.conditions[place[0]]) for place in places],
        "time_hours": [place[1] for place in places],
        "replicate": [place[2] for place in places],
        "batch": [place[3] for place in places],
    }
    var: dict[str, list[Any]] = {
        "readout": [readout for readout, _ in columns],
        "modality": [modality for _, modality in columns],
        "scale": [scales[column] for column in columns],
    }
    content = anndata.AnnData(
        values,
        obs=_frame(pandas, obs, [f"{i}" for i in range(len(places))]),
        var=_frame(pandas, var, _variable_names(tuple(columns))),
    )
    if not numpy.isnan(sds).all():
        content.layers["sd"] = sds
    with tempfile.TemporaryDirectory() as folder:
        write_measured_set(measured, folder)
        texts = {name: Path(folder, name) for name in _TABLES if Path(folder, name).is_file()}
        facts = dict(measured.facts())
        facts["notes"] = numpy.array(facts.get("notes", []), dtype=object)
        content.uns[FACTS] = facts | {name: read_text(file) for name, file in texts.items()}
        file = Path(folder, f"set{ENDING}")
        content.write_h5ad(file)
        write_bytes(path, file.read_bytes())


# -- reading ------------------------------------------------------------------------------------


def _libraries() -> tuple[Any, Any, Any]:
    """anndata, numpy and pandas.

    Raises:
        FormatError: anndata is not installed; the message says how to.
    """
    try:
        import anndata
        import numpy
        import pandas
    except ImportError:
        raise FormatError(not_installed("anndata", "measurements")) from None
    return anndata, numpy, pandas


def _open(path: PathLike, layer: str) -> Any:
    """
    Raises:
        FormatError: it is no AnnData file, is damaged, is too large, or has no such layer.
    """
    if not read_start(path).startswith(HDF5_MAGIC):
        raise FormatError("it is no HDF5 file; expected AnnData", path=path)
    anndata, _, _ = _libraries()
    try:
        rows, columns, layers = _shape(path)
    except Exception as error:  # what HDF5 raises of damage has no common kind
        raise _damaged(error, path) from None
    if rows > MOST_OBSERVATIONS or rows * columns > MOST_VALUES:
        raise FormatError(
            f"it has {rows} observations of {columns} readouts; expected at most "
            f"{MOST_OBSERVATIONS} observations and {MOST_VALUES} values. Of single cells, "
            f"{_PSEUDOBULK}; of pseudobulks, keep the readouts of interest",
            path=path,
        )
    if layer and layer not in layers:
        hint = did_you_mean(layer, layers)
        raise FormatError(
            f"there is no layer {layer!r}; it has {quoted(layers) or 'none'}{hint}", path=path
        )
    if not rows or not columns:
        raise FormatError("it holds no observations, or no readouts", path=path)
    try:
        return anndata.read_h5ad(path)
    except Exception as error:
        raise _damaged(error, path) from None


def _damaged(error: Exception, path: PathLike) -> FormatError:
    words = " ".join(str(error).split())[:120] or type(error).__name__
    return FormatError(f"it cannot be read as AnnData ({words})", path=path)


def _shape(path: PathLike) -> tuple[int, int, tuple[str, ...]]:
    """Numbers of observations and readouts, and the names of layers, before anything is read."""
    import h5py

    with h5py.File(path) as file:
        sizes = []
        for key in ("obs", "var"):
            index = file[key][file[key].attrs["_index"]]
            index = index if hasattr(index, "shape") else index["values"]
            sizes.append(int(index.shape[0]))
        return sizes[0], sizes[1], tuple(file.get("layers", ()))


def _dense(content: Any, layer: str, path: PathLike) -> Any:
    """(observations, readouts) values of X or a layer.

    Raises:
        FormatError: there is no X, or it holds no numbers.
    """
    _, numpy, _ = _libraries()
    values = content.layers[layer] if layer else content.X
    if values is None:
        layers = quoted(content.layers) or "none"
        raise FormatError(
            f"it has no X; expected values, or the name of a layer as --layer (it has {layers})",
            path=path,
        )
    values = values.toarray() if hasattr(values, "toarray") else values
    try:
        return numpy.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise FormatError("X holds no numbers", path=path) from None


def _cells(column: Any) -> list[str]:
    """A column of obs as text; nothing where a value is missing, `late` of a steady state."""
    missing = column.isna().tolist()
    texts = ("" if gone else _text(v) for v, gone in zip(column.tolist(), missing, strict=True))
    return [text.strip() for text in texts]


def _text(value: object) -> str:
    if isinstance(value, float):
        return "late" if value == LATE else repr(value)
    return str(value)


def _without_classes(obs: Any, columns: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The columns of obs, with those of classes as no numbers: clusters such as Leiden's are called
    0, 1 and so on, and are no doses."""
    classes = {
        str(name)
        for name in obs.columns
        if str(obs[name].dtype) in ("category", "object", "str", "string", "bool")
        and not re.search("dose|conc", str(name), re.IGNORECASE)
    }
    return {
        name: [f"class {cell}" for cell in cells] if name in classes else cells
        for name, cells in columns.items()
    }


def _check_names(names: Sequence[str], columns: Mapping[str, object], path: PathLike) -> None:
    """
    Raises:
        FormatError: a readout is there twice, or called as a column of obs.
    """
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise FormatError(f"var has {quoted(twice)} several times; expected once", path=path)
    both = [name for name in names if name in columns]
    if both:
        raise FormatError(f"{quoted(both)} is in obs and in var; expected other names", path=path)


def _with_facts(measured: MeasuredSet, stated: Mapping[str, str]) -> MeasuredSet:
    line = measured.cell_line or stated.get("cell_line", "")
    return replace(measured, **{**stated, "cell_line": line})  # type: ignore[arg-type]


# -- what this package wrote --------------------------------------------------------------------


def _own(content: Any, values: Any, facts: Mapping[str, Any], path: PathLike) -> MeasuredSet:
    """The set of a file that `write_anndata` wrote.

    Raises:
        FormatError: a table in it cannot be read; the message names it.
    """
    try:
        obs = {name: _cells(content.obs[name]) for name in ("condition", "replicate", "batch")}
        hours = content.obs["time_hours"].astype(float).tolist()
        var = {name: _cells(content.var[name]) for name in ("readout", "modality", "scale")}
        scales = [Scale.parse(text) for text in var["scale"]]
    except (KeyError, ValueError) as error:
        raise FormatError(
            f"{FACTS} is stated in uns, and a column is missing or damaged ({error})", path=path
        ) from None
    sds = content.layers["sd"] if "sd" in content.layers else None
    found = []
    for i, condition in enumerate(obs["condition"]):
        for j, readout in enumerate(var["readout"]):
            if math.isnan(values[i, j]):
                continue
            sd = None if sds is None or math.isnan(sds[i, j]) else float(sds[i, j])
            found.append(
                Measurement(
                    condition, readout, hours[i], float(values[i, j]), var["modality"][j], sd,
                    scales[j], obs["replicate"][i], obs["batch"][i],
                )
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table in _TABLES:
            if table in facts:
                write_text(folder / table, str(facts[table]))
        stated = {key: str(facts[key]) for key in ("name", *_STATED) if key in facts}
        notes = [str(note) for note in facts.get("notes", ())]
        write_text(folder / SET_FILE, json.dumps(stated | ({"notes": notes} if notes else {})))
        try:
            write_values(found, folder / OBSERVATIONS_FILE)
            return read_measured_set(folder)
        except FormatError as error:
            where = Path(error.path).name if error.path else ""
            place = ", ".join(filter(None, (where, error.place)))
            raise FormatError(error.problem, path=path, place=place) from None


# -- writing ------------------------------------------------------------------------------------


def _variable_names(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Readouts, with their modality where one is measured in several."""
    names = [readout for readout, _ in columns]
    return [f"{r} ({modality})" if names.count(r) > 1 else r for r, modality in columns]


def _frame(pandas: Any, columns: Mapping[str, list[Any]], index: list[str]) -> Any:
    """A table of numbers and of categories, whose texts are objects: anndata before 0.13 does not
    write those of pandas 3."""
    frame = pandas.DataFrame(index=pandas.Index(index, dtype=object))
    for name, cells in columns.items():
        if all(isinstance(cell, float) for cell in cells):
            frame[name] = cells
        else:
            kinds = pandas.Index(list(dict.fromkeys(cells)), dtype=object)
            frame[name] = pandas.Categorical(cells, categories=kinds)
    return frame
