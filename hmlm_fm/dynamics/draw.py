"""Draws logic, rates and conditions for topologies whose kinetics are unknown.

Published models are each of one style: one n and EC50 for all rules, all weights 1 or many below,
few or many ANDs. So a network draws its style first, and its rules vary around it (`Priors`). The
centres are those of published logic models (Netflux's n = 1.4, EC50 = 0.5, w = 1; signalling
faster, expression slower); how rules combine is the spread that 275 published Boolean models, four
Netflux models and the core pathways show. No fibroblast or hypertrophy model was looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..model.conditions import Condition, Perturbation
from ..model.network import Interaction, SignalingNetwork

EXPRESSION_KINDS = ("expression", "repression")

MOST_JOINED = 4
"""Sources of one drawn AND group; published models have few of more."""


@dataclass(frozen=True)
class Priors:
    """The distributions that kinetics and logic are drawn from.

    Where a pair is given it is (centre, spread): log-normal for n, time constants and speed,
    normal for EC50. A range is uniform. Times are in hours.

    Attributes:
        n, ec50: of a network; `n_within`, `ec50_within`: of its rules around that, which are cut
            to `n_range` and `ec50_range`.
        full_weights: share of networks whose rules all have weight 1; in the others each rule has
            with probability `full_weight`, or a weight in `weights`.
        quiet_input: level of inputs at rest, one for a network.
        always_there: share of the networks in which molecules without known regulators may be
            active at rest, each with a probability of at most `most_always_there`.
        speed, signalling_hours, expression_hours, hours_within: of time constants, which are cut
            to `hours_range`.
        full_ymax: probability that a molecule can reach 1; others reach a state in `ymax`.
        joined: share of the activators of one target that are joined by AND, of a network: the
            parameters of a beta distribution.
        held: probability that an inhibitor acts within an AND group of activators, of a network.
        activates: probability that an unknown sign is +1.
    """

    n: tuple[float, float] = (1.33, 0.2)
    n_within: float = 0.08
    n_range: tuple[float, float] = (1.0, 4.0)
    ec50: tuple[float, float] = (0.5, 0.09)
    ec50_within: float = 0.03
    ec50_range: tuple[float, float] = (0.2, 0.8)
    full_weights: float = 0.5
    full_weight: float = 0.6
    weights: tuple[float, float] = (0.5, 1.0)
    quiet_input: tuple[float, float] = (0.0, 0.2)
    always_there: float = 0.5
    most_always_there: float = 0.4
    speed: tuple[float, float] = (1.0, 0.5)
    signalling_hours: float = 0.5
    expression_hours: float = 6.0
    hours_within: float = 0.6
    hours_range: tuple[float, float] = (0.05, 30.0)
    full_ymax: float = 0.85
    ymax: tuple[float, float] = (0.6, 1.0)
    joined: tuple[float, float] = (0.4, 1.4)
    held: tuple[float, float] = (0.3, 1.0)
    activates: float = 0.8


PRIORS = Priors()
DRAWN_KINDS = {
    "knockout": 0.4,
    "knockdown": 0.15,
    "inhibition": 0.2,
    "overexpression": 0.15,
    "clamp": 0.1,
}


def draw_dynamics(
    network: SignalingNetwork, rng: np.random.Generator, priors: Priors = PRIORS
) -> SignalingNetwork:
    """The same topology with a full set of kinetic parameters, and logic where none is known.

    Molecules without regulators become inputs; unknown signs are drawn.
    """
    signed = [_draw_signs(i, priors, rng) for i in network.interactions]
    rules = [i for i in signed if not i.is_input]
    if not network.logic_known:
        rules = _draw_logic(rules, priors, rng)
    rules = _draw_rates(rules, priors, rng)
    regulated = {rule.target for rule in rules}
    declared = dict.fromkeys(i.target for i in signed if i.is_input)
    inputs = dict.fromkeys([*declared, *(n for n in network.names if n not in regulated)])
    quiet = float(rng.uniform(*priors.quiet_input))
    is_lively = rng.random() < priors.always_there
    share_there = float(rng.uniform(0, priors.most_always_there)) if is_lively else 0.0
    input_rules = []
    for name in inputs:
        is_there = name not in declared and rng.random() < share_there
        weight = float(rng.uniform(0.3, 1.0)) if is_there else quiet
        input_rules.append(Interaction((), (), name, "input", weight))
    speed = priors.speed[0] * math.exp(rng.normal(0, priors.speed[1]))
    slow = {rule.target for rule in rules if rule.kind in EXPRESSION_KINDS}
    molecules = []
    for molecule in network.molecules:
        typical = priors.expression_hours if molecule.name in slow else priors.signalling_hours
        tau = speed * typical * math.exp(rng.normal(0, priors.hours_within))
        is_full = rng.random() < priors.full_ymax
        molecules.append(
            replace(
                molecule,
                tau_hours=float(np.clip(tau, *priors.hours_range)),
                y0=0.0,
                ymax=1.0 if is_full else float(rng.uniform(*priors.ymax)),
            )
        )
    return replace(
        network,
        molecules=tuple(molecules),
        interactions=(*input_rules, *rules),
        logic_known=True,
    )


def draw_condition(network: SignalingNetwork, rng: np.random.Generator) -> Condition:
    """Some stimuli at random levels and, in half of the cases, a perturbation.

    Up to two stimuli, or half of the inputs where there are many: merged topologies have dozens
    of inputs, and one ligand among them would leave most of the network at rest. Where every
    molecule has a regulator, as in a circle, any of them is stimulated.
    """
    inputs = network.inputs or network.names
    most = max(2, len(network.inputs) // 2)
    count = min(len(inputs), int(rng.integers(1, most + 1)))
    chosen = rng.choice(len(inputs), size=count, replace=False)
    stimuli = {inputs[i]: float(rng.uniform(0.4, 1.0)) for i in chosen}
    if rng.random() < 0.15:
        # Some stimuli are withdrawn rather than given.
        stimuli[inputs[chosen[0]]] = float(rng.uniform(0.0, 0.1))
    perturbations = []
    if rng.random() < 0.5:
        kind = str(rng.choice(list(DRAWN_KINDS), p=list(DRAWN_KINDS.values())))
        start = float(rng.choice([2.0, 6.0, 12.0])) if rng.random() < 0.2 else 0.0
        end = start + float(rng.choice([6.0, 12.0, 24.0])) if rng.random() < 0.15 else math.inf
        target, strength = str(rng.choice(network.names)), float(rng.uniform(0.3, 1.0))
        perturbations.append(
            Perturbation(target, kind, 1.0 if kind == "knockout" else strength, start, end)
        )
    return Condition(stimuli, tuple(perturbations))


def _draw_rates(
    rules: list[Interaction], priors: Priors, rng: np.random.Generator
) -> list[Interaction]:
    """Weight, n and EC50 of every rule, around what is typical of the network."""
    n = priors.n[0] * math.exp(rng.normal(0, priors.n[1]))
    ec50 = rng.normal(*priors.ec50)
    all_full = rng.random() < priors.full_weights
    drawn = []
    for rule in rules:
        is_full = all_full or rng.random() < priors.full_weight
        own_n = n * math.exp(rng.normal(0, priors.n_within))
        own_ec50 = ec50 + rng.normal(0, priors.ec50_within)
        drawn.append(
            replace(
                rule,
                weight=1.0 if is_full else float(rng.uniform(*priors.weights)),
                n=float(np.clip(own_n, *priors.n_range)),
                ec50=float(np.clip(own_ec50, *priors.ec50_range)),
            )
        )
    return drawn


def _draw_signs(interaction: Interaction, priors: Priors, rng: np.random.Generator) -> Interaction:
    signs = tuple(s or (1 if rng.random() < priors.activates else -1) for s in interaction.signs)
    return replace(interaction, signs=signs)


def _draw_logic(
    rules: list[Interaction], priors: Priors, rng: np.random.Generator
) -> list[Interaction]:
    """AND groups for single edges, target by target; what is an AND already stays one."""
    by_target: dict[str, list[Interaction]] = {}
    for rule in rules:
        by_target.setdefault(rule.target, []).append(rule)
    share_joined = float(rng.beta(*priors.joined))
    share_held = float(rng.uniform(*priors.held))
    drawn = []
    for target, given in by_target.items():
        edges = [rule for rule in given if len(rule.sources) == 1]
        groups = [[rule] for rule in given if len(rule.sources) > 1]
        inhibitors = [e for e in edges if e.signs[0] < 0]
        for edge in (e for e in edges if e.signs[0] > 0):
            fits = groups and len(groups[-1]) < MOST_JOINED and len(groups[-1][0].sources) == 1
            if fits and rng.random() < share_joined:
                groups[-1].append(edge)
            else:
                groups.append([edge])
        if not groups and inhibitors:
            groups = [inhibitors[:MOST_JOINED]]
        else:
            for edge in inhibitors:
                held = [g for g in groups if rng.random() < share_held] or [groups[0]]
                for group in held:
                    group.append(edge)
        for group in groups:
            # A source of several edges on the target counts once in a group.
            signs = {source: s for e in group for source, s in zip(e.sources, e.signs, strict=True)}
            drawn.append(Interaction(tuple(signs), tuple(signs.values()), target, group[0].kind))
    return drawn
