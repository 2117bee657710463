"""Every row of a task at every budget and seed, one by one.

Every cell (a row at a budget with a seed) is kept as soon as it is measured, so that a run that was
stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hmlm_fm.fitting import FitSettings, settings_for
from hmlm_fm.formats.files import write_text
from hmlm_fm.modeling_hmlm import HMLMForSignaling
from hmlm_fm.network import SignalingNetwork
from hmlm_fm.tokenization_hmlm import HMLMTokenizer

from .hmlm_rows import HMLMRow
from .metrics import interval
from .rows import Row
from .task import Budget, DrawnTask, Task

QUICK = FitSettings(members=4, steps=60, patience=40)
QUICK_NEURAL_STEPS = 60


def run(
    task: Task,
    network: SignalingNetwork,
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    budgets: Sequence[Budget],
    track: str,
    seeds: int,
    cells: Path,
    quick: bool = False,
    only: str = "",
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure every row; returns one dictionary per model, budget and split.

    Args:
        task: what is asked.
        network: with kinetics, which only the simulator sees.
        model: the pretrained one.
        seeds: how many, from 0 on.
        cells: folder of what was measured already.
        quick: fewer members and steps, for a look.
        only: a part of the names of rows, to measure these alone.
        say: told of every cell.

    Raises:
        ValueError: no row has `only` in its name.
    """
    found: list[dict[str, Any]] = []
    weights = hashlib.sha256()
    for _, value in sorted(model.state_dict().items()):
        weights.update(value.cpu().numpy().tobytes())
    # A model that starts anew depends on the configuration alone.
    shape = json.dumps(model.config.to_dict(), sort_keys=True, default=str)
    of_shape = hashlib.sha256(shape.encode()).hexdigest()
    for budget in budgets:
        settings = QUICK if quick else settings_for(budget.conditions)
        rows = task.rows(model, tokenizer, settings, QUICK_NEURAL_STEPS if quick else None)
        rows = [row for row in rows if only in row.name]
        drawn: dict[int, DrawnTask] = {}

        def of_seed(
            seed: int, budget: Budget = budget, drawn: dict[int, DrawnTask] = drawn
        ) -> DrawnTask:
            if seed not in drawn:
                drawn[seed] = task.draw(network, budget, track, seed)
            return drawn[seed]

        found += [
            {"model": name, "budget": str(budget), "split": task.splits[0]}
            | {"mse": errors[str(budget)], "as_published": True}
            for name, errors in task.published.items()
            if only in name and str(budget) in errors
        ]
        if not rows and not found:
            raise ValueError(f"no row has {only!r} in its name")
        for row in rows:
            of_row: list[dict[str, Any]] = []
            for seed in range(seeds):
                key = {
                    "task": task.draws,
                    "network": network.content_hash,
                    "model": weights.hexdigest()
                    if row.starts_from_model
                    else of_shape * row.name.startswith("HMLM"),
                    "row": row.name,
                    "track": track,
                    "budget": str(budget),
                    "seed": seed,
                    "settings": asdict(settings),
                    "quick": quick,
                }
                name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
                path = cells / f"{name}.json"
                if path.exists():
                    cell = json.loads(path.read_text(encoding="utf-8"))
                else:
                    chosen = of_row[0]["chosen"] if of_row else row.choose(of_seed(0).seen)
                    cell = {**key, **_measure(task, row, chosen, of_seed(seed))}
                    cells.mkdir(parents=True, exist_ok=True)
                    write_text(path, json.dumps(cell))
                of_row.append(cell)
                errors = "  ".join(f"{s} {of['mse']:.4f}" for s, of in cell["splits"].items())
                say(f"{budget} seed {seed}  {row.name}: {errors}  ({cell['seconds']:.0f} s)")
            found += _summarise(row.name, budget, of_row)
    return found


def _measure(task: Task, row: Row, chosen: dict[str, Any], drawn: DrawnTask) -> dict[str, Any]:
    started = time.perf_counter()
    fitted = row.make(**chosen).fit(drawn.seen)
    seconds = time.perf_counter() - started
    splits = {}
    for split, truth in drawn.asked.items():
        if isinstance(fitted, HMLMRow):
            told = fitted.answer(truth.conditions, truth.times_hours)
            splits[split] = task.measure(told.states, told.scale, truth)
        else:
            states = fitted.predict(truth.conditions, truth.times_hours)
            splits[split] = task.measure(states, None, truth)
    return {"chosen": chosen, "seconds": seconds, "splits": splits}


def _summarise(
    name: str, budget: Budget, of_seeds: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    rows = []
    for split in of_seeds[0]["splits"]:
        of_split = [cell["splits"][split] for cell in of_seeds]
        mse, low, high = interval([found["squared_errors"] for found in of_split])
        row: dict[str, Any] = {"model": name, "budget": str(budget), "split": split}
        row |= {"mse": mse, "mse_low": low, "mse_high": high}
        for key, value in of_split[0].items():
            if isinstance(value, float) and key not in row:
                row[key] = sum(found[key] for found in of_split) / len(of_split)
        row["seeds"] = len(of_split)
        row["seconds"] = sum(cell["seconds"] for cell in of_seeds) / len(of_seeds)
        rows.append(row)
    return rows
