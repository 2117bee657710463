"""Parts of sentences that messages have in common. Travels with checkpoints, and imports nothing of
the package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MOST_NAMED = 8


def counted(size: int, word: str) -> str:
    return f"{size} {word}{'s' * (size != 1)}"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the names closest to `name`, or nothing."""
    spelled = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), spelled, n=3)
    return f"; did you mean {' or '.join(repr(spelled[c]) for c in close)}?" if close else ""


def not_installed(library: str, extra: str) -> str:
    """That an optional library is missing, and which extra of the package brings it."""
    return f'{library} is not installed; expected pip install "hmlm-fm[{extra}]"'
