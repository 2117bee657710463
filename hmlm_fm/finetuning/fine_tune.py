"""Fine-tuning on one tissue: a checkpoint and measurements in, a fitted model out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from ..fitting.ensemble import ONE_PROCESS, FitSettings, Processes, settings_for
from ..inference.loading import load_foundation, untrained_checkpoint
from ..measurements.measured import Measurements
from .adapt import adapt
from .gate_fit import GATE_PARTS, fit_gates
from .result import FittedModel

SCRATCH = "none"
"""The name of the untrained checkpoint."""

Progress = Callable[[int, float], object]


def no_progress(step: int, error: float) -> None:
    """Report nothing."""


def fine_tune(
    checkpoint: str | Path,
    data: Measurements,
    settings: FitSettings | None = None,
    *,
    adapt_weights: bool = False,
    tunable: Collection[str] = tuple(GATE_PARTS),
    discrepancy: bool = True,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
    adapt_progress: Progress = no_progress,
    processes: Processes = ONE_PROCESS,
) -> FittedModel:
    """Fit the gates and time constants of a network to its measurements.

        fitted = fine_tune("hmlm-small", read_measurements("network.sif", "conditions.csv",
                                                           "observations.csv"))
        fitted.predict({"TGFB": Condition({"TGFB": 0.8})}, hours=[0, 6, 24])
        fitted.save_pretrained("outputs/mine")

    Args:
        checkpoint: `hmlm-small`, a folder, a name on a hub, or "none" to start from scratch.
        data: at least two conditions, or one at two times, with measurements.
        settings: of the fit; by default those that suit the number of conditions.
        adapt_weights: whether the weights that infer gates are adapted first ("in full").
        tunable: the `GATE_PARTS` that are fitted; the others stay as they are inferred.
        discrepancy: whether to add what gates leave unexplained, where that is worthwhile.
        seed: of all random draws.
        device: of torch.
        progress, adapt_progress: called with the step and the held-out mean squared error, while
            gates are fitted and while weights are adapted.
        processes: that fit members together; one by default.

    Raises:
        HMLMError: there is no such checkpoint, it is fine-tuned already, or the measurements are
            too few.
    """
    scratch = str(checkpoint) == SCRATCH
    model, tokenizer = untrained_checkpoint(seed) if scratch else load_foundation(checkpoint)
    model.to(device)  # type: ignore[arg-type]
    if adapt_weights:
        # All processes do the same: it takes a minute, and its random draws are the same.
        model = adapt(model, tokenizer, data, seed=seed, progress=adapt_progress)
    model, fit = fit_gates(
        model, tokenizer, data, settings or settings_for(len(data.conditions)), seed, not scratch,
        progress, processes, tunable, discrepancy,
    )  # fmt: skip
    return FittedModel(
        model, tokenizer, data, fit, str(checkpoint), tuple(tunable), adapted=adapt_weights
    )


def fit_settings(conditions: int, members: int, steps: int, hold: float) -> FitSettings:
    """The default settings for a number of conditions, with those that are given in their place:
    `members` and `steps` above 0, `hold` of at least 0."""
    default = settings_for(conditions)
    return replace(
        default,
        members=members or default.members,
        steps=steps or default.steps,
        hold=default.hold if hold < 0 else hold,
    )
