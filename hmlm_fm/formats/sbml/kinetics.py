"""ODE models in SBML: what acts on what, and with which sign, from the derivatives of the rates.

A molecule acts on another where it changes the rate of a reaction that makes or uses up the other,
or a rule that sets it. The sign is that of the derivative times the net stoichiometry, found by
raising and lowering the molecule at 64 states around the model's initial one, parameters as they
stand, or at 64 far from it where the rate does not change there. It is 0 where the rate rises at
some states and falls at others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...model.network import Interaction
from ..logic.rules import kind_of_signs
from .flat_model import KineticModel, Rate
from .math_ml import TIME, Array, MathGraph
from .sbml_reactions import sign_of_modifier

STATES = 64
LEAST_CHANGE = 1e-9
"""The change of a rate, relative to the rate, that counts as one."""


@dataclass(frozen=True)
class Effect:
    """A signed effect of one molecule on another, through one reaction or rule."""

    source: str
    target: str
    sign: int
    kind: str


def kinetic_interactions(kinetic: KineticModel, seed_text: str) -> tuple[Interaction, ...]:
    """One interaction for every molecule that acts on another, and inputs.

    Effects through several reactions that contradict each other add up to sign 0. A molecule that
    nothing changes and that acts on others is an input. That a molecule hinders itself, as by its
    own decay, is no interaction.

    Args:
        kinetic: the model.
        seed_text: makes the states the same on every run.
    """
    effects = [*_derived(kinetic, seed_text), *_stated(kinetic)]
    merged: dict[tuple[str, str], list[Effect]] = {}
    for effect in effects:
        merged.setdefault((effect.source, effect.target), []).append(effect)
    acting = {source for source, _ in merged}
    acted_on = {target for source, target in merged if source != target}
    inputs = [
        Interaction((), (), name, "input")
        for name in kinetic.molecules
        if name in acting and name not in acted_on and name not in kinetic.changed
    ]
    return (*inputs, *(_merged(same) for same in merged.values()))


def _merged(same: list[Effect]) -> Interaction:
    signs = {effect.sign for effect in same}
    sign = signs.pop() if len(signs) == 1 else 0
    kinds = {effect.kind for effect in same}
    kind = kind_of_signs((sign,))
    if "conversion" in kinds or sign == 1 and "catalysis" in kinds:
        kind = "conversion" if "conversion" in kinds else "catalysis"
    return Interaction((same[0].source,), (sign,), same[0].target, kind)


def _stated(kinetic: KineticModel) -> Iterator[Effect]:
    """Effects of reactions without kinetic law, whose signs only the modifiers show."""
    for reaction in kinetic.without_law:
        reactants = [r.getSpecies() for r in reaction.getListOfReactants()]
        modifiers = [(m.getSpecies(), sign_of_modifier(m)) for m in reaction.getListOfModifiers()]
        for target in dict.fromkeys(r.getSpecies() for r in reaction.getListOfProducts()):
            if target not in kinetic.changeable:
                continue
            for source in dict.fromkeys(reactants):
                if source in kinetic.molecules and source != target:
                    yield Effect(source, target, 0, "conversion")
            for source, sign in modifiers:
                if source in kinetic.molecules and source != target:
                    yield Effect(source, target, sign, "catalysis" if sign > 0 else "")


def _derived(kinetic: KineticModel, seed_text: str) -> Iterator[Effect]:
    rates_of: dict[int, list[Rate]] = {}
    for rate in kinetic.rates:
        rates_of.setdefault(rate.node, []).append(rate)
    nodes = kinetic.graph.nodes
    symbols = {node[1]: i for i, node in enumerate(nodes) if node[0] == "symbol"}
    users = kinetic.graph.users()
    near, far = _States(kinetic, seed_text), _States(kinetic, seed_text, far=True)
    for source in kinetic.molecules:
        if source not in symbols:
            continue
        reached = _reached(symbols[source], users)
        acted_on = [rate for node in reached for rate in rates_of.get(node, ())]
        if not acted_on:
            continue
        changed = near.moved(reached)
        further: dict[int, Array] = {}
        for rate in acted_on:
            sign = _sign(changed[rate.node], rate.only_forward)
            if sign is None:
                further = further or far.moved(reached)
                sign = _sign(further[rate.node], rate.only_forward)
            if sign is not None:
                yield from _effects(source, rate, sign)


def _effects(source: str, rate: Rate, sign: int) -> Iterator[Effect]:
    for target, factor in rate.targets.items():
        total = sign * factor
        if source == target and total <= 0:
            continue
        conversion = source in rate.reactants and target in rate.products
        kind = "conversion" if conversion else ""
        if not conversion and total > 0 and source in rate.modifiers and source != target:
            kind = "catalysis"
        yield Effect(source, target, total, kind)


def _reached(start: int, users: list[list[int]]) -> list[int]:
    """The nodes that depend on one, in the order in which they are evaluated."""
    found = {start}
    stack = [start]
    while stack:
        for user in users[stack.pop()]:
            if user not in found:
                found.add(user)
                stack.append(user)
    return sorted(found)


def _sign(values: Array, only_forward: bool) -> int | None:
    """The sign of the change of a rate from low to high, None where it changes at no state.

    Args:
        values: (2, states) of the rate, low and high; NaN where the state is not possible.
        only_forward: the reaction is irreversible, so that states where it runs back are not.
    """
    low, high = np.broadcast_to(values, (2, STATES))
    known = np.isfinite(low) & np.isfinite(high)
    if only_forward and (known & (low >= 0) & (high >= 0)).any():
        known &= (low >= 0) & (high >= 0)
    low, high = low[known], high[known]
    change = high - low
    least = LEAST_CHANGE * np.maximum(np.abs(low), np.abs(high))
    rises, falls = bool((change > least).any()), bool((change < -least).any())
    if rises == falls:
        return 0 if rises else None
    return 1 if rises else -1


class _States:
    """States at which rates are compared.

    Those near the initial state count. Far from it, molecules have any size between a thousandth
    and a thousand: that shows an effect which the near ones are too small or too large to show.
    """

    def __init__(self, kinetic: KineticModel, seed_text: str, far: bool = False) -> None:
        self._graph = kinetic.graph
        self._rng = np.random.default_rng(zlib.crc32(f"{seed_text} {far}".encode()))
        self._far = far
        self._initial = kinetic.values
        self._molecules = frozenset(kinetic.molecules)
        initial = np.array([kinetic.values.get(name, 0.0) for name in kinetic.molecules])
        positive = initial[np.isfinite(initial) & (initial > 0)]
        self._typical = float(np.median(positive)) if len(positive) else 1.0
        depends = self._graph.depending(self._molecules)
        self._is_remainder = _remainders(self._graph, depends, kinetic.values)

    @cached_property
    def _values(self) -> list[Array]:
        """The value of every node, (states) or a single one."""
        values: list[Array] = []
        with np.errstate(all="ignore"):
            for position, node in enumerate(self._graph.nodes):
                if node[0] == "number":
                    values.append(np.asarray(node[1]))
                elif node[0] == "symbol":
                    values.append(self._drawn(node[1]))
                else:
                    values.append(self._possible(position, self._graph.value(position, values)))
        return values

    def _drawn(self, name: str) -> Array:
        """A molecule around its initial value, and a parameter as it stands unless it is 0.

        Values lie rather below the initial one than above: the models often count on what is left
        of a total. A parameter that is 0 is a switch which hides what it would switch on.
        """
        value = self._initial.get(name, np.nan)
        stated = np.isfinite(value) and value != 0
        draw = self._rng.uniform
        if name == TIME:
            return np.asarray(10 ** draw(-1, 3, STATES))
        if name in self._molecules:
            if self._far:
                return np.asarray(10 ** draw(-3, 3, STATES))
            if stated:
                return np.asarray(value * 10 ** draw(-1.5, 0.15, STATES))
            return np.asarray(self._typical * 10 ** draw(-2.5, -0.1, STATES))
        return np.asarray(value) if stated else np.asarray(10 ** draw(-1, 1, STATES))

    def _possible(self, position: int, value: Array) -> Array:
        if self._is_remainder[position]:
            return np.where(value < 0, np.nan, value)
        return value

    def moved(self, reached: list[int]) -> dict[int, Array]:
        """Values, (2, states), of a symbol and what depends on it: with less of it, and more."""
        start, *others = reached
        base = np.broadcast_to(self._values[start], (STATES,))
        factor = 10 ** self._rng.uniform(0.01, 0.3, STATES)
        values = list(self._values)
        values[start] = np.sort(np.stack([base / factor, base]), axis=0)
        with np.errstate(all="ignore"):
            for position in others:
                value = self._graph.value(position, values)
                values[position] = self._possible(position, value)
        return {position: values[position] for position in reached}


def _remainders(graph: MathGraph, depends: list[bool], values: Mapping[str, float]) -> list[bool]:
    """Of every node, whether it is what is left of a fixed total, and not negative at the start.

    Models write `total - x` for the rest of a conserved molecule. A state in which that is negative
    cannot come about, and the sign there would contradict the true one.
    """
    initial: list[Array] = []
    is_rest: list[bool] = []
    with np.errstate(all="ignore"):
        for position, node in enumerate(graph.nodes):
            if node[0] == "number":
                initial.append(np.asarray(node[1]))
            elif node[0] == "symbol":
                initial.append(np.asarray(values.get(node[1], np.nan)))
            else:
                initial.append(graph.value(position, initial))
            is_rest.append(
                node[0] == "minus"
                and len(node) == 3
                and depends[node[2]]
                and (not depends[node[1]] or is_rest[node[1]])
            )
    return [rest and bool(value >= 0) for rest, value in zip(is_rest, initial, strict=True)]
