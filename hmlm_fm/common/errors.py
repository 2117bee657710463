"""What a reader says when a file is not what it should be."""

from __future__ import annotations

import os


class FormatError(ValueError):
    """A file, or a part of one, cannot be read. The message names file and place.

    Attributes:
        problem: what was found, and what was expected.
        path: the file, where it is known.
        place: where in the file, such as "sheet 'species', row 7".
    """

    def __init__(
        self, problem: str, *, path: str | os.PathLike[str] | None = None, place: str = ""
    ) -> None:
        self.problem, self.path, self.place = problem, path, place
        where = ", ".join(str(part) for part in (path, place) if part)
        super().__init__(f"{where}: {problem}" if where else problem)

    def at(self, path: str | os.PathLike[str] | None = None, place: str = "") -> FormatError:
        """The same error, seen from further out: with a file, and a place before its own."""
        places = ", ".join(part for part in (place, self.place) if part)
        return type(self)(self.problem, path=path or self.path, place=places)


class MissingFileError(FormatError, FileNotFoundError):
    """There is no such file, nor a shipped network of that name."""


class FormatWarning(UserWarning):
    """A file is odd but was read; the message says what was made of it."""
