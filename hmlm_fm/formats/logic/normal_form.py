"""Disjunctive normal forms of Boolean functions, as small as is affordable.

Truth tables are integers: bit `k` is the value where variable `i` has the value of bit `i` of `k`.
"""

from __future__ import annotations

from collections.abc import Iterable

from .expression import Expression

Term = tuple[int, int]
"""An AND: the bits of its plain and of its negated variables."""

MOST_TERMS = 512
MOST_VARIABLES_OF_A_TABLE = 20
MOST_BITS_OF_TABLES = 1 << 31
"""What all tables of one expression may add up to: a fraction of a second."""


class _TooManyTerms(Exception):
    """The form has more than `MOST_TERMS` terms."""


def is_affordable(expression: Expression) -> bool:
    """Whether the function is small enough for truth tables."""
    variables = len(expression.names)
    bits = len(expression.nodes) << min(variables, 64)
    return variables <= MOST_VARIABLES_OF_A_TABLE and bits <= MOST_BITS_OF_TABLES


def truth_table(expression: Expression) -> int:
    """The truth table of an expression, of 2 to the number of its variables bits."""
    variables = len(expression.names)
    full = (1 << (1 << variables)) - 1
    uses = [0] * len(expression.nodes)
    for operation, arguments in expression.nodes:
        if operation not in ("variable", "constant"):
            for i in arguments:
                uses[i] += 1
    # Long functions are ORs of ANDs of variables, so that an AND stays a term until it is joined.
    values: dict[int, int | Term] = {}

    def value(i: int) -> int | Term:
        # A table that is not needed again is dropped: there may be a million of them.
        uses[i] -= 1
        return values[i] if uses[i] else values.pop(i)

    def table(value: int | Term) -> int:
        return value if isinstance(value, int) else _table_of_term(value, variables)

    for position, (operation, arguments) in enumerate(expression.nodes):
        if operation == "variable":
            values[position] = (1 << arguments[0], 0)
        elif operation == "constant":
            values[position] = full * arguments[0]
        elif operation == "not":
            argument = value(arguments[0])
            if isinstance(argument, tuple) and (argument[0] | argument[1]).bit_count() == 1:
                values[position] = argument[1], argument[0]
            else:
                values[position] = full ^ table(argument)
        else:
            left, right = value(arguments[0]), value(arguments[1])
            if operation == "or":
                values[position] = table(left) | table(right)
            elif operation == "xor":
                values[position] = table(left) ^ table(right)
            elif isinstance(left, int) or isinstance(right, int):
                values[position] = table(left) & table(right)
            else:
                term = left[0] | right[0], left[1] | right[1]
                values[position] = 0 if term[0] & term[1] else term
    return table(values[len(expression.nodes) - 1])


def _table_of_term(term: Term, variables: int) -> int:
    plain, negated = term
    table = 1
    for i in range(variables):
        shifted = table << (1 << i)
        if plain >> i & 1:
            table = shifted
        elif not negated >> i & 1:
            table |= shifted
    return table


def irredundant_terms(table: int, variables: int) -> list[Term] | None:
    """Prime implicants whose OR is the function, none of which can be left out.

    Args:
        table: the function.
        variables: how many it has.

    Returns:
        Short terms first; None if there are more than `MOST_TERMS`.

    The construction of Minato and Morreale: what the function needs where the last variable is
    off, where it is on, and then, without it, what those two leave uncovered.
    """
    found: dict[tuple[int, int, int], tuple[int, list[Term]]] = {}

    def cover(lower: int, upper: int, count: int) -> tuple[int, list[Term]]:
        """A table between `lower` and `upper` of the first `count` variables, and its terms."""
        full = (1 << (1 << count)) - 1
        if not lower:
            return 0, []
        if upper == full:
            return full, [(0, 0)]
        key = (lower, upper, count)
        if key in found:
            return found[key]
        half = 1 << (count - 1)
        low = (1 << half) - 1
        lower_off, lower_on = lower & low, lower >> half
        upper_off, upper_on = upper & low, upper >> half
        off, terms_off = cover(lower_off & ~upper_on, upper_off, count - 1)
        on, terms_on = cover(lower_on & ~upper_off, upper_on, count - 1)
        rest = lower_off & ~off | lower_on & ~on
        both, terms_both = cover(rest, upper_off & upper_on, count - 1)
        bit = 1 << (count - 1)
        terms = [(plain, negated | bit) for plain, negated in terms_off]
        terms += [(plain | bit, negated) for plain, negated in terms_on]
        terms += terms_both
        if len(terms) > MOST_TERMS:  # every one of them would be part of the whole
            raise _TooManyTerms
        found[key] = (off | both) | (on | both) << half, terms
        return found[key]

    try:
        return _sorted(cover(table, table, variables)[1])
    except _TooManyTerms:
        return None


def distributed_terms(expression: Expression) -> list[Term] | None:
    """Terms whose OR is the function, by distribution and absorption.

    For a function in which no variable has both signs, they are its prime implicants.

    Returns:
        Short terms first; None if there are more than `MOST_TERMS` on the way.
    """
    needed = _needed(expression)
    forms: dict[tuple[int, bool], list[Term]] = {}
    try:
        for position in range(len(expression.nodes)):
            for plain in needed[position]:
                forms[position, plain] = _form(expression, position, plain, forms)
        return _absorbed(forms[len(expression.nodes) - 1, True])
    except _TooManyTerms:
        return None


def _form(
    expression: Expression, position: int, plain: bool, forms: dict[tuple[int, bool], list[Term]]
) -> list[Term]:
    """The form of one node, or of its negation, given those of its arguments."""
    operation, arguments = expression.nodes[position]
    if operation == "variable":
        bit = 1 << arguments[0]
        return [(bit, 0) if plain else (0, bit)]
    if operation == "constant":
        return [(0, 0)] if bool(arguments[0]) == plain else []
    if operation == "not":
        return forms[arguments[0], not plain]
    left, right = arguments
    if operation == "xor":
        sides = (_product(forms[left, a], forms[right, a != plain]) for a in (True, False))
        return _absorbed([term for side in sides for term in side])
    if (operation == "and") == plain:
        return _product(forms[left, plain], forms[right, plain])
    terms = forms[left, plain] + forms[right, plain]
    return terms if len(terms) < 2 * MOST_TERMS else _absorbed(terms)


def polarities(expression: Expression) -> dict[str, int]:
    """Sign of every variable in negation normal form: +1, -1, or 0 where it has both."""
    signs: dict[str, int] = {}
    needed = _needed(expression)
    for position, (operation, arguments) in enumerate(expression.nodes):
        if operation == "variable" and needed[position]:
            sign = 0 if len(needed[position]) == 2 else 1 if True in needed[position] else -1
            signs[expression.names[arguments[0]]] = sign
    return signs


def _needed(expression: Expression) -> list[set[bool]]:
    """In which polarity the negation normal form has each node."""
    needed: list[set[bool]] = [set() for _ in expression.nodes]
    needed[-1].add(True)
    for position in range(len(expression.nodes) - 1, -1, -1):
        operation, arguments = expression.nodes[position]
        if operation == "not":
            needed[arguments[0]] |= {not plain for plain in needed[position]}
        elif operation == "xor":
            for i in arguments:
                needed[i] |= {True, False}
        elif operation in ("and", "or"):
            for i in arguments:
                needed[i] |= needed[position]
    return needed


def _product(left: list[Term], right: list[Term]) -> list[Term]:
    """AND of two forms."""
    if len(left) * len(right) > 4 * MOST_TERMS:
        left, right = _absorbed(left), _absorbed(right)
    if len(left) * len(right) > 4 * MOST_TERMS:
        raise _TooManyTerms
    terms = ((a | c, b | d) for a, b in left for c, d in right)
    return _absorbed((plain, negated) for plain, negated in terms if not plain & negated)


def _absorbed(terms: Iterable[Term]) -> list[Term]:
    """The terms without those that a shorter one covers."""
    ordered = _sorted(set(terms))
    shift = max((plain | negated).bit_length() for plain, negated in ordered) if ordered else 0
    kept: list[Term] = []
    shorter: list[int] = []
    for term in ordered:
        literals = term[0] | term[1] << shift
        for other in shorter:
            if other & literals == other:
                break
        else:
            kept.append(term)
            shorter.append(literals)
            if len(kept) > MOST_TERMS:
                raise _TooManyTerms
    return kept


def _sorted(terms: Iterable[Term]) -> list[Term]:
    return sorted(terms, key=lambda t: ((t[0] | t[1]).bit_count(), t))
