"""Simulation of logic ODEs, batched over conditions and networks, differentiable.

The linear decay is integrated exactly and the drive with an exponential Runge-Kutta method of
order 3 (ETD3RK: Cox and Matthews, J Comput Phys 2002;176:430-455) beside an embedded one of order
2, whose distance controls the step. Every network has its own step; conditions of one network
share it.

Shapes: M molecules (of all networks joined), N of one network, C conditions, T times, G networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from hmlm_fm.conditions import Condition, ConditionTensors, PerturbationEffects
from hmlm_fm.network import SignalingNetwork

from .logic_ode import LogicODE

# Bounds on one step: a discontinuity cannot stall the run, and no stretch of time is leapt over.
SHORTEST_STEP_HOURS, LONGEST_STEP_HOURS = 1e-6, 24.0


def simulate(
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    times_hours: Sequence[float] | torch.Tensor,
    initial: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-6,
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
            clamped molecule is at its value from the window's start, whatever stands here.
        tolerance: largest accepted error of one step in units of activity.
        dtype, device: of the result.

    Returns:
        States (C, T, N), molecules in the network's order.

    Raises:
        NetworkError: a condition names an unknown molecule, or a sign is unknown.
        ValueError: times or initial states that do not fit, or states that are no numbers any more.
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
            raise ValueError(
                f"initial states have shape {tuple(initial.shape)}; expected {expected[1:]} "
                f"or {expected} (conditions, molecules)"
            )
        if not initial.isfinite().all():
            raise ValueError("initial states are not all finite; expected numbers of at least 0")
        initial = initial.expand(expected).T
    states_TMC = simulate_system(system, tensors, times_hours, initial, tolerance=tolerance)
    return states_TMC.permute(2, 0, 1)


def simulate_system(
    system: LogicODE,
    conditions: ConditionTensors,
    times_hours: Sequence[float] | torch.Tensor,
    initial_MC: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-6,
) -> torch.Tensor:
    """As `simulate`, for a compiled system: conditions over all M molecules give (T, M, C)."""
    times = [float(t) for t in times_hours]
    if any(not 0 <= t < math.inf for t in times) or times != sorted(times):
        raise ValueError(f"times must be at least 0 and increase, found {times}")
    horizon = times[-1] if times else 0.0
    stops = sorted({*times, *conditions.boundaries_within(horizon).flatten().tolist()})

    run = _Run(system, conditions, tolerance)
    state = system.y0[:, None] if initial_MC is None else initial_MC
    state = state.expand(-1, conditions.stimulus_RN.shape[0])
    effects = run.effects_at(0.0)
    state = effects.hold(state)
    now, found = 0.0, {}
    for stop in stops:
        state = run.advance(state, stop - now, effects)
        now = stop
        effects = run.effects_at(now)
        state = effects.hold(state)
        found[stop] = state
    return torch.stack([found[t] for t in times])


def steady_state(
    system: LogicODE,
    conditions: ConditionTensors,
    initial_MC: torch.Tensor | None = None,
    *,
    tolerance: float = 1e-4,
    longest_hours: float = 1000.0,
) -> torch.Tensor:
    """States (M, C) after which nothing moves by more than `tolerance` per time constant.

    A network that oscillates has no such state; then the state after `longest_hours` is given.
    """
    run = _Run(system, conditions, tolerance / 10)
    effects = run.effects_at(math.nextafter(longest_hours, 0))
    state = system.y0[:, None] if initial_MC is None else initial_MC
    state = effects.hold(state.expand(-1, conditions.stimulus_RN.shape[0]))
    passed, chunk_hours = 0.0, 50.0
    while passed < longest_hours:
        state = run.advance(state, chunk_hours, effects)
        passed += chunk_hours
        if (system.drive(state, run.input_MC, effects) - state).abs().max() < tolerance:
            break
    return state


def baseline_state(network: SignalingNetwork, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Where a network rests under its own inputs, with nothing done to it.

    Args:
        network: parameters it does not state take Netflux's defaults.
        dtype: of the result.

    Returns:
        States (N), molecules in the network's order, reached from the network's y0 to the
        accuracy of `steady_state`. A network that oscillates gives its state after 1000 hours.

    Raises:
        NetworkError: a sign is unknown.
        ValueError: the states are no numbers any more.
    """
    system = LogicODE.from_network(network, dtype)
    at_rest = ConditionTensors.from_conditions([Condition()], network)
    with torch.no_grad():
        return steady_state(system, at_rest)[:, 0]


class _Run:
    """One simulation in progress: the inputs, the perturbations and each network's step."""

    def __init__(self, system: LogicODE, conditions: ConditionTensors, tolerance: float) -> None:
        self.system, self.conditions, self.tolerance = system, conditions, tolerance
        like = system.tau_hours
        self.stimulus = conditions.stimulus_RN.T.to(like)
        stimulated = conditions.stimulated_RN.T.to(like.device)
        self.input_MC = torch.where(stimulated, self.stimulus, system.input_weight[:, None])
        self.perturbed = conditions.perturbation_index_RE.shape[1] > 0
        fastest = torch.full((system.networks,), math.inf, dtype=like.dtype, device=like.device)
        fastest = fastest.scatter_reduce(0, system.network_of_molecule, like.detach(), "amin")
        self.step_G = (0.1 * fastest).clamp(max=LONGEST_STEP_HOURS)

    def effects_at(self, time_hours: float) -> PerturbationEffects:
        rows = self.conditions.stimulus_RN.shape[0]
        effects = self.conditions.effects_at(torch.full((rows,), time_hours)).transposed()
        return PerturbationEffects(
            **{name: value.to(self.stimulus.device) for name, value in vars(effects).items()}
        )

    def advance(
        self, state_MC: torch.Tensor, hours: float, effects: PerturbationEffects
    ) -> torch.Tensor:
        """The state `hours` later, with nothing switched on or off in between."""
        applied = effects if self.perturbed else None
        left_G = torch.full_like(self.step_G, hours)
        of_molecule = self.system.network_of_molecule
        while bool((left_G > 0).any()):
            step_G = torch.minimum(self.step_G, left_G)
            after, error_MC = self._step(state_MC, step_G[of_molecule, None], applied)
            error_G = torch.zeros_like(step_G).scatter_reduce(
                0, of_molecule, error_MC.detach().amax(1), "amax"
            )
            if not bool(error_G.isfinite().all()):
                raise ValueError(
                    "the states are no numbers any more; expected finite parameters and states"
                )
            accepted_G = (error_G <= self.tolerance) | (step_G <= SHORTEST_STEP_HOURS)
            state_MC = torch.where(accepted_G[of_molecule, None], after, state_MC)
            left_G = torch.where(accepted_G, left_G - step_G, left_G)
            left_G = torch.where(left_G < 1e-9 * max(hours, 1.0), 0.0, left_G)
            growth = 0.9 * (self.tolerance / error_G.clamp(min=1e-30)) ** (1 / 3)
            resized = step_G * growth.clamp(0.2, 4.0)
            # A step cut short by a stop says little about how long the next may be.
            cut_short = accepted_G & (step_G < self.step_G)
            self.step_G = torch.where(cut_short, self.step_G, resized).clamp(
                SHORTEST_STEP_HOURS, LONGEST_STEP_HOURS
            )
        return state_MC

    def _step(
        self, y: torch.Tensor, step_M1: torch.Tensor, effects: PerturbationEffects | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One step of ETD3RK and its distance to the embedded method of order 2."""
        z = step_M1 / self.system.tau_hours[:, None]
        decay, half_decay = torch.exp(-z), torch.exp(-z / 2)
        phi1, phi2, phi3 = _phi_functions(z)
        u0 = self.system.drive(y, self.input_MC, effects)
        a = u0 + (y - u0) * half_decay
        u_a = self.system.drive(a, self.input_MC, effects)
        u_ahead = 2 * u_a - u0
        b = u_ahead + (y - u_ahead) * decay
        u_b = self.system.drive(b, self.input_MC, effects)
        third = decay * y + z * (
            (phi1 - 3 * phi2 + 4 * phi3) * u0
            + (4 * phi2 - 8 * phi3) * u_a
            + (4 * phi3 - phi2) * u_b
        )
        second = decay * y + z * ((phi1 - 2 * phi2) * u0 + 2 * phi2 * u_a)
        return third, (third - second).abs()


def _phi_functions(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """φ₁, φ₂, φ₃ at -z for z ≥ 0: φ₁ = (1 - e^-z)/z, φ_k+1 = (1/k! - φ_k)/z.

    Below 1 the recursion cancels, so φ₃ comes from its Taylor series and the others from it.
    """
    small = z.clamp(max=1.0)
    series = torch.zeros_like(z)
    for k in range(13, -1, -1):
        series = series * -small + 1 / math.factorial(k + 3)
    large = z.clamp(min=1.0)
    phi1_large = -torch.expm1(-large) / large
    phi2_large = (1 - phi1_large) / large
    phi3_large = (0.5 - phi2_large) / large
    phi3 = torch.where(z < 1, series, phi3_large)
    phi2 = torch.where(z < 1, 0.5 - z * phi3, phi2_large)
    phi1 = torch.where(z < 1, 1 - z * phi2, phi1_large)
    return phi1, phi2, phi3
