"""The right-hand side of a logic ODE and its linearisation, laid out for many conditions at once.

Conditions are the last, contiguous axis, so that each operation runs along it. An activation is
computed once per source, n and EC50, however many interactions use it, and products over sources
and over interactions are few operations, on rows that are found beforehand.

Shapes: M molecules (of all networks joined), C conditions, J literals (source of an interaction),
I interactions with sources, U different activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..model.condition_tensors import PerturbationEffects
from .logic_ode import LogicODE

# Below it a power of the state may be infinitely steep; the linearisation takes it for this steep.
LEAST_STATE_OF_SLOPES = 1e-3


def hill(x: torch.Tensor, n: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Normalised Hill activation: f(0) ≈ 0, f(EC50) = ½, f(1) = 1; c = EC50ⁿ, in (0, 1).

    States count as at least 1e-12, so that f(0) is below (1e-12 / EC50)ⁿ: nothing for n of 1 and
    above, but 0.02 for n = 0.1 and EC50 = 0.05.
    """
    return _hill(x, n, c / (1 - c), (1 - 2 * c) / (1 - c))


def _hill(x: torch.Tensor, n: torch.Tensor, half: torch.Tensor, bend: torch.Tensor) -> torch.Tensor:
    """`hill` with half = c/(1 - c) and bend = (1 - 2c)/(1 - c)."""
    # The lower bound keeps the derivative of a power finite where the state is 0.
    # Base 2, for `exp` takes thrice as long as `exp2` where MKL does not know the processor.
    power = torch.log2(x.clamp(1e-12, 1.0)).mul_(n).exp2_()
    return power / (power * bend + half)


def _hill_slope(
    x: torch.Tensor, activation: torch.Tensor, n: torch.Tensor, bend: torch.Tensor
) -> torch.Tensor:
    """df/dx where f(x) is `activation`: n·f·(1 - bend·f)/x."""
    bent = activation - activation * activation * bend
    return bent * n / x.clamp(min=LEAST_STATE_OF_SLOPES)


# Left and right factors of the pairs of each round.
Factors = list[tuple[torch.Tensor, torch.Tensor]]


class GroupedProduct:
    """Products over groups of elements; the groups differ in size, the empty product is 1.

    Elements are multiplied in pairs, and the pairs in pairs, until one row per group is left; an
    element without a partner is passed on as it is. So there are few operations per round, however
    many sizes of groups there are, and no scatter.

    Args:
        group_of_element: (J).
        groups: how many there are.
        row_of_element: which row of the values an element is (J); by default they are in order.
        one: a row of the values that is 1 everywhere; by default the one after the last.

    Attributes:
        group_of_row: (groups) which group a row of the products is of: those that were multiplied
            in the last round stand first.
        row_of_group: (groups) the other way about.
    """

    def __init__(
        self,
        group_of_element: torch.Tensor,
        groups: int,
        row_of_element: torch.Tensor | None = None,
        one: int | None = None,
    ) -> None:
        device = group_of_element.device
        elements = len(group_of_element)
        row = torch.arange(elements, device=device) if row_of_element is None else row_of_element
        # An empty group has the row of ones for its only element.
        empty = (torch.bincount(group_of_element, minlength=groups) == 0).nonzero()[:, 0]
        group = torch.cat([group_of_element, empty])
        row = torch.cat([row, torch.full_like(empty, elements if one is None else one)])
        # Of each round: rows that are first in a pair or alone, rows that are second, and where
        # each row went in (first ones of pairs, second ones, and those alone).
        self._rounds: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        while not self._rounds or len(group) > groups:
            order = torch.argsort(group, stable=True)
            counts = torch.bincount(group, minlength=groups)
            place = (
                torch.arange(len(group), device=device) - (counts.cumsum(0) - counts)[group[order]]
            )
            second = place % 2 == 1
            paired = torch.cat([second[1:], second.new_zeros(1)])[: len(group)]
            firsts, seconds = order[paired], order[second]
            alone = order[~paired & ~second]
            went = torch.empty_like(order)
            went[torch.cat([firsts, seconds, alone])] = torch.arange(len(group), device=device)
            left = torch.cat([firsts, alone])
            # The rows of the empty groups are no elements.
            went = went if self._rounds else went[:elements]
            self._rounds.append((row[left], row[seconds], went))
            group, row = group[left], torch.arange(len(left), device=device)
        self.group_of_row, self.row_of_group = group, torch.argsort(group)

    def pairwise(self, values: torch.Tensor, factors: Factors | None = None) -> torch.Tensor:
        """Products of rows of values, in the order of `group_of_row`.

        A list, where given, takes the factors of the pairs of each round.
        """
        for left, right, _ in self._rounds:
            values, partners = values.index_select(0, left), values.index_select(0, right)
            pairs = values[: len(right)]
            if factors is not None:
                factors.append((pairs.clone(), partners))
            # In place, for the selected rows are a copy of their own.
            pairs.mul_(partners)
        return values

    def others(self, factors: Factors, scale: torch.Tensor) -> torch.Tensor:
        """For every element the product of the others of its group, times the group's scale.

        Args:
            factors: of each round, from `pairwise`.
            scale: (groups, C), in the order of `group_of_row`.
        """
        for (left, right), (_, _, went) in zip(factors[::-1], self._rounds[::-1], strict=True):
            paired, alone = scale.tensor_split([len(left)])
            scale = torch.cat([paired * right, paired * left, alone]).index_select(0, went)
        return scale

    def __call__(self, values_JC: torch.Tensor) -> torch.Tensor:
        one = values_JC.new_ones(1, values_JC.shape[1])
        return self.pairwise(torch.cat([values_JC, one])).index_select(0, self.row_of_group)


@dataclass
class Forcing:
    """What stimuli and perturbations make of the equations, until one of them changes.

    The drive is `base - gain · Π (1 - g_r)` over the interactions of a molecule.

    Attributes:
        base_MC, gain_MC: of every molecule under every condition.
        passed_on_MC: factor on what a molecule passes on; None where all pass on everything.
    """

    base_MC: torch.Tensor
    gain_MC: torch.Tensor
    passed_on_MC: torch.Tensor | None = None

    @classmethod
    def from_effects(
        cls, ymax: torch.Tensor, input_MC: torch.Tensor, effects: PerturbationEffects | None
    ) -> Forcing:
        """Forcing by stimuli and perturbations.

        Args:
            ymax: largest states (M).
            input_MC: level of every molecule's input under each condition.
            effects: of the perturbations, with the axes (M, C); None for none.
        """
        largest = ymax[:, None].expand_as(input_MC)
        base, passed_on = largest, None
        if effects is not None:
            held = effects.held_RN
            largest = torch.where(held, 0.0, largest * effects.ymax_factor_RN.to(largest))
            base = torch.where(held, effects.held_value_RN.to(largest), largest)
            if bool((effects.output_factor_RN != 1).any()):
                passed_on = effects.output_factor_RN.to(largest).contiguous()
        # Conditions must be the contiguous axis: effects come with the axes the other way about.
        gain = largest * (1 - input_MC)
        return cls(base.contiguous(), gain.contiguous(), passed_on)

    def select(self, chosen: torch.Tensor) -> Forcing:
        """The forcing of some conditions, by their indices."""
        passed_on = self.passed_on_MC
        return Forcing(
            self.base_MC.index_select(1, chosen),
            self.gain_MC.index_select(1, chosen),
            None if passed_on is None else passed_on.index_select(1, chosen),
        )

    @staticmethod
    def joined(parts: Sequence[Forcing]) -> Forcing:
        """The forcing of several sets of conditions, one set after the other."""
        passed_on = None
        if any(part.passed_on_MC is not None for part in parts):
            factors = [(part.passed_on_MC, torch.ones_like(part.base_MC)) for part in parts]
            passed_on = torch.cat([one if some is None else some for some, one in factors], 1)
        return Forcing(
            torch.cat([part.base_MC for part in parts], 1),
            torch.cat([part.gain_MC for part in parts], 1),
            passed_on,
        )


class Equations:
    """A system's right-hand side, with everything that does not depend on the states prepared."""

    def __init__(self, system: LogicODE) -> None:
        # A parameter that is fitted has a derivative per literal, so nothing is shared then.
        sharing = not (system.n.requires_grad or system.c.requires_grad)
        keys = torch.stack([system.source.to(system.n), system.n.detach(), system.c.detach()], 1)
        first = activation_J = torch.arange(len(system.source), device=system.source.device)
        if sharing and len(keys):
            activation_J = keys.unique(dim=0, return_inverse=True)[1]
            count = int(activation_J.max()) + 1
            first = first.new_full((count,), len(keys)).scatter_reduce(
                0, activation_J, first, "amin"
            )
        self._source_U = system.source[first]
        c = system.c[first, None]
        self._n = system.n[first, None]
        self._half, self._bend = c / (1 - c), (1 - 2 * c) / (1 - c)

        # One table of factors: activations, what is left of them where they inhibit, and ones.
        inhibits = system.sign < 0
        self._inhibitor, inhibition_J = activation_J[inhibits].unique(return_inverse=True)
        self._table_J = activation_J.masked_scatter(inhibits, len(first) + inhibition_J)
        ones = len(first) + len(self._inhibitor)
        # A last, empty group gives a row of ones; with weight 0 it is what an empty OR needs.
        interactions, molecules = len(system.target), len(system.tau_hours)
        self._and = GroupedProduct(
            system.interaction_of_literal, interactions + 1, self._table_J, ones
        )
        order = self._and.group_of_row
        self._weight = torch.cat([system.weight, system.weight.new_zeros(1)])[order, None]
        self._minus_weight = -self._weight
        target = torch.cat([system.target, system.target.new_full((1,), molecules)])[order]
        self._or = GroupedProduct(target, molecules + 1, one=int(self._and.row_of_group[-1]))
        self._row_M = self._or.row_of_group[:-1]
        # The row of ones has weight 0, so it may pass for any molecule's.
        self._molecule_of_row = self._or.group_of_row.clamp(max=molecules - 1)
        self.source_J = system.source
        self.target_J = system.target[system.interaction_of_literal]

    def drive(self, state_MC: torch.Tensor, forcing: Forcing) -> torch.Tensor:
        """What each state moves towards: ymax · OR_r g_r (M, C)."""
        _, activation = self._activations(state_MC, forcing)
        return self._drive(activation, forcing)

    def linearised(
        self, state_MC: torch.Tensor, forcing: Forcing, scale_MC: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The drive, and d(drive of `target_J`)/d(state of `source_J`) times the target's scale.

        Slopes of states below `LEAST_STATE_OF_SLOPES` are bounded, and those of states above 1,
        which are 0, are taken for those at 1: what uses them must bear an approximation.

        Returns:
            Drives (M, C) and slopes (J, C).
        """
        state_UC, activation = self._activations(state_MC, forcing)
        and_factors: Factors = []
        or_factors: Factors = []
        drive = self._drive(activation, forcing, and_factors, or_factors)
        slope = _hill_slope(state_UC, activation, self._n, self._bend)
        if forcing.passed_on_MC is not None:
            slope = slope * forcing.passed_on_MC.index_select(0, self._source_U)
        slope_JC = torch.cat([slope, -slope.index_select(0, self._inhibitor)]).index_select(
            0, self._table_J
        )
        scale = (forcing.gain_MC * scale_MC).index_select(0, self._molecule_of_row)
        reach = self._or.others(or_factors, scale).mul_(self._weight)
        return drive, self._and.others(and_factors, reach).mul_(slope_JC)

    def _drive(
        self,
        activation_UC: torch.Tensor,
        forcing: Forcing,
        and_factors: Factors | None = None,
        or_factors: Factors | None = None,
    ) -> torch.Tensor:
        """The drive (M, C) that follows from activations; lists, where given, take its factors."""
        reached = self._and.pairwise(self._factors(activation_UC), and_factors)
        unmoved = self._or.pairwise(reached.mul_(self._minus_weight).add_(1), or_factors)
        unmoved_MC = unmoved.index_select(0, self._row_M)
        return torch.addcmul(forcing.base_MC, forcing.gain_MC, unmoved_MC, value=-1)

    def _activations(
        self, state_MC: torch.Tensor, forcing: Forcing
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sources' states as they are passed on, and their activations: two (U, C)."""
        if forcing.passed_on_MC is not None:
            state_MC = state_MC * forcing.passed_on_MC
        state_UC = state_MC.index_select(0, self._source_U)
        return state_UC, _hill(state_UC, self._n, self._half, self._bend)

    def _factors(self, activation_UC: torch.Tensor) -> torch.Tensor:
        """All factors that an AND may have, and ones (one row per entry of the table, C)."""
        inhibition = 1 - activation_UC.index_select(0, self._inhibitor)
        one = activation_UC.new_ones(1, activation_UC.shape[1])
        return torch.cat([activation_UC, inhibition, one])


def drive_of(
    system: LogicODE,
    state_MC: torch.Tensor,
    input_MC: torch.Tensor,
    effects: PerturbationEffects | None = None,
) -> torch.Tensor:
    """What each state of a system moves towards: ymax · OR_r g_r (M, C).

    Args:
        system: the equations.
        state_MC: states.
        input_MC: level of every molecule's input under each condition.
        effects: of the perturbations, with the axes (M, C).
    """
    forcing = Forcing.from_effects(system.ymax, input_MC, effects)
    return Equations(system).drive(state_MC, forcing)
