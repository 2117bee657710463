"""Cells whose molecules add what reaches them, and get used to it: kinetics other than the gates'.

A molecule's regulators count as a weighted sum, which saturates; and what a molecule passes on may
fade while it stays active, as feedback, desensitisation and internalisation make it do. With x the
activities, a what molecules are used to, w the signed weights, u inputs and τ time constants:

    τ dx/dt = σ(w · y + u) − x,   y = h max(x − f a, 0),   τₐ da/dt = x − a,
    σ(z) = tanh(max(z, 0))

h is what a treatment leaves of what a molecule passes on, f how much of it fades. Sums in place of
gates are the model of Nilsson et al., Nat Commun 2022;13:3069; adaptation by a slow variable that
is taken off is integral feedback in its simplest form (Yi et al., PNAS 2000;97:4649).

Shapes: C conditions, T times, N molecules, W worlds, padded to the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..model.conditions import Condition
from ..model.network import SignalingNetwork

REST_HOURS = 60.0
"""How long cells stand in the background before time 0."""
SHORTEST_STEP, GROWTH = 0.02, 1.08
"""Hours of the first step of integration, and how much longer each following one is."""
FADING_SHARE = 0.3
"""Of molecules whose output fades."""


@torch.no_grad()
def simulate_sums(
    networks: Sequence[SignalingNetwork],
    conditions: Sequence[Sequence[Condition]],
    hours: Sequence[float],
    rngs: Sequence[np.random.Generator],
) -> list[np.ndarray]:
    """Simulate cells side by side, each under as many conditions, the first without treatment.

    Args:
        networks: with signs, input weights and time constants; logic is not used.
        conditions: of each network; stimuli, inhibitions and overexpressions throughout.
        hours: when states are kept, rising.
        rngs: of each network; weights and fading are drawn.

    Returns:
        Of each network its states (C, T, N).
    """
    cells = [_Cells.drawn(*each) for each in zip(networks, conditions, rngs, strict=True)]
    largest = max(c.weights.shape[0] for c in cells)

    def joined(name: str, molecule_axes: int = 1) -> torch.Tensor:
        padded = []
        for cell in cells:
            value = getattr(cell, name)
            missing = largest - value.shape[-1]
            rest = [(0, 0)] * (value.ndim - molecule_axes)
            padded.append(np.pad(value, [*rest, *[(0, missing)] * molecule_axes]))
        return torch.as_tensor(np.stack(padded), dtype=torch.float32)

    weights, given, kept = joined("weights", 2), joined("given"), joined("kept")
    pace, slow, fading = joined("pace")[:, None], joined("slow")[:, None], joined("fading")[:, None]
    x, used = torch.zeros(given.shape), torch.zeros(given.shape)

    def advance(
        x: torch.Tensor, used: torch.Tensor, step: float, there: slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        passed = (kept[:, there] * (x - fading * used)).clamp(min=0)
        goal = torch.tanh((passed @ weights + given[:, there]).clamp(min=0))
        # Exponential steps stay in range whatever the time constants are.
        return (
            goal + (x - goal) * torch.exp(-step * pace),
            x + (used - x) * torch.exp(-step * slow),
        )

    at_rest = slice(0, 1)
    rest, rest_used = x[:, at_rest], used[:, at_rest]
    for step in _steps(0.0, REST_HOURS):
        rest, rest_used = advance(rest, rest_used, step, at_rest)
    x, used, time, states = rest.expand_as(x), rest_used.expand_as(used), 0.0, []
    for hour in hours:
        for step in _steps(time, hour):
            x, used = advance(x, used, step, slice(None))
        time = hour
        states.append(x)
    kept_states = torch.stack(states, 2).numpy()
    return [kept_states[i, :, :, : cell.weights.shape[0]] for i, cell in enumerate(cells)]


def _steps(start: float, end: float) -> list[float]:
    """Steps from one time to another, longer as time goes on."""
    found, time = [], start
    while time < end:
        step = min(SHORTEST_STEP + (GROWTH - 1) * time, end - time)
        found.append(step)
        time = end if end - time - step < 1e-9 else time + step
    return found


@dataclass(frozen=True)
class _Cells:
    """The parameters of one network's cells.

    Attributes:
        weights: (N, N) from rows to columns.
        given: (C, N) inputs.
        kept: (C, N) what treatments leave of what molecules pass on.
        pace, slow: (N) one over the time constants of activity and of getting used to it, 1/h.
        fading: (N) how much of what a molecule passes on fades.
    """

    weights: np.ndarray
    given: np.ndarray
    kept: np.ndarray
    pace: np.ndarray
    slow: np.ndarray
    fading: np.ndarray

    @classmethod
    def drawn(
        cls,
        network: SignalingNetwork,
        conditions: Sequence[Condition],
        rng: np.random.Generator,
    ) -> _Cells:
        index, count = network.molecule_index, len(network.molecules)
        weights, tonic = np.zeros((count, count)), np.zeros(count)
        for interaction in network.interactions:
            target = index[interaction.target]
            if interaction.is_input:
                tonic[target] += interaction.weight or 0.0
            for source, sign in zip(interaction.sources, interaction.signs, strict=True):
                weights[index[source], target] = sign * np.exp(rng.normal(0, 0.5))
        # What is inhibited alone needs something to be taken from.
        held = (weights < 0).any(0) & ~(weights > 0).any(0)
        tonic = tonic + held * rng.uniform(0.3, 1.2, count)
        # As many regulators as there are, together they about fill the range.
        weights *= rng.uniform(0.8, 1.8) / np.sqrt(np.maximum((weights != 0).sum(0), 1))
        given = np.tile(tonic, (len(conditions), 1))
        kept = np.ones_like(given)
        for c, condition in enumerate(conditions):
            for name, level in condition.stimuli.items():
                given[c, index[name]] = max(2 * level, tonic[index[name]])
            for done in condition.perturbations:
                if done.kind == "inhibition":
                    kept[c, index[done.target]] *= 1 - done.strength
                else:
                    given[c, index[done.target]] += done.strength
        tau = np.array([m.tau_hours or 1.0 for m in network.molecules])
        fading = (rng.random(count) < FADING_SHARE) * rng.uniform(0.3, 1.0, count)
        slow = 1 / (tau * np.exp(rng.uniform(0, 3, count)))
        return cls(weights, given, kept, 1 / tau, slow, fading)
