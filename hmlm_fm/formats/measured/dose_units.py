"""Units of doses, in one spelling."""

from __future__ import annotations

import re

AMOUNT = r"(?:[pnuµμm]?M|(?:[pnuµμm]?g|I?U|units?)\s*/\s*m?[lL]|[pnuµμm]g/kg|%|x)"
"""A regular expression of those that are known."""


def amount_unit(unit: str) -> str:
    """A unit of doses in one spelling, or nothing where it is none."""
    plain = unit.replace(" ", "").replace("µ", "u").replace("μ", "u")
    if not re.fullmatch(AMOUNT, plain):
        return ""
    return re.sub(r"/m?[lL]$", lambda m: m[0].replace("L", "l"), plain)


def is_same_unit(one: str, other: str) -> bool:
    """Whether two units are one, such as `ng/ml` and `ng/mL`."""
    return one == other or (amount_unit(one) == amount_unit(other) != "")
