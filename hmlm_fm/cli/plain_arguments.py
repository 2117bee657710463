"""What the commands without a dataclass of options share: a parser, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from ..common.errors import OptionsError
from ..common.words import in_one_line, warnings_in_lines

BAD_INPUT, STOPPED = 2, 130


class PlainParser(argparse.ArgumentParser):
    """A parser whose help keeps its lines, and whose errors are an `OptionsError`."""

    def __init__(self, command: str, description: str, example: str) -> None:
        super().__init__(
            prog=command,
            description=description,
            epilog=f"example:\n    {command} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise OptionsError(f"{message}; {self.prog} --help lists the options")


def exit_code(run: Callable[[], int], when_stopped: str = "") -> int:
    """The exit code of a command; errors and warnings become a line on stderr each.

    Args:
        run: the command.
        when_stopped: what is printed after Ctrl-C.

    Returns:
        What `run` returns, 2 where its input cannot be used, 130 where it was stopped.
    """
    try:
        with warnings_in_lines():
            return run()
    # An HMLMError is a ValueError; so is what libraries raise of values that they cannot use.
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.strerror:
            message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        print(f"error: {in_one_line(message)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"\nstopped{when_stopped and '; ' + when_stopped}", file=sys.stderr)
        return STOPPED
