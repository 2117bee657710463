"""The states at the query times, taken from the steps in which these lie.

Every condition makes its own steps. Within one, states follow the path that its stages define
(`w_method.PATH_WEIGHTS`).

Shapes: M molecules (of all networks joined), G networks, C conditions, A of them under way, T
times, P query states (a time of a condition) within a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .w_method import PATH_WEIGHTS


class History:
    """States of all conditions at times (in hours, increasing or equal).

    Args:
        times_hours: T of them.
        molecules: how many each of the G networks has; they lie end to end.
        conditions: how many there are.
        device: of the states.
    """

    def __init__(
        self,
        times_hours: Sequence[float],
        molecules: Sequence[int],
        conditions: int,
        device: torch.device,
    ) -> None:
        self._times_T1 = torch.tensor(times_hours, dtype=torch.float64, device=device)[:, None]
        self._molecules, self._conditions = list(molecules), conditions
        self._weights = PATH_WEIGHTS[1:, :, None].to(device)
        # Per network: states (M, P), and which of all times and conditions they are.
        self._found: list[list[torch.Tensor]] = [[] for _ in molecules]
        self._places: list[list[torch.Tensor]] = [[] for _ in molecules]

    def add(
        self,
        conditions_A: torch.Tensor,
        start_GA: torch.Tensor,
        end_GA: torch.Tensor,
        state_MA: torch.Tensor,
        stages_MA: Sequence[torch.Tensor],
    ) -> None:
        """A step of some conditions, from a state on; its end belongs to the next.

        A step that is not made ends where it starts.
        """
        inside_TGA = (self._times_T1[:, None] >= start_GA) & (self._times_T1[:, None] < end_GA)
        parts = [part.split(self._molecules) for part in (state_MA, *stages_MA)]
        for network, (state, *stages) in enumerate(zip(*parts, strict=True)):
            time, chosen = inside_TGA[:, network].nonzero(as_tuple=True)
            if not len(time):
                continue
            start = start_GA[network, chosen]
            share = (self._times_T1[time, 0] - start) / (end_GA[network, chosen] - start)
            linear, square, cube = self._weights
            weights = ((cube * share + square) * share + linear) * share
            path = _columns(state, chosen)
            for stage, weight in zip(stages, weights.to(path), strict=True):
                path = torch.addcmul(path, _columns(stage, chosen), weight)
            self._keep(network, path, time, conditions_A[chosen])

    def end(
        self, conditions_A: torch.Tensor, hours_GA: torch.Tensor, state_MA: torch.Tensor
    ) -> None:
        """The last states of some conditions: those of all times that are left."""
        left_TGA = self._times_T1[:, None] >= hours_GA
        for network, state in enumerate(state_MA.split(self._molecules)):
            time, chosen = left_TGA[:, network].nonzero(as_tuple=True)
            self._keep(network, _columns(state, chosen), time, conditions_A[chosen])

    def _keep(
        self, network: int, states_MP: torch.Tensor, time: torch.Tensor, condition: torch.Tensor
    ) -> None:
        self._found[network].append(states_MP)
        self._places[network].append(time * self._conditions + condition)

    def states(self) -> torch.Tensor:
        """All states at the query times (T, M, C)."""
        parts = [
            _columns(torch.cat(found, 1), torch.argsort(torch.cat(places)))
            for found, places in zip(self._found, self._places, strict=True)
        ]
        every = parts[0] if len(parts) == 1 else torch.cat(parts)
        return every.unflatten(1, (len(self._times_T1), self._conditions)).transpose(0, 1)


def _columns(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Some columns of a matrix: `index_select` has a fast way to them for 32-bit numbers alone."""
    if values.dtype == torch.float32:
        return values.index_select(1, chosen)
    return values.gather(1, chosen.expand(len(values), -1))
