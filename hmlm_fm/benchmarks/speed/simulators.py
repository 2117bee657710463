"""How fast trajectories are simulated, beside other tools at equal accuracy.

Every tool gets the loosest tolerance at which its largest error, over all conditions, molecules and
hours, is at most `ACCURACY`. All compute on one thread, in turns, and the time of the processor is
taken, so that other work on the machine disturbs as little as it can.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp

from ...dynamics.logic_ode import LogicODE
from ...dynamics.sbml_trajectories import roadrunner_module
from ...dynamics.simulator import baseline_state, simulate
from ...model.conditions import Condition, Perturbation
from ...model.error_base import HMLMError
from ...model.network import SignalingNetwork
from ..entries import Entry, Result
from .exported_equations import python_equations, sbml_equations, state_names

ACCURACY = 1e-3
HOURS = np.arange(49.0)
TOLERANCES = (3e-3, 2e-3, 1e-3, 7e-4, 5e-4, 3e-4, 2e-4, 1e-4, 5e-5, 3e-5, 1e-5, 1e-6)
# An absolute tolerance this much smaller than the relative one was the fastest that is right.
ABSOLUTE_SHARE = 0.01


def draw_conditions(network: SignalingNetwork, count: int, seed: int = 0) -> list[Condition]:
    """One or two stimuli in [0.4, 1], and in half of the conditions a knock-out."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        several = min(int(rng.integers(1, 3)), len(network.inputs))
        chosen = rng.choice(network.inputs, several, replace=False)
        stimuli = {str(name): float(rng.uniform(0.4, 1)) for name in chosen}
        knockout = Perturbation(str(rng.choice(network.names)))
        drawn.append(Condition(stimuli, (knockout,) if rng.random() < 0.5 else ()))
    return drawn


class ConditionNumbers:
    """Conditions as other tools take them: inputs, largest and first states (C, N)."""

    def __init__(
        self, network: SignalingNetwork, conditions: Sequence[Condition], rest: np.ndarray
    ) -> None:
        system, index = LogicODE.from_network(network), network.molecule_index
        count = len(conditions)
        self.weight = np.tile(system.input_weight.numpy(), (count, 1))
        self.ymax = np.tile(system.ymax.numpy(), (count, 1))
        self.first = np.tile(rest, (count, 1))
        for c, condition in enumerate(conditions):
            for name, level in condition.stimuli.items():
                # As the simulator has it, which holds levels in float32.
                self.weight[c, index[name]] = np.float32(level)
            for knockout in condition.perturbations:
                self.ymax[c, index[knockout.target]] = 0
                self.first[c, index[knockout.target]] = 0


class RoadRunner:
    """libroadrunner on the network's equations in SBML, compiled once.

    Raises:
        FormatError: libroadrunner is not installed.
    """

    def __init__(self, network: SignalingNetwork, numbers: ConditionNumbers) -> None:
        roadrunner = roadrunner_module()
        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_CRITICAL)
        self._model = roadrunner.RoadRunner(sbml_equations(network))
        size = len(network.molecules)
        known = list(self._model.model.getGlobalParameterIds())
        places = [known.index(f"{kind}{i}") for kind in ("w", "ymax", "y") for i in range(size)]
        self._model.timeCourseSelections = state_names(size)
        self._places, self._numbers = places, numbers

    def __call__(self, count: int, tolerance: float) -> np.ndarray:
        model, numbers = self._model, self._numbers
        model.integrator.relative_tolerance = tolerance
        model.integrator.absolute_tolerance = tolerance * ABSOLUTE_SHARE
        every = np.concatenate([numbers.weight, numbers.ymax, numbers.first], 1)
        found = np.empty((count, len(HOURS), numbers.first.shape[1]))
        for c in range(count):
            model.resetToOrigin()
            model.model.setGlobalParameterValues(self._places, every[c])
            found[c] = model.simulate(HOURS[0], HOURS[-1], len(HOURS))
        return found


def scipy_tool(
    network: SignalingNetwork, numbers: ConditionNumbers, method: str
) -> Callable[[int, float], np.ndarray]:
    """SciPy's `solve_ivp` on the exported equations."""
    module: dict[str, Any] = {}
    exec(python_equations(network), module)  # our own text
    slopes = module["slopes"]

    def run(count: int, tolerance: float) -> np.ndarray:
        found = []
        for c in range(count):
            weight, ymax = numbers.weight[c].tolist(), numbers.ymax[c].tolist()
            found.append(
                solve_ivp(
                    # Lists are twice as fast here as numpy's numbers.
                    lambda t, y, w=weight, m=ymax: slopes(t, y.tolist(), w, m),
                    (HOURS[0], HOURS[-1]),
                    numbers.first[c],
                    method,
                    t_eval=HOURS,
                    rtol=tolerance,
                    atol=tolerance * ABSOLUTE_SHARE,
                ).y.T
            )
        return np.stack(found)

    return run


@dataclass(frozen=True)
class SimulatedConditions:
    """The conditions that every tool simulates, from the state at rest.

    Attributes:
        network: with kinetics.
        conditions: C of them.
        rest: (N) their first state.
        fewer: how many of them are simulated by tools that are slow.
    """

    network: SignalingNetwork
    conditions: Sequence[Condition]
    rest: np.ndarray
    fewer: int

    @cached_property
    def numbers(self) -> ConditionNumbers:
        return ConditionNumbers(self.network, self.conditions, self.rest)

    @cached_property
    def roadrunner(self) -> RoadRunner:
        return RoadRunner(self.network, self.numbers)


Simulation = Callable[[int, float], np.ndarray]
"""Takes the number of conditions and a tolerance, and gives states (C, T, N)."""


def _ours(dtype: torch.dtype, on: SimulatedConditions) -> Simulation:
    def run(count: int, tolerance: float) -> np.ndarray:
        return simulate(
            on.network, on.conditions[:count], HOURS.tolist(), torch.tensor(on.rest),
            tolerance=tolerance, dtype=dtype,
        ).numpy()  # fmt: skip

    return run


SIMULATORS: tuple[Entry, ...] = (
    Entry(
        "hmlm-float32", "hmlm_fm simulate, float32", partial(_ours, torch.float32),
        highlighted=True,
    ),
    Entry(
        "hmlm-float64", "hmlm_fm simulate, float64", partial(_ours, torch.float64),
        highlighted=True,
    ),
    Entry("libroadrunner", "libroadrunner (CVODE), float64", lambda on: on.roadrunner),
    Entry(
        "scipy-lsoda", "SciPy LSODA, exported equations, float64",
        lambda on: scipy_tool(on.network, on.numbers, "LSODA"), slow=True,
    ),
    Entry(
        "scipy-bdf", "SciPy BDF, exported equations, float64",
        lambda on: scipy_tool(on.network, on.numbers, "BDF"), slow=True,
    ),
)  # fmt: skip
"""Their factories take `SimulatedConditions` and give a `Simulation`; slow ones simulate fewer."""


@dataclass(frozen=True)
class Tool:
    """A simulator, how many conditions it simulates, and the tolerance that is accurate enough."""

    entry: Entry
    run: Simulation
    conditions: int
    tolerance: float
    error: float


def measure_simulators(
    network: SignalingNetwork,
    conditions: int = 256,
    fewer_conditions: int = 16,
    repeats: int = 5,
    log: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """One result per tool: its tolerance, largest error, and milliseconds per trajectory and core.

    Args:
        fewer_conditions: simulated by SciPy, which is slow.

    Raises:
        HMLMError: libroadrunner is not installed, or a tool cannot reach the accuracy.
    """
    drawn = draw_conditions(network, conditions)
    rest = baseline_state(network).numpy()
    on = SimulatedConditions(network, drawn, rest, min(fewer_conditions, conditions))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # A reference that none of ours computed.
        exact = on.roadrunner(conditions, 1e-10)
        tools = [_accurate(entry, on, exact) for entry in SIMULATORS]
        seconds = _time_in_turns(tools, repeats, log)
    finally:
        torch.set_num_threads(threads)
    fastest = {id: min(times) for id, times in seconds.items()}
    return [
        tool.entry.result(
            f"{tool.conditions} conditions",
            "simulators",
            None,
            conditions=tool.conditions,
            tolerance=tool.tolerance,
            max_error=tool.error,
            ms_per_trajectory=1e3 * fastest[tool.entry.id],
            ms_median=1e3 * statistics.median(seconds[tool.entry.id]),
            ms_most=1e3 * max(seconds[tool.entry.id]),
            times_ours_float32=fastest[tool.entry.id] / fastest["hmlm-float32"],
            times_ours_float64=fastest[tool.entry.id] / fastest["hmlm-float64"],
        )
        for tool in tools
    ]


def _time_in_turns(
    tools: Sequence[Tool], repeats: int, log: Callable[[str], object]
) -> dict[str, list[float]]:
    """Seconds of the processor per trajectory, by id."""
    seconds: dict[str, list[float]] = {tool.entry.id: [] for tool in tools}
    for repeat in range(repeats):
        for tool in tools:
            started = time.process_time()
            tool.run(tool.conditions, tool.tolerance)
            seconds[tool.entry.id].append((time.process_time() - started) / tool.conditions)
        log(f"simulators: repeat {repeat + 1} of {repeats}")
    return seconds


def _accurate(entry: Entry, on: SimulatedConditions, exact: np.ndarray) -> Tool:
    """A tool with the loosest tolerance at which it is accurate enough, and its error there."""
    run: Simulation = entry.make(on)
    count = on.fewer if entry.slow else len(on.conditions)
    for tolerance in TOLERANCES:
        found = run(count, tolerance)
        if found.shape == exact[:count].shape:
            error = float(np.abs(found - exact[:count]).max())
            if error <= ACCURACY:
                return Tool(entry, run, count, tolerance, error)
    raise HMLMError(f"{entry.label} does not reach an error of {ACCURACY} at any tolerance")
