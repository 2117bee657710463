"""The rows of the tasks on unseen conditions: HMLM, everything simpler, and controls.

Every row gets the same measurements. Where a row has hyperparameters, its `grid` lists them, and
those that predict a held-out fifth of the training conditions of seed 0 best are taken for all
seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..fitting.ensemble import FitSettings
from ..inference.loading import untrained_model
from ..measurements.baseline import Rival, mean_squared_error
from ..measurements.measured import Measurements
from ..measurements.trivial import Hold, TrainingMean
from ..model.configuration_hmlm import HMLMConfig
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .baselines.corrected import CorrectedByResiduals
from .baselines.curves import CURVES
from .baselines.discrepant import WithDiscrepancy, with_discrepancy
from .baselines.fitted_logic_ode import FittedLogicODE, LogicODE
from .baselines.gate_model import GateModel
from .baselines.graph_network import GraphNetwork
from .baselines.hmlm import FineTuned, FineTunedInFull, InContext
from .baselines.linear_dynamics import LinearDynamics
from .baselines.neural import NeuralODE, RecurrentOnGraph
from .baselines.regression import BayesianRidge, RidgeOnCondition

PRETRAINED_ROWS = (
    "HMLM pretrained, in context",
    "HMLM pretrained, fine-tuned",
    "HMLM pretrained, fine-tuned in full",
)
CONTROL_ROWS = ("control: graph shuffled", "control: signs removed")


@dataclass(frozen=True)
class Row:
    """A row to be.

    Attributes:
        name: as tables show it.
        make: it, from hyperparameters.
        grid: those to choose from.
        trial: what is set beside them while they are tried, where a whole fit would take too long.
        long: whether it is among those that take longest, and is begun before the others.
    """

    name: str
    make: Callable[..., Rival]
    grid: tuple[dict[str, Any], ...] = ({},)
    trial: Mapping[str, Any] = field(default_factory=dict)
    long: bool = False

    @property
    def starts_from_model(self) -> bool:
        """Whether what it gives depends on the pretrained weights."""
        return self.name in PRETRAINED_ROWS + CONTROL_ROWS

    def choose(self, seen: Measurements) -> dict[str, Any]:
        """The member of the grid that predicts a held-out fifth best."""
        if len(self.grid) == 1:
            return self.grid[0]
        training, held_out = seen.split()
        errors = [
            mean_squared_error(self.make(**chosen, **self.trial).fit(training), held_out)
            for chosen in self.grid
        ]
        return self.grid[int(np.argmin(errors))]


class Shuffled(FineTuned):
    """HMLM on a graph whose sources were dealt out anew: what is left has not come from wiring."""

    def fit(self, seen: Measurements) -> Shuffled:
        super().fit(replace(seen, network=shuffled(seen.network, seen.seed)))
        return self


def shuffled(network: SignalingNetwork, seed: int) -> SignalingNetwork:
    """The same molecules, targets and signs, with the sources of interactions permuted."""
    rng = np.random.default_rng([seed, 7])
    sources = [s for i in network.interactions for s in i.sources]
    dealt = iter(np.array(sources)[rng.permutation(len(sources))].tolist())
    interactions = []
    for interaction in network.interactions:
        # A source twice in one AND group would count once: the second is left out.
        drawn = [next(dealt) for _ in interaction.sources]
        signs = dict(zip(drawn, interaction.signs, strict=True))
        interactions.append(replace(interaction, sources=tuple(signs), signs=tuple(signs.values())))
    return replace(network, interactions=tuple(interactions))


def all_rows(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, settings: FitSettings, steps: int | None
) -> list[Row]:
    """Every row of the card.

    Args:
        model: the pretrained one.
        settings: of all rows that are fitted by `fit_members`, HMLM or not.
        steps: of the neural rivals, where fewer than usual.
    """
    fewer = {} if steps is None else {"steps": steps}
    untrained = untrained_model(model.config, seed=0)
    blind = HMLMForSignaling(
        HMLMConfig.from_dict(model.config.to_dict() | {"disabled_parts": ["signs"]})
    )
    blind.load_state_dict(model.state_dict())

    def grid(of: Any) -> tuple[dict[str, Any], ...]:
        found = tuple(getattr(of, "grid", ()) or ({},))
        return tuple({**chosen, **fewer} for chosen in found) if fewer else found

    simple = (Hold, TrainingMean, RidgeOnCondition, BayesianRidge, LinearDynamics)
    neural = (NeuralODE, RecurrentOnGraph)
    fitted = FineTuned
    return [
        *(Row(of.name, of, tuple(getattr(of, "grid", ()) or ({},))) for of in simple),
        *(Row(of.name, of, grid(of), {"refit": False}) for of in neural),
        Row(GraphNetwork.name, GraphNetwork, grid(GraphNetwork), GraphNetwork.trial, long=True),
        Row(LogicODE.name, LogicODE),
        Row(FittedLogicODE.name, lambda: FittedLogicODE(settings), long=True),
        Row(
            with_discrepancy(FittedLogicODE.name),
            lambda: WithDiscrepancy(FittedLogicODE(settings)),
            long=True,
        ),
        Row(GateModel.name, lambda: GateModel(settings)),
        Row(with_discrepancy(GateModel.name), lambda: WithDiscrepancy(GateModel(settings))),
        Row(
            "HMLM from scratch",
            lambda in_context, members=settings.members: fitted(
                "HMLM from scratch",
                untrained,
                tokenizer,
                replace(settings, members=members),
                in_context,
            ),
            ({"in_context": False}, {"in_context": True}),
            {"members": 2},
            long=True,
        ),
        Row(PRETRAINED_ROWS[0], lambda: InContext(model, tokenizer)),
        Row(
            PRETRAINED_ROWS[1],
            lambda: fitted(PRETRAINED_ROWS[1], model, tokenizer, settings),
        ),
        Row(
            PRETRAINED_ROWS[2],
            lambda: FineTunedInFull(PRETRAINED_ROWS[2], model, tokenizer, settings),
            long=True,
        ),
        Row(
            CONTROL_ROWS[0],
            lambda: Shuffled(CONTROL_ROWS[0], model, tokenizer, settings),
        ),
        Row(CONTROL_ROWS[1], lambda: fitted(CONTROL_ROWS[1], blind, tokenizer, settings)),
    ]


def rows_of_seen_conditions(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, settings: FitSettings, steps: int | None
) -> list[Row]:
    """Those of `all_rows`, for conditions of which something was seen: what is fitted is corrected
    by its residuals there, as HMLM is, and curves through what was seen stand beside it."""
    rows = [Row(of.name, of) for of in CURVES]
    for row in all_rows(model, tokenizer, settings, steps):
        corrects_itself = row.name.startswith("HMLM") or row.name in CONTROL_ROWS
        if not corrects_itself and row.name not in (Hold.name, TrainingMean.name):
            row = replace(row, make=corrected(row.make))
        rows.append(row)
    return rows


def corrected(make: Callable[..., Rival]) -> Callable[..., Rival]:
    """A row that its residuals correct, where something of the asked conditions was seen."""
    return lambda **chosen: CorrectedByResiduals(make(**chosen))
