"""Options of a script: from a YAML file, from flags, or both; the command line wins."""

from __future__ import annotations

import contextlib
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from transformers import HfArgumentParser

from ..model.error_base import did_you_mean
from .errors import OptionsError

Options = TypeVar("Options")


class _HelpFormatter(ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the description, and states defaults."""


class _Parser(HfArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionsError(f"{message}; --help lists the options")


def parse_options(
    kind: type[Options],
    arguments: list[str],
    description: str | None = None,
    example: str = "",
    command: str | None = None,
) -> Options:
    """Options of a dataclass whose fields all have defaults.

    Args:
        kind: the dataclass.
        arguments: of the command line; `--config FILE.yaml` names the file.
        description: what `--help` begins with.
        example: a command line that works, which it ends with.
        command: as `--help` calls it; the name of the script by default.

    Raises:
        OptionsError: an option or its value is not known; or the file cannot be read, or holds what
            the dataclass does not.
    """
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    known, rest = first.parse_known_args(arguments)
    parser = _Parser(
        kind,  # type: ignore[arg-type]
        prog=command,
        description=description,
        epilog=f"example:\n    {example}" if example else None,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE.yaml", help="options, one per line")
    if known.config:
        parser.set_defaults(**_read_config(Path(known.config), kind))
    options, *_, unknown = parser.parse_args_into_dataclasses(rest, return_remaining_strings=True)
    if unknown:
        names = [f"--{f.name}" for f in fields(kind)]  # type: ignore[arg-type]
        hint = did_you_mean(unknown[0].partition("=")[0], names) or "; --help lists the options"
        raise OptionsError(f"no option {unknown[0]}{hint}")
    return options  # type: ignore[no-any-return]


def _read_config(path: Path, kind: type[Any]) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionsError(f"{path}: it cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise OptionsError(f"{path}: it is not YAML ({error})") from None
    if not isinstance(content, dict):
        raise OptionsError(f"{path}: found {type(content).__name__}; expected options by name")
    defaults = {f.name: f.default for f in fields(kind)}
    assert MISSING not in defaults.values()
    for name, value in content.items():
        if name not in defaults:
            raise OptionsError(
                f"{path}: unknown option {name!r}; expected some of {', '.join(defaults)}"
            )
        if defaults[name] is None:
            content[name] = None if value is None else str(value)
            continue
        wanted = type(defaults[name])
        expected = (int, float) if wanted is float else wanted
        # YAML takes 1e-3, without a point, for text.
        if wanted is float and isinstance(value, str):
            with contextlib.suppress(ValueError):
                content[name] = value = float(value)
        if not isinstance(value, expected) or isinstance(value, bool) != (wanted is bool):
            raise OptionsError(
                f"{path}: {name} is {value!r}; expected a value of type {wanted.__name__}"
            )
    return content
