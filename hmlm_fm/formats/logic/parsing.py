"""Boolean functions read as text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ...common.errors import FormatError
from .expression import Expression, ExpressionBuilder

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
    parser = _Parser()
    for kind, value, column in _tokens(text, known):
        parser.take(kind, value, column)
    return parser.expression()


class _Parser:
    """Operator precedence by two stacks: operands, and operators that wait for their right side."""

    def __init__(self) -> None:
        self._builder = ExpressionBuilder()
        self._operands: list[int] = []
        self._operators: list[tuple[str, int]] = []
        self._expects_operand = True

    def take(self, kind: str, value: str, column: int) -> None:
        """The next token.

        Raises:
            FormatError: it cannot stand here.
        """
        negates = (kind, value) == ("operator", "not")
        self._check(kind, value, column, negates or kind in ("name", "constant", "open"))
        if kind == "open" or negates:
            self._operators.append((value, column))
        elif kind == "operator":
            self._apply_stronger(_STRENGTH[value])
            self._operators.append((value, column))
            self._expects_operand = True
        elif kind == "close":
            self._apply_stronger(1)
            if not self._operators:
                raise FormatError("found ')' without its '('", place=f"column {column}")
            self._operators.pop()
        else:
            is_name = kind == "name"
            self._operands.append(
                self._builder.variable(value) if is_name else self._builder.constant(value == "1")
            )
            self._expects_operand = False

    def expression(self) -> Expression:
        """What the tokens make.

        Raises:
            FormatError: the function breaks off, or there is none.
        """
        if self._expects_operand:
            raise FormatError(
                "the Boolean function breaks off; expected a name at its end"
                if self._operators or self._operands
                else "there is no Boolean function; expected one such as 'A & !B'"
            )
        self._apply_stronger(1)
        if self._operators:
            column = self._operators[-1][1]
            raise FormatError("found '(' without its ')'", place=f"column {column}")
        return self._builder.build(self._operands[-1])

    def _check(self, kind: str, value: str, column: int, starts_operand: bool) -> None:
        place = f"column {column}"
        if kind == "garbage":
            raise FormatError(
                f"{_shortened(value)} cannot be read in a Boolean function", place=place
            )
        if starts_operand != self._expects_operand:
            expected = "a name, '!' or '('" if self._expects_operand else "'&', '|' or ')'"
            raise FormatError(f"found {_shortened(value)}; expected {expected}", place=place)

    def _apply_stronger(self, strength: int) -> None:
        """Apply the operators that bind at least as tightly, up to an open bracket."""
        while self._operators and _STRENGTH.get(self._operators[-1][0], 0) >= strength:
            operator, right = self._operators.pop()[0], self._operands.pop()
            if operator == "not":
                self._operands.append(self._builder.negation(right))
            else:
                pair = (self._operands.pop(), right)
                self._operands.append(self._builder.joined(operator, pair))


def _shortened(text: str, most: int = 30) -> str:
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
