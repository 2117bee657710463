"""A fine-tuning run from end to end: data, fit, evaluation, a folder that loads.

`hmlm finetune` and `finetune/run.py` are the command lines of this module.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from tqdm.auto import tqdm

from ..common.errors import OptionsError
from ..common.launching import connect, describe, disconnect, summed
from ..fitting.ensemble import FitSettings, Processes
from ..formats.network_loading import load_network
from ..inference.gate_tables import against_truth
from ..inference.prediction import Prediction
from ..measurements.measured import Measurements
from ..measurements.metrics import score
from ..measurements.reading import read_measurements
from ..measurements.simulated import Budget, SimulatedTask, simulate_task
from ..measurements.time_scale import time_scale_for
from ..measurements.trivial import Hold, TrainingMean
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .card import gates_warning
from .fine_tune import fine_tune, fit_settings
from .finetuning_options import FinetuningOptions
from .result import FittedModel

DEFAULT_NETWORK = "cardiac-fibroblast"
SECONDS_BETWEEN_LINES = 15


def run_finetuning(options: FinetuningOptions) -> dict[str, Any]:
    """Fine-tune as `options` say; returns what `metrics.json` holds.

    Each of several processes fits some of the members, in any kind of launch: the gates of a
    network are a few kilobytes, which need no sharding. The main process writes the result; the
    others return nothing.

    Raises:
        OptionsError: options that are not valid, data that nothing can be fitted to, or processes
            that do not work together.
        FormatError, NetworkError: files that cannot be read, or do not fit together.
    """
    started = time.perf_counter()
    options.check()
    state = connect()
    inputs = read_inputs(options)
    settings, processes = share_members(options, inputs.data, state)
    log = RunLog(options, inputs, settings, state)
    fitted = fit(options, inputs, settings, processes, log)
    log.close()
    disconnect(state)
    if not state.is_main_process:
        return {}
    predicted = evaluate_held_out(fitted, inputs)
    if words := gates_warning(fitted.fit.compared):
        warnings.warn(words, stacklevel=2)
    fitted.metrics["seconds"] = time.perf_counter() - started
    save(options, fitted, inputs.task, predicted)
    print(json.dumps(fitted.metrics, indent=2))
    print(f"the model is in {options.output_dir}", flush=True)
    return fitted.metrics


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run.

    Attributes:
        network: with kinetics, where its source states them.
        data: measured, or simulated.
        task: of simulated data, with its queries.
    """

    network: SignalingNetwork
    data: Measurements
    task: SimulatedTask | None = None


def read_inputs(options: FinetuningOptions) -> Inputs:
    """The measurements of the options' tables, or simulated ones."""
    network = None
    if options.network or not options.conditions or not Path(options.conditions).is_dir():
        network = load_network(options.network or DEFAULT_NETWORK, options.pathway)
    if options.conditions:
        data = read_measurements(
            network,
            options.conditions,
            options.observations or None,
            track=options.track,
            readouts=options.readouts or None,
            targets=options.targets or None,
        )
        network = data.network if network is None else network
        return Inputs(network, data)
    assert network is not None
    try:
        task = simulate_task(network, Budget.parse(options.budget), options.track, options.seed)
    except HMLMError as error:
        raise OptionsError(str(error)) from None
    return Inputs(network, task.training.clipped(), task)


def share_members(
    options: FinetuningOptions, data: Measurements, state: PartialState
) -> tuple[FitSettings, Processes]:
    """How to fit, and which processes fit which members."""
    settings = fit_settings(len(data.conditions), options.members, options.steps, options.hold)
    processes = Processes(state.process_index, state.num_processes, summed)
    if settings.members < processes.count:
        raise OptionsError(
            f"{processes.count} processes for {settings.members} members; expected at most one each"
        )
    return settings, processes


class RunLog:
    """The start of a run, and the progress of the fit: a bar on a terminal, lines elsewhere."""

    def __init__(
        self,
        options: FinetuningOptions,
        inputs: Inputs,
        settings: FitSettings,
        state: PartialState,
    ) -> None:
        self.is_main, self.steps, self.logged = state.is_main_process, settings.steps, 0.0
        on_terminal = self.is_main and sys.stderr.isatty()
        if self.is_main:
            network, data = inputs.network, inputs.data
            print(
                f"{describe(state, 'no')}\n"
                f"wrapper: none, {settings.members} members are fitted separately\n"
                f"{network.name}: {len(network.molecules)} molecules, {len(data.conditions)} "
                f"conditions at up to {len(data.times_hours)} times, at a time scale of "
                f"{time_scale_for(data.times_hours):g}, at most {settings.steps} steps",
                flush=True,
            )
        self.bar = tqdm(total=settings.steps, unit="step", disable=not on_terminal)

    def fitting(self, step: int, error: float) -> None:
        self.bar.update(step - self.bar.n)
        self.bar.set_postfix_str(f"held-out MSE {error:.5f}")
        due = step == 0 or time.perf_counter() - self.logged > SECONDS_BETWEEN_LINES
        if self.is_main and self.bar.disable and due:
            self.logged = time.perf_counter()
            print(f"step {step}/{self.steps}  held-out MSE {error:.5f}", flush=True)

    def adapting(self, step: int, error: float) -> None:
        if self.is_main:
            print(f"weights, step {step}  held-out MSE {error:.5f}", flush=True)

    def close(self) -> None:
        self.bar.close()


def fit(
    options: FinetuningOptions,
    inputs: Inputs,
    settings: FitSettings,
    processes: Processes,
    log: RunLog,
) -> FittedModel:
    """The checkpoint, fine-tuned on the inputs.

    Raises:
        OptionsError: the checkpoint does not load, or nothing can be fitted to the inputs.
    """
    try:
        return fine_tune(
            options.checkpoint, inputs.data, settings, adapt_weights=options.adapts,
            tunable=options.tunable_parts, discrepancy=options.discrepancy, seed=options.seed,
            device=str(PartialState().device), progress=log.fitting, adapt_progress=log.adapting,
            processes=processes,
        )  # fmt: skip
    except HMLMError as error:
        if error.path is not None:
            raise
        raise OptionsError(str(error), path=options.conditions or None) from None


def evaluate_held_out(fitted: FittedModel, inputs: Inputs) -> Mapping[str, Prediction]:
    """Predictions of the simulated queries; their metrics, beside those of the simplest baselines,
    are added to the fitted model."""
    if inputs.task is None:
        return {}
    training = inputs.task.training
    baselines = {"hold": Hold().fit(training), "training_mean": TrainingMean().fit(training)}
    predicted = fitted.predict_held_out(inputs.task.queries)
    held_out: dict[str, Any] = {}
    for split, truth in inputs.task.queries.items():
        metrics = score(predicted[split].states, predicted[split].scale, truth)
        del metrics["squared_errors"]
        for name, baseline in baselines.items():
            states = baseline.predict(truth.conditions, truth.times_hours)
            metrics[f"mse_{name}"] = score(states, None, truth)["mse"]
        held_out[split] = metrics
    fitted.metrics["held_out"] = held_out
    fitted.metrics["spearman_with_truth"] = against_truth(inputs.network, *fitted.tables)
    return predicted


def save(
    options: FinetuningOptions,
    fitted: FittedModel,
    task: SimulatedTask | None,
    predicted: Mapping[str, Prediction],
) -> None:
    """Write the folder of the result."""
    held_out = None if task is None else (task.queries["pairs"], predicted["pairs"])
    fitted.save_pretrained(options.output_dir, asdict(options), held_out)
