"""The entries of `hmlm benchmark real`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from ...fitting.ensemble import FitSettings
from ...inference.loading import load_foundation
from ...measurements.baseline import Baseline
from ...model.response_features import ResponseTask, without_names, without_network
from ..entries import ENTRIES, Entry, Resources, selected
from .folds import LINE, LINE_QUARTER, SPLITS, Fold
from .methods import (
    BayesianRidge,
    GaussianProcess,
    Mean,
    Method,
    Nearest,
    NoChange,
    OtherLines,
    OtherTreatments,
    Ridge,
    Ruler,
)
from .network_methods import InContext, OnNetwork, with_shuffled_network

RULER, IN_CONTEXT = "ruler", "hmlm-in-context"
MOST_FOLDS = 4
"""Of entries that take seconds or minutes for each."""


@dataclass
class RealResources:
    """What entries share; the model is loaded where one needs it.

    Attributes:
        name: of the checkpoint.
        settings: of all entries that are fitted.
        steps: of the neural baselines, where fewer than usual.
    """

    name: str
    settings: FitSettings
    steps: int | None = None

    @cached_property
    def of_model(self) -> Resources:
        """What the entries of simulated tasks take.

        Raises:
            HMLMError: there is no such checkpoint.
        """
        model, tokenizer = load_foundation(self.name)
        return Resources(model, tokenizer, self.settings, self.steps)


@dataclass(frozen=True)
class RealEntry(Entry):
    """An entry of this task; its factory takes `RealResources` and gives a `Method`.

    Attributes:
        splits: those that it answers.
        repeats: of random folds, at most.
        most_folds: of a split, spread evenly over all; for entries that take seconds for each.
        is_fitted: whether it is fitted to a network, and measured on request, on a few sets that
            have one.
    """

    splits: tuple[str, ...] = field(default_factory=lambda: tuple(SPLITS))
    repeats: int = 3
    most_folds: int = 1000
    is_fitted: bool = False

    def chosen(self, folds: Sequence[Fold]) -> list[int]:
        """Positions of the folds of a split that it is measured on, of those of all repeats."""
        own = [i for i, fold in enumerate(folds) if fold.repeat < self.repeats]
        if len(own) <= self.most_folds:
            return own
        return [own[i] for i in np.linspace(0, len(own) - 1, self.most_folds).astype(int)]


def _plain(kind: type[Method], _: RealResources) -> Method:
    return kind()


def _in_context(resources: RealResources) -> Method:
    return InContext(resources.of_model.model)


def _untrained_in_context(resources: RealResources) -> Method:
    return InContext(resources.of_model.untrained)


def _altered(altered: Callable[[ResponseTask], ResponseTask], resources: RealResources) -> Method:
    return InContext(resources.of_model.model, altered)


def _fitted(entry: Entry, with_network: bool, resources: RealResources) -> Method:
    def make() -> Baseline:
        made: Baseline = entry.make(resources.of_model, **entry.grid[0])
        return made

    return OnNetwork(make, with_network)


def _fitted_entries() -> Iterable[RealEntry]:
    """Entries of simulated tasks, with the first of their hyperparameters."""
    of_id = {entry.id: entry for entry in ENTRIES}
    for id, entry_id, label, with_network in (
        ("logic-ode", "logic-ode-discrepancy", "", True),
        ("lembas", "lembas", "", True),
        ("hmlm-scratch", "hmlm-scratch", "", True),
        ("hmlm-untrained-in-full", "hmlm-untrained-in-full", "", True),
        ("hmlm-fine-tuned", "hmlm-fine-tuned", "", True),
        ("hmlm-in-full", "hmlm-in-full", "", True),
        ("hmlm-shuffled", "hmlm-shuffled", "", True),
        ("hmlm-no-network", "hmlm-fine-tuned", "control: no network", False),
    ):
        entry = of_id[entry_id]
        yield RealEntry(
            id,
            label or entry.label,
            partial(_fitted, entry, with_network),
            starts_from=entry.starts_from,
            highlighted=entry.highlighted and with_network,
            slow=True,
            repeats=1,
            most_folds=MOST_FOLDS,
            splits=_OF_MODELS,
            is_fitted=True,
        )


_LINES = (LINE, LINE_QUARTER)
_OF_MODELS = ("conditions", "treatment", LINE)
_plainly = partial(partial, _plain)

REAL_ENTRIES: tuple[RealEntry, ...] = (
    RealEntry(RULER, "ruler (averaged kernel regressions)", _plainly(Ruler)),
    RealEntry("no-change", "no change from the control", _plainly(NoChange)),
    RealEntry("mean", "mean of what is shown", _plainly(Mean)),
    RealEntry("ridge", "ridge on treatments", _plainly(Ridge)),
    RealEntry("bayesian-ridge", "Bayesian ridge", _plainly(BayesianRidge)),
    RealEntry("nearest", "nearest condition", _plainly(Nearest)),
    RealEntry("gaussian-process", "Gaussian process", _plainly(GaussianProcess)),
    RealEntry("other-lines", "same condition in other lines", _plainly(OtherLines), splits=_LINES),
    RealEntry(
        "other-treatments", "other treatments in its place", _plainly(OtherTreatments),
        splits=("treatment",),
    ),
    RealEntry(
        IN_CONTEXT, "HMLM pretrained, in context", _in_context, starts_from="weights",
        highlighted=True,
    ),
    RealEntry(
        f"{IN_CONTEXT}-untrained", "HMLM untrained, in context", _untrained_in_context,
        starts_from="configuration",
    ),
    *(
        RealEntry(
            f"{IN_CONTEXT}-{name}", f"control: {label}, in context", partial(_altered, altered),
            starts_from="weights", splits=("conditions", "treatment"),
        )
        for name, label, altered in (
            ("no-network", "no network", without_network),
            ("shuffled", "network shuffled", with_shuffled_network),
            ("no-names", "no names", without_names),
        )
    ),
    *_fitted_entries(),
)  # fmt: skip
"""The first is what all others are held against; the order is that of tables."""


def chosen_entries(ids: Iterable[str]) -> tuple[RealEntry, ...]:
    """The ruler and the entries with these ids; without any, all that are not fitted.

    Raises:
        HMLMError: an id that no entry has.
    """
    wanted = list(ids)
    if not wanted:
        return tuple(entry for entry in REAL_ENTRIES if not entry.is_fitted)
    found = selected(REAL_ENTRIES, wanted)
    return tuple(entry for entry in REAL_ENTRIES if entry in found or entry.id == RULER)
