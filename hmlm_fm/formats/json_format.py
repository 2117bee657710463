"""The project's own network format: JSON with one molecule, interaction or pathway per line.

It holds everything a `SignalingNetwork` states, so that reading what was written gives an equal
network. Fields with their default value are left out. Interactions are written as rules.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ..common.errors import FormatError
from ..common.files import read_text, write_text
from ..model.error_base import did_you_mean
from ..model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from .logic.rules import format_rule, parse_rule

FORMAT_NAME = "hmlm-network"
FORMAT_VERSION = 1

Check = Callable[[Any], Any]


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise FormatError(f"found {_shown(value)}; expected a text in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FormatError(f"{value!r} holds half a character; expected valid Unicode") from None
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FormatError(f"found {_shown(value)}; expected a list of texts")
    return tuple(_string(item) for item in value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"found {_shown(value)}; expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FormatError("found a number too large to hold; expected a finite number")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FormatError(f"found {_shown(value)}; expected true or false")
    return value


_NETWORK: dict[str, Check] = {
    "name": _string,
    "title": _string,
    "source": _string,
    "licence": _string,
    "family": _string,
    "logic_known": _flag,
}
_MOLECULE: dict[str, Check] = {
    "name": _string,
    "label": _string,
    "kind": _string,
    "members": _strings,
    "compartment": _string,
    "pathways": _strings,
    "tau_hours": _number,
    "y0": _number,
    "ymax": _number,
}
_INTERACTION: dict[str, Check] = {
    "rule": _string,
    "kind": _string,
    "weight": _number,
    "n": _number,
    "ec50": _number,
}
_PATHWAY: dict[str, Check] = {"name": _string, "title": _string, "source": _string}
_LISTS = ("molecules", "interactions", "pathways")


def read_json(path: str | os.PathLike[str]) -> SignalingNetwork:
    """Read a network in the project's own format.

    Raises:
        FormatError: the file is missing, is not JSON, or does not hold such a network; the
            message names the entry.
    """
    try:
        return network_from_json(read_text(path))
    except FormatError as error:
        raise error.at(path) from None


def write_json(network: SignalingNetwork, path: str | os.PathLike[str]) -> None:
    """Write a network in the project's own format; the file appears whole or not at all."""
    write_text(path, network_to_json(network))


def network_from_json(text: str) -> SignalingNetwork:
    """The network that a text in the project's own format holds.

    Raises:
        FormatError: as `read_json`, without the file's name.
    """
    content = _parse(text)
    if not isinstance(content, dict):
        raise FormatError(f"found {_shown(content)}; expected a network in braces")
    found = content.pop("format", None), content.pop("version", None)
    if found[0] != FORMAT_NAME:
        raise FormatError(f'"format" is {_shown(found[0])}; expected "{FORMAT_NAME}"')
    if found[1] != FORMAT_VERSION or isinstance(found[1], bool):
        raise FormatError(
            f'"version" is {_shown(found[1])}; this hmlm_fm reads version {FORMAT_VERSION}'
        )
    lists = {name: content.pop(name, []) for name in _LISTS}
    for name, entries in lists.items():
        if not isinstance(entries, list):
            raise FormatError(f'"{name}" is {_shown(entries)}; expected a list')
    head = _checked(content, _NETWORK, required=("name",), lists=_LISTS)
    molecules = [
        Molecule(**_entry("molecules", place, entry, _MOLECULE, required=("name",)))
        for place, entry in enumerate(lists["molecules"], start=1)
    ]
    names = frozenset(molecule.name for molecule in molecules)
    interactions = []
    for place, entry in enumerate(lists["interactions"], start=1):
        stated = _entry("interactions", place, entry, _INTERACTION, required=("rule",))
        try:
            sources, signs, target = parse_rule(stated.pop("rule"), names)
        except FormatError as error:
            raise error.at(place=f"interactions, entry {place}") from None
        interactions.append(Interaction(sources, signs, target, **stated))
    pathways = [
        Pathway(**_entry("pathways", place, entry, _PATHWAY, required=("name",)))
        for place, entry in enumerate(lists["pathways"], start=1)
    ]
    try:
        return SignalingNetwork(
            molecules=tuple(molecules),
            interactions=tuple(interactions),
            pathways=tuple(pathways),
            **head,
        )
    except NetworkError as error:
        raise FormatError(str(error)) from None


def network_to_json(network: SignalingNetwork) -> str:
    """The network as a text in the project's own format."""
    lines = [f'"format": "{FORMAT_NAME}"', f'"version": {FORMAT_VERSION}']
    lines += [
        f'"{name}": {_dump(value)}'
        for name, value in _stated(network).items()
        if name not in _LISTS
    ]
    interactions = [
        {
            "rule": format_rule(interaction),
            **{
                name: value
                for name, value in _stated(interaction).items()
                if name not in ("sources", "signs", "target")
            },
        }
        for interaction in network.interactions
    ]
    lines += [
        _dump_list("molecules", [_stated(molecule) for molecule in network.molecules]),
        _dump_list("interactions", interactions),
        _dump_list("pathways", [_stated(pathway) for pathway in network.pathways]),
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _parse(text: str) -> Any:
    """JSON, strictly: no NaN, and no key twice in one object."""

    def no_constant(word: str) -> None:
        raise FormatError(f"found {word}; expected a finite number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise FormatError(f'the key "{twice}" stands twice in one entry')
        return content

    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"it is not JSON: {error.msg}", place=f"line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise FormatError("its brackets are nested too deeply; expected a network") from None
    except FormatError:
        raise
    except ValueError:  # Python refuses integers of more than some thousand digits
        raise FormatError("found a number too large to hold; expected a finite number") from None


def _entry(
    list_name: str, place: int, entry: Any, checks: Mapping[str, Check], required: tuple[str, ...]
) -> dict[str, Any]:
    where = f"{list_name}, entry {place}"
    if not isinstance(entry, dict):
        raise FormatError(f"found {_shown(entry)}; expected an entry in braces", place=where)
    try:
        return _checked(entry, checks, required)
    except FormatError as error:
        raise error.at(place=where) from None


def _checked(
    entry: dict[str, Any],
    checks: Mapping[str, Check],
    required: tuple[str, ...],
    lists: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The entry's values, each passed by the check of its key."""
    for key in required:
        if key not in entry:
            raise FormatError(f'it has no "{key}"')
    checked = {}
    for key, value in entry.items():
        if key not in checks:
            expected = ", ".join((*checks, *lists))
            hint = did_you_mean(key, (*checks, *lists))
            raise FormatError(f'unknown key "{key}"; expected {expected}{hint}')
        try:
            checked[key] = checks[key](value)
        except FormatError as error:
            raise error.at(place=f'"{key}"') from None
    return checked


def _stated(item: SignalingNetwork | Molecule | Interaction | Pathway) -> dict[str, Any]:
    """Fields that differ from their default, in the order of the class."""
    values = {field.name: (getattr(item, field.name), field.default) for field in fields(item)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _dump(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _dump_list(name: str, entries: list[dict[str, Any]]) -> str:
    if not entries:
        return f'"{name}": []'
    return f'"{name}": [\n' + ",\n".join(map(_dump, entries)) + "\n]"


def _plain(value: Any) -> Any:
    """Whole numbers without a decimal point, as a person writes them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _shown(value: Any) -> str:
    """A value as a short piece of an error message."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an entry in braces"
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
