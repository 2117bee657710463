"""Pretrain an HMLM on pathways: masked molecules and next states.

    accelerate launch pretrain/run.py
    accelerate launch pretrain/run.py --config pretrain/configs/wikipathways.yaml
    accelerate launch pretrain/run.py --corpus FOLDER --size small --output_dir outputs/mine
    accelerate launch pretrain/run.py --output_dir outputs/mine --resume_from_checkpoint

On a machine without a GPU, several processes:

    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 --num_machines 1 \
        --mixed_precision no --dynamo_backend no pretrain/run.py --output_dir outputs/two

Without arguments it takes the `core` corpus that ships with the package and the size `tiny`. Every
option may stand in the YAML file, on the command line, or both: the command line wins.
"""

from __future__ import annotations

import contextlib
import sys
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path

import yaml
from transformers import HfArgumentParser

from hmlm_fm.formats.errors import FormatError
from hmlm_fm.network import NetworkError
from hmlm_fm.pretraining import (
    PretrainingError,
    PretrainingOptions,
    last_checkpoint,
    run_pretraining,
)


def parse_options(arguments: list[str]) -> PretrainingOptions:
    """Options from a YAML file, where one is named, and from flags."""
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    known, rest = first.parse_known_args(arguments)
    parser = HfArgumentParser(
        PretrainingOptions,  # type: ignore[arg-type]
        description=__doc__,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE.yaml", help="options, one per line")
    if known.config:
        parser.set_defaults(**_read_config(Path(known.config)))
    (options,) = parser.parse_args_into_dataclasses(rest)[:1]
    return options


def _read_config(path: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PretrainingError(f"{path}: it cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise PretrainingError(f"{path}: it is not YAML ({error})") from None
    if not isinstance(content, dict):
        raise PretrainingError(f"{path}: found {type(content).__name__}; expected options by name")
    types = {f.name: type(f.default) for f in fields(PretrainingOptions)}
    for name, value in content.items():
        if name not in types:
            raise PretrainingError(
                f"{path}: unknown option {name!r}; expected some of {', '.join(types)}"
            )
        if name == "resume_from_checkpoint":
            content[name] = str(value)
            continue
        expected = (int, float) if types[name] is float else types[name]
        # YAML takes 1e-3, without a point, for text.
        if types[name] is float and isinstance(value, str):
            with contextlib.suppress(ValueError):
                content[name] = value = float(value)
        if not isinstance(value, expected) or isinstance(value, bool) != (types[name] is bool):
            raise PretrainingError(
                f"{path}: {name} is {value!r}; expected a value of type {types[name].__name__}"
            )
    return content


def main() -> int:
    output_dir = Path()
    try:
        options = parse_options(sys.argv[1:])
        output_dir = Path(options.output_dir)
        run_pretraining(options)
    except (PretrainingError, FormatError, NetworkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        saved = last_checkpoint(output_dir)
        hint = f"--resume_from_checkpoint goes on from {saved}" if saved else "nothing is saved yet"
        print(f"\nstopped; {hint}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
