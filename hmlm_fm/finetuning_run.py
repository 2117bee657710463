"""A fine-tuning run from end to end: data, fit, measurement, a folder that loads.

`finetune/run.py` is the command line of this module.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from .adapting import adapt
from .baselines.trivial import Hold, TrainingMean
from .conditions import Observation, held_states
from .configuration_hmlm import HMLMConfig
from .drawn_task import Budget, DrawnTask, visible_network
from .finetuning import fine_tune
from .finetuning_options import FinetuningOptions
from .finetuning_result import write_result
from .fitting import Team, settings_for
from .formats import load_network
from .formats.errors import FormatError, FormatWarning
from .formats.measurements import read_conditions, read_observations
from .launching import connect, describe, disconnect, summed
from .metrics import score
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .options import OptionsError
from .pace import pace_of
from .prediction import Prediction, context_of, predict_states
from .pretrained import load_untuned, untrained_model
from .tissue_data import TissueData
from .tokenization_hmlm import HMLMTokenizer
from .unseen_conditions import draw_task
from .wording import listed

CONTRADICTS = 0.2
"""How far from where it is held a state is measured that noise does not explain."""


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
    task: DrawnTask | None = None
    try:
        if options.observations:
            data = read_tissue(network, options)
            budget = Budget(len(data.conditions), len(data.times_hours))
        else:
            budget = Budget.parse(options.budget)
            task = draw_task(network, budget, options.track, options.seed)
            data = TissueData.of(task.seen)
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
            f"{pace_of(data.times_hours):g}, at most {settings.steps} steps",
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
            options.tunable_parts,
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
        "pace": pace_of(data.times_hours),
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


def read_tissue(network: SignalingNetwork, options: FinetuningOptions) -> TissueData:
    """Measurements of two tables; the mean of what was measured at time 0 is the state at rest.

    Activities that a perturbation holds say nothing of gates, nor of the state at rest, and are
    left out; a warning names those that contradict it.

    Raises:
        FormatError: as `read_conditions` and `read_observations`, or there is nothing after time
            0, which gates are fitted to.
    """
    conditions = read_conditions(options.conditions, network)
    by_condition = read_observations(options.observations, network, conditions)
    names = list(by_condition)
    every = [o for seen in by_condition.values() for o in seen]
    hours = np.unique([0.0, *(o.time_hours for o in every)])
    shape = (len(names), len(hours), len(network.molecules))
    states, measured = np.zeros(shape), np.zeros(shape, dtype=bool)
    sd = np.full(shape, np.nan)
    others: list[tuple[Observation, ...]] = []
    for row, name in enumerate(names):
        others.append(tuple(o for o in by_condition[name] if o.modality != "activity"))
        for o in by_condition[name]:
            if o.modality == "activity":
                place = (
                    row,
                    int(np.searchsorted(hours, o.time_hours)),
                    network.molecule_index[o.molecule],
                )
                states[place], measured[place] = o.value, True
                sd[place] = np.nan if o.sd_value is None else o.sd_value
    of_rows = tuple(conditions[name] for name in names)
    is_held, at = held_states(of_rows, hours, network)
    _tell_contradictions(states, measured & is_held, at, names, network, options.observations)
    measured &= ~is_held
    later = np.array([of_condition[hours > 0].any() for of_condition in measured])
    of_others = np.array([any(o.time_hours > 0 for o in seen) for seen in others])
    if not (later | of_others).any():
        raise FormatError(
            "it holds nothing after time 0 but what perturbations hold; expected some, for that is "
            "what gates are fitted to",
            path=options.observations,
        )
    if not later.any():
        warnings.warn(
            f"{options.observations}: it holds no activity after time 0 that is free to move; the "
            "intervals of states cannot be calibrated",
            FormatWarning,
            stacklevel=2,
        )
    at_rest = measured[:, 0]
    count = at_rest.sum(0)
    first = np.where(at_rest, states[:, 0], 0.0).sum(0)
    # Of a state near an end of its range noise may lie beyond.
    baseline = np.where(count > 0, np.clip(first / np.maximum(count, 1), 0, 1), np.nan)
    guessed = [name for name, n in zip(network.names, count, strict=True) if not n]
    if guessed:
        warnings.warn(
            f"{options.observations}: nothing was measured at time 0 of {listed(guessed)}; the "
            "state at rest is taken to be where the fitted gates stand still, and intervals may "
            "not cover it",
            FormatWarning,
            stacklevel=2,
        )
    # What was seen at rest alone has told the state at rest, or is shown.
    kept = [row for row, seen in enumerate(others) if later[row] or seen]
    return TissueData(
        visible_network(network, options.track),
        tuple(of_rows[row] for row in kept),
        hours,
        states[kept],
        measured[kept],
        baseline,
        tuple(others[row] for row in kept),
        sd[kept],
        tuple(names[row] for row in kept),
    )


def _tell_contradictions(
    states: np.ndarray,
    measured: np.ndarray,
    held_at: np.ndarray,
    names: Sequence[str],
    network: SignalingNetwork,
    path: str,
) -> None:
    """Warn of activities (C, T, N) that were measured far from where a perturbation holds them."""
    far = measured & (np.abs(states - held_at) > CONTRADICTS)
    places = zip(*np.nonzero(far.any(1)), strict=True)
    told = [f"{network.names[i]} in {names[c]}" for c, i in places]
    if told:
        warnings.warn(
            f"{path}: left out what was measured of {listed(told)}, which a perturbation holds "
            "elsewhere; check what the table of conditions says of it",
            FormatWarning,
            stacklevel=3,
        )


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


def _measure(told: Mapping[str, Prediction], task: DrawnTask) -> dict[str, Any]:
    """Figures on conditions that were not seen, beside the simplest rivals."""
    rivals = [Hold().fit(task.seen), TrainingMean().fit(task.seen)]
    found: dict[str, Any] = {}
    for split, truth in task.asked.items():
        figures = score(told[split].states, told[split].scale, truth)
        del figures["squared_errors"]
        for rival in rivals:
            states = rival.predict(truth.conditions, truth.times_hours)
            figures[f"mse of {rival.name}"] = score(states, None, truth)["mse"]
        found[split] = figures
    return found


def _predict(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, task: DrawnTask
) -> dict[str, Prediction]:
    """What is asked, split by split."""
    network = task.seen.network
    context = context_of(tokenizer, network, task.seen.baseline)
    return {
        split: predict_states(model, context, network, asked.conditions, asked.times_hours)
        for split, asked in task.asked.items()
    }
