"""The processes and the device of a run: chosen, checked and printed.

A launch can go wrong in silence: one process where two were requested, copies that do not know
of each other, or gradients that are not shared. Each of these ends in a `LaunchError` here.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, reduce

from .errors import OptionsError

WRAPPERS = {
    DistributedType.MULTI_CPU: "DistributedDataParallel",
    DistributedType.MULTI_GPU: "DistributedDataParallel",
    DistributedType.DEEPSPEED: "DeepSpeedEngine",
}
"""The class that a model is wrapped in, by the kind of launch. FSDP2 changes the model's own."""

HOW_TO_LAUNCH = (
    "expected `accelerate launch --config_file launch/FILE.yaml SCRIPT`; launch/README.md says "
    "which file is for which machine"
)

SECONDS_TO_LET_GO = 0.5
"""How long threads of gloo have to release what was sent; 0.2 were enough for 100 processes whose
main thread never gave them the interpreter before."""


class LaunchError(OptionsError):
    """The processes are not those requested; the message says how to launch."""


def device_settings() -> dict[str, Any]:
    """Settings of `TrainingArguments`: the GPU where there is one, else the CPU and gloo."""
    on_cpu = _on_cpu()
    if on_cpu:
        # A launch for GPUs requests bfloat16, which most CPUs only imitate.
        os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    # DeepSpeed takes the CPU by itself; accelerate, given it, would leave DeepSpeed out.
    return {
        "use_cpu": on_cpu and not _flag("ACCELERATE_USE_DEEPSPEED"),
        "ddp_backend": "gloo" if on_cpu and "LOCAL_RANK" in os.environ else None,
        "dataloader_pin_memory": not on_cpu,
    }


def connect() -> PartialState:
    """The processes of this run, connected; for a script without a Trainer.

    Raises:
        LaunchError: as `check_launch`.
    """
    settings = device_settings()
    state = PartialState(cpu=settings["use_cpu"], backend=settings["ddp_backend"])
    check_launch(state)
    return state


def disconnect(state: PartialState) -> None:
    """Part from the other processes, when they have exchanged everything.

    A process that ends right after its last message can be aborted ("terminate called without an
    active exception"): a thread of gloo may still hold the tensors of it, and needs Python to let
    go of them. DistributedDataParallel keeps these threads alive, so nothing shows when they did.
    """
    if state.num_processes > 1:
        state.destroy_process_group()
        time.sleep(SECONDS_TO_LET_GO)


def check_launch(state: PartialState) -> None:
    """Make sure that as many processes work together as were started and requested.

    Raises:
        LaunchError: fewer do, or they would not share their gradients.
    """
    # DeepSpeed calls what torch renames, and would warn at every step.
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    found = state.num_processes
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != found:
        raise LaunchError(
            f"{started} processes were started, but {found} would work together; {HOW_TO_LAUNCH}"
        )
    requested = _requested_processes(psutil.Process().parent())
    if requested is not None and requested != found:
        raise LaunchError(
            f"{requested} processes were requested, and {found} was started, as `--cpu` and "
            f"`distributed_type: MULTI_CPU` do; {HOW_TO_LAUNCH} (several processes on a CPU: "
            "multi_cpu.yaml)"
        )
    if found == 1 and not _on_cpu() and torch.cuda.device_count() > 1:
        raise LaunchError(
            f"one process sees {torch.cuda.device_count()} GPUs; {HOW_TO_LAUNCH} "
            "(all of them: multi_gpu.yaml; one of them: CUDA_VISIBLE_DEVICES=0)"
        )
    if _flag("ACCELERATE_USE_FSDP") and _on_cpu():
        raise LaunchError(
            "FSDP does not share gradients between processes on a CPU; "
            f"{HOW_TO_LAUNCH} (on a CPU: multi_cpu.yaml, zero2.yaml or zero3.yaml)"
        )
    counted = int(summed(torch.ones(1, device=state.device)))
    if counted != found:
        raise LaunchError(f"{found} processes count {counted} of them; {HOW_TO_LAUNCH}")


def check_wrapper(state: PartialState, wrapped: torch.nn.Module) -> str:
    """The class that a model is wrapped in, or that splits it.

    Raises:
        LaunchError: it is not what belongs to the kind of launch.
    """
    found = type(wrapped).__name__
    if state.distributed_type == DistributedType.FSDP:
        # Its class is made on the fly, from the model's and this one.
        names = [kind.__name__ for kind in type(wrapped).__mro__]
        expected, found = "FSDPModule", "FSDPModule" if "FSDPModule" in names else found
    else:
        expected = WRAPPERS.get(state.distributed_type, found)
    if found != expected or found == "DataParallel":
        raise LaunchError(
            f"{state.distributed_type.value} wraps the model in {found}, not in {expected}; "
            f"{HOW_TO_LAUNCH}"
        )
    return found


def check_same_weights(model: torch.nn.Module, distributed_type: DistributedType) -> None:
    """Make sure that every process has the same weights, where each has all of them.

    Raises:
        LaunchError: they differ, since gradients were not shared.
    """
    if distributed_type not in (DistributedType.MULTI_CPU, DistributedType.MULTI_GPU):
        return
    with torch.no_grad():
        own = torch.stack([p.double().abs().sum() for p in model.parameters()])
    mean = reduce(own.clone(), "mean")
    if not torch.allclose(own, mean, rtol=1e-7, atol=1e-7):
        raise LaunchError(f"weights differ from process to process after a step; {HOW_TO_LAUNCH}")


def describe(state: PartialState, mixed_precision: str, attention: str = "") -> str:
    """What a run runs on, in one line; without mixed precision ("no") it computes in float32."""
    precision = "float32" if mixed_precision == "no" else mixed_precision
    return (
        f"world size: {state.num_processes}, distributed type: {state.distributed_type.value}, "
        f"device: {device_name(state.device)}, precision: {precision}"
    ) + (f", attention: {attention}" if attention else "")


def mixed_precision(bf16: bool) -> str:
    """ "bf16" where the script or the launch asks for it, else "no"."""
    return "bf16" if bf16 else os.environ.get("ACCELERATE_MIXED_PRECISION", "no")


def device_name(device: torch.device) -> str:
    """A GPU by its model, anything else by its kind."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def summed(values: torch.Tensor) -> torch.Tensor:
    """The sum over all processes; what was given where there is one."""
    # `reduce` works in place.
    return reduce(values.clone(), "sum")  # type: ignore[no-any-return]


def _on_cpu() -> bool:
    return _flag("ACCELERATE_USE_CPU") or not torch.cuda.is_available()


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")


def _requested_processes(parent: psutil.Process | None) -> int | None:
    """How many processes the `accelerate launch` that started this one requests.

    None where something else started it, or where the launcher was to choose.
    """
    try:
        line = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return None
    return requested_of_launcher(line)


def requested_of_launcher(line: Sequence[str]) -> int | None:
    """The number of processes that a command line of `accelerate launch` asks for, or None."""
    names = [Path(word).name for word in line[:4]]
    if names[1:3] == ["accelerate", "launch"]:
        rest = line[3:]
    elif names[1:3] == ["-m", "accelerate.commands.launch"]:
        rest = line[3:]
    else:
        return None
    from accelerate.commands.config import load_config_from_file
    from accelerate.commands.config.config_args import default_config_file
    from accelerate.commands.launch import launch_command_parser

    arguments = launch_command_parser().parse_args(list(rest))
    if arguments.num_processes is not None:
        return int(arguments.num_processes)
    file = arguments.config_file or default_config_file
    if not Path(file).exists() or (arguments.cpu and arguments.config_file is None):
        return None
    return int(load_config_from_file(file).num_processes)
