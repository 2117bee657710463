"""Measurements of one tissue from two tables: what was done, and what was observed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..common.errors import FormatError, FormatWarning
from ..formats.measured.condition_tables import read_conditions, read_observations
from ..model.condition_tensors import held_states
from ..model.conditions import Observation
from ..model.errors import quoted
from ..model.network import SignalingNetwork
from .measured import Measurements
from .simulated import visible_network

CONTRADICTS = 0.2
"""How far from where it is held a state is measured that noise does not explain."""


def read_measurements(
    network: SignalingNetwork, conditions_path: str, observations_path: str, track: str = "signs"
) -> Measurements:
    """Measurements of two tables; the mean of what was measured at time 0 is the state at rest.

    Activities that a perturbation holds say nothing of gates, nor of the state at rest, and are
    left out; a warning names those that contradict it.

    Args:
        network: with kinetics or without; what the track lets see of it is kept.
        conditions_path, observations_path: the tables; see `formats.measurements`.
        track: of `TRACKS`.

    Raises:
        FormatError: as `read_conditions` and `read_observations`, or there is nothing after time
            0, which gates are fitted to.
    """
    conditions = read_conditions(conditions_path, network)
    by_condition = read_observations(observations_path, network, conditions)
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
    _tell_contradictions(states, measured & is_held, at, names, network, observations_path)
    measured &= ~is_held
    later = np.array([of_condition[hours > 0].any() for of_condition in measured])
    of_others = np.array([any(o.time_hours > 0 for o in seen) for seen in others])
    if not (later | of_others).any():
        raise FormatError(
            "it holds nothing after time 0 but what perturbations hold; expected some, for that is "
            "what gates are fitted to",
            path=observations_path,
        )
    if not later.any():
        warnings.warn(
            f"{observations_path}: it holds no activity after time 0 that is free to move; the "
            "intervals of states go by what is missed of other modalities, in units in which "
            "these vary as activities do",
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
            f"{observations_path}: nothing was measured at time 0 of {quoted(guessed)}; the "
            "state at rest is taken to be where the fitted gates stand still, and intervals may "
            "not cover it",
            FormatWarning,
            stacklevel=2,
        )
    # What was seen at rest alone has told the state at rest, or is shown.
    kept = [row for row, seen in enumerate(others) if later[row] or seen]
    return Measurements(
        visible_network(network, track),
        tuple(of_rows[row] for row in kept),
        hours,
        states[kept],
        baseline,
        measured=measured[kept],
        others=tuple(others[row] for row in kept),
        sd=sd[kept],
        names=tuple(names[row] for row in kept),
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
            f"{path}: left out what was measured of {quoted(told)}, which a perturbation holds "
            "elsewhere; check what the table of conditions says of it",
            FormatWarning,
            stacklevel=3,
        )
