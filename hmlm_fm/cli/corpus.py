"""`hmlm corpus`: builds corpora, simulates them, and checks what the package ships."""

from __future__ import annotations

from collections.abc import Callable

from ..common.errors import OptionsError
from ..model.error_base import did_you_mean
from .plain_arguments import BAD_INPUT, exit_code


def run_corpus(arguments: list[str]) -> int:
    """Run a command of `hmlm corpus`.

    Args:
        arguments: the command and its own arguments; none, or `--help`, for a list of commands.

    Returns:
        The exit code: 0 done, 2 bad input, 3 incomplete (build), 1 a check that failed
        (vocabulary, check-core), 130 stopped.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(help_text())
        return 0 if arguments else BAD_INPUT
    name, *rest = arguments
    if name in COMMANDS:
        return COMMANDS[name][0](rest)

    def fail() -> int:
        raise OptionsError(
            f"there is no command {name!r} of hmlm corpus; expected one of {', '.join(COMMANDS)}"
            + did_you_mean(name, COMMANDS)
        )

    return exit_code(fail)


def help_text() -> str:
    """What `hmlm corpus --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hmlm corpus COMMAND ...",
            "",
            "Corpora of networks and of measured sets: build, simulate and check them.",
            "",
            "commands (each has --help):",
            *lines,
            "",
            "example:",
            "    hmlm corpus build core --out core-corpus",
        ]
    )


def _build(arguments: list[str]) -> int:
    from .corpus_build import build

    return build(arguments)


def _simulate(arguments: list[str]) -> int:
    from .corpus_simulation import simulate  # torch takes its time

    return simulate(arguments)


def _worlds(arguments: list[str]) -> int:
    from .world_drawing import worlds  # torch takes its time

    return worlds(arguments)


def _vocabulary(arguments: list[str]) -> int:
    from .corpus_vocabulary import vocabulary

    return vocabulary(arguments)


def _check_core(arguments: list[str]) -> int:
    from .core_check import check_core

    return check_core(arguments)


COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "build": (_build, "a corpus of networks from a source, or of measured sets from files"),
    "simulate": (_simulate, "a next-state corpus: drawn dynamics on the topologies of a corpus"),
    "worlds": (_worlds, "simulated measured sets, to train the head for measured sets on"),
    "vocabulary": (_vocabulary, "the package's token list, from its tables and lists of genes"),
    "check-core": (_check_core, "look the core pathways up in public databases"),
}
