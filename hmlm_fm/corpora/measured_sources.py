"""Many measured sets, from files and folders as they are published."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..common.errors import FormatError
from ..common.files import read_json_text, stem
from ..formats.measured.measured_set import MeasuredSet
from ..formats.measured.set_folder import SET_FILE, is_set_folder
from ..formats.measured.set_formats import SetOptions, network_beside, read_sets, set_format
from ..model.error_base import HMLMError
from .records import Problem

STATED = ("study", "source", "licence", "organism", "cell_line", "shares")
_NOT_MEASURED = (".sif", ".json", ".md", ".txt", ".xml", ".bnet", ".gmt", ".gpml", ".pkl", ".py")


@dataclass
class FoundSets:
    """Measured sets, and files that hold none or cannot be read."""

    sets: list[MeasuredSet] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def load_measured_sets(
    paths: Sequence[Path], progress: Callable[[str], object] = lambda location: None
) -> FoundSets:
    """The measured sets of files, of folders of sets, and of folders below.

    A set is named after its folder or file and its cell line, and belongs to the study that its
    set.json states, or that lies directly in the given folder. A set.json beside published files
    states the facts of all of them.

    Args:
        paths: files and folders.
        progress: is called with each file or folder that is looked at.

    Raises:
        FormatError: a path is not there, a given file cannot be read, or two sets bear one name.
    """
    found = FoundSets()
    for path in paths:
        if not path.exists():
            raise FormatError("there is no such file or folder", path=path)
        if path.is_file() or set_format(path) is not None:
            progress(str(path))
            found.sets += _read(path, path.resolve().parent.name, found)
            continue
        before = len(found.sets)
        for place, study in _places(path):
            progress(str(place.relative_to(path)))
            try:
                found.sets += _read(place, study, found)
            except (HMLMError, OSError) as error:
                found.skipped.append(Problem(str(place.relative_to(path)), str(error)))
        if len(found.sets) == before:
            raise FormatError("it holds no measurements that are known", path=path)
    names: dict[str, int] = {}
    for one in found.sets:
        names[one.name] = names.get(one.name, 0) + 1
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise FormatError(f"there are several measured sets called {twice[0]!r}; expected one")
    return found


def _places(folder: Path, study: str = "") -> Iterator[tuple[Path, str]]:
    """Every file and folder that has a form of measurements, with the study that it belongs to."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            of_study = study or path.name
            if set_format(path) is not None:
                yield path, of_study
            else:
                yield from _places(path, of_study)
        elif not path.name.lower().removesuffix(".gz").endswith(_NOT_MEASURED):
            try:
                has_form = set_format(path) is not None
            except (HMLMError, OSError):
                has_form = False
            if has_form:
                yield path, study or folder.resolve().name


def _read(path: Path, study: str, found: FoundSets) -> list[MeasuredSet]:
    """The sets of one file or folder, named."""
    with warnings.catch_warnings(record=True) as odd:
        warnings.simplefilter("always")
        network = network_beside(path) if path.is_file() else None
        sets = read_sets(path, SetOptions(network=network))
    found.warnings += [Problem(str(path.name), str(w.message)) for w in odd]
    stated = _facts_beside(path)
    named = []
    for one in sets:
        if (path / SET_FILE).is_file() and is_set_folder(path):
            named.append(one)
            continue
        base = path.resolve().name if path.is_dir() else stem(path)
        parts = [study, base.removeprefix("MD-").removeprefix("MIDAS-")]
        if len(sets) > 1:
            parts.append(one.cell_line or one.name.removeprefix(f"{base}-"))
        facts = {key: value for key, value in stated.items() if key in STATED}
        facts.setdefault("study", study)
        named.append(replace(one, name="-".join(dict.fromkeys(parts)), **facts))
    return named


def _facts_beside(path: Path) -> dict[str, Any]:
    """What set.json states beside published files."""
    file = (path if path.is_dir() else path.parent) / SET_FILE
    if not file.is_file():
        return {}
    facts = read_json_text(file)
    return facts if isinstance(facts, dict) else {}
