"""Whether simulated trajectories behave like those of cells: figures and a picture.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..common.files import write_bytes
from ..dynamics.draw import PRIORS
from ..dynamics.trajectories import TIMES_HOURS, Trajectories, simulate_many
from ..model.conditions import Condition
from ..model.network import SignalingNetwork
from .relatives import PROTECTED_FAMILIES, family_of

RESPONSE = 0.05
"""A change of activity below this does not count."""


@dataclass(frozen=True)
class Behaviour:
    """What the trajectories of one network do, each in [0, 1] but for hours.

    Attributes:
        responding: share of the molecules that leave their first state by more than `RESPONSE`
            in some condition.
        oscillating: share of the molecules that turn at least three times by more than that in
            some condition.
        half_hours: median time after which a responding molecule has gone half of its way.
        hold: mean squared error of holding the first state; the mean square of all changes.
        mean: mean squared error of the mean over the other conditions.
    """

    responding: float
    oscillating: float
    half_hours: float
    hold: float
    mean: float


def behaviour_of(states: np.ndarray) -> Behaviour:
    """Measure trajectories (C, T, N) at `TIMES_HOURS`."""
    states = states.astype(np.float64)
    first, later = states[:, :1], states[:, 1:]
    change = np.abs(later - first)
    reached = change.max(1)  # (C, N)
    responds = reached > RESPONSE
    at_half = (change >= 0.5 * reached[:, None]).argmax(1)
    hours = np.asarray(TIMES_HOURS, np.float64)[1:][at_half]
    count = len(states)
    others = (later.sum(0) - later) / max(1, count - 1)
    return Behaviour(
        responding=float(responds.any(0).mean()),
        oscillating=float((_turns(states) >= 3).any(0).mean()),
        half_hours=float(np.median(hours[responds])) if responds.any() else float("nan"),
        hold=float((change**2).mean()),
        mean=float(((later - others) ** 2).mean()),
    )


def report(made: Iterable[Trajectories], published: Sequence[SignalingNetwork]) -> list[str]:
    """A Markdown section: drawn networks beside published ones that keep their own kinetics."""
    drawn = [behaviour_of(t.states) for t in made]
    lines = [
        "## Do they behave like published models?",
        "",
        "| networks | responding | oscillating | half-way (h) | MSE of hold | MSE of the mean |",
        "|---|---|---|---|---|---|",
        f"| drawn ({len(drawn)}): median | {_cells(drawn, 50)} |",
        f"| drawn: 10th percentile | {_cells(drawn, 10)} |",
        f"| drawn: 90th percentile | {_cells(drawn, 90)} |",
    ]
    for network in published:
        lines.append(f"| {network.name} | {_cells([published_behaviour(network)], 50)} |")
    if not published:
        lines += ["", "No published model with kinetics was given to compare with."]
    return lines


def published_models(networks: Iterable[SignalingNetwork]) -> list[SignalingNetwork]:
    """Those with kinetics of their own, without the families that models are benchmarked on."""
    return [
        network
        for network in networks
        if family_of(network) not in PROTECTED_FAMILIES
        and network.inputs
        and all(m.tau_hours is not None for m in network.molecules)
        and all(i.n is not None for i in network.interactions if not i.is_input)
    ]


def published_behaviour(network: SignalingNetwork, conditions: int = 24) -> Behaviour:
    """A published model under one or two stimuli, from inputs of 0.1, as in the benchmark."""
    rng = np.random.default_rng(20251200)
    quiet = replace(
        network,
        interactions=tuple(
            replace(i, weight=0.1) if i.is_input else i for i in network.interactions
        ),
    )
    rows = []
    for _ in range(conditions):
        count = min(len(network.inputs), int(rng.integers(1, 3)))
        chosen = rng.choice(network.inputs, size=count, replace=False)
        rows.append(Condition({str(name): float(rng.uniform(0.4, 1.0)) for name in chosen}))
    states, _, _ = simulate_many([quiet], [rows])
    return behaviour_of(states[0])


def prior_density_report(networks: Iterable[SignalingNetwork]) -> list[str]:
    """The priors' density of n and EC50 at the values of a network, such as the fibroblast's."""
    lines = [
        "",
        "| model | n | density of ln n | EC50 | density of EC50 |",
        "|---|---|---|---|---|",
    ]
    for network in networks:
        values = [(i.n, i.ec50) for i in network.interactions if i.n and i.ec50 and i.sources]
        if not values:
            continue
        n, ec50 = np.median(np.array(values), axis=0)
        spread = float(np.hypot(PRIORS.n[1], PRIORS.n_within))
        spread_ec50 = float(np.hypot(PRIORS.ec50[1], PRIORS.ec50_within))
        density_n = _normal(float(np.log(n)), float(np.log(PRIORS.n[0])), spread)
        density_ec50 = _normal(float(ec50), PRIORS.ec50[0], spread_ec50)
        lines.append(
            f"| {network.name} | {n:.2f} | {density_n:.2f} | {ec50:.2f} | {density_ec50:.2f} |"
        )
    return lines


def plot_behaviour(made: Sequence[Trajectories], path: Path) -> None:
    """Histograms of every figure over networks, as a PNG file."""
    found = [behaviour_of(t.states) for t in made]
    names = [f.name for f in fields(Behaviour)]
    figure = Figure(figsize=(3 * len(names), 2.6), layout="constrained")
    labels = dict(zip(names, ("responding", "oscillating", "half-way (h)", "MSE of hold",
                              "MSE of the mean"), strict=True))  # fmt: skip
    for axes, name in zip(figure.subplots(1, len(names)), names, strict=True):
        values = np.array([getattr(b, name) for b in found])
        axes.hist(values[np.isfinite(values)], bins=20, color="C0")
        axes.set(xlabel=labels[name])
    figure.supylabel("networks")
    content = io.BytesIO()
    figure.savefig(content, dpi=120)
    write_bytes(path, content.getvalue())


def _cells(found: Sequence[Behaviour], percentile: float) -> str:
    values = np.array([[getattr(b, f.name) for f in fields(Behaviour)] for b in found])
    cut = np.nanpercentile(values, percentile, axis=0)
    return " | ".join(
        f"{v:.0%}" if i < 2 else f"{v:.2f}" if i == 2 else f"{v:.4f}" for i, v in enumerate(cut)
    )


def _turns(states: np.ndarray) -> np.ndarray:
    """How often each trajectory turns after a move of more than `RESPONSE`, (C, N)."""
    n_conditions, n_times, n_molecules = states.shape
    turns = np.zeros((n_conditions, n_molecules), int)
    extreme = states[:, 0].copy()
    direction = np.zeros((n_conditions, n_molecules))
    for t in range(1, n_times):
        now = states[:, t]
        moved = now - extreme
        onward = moved * direction > 0
        back = (np.abs(moved) > RESPONSE) & (moved * direction <= 0)
        turns += back & (direction != 0)
        direction = np.where(back, np.sign(moved), direction)
        extreme = np.where(onward | back, now, extreme)
    return turns


def _normal(value: float, centre: float, spread: float) -> float:
    return float(np.exp(-0.5 * ((value - centre) / spread) ** 2) / (spread * np.sqrt(2 * np.pi)))
