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
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp

from ...dynamics import simulate
from ...dynamics.logic_ode import LogicODE
from ...dynamics.sbml_trajectories import roadrunner_module
from ...dynamics.simulator import baseline_state
from ...model.conditions import Condition, Perturbation
from ...model.errors import HMLMError
from ...model.network import SignalingNetwork
from .exported_equations import python_equations, sbml_equations, state_names

ACCURACY = 1e-3
HOURS = np.arange(49.0)
TOLERANCES = (3e-3, 2e-3, 1e-3, 7e-4, 5e-4, 3e-4, 2e-4, 1e-4, 5e-5, 3e-5, 1e-5, 1e-6)
# An absolute tolerance this much smaller than the relative one was the fastest that is right.
ABSOLUTE_SHARE = 0.01


@dataclass(frozen=True)
class Tool:
    """One way to simulate; `run` takes conditions' numbers and a tolerance and gives (C, T, N)."""

    name: str
    precision: str
    conditions: int
    run: Callable[[int, float], np.ndarray]


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


class _Numbers:
    """Conditions as other tools take them: inputs, largest and first states (C, N)."""

    def __init__(
        self, network: SignalingNetwork, conditions: Sequence[Condition], rest: np.ndarray
    ) -> None:
        system, index = LogicODE.from_network(network), network.molecule_index
        count = len(conditions)
        self.weight = np.tile(system.input_weight.numpy(), (count, 1))
        self.ymax = np.tile(system.ymax.numpy(), (count, 1))
        self.first = np.tile(rest, (count, 1))
        for row, condition in enumerate(conditions):
            for name, level in condition.stimuli.items():
                # As the simulator has it, which holds levels in float32.
                self.weight[row, index[name]] = np.float32(level)
            for knockout in condition.perturbations:
                self.ymax[row, index[knockout.target]] = 0
                self.first[row, index[knockout.target]] = 0


class RoadRunner:
    """libroadrunner on the network's equations in SBML, compiled once.

    Raises:
        FormatError: libroadrunner is not installed.
    """

    def __init__(self, network: SignalingNetwork, numbers: _Numbers) -> None:
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
        for row in range(count):
            model.resetToOrigin()
            model.model.setGlobalParameterValues(self._places, every[row])
            found[row] = model.simulate(HOURS[0], HOURS[-1], len(HOURS))
        return found


def scipy_tool(
    network: SignalingNetwork, numbers: _Numbers, method: str
) -> Callable[[int, float], np.ndarray]:
    """SciPy's `solve_ivp` on the exported equations."""
    module: dict[str, Any] = {}
    exec(python_equations(network), module)  # our own text
    slopes = module["slopes"]

    def run(count: int, tolerance: float) -> np.ndarray:
        found = []
        for row in range(count):
            weight, ymax = numbers.weight[row].tolist(), numbers.ymax[row].tolist()
            found.append(
                solve_ivp(
                    # Lists are twice as fast here as numpy's numbers.
                    lambda t, y, w=weight, m=ymax: slopes(t, y.tolist(), w, m),
                    (HOURS[0], HOURS[-1]),
                    numbers.first[row],
                    method,
                    t_eval=HOURS,
                    rtol=tolerance,
                    atol=tolerance * ABSOLUTE_SHARE,
                ).y.T
            )
        return np.stack(found)

    return run


def measure_simulators(
    network: SignalingNetwork,
    conditions: int = 256,
    scipy_conditions: int = 16,
    repeats: int = 5,
    say: Callable[[str], object] = lambda line: None,
) -> list[dict[str, Any]]:
    """One row per tool: its tolerance, largest error, and milliseconds per trajectory and core.

    Raises:
        ValueError: libroadrunner is not installed, or a tool cannot reach the accuracy.
    """
    drawn = draw_conditions(network, conditions)
    rest = baseline_state(network).numpy()
    numbers = _Numbers(network, drawn, rest)

    def ours(dtype: torch.dtype) -> Callable[[int, float], np.ndarray]:
        def run(count: int, tolerance: float) -> np.ndarray:
            return simulate(
                network, drawn[:count], HOURS.tolist(), torch.tensor(rest),
                tolerance=tolerance, dtype=dtype,
            ).numpy()  # fmt: skip

        return run

    few = min(scipy_conditions, conditions)
    roadrunner = RoadRunner(network, numbers)
    tools = [
        Tool("hmlm_fm simulate", "float32", conditions, ours(torch.float32)),
        Tool("hmlm_fm simulate", "float64", conditions, ours(torch.float64)),
        Tool("libroadrunner (CVODE)", "float64", conditions, roadrunner),
        *(
            Tool(
                f"SciPy {method}, exported equations", "float64", few,
                scipy_tool(network, numbers, method),
            )
            for method in ("LSODA", "BDF")
        ),
    ]  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # A reference that none of ours computed.
        exact = roadrunner(conditions, 1e-10)
        settings = {tool: _loosest(tool, exact) for tool in tools}
        seconds: dict[Tool, list[float]] = {tool: [] for tool in tools}
        for repeat in range(repeats):
            for tool in tools:
                started = time.process_time()
                tool.run(tool.conditions, settings[tool][0])
                seconds[tool].append((time.process_time() - started) / tool.conditions)
            say(f"simulators: repeat {repeat + 1} of {repeats}")
    finally:
        torch.set_num_threads(threads)
    fastest = {tool: min(times) for tool, times in seconds.items()}
    return [
        {
            "part": "simulators",
            "tool": tool.name,
            "precision": tool.precision,
            "conditions": tool.conditions,
            "tolerance": settings[tool][0],
            "max_error": settings[tool][1],
            "ms_per_trajectory": 1e3 * fastest[tool],
            "ms_median": 1e3 * statistics.median(seconds[tool]),
            "ms_most": 1e3 * max(seconds[tool]),
            "times_ours_float32": fastest[tool] / fastest[tools[0]],
            "times_ours_float64": fastest[tool] / fastest[tools[1]],
        }
        for tool in tools
    ]


def _loosest(tool: Tool, exact: np.ndarray) -> tuple[float, float]:
    """The loosest tolerance at which a tool is accurate enough, and its error there."""
    for tolerance in TOLERANCES:
        found = tool.run(tool.conditions, tolerance)
        if found.shape == exact[: tool.conditions].shape:
            error = float(np.abs(found - exact[: tool.conditions]).max())
            if error <= ACCURACY:
                return tolerance, error
    raise HMLMError(f"{tool.name} does not reach an error of {ACCURACY} at any tolerance")
