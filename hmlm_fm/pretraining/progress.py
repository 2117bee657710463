"""The log of a training run: losses, throughput, memory and time left."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm
from transformers import TrainerCallback

from ..common.launching import check_same_weights, check_wrapper, device_name, mixed_precision
from ..model.losses import PART_LOSSES

PEAK_FLOPS = {
    "NVIDIA A100-PCIE-40GB": (312e12, 19.5e12),
    "NVIDIA A100-SXM4-40GB": (312e12, 19.5e12),
    "NVIDIA A100-SXM4-80GB": (312e12, 19.5e12),
    "NVIDIA A100 80GB PCIe": (312e12, 19.5e12),
    "NVIDIA H100 PCIe": (756e12, 51e12),
    "NVIDIA H100 80GB HBM3": (989e12, 67e12),
    "NVIDIA H200": (989e12, 67e12),
    "NVIDIA L4": (121e12, 30.3e12),
    "NVIDIA L40S": (362e12, 91.6e12),
}
"""Operations per second in dense bfloat16 and in float32, as the vendor states them."""


class Training(Protocol):
    """The attributes of a Trainer that are logged."""

    model_wrapped: Any
    molecules_processed: int

    def molecules_per_step(self) -> float:
        """Molecule tokens of a batch on all processes."""

    def flops_per_molecule(self) -> float:
        """Operations on a molecule token, forward and back."""


class Progress(TrainerCallback):
    """Losses, rates and time left: a bar on a terminal, lines elsewhere.

    The first steps are left out of every rate: they allocate memory that later ones reuse.
    """

    WARM_UP_STEPS = 3

    def __init__(self) -> None:
        self.trainer: Training | None = None
        self.started_at, self.first_step, self.first_molecules = 0.0, -1, 0
        # Known after the first steps.
        self.molecules_per_second: float | None = None
        self.bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        assert self.trainer is not None
        wrapper = check_wrapper(args.distributed_state, self.trainer.model_wrapped)
        if not state.is_world_process_zero:
            return
        tokens = self.trainer.molecules_per_step()
        print(f"wrapper: {wrapper}, about {tokens:,.0f} molecule tokens per step", flush=True)
        if sys.stderr.isatty():
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        assert self.trainer is not None
        if self.bar is not None:
            self.bar.update(1)
        if self.first_step < 0:
            self.first_step = state.global_step
            check_same_weights(kwargs["model"], args.distributed_state.distributed_type)
        if self.started_at:
            passed = time.perf_counter() - self.started_at
            molecules = self.trainer.molecules_processed - self.first_molecules
            self.molecules_per_second = molecules / passed
        elif state.global_step - self.first_step >= self.WARM_UP_STEPS:
            self.started_at, self.first_step = time.perf_counter(), state.global_step
            self.first_molecules = self.trainer.molecules_processed

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kw: Any
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        line = f"loss {float(logs['loss']):.4f}"
        for name in PART_LOSSES:
            if name in logs:
                line += f"  {name.removesuffix('_loss')} {logs[name]:.4f}"
        line += f"  {self._rates(args, state)}"
        line += f"  memory {peak_memory(args.device) / 1e9:.1f} GB"
        line += f"  {logs['real_tokens']:.0%} real tokens"
        if self.bar is not None:
            self.bar.set_postfix_str(line)
        else:
            print(f"step {state.global_step}/{state.max_steps}  {line}", flush=True)

    def _rates(self, args: Any, state: Any) -> str:
        done = state.global_step - self.first_step
        if self.molecules_per_second is None or not done:
            return "warming up"
        assert self.trainer is not None
        left = (time.perf_counter() - self.started_at) / done
        left *= state.max_steps - state.global_step
        parts = [f"{self.molecules_per_second:,.0f} molecules/s"]
        share = share_of_peak(
            self.trainer.flops_per_molecule() * self.molecules_per_second / args.world_size,
            device_name(args.device),
            mixed_precision(args.bf16) == "bf16",
        )
        if share is not None:
            parts.append(f"{share:.1%} of the device's peak")
        return "  ".join([*parts, f"{left / 60:.1f} min left"])


def share_of_peak(flops_per_second: float, device: str, bf16: bool) -> float | None:
    """The share of a device's peak that is used; None where the device is not known."""
    if device not in PEAK_FLOPS:
        return None
    return flops_per_second / PEAK_FLOPS[device][0 if bf16 else 1]


def peak_memory(device: torch.device) -> float:
    """Most bytes that this process has held: of the GPU where it runs on one."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
