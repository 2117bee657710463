"""Checkpoints of a run: which of them are complete, and from which a run may be resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType
from transformers import Trainer

from ..common.errors import OptionsError
from ..common.files import write_text

COMPLETE_FILE = "complete.json"
"""Written when all processes have written all else; it names every file and its size."""


def mark_incomplete(checkpoint: Path) -> None:
    """Remove the mark of completeness, before a checkpoint is written or written over."""
    (checkpoint / COMPLETE_FILE).unlink(missing_ok=True)


def mark_complete(checkpoint: Path, accelerator: Accelerator) -> None:
    """Mark a checkpoint as complete, after all processes have written it."""
    files = {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file()
    }
    content = {"launch": launch_kind(accelerator), "files": files}
    write_text(checkpoint / COMPLETE_FILE, json.dumps(content, indent=2) + "\n")


class ResumableTrainer(Trainer):
    """The Trainer, whose checkpoints are marked as complete when all processes have written
    them."""

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        folder = Path(self.args.output_dir or "", f"checkpoint-{self.state.global_step}")
        if self.is_world_process_zero():
            mark_incomplete(folder)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(*args, **kwargs)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            mark_complete(folder, self.accelerator)


def launch_kind(accelerator: Accelerator) -> str:
    """The kind of a launch, which decides what other launches can resume from its checkpoints.

    Processes that each hold the whole optimizer write one file, which any number of processes can
    read; processes that shard it write a part each.
    """
    kind = accelerator.distributed_type
    if kind == DistributedType.DEEPSPEED:
        stage = accelerator.state.deepspeed_plugin.zero_stage
        return f"ZeRO-{stage} on {accelerator.num_processes} processes"
    if kind == DistributedType.FSDP:
        return f"FSDP on {accelerator.num_processes} processes"
    return "replicated"


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to the end, and all its files are there at full size."""
    try:
        files = json.loads((checkpoint / COMPLETE_FILE).read_text(encoding="utf-8"))["files"]
        whole = all((checkpoint / name).stat().st_size == size for name, size in files.items())
    # The file may hold anything else.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return whole and bool(files)


def last_checkpoint(output_dir: Path) -> Path | None:
    """The last complete checkpoint of a run, or None."""
    steps = {p: p.name.removeprefix("checkpoint-") for p in output_dir.glob("checkpoint-*")}
    complete = [p for p, step in steps.items() if step.isdecimal() and is_complete(p)]
    return max(complete, key=lambda p: int(steps[p]), default=None)


def remove_incomplete(output_dir: Path) -> None:
    """Remove what an interrupted run was writing: it would count among the checkpoints to keep."""
    for checkpoint in output_dir.glob("checkpoint-*"):
        if not is_complete(checkpoint):
            shutil.rmtree(checkpoint)


def find_checkpoint(requested: str | None, output_dir: Path, own: frozenset[str]) -> Path | None:
    """The checkpoint to resume from, or None; refuses to write into a folder of other files.

    Args:
        requested: a folder; "true" for the last in `output_dir`; "auto" for it where there is one,
            and otherwise to start anew, also over a run without a complete checkpoint; "false" or
            None to start anew.
        output_dir: of the run.
        own: names of what a run leaves there before its first checkpoint.

    Raises:
        OptionsError: there is no such checkpoint, or the folder is not the run's own.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise OptionsError(f"{output_dir}: it is a file; expected a folder, empty or new")
    requested = requested or "false"
    if requested.lower() == "auto":
        last = last_checkpoint(output_dir)
        if last is not None:
            return last
        if any((output_dir / name).is_file() for name in own):
            # What a run was writing when it was interrupted is its own too.
            own = own | {path.name for path in output_dir.glob("checkpoint-*")}
        requested = "false"
    occupied = output_dir.exists() and any(p.name not in own for p in output_dir.iterdir())
    if requested.lower() == "false":
        if occupied:
            raise OptionsError(
                f"{output_dir}: the folder is not empty; expected a new one, "
                "or --resume_from_checkpoint to resume the run in it"
            )
        return None
    if requested.lower() == "true":
        last = last_checkpoint(output_dir)
        if last is None:
            raise OptionsError(f"{output_dir}: there is no complete checkpoint to resume from")
        return last
    checkpoint = Path(requested)
    if not is_complete(checkpoint):
        raise OptionsError(f"{checkpoint}: it is not a complete checkpoint of a run")
    if occupied and checkpoint.resolve().parent != output_dir.resolve():
        raise OptionsError(
            f"{output_dir}: the folder is not empty, and {checkpoint} does not lie in it; "
            "expected a new folder, or that of the run"
        )
    return checkpoint


def check_same_run(
    checkpoint: Path, model: Mapping[str, Any], settings: Mapping[str, Any], options_file: str
) -> None:
    """Refuse to resume from a checkpoint of another model, or of a run with other settings.

    Args:
        checkpoint: complete.
        model: entries that its config.json must have.
        settings: options of this run that decide the outcome; the run that wrote the checkpoint
            must have had the same.
        options_file: name of the file beside the checkpoint with the options of that run.

    Raises:
        OptionsError: they differ.
    """
    found = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    for name, value in model.items():
        if found.get(name) != value:
            raise OptionsError(
                f"{checkpoint}: its model has {name} {found.get(name)}; this run has {value}"
            )
    path = checkpoint.parent / options_file
    if not path.exists():
        return
    first = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if first.get(name) != value:
            raise OptionsError(
                f"{checkpoint}: the run was started with {name} {first.get(name)!r}, "
                f"not {value!r}; expected the same, or a new output_dir"
            )


def check_same_launch(checkpoint: Path, accelerator: Accelerator) -> None:
    """Refuse to resume from parts of an optimizer that this launch would shard in another way.

    Raises:
        OptionsError: it was written by another kind of launch.
    """
    written = json.loads((checkpoint / COMPLETE_FILE).read_text(encoding="utf-8"))
    if written["launch"] != launch_kind(accelerator):
        raise OptionsError(
            f"{checkpoint}: it was written by {written['launch']}, and this launch is "
            f"{launch_kind(accelerator)}; expected the same, since the optimizer's state lies in "
            "parts. The weights alone load anywhere, with from_pretrained"
        )
