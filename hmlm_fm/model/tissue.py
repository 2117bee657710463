"""Gates of one tissue: fitted to its measurements, they take the place of inferred ones.

A fine-tuned model carries the gates of its network as parameters, for several members that were
fitted apart; what it answers is their mean, and their disagreement is part of its uncertainty.
Travels with checkpoints.

Shapes: M members, L logits of a kind, Q asked conditions, U query times, N molecules.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import nn

from .condition_tensors import ConditionTensors, perturbed_at
from .configuration_hmlm import HMLMConfig
from .error_base import HMLMError
from .gates import GateLogits
from .graph import Wiring
from .observation import moved_states

APART = 2.0
"""Members share most of what was measured, and err together: by so many times as they are apart."""


class TissueTable(nn.Module):
    """Numbers of one kind for every member (M, L), or for all of them (1, L)."""

    weight: nn.Parameter

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, size))


class TissueGates(nn.Module):
    """The gates of every member, how uncertain they are, and what they leave unexplained where that
    is worthwhile.

    Attributes:
        pairs: (V) molecule and modality of what was measured beside activities.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        assert config.tissue is not None
        self.members = int(config.tissue["members"])
        self.tables = nn.ModuleDict(
            {name: TissueTable(self.members, size) for name, size in config.tissue["sizes"].items()}
        )
        if "pairs" not in config.tissue:
            raise HMLMError(
                "the model was fine-tuned by an earlier version of hmlm_fm, without what its "
                "members miss of each molecule; fine-tune it again"
            )
        self.pairs = [(int(m), int(y)) for m, y in config.tissue["pairs"]]
        # Logarithms: of what members miss of states, and of what molecules show; of the factors on
        # standard deviations, without and with a perturbation.
        self.log_missed = TissueTable(1, self.molecules + len(self.pairs))
        self.log_calibration = TissueTable(1, 2)
        unexplained, of_shown = (config.tissue.get(k) for k in ("discrepancy", "shown_discrepancy"))
        self.discrepancy = Discrepancy(**unexplained) if unexplained else None
        self.shown_discrepancy = ShownDiscrepancy(self.pairs, **of_shown) if of_shown else None

    @property
    def molecules(self) -> int:
        """How many the network has."""
        table = self.tables["log_tau_F"]
        assert isinstance(table, TissueTable)
        return table.weight.shape[1]

    def forward(self, logits: GateLogits, wiring: Wiring) -> GateLogits:
        """The logits of all members, end to end, from those of the network alone.

        Raises:
            ValueError: the batch is not the one network that these gates are of.
        """
        fitted = {}
        for name, table in self.tables.items():
            assert isinstance(table, TissueTable)
            of_network = getattr(logits, name)
            expected, found = table.weight.shape[1], of_network.numel()
            if wiring.batch != 1 or expected != found:
                raise HMLMError(
                    f"the model is fine-tuned to one network with {expected} of {name}; found "
                    f"{found} in a batch of {wiring.batch}; ask it for that network alone"
                )
            fitted[name] = table.weight.reshape(-1, *of_network.shape[1:])
        return replace(repeated(logits, self.members), **fitted)

    @property
    def missed_N(self) -> torch.Tensor:
        """What members miss of states they have not seen, as a standard deviation (N)."""
        return self.log_missed.weight[0, : self.molecules].exp()

    def pooled(
        self, value_MQUN: torch.Tensor, scale_MQUN: torch.Tensor, perturbed_Q: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and calibrated standard deviation over the members; two (1, Q, U, N …).

        Args:
            perturbed_Q: whether a condition has a perturbation.
        """
        variance = (scale_MQUN**2).mean(0, keepdim=True)
        variance = variance_of_members(value_MQUN, variance)
        factor = self.log_calibration.weight[0, perturbed_Q.long()].exp()
        factor = factor.view(1, -1, *(1,) * (variance.ndim - 2))
        return value_MQUN.mean(0, keepdim=True), factor * variance.sqrt()

    def pooled_where_measured(
        self,
        value_MQUNY: torch.Tensor,
        scale_BQUNY: torch.Tensor,
        perturbed_Q: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What molecules show in every modality, with the standard deviations that the members'
        errors give, where it was measured in the tissue; two (1, Q, U, N, Y).

        These are of whatever a member misses, the instrument included, so that activities that were
        seen of an asked condition itself hardly narrow them.

        Args:
            scale_BQUNY: standard deviations elsewhere.
            perturbed_Q: whether a condition has a perturbation.
        """
        if self.pairs:
            molecule_V, modality_V = torch.tensor(self.pairs, device=value_MQUNY.device).T
            read_MQUV = value_MQUNY[..., molecule_V, modality_V]
            missed_V = self.log_missed.weight[0, self.molecules :].exp()
            scale_BQUNY = scale_BQUNY.clone()
            _, scale_BQUNY[..., molecule_V, modality_V] = self.pooled(
                read_MQUV, missed_V.expand_as(read_MQUV), perturbed_Q
            )
        return value_MQUNY.mean(0, keepdim=True), scale_BQUNY


def variance_of_members(value_M: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """That of what members say together, before it is calibrated (1, …).

    Args:
        value_M: what each says (M, …).
        variance: of what they miss in common.
    """
    return variance + APART**2 * value_M.var(0, keepdim=True, correction=0)


def repeated(logits: GateLogits, times: int) -> GateLogits:
    """The same logits several times, end to end."""
    return GateLogits(
        **{f.name: torch.cat([getattr(logits, f.name)] * times) for f in fields(logits)}
    )


ALWAYS = 0.5
"""What counts as done in every condition, for what all of them have in common."""


class Discrepancy(nn.Module):
    """Effects of what was done on every column, at the measured times.

    Attributes:
        weight: (1 + X, T, K) the effects, first of what all conditions have in common.
    """

    weight: nn.Parameter

    def __init__(self, done: list[int], hours: list[float], columns: int, explained: float) -> None:
        """
        Args:
            done: (X) columns of `ConditionTensors.treatment_RX`.
            hours: (T) the measured times, all after 0 and in order.
            explained: share of the squared residuals of conditions that are left out.
        """
        super().__init__()
        self.done, self.hours, self.explained = done, hours, explained
        self.weight = nn.Parameter(torch.zeros(1 + len(done), len(hours), columns))

    def forward(self, conditions: ConditionTensors, hours_BQU: torch.Tensor) -> torch.Tensor:
        """The effects of B · Q conditions (B, Q, U, K)."""
        treatment_RX = with_always(conditions.treatment_RX[:, self.done])
        effect_RTK = torch.einsum("rx,xtk->rtk", treatment_RX, self.weight.to(treatment_RX))
        # Nothing has happened yet at time 0, and after the last time nothing more is known.
        effect_RTK = torch.cat([torch.zeros_like(effect_RTK[:, :1]), effect_RTK], 1)
        known = torch.tensor([0.0, *self.hours], dtype=hours_BQU.dtype, device=hours_BQU.device)
        asked_RU = hours_BQU.flatten(0, 1).contiguous()
        after = torch.searchsorted(known, asked_RU, right=True).clamp(1, len(known) - 1)
        share = ((asked_RU - known[after - 1]) / (known[after] - known[after - 1])).clamp(max=1)
        rows = torch.arange(len(after), device=after.device)[:, None]
        effect_RUK = torch.lerp(
            effect_RTK[rows, after - 1],
            effect_RTK[rows, after],
            share.to(effect_RTK).unsqueeze(-1),
        )
        return effect_RUK.unflatten(0, hours_BQU.shape[:2])

    def of_states(
        self, states_BQUN: torch.Tensor, conditions: ConditionTensors, hours_BQU: torch.Tensor
    ) -> torch.Tensor:
        """States with these effects; see `moved_states`."""
        return moved_states(states_BQUN, self(conditions, hours_BQU), conditions, hours_BQU)


class ShownDiscrepancy(Discrepancy):
    """The same of what molecules show in modalities other than activity.

    Attributes:
        pairs: (K) molecule and modality of each column.
    """

    def __init__(self, pairs: list[tuple[int, int]], **of_columns: Any) -> None:
        super().__init__(columns=len(pairs), **of_columns)
        self.pairs = pairs

    def of_values(
        self, values_BQUNY: torch.Tensor, conditions: ConditionTensors, hours_BQU: torch.Tensor
    ) -> torch.Tensor:
        """Values with these effects, where no perturbation holds the state."""
        molecule_K, modality_K = torch.tensor(self.pairs, device=values_BQUNY.device).T
        values = values_BQUNY.clone()
        free = ~perturbed_at(conditions, hours_BQU)[0][..., molecule_K]
        values[..., molecule_K, modality_K] += free * self(conditions, hours_BQU)
        return values


def with_always(treatment_RX: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.full_like(treatment_RX[:, :1], ALWAYS), treatment_RX], 1)
