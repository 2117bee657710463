"""Conditions and observations: what is done to a network, and what is measured of it.

Their meaning is that of `condition_tensors`. This file travels with every checkpoint, and needs
nothing outside the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .error_base import HMLMError
from .network import NetworkError, SignalingNetwork

PERTURBATION_KINDS = ("knockout", "knockdown", "inhibition", "overexpression", "clamp")
TREATMENTS = ("stimulated", "lowered", "raised", "clamped", "clamped to its value")
"""What a condition can do to a molecule throughout; see `ConditionTensors.treatment_RX`."""
MODALITIES = ("activity", "phosphoprotein", "mRNA", "protein", "imaging feature")
PLAUSIBLE_VALUES = MappingProxyType(
    {"activity": (-0.5, 2.5)} | dict.fromkeys(MODALITIES[1:], (-20.0, 20.0))
)
"""The range of values of a modality: activities in [0, 1], or beyond with noise and
overexpression; the others in relative units, such as a fold change, its logarithm, or a share of
the largest."""

LONGEST_HOURS = 10_000.0
"""The latest time, over a year: a later one is probably in another unit."""


@dataclass(frozen=True)
class Perturbation:
    """Something done to one molecule within a window of time.

    - `knockout`: the state is 0 from the window's start.
    - `knockdown`: ymax × (1 - strength).
    - `inhibition`: what the molecule passes on × (1 - strength).
    - `overexpression`: ymax × (1 + strength).
    - `clamp`: the state is held at the value `strength`.

    Attributes:
        target: name of the molecule.
        kind: one of `PERTURBATION_KINDS`.
        strength: in [0, 1]; 1 of a knockout, which is always whole.
        start_hours, end_hours: the window [start, end), in hours.

    Raises:
        HMLMError: an unknown kind, a strength outside [0, 1] or of a knockout other than 1, an
            empty window.
    """

    target: str
    kind: str = "knockout"
    strength: float = 1.0
    start_hours: float = 0.0
    end_hours: float = math.inf

    def __post_init__(self) -> None:
        where = f"perturbation of {self.target!r}"
        if self.kind not in PERTURBATION_KINDS:
            raise HMLMError(
                f"{where}: kind {self.kind!r}; expected one of {', '.join(PERTURBATION_KINDS)}"
            )
        if not 0.0 <= self.strength <= 1.0:
            raise HMLMError(f"{where}: strength {self.strength}; expected a number in [0, 1]")
        if self.kind == "knockout" and self.strength != 1.0:
            raise HMLMError(
                f"{where}: strength {self.strength}; a knockout is always whole, expected 1, or "
                "the kind knockdown"
            )
        if not 0.0 <= self.start_hours < self.end_hours:
            raise HMLMError(
                f"{where}: window {self.start_hours} to {self.end_hours} hours; "
                "expected 0 <= start < end"
            )


@dataclass(frozen=True)
class Condition:
    """Stimuli and perturbations: what makes one experiment on a network differ from another.

    Attributes:
        stimuli: level in [0, 1] of molecules' input interactions. The level replaces the weight
            of the molecule's own input, is added where it has none, and is joined by OR with the
            rest; inputs not named keep the network's own weight.
        perturbations: see `Perturbation`.

    Raises:
        HMLMError: a level outside [0, 1].
    """

    stimuli: Mapping[str, float] = field(default_factory=dict)
    perturbations: tuple[Perturbation, ...] = ()

    def __post_init__(self) -> None:
        for name, level in self.stimuli.items():
            if not 0.0 <= level <= 1.0:
                raise HMLMError(f"stimulus {name!r}: level {level}; expected a number in [0, 1]")
        object.__setattr__(self, "stimuli", MappingProxyType(dict(self.stimuli)))
        object.__setattr__(self, "perturbations", tuple(self.perturbations))

    def check(self, network: SignalingNetwork) -> None:
        """Raise `NetworkError` where the condition names molecules that are not in `network`."""
        for name in (*self.stimuli, *(p.target for p in self.perturbations)):
            try:
                network.molecule(name)
            except NetworkError as error:
                raise NetworkError(f"condition: {error}") from None

    def __reduce__(self) -> tuple[type[Condition], tuple[object, ...]]:
        # A read-only mapping cannot be sent to another process as it is.
        return Condition, (dict(self.stimuli), self.perturbations)

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.stimuli.items())), self.perturbations))


@dataclass(frozen=True)
class Observation:
    """One measured value.

    Attributes:
        molecule: its name.
        time_hours: when, in hours from the start of the condition.
        value: within `PLAUSIBLE_VALUES` of its modality.
        modality: one of `MODALITIES`.
        sd_value: standard deviation of the measurement, in the unit of `value` and above 0; None
            where it is not known. The tokenizer does not encode it.
    """

    molecule: str
    time_hours: float
    value: float
    modality: str = "activity"
    sd_value: float | None = None
