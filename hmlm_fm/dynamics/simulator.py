"""Simulation of logic ODEs, batched over conditions and networks, differentiable.

Networks of signalling are stiff: receptors settle in minutes, transcripts in a day. So the steps
are linearly implicit (`w_method`), and their length follows an estimate of their error: every
condition of every network has its own time and its own step, and what happens in one does not
shorten those of another. States at the query times lie on the paths of the steps (`history`).

Shapes: M molecules (of all networks joined), N of one network, C conditions, A of them under way,
T times, G networks, E perturbations of a condition, K switches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ..model.condition_tensors import ConditionTensors
from ..model.conditions import LONGEST_HOURS, Condition
from ..model.error_base import HMLMError
from ..model.network import SignalingNetwork
from .elimination import Elimination
from .equations import Equations, Forcing
from .history import History
from .logic_ode import LogicODE
from .w_method import ORDER, w_step

# Bounds on one step: a discontinuity cannot stall the run, and no stretch of time is leapt over.
SHORTEST_STEP_HOURS, LONGEST_STEP_HOURS = 1e-6, 24.0
# Errors below so many units of rounding are noise.
LEAST_TOLERANCE_EPS = 20
# How much shorter than estimated the next step is, so that it is seldom made in vain.
SAFETY = 0.9
# Arrived conditions leave the batch when they are more than this part of it.
SHARE_TO_LEAVE = 1 / 8
# States that were simulated may be below 0 by a hair, and must do for a start.
LEAST_INITIAL_STATE = -1e-3
# In so many of its slowest time constants a network comes to rest, if it ever does.
TIME_CONSTANTS_TO_REST = 20


def simulate(
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    times_hours: Sequence[float] | torch.Tensor,
    initial: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-7,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """States of a network under conditions, from time 0.

    Args:
        network: parameters it does not state take Netflux's defaults (w = 1, n = 1.4, EC50 = 0.5,
            τ = 1 h, ymax = 1, y0 = 0).
        conditions: C of them.
        times_hours: T query times in hours, at least 0, increasing or equal.
        initial: states at time 0, (N) or (C, N); None for the network's y0. A knocked-out or
            clamped molecule is at its value from the window's start, whatever is given here.
        tolerance: largest accepted error of one step in units of activity; at least what rounding
            in `dtype` leaves (2e-6 in float32).
        dtype, device: of the result.

    Returns:
        States (C, T, N), molecules in the network's order.

    Raises:
        NetworkError: a condition names an unknown molecule, or a sign is unknown.
        HMLMError: times or initial states that do not fit, or a state that becomes no number.
    """
    if not len(conditions) or not len(times_hours):
        shape = (len(conditions), len(times_hours), len(network.molecules))
        return torch.zeros(shape, dtype=dtype, device=device)
    system = LogicODE.from_network(network, dtype).to(device)
    tensors = ConditionTensors.from_conditions(conditions, network)
    if initial is not None:
        initial = torch.as_tensor(initial, dtype=dtype, device=device)
        expected = (len(conditions), len(network.molecules))
        if initial.shape not in (expected, expected[1:]):
            raise HMLMError(
                f"initial states have shape {tuple(initial.shape)}; expected {expected[1:]} "
                f"or {expected} (conditions, molecules)"
            )
        if not initial.isfinite().all():
            raise HMLMError("initial states are not all finite; expected numbers of at least 0")
        if (initial < LEAST_INITIAL_STATE).any():
            raise HMLMError(
                f"an initial state is {float(initial.min()):g}; expected numbers of at least 0"
            )
        initial = initial.expand(expected).T
    states_TMC = simulate_system(system, tensors, times_hours, initial, tolerance=tolerance)
    return states_TMC.permute(2, 0, 1)


def simulate_system(
    system: LogicODE,
    conditions: ConditionTensors,
    times_hours: Sequence[float] | torch.Tensor,
    initial_MC: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-7,
) -> torch.Tensor:
    """As `simulate`, for a compiled system: conditions over all M molecules give (T, M, C)."""
    times = [float(t) for t in times_hours]
    if any(not 0 <= t < math.inf for t in times) or times != sorted(times):
        raise HMLMError(f"times must be at least 0 and increase, found {times}")
    # Where no gradients are requested, torch need not prepare for them.
    tensors = [*vars(system).values(), initial_MC]
    learns = any(isinstance(value, torch.Tensor) and value.requires_grad for value in tensors)
    with torch.inference_mode(not (learns and torch.is_grad_enabled())):
        run = _Run(system, conditions, tolerance, times)
        sizes = torch.bincount(system.network_of_molecule, minlength=system.networks).tolist()
        count = conditions.stimulus_RN.shape[0]
        history = History(times, sizes, count, system.tau_hours.device)
        run.advance(run.start(initial_MC), times[-1] if times else 0.0, history)
    return history.states()


def steady_state(
    system: LogicODE,
    conditions: ConditionTensors,
    initial_MC: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-4,
    longest_hours: float = 1000.0,
) -> torch.Tensor:
    """States (M, C) after which nothing moves by more than `tolerance` per time constant.

    Perturbations are those that are at work after `longest_hours`. A network that oscillates has
    no such state, and a slow one may take longer; then the state after `longest_hours` is given.
    """
    lasting = conditions.mapped(lambda value: value)
    start, end = conditions.perturbation_window_RE2.unbind(-1)
    at_work = (start < longest_hours) & (end >= longest_hours)
    for_ever = torch.tensor([0.0, math.inf], dtype=start.dtype, device=start.device)
    never = torch.tensor([0.0, -1.0], dtype=start.dtype, device=start.device)
    lasting.perturbation_window_RE2 = torch.where(at_work[..., None], for_ever, never)
    run = _Run(system, lasting, tolerance / 10)
    rows = run.start(initial_MC)
    passed, chunk_hours = 0.0, max(50.0, longest_hours / 20)
    while passed < longest_hours:
        passed += chunk_hours
        rows = run.advance(rows, passed)
        drive = run.equations.drive(rows.state_MA, rows.forcing)
        if (drive - rows.state_MA).abs().max() < tolerance:
            break
    return rows.state_MA


def baseline_state(network: SignalingNetwork, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Where a network rests under its own inputs, with nothing done to it.

    Args:
        network: parameters it does not state take Netflux's defaults.
        dtype: of the result.

    Returns:
        States (N), molecules in the network's order, reached from the network's y0 to the
        accuracy of `steady_state`. A network that oscillates gives its state after 1000 hours, or
        after 20 times its slowest time constant where that is longer; time constants beyond
        `LONGEST_HOURS` count as that.

    Raises:
        NetworkError: a sign is unknown.
        HMLMError: the states become infinite or no number.
    """
    system = LogicODE.from_network(network, dtype)
    at_rest = ConditionTensors.from_conditions([Condition()], network)
    slowest = min(float(system.tau_hours.max()), LONGEST_HOURS)
    longest_hours = max(1000.0, TIME_CONSTANTS_TO_REST * slowest)
    with torch.no_grad():
        return steady_state(system, at_rest, longest_hours=longest_hours)[:, 0]


@dataclass
class _Rows:
    """Conditions under way, A of them: where each is, and how long its next step is to be.

    `now_GA` and `step_GA` are in hours, of every network by itself.
    """

    ids_A: torch.Tensor
    state_MA: torch.Tensor
    forcing: Forcing
    now_GA: torch.Tensor
    step_GA: torch.Tensor

    def chosen(self, places: torch.Tensor) -> _Rows:
        return _Rows(
            self.ids_A[places],
            self.state_MA.index_select(1, places),
            self.forcing.select(places),
            self.now_GA[:, places],
            self.step_GA[:, places],
        )

    @staticmethod
    def joined(parts: Sequence[_Rows]) -> _Rows:
        """Several in one, by their ids."""
        order = torch.argsort(torch.cat([part.ids_A for part in parts]))
        return _Rows(
            torch.cat([part.ids_A for part in parts]),
            torch.cat([part.state_MA for part in parts], 1),
            Forcing.joined([part.forcing for part in parts]),
            torch.cat([part.now_GA for part in parts], 1),
            torch.cat([part.step_GA for part in parts], 1),
        ).chosen(order)


class _Run:
    """What one simulation needs at every step: equations, conditions, and when they change."""

    def __init__(
        self,
        system: LogicODE,
        conditions: ConditionTensors,
        tolerance: float,
        times_hours: Sequence[float] = (),
    ) -> None:
        like = system.tau_hours
        self.system = system
        self.tolerance = max(tolerance, LEAST_TOLERANCE_EPS * torch.finfo(like.dtype).eps)
        self.equations = Equations(system)
        self.elimination = Elimination(
            self.equations.source_J, self.equations.target_J, len(system.tau_hours)
        )
        self.conditions = conditions.mapped(lambda value: value.to(like.device))
        self.rate_M1 = 1 / like[:, None]
        fastest = torch.full((system.networks,), math.inf, dtype=like.dtype, device=like.device)
        fastest = fastest.scatter_reduce(0, system.network_of_molecule, like.detach(), "amin")
        self.first_step_G1 = (0.5 * fastest.double()).clamp(
            SHORTEST_STEP_HOURS, LONGEST_STEP_HOURS
        )[:, None]
        self.network_of_event_RE = system.network_of_molecule[self.conditions.perturbation_index_RE]
        self.switches_KGC = self._switches(times_hours)

    def _switches(self, times_hours: Sequence[float]) -> torch.Tensor:
        """When perturbations set in or end: (K, G, C) in hours, ∞ for never."""
        start, end = self.conditions.perturbation_window_RE2.unbind(-1)
        hours = torch.cat([start, end], 1)
        happens = (hours > 0) & hours.isfinite() & (end > start).repeat(1, 2)
        chosen = happens.any(0)
        hours, happens = hours[:, chosen], happens[:, chosen]
        network = self.network_of_event_RE.repeat(1, 2)[:, chosen]
        exact = hours.double()
        if len(times_hours) and hours.numel():
            # Windows are float32: their ends are the query times that round to them.
            query = torch.tensor(times_hours, dtype=torch.float64, device=hours.device)
            near = torch.searchsorted(query.to(hours.dtype), hours.contiguous())
            near = near.clamp(max=len(query) - 1)
            exact = torch.where(query.to(hours.dtype)[near] == hours, query[near], exact)
        networks = torch.arange(self.system.networks, device=hours.device)
        own = happens.T[:, None] & (network.T[:, None] == networks[:, None])
        return torch.where(own, exact.T[:, None], math.inf)

    def start(self, initial_MC: torch.Tensor | None) -> _Rows:
        """All conditions at time 0."""
        system, count = self.system, self.conditions.stimulus_RN.shape[0]
        state = system.y0[:, None] if initial_MC is None else initial_MC
        state = state.expand(-1, count).contiguous()
        step = self.first_step_G1.expand(-1, count)
        ids = torch.arange(count, device=state.device)
        return self._switched(_Rows(ids, state, Forcing(state, state), 0 * step, step))

    def _switched(self, rows: _Rows) -> _Rows:
        """The rows with what stimuli and perturbations do now."""
        here = self.conditions.mapped(lambda value: value[rows.ids_A])
        like, system = rows.state_MA, self.system
        inputs = torch.where(
            here.stimulated_RN.T, here.stimulus_RN.T.to(like), system.input_weight[:, None]
        )
        if here.perturbation_index_RE.shape[1] == 0:
            return replace(rows, forcing=Forcing.from_effects(system.ymax, inputs, None))
        hours_RE = rows.now_GA.T.gather(1, self.network_of_event_RE[rows.ids_A])
        effects = here.effects_at(hours_RE).transposed()
        return replace(
            rows,
            forcing=Forcing.from_effects(system.ymax, inputs, effects),
            state_MA=effects.hold(like).contiguous(),
        )

    def advance(self, rows: _Rows, until_hours: float, history: History | None = None) -> _Rows:
        """The rows at a time; a history, where given, takes the states at the query times.

        Rows that have arrived leave the batch, so that it costs what the others need.
        """
        left_behind: list[_Rows] = []
        while True:
            arrived = (rows.now_GA >= until_hours).all(0)
            done = int(arrived.sum())
            if done == len(rows.ids_A) or done > SHARE_TO_LEAVE * len(rows.ids_A):
                leaving = rows.chosen(arrived.nonzero()[:, 0])
                if history is not None:
                    history.end(leaving.ids_A, leaving.now_GA, leaving.state_MA)
                left_behind.append(leaving)
                if done == len(rows.ids_A):
                    return _Rows.joined(left_behind)
                rows = rows.chosen((~arrived).nonzero()[:, 0])
            rows = self._attempt(rows, until_hours, history)

    def _attempt(self, rows: _Rows, until_hours: float, history: History | None) -> _Rows:
        """The rows after a step, where its error is small enough, and otherwise as they are."""
        switch_KGA = self.switches_KGC[:, :, rows.ids_A]
        stop_GA = torch.full_like(rows.now_GA, until_hours)
        if len(switch_KGA):
            ahead = torch.where(switch_KGA > rows.now_GA, switch_KGA, until_hours)
            stop_GA = ahead.amin(0).clamp(max=until_hours)
        left_GA = stop_GA - rows.now_GA
        hours_GA = torch.minimum(rows.step_GA, left_GA)
        after, error_MA, stages = w_step(
            self.equations,
            self.elimination,
            rows.forcing,
            self.rate_M1,
            rows.state_MA,
            self._of_molecules(hours_GA.to(rows.state_MA)),
        )
        error_GA = self._largest(error_MA.detach().abs()).nan_to_num(math.inf).double()
        shortest = hours_GA <= SHORTEST_STEP_HOURS
        if bool((shortest & error_GA.isinf()).any()):
            raise HMLMError(
                "a state is infinite or no number; expected finite parameters and states"
            )
        accepted = (error_GA <= self.tolerance) | shortest
        landed = accepted & (hours_GA >= left_GA)
        growth = SAFETY * (self.tolerance / error_GA.clamp(min=1e-30)) ** (1 / ORDER)
        resized = hours_GA * growth.clamp(0.2, 5.0)
        # A step cut short by a stop is no measure of how long the next may be.
        cut_short = accepted & (hours_GA < rows.step_GA)
        step_GA = torch.where(cut_short, rows.step_GA, resized)
        ahead_GA = torch.where(accepted, rows.now_GA + hours_GA, rows.now_GA)
        now_GA = torch.where(landed, stop_GA, ahead_GA)
        if history is not None:
            history.add(rows.ids_A, rows.now_GA, now_GA, rows.state_MA, stages)
        moved = replace(
            rows,
            state_MA=torch.where(self._of_molecules(accepted), after, rows.state_MA),
            now_GA=now_GA,
            step_GA=step_GA.clamp(SHORTEST_STEP_HOURS, LONGEST_STEP_HOURS),
        )
        landed = landed & (left_GA > 0)
        if len(switch_KGA) and bool(landed.any()):
            moved = self._switched(moved)
            moved.step_GA = torch.where(landed, self.first_step_G1, moved.step_GA)
        return moved

    def _of_molecules(self, values_GA: torch.Tensor) -> torch.Tensor:
        """Values of networks for each of their molecules; of a single one for all alike (1, A)."""
        if self.system.networks == 1:
            return values_GA
        return values_GA.index_select(0, self.system.network_of_molecule)

    def _largest(self, values_MA: torch.Tensor) -> torch.Tensor:
        """The largest value in each network (G, A)."""
        if self.system.networks == 1:
            return values_MA.amax(0, keepdim=True)
        network = self.system.network_of_molecule[:, None].expand_as(values_MA)
        largest = values_MA.new_zeros(self.system.networks, values_MA.shape[1])
        return largest.scatter_reduce(0, network, values_MA, "amax")
