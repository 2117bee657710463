"""Conditions and times from the words of the command line, and the networks that they are of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..common.errors import FormatError
from ..corpora.corpus_loading import load_corpus
from ..formats.identifiers import Identifiers
from ..formats.measured.condition_tables import read_conditions
from ..formats.network_choice import one_network
from ..formats.network_loading import shipped_networks
from ..formats.tables import no_molecule
from ..model.conditions import LONGEST_HOURS, PERTURBATION_KINDS, Condition, Perturbation
from ..model.network import SignalingNetwork
from .command_options import TreatmentOptions

_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_WINDOW = re.compile(rf"(.*)@({_NUMBER})-({_NUMBER})?", re.DOTALL)


def load_networks(source: str, mapping: Sequence[Path] = ()) -> tuple[SignalingNetwork, ...]:
    """The networks of a shipped name, a file or a corpus; `mapping` are tables of identifiers."""
    return load_corpus(source, Identifiers.from_tables(mapping) if mapping else None)


def load_one_network(source: str, pathway: str | None) -> SignalingNetwork:
    """The network of a source, or that of a pathway where there are several."""
    return one_network(load_networks(source), pathway, source)


def own_files(source: str) -> tuple[Path, ...]:
    """The user's file or folder that a source names, and none where it is a shipped network."""
    return () if source == "core" or source in shipped_networks() else (Path(source),)


def conditions_of(options: TreatmentOptions, network: SignalingNetwork) -> dict[str, Condition]:
    """The requested conditions by name; one of options is named by what it does.

    Raises:
        FormatError: options that make no sense, a name that the network has not, or a table of
            conditions that cannot be read.
        HMLMError: a strength outside [0, 1], an empty window.
    """
    by_kind: Mapping[str, Sequence[str]] = {k: getattr(options, k) for k in PERTURBATION_KINDS}
    words = [
        *options.stimulus,
        *(f"{kind} {text}" for kind, texts in by_kind.items() for text in texts),
    ]
    if options.conditions is not None:
        if words:
            raise FormatError(f"{words[0]!r} is given beside --conditions; expected one of the two")
        return read_conditions(options.conditions, network, strict=True)
    stimuli: dict[str, float] = {}
    for text in options.stimulus:
        name, level = parse_stimulus(text, network)
        if name in stimuli:
            raise FormatError(f"there are several levels of stimulus {name!r}; expected one")
        stimuli[name] = level
    perturbations = [
        parse_perturbation(kind, text, network) for kind, texts in by_kind.items() for text in texts
    ]
    for p in perturbations:
        if perturbations.count(p) > 1:
            raise FormatError(f"the {p.kind} of {p.target!r} is given twice; expected once")
    return {", ".join(words) or "control": Condition(stimuli, tuple(perturbations))}


def parse_stimulus(text: str, network: SignalingNetwork) -> tuple[str, float]:
    """`NAME=LEVEL` as molecule and level, in [0, 1].

    Raises:
        FormatError: it is not of this form, or the network has no such molecule.
    """
    name, level = _name_and_rest(text, network, "stimulus", "NAME=LEVEL")
    if _WINDOW.fullmatch(level):
        raise FormatError(
            f"stimulus {text!r}: a stimulus lasts for the whole run; expected no window, or --clamp"
        )
    number = parse_number(level, f"stimulus {text!r}: the level")
    if not 0.0 <= number <= 1.0:
        raise FormatError(f"stimulus {text!r}: level {level}; expected a number in [0, 1]")
    return name, number


def parse_perturbation(kind: str, text: str, network: SignalingNetwork) -> Perturbation:
    """`NAME=STRENGTH` or `NAME=STRENGTH@START-END` as a perturbation; END may be left out.

    A knockout is `NAME` or `NAME@START-END`. Molecules may have `=` and `@` in their names.

    Args:
        kind: one of `PERTURBATION_KINDS`.
        text: what the user wrote; the window is in hours.
        network: whose molecule it is.

    Raises:
        FormatError: it is not of this form, or the network has no such molecule.
        HMLMError: a strength outside [0, 1], an empty window.
    """
    if kind == "knockout":
        if text in network.molecule_index:
            return Perturbation(text)
        name, window = _split_window(text, kind)
        position(name, network)
        return Perturbation(name, kind, 1.0, *window)
    name, rest = _name_and_rest(text, network, kind, "NAME=STRENGTH or NAME=STRENGTH@START-END")
    strength, window = _split_window(rest, f"{kind} {text!r}")
    number = parse_number(strength, f"{kind} {text!r}: the strength")
    return Perturbation(name, kind, number, *window)


def parse_times(text: str, option: str) -> tuple[float, ...]:
    """Times in hours, separated by commas.

    Args:
        option: that they are given by, for messages.

    Raises:
        FormatError: a time is negative, beyond `LONGEST_HOURS`, no number, or not after the one
            before it.
    """
    times = tuple(parse_number(part.strip(), f"a time in {option}") for part in text.split(","))
    for before, after in zip((-math.inf, *times), times, strict=False):
        if not 0 <= after <= LONGEST_HOURS:
            raise FormatError(
                f"{option} has {after}; expected times from 0 to {LONGEST_HOURS:g} hours"
            )
        if after <= before:
            raise FormatError(f"{option} has {after} after {before}; expected increasing times")
    return times


def position(name: str, network: SignalingNetwork) -> int:
    """The position of a molecule.

    Raises:
        FormatError: the network has no such molecule.
    """
    if name not in network.molecule_index:
        raise FormatError(no_molecule(name, network))
    return network.molecule_index[name]


def positions(names: Sequence[str], network: SignalingNetwork) -> tuple[int, ...]:
    """The positions of molecules, each once.

    Raises:
        FormatError: as `position`.
    """
    return tuple(dict.fromkeys(position(name, network) for name in names))


def parse_number(text: str, what: str) -> float:
    """
    Raises:
        FormatError: it is no finite number.
    """
    try:
        number = float(text) if "_" not in text else math.nan  # Python alone reads 1_000
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{what} is {text!r}; expected a number")
    return number


def _name_and_rest(
    text: str, network: SignalingNetwork, kind: str, expected: str
) -> tuple[str, str]:
    """A molecule and what follows the last `=`."""
    name, equals, rest = text.rpartition("=")
    if not equals:
        raise FormatError(f"{kind} {text!r} has no '='; expected {expected}")
    position(name, network)
    return name, rest


def _split_window(text: str, where: str) -> tuple[str, tuple[float, float]]:
    """What comes before `@START-END`, and the window in hours: all of time where there is none."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        if "@" in text:
            raise FormatError(
                f"{where}: window {text!r}; expected @START-END in hours, or @START- without an end"
            )
        return text, (0.0, math.inf)
    before, start, end = match.groups()
    hours = f"{where}: a window's hour"
    return before, (parse_number(start, hours), parse_number(end, hours) if end else math.inf)
