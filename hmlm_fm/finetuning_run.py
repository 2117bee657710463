"""A fine-tuning run from end to end: data, fit, measurement, a folder that loads.

`finetune/run.py` is the command line of this module.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .adapting import adapt
from .baselines.trivial import Hold, TrainingMean, held
from .benchmarks.metrics import MARKERS, score
from .benchmarks.task import TRACKS, Budget, DrawnTask
from .benchmarks.unseen_conditions import draw_task
from .conditions import Condition, Observation
from .configuration_hmlm import HMLMConfig
from .environment import environment
from .finetuning import fine_tune
from .fitting import Team, settings_for
from .formats import load_network
from .formats.errors import FormatError, FormatWarning
from .formats.files import write_text
from .formats.json_format import write_json
from .formats.measurements import read_conditions, read_observations
from .interpret import against_truth, gate_tables
from .launching import connect, describe, summed
from .measurements import Measurements
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .options import OptionsError
from .pipeline import (
    BASELINE_FILE,
    NETWORK_FILE,
    Prediction,
    encode_context,
    load_untuned,
    predict_states,
    untrained_model,
)
from .plotting import plot_bands
from .tissue_data import TissueData
from .tokenization_hmlm import HMLMTokenizer

TUNABLE = ("gates", "all")
FIGURE_FILE, MOST_DRAWN, TIMES_DRAWN = "trajectories.png", 8, 49


@dataclass
class FinetuningOptions:
    """Everything that a fine-tuning run can be told; a YAML file may hold any of it."""

    checkpoint: str = field(
        default="hmlm-small",
        metadata={"help": "hmlm-small, a folder, a name on a hub; none to start from scratch"},
    )
    network: str = field(
        default="cardiac-fibroblast", metadata={"help": "a file, or a shipped network's name"}
    )
    observations: str = field(
        default="", metadata={"help": "table of what was measured; empty to simulate"}
    )
    conditions: str = field(
        default="", metadata={"help": "table of what was done in each condition"}
    )
    budget: str = field(
        default="16x4", metadata={"help": "conditions x times, where they are simulated"}
    )
    track: str = field(
        default="signs", metadata={"help": "signs, or logic to see the AND groups too"}
    )
    output_dir: str = field(
        default="outputs/finetune", metadata={"help": "folder for the result; empty or new"}
    )
    tunable: str = field(
        default="gates",
        metadata={"help": "gates of the tissue alone, or all: the weights that infer them first"},
    )
    members: int = field(default=0, metadata={"help": "fits to average; 0 for the usual"})
    steps: int = field(default=0, metadata={"help": "at most, of every fit; 0 for the usual"})
    hold: float = field(
        default=-1.0,
        metadata={"help": "how hard gates are held at the start; below 0 for the usual"},
    )
    seed: int = field(default=0, metadata={"help": "of everything that is drawn"})

    def check(self) -> None:
        """Raise `OptionsError` where a value makes no sense."""
        if self.track not in TRACKS:
            raise OptionsError(f"track {self.track!r}; expected one of {', '.join(TRACKS)}")
        if self.tunable not in TUNABLE:
            raise OptionsError(f"tunable {self.tunable!r}; expected one of {', '.join(TUNABLE)}")
        if self.tunable == "all" and self.checkpoint == "none":
            raise OptionsError("tunable all without a checkpoint; expected one to adapt")
        if bool(self.observations) != bool(self.conditions):
            raise OptionsError("expected observations and conditions together, or neither")
        for name, least in (("members", 0), ("steps", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise OptionsError(f"{name} {getattr(self, name)}; expected at least {least}")
        if not math.isfinite(self.hold):
            raise OptionsError(f"hold {self.hold}; expected a number")
        out = Path(self.output_dir)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OptionsError(f"{out}: it is not an empty folder; expected a new one")


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
    network = load_network(options.network)
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
            f"conditions at up to {len(data.times_hours)} times, at most {settings.steps} steps",
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
        if options.tunable == "all":
            # Every process adapts alike: it is a minute's work, and nothing of it is drawn apart.
            model = adapt(model, tokenizer, data, seed=options.seed, progress=adapted)
        tuned, fit = fine_tune(
            model, tokenizer, data, settings, options.seed, not scratch, progress, team
        )
    except ValueError as error:
        raise OptionsError(str(error)) from None
    bar.close()
    if not loud:
        return {}
    metrics: dict[str, Any] = {
        "held_out_mse": float(fit.held_out_error.mean()),
        "held_out_mse_at_start": float(fit.error_at_start.mean()),
        "steps": fit.steps,
    }
    told: dict[str, Prediction] = {}
    if task is not None:
        told = _predict(tuned, tokenizer, task)
        metrics["unseen"] = _measure(told, task)
    metrics["seconds"] = time.perf_counter() - started
    _write_result(options, tuned, tokenizer, data, network, task, told, metrics)
    print(json.dumps(metrics, indent=2))
    print(f"the model is in {options.output_dir}", flush=True)
    return metrics


def read_tissue(network: SignalingNetwork, options: FinetuningOptions) -> TissueData:
    """Measurements of two tables; the mean of what was measured at time 0 is the state at rest,
    but for what a perturbation holds.

    Raises:
        FormatError: as `read_conditions` and `read_observations`, or there is nothing after time
            0, which gates are fitted to.
    """
    conditions = read_conditions(options.conditions, network)
    by_condition = read_observations(options.observations, network, conditions)
    shown = network if options.track == "logic" else network.without_logic()
    names = list(by_condition)
    every = [o for seen in by_condition.values() for o in seen]
    if not any(o.time_hours > 0 for o in every):
        raise FormatError(
            "it holds nothing after time 0; expected some, for that is what gates are fitted to",
            path=options.observations,
        )
    if not any(o.time_hours > 0 and o.modality == "activity" for o in every):
        warnings.warn(
            f"{options.observations}: it holds no activity after time 0; the intervals of states "
            "cannot be calibrated",
            FormatWarning,
            stacklevel=2,
        )
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
    at_rest = measured[:, 0] & ~held(of_rows, np.zeros(1), network)[0][:, 0]
    count = at_rest.sum(0)
    first = np.where(at_rest, states[:, 0], 0.0).sum(0)
    # Of a state near an end of its range noise may lie beyond.
    baseline = np.where(count > 0, np.clip(first / np.maximum(count, 1), 0, 1), np.nan)
    return TissueData(
        shown.without_kinetics(),
        of_rows,
        hours,
        states,
        measured,
        baseline,
        tuple(others),
        sd,
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
        raise OptionsError(f"checkpoint {options.checkpoint}: {error}") from None


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
    context = encode_context(tokenizer, network, task.seen.baseline)
    return {
        split: predict_states(
            model, tokenizer, context, network, asked.conditions, asked.times_hours
        )
        for split, asked in task.asked.items()
    }


def _write_result(
    options: FinetuningOptions,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    data: TissueData,
    network: SignalingNetwork,
    task: DrawnTask | None,
    told: Mapping[str, Prediction],
    metrics: dict[str, Any],
) -> None:
    """All files of the result, in a folder that takes its name when it is whole."""
    target = Path(options.output_dir)
    folder = target.with_name(target.name + ".unfinished")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(data.network, folder / NETWORK_FILE)
    known = np.isfinite(data.baseline)
    names = [name for name, k in zip(data.network.names, known, strict=True) if k]
    pd.DataFrame({"molecule": names, "state": data.baseline[known]}).to_csv(
        folder / BASELINE_FILE, index=False
    )
    molecules, gates = gate_tables(model.to("cpu"), tokenizer, data)  # type: ignore[arg-type]
    molecules.to_csv(folder / "time_constants.csv", index=False)
    gates.to_csv(folder / "gates.csv", index=False)
    if task is not None:
        metrics["spearman_with_truth"] = against_truth(network, molecules, gates)
        _draw_unseen(task.asked["pairs"], told["pairs"], folder / FIGURE_FILE)
    else:
        _draw_measured(model, tokenizer, data, folder / FIGURE_FILE)
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    info = {
        "options": asdict(options),
        "environment": environment(),
        "network_hash": data.network.content_hash,
    }
    write_text(folder / "training_info.json", json.dumps(info, indent=2) + "\n")
    write_text(folder / "README.md", _card(options, data, metrics))
    if target.exists():
        target.rmdir()
    folder.rename(target)


def _draw_unseen(truth: Measurements, told: Prediction, path: Path) -> None:
    """The first of the unseen conditions: fibrosis markers, or what moves most."""
    names = truth.network.names
    chosen = [i for i, name in enumerate(names) if name in MARKERS]
    chosen = chosen or np.argsort(-np.ptp(truth.states[0], axis=0))[:MOST_DRAWN].tolist()
    beside = (truth.times_hours, truth.states[0][:, chosen], "k--", "true")
    plot_bands(
        f"{truth.network.name}, an unseen condition: {_stimuli(truth.conditions[0])}",
        [names[i] for i in chosen], truth.times_hours,
        told.states[0][:, chosen], told.scale[0][:, chosen], beside, path,
    )  # fmt: skip


def _draw_measured(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: TissueData, path: Path
) -> None:
    """The condition of which most was measured: the molecules of which most was, in any modality;
    what was measured is shown of activities."""
    count_CN = data.measured.sum(1)
    for position, seen in enumerate(data.others):
        for o in seen:
            count_CN[position, data.network.molecule_index[o.molecule]] += 1
    row = int(count_CN.sum(1).argmax())
    states = np.where(data.measured[row], data.states[row], np.nan)
    count = count_CN[row]
    chosen = [i for i in np.argsort(-count, kind="stable")[:MOST_DRAWN].tolist() if count[i]]
    hours = np.linspace(0, data.times_hours.max(), TIMES_DRAWN)
    context = encode_context(tokenizer, data.network, data.baseline)
    condition = data.conditions[row]
    told = predict_states(model, tokenizer, context, data.network, [condition], hours)
    plot_bands(
        f"{data.network.name}, fitted to: {_stimuli(condition)}",
        [data.network.names[i] for i in chosen], hours,
        told.states[0][:, chosen], told.scale[0][:, chosen],
        (data.times_hours, states[:, chosen], "ko", "measured"), path,
    )  # fmt: skip


def _stimuli(condition: Condition) -> str:
    named = [f"{name} {level:.2f}" for name, level in condition.stimuli.items()]
    return ", ".join(named + [f"{p.kind} of {p.target}" for p in condition.perturbations])


def _card(options: FinetuningOptions, data: TissueData, metrics: Mapping[str, Any]) -> str:
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: transformers",
        "tags: [hmlm, cell-signalling]",
        "---",
        "",
        f"# HMLM fine-tuned on {data.network.name}",
        "",
        *(
            ["The weights that infer gates were adapted to the tissue first.", ""]
            if options.tunable == "all"
            else []
        ),
        f"From `{options.checkpoint}`: gates and time constants of {len(data.network.molecules)} "
        f"molecules, fitted to {len(data.conditions)} conditions. It answers for this network "
        f"alone, which lies beside it as `{NETWORK_FILE}`.",
        "",
        "```python",
        "from hmlm_fm.pipeline import SignalingPipeline",
        "",
        'pipeline = SignalingPipeline.from_pretrained("FOLDER")',
        "```",
        "",
        f"Mean squared error on held-out training conditions: {metrics['held_out_mse']:.4f} "
        f"({metrics['held_out_mse_at_start']:.4f} before fitting).",
    ]
    if "unseen" in metrics:
        lines += [
            "",
            "| unseen | MSE | hold | training mean | coverage of 90 % | width |",
            "|---|---|---|---|---|---|",
        ]
        for split, found in metrics["unseen"].items():
            figures = [
                found["mse"],
                found[f"mse of {Hold.name}"],
                found[f"mse of {TrainingMean.name}"],
            ]
            cells = " | ".join(f"{value:.4f}" for value in figures)
            lines.append(f"| {split} | {cells} | {found['coverage']:.2f} | {found['width']:.2f} |")
    if metrics.get("spearman_with_truth"):
        ranks = metrics["spearman_with_truth"].items()
        told = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks)
        lines += ["", f"Spearman's correlation with the simulator's parameters: {told}."]
    return "\n".join(lines) + "\n"
