"""Figures that others published of measured sets, beside ours by the same protocol, where it can be
rebuilt from what they published.

Shapes: C conditions, M outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...measurements.responses import Responses
from .folds import Fold, fold_of
from .methods import Method, Ridge, Ruler

Folds = Iterator[Fold]
CELLBOX = "Yuan et al., Cell Syst 2021;12:128"
LEMBAS = "Nilsson et al., Nat Commun 2022;13:3069"
DREAM = "Hill et al., Nat Methods 2016;13:310"
RANDOM_REPEATS = 10
LEMBAS_FOLDS = 28


@dataclass(frozen=True)
class Published:
    """One figure.

    Attributes:
        source: the publication.
        of: what the source of a set must contain for the protocol to be of it.
        name: what the name of the set must contain.
        protocol: what is held out, in words.
        metric: of the figure.
        value: as published.
        folds: the protocol; None where it cannot be rebuilt from the files at hand.
        absolute: whether values are scored and not changes from the control.
    """

    source: str
    of: str
    name: str
    protocol: str
    metric: str
    value: float
    folds: Callable[[Responses], Folds] | None = None
    absolute: bool = False


def _random_partitions(responses: Responses) -> Folds:
    """Three tenths of the conditions, drawn anew each time."""
    count = len(responses.doses)
    for repeat in range(RANDOM_REPEATS):
        order = np.random.default_rng([2021, repeat]).permutation(count)
        yield fold_of("published", "", repeat, responses, np.sort(order[: round(0.3 * count)]))


def _drug_with_singles(responses: Responses) -> Folds:
    """All combinations with a drug, each in turn; the drug alone is shown."""
    active = responses.doses > 0
    for k in range(active.shape[1]):
        held_out = np.flatnonzero(active[:, k] & (active.sum(1) > 1))
        if len(held_out):
            yield fold_of("published", "", 0, responses, held_out)


def _drug_without_singles(responses: Responses) -> Folds:
    """All conditions with a drug, each in turn."""
    for k in range(responses.doses.shape[1]):
        yield fold_of("published", "", 0, responses, np.flatnonzero(responses.doses[:, k] > 0))


def _singles_to_combinations(responses: Responses) -> Folds:
    """All combinations; drugs alone are shown."""
    count = (responses.doses > 0).sum(1)
    singles, combined = np.flatnonzero(count == 1), np.flatnonzero(count > 1)
    yield fold_of("published", "", 0, responses, combined, singles)


def _twenty_eight(responses: Responses) -> Folds:
    """As many random folds as LEMBAS had; which conditions were in which is not published."""
    order = np.random.default_rng(2022).permutation(len(responses.doses))
    for part in range(LEMBAS_FOLDS):
        yield fold_of("published", "", 0, responses, np.sort(order[part::LEMBAS_FOLDS]))


_R = "Pearson's r over all values"
PUBLISHED = (
    Published(CELLBOX, "CellBox", "", "random partitions, averaged", _R, 0.926, _random_partitions),
    Published(CELLBOX, "CellBox", "", "combinations with a drug", _R, 0.936, _drug_with_singles),
    Published(CELLBOX, "CellBox", "", "a drug, never shown", _R, 0.780, _drug_without_singles),
    Published(
        CELLBOX, "CellBox", "", "combinations from single drugs", _R, 0.924,
        _singles_to_combinations,
    ),
    Published(
        LEMBAS, "LEMBAS", "ligandScreen", "28 folds (ours are drawn anew)", _R, 0.8, _twenty_eight,
        absolute=True,
    ),
    Published(
        DREAM, "", "BT20", "sub-challenge 2, an inhibitor that was never shown (best team)",
        "mean RMSE", 0.453,
    ),
)  # fmt: skip
METHODS: dict[str, Callable[[], Method]] = {"ruler": Ruler, "ridge": Ridge}


def published_figures(sets: Sequence[Responses]) -> list[dict[str, Any]]:
    """Every published figure of the sets, with ours where the protocol can be rebuilt."""
    found = []
    for figure in PUBLISHED:
        own = [one for one in sets if _is_of(figure, one)]
        if not own:
            continue
        row: dict[str, Any] = {
            "source": figure.source, "set": own[0].measured.name, "protocol": figure.protocol,
            "metric": figure.metric, "published": figure.value,
        }  # fmt: skip
        if figure.folds is not None:
            folds = list(figure.folds(own[0]))
            for name, kind in METHODS.items():
                row[name] = _correlation(kind(), folds, own[0], figure.absolute)
        found.append(row)
    return found


def _is_of(figure: Published, responses: Responses) -> bool:
    measured = responses.measured
    return figure.of in measured.source and figure.name in f"{measured.name} {measured.cell_line}"


def _correlation(
    method: Method, folds: Sequence[Fold], responses: Responses, absolute: bool
) -> float:
    """Pearson's r over all held-out values of all folds."""
    level = responses.control if absolute else np.zeros(len(responses.outputs))
    predicted, truth = [], []
    for fold in folds:
        there = np.isfinite(fold.truth)
        predicted.append((method.answer(fold.shown).changes + level)[there])
        truth.append((fold.truth + level)[there])
    return float(np.corrcoef(np.concatenate(predicted), np.concatenate(truth))[0, 1])
