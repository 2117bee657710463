"""Words that commands take and print: lists by comma, counts, errors and warnings in a line."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from .errors import FormatWarning


def by_comma(text: str) -> list[str]:
    """The names that an option lists by comma."""
    return [name.strip() for name in text.split(",") if name.strip()]


def counted(size: int, word: str) -> str:
    """A number and what it counts, in the plural where it is not 1."""
    return f"{size} {word}{'s' * (size != 1)}"


def not_installed(library: str, extra: str) -> str:
    """That an optional library is missing, and which extra of the package brings it."""
    return f'{library} is not installed; expected pip install "hmlm-fm[{extra}]"'


def in_one_line(message: object) -> str:
    return " ".join(str(message).split())


@contextlib.contextmanager
def warnings_in_lines() -> Iterator[None]:
    """Print each `FormatWarning` of what is done within as a line, as soon as it is given; other
    warnings as Python does."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, FormatWarning):
            print(f"warning: {in_one_line(message)}", file=sys.stderr, flush=True)
        else:
            usual(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", FormatWarning)
        warnings.showwarning = show
        yield
