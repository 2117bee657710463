"""Trajectories of ODE models in SBML, integrated by libroadrunner.

Shapes: T times, N molecules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.errors import FormatError
from ..common.words import not_installed
from ..formats.sbml.document import libsbml_module, read_document
from ..formats.sbml.flat_model import molecule_names
from ..formats.sbml.species import species_of
from ..model.error_base import HMLMError

SECONDS_PER_HOUR = 3600.0
NAME_OF_SECONDS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}

MOST_TERMS_TO_COMPILE = 2_000
"""What a formula may have: libroadrunner's compiler recurses over it and takes the process down."""

FIRST_END = 100.0
MOST_TRIALS = 12
"""How often the end is moved when it is not given: from 100 units to a millionth or a million."""
TRIAL_POINTS = 65
SETTLED = 0.02
"""The part of its range that a molecule may still move in the second half of the trajectory."""


@dataclass(frozen=True)
class SBMLTrajectory:
    """One trajectory of a model, in the model's own units of concentration.

    Attributes:
        names: ids of the molecules, as in the network that `read_sbml` reads.
        times_hours: (T).
        states: (T, N).
        time_unit: of the model, such as "second" or "minute"; "unknown" where it states none, which
            counts as seconds.
    """

    names: tuple[str, ...]
    times_hours: np.ndarray
    states: np.ndarray
    time_unit: str


def simulate_sbml(
    path: str | os.PathLike[str],
    times: Sequence[float] | np.ndarray | None = None,
    *,
    end: float | None = None,
    points: int = 101,
) -> SBMLTrajectory:
    """Integrate a model from its initial state.

    Args:
        path: the file.
        times: when states are kept, in the model's unit of time, ascending.
        end: where no times are given, the last of evenly spaced ones, in the model's unit. Without
            either, it is moved until the molecules change and settle, or repeat.
        points: how many evenly spaced times.

    Raises:
        FormatError: the file is not SBML, has no molecules, or cannot be loaded or integrated;
            libroadrunner is not installed.
        HMLMError: times that are not ascending, or fewer than two.
    """
    document = read_document(path, MOST_TERMS_TO_COMPILE)
    model = document.getModel()
    names = molecule_names(model)
    if not names:
        raise FormatError("it holds no species; there is nothing to simulate", path=path)
    time_unit, seconds = _time_unit(model)
    runner = _Runner(document, names, path)
    if times is not None:
        query = np.asarray(times, dtype=float)
        if query.ndim != 1 or len(query) < 2 or (np.diff(query) <= 0).any() or query[0] < 0:
            raise HMLMError(f"times are {times!r}; expected at least two, ascending, from 0 on")
    else:
        last = _informative_end(runner) if end is None else float(end)
        if points < 2 or not 0 < last < np.inf:
            raise HMLMError(f"end is {end} and points {points}; expected end > 0 and points > 1")
        query = np.linspace(0.0, last, points)
    states = runner.states(query)
    return SBMLTrajectory(names, query * (seconds / SECONDS_PER_HOUR), states, time_unit)


def roadrunner_module() -> Any:
    """libroadrunner.

    Raises:
        FormatError: it is not installed; the message says how to.
    """
    try:
        import roadrunner
    except ImportError:
        raise FormatError(not_installed("libroadrunner", "benchmarks")) from None
    return roadrunner


class _Runner:
    """A loaded model."""

    def __init__(self, document: Any, names: tuple[str, ...], path: str | os.PathLike[str]) -> None:
        roadrunner = roadrunner_module()
        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_CRITICAL)
        self._path = path
        species = species_of(document.getModel())
        selections = ["time", *(f"[{name}]" if name in species else name for name in names)]
        try:
            with _quiet_integrator():
                self._model = roadrunner.RoadRunner(libsbml_module().writeSBMLToString(document))
                self._model.timeCourseSelections = selections
                self._model.integrator.setValue("maximum_num_steps", 100_000)
        except Exception as error:  # roadrunner raises RuntimeError and others besides
            raise self._failure("load", error) from None

    def states(self, times: np.ndarray) -> np.ndarray:
        """(T, N) at these times.

        Raises:
            FormatError: the integrator fails, or a state is not a number.
        """
        # The integrator starts at 0, whatever the first query time.
        query = times if times[0] == 0 else np.concatenate([[0.0], times])
        try:
            with _quiet_integrator():
                self._model.resetToOrigin()
                result = np.array(self._model.simulate(times=query.tolist()))
        except Exception as error:
            raise self._failure("integrate", error) from None
        states = result[len(query) - len(times) :, 1:]
        if not np.isfinite(states).all():
            raise self._failure("integrate", ValueError("a state is not a finite number"))
        return states

    def _failure(self, what: str, error: Exception) -> FormatError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return FormatError(f"libroadrunner cannot {what} it ({reason})", path=self._path)


@contextmanager
def _quiet_integrator() -> Iterator[None]:
    """Send what CVODE prints about steps nowhere: a failure comes as an exception all the same."""
    files = {f"SUNLOGGER_{level}_FILENAME": os.devnull for level in ("ERROR", "WARNING")}
    before = {name: os.environ.get(name) for name in files}
    os.environ.update(files)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _informative_end(runner: _Runner) -> float:
    """The time by which the molecules have changed and settled, or have turned back often.

    A longer end that cannot be integrated is not taken.
    """
    end = FIRST_END
    best: float | None = None
    shrinks = False
    for _ in range(MOST_TRIALS):
        try:
            states = runner.states(np.linspace(0.0, end, TRIAL_POINTS))
        except FormatError:
            if best is not None:
                return best
            end, shrinks = end / 10, True
            continue
        best = end
        verdict = _verdict(states)
        if verdict == "short" and not shrinks:
            end *= 3
        elif verdict == "long":
            end, shrinks = end / 4, True
        else:
            return end
    return end if best is None else best


def _verdict(states: np.ndarray) -> str:
    """Whether a stretch of time is too short, too long, or shows the dynamics."""
    size = np.abs(states).max(axis=0)
    span = np.ptp(states, axis=0)
    moves = span > 1e-3 * size
    moves &= size > 1e-6 * size.max(initial=0.0)
    if not moves.any():
        return "short"
    scaled = (states[:, moves] - states[:, moves].min(axis=0)) / span[moves]
    half, tenth = len(scaled) // 2, len(scaled) // 10
    turns = (np.diff(np.sign(np.round(np.diff(scaled, axis=0), 4)), axis=0) != 0).sum(axis=0)
    if turns.max() >= 8:
        return "informative"
    late = np.ptp(scaled[half:], axis=0)
    if (late > SETTLED).mean() > 0.1 and late.max() > SETTLED:
        return "short"
    if (np.ptp(scaled[tenth:], axis=0) <= SETTLED).all():
        return "long"
    return "informative"


def _time_unit(model: Any) -> tuple[str, float]:
    """The unit of time as the model has it, and how many seconds it is."""
    libsbml = libsbml_module()
    stated = model.getTimeUnits() if model.getLevel() >= 3 else "time"
    definition = model.getUnitDefinition(stated) if stated else None
    if definition is None:
        known = stated if stated == "second" else "unknown"
        return known, 1.0
    seconds = 1.0
    for unit in definition.getListOfUnits():
        exponent = unit.getExponentAsDouble()
        if unit.getKind() == libsbml.UNIT_KIND_SECOND and exponent == 1:
            seconds *= unit.getMultiplier() * 10.0 ** unit.getScale()
        elif unit.getKind() == libsbml.UNIT_KIND_DIMENSIONLESS:
            seconds *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
        else:
            return definition.getName() or "unknown", 1.0
    if definition.getNumUnits() == 0 or not 0 < seconds < np.inf:
        return "unknown", 1.0
    return NAME_OF_SECONDS.get(seconds, f"{seconds:g} seconds"), seconds
