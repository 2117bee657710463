"""Training the response head on tasks, and measuring it against the ruler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from ..common.files import read_text
from ..common.launching import device_settings
from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.response_batch import ResponseBatch, batch_of, context_first, padded
from ..model.response_features import ResponseTask, features_of
from .resuming import ResumableTrainer, last_checkpoint, remove_incomplete

LARGEST_ERROR = 4.0
"""In standard deviations; a single wild value teaches nothing, and is no measure of a method."""
LEAST_BASE = 0.05
SHARE_OF_SCALE = 0.1
"""Of the loss of standard deviations beside that of means."""
TASKS = 8.0
"""About how many a batch holds."""
DRAWN_AHEAD = 128
"""Tasks that are drawn before they are sorted by size."""

SECONDS_BETWEEN_LINES = 20

Draw = Callable[[np.random.Generator], ResponseTask | None]


@dataclass(frozen=True)
class ResponseSettings:
    """How the head is trained.

    Attributes:
        steps: of the optimiser.
        rate: the largest learning rate, after a short warm-up; it falls as a cosine.
        tokens: of a step, at most, with padding: tasks of one size stand side by side.
        decay: of weights.
        seed: of the tasks.
        loaders: processes that draw tasks ahead; 0 for none.
        bf16: whether products of matrices are in bfloat16.
    """

    steps: int = 4000
    rate: float = 1.5e-3
    tokens: int = 4000
    decay: float = 0.02
    seed: int = 1
    loaders: int = 0
    bf16: bool = False


class ResponseStream(IterableDataset[dict[str, torch.Tensor]]):
    """Batches of tasks without end: the tensors of `ResponseBatch`, and the `truth` (B, S, M) in
    units of the contexts, NaN where nothing was measured or nothing is asked.

    Args:
        draw: a task; None is drawn again.
        seed: of this stream; a run that is resumed goes on with another.
        tokens: of a batch, at most.
    """

    def __init__(self, draw: Draw, seed: list[int], tokens: int) -> None:
        self.draw, self.seed, self.tokens = draw, seed, tokens

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, worker.id if worker else 0])
        while True:
            tasks: list[ResponseTask] = []
            while len(tasks) < DRAWN_AHEAD:
                task = self.draw(rng)
                if task is not None:
                    tasks.append(task)
            portions = list(_portions(tasks, self.tokens))
            for i in rng.permutation(len(portions)):
                yield _batch(portions[i], rng)


def _portions(tasks: list[ResponseTask], tokens: int) -> Iterator[list[ResponseTask]]:
    """Tasks of about one size, as many as a batch holds."""
    portion: list[ResponseTask] = []
    for task in sorted(tasks, key=lambda t: (t.changes.shape[0] // 8, t.changes.shape[1])):
        more = [*portion, task]
        shape = np.max([t.changes.shape for t in more], axis=0)
        if portion and len(more) * shape.prod() > tokens:
            yield portion
            more = [task]
        portion = more
    yield portion


def _batch(tasks: list[ResponseTask], rng: np.random.Generator) -> dict[str, torch.Tensor]:
    features = [features_of(task) for task in tasks]
    batch = batch_of(tasks, features, [rng] * len(tasks))
    truths = [
        np.where(task.shown[:, None], np.nan, task.changes / found.unit)[context_first(task)]
        for task, found in zip(tasks, features, strict=True)
    ]
    there = padded([np.isfinite(t) for t in truths])
    truth = padded([np.nan_to_num(t).astype(np.float32) for t in truths])
    return vars(batch) | {"truth": truth.masked_fill(~there, torch.nan)}


def response_losses(
    mean: torch.Tensor, sd: torch.Tensor, base: torch.Tensor, truth: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each task (B), and its squared error over the ruler's.

    The error is taken relative to the ruler's on the same task, so that noisy and clean worlds
    count alike.

    Args:
        mean, sd, base, truth: (B, S, M) in units of the contexts; truth is NaN where nothing
            counts.
    """
    there = torch.isfinite(truth)
    count = there.sum((1, 2)).clamp(min=1)
    truth = truth.nan_to_num()
    # Padding has no scale.
    sd = sd.masked_fill(~there, 1.0)

    def missed(predicted: torch.Tensor) -> torch.Tensor:
        return (predicted - truth).clamp(-LARGEST_ERROR, LARGEST_ERROR) * there

    error = missed(mean).square().sum((1, 2)) / count
    of_base = missed(base).square().sum((1, 2)) / count
    surprise = sd.log() + 0.5 * (missed(mean.detach()) / sd).square()
    loss = error / (of_base + LEAST_BASE) + SHARE_OF_SCALE * surprise.sum((1, 2)) / count
    return loss, error.detach() / (of_base + 1e-6)


def train_responses(
    model: HMLMForSignaling,
    draw: Draw,
    settings: ResponseSettings,
    folder: Path,
    progress: Callable[[int, float], object] = lambda step, ratio: None,
) -> None:
    """Train the response head; other weights stay. What is left in the folder by a run that was
    stopped is gone on with.

    Args:
        model: with a response head.
        draw: a task; None is drawn again.
        settings: of the training.
        folder: for checkpoints.
        progress: is called with the step and the mean error over the ruler's of its tasks.

    Raises:
        HMLMError: a loss that is not finite.
    """
    assert model.responses is not None
    remove_incomplete(folder)
    last = last_checkpoint(folder)
    done = int(last.name.split("-")[1]) if last else 0
    if last and done >= settings.steps:
        load_model(model.responses, last / SAFE_WEIGHTS_NAME)
        return
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=settings.steps,
        learning_rate=settings.rate,
        warmup_steps=min(50, settings.steps // 4),
        weight_decay=settings.decay,
        max_grad_norm=1.0,
        lr_scheduler_type="cosine",
        logging_strategy="no",
        save_steps=max(1, min(500, settings.steps // 4)),
        save_total_limit=1,
        seed=settings.seed,
        bf16=settings.bf16,
        report_to=[],
        remove_unused_columns=False,
        dataloader_num_workers=settings.loaders,
        ignore_data_skip=True,
        disable_tqdm=True,
        **device_settings(),
    )
    stream = ResponseStream(draw, [settings.seed, done, arguments.process_index], settings.tokens)
    trainer = _ResponseTrainer(model=model.responses, args=arguments, train_dataset=stream)
    trainer.add_callback(_Steps(trainer, progress))
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    model.eval()


class _ResponseTrainer(ResumableTrainer):
    """The Trainer of batches that are drawn as they are needed."""

    ratio = math.nan

    def get_train_dataloader(self) -> DataLoader[Any]:
        count = self.args.dataloader_num_workers
        return DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=count,
            prefetch_factor=8 if count else None,
        )

    def compute_loss(  # type: ignore[override]
        self, model: torch.nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        truth = inputs["truth"]
        batch = ResponseBatch(**{k: v for k, v in inputs.items() if k != "truth"})
        mean, sd = model(batch)
        losses, ratios = response_losses(mean, sd, batch.base, truth)
        # So that each task counts alike, whatever the size of its batch.
        loss = losses.sum() / TASKS
        if not torch.isfinite(loss):
            raise HMLMError(
                f"step {self.state.global_step + 1}: the loss of the head for measured sets is "
                f"{float(loss.detach())}; expected a number; the checkpoint before it is kept"
            )
        self.ratio = float(ratios.mean())
        return (loss, mean) if return_outputs else loss


class _Steps(TrainerCallback):
    """Tells of each step."""

    def __init__(self, trainer: _ResponseTrainer, progress: Callable[[int, float], object]) -> None:
        self.trainer, self.progress = trainer, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, self.trainer.ratio)


class ResponseLog:
    """A line now and then: the error over the ruler's, and the time that is left."""

    def __init__(self, name: str, steps: int, file: Path, log: Callable[[str], object]) -> None:
        """
        Args:
            name: of the stage.
            steps: in all.
            file: to which each line is added, so that a run that is resumed has the earlier ones.
            log: is called with each line.
        """
        self.name, self.steps, self.file, self.log = name, steps, file, log
        self._started = self._said = time.perf_counter()
        self._recent: list[float] = []
        self._first = 0

    def __call__(self, step: int, ratio: float) -> None:
        # A run that is resumed starts later.
        self._first = self._first or step
        self._recent.append(ratio)
        now = time.perf_counter()
        if step < self.steps and now - self._said < SECONDS_BETWEEN_LINES:
            return
        mean = float(np.exp(np.mean(np.log(np.maximum(self._recent, 1e-3)))))
        per_step = (now - self._started) / (step - self._first + 1)
        self.log(
            f"{self.name}: step {step}/{self.steps}, error {mean:.3f} of the ruler's, "
            f"{per_step * (self.steps - step) / 60:.0f} min left"
        )
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{step}\t{mean:.4f}\n")
        self._said, self._recent = now, []

    @property
    def history(self) -> list[float]:
        """The error of each line, also of a run that this one resumes."""
        if not self.file.exists():
            return []
        rows = [line.split("\t") for line in read_text(self.file).splitlines()]
        by_step = {int(step): float(error) for step, error in rows}
        return [by_step[step] for step in sorted(by_step)]
