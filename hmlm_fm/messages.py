"""How commands say what is wrong, or odd, with what they were given: in one line on stderr."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

from .formats.errors import FormatWarning


@contextlib.contextmanager
def warnings_in_lines() -> Iterator[None]:
    """Say each warning of what is done within as a line, as soon as it is given."""

    def say(message: Warning | str, *_: object, **__: object) -> None:
        print(f"warning: {in_one_line(message)}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", FormatWarning)
        warnings.showwarning = say
        yield


def in_one_line(message: object) -> str:
    return " ".join(str(message).split())
