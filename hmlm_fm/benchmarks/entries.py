"""The entries of the tasks on held-out conditions: HMLM, everything simpler, and controls.

Every entry gets the same measurements. Where an entry has hyperparameters, those of its `grid` that
predict a held-out fifth of the training conditions of seed 0 best are taken for all seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from ..fitting.ensemble import FitSettings
from ..inference.loading import untrained_model
from ..measurements.baseline import Baseline, mean_squared_error
from ..measurements.measured import Measurements
from ..measurements.trivial import Hold, TrainingMean
from ..model.error_base import HMLMError, did_you_mean
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .baselines.controls import FineTunedOnShuffledGraph, without_signs
from .baselines.corrected import CorrectedByResiduals
from .baselines.curves import (
    GaussianProcess,
    LastObservation,
    LinearInterpolation,
    MonotoneSpline,
    NaturalSpline,
)
from .baselines.fitted_logic_ode import DefaultLogicODE, FittedLogicODE
from .baselines.gate_model import GateModel
from .baselines.graph_network import GraphNetwork
from .baselines.hmlm import FineTuned, FineTunedInFull, InContext
from .baselines.linear_dynamics import LinearDynamics
from .baselines.neural import NeuralODE, RecurrentOnGraph
from .baselines.regression import BayesianRidge, RidgeOnCondition
from .baselines.with_discrepancy import WithDiscrepancy

Hyperparameters = dict[str, Any]
Result = dict[str, Any]
"""One result of the JSON of a task: entry, label, budget, split, seed, and figures."""


@dataclass(frozen=True)
class Entry:
    """One method of a benchmark, declared once.

    Attributes:
        id: by which `--entries` chooses it and the JSON names it.
        label: as tables and figures show it.
        factory: makes it. What it takes is stated by its task; the entries of this module take
            `Resources` and hyperparameters, and give a `Baseline`. None where `published` is given.
        grid: hyperparameters to choose from.
        trial: what is set beside them while they are tried, where a whole fit would take too long.
        starts_from: the part of the checkpoint that its results depend on: nothing, the
            configuration (weights drawn anew), or the pretrained weights.
        correction: what uses observations of the query conditions themselves, in tasks that have
            any: the entry itself, a correction of its predictions by its residuals, or nothing.
        highlighted: whether figures draw it in the colour of HMLM.
        slow: whether it is among those that take longest, and is begun before the others.
        published: mean squared errors of the first split as others state them, by budget.
    """

    id: str
    label: str
    factory: Callable[..., Any] | None = None
    grid: tuple[Hyperparameters, ...] = ({},)
    trial: Mapping[str, Any] = field(default_factory=dict)
    starts_from: Literal["nothing", "configuration", "weights"] = "nothing"
    correction: Literal["own", "residuals", "none"] = "residuals"
    highlighted: bool = False
    slow: bool = False
    published: Mapping[str, float] | None = None

    def make(self, *given: Any, **hyperparameters: Any) -> Any:
        """What the factory makes."""
        assert self.factory is not None, f"{self.id} was published, and is not computed"
        return self.factory(*given, **hyperparameters)

    def choose(self, resources: Resources, training: Measurements) -> Hyperparameters:
        """The member of the grid that predicts a held-out fifth of the conditions best."""
        if len(self.grid) == 1:
            return self.grid[0]
        part, held_out = training.split()
        errors = [
            mean_squared_error(self.make(resources, **chosen, **self.trial).fit(part), held_out)
            for chosen in self.grid
        ]
        return self.grid[int(np.argmin(errors))]

    def for_observed_conditions(self) -> Entry:
        """The entry for a task in which something of the query conditions was observed."""
        if self.correction != "residuals" or self.factory is None:
            return self
        return replace(self, factory=partial(_corrected, self.factory))

    def result(self, budget: object, split: str, seed: int | None, **figures: Any) -> Result:
        """One result of this entry."""
        return {
            "entry": self.id, "label": self.label, "budget": str(budget), "split": split,
            "seed": seed, **figures,
        }  # fmt: skip


@dataclass
class Resources:
    """What the entries of one budget share.

    Attributes:
        model, tokenizer: the pretrained ones.
        settings: of all entries that are fitted by `fit_members`, HMLM or not.
        steps: of the neural baselines, where fewer than usual.
    """

    model: HMLMForSignaling
    tokenizer: HMLMTokenizer
    settings: FitSettings
    steps: int | None = None

    @cached_property
    def untrained(self) -> HMLMForSignaling:
        """A model of the same configuration with weights drawn by seed 0."""
        return untrained_model(self.model.config, seed=0)

    @cached_property
    def without_signs(self) -> HMLMForSignaling:
        """The pretrained model, blind to signs."""
        return without_signs(self.model)


class HasId(Protocol):
    """What is chosen by its id."""

    @property
    def id(self) -> str: ...


AnyEntry = TypeVar("AnyEntry", bound=HasId)


def selected(entries: Sequence[AnyEntry], ids: Iterable[str]) -> tuple[AnyEntry, ...]:
    """The entries with these ids, in their own order; all of them where no id is given.

    Raises:
        HMLMError: an id that no entry has.
    """
    known, wanted = [entry.id for entry in entries], list(ids)
    for one in wanted:
        if one not in known:
            raise HMLMError(
                f"no entry {one!r}{did_you_mean(one, known)}; expected some of {', '.join(known)}"
            )
    return tuple(entry for entry in entries if entry.id in wanted or not wanted)


def _alone(make: Callable[..., Baseline], _: Resources, **chosen: Any) -> Baseline:
    """A baseline that takes nothing but hyperparameters."""
    return make(**chosen)


def _neural(make: Callable[..., Baseline], resources: Resources, **chosen: Any) -> Baseline:
    fewer = {} if resources.steps is None else {"steps": resources.steps}
    return make(**chosen, **fewer)


def _fitted(make: Callable[..., Baseline], resources: Resources) -> Baseline:
    """A baseline that is fitted by the loop that it shares with HMLM."""
    return make(resources.settings)


def _with_discrepancy(make: Callable[..., Baseline], resources: Resources) -> Baseline:
    return WithDiscrepancy(make(resources.settings))


def _corrected(
    factory: Callable[..., Baseline], resources: Resources, **chosen: Any
) -> CorrectedByResiduals:
    return CorrectedByResiduals(factory(resources, **chosen))


def _from_scratch(
    resources: Resources, in_context: bool = True, members: int | None = None
) -> FineTuned:
    settings = resources.settings
    if members is not None:
        settings = replace(settings, members=members)
    return FineTuned(resources.untrained, resources.tokenizer, settings, in_context)


def _untrained_in_full(resources: Resources) -> FineTuned:
    return FineTunedInFull(resources.untrained, resources.tokenizer, resources.settings)


def _in_context(resources: Resources) -> InContext:
    return InContext(resources.model, resources.tokenizer)


def _fine_tuned(kind: type[FineTuned], resources: Resources) -> FineTuned:
    return kind(resources.model, resources.tokenizer, resources.settings)


def _without_signs(resources: Resources) -> FineTuned:
    return FineTuned(resources.without_signs, resources.tokenizer, resources.settings)


_hmlm = partial(Entry, starts_from="weights", correction="own")

ENTRIES: tuple[Entry, ...] = (
    Entry("hold", "hold", partial(_alone, Hold), correction="none"),
    Entry(
        "training-mean", "mean of the training conditions", partial(_alone, TrainingMean),
        correction="none",
    ),
    Entry("ridge", "ridge on the condition", partial(_alone, RidgeOnCondition)),
    Entry("bayesian-ridge", "Bayesian ridge", partial(_alone, BayesianRidge)),
    Entry(
        "linear-dynamics", "linear dynamics (LDE)", partial(_alone, LinearDynamics),
        grid=(
            {"on_graph": True},
            {"on_graph": False},
            {"on_graph": True, "rate": 0.03},
            {"on_graph": False, "decay": 0.1},
        ),
    ),
    Entry(
        "neural-ode", "neural ODE", partial(_neural, NeuralODE),
        grid=(
            {"width": 64},
            {"width": 128},
            {"width": 128, "rate": 0.003},
            {"width": 64, "decay": 3.0},
        ),
        trial={"refit": False},
    ),
    Entry(
        "lembas", "LEMBAS-style recurrent network", partial(_neural, RecurrentOnGraph),
        grid=(
            {"rate": 0.02},
            {"rate": 0.05},
            {"rate": 0.02, "decay": 0.03},
            {"rate": 0.02, "decay": 0.3},
        ),
        trial={"refit": False},
    ),
    Entry(
        "gpsconv", "GPSConv", partial(_neural, GraphNetwork),
        grid=(
            {"layers": 6},
            {"layers": 8},
            {"layers": 6, "rate": 0.01},
            {"layers": 6, "width": 64},
        ),
        # A fit takes minutes.
        trial={"members": 1, "refit": False},
        slow=True,
    ),
    Entry("logic-ode-default", "logic ODE, default parameters", partial(_alone, DefaultLogicODE)),
    Entry("logic-ode", "logic ODE, fitted", partial(_fitted, FittedLogicODE), slow=True),
    Entry(
        "logic-ode-discrepancy", "logic ODE, fitted, with its discrepancy",
        partial(_with_discrepancy, FittedLogicODE), slow=True,
    ),
    Entry("rolled-out-gates", "rolled-out gates, fitted", partial(_fitted, GateModel)),
    Entry(
        "rolled-out-gates-discrepancy", "rolled-out gates, fitted, with its discrepancy",
        partial(_with_discrepancy, GateModel),
    ),
    _hmlm(
        "hmlm-scratch", "HMLM from scratch", _from_scratch,
        grid=({"in_context": False}, {"in_context": True}), trial={"members": 2},
        starts_from="configuration", highlighted=True, slow=True,
    ),
    _hmlm(
        "hmlm-untrained-in-full", "HMLM untrained, fine-tuned in full", _untrained_in_full,
        starts_from="configuration", highlighted=True, slow=True,
    ),
    _hmlm("hmlm-in-context", "HMLM pretrained, in context", _in_context, highlighted=True),
    _hmlm(
        "hmlm-fine-tuned", "HMLM pretrained, fine-tuned", partial(_fine_tuned, FineTuned),
        highlighted=True,
    ),
    _hmlm(
        "hmlm-in-full", "HMLM pretrained, fine-tuned in full",
        partial(_fine_tuned, FineTunedInFull), highlighted=True, slow=True,
    ),
    _hmlm(
        "hmlm-shuffled", "control: graph shuffled",
        partial(_fine_tuned, FineTunedOnShuffledGraph),
    ),
    _hmlm("hmlm-no-signs", "control: signs removed", _without_signs),
)  # fmt: skip
"""Those of tasks on conditions of which nothing was observed; the order is that of tables."""

CURVES: tuple[Entry, ...] = tuple(
    Entry(id, label, partial(_alone, kind), correction="none")
    for id, label, kind in (
        ("last-observation", "last observation carried forward", LastObservation),
        ("linear-interpolation", "linear interpolation", LinearInterpolation),
        ("cubic-spline", "cubic spline", NaturalSpline),
        ("monotone-spline", "monotone cubic spline", MonotoneSpline),
        ("gaussian-process", "Gaussian process", GaussianProcess),
    )
)
"""Curves through the observations of the query conditions themselves."""

ENTRIES_OF_OBSERVED_CONDITIONS: tuple[Entry, ...] = (
    *CURVES,
    *(entry.for_observed_conditions() for entry in ENTRIES),
)
"""Those of tasks in which something of the query conditions was observed."""
