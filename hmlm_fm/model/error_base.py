"""The family of errors, and what their messages have in common.

Whatever a user's input can cause is an `HMLMError`: a command ends with its message in one line and
exit code 2. This file travels with checkpoints, so it imports nothing outside the standard library.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Self

MOST_NAMED = 8


class HMLMError(ValueError):
    """Input that cannot be used: the message says what was found and what was expected.

    Attributes:
        problem: what was found, and what was expected.
        path: the file, where there is one.
        place: where in the file, such as "sheet 'species', row 7".
    """

    def __init__(
        self, problem: str, *, path: str | os.PathLike[str] | None = None, place: str = ""
    ) -> None:
        self.problem, self.path, self.place = problem, path, place
        where = ", ".join(str(part) for part in (path, place) if part)
        super().__init__(f"{where}: {problem}" if where else problem)

    def at(self, path: str | os.PathLike[str] | None = None, place: str = "") -> Self:
        """The same error with a file, and with a place before its own."""
        places = ", ".join(part for part in (place, self.place) if part)
        return type(self)(self.problem, path=path or self.path, place=places)


def listed(names: Iterable[object]) -> str:
    """The first names, and how many more there are."""
    every = [str(name) for name in names]
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def quoted(names: Iterable[str]) -> str:
    """As `listed`, each name in quotes."""
    return listed(map(repr, names))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the names closest to `name`, or nothing."""
    spelled = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), spelled, n=3)
    return f"; did you mean {' or '.join(repr(spelled[c]) for c in close)}?" if close else ""
