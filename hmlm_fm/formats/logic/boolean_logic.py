"""Boolean functions: read as text or built, and written as interactions.

A function becomes an irredundant disjunctive normal form made of prime implicants; each implicant
is one interaction, which joins its signed sources by AND, and the interactions on one target are
joined by OR. Nothing here recurses over an expression, so that its depth does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ...common.errors import FormatError
from ...model.network import Interaction
from .normal_form import (
    Term,
    distributed_terms,
    irredundant_terms,
    is_affordable,
    polarities,
    truth_table,
)
from .rules import kind_of_signs

Node = tuple[str, tuple[int, ...]]
"""An operation with its arguments.

`variable` and `constant` have one number, the position of the name or the value; `not` has one
argument, `and`, `or` and `xor` have two, which are positions of earlier nodes.
"""

Value = TypeVar("Value")

_OPERATOR_OF_SYMBOL = {
    "&": "and",
    "&&": "and",
    "*": "and",
    "∧": "and",
    "|": "or",
    "||": "or",
    "+": "or",
    "∨": "or",
    "!": "not",
    "~": "not",
    "¬": "not",
    "^": "xor",
    "and": "and",
    "or": "or",
    "not": "not",
    "xor": "xor",
}
_CONSTANT_OF_WORD = {"0": 0, "1": 1, "false": 0, "true": 1}
_STRENGTH = {"or": 1, "xor": 2, "and": 3, "not": 4}
_TOKEN = re.compile(
    r"""\s*(?: (?P<symbol>&&?|\|\|?|[!~^¬∧∨]) | (?P<open>\() | (?P<close>\))
           | "(?P<double>[^"]+)" | (?P<word>[^\s()&|!~^¬∧∨",]+) )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Expression:
    """A Boolean function of named variables.

    Attributes:
        names: the variables, in the order in which they are first named.
        nodes: operations, arguments before what uses them; the last is the function.
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    def evaluate(self, values: Mapping[str, Value]) -> Value | bool:
        """The function at values that know `&`, `|`, `^` and, for `not`, `^ True`.

        Python's and numpy's Booleans do; arrays are taken element by element.
        """
        found: list = []
        for operation, arguments in self.nodes:
            if operation == "variable":
                found.append(values[self.names[arguments[0]]])
            elif operation == "constant":
                found.append(bool(arguments[0]))
            elif operation == "not":
                found.append(found[arguments[0]] ^ True)
            else:
                left, right = (found[i] for i in arguments)
                found.append(
                    left & right
                    if operation == "and"
                    else left | right
                    if operation == "or"
                    else left ^ right
                )
        return found[-1]


@dataclass
class ExpressionBuilder:
    """Builds an expression from its leaves up; methods take and return positions of nodes."""

    _names: dict[str, int] = field(default_factory=dict)
    _nodes: dict[Node, int] = field(default_factory=dict)

    def variable(self, name: str) -> int:
        return self._add("variable", self._names.setdefault(name, len(self._names)))

    def constant(self, value: bool) -> int:
        return self._add("constant", int(value))

    def negation(self, argument: int) -> int:
        return self._add("not", argument)

    def joined(self, operation: str, arguments: Iterable[int]) -> int:
        """`and`, `or` or `xor` of any number of arguments."""
        arguments = iter(arguments)
        first = next(arguments, None)
        if first is None:
            return self.constant(operation == "and")
        for argument in arguments:
            first = self._add(operation, first, argument)
        return first

    def include(self, expression: Expression) -> int:
        """The root of an expression whose nodes become nodes here."""
        moved: list[int] = []
        for operation, arguments in expression.nodes:
            if operation == "variable":
                moved.append(self.variable(expression.names[arguments[0]]))
            elif operation == "constant":
                moved.append(self.constant(bool(arguments[0])))
            else:
                moved.append(self._add(operation, *(moved[i] for i in arguments)))
        return moved[-1]

    def build(self, root: int) -> Expression:
        """The expression whose function is the node `root`."""
        nodes = list(self._nodes)
        used = {root}
        for position in range(root, -1, -1):
            operation, arguments = nodes[position]
            if position in used and operation not in ("variable", "constant"):
                used.update(arguments)
        names = list(self._names)
        new_names: dict[str, int] = {}
        moved: dict[int, int] = {}
        kept: list[Node] = []
        for position in sorted(used):
            operation, arguments = nodes[position]
            if operation == "variable":
                arguments = (new_names.setdefault(names[arguments[0]], len(new_names)),)
            elif operation != "constant":
                arguments = tuple(moved[i] for i in arguments)
            moved[position] = len(kept)
            kept.append((operation, arguments))
        return Expression(tuple(new_names), tuple(kept))

    def _add(self, operation: str, *arguments: int) -> int:
        return self._nodes.setdefault((operation, arguments), len(self._nodes))


def parse_expression(text: str, known: Collection[str] = frozenset()) -> Expression:
    """Read a Boolean function.

    AND is `&`, `&&`, `*` or `and`; OR `|`, `||`, `+` or `or`; NOT `!`, `~` or `not`; XOR `^` or
    `xor`; NOT binds most tightly, then AND, XOR and OR. `0`, `1`, `true` and `false` are constants.
    Everything else up to a blank or a character of this syntax is a name, as is what stands in
    double quotes.

    Args:
        text: such as `A & (B | !C)`.
        known: names that hold blanks are read where they are among these.

    Raises:
        FormatError: it is not an expression; the place is the column.
    """
    builder = ExpressionBuilder()
    operands: list[int] = []
    operators: list[tuple[str, int]] = []
    expect_operand = True

    def apply(operator: str) -> None:
        right = operands.pop()
        if operator == "not":
            operands.append(builder.negation(right))
        else:
            operands.append(builder.joined(operator, (operands.pop(), right)))

    def apply_stronger(strength: int) -> None:
        while operators and _STRENGTH.get(operators[-1][0], 0) >= strength:
            apply(operators.pop()[0])

    for kind, value, column in _tokens(text, known):
        place = f"column {column}"
        negates = (kind, value) == ("operator", "not")
        starts_operand = negates or kind in ("name", "constant", "open")
        if kind == "garbage":
            raise FormatError(f"{_shown(value)} cannot be read in a Boolean function", place=place)
        if starts_operand != expect_operand:
            expected = "a name, '!' or '('" if expect_operand else "'&', '|' or ')'"
            raise FormatError(f"found {_shown(value)}; expected {expected}", place=place)
        if kind == "open" or negates:
            operators.append((value, column))
        elif kind == "operator":
            apply_stronger(_STRENGTH[value])
            operators.append((value, column))
            expect_operand = True
        elif kind == "close":
            apply_stronger(1)
            if not operators:
                raise FormatError("found ')' without its '('", place=place)
            operators.pop()
        else:
            leaf = builder.variable(value) if kind == "name" else builder.constant(value == "1")
            operands.append(leaf)
            expect_operand = False
    if expect_operand:
        raise FormatError(
            "the Boolean function breaks off; expected a name at its end"
            if operators or operands
            else "there is no Boolean function; expected one such as 'A & !B'"
        )
    apply_stronger(1)
    if operators:
        raise FormatError("found '(' without its ')'", place=f"column {operators[-1][1]}")
    return builder.build(operands[-1])


def interactions_of_function(
    target: str, expression: Expression
) -> tuple[tuple[Interaction, ...], bool]:
    """The interactions that a function makes on `target`, and whether they state it exactly.

    For 16 variables and, unless the text is very long, up to 20, the form is irredundant and made
    of prime implicants; beyond that, AND is distributed over OR, and what a shorter term covers is
    dropped. Where either takes more than 512 terms, every variable makes an interaction of its
    own, with its sign, or 0 if it has both: then, and only then, the logic is not exact.

    A constant is an input of weight 0 or 1. A molecule that keeps its own state is an input.
    """
    names = expression.names
    if is_affordable(expression):
        terms = irredundant_terms(truth_table(expression), len(names))
    else:
        terms = distributed_terms(expression)
    if terms is None:
        signs = polarities(expression)
        single = [_interaction(target, {name: sign}) for name, sign in signs.items()]
        return tuple(single), False
    if not terms:
        return (Interaction((), (), target, "input", weight=0.0),), True
    if (0, 0) in terms:
        return (Interaction((), (), target, "input", weight=1.0),), True
    signed = [_signs(term, names) for term in terms]
    if signed == [{target: 1}]:
        return (Interaction((), (), target, "input"),), True
    return tuple(_interaction(target, signs) for signs in signed), True


def _interaction(target: str, signs: Mapping[str, int]) -> Interaction:
    values = tuple(signs.values())
    return Interaction(tuple(signs), values, target, kind_of_signs(values))


def _signs(term: Term, names: tuple[str, ...]) -> dict[str, int]:
    plain, negated = term
    return {
        name: 1 if plain >> i & 1 else -1
        for i, name in enumerate(names)
        if (plain | negated) >> i & 1
    }


def _shown(text: str, most: int = 30) -> str:
    return repr(text if len(text) <= most else text[:most] + "…")


def _tokens(text: str, known: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """Kind, value and column: name, constant, operator, open, close, or garbage."""
    words: list[tuple[str, int]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            yield from _names(words, known)
            yield "garbage", text[position:].strip(), position + 1
            return
        position = match.end()
        kind = str(match.lastgroup)
        value, column = match[kind], match.start(kind) + 1
        operator = _OPERATOR_OF_SYMBOL.get(value.lower()) if kind in ("symbol", "word") else None
        if kind == "word" and operator is None:
            words.append((value, column))
            continue
        yield from _names(words, known)
        words = []
        if operator is not None:
            yield "operator", operator, column
        else:
            yield ("name" if kind == "double" else kind), value, column
    yield from _names(words, known)


def _names(words: list[tuple[str, int]], known: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """Words that follow each other: one name that holds blanks where it is known, else each."""
    together = " ".join(word for word, _ in words)
    if len(words) > 1 and together in known:
        yield "name", together, words[0][1]
        return
    for word, column in words:
        constant = _CONSTANT_OF_WORD.get(word.lower())
        if constant is None or word in known:
            yield "name", word, column
        else:
            yield "constant", str(constant), column
