"""Many measured sets, from files and folders as they are published, and from corpora."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.errors import FormatError
from ..common.files import stem
from ..formats.measured.measured_set import MeasuredSet
from ..formats.measured.petab_files import is_petab
from ..formats.measured.set_facts import (
    FACTS,
    NOTES,
    SET_FILE,
    read_facts,
    read_facts_of_several,
)
from ..formats.measured.set_folder import is_set_folder
from ..formats.measured.set_formats import SetOptions, network_beside, read_sets, set_format
from ..model.error_base import HMLMError
from .layout import is_one_corpus
from .records import FoundSets, Problem

NO_MEASUREMENTS = "it holds no measurements that are known"
_NOT_MEASURED = (".sif", ".json", ".md", ".txt", ".xml", ".bnet", ".gmt", ".gpml", ".pkl", ".py")


@dataclass(frozen=True)
class _Stated:
    """What set.json of the folders above says of a file or folder.

    Attributes:
        facts: of it alone, or of all beside it.
        study: the folder that lies directly in the given one, or the name that a set.json states
            of all beside it: how names begin.
    """

    facts: dict[str, Any]
    study: str


def load_measured_sets(
    paths: Sequence[Path], progress: Callable[[str], object] = lambda location: None
) -> FoundSets:
    """The measured sets of files, of folders of sets, of folders below, and of corpora.

    A set is named after its folder or file and its cell line, and belongs to the study that its
    set.json states, or else to the folder that lies directly in the given one. A set.json beside
    published files states the facts of all below it, and of single ones, see `set_facts`; what lies
    nearer counts.

    Args:
        paths: files and folders.
        progress: is called with each file or folder that is looked at.

    Raises:
        FormatError: a path is not there, a given file, a corpus or a set.json beside files cannot
            be read, or two sets bear one name.
    """
    found = FoundSets()
    for path in paths:
        if not path.exists():
            raise FormatError("there is no such file or folder", path=path)
        if is_one_corpus(path) or path.is_file() or set_format(path) is not None:
            progress(str(path))
            parent, name = os.path.split(os.path.abspath(path))
            study = Path(parent).name if path.is_file() else name
            stated = _stated_of(Path(parent), [name], study)
            found.sets += _read(path, stated, found)
            continue
        before = len(found.sets)
        _read_below(path, found, progress)
        if len(found.sets) == before:
            first = "; ".join(f"{p.location}: {p.reason}" for p in found.skipped[:3])
            raise FormatError(NO_MEASUREMENTS + (f" ({first})" if first else ""), path=path)
    names = Counter(one.name for one in found.sets)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise FormatError(
            f"there are several measured sets called {min(twice)!r}; expected one (a set.json can "
            "state names)"
        )
    return found


def _read_below(root: Path, found: FoundSets, progress: Callable[[str], object]) -> None:
    for place in _places(root, root, found):
        parts = place.relative_to(root).parts
        location = place.relative_to(root).as_posix()
        progress(location)
        is_of_root = len(parts) == 1 and place.is_file()
        stated = _stated_of(root, parts, root.resolve().name if is_of_root else parts[0])
        try:
            found.sets += _read(place, stated, found)
        # A reader that fails in a way of its own must not end a build.
        except Exception as error:
            found.skipped.append(Problem(location, _reason(error, place)))


def _places(folder: Path, root: Path, found: FoundSets) -> Iterator[Path]:
    """Every file and folder that has a form of measurements; the others are noted."""
    paths = sorted(folder.iterdir())
    is_problem = any(path.is_file() and is_petab(path) for path in paths)
    for path in paths:
        location = path.relative_to(root).as_posix()
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if is_one_corpus(path) or set_format(path) is not None:
                yield path
            else:
                yield from _places(path, root, found)
        elif is_problem and not is_petab(path):
            found.others.append(
                Problem(location, "it lies beside a PEtab problem, as its tables do")
            )
        elif not path.name.lower().removesuffix(".gz").endswith(_NOT_MEASURED):
            try:
                has_form = set_format(path) is not None
            except (HMLMError, OSError) as error:
                found.skipped.append(Problem(location, _reason(error, path)))
                continue
            if has_form:
                yield path
            else:
                found.others.append(Problem(location, NO_MEASUREMENTS))


def _stated_of(root: Path, parts: Sequence[str], study: str) -> _Stated:
    """
    Args:
        root: the first folder whose set.json counts.
        parts: the folders from there to the file or folder, and its name.
        study: where no set.json states one.

    Raises:
        FormatError: one of those set.json cannot be read.
    """
    facts: dict[str, Any] = {}
    folder = root
    for part in parts:
        of_all, singles = read_facts_of_several(folder)
        study = of_all.pop("name", study)
        facts |= of_all | singles.get(part, {})
        folder /= part
    return _Stated(facts, study)


def _read(path: Path, stated: _Stated, found: FoundSets) -> list[MeasuredSet]:
    """The sets of one file or folder, named."""
    if is_one_corpus(path):
        # Machines that only train may lack pyarrow, and do without it on other sets.
        from .measured_corpus import read_measured_corpus

        return read_measured_corpus(path)
    with warnings.catch_warnings(record=True) as odd:
        warnings.simplefilter("always")
        network = network_beside(path) if path.is_file() else None
        sets = read_sets(path, SetOptions(network=network))
    found.warnings += [
        Problem(path.name, str(w.message).removeprefix(f"{path}: ").replace(f"{path.parent}/", ""))
        for w in odd
    ]
    own = read_facts(path) if path.is_dir() else {}
    # A measured set with a set.json of its own bears its own name.
    is_named = is_set_folder(path) and (path / SET_FILE).is_file()
    default = {"name": path.resolve().name} if is_named else {"study": stated.study}
    facts = default | stated.facts | own
    return [_named(one, path, stated.study, facts, len(sets) > 1) for one in sets]


def _named(
    one: MeasuredSet, path: Path, study: str, facts: dict[str, Any], is_one_of_several: bool
) -> MeasuredSet:
    """A set with its name and with what is stated of it."""
    new = {key: facts[key] for key in FACTS if key in facts}
    new[NOTES] = tuple(dict.fromkeys((*one.notes, *facts.get(NOTES, ()))))
    if is_one_of_several and one.cell_line:
        new.pop("cell_line", None)
    base = path.resolve().name if path.is_dir() else stem(path)
    if "name" in new:
        parts = [new["name"]]
    else:
        parts = [study, base.removeprefix("MD-").removeprefix("MIDAS-")]
    if is_one_of_several:
        parts.append(one.cell_line or one.name.removeprefix(f"{base}-"))
    return replace(one, **new | {"name": "-".join(dict.fromkeys(parts))})


def _reason(error: Exception, path: Path) -> str:
    """Why something cannot be read, without the folders of this machine."""
    if isinstance(error, OSError):
        return str(error.strerror or error)
    if not isinstance(error, HMLMError):
        return f"it cannot be read ({type(error).__name__}: {error})"
    is_inside = error.path is not None and Path(error.path) != path
    where = [Path(error.path).name] if is_inside and error.path is not None else []
    place = ", ".join([*where, *filter(None, [error.place])])
    return f"{place}: {error.problem}" if place else error.problem
