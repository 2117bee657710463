"""The logic ODE as a baseline: the simulator's equations, with default or fitted parameters.

It is rolled out and fitted as the transducer of HMLM is, by the same loop, but knows nothing of
other networks: its parameters start at the usual values of Netflux. Where AND groups are not
known, three forms are tried, and the one that predicts held-out conditions best is taken.

Shapes: M members, Q conditions, U times, N molecules, I interactions, J literals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch

from ...dynamics.logic_ode import DEFAULT_N
from ...fitting.ensemble import Fit, FitSettings, Parameters, fit_members
from ...fitting.member_rollout import MemberRollOut
from ...measurements.baseline import Baseline
from ...measurements.measured import Measurements
from ...model.condition_tensors import ConditionTensors
from ...model.conditions import Condition
from ...model.configuration_hmlm import HMLMConfig
from ...model.fields import Fields
from ...model.gates import Gates
from ...model.graph import Wiring
from ...model.network import Interaction, SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...model.transducer import Transducer

SPREAD = {"log_tau": 0.6, "log_n": 0.25, "ec50": 0.4, "weight": 1.0, "shared": 0.3}
DEFAULT_WEIGHT_LOGIT = 3.0
MOST_JOINED = 6
"""Literals in one AND group, at most: a product of many default gates is 0 everywhere."""


def as_or(network: SignalingNetwork) -> SignalingNetwork:
    """Every edge an interaction of its own."""
    return replace(network, logic_known=True)


def as_and(network: SignalingNetwork) -> SignalingNetwork:
    """All edges on one target in one interaction."""
    return _regrouped(
        network, lambda edges: [edges[:MOST_JOINED], *([e] for e in edges[MOST_JOINED:])]
    )


def as_held_back(network: SignalingNetwork) -> SignalingNetwork:
    """Activators joined by OR, each held back by every inhibitor."""

    def groups(edges: list[Interaction]) -> list[list[Interaction]]:
        inhibitors = [e for e in edges if e.signs[0] < 0]
        activators = [e for e in edges if e.signs[0] >= 0]
        return [[a, *inhibitors] for a in activators] or [inhibitors]

    return _regrouped(network, groups)


FORMS = {"OR": as_or, "AND": as_and, "activators held back": as_held_back}


def _regrouped(
    network: SignalingNetwork,
    groups: Callable[[list[Interaction]], list[list[Interaction]]],
) -> SignalingNetwork:
    by_target: dict[str, list[Interaction]] = {}
    for interaction in network.interactions:
        if not interaction.is_input:
            by_target.setdefault(interaction.target, []).append(interaction)
    joined = [i for i in network.interactions if i.is_input]
    for target, edges in by_target.items():
        for group in groups(edges):
            # A source of several edges to one target counts once in a group.
            signs = {s: sign for e in group for s, sign in zip(e.sources, e.signs, strict=True)}
            joined.append(Interaction(tuple(signs), tuple(signs.values()), target, group[0].kind))
    return replace(network, interactions=tuple(joined), logic_known=True)


def logic_gates(p: Parameters, input_N: torch.Tensor, wiring: Wiring) -> Gates:
    """Parameters of the logic ODE of every member as the gates of a roll-out."""
    like = p["log_tau"]
    members = len(like)
    # One n and one EC50 of the whole network, and what an interaction adds to them.
    log_n = p["shared"][:, :1] + p["log_n"]
    ec50 = p["shared"][:, 1:] + p["ec50"]
    own = wiring.interaction_J
    n = DEFAULT_N * torch.exp(log_n.clamp(-1.0, 1.2)).flatten()[own]
    c = torch.sigmoid(ec50).clamp(0.02, 0.98).flatten()[own] ** n
    molecules = like.numel()
    return Gates(
        tau_hours_F=torch.exp(like.flatten().clamp(-4.6, 4.6)),
        input_F=input_N.repeat(members),
        resting_F=like.new_zeros(molecules),
        trust_F=like.new_zeros(molecules),
        weight_I=torch.sigmoid(DEFAULT_WEIGHT_LOGIT + p["weight"]).flatten(),
        n_J=n,
        c_J=c,
        activates_J=(wiring.sign_J > 0).to(like),
        partner_X=like.new_zeros(len(wiring.left_X)),
        scale_F4=like.new_full((molecules, 4), 0.05),
        observation_FY4=like.new_zeros(molecules, 0, 4),
        smoothing_F2=like.new_zeros(molecules, 2),
    )


class DefaultLogicODE(Baseline):
    """The logic ODE with default parameters; the form of its logic is the one that fits best."""

    def __init__(self, settings: FitSettings | None = None) -> None:
        self.settings = settings or FitSettings()

    def fit(self, training: Measurements) -> Self:
        forms = (
            {"as given": training.network}
            if training.network.logic_known
            else {name: form(training.network) for name, form in FORMS.items()}
        )
        tried = {name: self._try(network, training) for name, network in forms.items()}
        self.form = min(tried, key=lambda name: float(tried[name][0].held_out_error.mean()))
        fit, self.network = tried[self.form]
        self.parameters, self.training = fit.parameters, training
        return self

    def _try(
        self, network: SignalingNetwork, training: Measurements
    ) -> tuple[Fit, SignalingNetwork]:
        later = training.times_hours > 0
        roll_out = _roll_out(
            network, training, training.times_hours[later], training.conditions, self.members
        )
        inputs = _input_levels(network, training.baseline)

        def predict(parameters: Parameters, chosen: np.ndarray) -> torch.Tensor:
            return roll_out(logic_gates(parameters, inputs, roll_out.wiring), chosen)

        reactions = len(network.interactions)
        start = {
            "log_tau": torch.zeros(self.members, len(network.molecules)),
            "log_n": torch.zeros(self.members, reactions),
            "ec50": torch.zeros(self.members, reactions),
            "weight": torch.zeros(self.members, reactions),
            "shared": torch.zeros(self.members, 2),
        }
        states = torch.tensor(training.states[:, later], dtype=torch.float32)
        weight = torch.tensor(training.measured[:, later], dtype=torch.float32)
        fit = fit_members(predict, start, SPREAD, states, self.fit_settings, training.seed, weight)
        return fit, network

    @property
    def fit_settings(self) -> FitSettings:
        return replace(self.settings, members=1, steps=0)

    @property
    def members(self) -> int:
        return self.fit_settings.members

    @torch.no_grad()
    def predict(self, conditions: Sequence[Condition], hours: np.ndarray) -> np.ndarray:
        roll_out = _roll_out(self.network, self.training, hours, conditions, self.members)
        inputs = _input_levels(self.network, self.training.baseline)
        gates = logic_gates(self.parameters, inputs, roll_out.wiring)
        return roll_out(gates, np.arange(len(conditions))).mean(0).numpy()


class FittedLogicODE(DefaultLogicODE):
    """The logic ODE fitted to the measurements: n and EC50 of the network, then of each interaction
    with its weight, and τ of each molecule."""

    @property
    def fit_settings(self) -> FitSettings:
        return self.settings


def _input_levels(network: SignalingNetwork, baseline: np.ndarray) -> torch.Tensor:
    """Level of each molecule's own input (N): its state at rest, where nothing else drives it and
    that state is known (not NaN)."""
    regulated = {i.target for i in network.interactions if not i.is_input}
    levels = torch.zeros(len(network.molecules))
    resting = {n: baseline[network.molecule_index[n]] for n in network.inputs if n not in regulated}
    known = {name: level for name, level in resting.items() if np.isfinite(level)}
    usual = float(np.mean(list(known.values()))) if known else 0.1
    for name in network.inputs:
        levels[network.molecule_index[name]] = float(known.get(name, usual))
    return levels


def _roll_out(
    network: SignalingNetwork,
    training: Measurements,
    hours: np.ndarray,
    conditions: Sequence[Condition],
    members: int,
) -> MemberRollOut:
    fields = HMLMTokenizer()(network, return_tensors="pt", warn_unknown=False)
    wiring = Wiring.from_fields(Fields(fields))
    rows = ConditionTensors.from_conditions(conditions, network)
    transducer = Transducer(HMLMConfig()).eval()
    return MemberRollOut(transducer, wiring, members, rows, hours, training.baseline)
