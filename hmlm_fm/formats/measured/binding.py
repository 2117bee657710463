"""From treatments and readouts to the molecules of a network: what a set's names mean in it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...common.errors import FormatError, FormatWarning
from ...model.conditions import (
    LONGEST_HOURS,
    PLAUSIBLE_VALUES,
    Condition,
    Observation,
    Perturbation,
)
from ...model.error_base import did_you_mean, quoted
from ...model.network import SignalingNetwork
from ..names import meaning_of
from ..tables import PathLike, no_molecule, warn_of_unknown
from .drug_targets import DrugTable, known_drugs
from .measured_set import DRUG, LATE, STIMULUS, Measurement, Treatment
from .readout_tables import Readout

STEADY_HOURS = 48.0
"""When a steady state is taken to be reached, where the set has no other time; else at twice the
latest of them."""


class Molecules:
    """Finds molecules of a network by name and by gene.

    Attributes:
        network: whose molecules they are.
        by_their_genes: names of others that were found by the genes that they stand for, with the
            molecules.
    """

    def __init__(self, network: SignalingNetwork, exactly: bool = True) -> None:
        """
        Args:
            exactly: take names as they are written. Otherwise one also stands for the only molecule
                that differs in case alone, or that is made of the genes that the name means.
        """
        self.network, self.exactly = network, exactly
        self.by_their_genes: dict[str, str] = {}
        self._folded: dict[str, list[str]] = {}
        for name in network.names:
            self._folded.setdefault(name.casefold(), []).append(name)

    def by_name(self, name: str, by_meaning: bool = True) -> str | None:
        """The molecule of this name; not of the genes that it means where `by_meaning` is off."""
        if name in self.network.molecule_index:
            return name
        if self.exactly:
            return None
        alike = self._folded.get(name.casefold(), [])
        if alike:
            return alike[0] if len(alike) == 1 else None
        if not by_meaning:
            return None
        found = self.by_genes(meaning_of(name).members)
        if found is not None:
            self.by_their_genes[name] = found
        return found

    def by_genes(self, genes: Sequence[str]) -> str | None:
        """The molecule that shares most of its members with these genes; the first of several."""
        wanted = set(genes)
        best, most = None, 0.0
        for molecule in self.network.molecules:
            own = set(molecule.members) or {molecule.name}
            shared = len(wanted & own) / len(wanted | own) if wanted else 0.0
            if shared > most:
                best, most = molecule.name, shared
        return best


def bind_conditions(
    conditions: Mapping[str, Sequence[Treatment]],
    molecules: Molecules,
    path: PathLike,
    *,
    targets: DrugTable | None = None,
    strict: bool = False,
) -> dict[str, Condition]:
    """What treatments do to molecules of a network.

    Doses count relative to the largest of their treatment. A drug inhibits its targets, by the
    shipped table where `targets` has no other. A stimulus with a window holds its molecule at the
    level in the window. What began before time 0 acts from 0 on, and what ended by then not at all,
    of which a `FormatWarning` tells.

    Args:
        conditions: what is done, by the name of the condition.
        molecules: of the network.
        path: the file, for messages.
        targets: of drugs.
        strict: refuse what the network has not. Otherwise conditions in which something is done to
            it are left out, for without that they would be others, and one `FormatWarning` names
            them.

    Raises:
        FormatError: one molecule is stimulated, or inhibited, by two treatments; something that
            the network has not where `strict`, or nothing that it has.
    """
    drugs = known_drugs(targets)
    largest = _largest_doses(conditions)
    unknown: dict[str, list[str]] = {}
    past: dict[str, None] = {}
    found: dict[str, Condition] = {}
    for name, done in conditions.items():
        stimuli: dict[str, float] = {}
        perturbations: list[Perturbation] = []
        for treatment in done:
            if treatment.end_hours <= 0:
                past.setdefault(treatment.label)
                continue
            dose = treatment.value / largest[treatment.key] if _is_dose(treatment) else None
            effects = _effects(treatment, dose, molecules, drugs)
            for effect in effects:
                _add(effect, treatment, stimuli, perturbations, path)
            if not effects:
                if strict:
                    problem = no_molecule(treatment.name, molecules.network)
                    raise FormatError(problem, path=path, place=treatment.place)
                unknown.setdefault(treatment.name, []).append(name)
        found[name] = Condition(stimuli, tuple(perturbations))
    left_out = tuple(dict.fromkeys(name for names in unknown.values() for name in names))
    every = {t.name for done in conditions.values() for t in done}
    if past:
        warnings.warn(
            f"{path}: {quoted(past)} ended by time 0, and is known by what was measured then alone",
            FormatWarning,
            stacklevel=2,
        )
    warn_of_unknown(unknown, every, molecules.network, path, left_out)
    return {name: condition for name, condition in found.items() if name not in left_out}


Effect = tuple[str, float] | Perturbation
"""A stimulus as molecule and level, or a perturbation."""


def _is_dose(treatment: Treatment) -> bool:
    return bool(treatment.unit) or treatment.kind == DRUG


def _largest_doses(
    conditions: Mapping[str, Sequence[Treatment]],
) -> dict[tuple[str, str, float, float], float]:
    largest: dict[tuple[str, str, float, float], float] = {}
    for done in conditions.values():
        for t in done:
            largest[t.key] = max(largest.get(t.key, 0.0), t.value)
    return {key: value or 1.0 for key, value in largest.items()}


def _effects(
    treatment: Treatment, dose: float | None, molecules: Molecules, drugs: DrugTable
) -> list[Effect]:
    """What a treatment does to molecules of the network; nothing where it has none of them."""
    start = max(treatment.start_hours, 0.0)
    window = start, treatment.end_hours
    level = treatment.value if dose is None else dose
    if treatment.kind == DRUG:
        known = drugs.find(treatment.name)
        strengths: dict[tuple[str, str], float] = {}
        for target in known[1] if known else ():
            molecule = molecules.by_genes((target.gene,)) or molecules.by_name(target.gene)
            if molecule is not None:
                strengths[molecule, target.kind] = target.strength * level
        return [Perturbation(m, kind, s, *window) for (m, kind), s in strengths.items()]
    molecule = molecules.by_name(treatment.name)
    if molecule is None:
        return []
    if treatment.kind != STIMULUS:
        return [Perturbation(molecule, treatment.kind, level, *window)]
    if window == (0.0, math.inf):
        return [(molecule, level)]
    return [Perturbation(molecule, "clamp", level, *window)]


def _add(
    effect: Effect,
    treatment: Treatment,
    stimuli: dict[str, float],
    perturbations: list[Perturbation],
    path: PathLike,
) -> None:
    """
    Raises:
        FormatError: another treatment does that to the molecule already, and neither is a drug.
    """
    if isinstance(effect, Perturbation):
        for i, p in enumerate(perturbations):
            if (p.target, p.kind, p.start_hours, p.end_hours) != (
                effect.target, effect.kind, effect.start_hours, effect.end_hours,
            ):  # fmt: skip
                continue
            if treatment.kind != DRUG:
                raise _done_twice(treatment, effect.target, path)
            left = (1 - p.strength) * (1 - effect.strength)
            perturbations[i] = Perturbation(p.target, p.kind, 1 - left, p.start_hours, p.end_hours)
            return
        perturbations.append(effect)
        return
    molecule, level = effect
    if molecule in stimuli:
        raise _done_twice(treatment, molecule, path)
    stimuli[molecule] = level


def _done_twice(treatment: Treatment, molecule: str, path: PathLike) -> FormatError:
    return FormatError(
        f"{treatment.label} does to {molecule!r} what another treatment does; expected one",
        path=path,
        place=treatment.place,
    )


def bind_values(
    measurements: Sequence[Measurement],
    molecules: Molecules,
    path: PathLike,
    readouts: Mapping[str, Readout] | None = None,
    advice: str = "",
) -> dict[str, tuple[Observation, ...]]:
    """What was measured of molecules of a network, by condition, in the order of the set.

    A readout is of the molecule that bears its name, or that is made of the genes that `readouts`
    states. Replicates are averaged. Several readouts of one molecule are averaged too, each put on
    the mean and the standard deviation of the first, and a `FormatWarning` names them.

    Args:
        measurements: all values.
        molecules: of the network.
        path: the file, for messages.
        readouts: what readouts measure.
        advice: what an error about readouts of no molecule ends with.

    Raises:
        FormatError: no readout is of a molecule of the network, two are of one molecule and
            `readouts` does not say so, or a value is beyond the `PLAUSIBLE_VALUES`.
    """
    molecule_of, unknown = _molecules_of(measurements, molecules, readouts or {}, path)
    names = {m.readout for m in measurements}
    if unknown and not molecule_of:
        first = next(iter(unknown))
        raise FormatError(
            f"none of its {len(names)} molecules is in network {molecules.network.name!r}, such as "
            f"{first!r}{did_you_mean(first, molecules.network.names)}{advice}",
            path=path,
        )
    warn_of_unknown(unknown, names, molecules.network, path)
    steady = steady_hours(m.time_hours for m in measurements)
    kept = [m for m in measurements if m.readout in molecule_of]
    of_readout = _averaged(kept, steady, path)
    merged = _of_molecules(of_readout, molecule_of)
    observations: dict[str, list[Observation]] = {}
    for (condition, molecule, hours, modality), (value, sd) in merged.items():
        observations.setdefault(condition, []).append(
            Observation(molecule, hours, value, modality, sd)
        )
    return {name: tuple(found) for name, found in observations.items()}


def steady_hours(times: Iterable[float]) -> float:
    """The hour at which a network stands for a steady state: twice the last time of others, within
    `LONGEST_HOURS`; `STEADY_HOURS` where there is none."""
    last = max((t for t in times if t != LATE), default=0.0)
    return min(2 * last, LONGEST_HOURS) if last > 0 else STEADY_HOURS


Place = tuple[str, str, float, str]
"""Condition, readout or molecule, hours, modality."""


def _molecules_of(
    measurements: Sequence[Measurement],
    molecules: Molecules,
    readouts: Mapping[str, Readout],
    path: PathLike,
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The molecule of every readout that has one, and the conditions of the others.

    Raises:
        FormatError: two readouts are of one molecule, though neither states its genes.
    """
    molecule_of: dict[str, str] = {}
    first_of: dict[tuple[str, str], str] = {}
    together: dict[str, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    for m in measurements:
        stated = readouts.get(m.readout)
        if m.readout not in molecule_of and m.readout not in unknown:
            found = molecules.by_name(m.readout, by_meaning=stated is None)
            if found is None and stated is not None:
                found = molecules.by_genes(stated.genes)
            if found is None and m.readout.startswith("p-"):
                found = molecules.by_name(m.readout.removeprefix("p-"))
            if found is not None:
                molecule_of[m.readout] = found
                before = first_of.setdefault((found, m.modality), m.readout)
                if before != m.readout:
                    if stated is None:
                        raise FormatError(
                            f"{before} and {m.readout} are of one molecule, {found!r}; expected "
                            "one of them, or both in a table --readouts",
                            path=path,
                            place=m.place,
                        )
                    together.setdefault(found, [before]).append(m.readout)
        if m.readout not in molecule_of:
            unknown.setdefault(m.readout, []).append(m.condition)
    if together:
        words = "; ".join(f"{name} is the mean of {quoted(of)}" for name, of in together.items())
        warnings.warn(f"{path}: {words}, on one scale", FormatWarning, stacklevel=4)
    return molecule_of, unknown


def _averaged(
    measurements: Sequence[Measurement], steady: float, path: PathLike
) -> dict[Place, tuple[float, float | None]]:
    """Means of replicates with their standard deviations, by readout.

    Raises:
        FormatError: a value is beyond the plausible ones of its modality.
    """
    groups: dict[Place, list[Measurement]] = {}
    for m in measurements:
        check_value(m, path)
        hours = steady if m.time_hours == LATE else m.time_hours
        groups.setdefault((m.condition, m.readout, hours, m.modality), []).append(m)
    noise = replicate_noise(list(groups.values()))
    found = {}
    for place, of_place in groups.items():
        count = len(of_place)
        stated = [m.sd for m in of_place if m.sd is not None]
        sd: float | None = None
        if len(stated) == count:
            sd = math.sqrt(sum(s * s for s in stated)) / count
        elif place[1] in noise:
            sd = noise[place[1]] / math.sqrt(count)
        found[place] = (math.fsum(m.value for m in of_place) / count, sd)
    return found


FEWEST_DEGREES = 6
"""Degrees of freedom that replicates of a readout must have for their spread to be used."""


def replicate_noise(groups: Sequence[Sequence[Measurement]]) -> dict[str, float]:
    """The pooled standard deviation of replicates of each readout, where there are enough."""
    squares: dict[str, float] = {}
    degrees: dict[str, int] = {}
    for group in groups:
        values = np.array([m.value for m in group])
        name = group[0].readout
        squares[name] = squares.get(name, 0.0) + float(((values - values.mean()) ** 2).sum())
        degrees[name] = degrees.get(name, 0) + len(values) - 1
    return {
        name: math.sqrt(total / degrees[name])
        for name, total in squares.items()
        if degrees[name] >= FEWEST_DEGREES and total > 0
    }


def _of_molecules(
    of_readout: Mapping[Place, tuple[float, float | None]], molecule_of: Mapping[str, str]
) -> dict[Place, tuple[float, float | None]]:
    """Values of molecules: of their readout, or means over several on the scale of the first."""
    moments: dict[tuple[str, str], tuple[float, float]] = {}
    values: dict[tuple[str, str], list[float]] = {}
    for (_, readout, _, modality), (value, _) in of_readout.items():
        values.setdefault((readout, modality), []).append(value)
    for key, of_key in values.items():
        moments[key] = float(np.mean(of_key)), float(np.std(of_key))
    first: dict[tuple[str, str], tuple[float, float]] = {}
    for readout, modality in values:
        first.setdefault((molecule_of[readout], modality), moments[readout, modality])
    groups: dict[Place, list[tuple[float, float | None]]] = {}
    for (condition, readout, hours, modality), (value, sd) in of_readout.items():
        molecule = molecule_of[readout]
        (mean, spread), (to_mean, to_spread) = (
            moments[readout, modality],
            first[molecule, modality],
        )
        if (mean, spread) != (to_mean, to_spread):
            factor = to_spread / spread if spread else 0.0
            value = to_mean + (value - mean) * factor
            sd = sd * factor if sd and factor else None
        groups.setdefault((condition, molecule, hours, modality), []).append((value, sd))
    merged: dict[Place, tuple[float, float | None]] = {}
    for place, of_place in groups.items():
        stated = [sd for _, sd in of_place if sd is not None]
        known = len(stated) == len(of_place)
        sd = math.sqrt(sum(s * s for s in stated)) / len(of_place) if known else None
        merged[place] = (math.fsum(value for value, _ in of_place) / len(of_place), sd)
    return merged


def check_value(m: Measurement, path: PathLike) -> None:
    """Refuse a value beyond the `PLAUSIBLE_VALUES` of its modality.

    Raises:
        FormatError: naming file and row.
    """
    low, high = PLAUSIBLE_VALUES[m.modality]
    if not low <= m.value <= high:
        unit = (
            "activities lie in [0, 1], but for noise and overexpression; other values have another "
            "modality, such as phosphoprotein"
            if m.modality == "activity"
            else "in relative units, such as a fold change or its logarithm"
        )
        raise FormatError(
            f"value is {m.value!r}; expected {m.modality} from {low:g} to {high:g} ({unit})",
            path=path,
            place=m.place,
        )
