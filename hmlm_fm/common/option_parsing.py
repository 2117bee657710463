"""Options of a script: from a YAML file, from flags, or both; the command line wins."""

from __future__ import annotations

import contextlib
from argparse import ArgumentParser
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from transformers import HfArgumentParser

from .errors import OptionsError

Options = TypeVar("Options")


def parse_options(
    kind: type[Options], arguments: list[str], description: str | None, example: str = ""
) -> Options:
    """Options of a dataclass whose fields all have defaults.

    Args:
        kind: the dataclass.
        arguments: of the command line; `--config FILE.yaml` names the file.
        description: what `--help` begins with.
        example: a command line that works, which it ends with.

    Raises:
        OptionsError: the file cannot be read, or holds what the dataclass does not.
    """
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    known, rest = first.parse_known_args(arguments)
    parser = HfArgumentParser(
        kind,  # type: ignore[arg-type]
        description=description,
        epilog=f"Example: {example}" if example else None,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE.yaml", help="options, one per line")
    if known.config:
        parser.set_defaults(**_read_config(Path(known.config), kind))
    (options,) = parser.parse_args_into_dataclasses(rest)[:1]
    return options


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


def by_comma(text: str) -> list[str]:
    """The names that an option lists by comma."""
    return [name.strip() for name in text.split(",") if name.strip()]
