"""What a simulation passed through, and the states in between.

Every condition makes its own steps, so the states at the asked times lie within steps. There they
follow the path that the stages of the step tell (`w_method.PATH_WEIGHTS`).

Shapes: M molecules (of all networks joined), G networks, C conditions, A of them under way, K
steps, R rows (a condition at a step, or at an asked time), T times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .w_method import PATH_WEIGHTS, STAGES

# Rows that are interpolated together: few enough for a processor's cache.
ROWS_TOGETHER = 1024


class History:
    """Steps of all conditions."""

    def __init__(self, networks: int, conditions: int) -> None:
        self._shape = networks, conditions
        self._steps: list[tuple[torch.Tensor, ...]] = []

    def add(
        self,
        conditions_A: torch.Tensor,
        start_GA: torch.Tensor,
        length_GA: torch.Tensor,
        state_MA: torch.Tensor,
        stages_MA: Sequence[torch.Tensor],
    ) -> None:
        """Steps in hours of some conditions from states on, not before their last ones.

        A step from where the last one began takes its place.
        """
        self._steps.append((conditions_A, start_GA, length_GA, state_MA, *stages_MA))

    def end(
        self, conditions_A: torch.Tensor, hours_GA: torch.Tensor, state_MA: torch.Tensor
    ) -> None:
        """The last states of some conditions."""
        still = [torch.zeros_like(state_MA)] * STAGES
        self.add(conditions_A, hours_GA, torch.zeros_like(hours_GA), state_MA, still)

    def at(self, times_hours: list[float], network_of_molecule: torch.Tensor) -> torch.Tensor:
        """States (T, M, C)."""
        networks, conditions = self._shape
        ids, starts, lengths, *states = zip(*self._steps, strict=True)
        device = starts[0].device
        # A condition that left makes no steps any more: every one has a count of its own.
        start_CKG = torch.full(
            (conditions, len(ids), networks), math.inf, dtype=torch.float64, device=device
        )
        length_CKG = torch.zeros_like(start_CKG)
        row_CK = torch.zeros(conditions, len(ids), dtype=torch.long, device=device)
        count_C, passed = torch.zeros(conditions, dtype=torch.long, device=device), 0
        for here, start_GA, length_GA in zip(ids, starts, lengths, strict=True):
            place = count_C[here]
            start_CKG[here, place] = start_GA.T
            length_CKG[here, place] = length_GA.T
            row_CK[here, place] = passed + torch.arange(len(here), device=device)
            count_C[here] += 1
            passed += len(here)
        times = torch.tensor(times_hours, dtype=torch.float64, device=device)
        asked = times.expand(conditions, -1).contiguous()
        # State and stages as rows, of one network after the other: they lie end to end.
        sizes = torch.bincount(network_of_molecule, minlength=networks).tolist()
        values = [
            torch.cat([value.T.contiguous() for value in of_steps]).split(sizes, 1)
            for of_steps in states
        ]
        found = []
        for network in range(networks):
            start_CK = start_CKG[..., network].contiguous()
            step = torch.searchsorted(start_CK, asked, right=True) - 1
            length = length_CKG[..., network].gather(1, step)
            share = (asked - start_CK.gather(1, step)) / length.clamp(min=1e-300)
            share = torch.where(length > 0, share, 0.0).clamp(0, 1)
            rows = row_CK.gather(1, step).flatten()
            path = _along([value[network] for value in values], rows, share.flatten())
            found.append(path.view(conditions, len(times), -1))
        return torch.cat(found, dim=-1).permute(1, 2, 0)


def _along(
    values_RM: Sequence[torch.Tensor], rows: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """States at shares of steps, from the state at the start and the stages of each."""
    powers = share[:, None] ** torch.arange(len(PATH_WEIGHTS), device=share.device)
    weights = (powers @ PATH_WEIGHTS.to(share.device)).to(values_RM[0])
    parts = []
    for chunk in range(0, len(rows), ROWS_TOGETHER):
        here = rows[chunk : chunk + ROWS_TOGETHER]
        state = values_RM[0].index_select(0, here)
        for stage, weight in zip(values_RM[1:], weights.T, strict=True):
            part = stage.index_select(0, here)
            state = torch.addcmul(state, part, weight[chunk : chunk + ROWS_TOGETHER, None])
        parts.append(state)
    return torch.cat(parts)
