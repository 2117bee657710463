"""Rules as text: `A & !B => C`, the syntax of Netflux, and names that need quotes.

`&` joins sources by AND (some Netflux files write `+`), `!` negates one, `?` marks an unknown
sign, and an empty left side is an input. A name that holds a character of this syntax stands in
double quotes, with a backslash before a quote or a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from ...common.errors import FormatError
from ...model.network import Interaction

Rule = tuple[tuple[str, ...], tuple[int, ...], str]

SIGN_OF_MARK = {"": 1, "!": -1, "?": 0}
KIND_OF_SIGN = {1: "activation", -1: "inhibition", 0: "unknown"}
MARK_OF_SIGN = {sign: mark for mark, sign in SIGN_OF_MARK.items()}

_UNSAFE = re.compile(r'[\s&!?=+"]')
_TOKEN = re.compile(
    r"""\s*(?: (?P<arrow>=>) | (?P<and>&) | (?P<mark>[!?])
           | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<word>[^\s&!?="]+) )""",
    re.VERBOSE | re.DOTALL,
)


def parse_rule(text: str, known: Collection[str] = frozenset()) -> Rule:
    """Sources, their signs, and the target of a rule.

    Args:
        text: such as `A & !B => C`, or `=> A` for an input.
        known: names of the network's molecules. Between names a `+` means AND, but a `+` that
            belongs to a known name (`Ca2+`) stays part of it.

    Raises:
        FormatError: it is not a rule; the message says why.
    """
    sources: list[str] = []
    signs: list[int] = []
    side, expect_name, mark = "left", True, ""
    target = ""

    def fail(why: str) -> FormatError:
        return FormatError(f"rule {text!r}: {why}; expected something like 'A & !B => C'")

    for kind, value in _tokens(text, known):
        if kind == "arrow":
            if side == "right":
                raise fail("it has two arrows")
            if mark or (sources and expect_name):
                raise fail("a name is missing before '=>'")
            side, expect_name = "right", True
        elif kind == "and":
            if side == "right":
                raise fail("it has more than one target")
            if mark or expect_name:
                raise fail(f"a name is missing before {value!r}")
            expect_name = True
        elif kind == "mark":
            if side == "right":
                raise fail(f"the target has a mark {value!r}")
            if mark or not expect_name:
                raise fail(f"{value!r} stands in the wrong place")
            mark = value
        elif kind == "name":
            if not expect_name:
                raise fail(f"'&' is missing before {value!r}")
            if side == "right":
                target = value
            else:
                sources.append(value)
                signs.append(SIGN_OF_MARK[mark])
            expect_name, mark = False, ""
        else:
            raise fail(f"{value!r} cannot be read")
    if side == "left":
        raise fail("it has no '=>'")
    if not target:
        raise fail("it has no target")
    return tuple(sources), tuple(signs), target


def format_rule(interaction: Interaction) -> str:
    """The rule as text that `parse_rule` reads back."""
    left = " & ".join(
        MARK_OF_SIGN[sign] + quote(name)
        for name, sign in zip(interaction.sources, interaction.signs, strict=True)
    )
    return f"{left} => {quote(interaction.target)}".strip()


def kind_of_signs(signs: Sequence[int]) -> str:
    """The kind of an interaction of which nothing but its signs is known."""
    if not signs:
        return "input"
    return KIND_OF_SIGN[signs[0]] if len(set(signs)) == 1 else "unknown"


def quote(name: str) -> str:
    """The name as it stands in a rule: in quotes where it holds a character of the syntax."""
    if not _UNSAFE.search(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tokens(text: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Kind and value of every token: arrow, and, mark, name, or garbage."""
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            yield "garbage", text[position:].strip()
            return
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "quoted":
            name = re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
            yield ("name", name) if name else ("garbage", '""')
        elif kind == "word":
            yield from _split_at_plus(match["word"], known)
        else:
            yield kind, match[kind]


def _split_at_plus(word: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names and ANDs of a word such as `A+B`, keeping each `+` that belongs to a known name."""
    pieces = word.split("+")
    start = 0
    while start < len(pieces):
        longest = max(
            (
                stop
                for stop in range(start + 1, len(pieces) + 1)
                if "+".join(pieces[start:stop]) in known
            ),
            default=start + 1,
        )
        name = "+".join(pieces[start:longest])
        if name:
            yield "name", name
        if longest < len(pieces):
            yield "and", "+"
        start = longest
