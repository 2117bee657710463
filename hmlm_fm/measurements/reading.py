"""Measurements of one network, from measured sets, tables of conditions and observations, or MIDAS.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..common.errors import FormatError, FormatWarning
from ..formats.measured.drug_targets import read_targets
from ..formats.measured.measured_tables import read_condition_tables
from ..formats.measured.readout_tables import read_readouts
from ..formats.measured.set_folder import read_measured_set
from ..formats.network_loading import load_network
from ..model.condition_tensors import held_states
from ..model.conditions import Condition, Observation
from ..model.error_base import quoted
from ..model.network import SignalingNetwork
from .measured import Measurements
from .simulated import visible_network

CONTRADICTS = 0.2
"""A state measured further than this from where it is held is not explained by noise."""


def read_measurements(
    network: SignalingNetwork | str | os.PathLike[str] | None,
    conditions: str | os.PathLike[str],
    observations: str | os.PathLike[str] | None = None,
    *,
    track: str = "signs",
    pathway: str | None = None,
    readouts: str | os.PathLike[str] | None = None,
    targets: str | os.PathLike[str] | None = None,
) -> Measurements:
    """Measurements of a measured set, of two tables, or of one table of CellNOpt's MIDAS format.

    The mean of what was measured at time 0, where nothing was perturbed before, is the state at
    rest. Activities that a perturbation holds carry no information on gates, nor on the state at
    rest, and are left out; a warning names those that contradict it.

    Args:
        network: a network, a shipped network's name, or a file; its kinetics are removed. None
            takes that of the measured set.
        conditions: the folder of a measured set; a table of stimuli and perturbations of each
            condition; or a MIDAS table, which has observations too.
        observations: table of measured values; see docs/measurements.md.
        track: of `TRACKS`: whether AND groups of the network are kept.
        pathway: the network to take of a file that holds several.
        readouts: table of what readouts measure, where they do not bear a molecule's name.
        targets: table of what drugs act on, beside the package's own.

    Raises:
        FormatError: a file cannot be read, there is no network, or there is nothing after time 0,
            which gates are fitted to.
    """
    if not isinstance(network, SignalingNetwork):
        network = load_network(network, pathway) if network else _network_of_set(conditions)
    path = str(observations or conditions)
    by_name, by_condition = read_condition_tables(
        network,
        conditions,
        observations,
        readouts=None if readouts is None else read_readouts(readouts),
        targets=None if targets is None else read_targets(targets),
    )
    table = _StateTable.from_observations(network, by_name, by_condition)
    _leave_out_held_states(table, network, path)
    _check_anything_to_fit(table, path)
    baseline = _baseline(table, network, path)
    # Activities at time 0 are in the state at rest; other modalities at time 0 are context.
    later = np.asarray(table.measured[:, table.hours > 0].any((1, 2)))
    kept = [row for row, others in enumerate(table.others) if later[row] or others]
    return Measurements(
        visible_network(network, track),
        tuple(table.conditions[row] for row in kept),
        table.hours,
        table.states[kept],
        baseline,
        measured=table.measured[kept],
        others=tuple(table.others[row] for row in kept),
        sd=table.sd[kept],
        names=tuple(table.names[row] for row in kept),
    )


def _network_of_set(folder: str | os.PathLike[str]) -> SignalingNetwork:
    """
    Raises:
        FormatError: it has none.
    """
    network = read_measured_set(folder).network
    if network is None:
        raise FormatError(
            "it has no network; expected network.json in it, or a network to be named (`hmlm "
            "network` makes one)",
            path=folder,
        )
    return network


@dataclass
class _StateTable:
    """Observations laid out by condition, time and molecule; see `Measurements`."""

    names: list[str]
    conditions: tuple[Condition, ...]
    hours: np.ndarray
    states: np.ndarray
    measured: np.ndarray
    sd: np.ndarray
    others: list[tuple[Observation, ...]]

    @classmethod
    def from_observations(
        cls,
        network: SignalingNetwork,
        conditions: Mapping[str, Condition],
        by_condition: Mapping[str, Sequence[Observation]],
    ) -> _StateTable:
        names = list(by_condition)
        every = [o for observations in by_condition.values() for o in observations]
        hours = np.unique([0.0, *(o.time_hours for o in every)])
        shape = (len(names), len(hours), len(network.molecules))
        states, measured = np.zeros(shape), np.zeros(shape, dtype=bool)
        sd = np.full(shape, np.nan)
        for row, name in enumerate(names):
            for o in by_condition[name]:
                if o.modality == "activity":
                    time = int(np.searchsorted(hours, o.time_hours))
                    place = (row, time, network.molecule_index[o.molecule])
                    states[place], measured[place] = o.value, True
                    sd[place] = np.nan if o.sd_value is None else o.sd_value
        others = [tuple(o for o in by_condition[n] if o.modality != "activity") for n in names]
        in_order = tuple(conditions[name] for name in names)
        return cls(names, in_order, hours, states, measured, sd, others)


def _leave_out_held_states(table: _StateTable, network: SignalingNetwork, path: str) -> None:
    """Leave out states that perturbations hold, and warn of those measured far from there."""
    is_held, held_at = held_states(table.conditions, table.hours, network)
    held = table.measured & is_held
    far = held & (np.abs(table.states - held_at) > CONTRADICTS)
    places = zip(*np.nonzero(far.any(1)), strict=True)
    contradicting = [f"{network.names[i]} in {table.names[c]}" for c, i in places]
    if contradicting:
        warnings.warn(
            f"{path}: left out what was measured of {quoted(contradicting)}, which a perturbation "
            "holds elsewhere; check what the table of conditions states of it",
            FormatWarning,
            stacklevel=3,
        )
    table.measured &= ~is_held


def _check_anything_to_fit(table: _StateTable, path: str) -> None:
    """
    Raises:
        FormatError: nothing was measured after time 0 but what perturbations hold.
    """
    later = table.measured[:, table.hours > 0].any()
    later_others = any(o.time_hours > 0 for others in table.others for o in others)
    if not later and not later_others:
        raise FormatError(
            "it holds nothing after time 0 but what perturbations hold; expected other "
            "measurements after time 0, which gates are fitted to",
            path=path,
        )
    if not later:
        warnings.warn(
            f"{path}: it holds no activity after time 0 that is free to move; the intervals of "
            "states follow from errors on other modalities, in units in which these vary as "
            "activities do",
            FormatWarning,
            stacklevel=3,
        )


def _baseline(table: _StateTable, network: SignalingNetwork, path: str) -> np.ndarray:
    """The state at rest (N): the mean of what was measured at time 0 where nothing was perturbed,
    or of everything there where that is all there is; NaN where nothing was measured.

    What an inhibitor that was given before has done by time 0 is that condition's own.
    """
    at_rest = table.measured[:, 0].copy()
    unperturbed = np.array([not condition.perturbations for condition in table.conditions])
    has_any = (at_rest & unperturbed[:, None]).any(0)
    at_rest &= unperturbed[:, None] | ~has_any
    count = at_rest.sum(0)
    total = np.where(at_rest, table.states[:, 0], 0.0).sum(0)
    shown = {o.molecule for others in table.others for o in others if o.time_hours == 0}
    unknown = [
        name
        for name, n in zip(network.names, count, strict=True)
        if not n and name not in shown
    ]  # fmt: skip
    if unknown:
        warnings.warn(
            f"{path}: nothing was measured at time 0 of {quoted(unknown)}; the state at rest is "
            "taken to be where the fitted gates stand still, and intervals may not cover it",
            FormatWarning,
            stacklevel=3,
        )
    # Noise may put a state near an end of its range beyond it.
    return np.where(count > 0, np.clip(total / np.maximum(count, 1), 0, 1), np.nan)
