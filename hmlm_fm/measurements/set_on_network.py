"""A measured set on a network: its treatments and readouts as molecules, its values as activities.

Shapes: C conditions, K treatments, M outputs (a readout at a time), T times, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..formats.measured.binding import Molecules, bind_conditions, steady_hours
from ..formats.measured.drug_targets import DrugTable, known_drugs
from ..formats.measured.measured_set import DRUG, LATE, STIMULUS, MeasuredSet, Treatment
from ..model.conditions import Condition
from ..model.network import Interaction, Molecule, SignalingNetwork
from .measured import Measurements
from .responses import Output
from .simulated import visible_network

MOST_MOLECULES = 100
"""Larger networks are pruned to what lies between what was given and what was measured."""
LOW, HIGH = 0.05, 0.95
"""The activities that the least and the largest shown value of a readout are taken for, where it
is not an activity."""


@dataclass(frozen=True)
class SetOnNetwork:
    """How a measured set is told to models of networks.

    What the network has not is added to it: a treatment as a molecule that is stimulated, a readout
    as one that nothing acts on. Of several readouts of one molecule each has a molecule: the first
    that of the network, the others a copy with the same regulators.

    Attributes:
        measured: names of the set.
        outputs: (M) what is predicted.
        network: prior knowledge; None for none.
    """

    measured: MeasuredSet
    outputs: tuple[Output, ...]
    network: SignalingNetwork | None

    @cached_property
    def treatments(self) -> tuple[Treatment, ...]:
        """(K) at their largest dose, of molecules of `whole`."""
        return tuple(t for t, _ in self._placed_treatments)

    @cached_property
    def molecule_of(self) -> dict[str, str]:
        """The molecule of each readout."""
        found: dict[str, str] = {}
        for readout, name in self._originals.items():
            if name is None or name in found.values():
                name = _free(f"{readout} (measured)", {*self._base.names, *found.values()})
            found[readout] = name
        return found

    @cached_property
    def _originals(self) -> dict[str, str | None]:
        """The molecule of the network that each readout is of, if any; several may be of one."""
        molecules = Molecules(self._base, exactly=False)
        found: dict[str, str | None] = {}
        for readout in dict.fromkeys(o.readout for o in self.outputs):
            stated = self.measured.readouts.get(readout)
            name = molecules.by_name(readout)
            if name is None and stated is not None:
                name = molecules.by_genes(stated.genes)
            found[readout] = name
        return found

    @cached_property
    def whole(self) -> SignalingNetwork:
        """The network with all treatments and readouts, without kinetics."""
        base = self._base
        names = set(base.names)
        added = [Molecule(name, kind="unknown") for name in self.molecule_of.values()]
        inputs = []
        for treatment, is_new in self._placed_treatments:
            if is_new:
                added.append(Molecule(treatment.name, kind="unknown"))
                inputs.append(Interaction((), (), treatment.name, "input"))
        added = [m for m in dict.fromkeys(added) if m.name not in names]
        copies = []
        for readout, name in self.molecule_of.items():
            original = self._originals[readout]
            if original is not None and original != name:
                copies += [
                    replace(i, target=name)
                    for i in base.interactions
                    if i.target == original and not i.is_input and name not in i.sources
                ]
        whole = replace(
            base,
            molecules=(*base.molecules, *added),
            interactions=(*base.interactions, *inputs, *copies),
        )
        return visible_network(whole, "signs")

    @cached_property
    def _base(self) -> SignalingNetwork:
        if self.network is None:
            readouts = dict.fromkeys(o.readout for o in self.outputs)
            molecules = tuple(Molecule(name, kind="unknown") for name in readouts)
            return SignalingNetwork(self.measured.name, molecules, ())
        return pruned(
            self.network,
            {t.name for t in self.measured.treatments} | self._drug_targets,
            {o.readout for o in self.outputs},
        )

    @cached_property
    def _drug_targets(self) -> set[str]:
        assert self.network is not None
        molecules, drugs = Molecules(self.network), self._drugs
        found = set()
        for t in self.measured.treatments:
            known = drugs.find(t.name) if t.kind == DRUG else None
            for target in known[1] if known else ():
                name = molecules.by_genes((target.gene,))
                found |= {name} if name else set()
        return found

    @cached_property
    def _drugs(self) -> DrugTable:
        return known_drugs(self.measured.targets)

    @cached_property
    def _placed_treatments(self) -> tuple[tuple[Treatment, bool], ...]:
        """Treatments of molecules that are there, and whether each was added for it."""
        molecules = Molecules(self._base, exactly=False)
        found = []
        for t in self.measured.treatments:
            own = molecules.by_name(t.name)
            if t.kind == DRUG:
                known = self._drugs.find(t.name)
                genes = [target.gene for target in known[1]] if known else []
                if any(molecules.by_genes((gene,)) for gene in genes):
                    found.append((replace(t, value=1.0, unit=""), False))
                    continue
            elif own is not None:
                level = 1.0 if t.unit else t.value
                found.append((replace(t, name=own, value=level, unit=""), False))
                continue
            name = _free(t.label, self._base.names)
            found.append((Treatment(STIMULUS, name, 1.0, t.start_hours, t.end_hours), True))
        return tuple(found)

    def conditions(self, doses: np.ndarray) -> list[Condition]:
        """Conditions of treatment vectors (C, K), relative to the largest doses."""
        named = {
            str(c): [
                replace(t, value=t.value * float(dose))
                for t, dose in zip(self.treatments, vector, strict=True)
                if dose
            ]
            for c, vector in enumerate(doses)
        }
        # So that drugs count relative to their largest dose, whatever is asked.
        largest = {"largest": list(self.treatments)}
        bound = bind_conditions(
            _combined(named) | largest,
            Molecules(self.whole, exactly=False),
            self.measured.name,
            targets=self.measured.targets,
        )
        return [bound[str(c)] for c in range(len(doses))]

    @cached_property
    def hours(self) -> np.ndarray:
        """(T) times of the outputs, a steady state's last."""
        times = {o.hours for o in self.outputs}
        steady = steady_hours(times)
        return np.array(sorted(steady if t == LATE else t for t in times))

    def measurements(self, doses: np.ndarray, changes: np.ndarray, seed: int = 0) -> Measurements:
        """Shown conditions as activities.

        Args:
            doses, changes: (C, K) and (C, M).
        """
        network, hours = self.whole, self.hours
        shape = (len(doses), len(hours), len(network.molecules))
        states, measured = np.zeros(shape), np.zeros(shape, dtype=bool)
        scale, rest = self.instrument(changes)
        baseline = np.full(len(network.molecules), np.nan)
        for m, (time, molecule) in enumerate(self._places):
            there = np.isfinite(changes[:, m])
            states[there, time, molecule] = rest[m] + changes[there, m] * scale[m]
            measured[there, time, molecule] = True
            baseline[molecule] = rest[m]
        return Measurements(
            network, tuple(self.conditions(doses)), hours, states, baseline, seed, measured
        )

    def instrument(self, changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What one unit of each output is as an activity (M), and the activity of no change (M).

        A readout's shown changes (C, M), over all its times, and no change span `LOW` to `HIGH`."""
        scale, rest = np.ones(len(self.outputs)), np.zeros(len(self.outputs))
        for readout in self.molecule_of:
            own = [m for m, o in enumerate(self.outputs) if o.readout == readout]
            values = changes[:, own][np.isfinite(changes[:, own])]
            low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
            scale[own] = (HIGH - LOW) / (high - low) if high > low else 1.0
            rest[own] = LOW - low * scale[own]
        return scale, rest

    def outputs_of(self, states: np.ndarray) -> np.ndarray:
        """The outputs (Q, M) among states (Q, T, N) at `hours`."""
        times, molecules = (list(x) for x in zip(*self._places, strict=True))
        found: np.ndarray = states[:, times, molecules]
        return found

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        hours = [self.hours[-1] if o.hours == LATE else o.hours for o in self.outputs]
        index = self.whole.molecule_index
        return [
            (int(np.searchsorted(self.hours, hour)), index[self.molecule_of[o.readout]])
            for hour, o in zip(hours, self.outputs, strict=True)
        ]


def pruned(
    network: SignalingNetwork,
    treated: set[str],
    measured: set[str],
    most: int = MOST_MOLECULES,
) -> SignalingNetwork:
    """The network, or where it has more molecules, those on the shortest ways from what was treated
    to what was measured, as far as they fit."""
    if len(network.molecules) <= most:
        return network
    molecules = Molecules(network, exactly=False)
    starts = {name for n in treated if (name := molecules.by_name(n))}
    ends = {name for n in measured if (name := molecules.by_name(n))}
    pairs = [(s, i.target) for i in network.interactions for s in i.sources]
    down, up = _steps(starts, pairs), _steps(ends, [(b, a) for a, b in pairs])
    far = len(network.molecules)
    length = {n: down.get(n, far) + up.get(n, far) for n in network.names}
    kept = starts | ends
    for name in sorted(network.names, key=lambda n: (length[n], n)):
        if len(kept) >= most or length[name] >= far:
            break
        kept.add(name)
    return replace(
        network,
        molecules=tuple(m for m in network.molecules if m.name in kept),
        interactions=tuple(
            i for i in network.interactions if {i.target, *i.sources} <= kept
        ),
    )  # fmt: skip


def _steps(starts: set[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many steps everything is from the nearest start."""
    after: dict[str, list[str]] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
    found, edge = dict.fromkeys(starts, 0), sorted(starts)
    while edge:
        reached = [b for a in edge for b in after.get(a, ()) if b not in found]
        found |= dict.fromkeys(reached, found[edge[0]] + 1)
        edge = list(dict.fromkeys(reached))
    return found


def _combined(conditions: dict[str, list[Treatment]]) -> dict[str, list[Treatment]]:
    """Conditions with the largest of treatments that hit one molecule in the same way."""
    found = {}
    for name, done in conditions.items():
        largest: dict[tuple[str, str, float, float], Treatment] = {}
        for t in done:
            if t.key not in largest or t.value > largest[t.key].value:
                largest[t.key] = t
        found[name] = list(largest.values())
    return found


def _free(name: str, taken: Sequence[str] | set[str]) -> str:
    """A name that is not taken."""
    while name in taken:
        name += "'"
    return name
