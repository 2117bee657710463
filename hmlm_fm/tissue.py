"""Gates of one tissue: fitted to its measurements, they take the place of inferred ones.

A fine-tuned model carries the gates of its network as parameters, for several members that were
fitted apart; what it answers is their mean, and their disagreement is part of its uncertainty.
Travels with checkpoints.

Shapes: M members, L logits of a kind, Q asked conditions, U query times, N molecules.
"""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .discrepancy import Discrepancy, ShownDiscrepancy
from .gates import GateLogits
from .wiring import Wiring


class TissueTable(nn.Module):
    """Logits of one kind for every member (M, L)."""

    weight: nn.Parameter

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, size))


class TissueGates(nn.Module):
    """The gates of every member, what calibrates their uncertainty, and what they leave unexplained
    where that is worthwhile."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        assert config.tissue is not None
        self.members = int(config.tissue["members"])
        self.tables = nn.ModuleDict(
            {name: TissueTable(self.members, size) for name, size in config.tissue["sizes"].items()}
        )
        # Logarithms of the factors on standard deviations, without and with a perturbation.
        self.log_calibration = TissueTable(1, 2)
        unexplained, of_shown = (config.tissue.get(k) for k in ("discrepancy", "shown_discrepancy"))
        self.discrepancy = Discrepancy(**unexplained) if unexplained else None
        self.shown_discrepancy = ShownDiscrepancy(**of_shown) if of_shown else None

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
                raise ValueError(
                    f"the model is fine-tuned to one network with {expected} of {name}; found "
                    f"{found} in a batch of {wiring.batch}; ask it for that network alone"
                )
            fitted[name] = table.weight.reshape(-1, *of_network.shape[1:])
        return replace(repeated(logits, self.members), **fitted)

    def pooled(
        self, value_MQUN: torch.Tensor, scale_MQUN: torch.Tensor, perturbed_Q: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and calibrated standard deviation over the members; two (1, Q, U, N …).

        Args:
            perturbed_Q: whether a condition has a perturbation.
        """
        variance = (scale_MQUN**2).mean(0, keepdim=True)
        variance = variance + value_MQUN.var(0, keepdim=True, correction=0)
        factor = self.log_calibration.weight[0, perturbed_Q.long()].exp()
        factor = factor.view(1, -1, *(1,) * (variance.ndim - 2))
        return value_MQUN.mean(0, keepdim=True), factor * variance.sqrt()


def repeated(logits: GateLogits, times: int) -> GateLogits:
    """The same logits several times, end to end."""
    return GateLogits(
        **{f.name: torch.cat([getattr(logits, f.name)] * times) for f in fields(logits)}
    )
