"""A measured set: what one laboratory measured of one system, in its own names and units.

It needs no network. What was given are treatments, what was measured are readouts; `binding` finds
the molecules of a network behind both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...model.conditions import PERTURBATION_KINDS
from ...model.error_base import HMLMError, did_you_mean
from ...model.network import SignalingNetwork
from .dose_units import is_same_unit
from .drug_targets import DrugTable
from .readout_tables import Readout

STIMULUS, DRUG = "stimulus", "drug"
KINDS = (STIMULUS, *PERTURBATION_KINDS, DRUG)
"""What a treatment can be: a stimulus, a perturbation of a molecule, or a drug that is known by its
name, whose targets a table states."""

LATE = math.inf
"""The time of a steady state, which tables call `late`."""

SCALES = ("linear", "log2", "ln", "log10")
CHANGE = "change from control"

VEHICLES = frozenset(
    "control ctrl con none no ut untreated unstimulated vehicle mock medium dmso pbs water nocyto "
    "nolig noligand noinhib noinhibitor nodrug nostim nostimulus noinh sictrl sicontrol shctrl "
    "shcontrol scrambled basal rest".split()
)
"""What is given where nothing is, in lower case, letters alone."""


@dataclass(frozen=True)
class Treatment:
    """One thing that is done in a condition.

    Attributes:
        kind: one of `KINDS`.
        name: the molecule; of a drug, the drug.
        value: level or strength in [0, 1]; a dose where `unit` is stated, and of a drug.
        start_hours, end_hours: when it acts; before 0 where it was given before time 0.
        unit: of the dose, such as `nM`; empty for levels and strengths.
        place: where it was read, such as `row 7`.
    """

    kind: str
    name: str
    value: float = 1.0
    start_hours: float = 0.0
    end_hours: float = math.inf
    unit: str = ""
    place: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, str, float, float]:
        """What it is, whatever its dose."""
        return self.kind, self.name, self.start_hours, self.end_hours

    @property
    def label(self) -> str:
        """What it is called in tables of results."""
        name = self.name
        if self.kind in PERTURBATION_KINDS:
            name = f"{name}i" if self.kind == "inhibition" else f"{name} {self.kind}"
        if (self.start_hours, self.end_hours) != (0.0, math.inf):
            name += f" from {self.start_hours:g} h"
            name += "" if self.end_hours == math.inf else f" to {self.end_hours:g} h"
        return name


@dataclass(frozen=True)
class Scale:
    """The unit of a value: its scale, and whether it is a change from the control.

    A logarithm of a ratio to the control is a change on that scale.
    """

    base: str = "linear"
    is_change: bool = False

    @classmethod
    def parse(cls, text: str) -> Scale:
        """`linear`, `log2`, `ln` or `log10`, `change from control`, or both; nothing is linear.

        Raises:
            HMLMError: it is something else.
        """
        words = " ".join(text.casefold().replace("-", " ").split())
        base = words.removesuffix(CHANGE).strip()
        if (base or "linear") not in SCALES:
            hint = did_you_mean(base, SCALES)
            raise HMLMError(
                f"scale is {text!r}; expected one of {', '.join(SCALES)}, perhaps followed by "
                f"{CHANGE!r}{hint}"
            )
        return cls(base or "linear", words.endswith(CHANGE))

    def __str__(self) -> str:
        if not self.is_change:
            return self.base
        return CHANGE if self.base == "linear" else f"{self.base} {CHANGE}"


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    Attributes:
        condition: its name.
        readout: what was measured, by the name that the laboratory gave it.
        time_hours: when, in hours after time 0; `LATE` of a steady state.
        value: on its scale.
        modality: one of `MODALITIES`.
        sd: standard deviation, on the same scale; None where none is stated.
        scale: of the value.
        replicate: which of several measurements of the same.
        batch: the blot, plate or experiment, of which each has an offset of its own.
        place: where it was read, such as `row 7`.
    """

    condition: str
    readout: str
    time_hours: float
    value: float
    modality: str = "activity"
    sd: float | None = None
    scale: Scale = Scale()
    replicate: str = ""
    batch: str = ""
    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class MeasuredSet:
    """What was measured of one system.

    Attributes:
        name: of the set.
        conditions: by name, what was done in each; nothing in a control.
        measurements: all values.
        study: the publication, which weighs once in a mean over sets; the name up to its first
            hyphen where none is stated.
        source, licence, organism, cell_line: where it is from and what of.
        shares: what it shares with other sets, in words.
        network: prior knowledge, where some came along.
        readouts: what readouts measure, by their names, where that is known.
        targets: of drugs, where the shipped table has not the right ones.
        notes: what reading made of the file, in sentences for the user.
    """

    name: str
    conditions: Mapping[str, tuple[Treatment, ...]]
    measurements: tuple[Measurement, ...]
    study: str = ""
    source: str = ""
    licence: str = ""
    organism: str = ""
    cell_line: str = ""
    shares: str = ""
    network: SignalingNetwork | None = None
    readouts: Mapping[str, Readout] = field(default_factory=dict)
    targets: DrugTable | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.study:
            object.__setattr__(self, "study", self.name.split("-")[0].strip() or self.name)

    @property
    def readout_names(self) -> tuple[str, ...]:
        """What was measured, in the order of the set."""
        return tuple(dict.fromkeys(m.readout for m in self.measurements))

    @property
    def times_hours(self) -> tuple[float, ...]:
        """All times, ascending; `LATE` last."""
        return tuple(sorted({m.time_hours for m in self.measurements}))

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """Everything that was done, at its largest dose, in the order of the set.

        Raises:
            HMLMError: doses of one treatment are in several units.
        """
        largest: dict[tuple[str, str, float, float], Treatment] = {}
        for condition, done in self.conditions.items():
            for treatment in done:
                before = largest.setdefault(treatment.key, treatment)
                if not is_same_unit(before.unit, treatment.unit):
                    raise HMLMError(
                        f"{self.name}: {treatment.label} is in {treatment.unit or 'no unit'!r} in "
                        f"condition {condition!r}, elsewhere in {before.unit or 'no unit'!r}; "
                        "expected one unit"
                    )
                if treatment.value > before.value:
                    largest[treatment.key] = treatment
        return tuple(largest.values())

    def facts(self) -> dict[str, Any]:
        """What set.json states, without what is empty."""
        stated = {
            "name": self.name, "study": self.study, "source": self.source, "licence": self.licence,
            "organism": self.organism, "cell_line": self.cell_line, "shares": self.shares,
            "notes": list(self.notes),
        }  # fmt: skip
        return {key: value for key, value in stated.items() if value}


def is_vehicle(name: str) -> bool:
    """Whether a name says that nothing was given, such as DMSO or NO-INHIB."""
    plain = re.sub(r"\(.*?\)", "", name.casefold())
    letters = "".join(c for c in plain if c.isalpha())
    return letters in VEHICLES or plain.strip() in ("0", "0.0", "-", "/")


def condition_name(done: Iterable[Treatment]) -> str:
    """The name of a condition by what is done in it, such as `TGFa + MEK12i 0.5`."""
    parts = []
    for t in done:
        dose = "" if t.value == 1 and not t.unit else f" {t.value:.12g} {t.unit}".rstrip()
        parts.append(t.label + dose)
    return " + ".join(parts) or "control"
