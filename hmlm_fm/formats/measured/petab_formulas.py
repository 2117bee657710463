"""What formulas of PEtab say of values: offsets and scales that are known, and standard deviations.

The library petab parses formulas; what they are made of is then taken apart with sympy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...common.errors import FormatError
from ...common.words import not_installed

MOST_CHARACTERS = 10_000
"""Of a formula; the longest of published problems have some 2,000."""
_ROUNDS = 20


def check_petab() -> None:
    """
    Raises:
        FormatError: petab is not installed; the message says how to.
    """
    try:
        import petab.v1.math  # noqa: F401
    except ImportError:
        raise FormatError(not_installed("petab", "measurements")) from None


def parse_formula(text: str) -> Any:
    """A formula as an expression of sympy.

    Raises:
        FormatError: it is no formula, is longer than `MOST_CHARACTERS`, or has numbers that are
            raised to powers of powers, which no machine can hold.
    """
    import sympy
    from petab.v1.math import sympify_petab

    if len(text) > MOST_CHARACTERS:
        raise FormatError(
            f"a formula has {len(text)} characters; expected at most {MOST_CHARACTERS}"
        )
    try:
        for part in sympy.preorder_traversal(sympify_petab(text, evaluate=False)):
            if _is_tower(part):
                raise FormatError(f"{text[:60]!r} raises numbers to powers of powers")
        return sympify_petab(text)
    except FormatError:
        raise
    except Exception as error:  # of the lexer, the parser and sympy, of no common kind
        words = " ".join(str(error).split())[:100] or type(error).__name__
        raise FormatError(f"{text[:60]!r} is no formula ({words})") from None


def _is_tower(part: Any) -> bool:
    """Whether a power has a power in its exponent, and no variable anywhere."""
    import sympy

    exponent = part.args[1] if part.is_Pow else part.args[0] if part.func == sympy.exp else None
    return exponent is not None and not part.free_symbols and exponent.has(sympy.Pow, sympy.exp)


def names_of(formula: Any) -> frozenset[str]:
    """The names in a formula."""
    return frozenset(symbol.name for symbol in formula.free_symbols)


def offset_and_scale(formula: Any, parameters: Iterable[str]) -> tuple[Any, Any]:
    """Offset and scale of a formula `offset + scale * x`, where x alone has to do with the model.

    Args:
        formula: of an observable.
        parameters: names that are no part of the model, of which offset and scale are made.

    Returns:
        Two formulas; 0 and 1 where there is none, or where nothing of the model is in it.
    """
    import sympy

    apart = set(parameters)
    of_model = [symbol for symbol in formula.free_symbols if symbol.name not in apart]
    offset, scale, rest = sympy.Integer(0), sympy.Integer(1), formula
    if not of_model:
        return offset, scale
    for _ in range(_ROUNDS):
        added, rest = rest.as_independent(*of_model, as_Add=True)
        offset += scale * added
        factor, rest = rest.as_independent(*of_model, as_Add=False)
        scale *= factor
        if added == 0 and factor == 1:
            break
    return offset, scale


def number_in(formula: Any, values: Mapping[str, float]) -> float | None:
    """The number that a formula is with the values of its names, or None where one is not known."""
    if not names_of(formula) <= values.keys():
        return None
    try:
        number = float(formula.subs({s: values[s.name] for s in formula.free_symbols}))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None
