"""What the words of published tables say: units, doses behind names, scales."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...model.vocabulary import Vocabulary
from ..names import meaning_of
from .dose_units import AMOUNT, amount_unit
from .drug_targets import shipped_targets
from .measured_set import is_vehicle

_UNIT_OF_HEADER = re.compile(
    rf"^(?P<name>.*?)\s*(?:\((?P<a>[^()]+)\)|\[(?P<b>[^\[\]]+)\]|[_ ](?P<c>{AMOUNT}))\s*$"
)
_DOSE_OF_CELL = re.compile(
    rf"^(?P<name>.*?[^\d.\s])[\s_@:,]+(?P<dose>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?P<unit>{AMOUNT})$"
)
_PLAIN_DOSE = re.compile(rf"^(?P<dose>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?P<unit>{AMOUNT})?$")
_LOGARITHM = re.compile(r"(?<![a-z])(log2|log10|ln|log)(?=$|[^a-z]|fc)", re.IGNORECASE)
_CHANGE = re.compile(r"fold.?change|log2?\s*fc|(?<![a-z])fc(?![a-z])|ratio|vs", re.IGNORECASE)


def header_unit(column: str) -> tuple[str, str]:
    """The name of a column and the unit behind it: `EGF (ng/ml)`, `dose_nM`, `time [min]`."""
    match = _UNIT_OF_HEADER.match(column.strip())
    if match is None or not match["name"]:
        return column.strip(), ""
    return match["name"].strip(), (match["a"] or match["b"] or match["c"]).strip()


def name_and_dose(cell: str) -> tuple[str, float | None, str]:
    """What a cell such as `Trametinib 100 nM` names, its dose and unit; None where it has none."""
    match = _DOSE_OF_CELL.match(cell.strip())
    if match is None:
        return cell.strip(), None, ""
    return match["name"].strip(" ,:@_"), float(match["dose"]), amount_unit(match["unit"])


def plain_dose(cell: str) -> tuple[float, str] | None:
    """A dose with its unit, such as `100 nM`, or None."""
    match = _PLAIN_DOSE.match(cell.strip())
    return None if match is None else (float(match["dose"]), amount_unit(match["unit"] or ""))


def stated_scale(names: Sequence[str]) -> str:
    """The scale that the names of columns of values state, or nothing."""
    found = {match[1].lower() for name in names if (match := _LOGARITHM.search(name))}
    is_whole = bool(names) and all(_LOGARITHM.search(name) for name in names)
    if len(found) != 1 or not is_whole or found == {"log"}:
        return ""
    change = " change from control" if all(map(_CHANGE.search, names)) else ""
    return found.pop() + change


def says_logarithm(names: Sequence[str]) -> bool:
    """Whether any name says that values are logarithms."""
    return any(_LOGARITHM.search(name) for name in names)


def is_of_treatment(name: str) -> bool:
    """Whether a column's name is one of something that is given: a drug, an inhibitor, a ligand."""
    plain, unit = header_unit(name)
    if amount_unit(unit) or shipped_targets().find(plain) is not None:
        return True
    return plain.endswith("i") and bool(meaning_of(plain[:-1]).members)


def given_names(cell: str) -> tuple[str, ...]:
    """What a cell of what was given names, such as `EGF + MEKi`; nothing of a vehicle."""
    found = []
    for part in re.split(r"\s*(?:\+|;|\||,\s|\band\b|&)\s*", cell.strip()):
        pieces = part.split("/")
        both = len(pieces) > 1 and all(map(_is_known, pieces))
        found += [piece.strip() for piece in (pieces if both else [part])]
    return tuple(name for name in found if name and not is_vehicle(name))


def _is_known(name: str) -> bool:
    plain = name.strip()
    if shipped_targets().find(plain) is not None or meaning_of(plain).members:
        return True
    return plain in Vocabulary.shipped().index
