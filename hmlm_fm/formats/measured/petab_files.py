"""The files of a PEtab problem: the YAML that names them, and the tables of parameters and
observables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...common.errors import FormatError
from ...common.files import read_start, read_text
from ..tables import PathLike, number_of, rows_of, text_of
from .petab_formulas import names_of, offset_and_scale, parse_formula

SCALE_OF = {"": "linear", "lin": "linear", "log": "ln", "log10": "log10"}
EMPTY = ("", "na", "nan")
TABLES = ("condition_files", "measurement_files", "observable_files", "sbml_files")
MOST_YAML = 1 << 20

_PLACEHOLDER = re.compile(r"(observable|noise)Parameter(\d+)_(.+)")

Row = tuple[Path, str, dict[str, str]]
"""A row of a table: its file, where it is, and its cells."""


def is_petab(path: PathLike) -> bool:
    """Whether a file is the YAML of a PEtab problem, by its ending and its keys."""
    if Path(path).suffix.lower() not in (".yaml", ".yml"):
        return False
    text = read_start(path).decode("utf-8-sig", errors="replace")
    keys = {match[1] for match in re.finditer(r"^(\w+)[ \t]*:", text, re.MULTILINE)}
    return "format_version" in keys and bool(keys & {"problems", "model_files"})


def petab_content(path: PathLike) -> dict[str, Any]:
    """What the YAML file of a problem holds: a mapping of format 1 with a list of problems.

    Raises:
        FormatError: it is something else.
    """
    text = read_text(path)
    if len(text) > MOST_YAML:
        raise FormatError(f"it is longer than {MOST_YAML >> 20} MiB; expected a list", path=path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        words = " ".join(str(error).split())[:120]
        raise FormatError(f"it is not YAML ({words})", path=path) from None
    if not isinstance(content, dict) or "format_version" not in content:
        raise FormatError("it has no format_version; expected a PEtab problem", path=path)
    version = str(content["format_version"])[:20]
    if version.split(".")[0] not in ("1", "v1"):
        raise FormatError(
            f"format_version is {version!r}; expected 1 (PEtab 2 is not read)", path=path
        )
    if not isinstance(content.get("problems"), list) or not content["problems"]:
        raise FormatError("problems is no list of problems; expected one or more", path=path)
    return content


def files_of(
    where: Mapping[str, Any], key: str, path: PathLike, *, needed: bool, place: str = ""
) -> list[Path]:
    """Files that a key names, which lie in the folder of the YAML file, or below.

    Raises:
        FormatError: there is none where `needed`, or one is missing, or lies elsewhere.
    """
    names = where.get(key) or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise FormatError(f"{key} is no list of files", path=path, place=place)
    if needed and not names:
        raise FormatError(f"{key} names no file; expected one", path=path, place=place)
    folder = Path(path).resolve().parent
    found = []
    for name in names:
        file = Path(path).parent / name
        try:
            is_within = file.resolve().is_relative_to(folder)
        except (OSError, ValueError, RuntimeError):
            is_within = False
        if "://" in name or not is_within:
            raise FormatError(
                f"{key} names {name[:100]!r}; expected a file in the folder of the problem",
                path=path,
                place=place,
            )
        if not file.is_file():
            raise FormatError(
                f"{key} names {name[:100]!r}, which is not there", path=path, place=place
            )
        found.append(file)
    return found


def petab_rows(files: Iterable[Path], columns: Sequence[str]) -> list[Row]:
    """The rows of tables that belong together.

    Raises:
        FormatError: one cannot be read, or has no such column.
    """
    return [(file, place, row) for file in files for place, row in rows_of(file, columns)]


def read_parameters(files: Iterable[Path]) -> dict[str, tuple[float | None, bool]]:
    """Nominal value of each parameter, and whether it is estimated.

    Raises:
        FormatError: a table cannot be read, or a value is no number.
    """
    found: dict[str, tuple[float | None, bool]] = {}
    for file, place, row in petab_rows(files, ("parameterId",)):
        nominal = None
        if row.get("nominalValue", "").casefold() not in EMPTY:
            nominal = number_of(row, "nominalValue", file, place)
        is_estimated = row.get("estimate", "1").casefold() not in ("0", "0.0", "false")
        found[text_of(row, "parameterId", file, place)] = nominal, is_estimated
    return found


@dataclass(frozen=True)
class Observable:
    """A row of the table of observables.

    Attributes:
        formula, noise: as expressions; the noise is None where none is stated.
        offset, scale: of the formula.
        base: the scale of values, of `SCALE_OF`.
        laplace: whether the noise is the scale of a Laplace distribution.
    """

    name: str
    formula: Any
    noise: Any
    offset: Any
    scale: Any
    base: str
    laplace: bool


def read_observables(files: Iterable[Path], parameters: Iterable[str]) -> dict[str, Observable]:
    """Observables by their ids.

    Args:
        files: their tables.
        parameters: of the problem; they and placeholders make up offsets and scales.

    Raises:
        FormatError: a table cannot be read, an observable is there twice, or a formula or a
            transformation is none. The message names file and row.
    """
    known = frozenset(parameters)
    found: dict[str, Observable] = {}
    for file, place, row in petab_rows(files, ("observableId", "observableFormula")):
        name = text_of(row, "observableId", file, place)
        if name in found:
            raise FormatError(f"observable {name!r} is there twice", path=file, place=place)
        base = row.get("observableTransformation", "").casefold()
        if base not in SCALE_OF:
            raise FormatError(
                f"observableTransformation is {base!r}; expected lin, log or log10",
                path=file,
                place=place,
            )
        noise = row.get("noiseFormula", "")
        try:
            formula = parse_formula(row["observableFormula"])
            parsed = parse_formula(noise) if noise.casefold() not in EMPTY else None
        except FormatError as error:
            raise error.at(file, place) from None
        apart = {n for n in names_of(formula) if n in known or _PLACEHOLDER.fullmatch(n)}
        offset, scale = offset_and_scale(formula, apart)
        found[name] = Observable(
            row.get("observableName") or name,
            formula,
            parsed,
            offset,
            scale,
            SCALE_OF[base],
            "laplace" in row.get("noiseDistribution", "").casefold(),
        )
    return found
