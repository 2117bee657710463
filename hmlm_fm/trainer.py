"""transformers' Trainer for both objectives, and the progress that it shows."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import Trainer, TrainerCallback

from .gates import PresetTable
from .objectives import count_molecules

PART_LOSSES = (
    "masked_loss",
    "neighbour_loss",
    "pathway_loss",
    "next_state_loss",
    "observation_loss",
)
"""Losses of `HMLMSignalingOutput` that are logged one by one."""


class PretrainingTrainer(Trainer):
    """Trainer that takes examples in the order of their numbers and logs each objective."""

    def __init__(
        self, token_rate_factor: float = 1.0, token_weight_decay: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.token_rate_factor, self.token_weight_decay = token_rate_factor, token_weight_decay
        self.model_accepts_loss_kwargs = False
        self._parts: dict[str, list[float]] = {}
        self.molecules_seen = 0

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> torch.utils.data.Sampler:
        # Every example is drawn from its own number, so shuffling would add nothing.
        return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """AdamW; a row of the token table is touched seldom, so it moves further when it is.

        So do the matrices that the table is compared through. All of them decay by a rate of their
        own: what a few networks say of a token must not be learned by heart.
        """
        if self.optimizer is None:
            model = self.model
            assert model is not None
            decayed = set(self.get_decay_parameter_names(model))
            presets = {
                f"{name}.weight"
                for name, module in model.named_modules()
                if isinstance(module, PresetTable)
            }
            groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
            for name, parameter in model.named_parameters():
                is_token = name.endswith(("embeddings.members.weight", "vocabulary.bias"))
                is_token = is_token or "_votes." in name
                # Presets have a meaning, and zero is not it.
                kind = (is_token, name in decayed and not is_token and name not in presets)
                groups.setdefault(kind, []).append(parameter)
            rate = self.args.learning_rate

            def decay(is_token: bool, decays: bool) -> float:
                if is_token:
                    return self.token_weight_decay
                return self.args.weight_decay if decays else 0.0

            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": rate * (self.token_rate_factor if is_token else 1.0),
                        "weight_decay": decay(is_token, decays),
                    }
                    for (is_token, decays), parameters in groups.items()
                ],
                lr=rate,
            )
        return self.optimizer

    def compute_loss(  # type: ignore[override]
        self, model: torch.nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        self.molecules_seen += count_molecules(inputs)
        output = model(**inputs)
        for name in PART_LOSSES:
            part = getattr(output, name)
            if part is not None:
                self._parts.setdefault(name, []).append(float(part.detach()))
        return (output.loss, output) if return_outputs else output.loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:
            logs |= {name: float(np.mean(values)) for name, values in self._parts.items()}
            self._parts.clear()
        super().log(logs, *args, **kwargs)


class Progress(TrainerCallback):
    """Losses, molecule tokens per second and time left: a bar on a terminal, lines elsewhere.

    The first steps are left out of every rate: they pay for allocations that later ones reuse.
    """

    WARM_UP_STEPS = 3

    def __init__(self) -> None:
        self.trainer: PretrainingTrainer | None = None
        self.started_at, self.first_step, self.first_molecules = 0.0, 0, 0
        self.molecules_per_second = 0.0
        self.bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.update(1)
        if self.trainer is None:
            return
        if not self.started_at:
            self.first_step = self.first_step or state.global_step
            if state.global_step - self.first_step >= self.WARM_UP_STEPS:
                self.started_at, self.first_step = time.perf_counter(), state.global_step
                self.first_molecules = self.trainer.molecules_seen
            return
        passed = time.perf_counter() - self.started_at
        self.molecules_per_second = (
            (self.trainer.molecules_seen - self.first_molecules) / passed * args.world_size
        )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kw: Any
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        line = f"loss {float(logs['loss']):.4f}"
        for name in PART_LOSSES:
            if name in logs:
                line += f"  {name.removesuffix('_loss')} {logs[name]:.4f}"
        done = state.global_step - self.first_step
        if self.started_at and done:
            left = (time.perf_counter() - self.started_at) / done
            left *= state.max_steps - state.global_step
            line += f"  {self.molecules_per_second:,.0f} molecules/s  {left / 60:.1f} min left"
        if self.bar is not None:
            self.bar.set_postfix_str(line)
        else:
            print(f"step {state.global_step}/{state.max_steps}  {line}", flush=True)
