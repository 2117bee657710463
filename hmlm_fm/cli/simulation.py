"""What `hmlm simulate` does: conditions from the words of the command line to states over time.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..common.errors import FormatError, FormatWarning
from ..common.files import check_output_files, write_text
from ..common.words import counted
from ..dynamics.simulator import baseline_state, simulate
from ..model.conditions import LONGEST_HOURS
from ..model.error_base import did_you_mean, quoted
from ..model.network import SignalingNetwork
from .command_options import SimulateOptions
from .condition_arguments import (
    conditions_of,
    load_one_network,
    own_files,
    parse_times,
    positions,
)

DEFAULT_HOURS, DEFAULT_STEP_HOURS = 48.0, 1.0
MOST_TIMES = 100_000
MOST_ROWS, MOST_TABLES, MOST_PANELS = 10, 5, 12
STARTS = ("rest", "zero", "network")
COLUMNS = ("condition", "molecule", "time_hours", "state")


@dataclass(frozen=True)
class Simulation:
    """States of a network over time.

    Attributes:
        network: what was simulated.
        conditions: names of the C conditions.
        times_hours: T times in hours.
        initial_N: states before anything is done; activity.
        states_CTN: activity under each condition.
        chosen: positions of the molecules to report, in the order given.
    """

    network: SignalingNetwork
    conditions: tuple[str, ...]
    times_hours: tuple[float, ...]
    initial_N: np.ndarray
    states_CTN: np.ndarray
    chosen: tuple[int, ...]

    def changes(self) -> np.ndarray:
        """Largest difference from the initial state, with its sign, of each molecule (C, N)."""
        difference = self.states_CTN - self.initial_N
        where = np.abs(difference).argmax(axis=1)
        return np.take_along_axis(difference, where[:, None], axis=1)[:, 0]

    def most_changed(self, most: int, condition: int | None = None) -> tuple[int, ...]:
        """Positions of the chosen molecules that change most, in one condition or in any."""
        size = np.abs(self.changes())
        size = size.max(axis=0) if condition is None else size[condition]
        return tuple(sorted(self.chosen, key=lambda i: -size[i])[:most])

    def describe(self) -> str:
        """How much of what there is, in words."""
        sizes = (
            (len(self.conditions), "condition"),
            (len(self.chosen), "molecule"),
            (len(self.times_hours), "time"),
        )
        return ", ".join(counted(size, word) for size, word in sizes)


def run_simulation(options: SimulateOptions) -> None:
    """Simulate a network as requested, write the requested files, or print a table.

    A warning names the molecules whose logic is not known and matters.

    Raises:
        FormatError: options that make no sense, a name that the network has not, a file that
            cannot be read or must not be written.
        NetworkError: the network has no dynamics.
        HMLMError: a strength outside [0, 1], an empty window, states that are not finite.
        OSError: a file cannot be written.
    """
    network = load_one_network(options.network, options.pathway)
    inputs = [*own_files(options.network), *([options.conditions] if options.conditions else [])]
    check_output_files(options.out, options.plot, inputs, options.force)
    conditions = conditions_of(options, network)
    times_hours = times_of(options.hours, options.step, options.times)
    chosen = positions(options.molecule, network)
    initial = initial_state(network, options.start)
    _warn_of_unknown_logic(network)
    states = simulate(network, list(conditions.values()), times_hours, initial)
    simulation = Simulation(
        network,
        tuple(conditions),
        times_hours,
        initial.numpy(),
        states.numpy(),
        chosen or tuple(range(len(network.molecules))),
    )
    if options.out is None:
        print_table(simulation)
    else:
        write_states(simulation, options.out)
        print(f"{options.out}: {simulation.describe()}")
    if options.plot is not None:
        from ..inference.figures import plot_states  # matplotlib takes its time

        drawn = chosen or simulation.most_changed(MOST_PANELS)
        plot_states(
            network, simulation.conditions, times_hours, simulation.states_CTN, drawn, options.plot
        )
        print(f"{options.plot}: trajectories")


def times_of(hours: float | None, step: float | None, times: str | None) -> tuple[float, ...]:
    """Times in hours: those listed, or from 0 in equal steps to the last, which is always there.

    Raises:
        FormatError: both are given, as `parse_times`, the step or the last time is not above 0 or
            beyond `LONGEST_HOURS`, or there are more than `MOST_TIMES`.
    """
    if times is not None:
        if hours is not None or step is not None:
            raise FormatError("--times is given beside --hours or --step; expected one of the two")
        return parse_times(times, "--times")
    hours = DEFAULT_HOURS if hours is None else hours
    step = DEFAULT_STEP_HOURS if step is None else step
    for option, value in (("--hours", hours), ("--step", step)):
        if not 0 < value <= LONGEST_HOURS:
            raise FormatError(
                f"{option} is {value}; expected a number above 0 and at most {LONGEST_HOURS:g}"
            )
    if hours / step > MOST_TIMES:
        raise FormatError(
            f"--hours {hours} in steps of {step} are more than {MOST_TIMES} times; "
            "expected a longer step"
        )
    # The last step is shorter where the steps do not come out even.
    within = [step * i for i in range(math.ceil(hours / step))]
    return (*(time for time in within if hours - time > 1e-9 * hours), hours)


def initial_state(network: SignalingNetwork, start: str) -> torch.Tensor:
    """States (N) from which a run starts, float64.

    Args:
        network: what is simulated.
        start: `rest` (the baseline state), `zero`, or `network` (its y0, 0 where it has none).

    Raises:
        FormatError: another start.
        NetworkError, HMLMError: as `baseline_state`.
    """
    if start not in STARTS:
        raise FormatError(
            f"--from is {start!r}; expected one of {', '.join(STARTS)}{did_you_mean(start, STARTS)}"
        )
    if start == "rest":
        return baseline_state(network)
    y0 = [m.y0 or 0.0 if start == "network" else 0.0 for m in network.molecules]
    return torch.tensor(y0, dtype=torch.float64)


def write_states(simulation: Simulation, path: Path) -> None:
    """Write the chosen molecules' states as a comma-separated table, a row for each.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    names = simulation.network.names
    for condition, states_TN in zip(simulation.conditions, simulation.states_CTN, strict=True):
        for i in simulation.chosen:
            for time, state in zip(simulation.times_hours, states_TN[:, i].tolist(), strict=True):
                writer.writerow((condition, names[i], time, state))
    write_text(path, text.getvalue())


def print_table(simulation: Simulation, console: Console | None = None) -> None:
    """Print the molecules that change most under each of the first conditions.

    Args:
        simulation: what to report.
        console: where to print; the standard output by default.
    """
    console = console or Console()
    changes = simulation.changes()
    first, last = simulation.times_hours[0], simulation.times_hours[-1]
    for c, condition in enumerate(simulation.conditions[:MOST_TABLES]):
        table = Table(title=Text(f"{simulation.network.name}: {condition}"))
        table.add_column("molecule")
        for heading in ("before", f"at {first:g} h", f"at {last:g} h", "largest change"):
            table.add_column(heading, justify="right")
        for i in simulation.most_changed(MOST_ROWS, c):
            at_ends = (simulation.states_CTN[c, t, i] for t in (0, -1))
            numbers = (f"{_rounded(state):.3f}" for state in (simulation.initial_N[i], *at_ends))
            # Names are no markup, whatever brackets they have.
            change = f"{_rounded(changes[c, i]):+.3f}"
            table.add_row(Text(simulation.network.names[i]), *numbers, change)
        console.print(table)
    left_out = len(simulation.conditions) - MOST_TABLES
    if left_out > 0:
        console.print(f"and {left_out} more conditions; --out writes them all", highlight=False)


def _warn_of_unknown_logic(network: SignalingNetwork) -> None:
    acting = Counter(i.target for i in network.interactions if i.sources)
    several = [name for name, count in acting.items() if count > 1]
    if network.logic_known or not several:
        return
    warnings.warn(
        f"the logic of network {network.name!r} is not known: all interactions on "
        f"{quoted(several)} are joined by OR, so that an inhibitor that is off switches its target "
        "on; Netflux, bnet and SBML-qual files state the logic",
        FormatWarning,
        stacklevel=3,
    )


def _rounded(value: float) -> float:
    return round(float(value), 3) + 0.0  # not -0.000
