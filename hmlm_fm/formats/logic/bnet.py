"""bnet: Boolean networks as text, one `target, function` a line.

BoolNet, pyboolnet, GINsim and the BioDivine collection write it, with or without the header line
`targets, factors`. A name that is used and never defined is an input, as is a target that keeps
its own state (`X, X`); a constant is an input of weight 0 or 1.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...common.errors import FormatError, FormatWarning
from ...common.files import read_lines, stem, write_text
from ...model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from ..identifiers import Identifiers
from ..lost_content import BEYOND_NAMES, losses, losses_of_logic, warn_of, without_constants
from ..names import Meaning, meaning_of
from .expression import Expression
from .implicants import interactions_of_function
from .parsing import parse_expression

_HEADER = re.compile(
    r"""\s*"?targets?"?\s*,\s*"?(?:factors?|functions?|rules?|expressions?)"?(\s*,.*)?\s*$""",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"(^|\s)#.*$")
_NUMBERED = re.compile(r"\d+[_-](?=\D)")
_PREFIX = "v_"
"""What BioDivine writes before every name."""

_UNWRITABLE = re.compile(r"""[\s()&|!~^¬∧∨",#*+]""")
_RESERVED = frozenset("0 1 true false and or not xor".split())


def is_bnet(lines: Iterable[str]) -> bool:
    """Whether lines of a text look like bnet: its header, or a first line `name, function`."""
    for line in lines:
        line = _COMMENT.sub("", line).strip()
        if not line:
            continue
        if _HEADER.match(line):
            return True
        target, comma, text = line.partition(",")
        if not comma or not target.strip() or "\t" in target:
            return False
        try:
            parse_expression(text)
        except FormatError:
            return False
        return True
    return False


def read_bnet(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> SignalingNetwork:
    """Read a Boolean network.

    A prefix `v_` is dropped where all names have it. The interactions on a target are the terms of
    an irredundant disjunctive normal form of its function; a warning names the targets whose
    function is too large for one, which then have an interaction per variable.

    Args:
        path: the file.
        identifiers: names of molecules by keys; a name that is a symbol needs none.

    Raises:
        FormatError: no lines, a line without a comma, a function that cannot be read, a target
            that is defined twice; the message names the line.
    """
    functions = _functions(path)
    names = dict.fromkeys(functions)
    for expression in functions.values():
        names |= dict.fromkeys(expression.names)
    short = _without_prefix(names)
    interactions: list[Interaction] = []
    inexact = []
    for target, expression in functions.items():
        expression = replace(expression, names=tuple(short[name] for name in expression.names))
        found, exact = interactions_of_function(short[target], expression)
        interactions += found
        if not exact:
            inexact.append(short[target])
    interactions += [
        Interaction((), (), short[name], "input") for name in names if name not in functions
    ]
    if inexact:
        warnings.warn(
            f"{path}: the logic of {', '.join(inexact[:8])}"
            f"{' and others' if len(inexact) > 8 else ''} takes too many terms; each regulator "
            "of them is an interaction of its own",
            FormatWarning,
            stacklevel=2,
        )
    name = stem(path).strip()
    title = _NUMBERED.sub("", name, count=1).replace("-", " ").replace("_", " ")
    identifiers = identifiers or Identifiers.shipped()
    try:
        return SignalingNetwork(
            name=name,
            title=title,
            molecules=tuple(_molecule(short[n], name, identifiers) for n in names),
            interactions=tuple(interactions),
            pathways=(Pathway(name, title),),
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def write_bnet(network: SignalingNetwork, path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Write the logic of a network: every target with the OR of its interactions.

    bnet holds names and Boolean functions. Characters of its syntax in a name become `_`.

    Returns:
        What was lost, in words; a warning names the same.
    """
    written = _writable(network.names)
    on: dict[str, list[Interaction]] = {name: [] for name in network.names}
    for interaction in network.interactions:
        on[interaction.target].append(interaction)
    lines = ["targets, factors"]
    for name in network.names:
        regulators = [i for i in on[name] if i.sources]
        constants = [i.weight for i in on[name] if i.weight in (0.0, 1.0)]
        if regulators:
            function = " | ".join(_term(i, written, alone=len(regulators) == 1) for i in regulators)
        elif constants:
            function = "1" if 1.0 in constants else "0"
        else:
            function = written[name]
        lines.append(f"{written[name]}, {function}")
    write_text(path, "".join(f"{line}\n" for line in lines))
    lost = _lost(network, written, on)
    warn_of(lost, path, "bnet")
    return lost


def _functions(path: str | os.PathLike[str]) -> dict[str, Expression]:
    """Targets in the order of the file, each with its function."""
    lines = list(_rows(path))
    targets = [target for _, target, _ in lines]
    known = frozenset(target for target in targets if " " in target or target in ("0", "1"))
    functions: dict[str, Expression] = {}
    line_of: dict[str, int] = {}
    for number, target, text in lines:
        place = f"line {number}"
        if target in line_of:
            raise FormatError(
                f"the target {target!r} was already defined in line {line_of[target]}; "
                "expected one function for each",
                path=path,
                place=place,
            )
        line_of[target] = number
        try:
            functions[target] = parse_expression(text, known)
        except FormatError as error:
            raise FormatError(f"function of {target!r}: {error}", path=path, place=place) from None
    if not functions:
        raise FormatError("it is empty; expected lines such as 'A, B & !C'", path=path)
    return functions


def _rows(path: str | os.PathLike[str]) -> Iterator[tuple[int, str, str]]:
    """Line number, target and the text of its function."""
    may_be_header = True
    for number, line in enumerate(read_lines(path), start=1):
        line = _COMMENT.sub("", line).strip().rstrip(";").rstrip()
        if not line:
            continue
        header = _HEADER.match(line) if may_be_header else None
        may_be_header = False
        if header is not None:
            continue
        target, comma, text = line.partition(",")
        if line.startswith('"') and '"' in line[1:]:
            quoted, _, rest = line[1:].partition('"')
            target, comma, text = quoted, rest.lstrip()[:1], rest.lstrip()[1:]
        target = target.strip()
        if comma != "," or not target or not text.strip() or _is_prose(target):
            raise FormatError(
                f"found {line[:60]!r}; expected 'target, function' such as 'A, B & !C'",
                path=path,
                place=f"line {number}",
            )
        yield number, target, text


def _is_prose(target: str) -> bool:
    """Whether what stands before the comma is no name, as in prose, tables or other formats."""
    return any(c in "\t()&|!<>{}" for c in target) or len(target.split()) > 4


def _without_prefix(names: Iterable[str]) -> dict[str, str]:
    """Every name with the one that it gets."""
    names = list(names)
    if all(name.startswith(_PREFIX) and len(name) > len(_PREFIX) for name in names):
        return {name: name.removeprefix(_PREFIX) for name in names}
    return {name: name for name in names}


def _molecule(name: str, pathway: str, identifiers: Identifiers) -> Molecule:
    meaning = _meaning(name, identifiers)
    return Molecule(name, kind=meaning.kind, members=meaning.members, pathways=(pathway,))


def _meaning(name: str, identifiers: Identifiers) -> Meaning:
    """What a name means; `_` may stand for any character that Boolean tools do not allow."""
    for spelled in dict.fromkeys((name, *(name.replace("_", mark) for mark in ("-", " ", "")))):
        meaning = meaning_of(spelled)
        if not meaning.members and identifiers.tokens_of(f"symbol:{spelled}"):
            meaning = identifiers.meaning([f"symbol:{spelled}"])
        if meaning.members:
            return meaning
    return Meaning()


def _term(interaction: Interaction, written: dict[str, str], alone: bool) -> str:
    factors = [
        ("!" if sign < 0 else "") + written[name]
        for name, sign in zip(interaction.sources, interaction.signs, strict=True)
    ]
    text = " & ".join(factors)
    return text if alone or len(factors) == 1 else f"({text})"


def _writable(names: Iterable[str]) -> dict[str, str]:
    """Every name as bnet can hold it, and still unique."""
    written: dict[str, str] = {}
    taken: set[str] = set()
    plain = [n for n in names if not _UNWRITABLE.search(n) and n.lower() not in _RESERVED]
    written |= {name: name for name in plain}
    taken |= set(plain)
    for name in names:
        if name in written:
            continue
        spelled = _UNWRITABLE.sub("_", name)
        while spelled in taken or spelled.lower() in _RESERVED:
            spelled += "_"
        written[name] = spelled
        taken.add(spelled)
    return written


def _lost(
    network: SignalingNetwork, written: dict[str, str], on: dict[str, list[Interaction]]
) -> tuple[str, ...]:
    renamed = sum(name != spelled for name, spelled in written.items())
    unknown = sum(0 in interaction.signs for interaction in network.interactions)
    driven = sum(any(i.is_input for i in on[n]) and any(i.sources for i in on[n]) for n in on)
    idle = sum(not interactions for interactions in on.values())
    bare = without_constants(network)
    lost = {
        f"the spelling of {renamed} names": renamed,
        f"the unknown signs of {unknown} interactions (written as activation)": unknown,
        f"the inputs of {driven} molecules that have regulators": driven,
        f"that {idle} molecules have no interactions (they come back as inputs)": idle,
        "that the logic is unknown (written as OR)": not network.logic_known,
        "kinetic parameters": bare != bare.without_kinetics(),
        "pathways": len(network.pathways) > 1,
    }
    own = tuple(words for words, is_lost in lost.items() if is_lost)
    # An unknown sign is written as activation.
    terms = {
        name: [tuple((s, g or 1) for s, g in zip(i.sources, i.signs, strict=True)) for i in acting]
        for name, interactions in on.items()
        if (acting := [i for i in interactions if i.sources])
    }
    return (*own, *losses_of_logic(terms), *losses(network, *BEYOND_NAMES))
