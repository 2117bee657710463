"""What `hmlm simulate` does: conditions from the words of the command line to states over time.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from ..formats.measured.condition_tables import read_conditions
from ..formats.tables import no_molecule
from ..model.conditions import LONGEST_HOURS, Condition, Perturbation
from ..model.errors import did_you_mean, quoted
from ..model.network import SignalingNetwork

DEFAULT_HOURS, DEFAULT_STEP_HOURS = 48.0, 1.0
MOST_TIMES = 100_000
MOST_ROWS, MOST_TABLES, MOST_PANELS = 10, 5, 12
STARTS = ("rest", "zero", "network")
COLUMNS = ("condition", "molecule", "time_hours", "state")

_NUMBER = r"[0-9.]+(?:[eE][+-]?[0-9]+)?"
_WINDOW = re.compile(rf"(.*)@({_NUMBER})-({_NUMBER})?", re.DOTALL)


@dataclass
class SimulateOptions:
    """Options of one run; see `hmlm simulate --help`.

    Attributes:
        stimuli: each `NAME=LEVEL`.
        perturbations: by kind, each `NAME=STRENGTH` or, of a knockout, `NAME`; with or without
            `@START-END` in hours.
        hours, step: the last time and the distance of times, in hours; None for the defaults.
        times: times in hours, separated by commas, instead.
        start: one of `STARTS`: the baseline state, zero, or the network's y0.
        conditions: a table of conditions, instead of stimuli and perturbations.
        molecules: those to tell of; empty for all.
        out, plot: files to write.
        force: replace files that exist.
        inputs: files that must not be replaced, such as the network's.
    """

    stimuli: Sequence[str] = ()
    perturbations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hours: float | None = None
    step: float | None = None
    times: str | None = None
    start: str = "rest"
    conditions: Path | None = None
    molecules: Sequence[str] = ()
    out: Path | None = None
    plot: Path | None = None
    force: bool = False
    inputs: Sequence[Path] = ()


@dataclass(frozen=True)
class Simulation:
    """States of a network over time.

    Attributes:
        network: what was simulated.
        conditions: names of the C conditions.
        times_hours: T times in hours.
        initial_N: states before anything is done; activity.
        states_CTN: activity under each condition.
        chosen: positions of the molecules to tell of, in the order asked for.
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


def run_simulation(network: SignalingNetwork, options: SimulateOptions) -> Simulation:
    """Simulate a network as asked, and write the files that are asked for.

    A warning names the molecules whose logic is not known and matters.

    Raises:
        FormatError: options that make no sense, a name that the network has not, a table of
            conditions that cannot be read, a file that must not be written.
        NetworkError: the network has no dynamics.
        ValueError: a strength outside [0, 1], an empty window, a state that becomes no number.
        OSError: a file cannot be written.
    """
    inputs = [path for path in (*options.inputs, options.conditions) if path is not None]
    check_output_files(options.out, options.plot, inputs, options.force)
    conditions = conditions_of(options, network)
    times_hours = times_of(options.hours, options.step, options.times)
    chosen = tuple(dict.fromkeys(_position(name, network) for name in options.molecules))
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
    if options.out is not None:
        write_states(simulation, options.out)
    if options.plot is not None:
        from ..inference.figures import plot_states  # matplotlib takes its time

        shown = chosen or simulation.most_changed(MOST_PANELS)
        plot_states(
            network, simulation.conditions, times_hours, simulation.states_CTN, shown, options.plot
        )
    return simulation


def conditions_of(options: SimulateOptions, network: SignalingNetwork) -> dict[str, Condition]:
    """The conditions that are asked for, by name; one of options is called by what it does.

    Raises:
        FormatError: as `run_simulation`.
        ValueError: a strength outside [0, 1], an empty window.
    """
    asked = [
        *options.stimuli,
        *(f"{kind} {text}" for kind, texts in options.perturbations.items() for text in texts),
    ]
    if options.conditions is not None:
        if asked:
            raise FormatError(
                f"{asked[0]!r} is asked for beside --conditions; expected one of the two"
            )
        return read_conditions(options.conditions, network, strict=True)
    stimuli: dict[str, float] = {}
    for text in options.stimuli:
        name, level = parse_stimulus(text, network)
        if name in stimuli:
            raise FormatError(f"there are several levels of stimulus {name!r}; expected one")
        stimuli[name] = level
    perturbations = [
        parse_perturbation(kind, text, network)
        for kind, texts in options.perturbations.items()
        for text in texts
    ]
    for p in perturbations:
        if perturbations.count(p) > 1:
            raise FormatError(f"the {p.kind} of {p.target!r} is asked for twice; expected once")
    return {", ".join(asked) or "control": Condition(stimuli, tuple(perturbations))}


def parse_stimulus(text: str, network: SignalingNetwork) -> tuple[str, float]:
    """`NAME=LEVEL` as molecule and level, in [0, 1].

    Raises:
        FormatError: it is not of this form, or the network has no such molecule.
    """
    name, level = _name_and_rest(text, network, "stimulus", "NAME=LEVEL")
    if _WINDOW.fullmatch(level):
        raise FormatError(
            f"stimulus {text!r}: a stimulus lasts for the whole run; expected no window, or --clamp"
        )
    number = _number(level, f"stimulus {text!r}: the level")
    if not 0.0 <= number <= 1.0:
        raise FormatError(f"stimulus {text!r}: level {level}; expected a number in [0, 1]")
    return name, number


def parse_perturbation(kind: str, text: str, network: SignalingNetwork) -> Perturbation:
    """`NAME=STRENGTH` or `NAME=STRENGTH@START-END` as a perturbation; END may be left out.

    A knockout is `NAME` or `NAME@START-END`. Molecules may have `=` and `@` in their names.

    Args:
        kind: one of `PERTURBATION_KINDS`.
        text: what the user wrote; the window is in hours.
        network: whose molecule it is.

    Raises:
        FormatError: it is not of this form, or the network has no such molecule.
        ValueError: a strength outside [0, 1], an empty window.
    """
    if kind == "knockout":
        if text in network.molecule_index:
            return Perturbation(text)
        name, window = _split_window(text, kind)
        _position(name, network)
        return Perturbation(name, kind, 1.0, *window)
    name, rest = _name_and_rest(text, network, kind, "NAME=STRENGTH or NAME=STRENGTH@START-END")
    strength, window = _split_window(rest, f"{kind} {text!r}")
    return Perturbation(name, kind, _number(strength, f"{kind} {text!r}: the strength"), *window)


def times_of(hours: float | None, step: float | None, times: str | None) -> tuple[float, ...]:
    """Times in hours: those quoted, or from 0 in equal steps to the last, which is always there.

    Raises:
        FormatError: both are given, a time is negative, beyond `LONGEST_HOURS`, no number or not
            after the one before it, the step or the last time is not above 0 or beyond that, or
            there are more than `MOST_TIMES`.
    """
    if times is not None:
        if hours is not None or step is not None:
            raise FormatError("--times is given beside --hours or --step; expected one of the two")
        quoted = tuple(_number(part.strip(), "a time in --times") for part in times.split(","))
        for before, after in zip((-math.inf, *quoted), quoted, strict=False):
            if not 0 <= after <= LONGEST_HOURS:
                raise FormatError(
                    f"--times has {after}; expected times from 0 to {LONGEST_HOURS:g} hours"
                )
            if after <= before:
                raise FormatError(f"--times has {after} after {before}; expected increasing times")
        return quoted
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
        NetworkError, ValueError: as `baseline_state`.
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


def table(simulation: Simulation, console: Console | None = None) -> None:
    """Print the molecules that change most under each of the first conditions.

    Args:
        simulation: what to tell of.
        console: where to print; the standard output by default.
    """
    console = console or Console()
    changes = simulation.changes()
    first, last = simulation.times_hours[0], simulation.times_hours[-1]
    for c, condition in enumerate(simulation.conditions[:MOST_TABLES]):
        shown = Table(title=Text(f"{simulation.network.name}: {condition}"))
        shown.add_column("molecule")
        headings = ("before", f"at {first:g} h", f"at {last:g} h", "largest change")
        for heading in headings:
            shown.add_column(heading, justify="right")
        for i in simulation.most_changed(MOST_ROWS, c):
            at_ends = (simulation.states_CTN[c, t, i] for t in (0, -1))
            numbers = (f"{_rounded(state):.3f}" for state in (simulation.initial_N[i], *at_ends))
            # Names are no markup, whatever brackets they have.
            change = f"{_rounded(changes[c, i]):+.3f}"
            shown.add_row(Text(simulation.network.names[i]), *numbers, change)
        console.print(shown)
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


def _position(name: str, network: SignalingNetwork) -> int:
    if name not in network.molecule_index:
        raise FormatError(no_molecule(name, network))
    return network.molecule_index[name]


def _name_and_rest(
    text: str, network: SignalingNetwork, kind: str, expected: str
) -> tuple[str, str]:
    """A molecule and what follows the last `=`."""
    name, equals, rest = text.rpartition("=")
    if not equals:
        raise FormatError(f"{kind} {text!r} has no '='; expected {expected}")
    _position(name, network)
    return name, rest


def _split_window(text: str, where: str) -> tuple[str, tuple[float, float]]:
    """What comes before `@START-END`, and the window in hours: all of time where there is none."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        if "@" in text:
            raise FormatError(
                f"{where}: window {text!r}; expected @START-END in hours, or @START- without an end"
            )
        return text, (0.0, math.inf)
    before, start, end = match.groups()
    hours = f"{where}: a window's hour"
    return before, (_number(start, hours), _number(end, hours) if end else math.inf)


def _number(text: str, what: str) -> float:
    try:
        number = float(text) if "_" not in text else math.nan  # Python alone reads 1_000
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{what} is {text!r}; expected a number")
    return number
