"""A fine-tuning run from end to end: data, fit, measurement, a folder that loads.

`finetune/run.py` is the command line of this module.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tqdm.auto import tqdm

from ..common.errors import OptionsError
from ..common.launching import connect, describe, disconnect, summed
from ..fitting.ensemble import Team, settings_for
from ..formats import load_network
from ..inference.context import make_context
from ..inference.loading import load_untuned, untrained_model
from ..inference.prediction import Prediction, predict_states
from ..measurements.metrics import score
from ..measurements.reading import read_measurements
from ..measurements.simulated import Budget, SimulatedTask, simulate_task
from ..measurements.time_scale import time_scale_for
from ..measurements.trivial import Hold, TrainingMean
from ..model.configuration_hmlm import HMLMConfig
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .adapt import adapt
from .fine_tune import fine_tune
from .finetuning_options import FinetuningOptions
from .result import write_result


def run_finetuning(options: FinetuningOptions) -> dict[str, Any]:
    """Fine-tune as `options` say; returns what `metrics.json` holds.

    Of several processes each fits some of the members, whatever else their launch is for: the gates
    of a network are a few kilobytes, of which nothing need be shared out. The main one writes the
    result; the others return nothing.

    Raises:
        OptionsError: options that make no sense, data that nothing can be fitted to, or processes
            that do not work together.
        FormatError, NetworkError: files that cannot be read, or do not fit together.
    """
    started = time.perf_counter()
    options.check()
    state = connect()
    network = load_network(options.network, options.pathway)
    task: SimulatedTask | None = None
    try:
        if options.observations:
            data = read_measurements(
                network, options.conditions, options.observations, options.track
            )
            budget = Budget(len(data.conditions), len(data.times_hours))
        else:
            budget = Budget.parse(options.budget)
            task = simulate_task(network, budget, options.track, options.seed)
            data = task.training.clipped()
    except ValueError as error:
        if type(error) is not ValueError:  # which say themselves what is wrong with which file
            raise
        raise OptionsError(str(error)) from None
    model, tokenizer = _load(options)
    model.to(state.device)  # type: ignore[arg-type]
    usual = settings_for(budget.conditions)
    settings = replace(
        usual,
        members=options.members or usual.members,
        steps=options.steps or usual.steps,
        hold=usual.hold if options.hold < 0 else options.hold,
    )
    team = Team(state.process_index, state.num_processes, summed)
    if settings.members < team.processes:
        raise OptionsError(
            f"{team.processes} processes for {settings.members} members; expected at most one each"
        )
    loud = state.is_main_process
    if loud:
        print(
            f"{describe(state, 'no', model.config._attn_implementation)}\n"
            f"wrapper: none, {settings.members} members are fitted apart\n"
            f"{network.name}: {len(network.molecules)} molecules, {len(data.conditions)} "
            f"conditions at up to {len(data.times_hours)} times, at a pace of "
            f"{time_scale_for(data.times_hours):g}, at most {settings.steps} steps",
            flush=True,
        )
    bar = tqdm(total=settings.steps, unit="step", disable=not (loud and sys.stderr.isatty()))
    logged = time.perf_counter()

    def progress(step: int, error: float) -> None:
        nonlocal logged
        bar.update(step - bar.n)
        bar.set_postfix_str(f"held-out MSE {error:.5f}")
        if loud and bar.disable and (step == 0 or time.perf_counter() - logged > 15):
            logged = time.perf_counter()
            print(f"step {step}/{settings.steps}  held-out MSE {error:.5f}", flush=True)

    def adapted(step: int, error: float) -> None:
        if loud:
            print(f"weights, step {step}  held-out MSE {error:.5f}", flush=True)

    scratch = options.checkpoint == "none"
    try:
        if options.adapts:
            # Every process adapts alike: it is a minute's work, and nothing of it is drawn apart.
            model = adapt(model, tokenizer, data, seed=options.seed, progress=adapted)
        tuned, fit = fine_tune(
            model, tokenizer, data, settings, options.seed, not scratch, progress, team,
            options.tunable_parts, options.discrepancy,
        )  # fmt: skip
    except ValueError as error:
        where = f"{options.observations}: " if options.observations else ""
        raise OptionsError(f"{where}{error}") from None
    bar.close()
    disconnect(state)
    if not loud:
        return {}
    metrics: dict[str, Any] = {
        "held_out_mse": float(fit.held_out_error.mean()),
        "held_out_mse_at_start": float(fit.error_at_start.mean()),
        "steps": fit.steps,
        "pace": time_scale_for(data.times_hours),
    }
    tissue = tuned.next_state.tissue
    assert tissue is not None
    parts = {"activities": tissue.discrepancy, "other modalities": tissue.shown_discrepancy}
    metrics["discrepancy_explains"] = {
        what: part.explained for what, part in parts.items() if part is not None
    }
    told: dict[str, Prediction] = {}
    if task is not None:
        told = _predict(tuned, tokenizer, task)
        metrics["unseen"] = _measure(told, task)
    metrics["seconds"] = time.perf_counter() - started
    write_result(options, tuned, tokenizer, data, network, task, told, metrics)
    print(json.dumps(metrics, indent=2))
    print(f"the model is in {options.output_dir}", flush=True)
    return metrics


def _load(options: FinetuningOptions) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    if options.checkpoint == "none":
        tokenizer = HMLMTokenizer()
        config = HMLMConfig.of_size(
            "tiny",
            vocab_size=tokenizer.vocab_size,
            vocabulary_version=tokenizer.vocabulary.version,
        )
        return untrained_model(config, options.seed), tokenizer
    try:
        return load_untuned(options.checkpoint)
    except (OSError, ValueError) as error:
        raise OptionsError(str(error)) from None


def _measure(told: Mapping[str, Prediction], task: SimulatedTask) -> dict[str, Any]:
    """Figures on conditions that were not seen, beside the simplest rivals."""
    rivals = [Hold().fit(task.training), TrainingMean().fit(task.training)]
    found: dict[str, Any] = {}
    for split, truth in task.queries.items():
        figures = score(told[split].states, told[split].scale, truth)
        del figures["squared_errors"]
        for rival in rivals:
            states = rival.predict(truth.conditions, truth.times_hours)
            figures[f"mse of {rival.name}"] = score(states, None, truth)["mse"]
        found[split] = figures
    return found


def _predict(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, task: SimulatedTask
) -> dict[str, Prediction]:
    """What is asked, split by split."""
    network = task.training.network
    context = make_context(tokenizer, network, task.training.baseline_or_zero)
    return {
        split: predict_states(model, context, network, asked.conditions, asked.times_hours)
        for split, asked in task.queries.items()
    }
