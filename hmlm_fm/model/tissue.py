"""Gates of one tissue: fitted to its measurements, they take the place of inferred ones.

A fine-tuned model carries the gates of its network as parameters, for several members that were
fitted separately; its prediction is their mean, and their disagreement is part of its uncertainty.
Travels with checkpoints.

Shapes: M members, L logits of a kind, B batch (1), R rows (conditions), Q query conditions, U query
times, N molecules, Y modalities, V pairs of a molecule and a modality, T measured times, K columns,
X treatments.
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
"""Members share most of the measurements, so that their errors correlate: their common error is
taken to be this many times their standard deviation."""


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
                "the model was fine-tuned by an earlier version of hmlm_fm, without "
                "the errors of its members on each molecule; fine-tune it again"
            )
        self.pairs = [(int(m), int(y)) for m, y in config.tissue["pairs"]]
        # Logarithms: of the members' errors on states, and on values in other modalities; of the
        # factors on standard deviations, without and with a perturbation.
        self.log_missed = TissueTable(1, self.molecules + len(self.pairs))
        self.log_calibration = TissueTable(1, 2)
        of_states, of_values = (config.tissue.get(k) for k in ("discrepancy", "shown_discrepancy"))
        self.discrepancy = Discrepancy(**of_states) if of_states else None
        self.shown_discrepancy = ValueDiscrepancy(self.pairs, **of_values) if of_values else None

    @property
    def molecules(self) -> int:
        """How many the network has."""
        table = self.tables["log_tau_F"]
        assert isinstance(table, TissueTable)
        return table.weight.shape[1]

    def forward(self, logits: GateLogits, wiring: Wiring) -> GateLogits:
        """The logits of all members, end to end, from those of the network alone.

        Raises:
            HMLMError: the batch is not the one network that these gates are of.
        """
        fitted = {}
        for name, table in self.tables.items():
            assert isinstance(table, TissueTable)
            inferred = getattr(logits, name)
            expected, found = table.weight.shape[1], inferred.numel()
            if wiring.batch != 1 or expected != found:
                raise HMLMError(
                    f"the model is fine-tuned to one network with {expected} of {name}; found "
                    f"{found} in a batch of {wiring.batch}; expected that network alone"
                )
            fitted[name] = table.weight.reshape(-1, *inferred.shape[1:])
        return replace(repeated(logits, self.members), **fitted)

    @property
    def missed_N(self) -> torch.Tensor:
        """The members' error on held-out states, as a standard deviation (N)."""
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
        """Mean values in every modality, and standard deviations: from the members' held-out errors
        where a modality was measured in the tissue, as given elsewhere; two (1, Q, U, N, Y).

        Held-out errors include those of the instrument, so that observed activities of a query
        condition hardly narrow these standard deviations.

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
    """The variance of the mean prediction of members, before it is calibrated (1, …).

    Args:
        value_M: predictions of each (M, …).
        variance: of their common error.
    """
    return variance + APART**2 * value_M.var(0, keepdim=True, correction=0)


def repeated(logits: GateLogits, times: int) -> GateLogits:
    """The same logits several times, end to end."""
    return GateLogits(
        **{f.name: torch.cat([getattr(logits, f.name)] * times) for f in fields(logits)}
    )


ALWAYS = 0.5
"""The strength of a treatment that every condition has, for what all of them have in common."""


class Discrepancy(nn.Module):
    """Additive effects of treatments on every column, at the measured times.

    Attributes:
        weight: (1 + X, T, K) the effects, first of what all conditions have in common.
    """

    weight: nn.Parameter

    def __init__(self, done: list[int], hours: list[float], columns: int, explained: float) -> None:
        """
        Args:
            done: (X) columns of `ConditionTensors.treatment_RX`.
            hours: (T) the measured times, all after 0 and in order.
            columns: K.
            explained: share of the squared residuals of left-out conditions that it explains.
        """
        super().__init__()
        self.done, self.hours, self.explained = done, hours, explained
        self.weight = nn.Parameter(torch.zeros(1 + len(done), len(hours), columns))

    def forward(self, conditions: ConditionTensors, hours_BQU: torch.Tensor) -> torch.Tensor:
        """The effects of B · Q conditions (B, Q, U, K)."""
        treatment_RX = with_always(conditions.treatment_RX[:, self.done])
        effect_RTK = torch.einsum("rx,xtk->rtk", treatment_RX, self.weight.to(treatment_RX))
        # The effect is 0 at time 0, and constant after the last measured time.
        effect_RTK = torch.cat([torch.zeros_like(effect_RTK[:, :1]), effect_RTK], 1)
        known = torch.tensor([0.0, *self.hours], dtype=hours_BQU.dtype, device=hours_BQU.device)
        query_RU = hours_BQU.flatten(0, 1).contiguous()
        after = torch.searchsorted(known, query_RU, right=True).clamp(1, len(known) - 1)
        share = ((query_RU - known[after - 1]) / (known[after] - known[after - 1])).clamp(max=1)
        rows = torch.arange(len(after), device=after.device)[:, None]
        effect_RUK = torch.lerp(
            effect_RTK[rows, after - 1],
            effect_RTK[rows, after],
            share.to(effect_RTK).unsqueeze(-1),
        )
        return effect_RUK.unflatten(0, hours_BQU.shape[:2])

    def add_to_states(
        self, states_BQUN: torch.Tensor, conditions: ConditionTensors, hours_BQU: torch.Tensor
    ) -> torch.Tensor:
        """States with these effects; see `moved_states`."""
        return moved_states(states_BQUN, self(conditions, hours_BQU), conditions, hours_BQU)


class ValueDiscrepancy(Discrepancy):
    """Additive effects of treatments on values in modalities other than activity.

    Attributes:
        pairs: (K) molecule and modality of each column.
    """

    def __init__(self, pairs: list[tuple[int, int]], **arguments: Any) -> None:
        super().__init__(columns=len(pairs), **arguments)
        self.pairs = pairs

    def add_to_values(
        self, values_BQUNY: torch.Tensor, conditions: ConditionTensors, hours_BQU: torch.Tensor
    ) -> torch.Tensor:
        """Values with these effects, where no perturbation holds the state."""
        molecule_K, modality_K = torch.tensor(self.pairs, device=values_BQUNY.device).T
        values = values_BQUNY.clone()
        free = ~perturbed_at(conditions, hours_BQU)[0][..., molecule_K]
        values[..., molecule_K, modality_K] += free * self(conditions, hours_BQU)
        return values


def with_always(treatment_RX: torch.Tensor) -> torch.Tensor:
    """Treatments (R, 1 + X), first the one that every condition has."""
    return torch.cat([torch.full_like(treatment_RX[:, :1], ALWAYS), treatment_RX], 1)
