"""How commands say things, such as what is wrong or odd with what they were given, in one line."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from .errors import FormatWarning


@contextlib.contextmanager
def warnings_in_lines() -> Iterator[None]:
    """Say each warning about the input of what is done within as a line, as soon as it is given;
    others as ever."""
    as_ever = warnings.showwarning

    def say(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, FormatWarning):
            print(f"warning: {in_one_line(message)}", file=sys.stderr, flush=True)
        else:
            as_ever(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", FormatWarning)
        warnings.showwarning = say
        yield


def in_one_line(message: object) -> str:
    return " ".join(str(message).split())
