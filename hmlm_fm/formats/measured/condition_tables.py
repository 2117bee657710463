"""Tables of measurements: what was done to a network in each condition, and what was observed.

Two tables, separated by commas, semicolons or tabs, possibly gzipped, with a header:

- conditions: `condition`, `kind` (stimulus or one of `PERTURBATION_KINDS`), `molecule`, `value`
  (the level or strength), and optionally `start_hours` and `end_hours`. One row for each thing
  that is done; a row that names only its condition does nothing, as a control's.
- observations: `condition`, `molecule`, `time_hours`, `value`, and optionally `modality` (activity
  where empty) and `sd` (standard deviation, in the unit of the value).

Other columns are not read. Numbers have a decimal point.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from ...common.errors import FormatError
from ...common.files import write_text
from ...model.conditions import (
    LONGEST_HOURS,
    MODALITIES,
    PERTURBATION_KINDS,
    PLAUSIBLE_VALUES,
    Condition,
    Observation,
    Perturbation,
)
from ...model.error_base import did_you_mean, quoted
from ...model.network import SignalingNetwork
from ..lost_content import refuse_breaks
from ..tables import (
    PathLike,
    is_repeated,
    no_molecule,
    number_of,
    rows_of,
    text_of,
    warn_of_unknown,
)

STIMULUS = "stimulus"
KINDS = (STIMULUS, *PERTURBATION_KINDS)

CONDITION_COLUMNS = ("condition", "kind", "molecule", "value")
WINDOW_COLUMNS = ("start_hours", "end_hours")
OBSERVATION_COLUMNS = ("condition", "molecule", "time_hours", "value")
OPTIONAL_OBSERVATION_COLUMNS = ("modality", "sd")


def read_conditions(
    path: PathLike, network: SignalingNetwork, *, strict: bool = False
) -> dict[str, Condition]:
    """Read a table of conditions.

    Args:
        path: the table.
        network: whose molecules it names.
        strict: refuse molecules that the network has not. Otherwise what is done to them is left
            out, and one `FormatWarning` names them and the conditions that this changes.

    Returns:
        Conditions by name, in the order of the table. A knockout's strength is 1.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, an unknown kind, a
            level or strength outside [0, 1], an empty window, a stimulus with a window, one thing
            done twice with different values, a molecule that the network has not where `strict`,
            or no molecule that it has. The message names file and row.
    """
    earlier: dict[tuple[object, ...], tuple[object, str]] = {}
    stimuli: dict[str, dict[str, float]] = {}
    perturbations: dict[str, list[Perturbation]] = {}
    unknown: dict[str, list[str]] = {}
    molecules: set[str] = set()
    for place, row in rows_of(path, CONDITION_COLUMNS, WINDOW_COLUMNS):
        name = text_of(row, "condition", path, place)
        stimuli.setdefault(name, {})
        perturbations.setdefault(name, [])
        done = _done(row, path, place)
        if done is None:
            continue
        kind = STIMULUS if isinstance(done, tuple) else done.kind
        molecule, value = done if isinstance(done, tuple) else (done.target, done.strength)
        window = () if isinstance(done, tuple) else (done.start_hours, done.end_hours)
        if is_repeated(earlier, (name, kind, molecule, *window), value, path, place):
            continue
        molecules.add(molecule)
        if molecule not in network.molecule_index:
            if strict:
                raise FormatError(no_molecule(molecule, network), path=path, place=place)
            unknown.setdefault(molecule, []).append(name)
        elif isinstance(done, tuple):
            stimuli[name][molecule] = value
        else:
            perturbations[name].append(done)
    if not stimuli:
        raise FormatError("it holds no conditions", path=path)
    changed = tuple(dict.fromkeys(name for names in unknown.values() for name in names))
    warn_of_unknown(unknown, molecules, network, path, changed)
    return {name: Condition(stimuli[name], tuple(perturbations[name])) for name in stimuli}


def read_observations(
    path: PathLike,
    network: SignalingNetwork,
    conditions: Mapping[str, Condition] | None = None,
) -> dict[str, tuple[Observation, ...]]:
    """Read a table of what was measured.

    Args:
        path: the table.
        network: whose molecules it names. Observations of others are left out, and one
            `FormatWarning` names them.
        conditions: those of `read_conditions`; the observations must be of exactly these. None
            takes the conditions as they come.

    Returns:
        Observations by condition, in the order of `conditions`, else of the table; those of one
        condition in the order of the table.

    Raises:
        FormatError: a missing file or column, a row of another length, no rows, an unknown
            modality, a time that is negative, beyond `LONGEST_HOURS` or no number, a value outside
            the `PLAUSIBLE_VALUES` of its modality, an sd that is not above 0, one thing measured
            twice with different values, an observation of a condition that `conditions`
            has not, one of `conditions` without observations, or no molecule of the network. The
            message names file and row.
    """
    found: dict[str, list[Observation]] = {name: [] for name in conditions or ()}
    earlier: dict[tuple[object, ...], tuple[object, str]] = {}
    unknown: dict[str, list[str]] = {}
    molecules: set[str] = set()
    for place, row in rows_of(path, OBSERVATION_COLUMNS, OPTIONAL_OBSERVATION_COLUMNS):
        name = text_of(row, "condition", path, place)
        if conditions is not None and name not in conditions:
            raise FormatError(_no_condition(name, conditions), path=path, place=place)
        observation = _observation(row, path, place)
        key = (name, observation.molecule, observation.time_hours, observation.modality)
        value = (observation.value, observation.sd_value)
        hint = " (of replicates, the mean and its sd)"
        if is_repeated(earlier, key, value, path, place, hint):
            continue
        molecules.add(observation.molecule)
        if observation.molecule in network.molecule_index:
            found.setdefault(name, []).append(observation)
        else:
            unknown.setdefault(observation.molecule, []).append(name)
    if not molecules:
        raise FormatError("it holds no observations", path=path)
    warn_of_unknown(unknown, molecules, network, path)
    bare = [name for name, observations in found.items() if not observations]
    if bare:
        raise FormatError(
            f"there are no observations of condition {quoted(bare)} on molecules of network "
            f"{network.name!r}; expected some of each",
            path=path,
        )
    return {name: tuple(observations) for name, observations in found.items()}


def write_conditions(conditions: Mapping[str, Condition], path: PathLike) -> None:
    """Write conditions by name as a comma-separated table that `read_conditions` reads.

    Raises:
        FormatError: there are none, or a name is blank, padded, or has a tab or a line break.
        OSError: the file cannot be written.
    """
    if not conditions:
        raise FormatError("there are no conditions to write", path=path)
    rows = []
    for name, condition in conditions.items():
        names = (name, *condition.stimuli, *(p.target for p in condition.perturbations))
        _refuse_names(names, "a table of conditions")
        done = [
            *(
                (STIMULUS, molecule, _number(v), "", "")
                for molecule, v in condition.stimuli.items()
            ),
            *(_perturbation_cells(p) for p in condition.perturbations),
        ]
        rows += [(name, *cells) for cells in done or [("",) * 5]]
    _write((*CONDITION_COLUMNS, *WINDOW_COLUMNS), rows, path)


def write_observations(observations: Mapping[str, Sequence[Observation]], path: PathLike) -> None:
    """Write observations by condition as a comma-separated table that `read_observations` reads.

    Raises:
        FormatError: there are none, a condition has none, or a name is blank, padded, or has a tab
            or a line break.
        OSError: the file cannot be written.
    """
    bare = [name for name, measured in observations.items() if not measured]
    if bare or not observations:
        what = f"condition {quoted(bare)} has no observations" if bare else "there are none"
        raise FormatError(f"{what}; a table of observations cannot hold that", path=path)
    rows = []
    for name, measured in observations.items():
        _refuse_names((name, *(o.molecule for o in measured)), "a table of observations")
        rows += [
            (
                name,
                o.molecule,
                _number(o.time_hours),
                _number(o.value),
                o.modality,
                "" if o.sd_value is None else _number(o.sd_value),
            )
            for o in measured
        ]
    _write((*OBSERVATION_COLUMNS, *OPTIONAL_OBSERVATION_COLUMNS), rows, path)


# -- rows ---------------------------------------------------------------------------------------


def _no_condition(name: str, conditions: Mapping[str, Condition]) -> str:
    hint = did_you_mean(name, conditions)
    return f"condition {name!r} is none of the {len(conditions)} that are defined{hint}"


def _done(
    row: Mapping[str, str], path: PathLike, place: str
) -> tuple[str, float] | Perturbation | None:
    """What a row does: a stimulus as molecule and level, a perturbation, or nothing."""
    kind, molecule = row["kind"], row["molecule"]
    window = [row.get(column, "") for column in WINDOW_COLUMNS]
    if not any((kind, molecule, row["value"], *window)):
        return None
    if kind not in KINDS:
        found = f"kind is {kind!r}" if kind else "kind is empty"
        hint = did_you_mean(kind, KINDS)
        raise FormatError(
            f"{found}; expected one of {', '.join(KINDS)}{hint}", path=path, place=place
        )
    molecule = text_of(row, "molecule", path, place)
    value = 1.0
    if kind != "knockout" or row["value"]:
        value = number_of(row, "value", path, place)
    if not 0.0 <= value <= 1.0:
        raise FormatError(
            f"value is {row['value']!r}; expected a number in [0, 1]", path=path, place=place
        )
    if kind == STIMULUS:
        if any(window):
            raise FormatError(
                "a stimulus lasts for the whole of its condition; expected no window, or the kind "
                "clamp",
                path=path,
                place=place,
            )
        return molecule, value
    start = number_of(row, "start_hours", path, place) if window[0] else 0.0
    end = number_of(row, "end_hours", path, place) if window[1] else math.inf
    try:
        return Perturbation(molecule, kind, value, start, end)
    except ValueError as error:
        raise FormatError(str(error), path=path, place=place) from None


def _observation(row: Mapping[str, str], path: PathLike, place: str) -> Observation:
    molecule = text_of(row, "molecule", path, place)
    modality = row.get("modality") or "activity"
    if modality not in MODALITIES:
        raise FormatError(
            f"modality is {modality!r}; expected one of {', '.join(MODALITIES)}"
            + did_you_mean(modality, MODALITIES),
            path=path,
            place=place,
        )
    time_hours = number_of(row, "time_hours", path, place)
    value = number_of(row, "value", path, place)
    sd = None
    if row.get("sd"):
        sd = number_of(row, "sd", path, place)
        if sd <= 0:
            raise FormatError(
                f"sd is {row['sd']!r}; expected a number above 0, or nothing",
                path=path,
                place=place,
            )
    observation = Observation(molecule, time_hours, value, modality, sd)
    check_ranges(observation, path, place)
    return observation


def check_ranges(
    observation: Observation,
    path: PathLike,
    place: str,
    time: str = "time_hours",
    value: str = "value",
) -> None:
    """Refuse a time beyond `LONGEST_HOURS` and a value beyond the `PLAUSIBLE_VALUES`.

    Args:
        time, value: the columns that they come from.

    Raises:
        FormatError: naming file, row and column.
    """
    hours, found, modality = observation.time_hours, observation.value, observation.modality
    if not 0 <= hours <= LONGEST_HOURS:
        raise FormatError(
            f"{time} is {hours!r} hours; expected from 0 to {LONGEST_HOURS:g} hours",
            path=path,
            place=place,
        )
    low, high = PLAUSIBLE_VALUES[modality]
    if not low <= found <= high:
        unit = (
            "activities lie in [0, 1], but for noise and overexpression"
            if modality == "activity"
            else "in relative units, such as a fold change or its logarithm"
        )
        raise FormatError(
            f"{value} is {found!r}; expected {modality} from {low:g} to {high:g} ({unit})",
            path=path,
            place=place,
        )


# -- writing ------------------------------------------------------------------------------------


def _perturbation_cells(p: Perturbation) -> tuple[str, ...]:
    return (
        p.kind,
        p.target,
        "" if p.kind == "knockout" else _number(p.strength),
        "" if p.start_hours == 0 else _number(p.start_hours),
        "" if p.end_hours == math.inf else _number(p.end_hours),
    )


def _number(value: float) -> str:
    return repr(float(value))  # the shortest text that is read as the same number


def _refuse_names(names: Iterable[str], format_name: str) -> None:
    names = tuple(names)
    refuse_breaks(names, format_name)
    for name in names:
        if not name or name != name.strip():
            raise FormatError(f"{format_name} cannot hold the name {name!r}")


def _write(columns: Sequence[str], rows: Iterable[Sequence[str]], path: PathLike) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    write_text(path, text.getvalue())
