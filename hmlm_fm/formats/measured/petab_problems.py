"""Problems of PEtab, the tables in which systems biology publishes models with their measurements.

A YAML file names the tables: conditions, observables, measurements and parameters, and the SBML
model. Format 1 is read.

- Columns of the table of conditions that differ are treatments, see `petab_conditions`.
- Values are on a linear scale in the file, and become logarithms where `observableTransformation`
  is one. Where the formula of an observable is offset + scale * x, with numbers that are known,
  these are taken off; parameters that are estimated leave values relative.
- Rows of one condition, observable and time are replicates. A batch is what shares a scale.
- A pre-equilibration acts from `PREEQUILIBRATION_HOURS` before time 0. Time `inf` is `LATE`.

Source of the format: Schmiester et al., PLoS Comput Biol 2021;17:e1008646.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import stem
from ...model.conditions import MODALITIES
from ...model.error_base import HMLMError, did_you_mean, listed, quoted
from ...model.network import SignalingNetwork
from ..tables import PathLike, number_of, text_of
from .intensities import on_log2
from .measured_set import LATE, MeasuredSet, Measurement, Scale, Treatment
from .petab_batches import batches_of
from .petab_conditions import PREEQUILIBRATION_HOURS, ConditionReader
from .petab_files import (
    EMPTY,
    TABLES,
    Observable,
    Row,
    files_of,
    petab_content,
    petab_rows,
    read_observables,
    read_parameters,
)
from .petab_formulas import check_petab, names_of, number_in
from .petab_model import StatedModel, read_model
from .petab_numbers import Numbers
from .set_tables import check_time
from .table_roles import likely_modality
from .time_units import HOURS_OF, check_time_unit

TIME_UNIT = "minutes"
"""Of times, where neither the model nor the user states it."""

LONG_HOURS = 48.0
"""Times beyond are noted: models that state a unit of time state a wrong one now and then."""

_INFINITE = ("inf", "+inf", "infinity")


def read_petab(
    path: PathLike,
    *,
    time_unit: str = "",
    modality: str = "",
    network: SignalingNetwork | None = None,
) -> tuple[MeasuredSet, ...]:
    """Read the problems of a PEtab file as measured sets, one for each.

    Raw intensities are put on log2, see `on_log2`. The notes of a set say what was made of its
    conditions, times, scales and batches.

    Args:
        path: the YAML file; its tables lie in its folder, or below.
        time_unit: of times; what the model states, else minutes, where empty.
        modality: of the readouts; by their names where empty.
        network: prior knowledge; the SBML model where None.

    Raises:
        FormatError: petab is not installed, a file is missing, is not of format 1, or lies
            elsewhere, a formula, number or name that is none, or no measurements. The message names
            file and row.
        HMLMError: an unknown unit or modality.
    """
    check_petab()
    check_time_unit(time_unit)
    if modality and modality not in MODALITIES:
        raise HMLMError(f"modality is {modality!r}; expected one of {', '.join(MODALITIES)}")
    content = petab_content(path)
    parameters = read_parameters(files_of(content, "parameter_file", path, needed=False))
    problems = content["problems"]
    found = []
    for i, problem in enumerate(problems, start=1):
        place = f"problem {i}" if len(problems) > 1 else ""
        if not isinstance(problem, dict):
            raise FormatError("it is no mapping; expected files by keys", path=path, place=place)
        files = {
            key: files_of(problem, key, path, needed=key != "sbml_files", place=place)
            for key in TABLES
        }
        model = read_model(files["sbml_files"][0]) if files["sbml_files"] else StatedModel()
        reader = _Reader(Path(path), files, parameters, model, time_unit)
        name = stem(path) + (f"-{i}" if len(problems) > 1 else "")
        measurements = reader.measurements(modality)
        found.append(
            on_log2(
                MeasuredSet(
                    name,
                    reader.used_conditions,
                    measurements,
                    study=stem(path),
                    network=network or model.network,
                    notes=(*reader.notes, *model.notes),
                )
            )
        )
    return tuple(found)


# -- a problem ----------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Reads one problem; notes say what was made of it."""

    path: Path
    files: Mapping[str, list[Path]]
    parameters: Mapping[str, tuple[float | None, bool]]
    model: StatedModel
    time_unit: str
    notes: list[str] = field(default_factory=list)
    used_conditions: dict[str, tuple[Treatment, ...]] = field(default_factory=dict)

    @cached_property
    def hours(self) -> float:
        """Of one unit of time."""
        if self.time_unit:
            return HOURS_OF[self.time_unit]
        if self.model.hours is None:
            self.notes.append(
                f"the model states no unit of time; times were taken for {TIME_UNIT}: state it "
                "with --time-unit"
            )
            return HOURS_OF[TIME_UNIT]
        unit = _unit_in_words(self.model.hours)
        self.notes.append(f"times are in {unit}, as the model states; --time-unit says otherwise")
        return self.model.hours

    @cached_property
    def numbers(self) -> Numbers:
        """What is known of parameters."""
        return Numbers(self.parameters, self.model.values)

    @cached_property
    def rows(self) -> list[Row]:
        """The measurements.

        Raises:
            FormatError: there are none.
        """
        columns = ("observableId", "simulationConditionId", "measurement", "time")
        found = petab_rows(self.files["measurement_files"], columns)
        missing = sum(row["measurement"].casefold() in EMPTY for _, _, row in found)
        if missing == len(found):
            raise FormatError("it holds no measurements", path=self.files["measurement_files"][0])
        if missing:
            self.notes.append(f"{missing} rows have no measurement")
        return [one for one in found if one[2]["measurement"].casefold() not in EMPTY]

    @cached_property
    def conditions(self) -> ConditionReader:
        """Conditions in which something was measured, or that come before one of these."""
        file = self.files["condition_files"][0]
        every: dict[str, tuple[Path, str, dict[str, str]]] = {}
        for one, place, row in petab_rows(self.files["condition_files"], ("conditionId",)):
            name = text_of(row, "conditionId", one, place)
            if name in every:
                raise FormatError(f"condition {name!r} is there twice", path=one, place=place)
            every[name] = one, place, row
        used: dict[str, None] = {}
        for one, place, row in self.rows:
            names = (row["simulationConditionId"], row.get("preequilibrationConditionId", ""))
            for name in names:
                if name not in every and (name or name is names[0]):
                    raise FormatError(
                        f"condition {name!r} is not in {file.name}{did_you_mean(name, every)}",
                        path=one,
                        place=place,
                    )
                used |= {name: None} if name else {}
        if len(used) < len(every):
            self.notes.append(
                f"{len(every) - len(used)} conditions have no measurements and are left out: "
                + quoted(name for name in every if name not in used)
            )
        overridden = tuple(
            dict.fromkeys(
                column
                for _, _, row in every.values()
                for column in row
                if column and column not in ("conditionId", "conditionName")
            )
        )
        reader = ConditionReader(
            file,
            {
                name: {c: self.numbers.override(c, *every[name]) for c in overridden}
                for name in used
            },
            {name: every[name][1] for name in used},
            self.hours,
            self.last_hours,
        )
        reader.find(self.model.network.names if self.model.network else ())
        self.notes += _condition_notes(reader)
        if self.numbers.nominal:
            columns = quoted(self.numbers.nominal)
            self.notes.append(f"conditions estimate {columns}: nominal values were taken")
        return reader

    @cached_property
    def last_hours(self) -> float:
        """The last time at which something was measured, a steady state aside."""
        times = [self._hours_of(*one) for one in self.rows]
        last = max((time for time in times if time != LATE), default=math.inf)
        if LONG_HOURS < last < math.inf and not self.time_unit:
            self.notes.append(
                f"times reach {last:g} hours, which is long for signalling; where they are in "
                "another unit, such as seconds, state it with --time-unit"
            )
        return last

    @cached_property
    def observables(self) -> dict[str, Observable]:
        """By their ids."""
        return read_observables(self.files["observable_files"], self.parameters)

    # -- values ---------------------------------------------------------------------------------

    def measurements(self, modality: str) -> tuple[Measurement, ...]:
        """All values, as the tables hold them.

        Raises:
            FormatError: a value, time or name that is none.
        """
        names = self._readout_names()
        modality = modality or likely_modality(tuple(names.values()))
        batches, column = batches_of([row for _, _, row in self.rows])
        if column:
            self.notes.append(f"batches are those of {column}")
        known = self._known_scales()
        counts: Counter[tuple[str, str, float, str, str]] = Counter()
        found = []
        for (file, place, row), batch in zip(self.rows, batches, strict=True):
            observable = self.observables[row["observableId"]]
            condition = self._condition(row)
            hours = self._hours_of(file, place, row)
            own = row.get("replicateId", "")
            key = (condition, row["observableId"], hours, batch, own)
            counts[key] += 1
            replicate = f"{own} {counts[key]}".strip() if counts[key] > 1 else own
            values = self._values_of(row, file, place)
            value = number_of(row, "measurement", file, place)
            sd = None if observable.noise is None else number_in(observable.noise, values)
            sd = sd if sd is not None and sd > 0 else None
            if sd is not None and observable.laplace:
                sd *= math.sqrt(2)  # of a Laplace distribution with this scale
            if row["observableId"] in known:
                offset = number_in(observable.offset, values) or 0.0
                scale = number_in(observable.scale, values) or 1.0
                value = (value - offset) / scale
                sd = sd / abs(scale) if sd is not None and observable.base == "linear" else sd
            if observable.base != "linear":
                if value <= 0:
                    raise FormatError(
                        f"measurement is {row['measurement']!r} on a {observable.base} scale; "
                        "expected a number above 0",
                        path=file,
                        place=place,
                    )
                value = math.log10(value) if observable.base == "log10" else math.log(value)
            found.append(
                Measurement(
                    condition, names[row["observableId"]], hours, value, modality, sd,
                    Scale(observable.base), replicate, batch, place,
                )
            )  # fmt: skip
        self._note_readouts(names)
        return tuple(found)

    def _readout_names(self) -> dict[str, str]:
        """What readouts are called: the name of the observable, or its id where that is not its
        own."""
        for file, place, row in self.rows:
            name = row["observableId"]
            if name not in self.observables:
                raise FormatError(
                    f"observable {name!r} is not in {self.files['observable_files'][0].name}"
                    + did_you_mean(name, self.observables),
                    path=file,
                    place=place,
                )
        used = dict.fromkeys(row["observableId"] for _, _, row in self.rows)
        count = Counter(self.observables[name].name for name in used)
        return {
            name: title if count[title := self.observables[name].name] == 1 else name
            for name in used
        }

    def _known_scales(self) -> frozenset[str]:
        """Observables of which offset and scale are known in every row, and are taken off."""
        taken: list[str] = []
        relative: list[str] = []
        for name in dict.fromkeys(row["observableId"] for _, _, row in self.rows):
            observable = self.observables[name]
            if not names_of(observable.offset) and not names_of(observable.scale):
                if observable.offset == 0 and observable.scale == 1:
                    continue
            whole = True
            for file, place, row in self.rows:
                if row["observableId"] != name or not whole:
                    continue
                values = self._values_of(row, file, place)
                offset = number_in(observable.offset, values)
                scale = number_in(observable.scale, values)
                whole = offset is not None and bool(scale)
                if whole and observable.base != "linear":
                    value = number_of(row, "measurement", file, place)
                    whole = (value - (offset or 0.0)) / (scale or 1.0) > 0
            (taken if whole else relative).append(name)
        if taken:
            self.notes.append(f"offset and scale were taken off the values of {quoted(taken)}")
        if relative:
            self.notes.append(
                f"values of {quoted(relative)} are relative: offsets or scales are estimated"
            )
        return frozenset(taken)

    def _values_of(self, row: Mapping[str, str], file: Path, place: str) -> dict[str, float]:
        name = row["observableId"]
        return self.numbers.of_row(self.observables[name], name, row, file, place)

    def _hours_of(self, file: Path, place: str, row: Mapping[str, str]) -> float:
        if row["time"].casefold() in _INFINITE:
            return LATE
        hours = number_of(row, "time", file, place) * self.hours
        check_time(hours, file, place, "time")
        return hours

    def _condition(self, row: Mapping[str, str]) -> str:
        """The condition of a row: that of its simulation, with its pre-equilibration behind where
        there are several."""
        name, before = row["simulationConditionId"], row.get("preequilibrationConditionId", "")
        if len(self._preequilibrations[name]) > 1:
            key = f"{name} after {before}" if before else f"{name} from the start"
        else:
            key = name
        if key not in self.used_conditions:
            self.used_conditions[key] = self.conditions.done(name, before)
        return key

    @cached_property
    def _preequilibrations(self) -> dict[str, set[str]]:
        """Those of each condition."""
        found: dict[str, set[str]] = {}
        for _, _, row in self.rows:
            before = row.get("preequilibrationConditionId", "")
            found.setdefault(row["simulationConditionId"], set()).add(before)
        every = set().union(*found.values()) - {""}
        if every:
            self.notes.append(
                f"conditions begin in the steady state of {quoted(sorted(every))}: what is done "
                f"there acts from {PREEQUILIBRATION_HOURS:g} hours before time 0"
            )
        return found

    def _note_readouts(self, names: Mapping[str, str]) -> None:
        """Note what readouts probably are by the one molecule that their formula names."""
        network = self.model.network
        if network is None:
            return
        guessed = []
        for name, title in names.items():
            of_model = names_of(self.observables[name].formula) & network.molecule_index.keys()
            members = network.molecule(*of_model).members if len(of_model) == 1 else ()
            genes = [member for member in members if ":" not in member]
            if genes:
                guessed.append(f"{title} {'|'.join(genes)}")
        if guessed:
            self.notes.append(
                f"readouts by what their formulas name, which is to be checked: {listed(guessed)}"
            )


def _condition_notes(reader: ConditionReader) -> list[str]:
    """What was made of the columns of conditions."""
    found = []
    renamed = [f"{d.name} ({', '.join(d.columns)})" for d in reader.doses if d.columns != (d.name,)]
    if renamed:
        found.append(f"treatments by columns: {listed(renamed)}")
    if reader.background:
        same = (f"{name} {value:g}" for name, value in reader.background.items())
        found.append(f"the same in all conditions, and no treatment: {listed(same)}")
    if not reader.doses:
        found.append("nothing differs between conditions: there is no treatment")
    elif all(reader.done(name) for name in reader.rows):
        found.append("something is done in every condition: there is no control")
    return found


def _unit_in_words(hours: float) -> str:
    for name, known in HOURS_OF.items():
        if math.isclose(hours, known):
            return name
    return f"units of {hours:g} hours"
