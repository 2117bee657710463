"""What set.json states: of a measured set, or of files and folders as they are published.

A JSON object with some of the keys of `FACTS`, whose values are texts, and `notes`, a text or a
list of texts. Beside published files it states the facts of all of them, and may have the key
`sets`, an object with the facts of single files and folders by their names:

    {"study": "Doe 2020", "licence": "CC BY 4.0", "sets": {"HT29.csv": {"cell_line": "HT-29"}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...common.errors import FormatError
from ...common.files import read_json_text
from ...model.error_base import did_you_mean

SET_FILE = "set.json"
FACTS = ("name", "study", "source", "licence", "organism", "cell_line", "shares")
NOTES, SETS = "notes", "sets"

Facts = dict[str, Any]


def read_facts(folder: Path) -> Facts:
    """What set.json in a folder states of a measured set; nothing where there is none.

    Returns:
        Texts by key; `notes` are a tuple of texts.

    Raises:
        FormatError: it is no JSON object of texts, or has a key that is not known.
    """
    path = folder / SET_FILE
    return _checked(read_json_text(path), path) if path.is_file() else {}


def read_facts_of_several(folder: Path) -> tuple[Facts, dict[str, Facts]]:
    """What set.json states of all published files of its folder, and of single ones by name.

    Raises:
        FormatError: as `read_facts`, or `sets` names what is not in the folder.
    """
    path = folder / SET_FILE
    if not path.is_file():
        return {}, {}
    stated = read_json_text(path)
    singles: Any = stated.pop(SETS, {}) if isinstance(stated, dict) else {}
    if not isinstance(singles, dict):
        raise FormatError(
            f"{SETS} is {str(singles)[:80]!r}; expected an object with the facts of files and "
            "folders by their names",
            path=path,
        )
    there = [file.name for file in folder.iterdir()]
    for name in singles:
        if name not in there:
            raise FormatError(
                f"there is no file or folder {name!r} beside it{did_you_mean(name, there)}",
                path=path,
                place=SETS,
            )
    found = {name: _checked(of, path, f"{SETS}, {name!r}") for name, of in singles.items()}
    return _checked(stated, path, may_have_sets=True), found


def _checked(stated: Any, path: Path, place: str = "", may_have_sets: bool = False) -> Facts:
    if not isinstance(stated, Mapping):
        raise FormatError(
            "it is no JSON object; expected one, such as {...}", path=path, place=place
        )
    known = (*FACTS, NOTES, SETS) if may_have_sets else (*FACTS, NOTES)
    facts: Facts = {}
    for key, value in stated.items():
        if key not in known:
            raise FormatError(
                f"key {key!r} is not known; expected some of {', '.join(known)}"
                + did_you_mean(key, known),
                path=path,
                place=place,
            )
        texts = value if key == NOTES and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise FormatError(
                f"{key} is {str(value)[:80]!r}; expected a text", path=path, place=place
            )
        facts[key] = tuple(texts) if key == NOTES else value
    return facts
