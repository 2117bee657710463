"""Measured sets that hold the same measurements, found by their values.

Published files repeat one another under other names: a challenge's data stand in a later paper's,
a model's repository has a lab's table with other labels and fewer digits. Two sets are the same
where at least half of the smaller one's pairs of values that were measured together stand in the
other, too, to the digits that both have. A later paper may normalise anew, which changes some
values: sets are also the same where at least half of the smaller one's places (condition, readout
and time by their names) are the other's too, and more of the values there agree to the last digit
than chance or another experiment would make.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..formats.measured.measured_set import MeasuredSet

LEAST_SHARE = 0.5
LEAST_EQUAL, LEAST_EQUAL_OF_COARSE = 0.2, 0.95
"""The share of values that must agree at the same places, but for 0 and 1; and of all values, where
a set has nothing else or fewer digits than `FINE`."""
FINE = 3
DECIMALS = (2, 3, 4, 5, 6)
"""Decimal places that are told apart."""
HASHED_DIGITS = 4
FEWEST_PAIRS = 20
MOST_PER_ROW = 80
"""Values of one condition and time that are paired; more add nothing."""


@dataclass(frozen=True)
class Same:
    """Two sets with the same measurements.

    Attributes:
        smaller, larger: their names.
        share: of what the smaller one holds that stands in the larger one.
    """

    smaller: str
    larger: str
    share: float

    def __str__(self) -> str:
        whole = "all" if self.share > 0.995 else f"{self.share:.0%}"
        return f"{self.smaller}: {whole} of it stands in {self.larger}"


def same_measurements(sets: Sequence[MeasuredSet]) -> list[Same]:
    """All pairs of sets that hold the same measurements."""
    views = [_View(one) for one in sets]
    found = []
    for i in range(len(sets)):
        for j in range(i):
            share = _share_of(views[i], views[j])
            if share >= LEAST_SHARE:
                sizes = len(sets[i].measurements), len(sets[j].measurements)
                small, large = (i, j) if sizes[0] <= sizes[1] else (j, i)
                found.append(Same(sets[small].name, sets[large].name, share))
    return found


def values_hash(measured: MeasuredSet) -> str:
    """The same of sets that hold the same values, whatever they are called: of all values to
    `HASHED_DIGITS` significant digits, in ascending order."""
    values = sorted(f"{m.value:.{HASHED_DIGITS - 1}e}" for m in measured.measurements)
    return hashlib.sha256(" ".join(values).encode()).hexdigest()[:16]


def groups_of(sets: Sequence[MeasuredSet], same: Sequence[Same]) -> list[list[int]]:
    """Positions of sets that must stay on one side: those of one study, and those that hold the
    same measurements."""
    place = {one.name: i for i, one in enumerate(sets)}
    parent = list(range(len(sets)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, one in enumerate(sets):
        parent[root(i)] = root(first.setdefault(one.study, i))
    for pair in same:
        parent[root(place[pair.smaller])] = root(place[pair.larger])
    groups: dict[int, list[int]] = {}
    for i in range(len(sets)):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


class _View:
    """What of a set is compared, made when it is asked for."""

    def __init__(self, one: MeasuredSet) -> None:
        self.one = one
        values = np.array([m.value for m in one.measurements])
        self.decimals = next(
            (d for d in DECIMALS if np.allclose(values, np.round(values, d), atol=1e-9)),
            DECIMALS[-1],
        )
        self._values: dict[int, np.ndarray] = {}
        self._pairs: dict[int, np.ndarray] = {}

    def values(self, decimals: int) -> np.ndarray:
        """Distinct values."""
        if decimals not in self._values:
            values = np.array([m.value for m in self.one.measurements])
            self._values[decimals] = np.unique(_rounded(values, decimals))
        return self._values[decimals]

    def pairs(self, decimals: int) -> np.ndarray:
        """All pairs of values of one condition, time and replicate, as complex numbers."""
        if decimals not in self._pairs:
            rows: dict[tuple[str, float, str, str], list[float]] = {}
            for m in self.one.measurements:
                key = (m.condition, m.time_hours, m.replicate, m.batch)
                rows.setdefault(key, []).append(m.value)
            found = [np.array([], dtype=complex)]
            for row in rows.values():
                values = np.unique(_rounded(np.array(row), decimals))[:MOST_PER_ROW]
                low, high = np.triu_indices(len(values), 1)
                found.append(values[low] + 1j * values[high])
            self._pairs[decimals] = np.unique(np.concatenate(found))
        return self._pairs[decimals]

    @cached_property
    def by_name(self) -> dict[tuple[frozenset[tuple[str, str]], str, float], float]:
        """Values by what was given, readout and time, in lower case."""
        return {
            (
                frozenset((t.kind, t.name.casefold()) for t in self.one.conditions[m.condition]),
                m.readout.casefold(),
                m.time_hours,
            ): m.value
            for m in self.one.measurements
        }


def _share_of(a: _View, b: _View) -> float:
    """How much of the smaller set stands in the other."""
    decimals = min(a.decimals, b.decimals)
    values = a.values(decimals), b.values(decimals)
    if min(map(len, values)) >= FEWEST_PAIRS and _overlap(*values) >= LEAST_SHARE:
        pairs = a.pairs(decimals), b.pairs(decimals)
        share = _overlap(*pairs) if min(map(len, pairs)) >= FEWEST_PAIRS else 0.0
        if share >= LEAST_SHARE:
            return share
    return _share_by_name(a, b, decimals)


def _share_by_name(a: _View, b: _View, decimals: int) -> float:
    """The share of the smaller set's places that are the other's, where the values there agree."""
    first, second = a.by_name, b.by_name
    shared = list(first.keys() & second.keys())
    share = len(shared) / min(len(first), len(second))
    if share < LEAST_SHARE:
        return 0.0
    x, y = (np.array([values[key] for key in shared]) for values in (first, second))
    is_equal = np.abs(x - y) <= 10.0**-decimals
    telling = ~np.isin(x, (0, 1)) | ~np.isin(y, (0, 1))
    if telling.sum() >= FEWEST_PAIRS and decimals >= FINE:
        return share if is_equal[telling].mean() >= LEAST_EQUAL else 0.0
    return share if is_equal.mean() >= LEAST_EQUAL_OF_COARSE else 0.0


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """The share of the smaller array's distinct members that the other has."""
    least = min(len(a), len(b))
    return len(np.intersect1d(a, b, assume_unique=True)) / least if least else 0.0


def _rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """Values without those that any set may have, or that rounding makes so."""
    rounded: np.ndarray = np.round(values[np.isfinite(values)], decimals)
    return rounded[(rounded != 0) & (np.abs(rounded) != 1)]
