"""A task that is drawn: what is measured of a network at a budget, and what is asked of it then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..model.errors import HMLMError
from ..model.network import SignalingNetwork
from .measurements import Measurements

TRACKS = ("signs", "logic")
HORIZON_HOURS = 48


@dataclass(frozen=True)
class Budget:
    """How many conditions are measured at how many times."""

    conditions: int
    times: int

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From "16x4".

        Raises:
            ValueError: the text is of another form.
        """
        parts = text.lower().replace("×", "x").split("x")
        if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
            raise HMLMError(f"budget {text!r}; expected conditions x times, such as 16x4")
        return cls(*map(int, parts))

    def __str__(self) -> str:
        return f"{self.conditions}x{self.times}"

    @property
    def times_hours(self) -> np.ndarray:
        """Evenly spaced within the horizon, with both ends."""
        return np.linspace(0, HORIZON_HOURS, self.times)


@dataclass(frozen=True)
class DrawnTask:
    """One task with one seed.

    Attributes:
        seen: all that a row may know.
        asked: of each split the conditions and their true states at the times that are asked.
    """

    seen: Measurements
    asked: Mapping[str, Measurements]


def visible_network(network: SignalingNetwork, track: str) -> SignalingNetwork:
    """What a row may see of a network: no kinetics, and in track `signs` no AND groups."""
    if track not in TRACKS:
        raise HMLMError(f"track {track!r}; expected one of {', '.join(TRACKS)}")
    shown = network.without_kinetics()
    return shown.without_logic() if track == "signs" else shown
