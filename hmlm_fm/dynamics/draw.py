"""Draws logic, rates and conditions for topologies whose kinetics nobody knows.

The priors are continuous and cover what published logic models state (w, n, EC50 around Netflux's
defaults; signalling faster, expression slower); no fibroblast or hypertrophy model was looked at.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hmlm_fm.conditions import Condition, Perturbation
from hmlm_fm.network import Interaction, SignalingNetwork

EXPRESSION_KINDS = ("expression", "repression")
DRAWN_KINDS = {
    "knockout": 0.4,
    "knockdown": 0.15,
    "inhibition": 0.2,
    "overexpression": 0.15,
    "clamp": 0.1,
}


def draw_dynamics(network: SignalingNetwork, rng: np.random.Generator) -> SignalingNetwork:
    """The same topology with a full set of kinetic parameters, and logic where none is known.

    Molecules without regulators become inputs; unknown signs are drawn (four of five activate).
    Where the logic is unknown, activators of one target are joined by AND with a probability of
    the network's own, and inhibitors act in AND with most of the activators.
    """
    signed = [_draw_signs(i, rng) for i in network.interactions]
    rules = [i for i in signed if not i.is_input]
    if not network.logic_known:
        rules = _draw_logic(rules, rng)
    n_typical = 1.4 * math.exp(rng.normal(-0.05, 0.25))
    ec50_typical = float(np.clip(rng.normal(0.48, 0.1), 0.25, 0.7))
    rules = [
        replace(
            rule,
            weight=1.0 if rng.random() < 0.6 else float(rng.uniform(0.6, 1.0)),
            n=float(np.clip(n_typical * math.exp(rng.normal(0, 0.1)), 1.0, 4.0)),
            ec50=float(np.clip(ec50_typical + rng.normal(0, 0.04), 0.2, 0.8)),
        )
        for rule in rules
    ]
    regulated = {rule.target for rule in rules}
    has_input = dict.fromkeys(i.target for i in signed if i.is_input)
    inputs = dict.fromkeys([*has_input, *(n for n in network.names if n not in regulated)])
    common = float(rng.uniform(0.02, 0.25))
    input_rules = [
        Interaction((), (), name, "input", _draw_input_weight(common, name in has_input, rng))
        for name in inputs
    ]
    speed = math.exp(rng.normal(0, 0.5))
    slow = {rule.target for rule in rules if rule.kind in EXPRESSION_KINDS}
    molecules = [
        replace(
            molecule,
            tau_hours=float(
                np.clip(
                    speed * (6.0 if molecule.name in slow else 0.5) * math.exp(rng.normal(0, 0.6)),
                    0.05,
                    30.0,
                )
            ),
            y0=0.0,
            ymax=1.0 if rng.random() < 0.85 else float(rng.uniform(0.6, 1.0)),
        )
        for molecule in network.molecules
    ]
    return replace(
        network,
        molecules=tuple(molecules),
        interactions=(*input_rules, *rules),
        logic_known=True,
    )


def draw_condition(network: SignalingNetwork, rng: np.random.Generator) -> Condition:
    """Some stimuli at random levels and, in half of the cases, a perturbation.

    Up to two stimuli, or a third of the inputs where there are many: merged topologies have dozens
    of inputs, and one ligand among them would leave most of the network at rest. Where every
    molecule has a regulator, as in a circle, any of them is stimulated.
    """
    inputs = network.inputs or network.names
    most = max(2, len(network.inputs) // 3)
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
        perturbations.append(
            Perturbation(
                str(rng.choice(network.names)), kind, float(rng.uniform(0.3, 1.0)), start, end
            )
        )
    return Condition(stimuli, tuple(perturbations))


def _draw_signs(interaction: Interaction, rng: np.random.Generator) -> Interaction:
    signs = tuple(s or (1 if rng.random() < 0.8 else -1) for s in interaction.signs)
    return replace(interaction, signs=signs)


def _draw_input_weight(common: float, declared: bool, rng: np.random.Generator) -> float:
    """Most inputs are quiet at rest; some molecules without known regulators are always there."""
    if not declared and rng.random() < 0.25:
        return float(rng.uniform(0.3, 1.0))
    return common if rng.random() < 0.7 else float(rng.uniform(0.0, 0.3))


def _draw_logic(rules: list[Interaction], rng: np.random.Generator) -> list[Interaction]:
    """AND groups for single edges, target by target."""
    by_target: dict[str, list[Interaction]] = {}
    for rule in rules:
        by_target.setdefault(rule.target, []).append(rule)
    share_joined = float(rng.uniform(0.0, 0.6))
    drawn = []
    for target, edges in by_target.items():
        activators = [e for e in edges if e.signs[0] > 0]
        inhibitors = [e for e in edges if e.signs[0] < 0]
        groups: list[list[Interaction]] = []
        for edge in activators:
            if groups and len(groups[-1]) < 4 and rng.random() < share_joined:
                groups[-1].append(edge)
            else:
                groups.append([edge])
        if not groups and inhibitors:
            groups = [inhibitors[:4]]
        else:
            for edge in inhibitors:
                held = [g for g in groups if rng.random() < 0.85] or [groups[0]]
                for group in held:
                    group.append(edge)
        for group in groups:
            # A source that the target hears of in several edges counts once in a group.
            signs = {source: s for e in group for source, s in zip(e.sources, e.signs, strict=True)}
            drawn.append(Interaction(tuple(signs), tuple(signs.values()), target, group[0].kind))
    return drawn
