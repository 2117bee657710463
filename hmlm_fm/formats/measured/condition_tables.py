"""Conditions and observations of one network, from the two tables of a measured set, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from ...common.errors import FormatError, FormatWarning
from ...model.conditions import Condition, Observation
from ...model.error_base import quoted
from ...model.network import SignalingNetwork
from ..tables import PathLike
from .binding import Molecules, bind_conditions, bind_values
from .drug_targets import DrugTable
from .measured_set import STIMULUS, Measurement, Treatment
from .readout_tables import Readout
from .set_tables import read_treatments, read_values, write_treatments, write_values


def read_conditions(
    path: PathLike,
    network: SignalingNetwork,
    *,
    strict: bool = False,
    targets: DrugTable | None = None,
) -> dict[str, Condition]:
    """Read a table of conditions of a network.

    Args:
        path: the table.
        network: whose molecules it names.
        strict: refuse molecules that the network has not. Otherwise what is done to them is left
            out, and one `FormatWarning` names them and the conditions that this changes.
        targets: of drugs, where the shipped table has not the right ones.

    Returns:
        Conditions by name, in the order of the table. A knockout's strength is 1.

    Raises:
        FormatError: as `read_treatments` and `bind_conditions`. The message names file and row.
    """
    treatments = read_treatments(path)
    return bind_conditions(treatments, Molecules(network), path, strict=strict, targets=targets)


def read_observations(
    path: PathLike,
    network: SignalingNetwork,
    conditions: Mapping[str, Condition] | None = None,
    *,
    readouts: Mapping[str, Readout] | None = None,
) -> dict[str, tuple[Observation, ...]]:
    """Read a table of what was measured of a network.

    Args:
        path: the table.
        network: whose molecules it names. Observations of others are left out, and one
            `FormatWarning` names them.
        conditions: those of `read_conditions`; the observations must be of exactly these. None
            takes the conditions as they come.
        readouts: what readouts measure, where they do not bear a molecule's name.

    Returns:
        Observations by condition, in the order of `conditions`, else of the table; those of one
        condition in the order of the table.

    Raises:
        FormatError: as `read_values` and `bind_values`; or one of `conditions` has no observations.
            The message names file and row.
    """
    measurements = read_values(path, conditions)
    found = bind_values(measurements, Molecules(network), path, readouts)
    names = conditions or dict.fromkeys(m.condition for m in measurements)
    bare = [name for name in names if name not in found]
    if bare:
        raise FormatError(
            f"there are no observations of condition {quoted(bare)} on molecules of network "
            f"{network.name!r}; expected some of each",
            path=path,
        )
    return {name: found[name] for name in names}


def measured_conditions(
    conditions: Mapping[str, Condition],
    observations: Mapping[str, Sequence[Observation]],
    path: PathLike,
) -> tuple[dict[str, Condition], dict[str, tuple[Observation, ...]]]:
    """Those conditions of which something was measured; a `FormatWarning` names the others."""
    bare = [name for name in conditions if not observations.get(name)]
    if bare:
        warnings.warn(
            f"{path}: left out condition {quoted(bare)}, of which nothing was measured",
            FormatWarning,
            stacklevel=3,
        )
    kept = [name for name in conditions if observations.get(name)]
    return {n: conditions[n] for n in kept}, {n: tuple(observations[n]) for n in kept}


def write_conditions(conditions: Mapping[str, Condition], path: PathLike) -> None:
    """Write conditions by name as a comma-separated table that `read_conditions` reads.

    Raises:
        FormatError: there are none, or a name is blank, padded, or has a tab or a line break.
        OSError: the file cannot be written.
    """
    treatments = {
        name: (
            *(Treatment(STIMULUS, molecule, level) for molecule, level in c.stimuli.items()),
            *(
                Treatment(p.kind, p.target, p.strength, p.start_hours, p.end_hours)
                for p in c.perturbations
            ),
        )
        for name, c in conditions.items()
    }
    write_treatments(treatments, path)


def write_observations(observations: Mapping[str, Sequence[Observation]], path: PathLike) -> None:
    """Write observations by condition as a comma-separated table that `read_observations` reads.

    Raises:
        FormatError: there are none, a condition has none, or a name is blank, padded, or has a tab
            or a line break.
        OSError: the file cannot be written.
    """
    bare = [name for name, measured in observations.items() if not measured]
    if bare:
        raise FormatError(
            f"condition {quoted(bare)} has no observations; a table of observations cannot hold "
            "that",
            path=path,
        )
    write_values(
        [
            Measurement(name, o.molecule, o.time_hours, o.value, o.modality, o.sd_value)
            for name, measured in observations.items()
            for o in measured
        ],
        path,
    )
