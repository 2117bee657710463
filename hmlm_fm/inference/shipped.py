"""Checkpoints that ship with the package, by name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .._version import __version__
from ..common.errors import MissingFileError
from ..common.files import write_bytes

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"
SHIPPED = ("hmlm-small",)
TRAINING_FILE = "responses.json"
"""Beside weights: how the head for measured sets was trained, and on which sets."""


def checkpoint_path(name_or_path: str) -> str:
    """The folder of a shipped checkpoint; another folder, or a name on a hub, is itself.

    Raises:
        MissingFileError: it is none of these.
    """
    if name_or_path in SHIPPED:
        return str(CHECKPOINTS / name_or_path)
    # A name on a hub has an owner; a missing path would be looked up on the hub.
    if not Path(name_or_path).is_dir() and not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name_or_path):
        raise MissingFileError(
            f"there is no such folder; expected one, {' or '.join(SHIPPED)}, or OWNER/NAME on a "
            "hub",
            path=f"checkpoint {name_or_path}",
        )
    return name_or_path


def folder_with_code(name: str) -> Path:
    """The folder of a shipped checkpoint with the model's code beside the weights, so that it loads
    with `trust_remote_code=True` where the package is not installed.

    The code is that of the installed package. It is written at the first call: into the package, or
    where that is not writable, into a copy in the user's cache.
    """
    folder = CHECKPOINTS / name
    try:
        _write_code(folder)
    except OSError:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        copy = cache / "hmlm_fm" / f"{name}-{__version__}"
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        _write_code(copy)
        return copy
    return folder


def _write_code(folder: Path) -> None:
    for source in code_files():
        target, code = folder / source.name, source.read_bytes()
        if not target.is_file() or target.read_bytes() != code:
            write_bytes(target, code)


def code_files() -> list[Path]:
    """The files that travel with a checkpoint: those that model and tokenizer import."""
    # torch takes its time, and names of checkpoints need none of it.
    from transformers.dynamic_module_utils import get_relative_import_files

    from ..model import modeling_hmlm, tokenization_hmlm

    entries = [Path(str(module.__file__)) for module in (modeling_hmlm, tokenization_hmlm)]
    files = {*entries, *(Path(f) for e in entries for f in get_relative_import_files(e))}
    return sorted(files)
