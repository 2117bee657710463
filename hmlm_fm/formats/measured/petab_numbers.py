"""Numbers of a PEtab problem where its tables have numbers or the names of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...common.errors import FormatError
from ...common.words import counted
from ...model.error_base import did_you_mean
from ..tables import number_of
from .petab_files import EMPTY, Observable
from .petab_formulas import names_of


@dataclass
class Numbers:
    """What is known of the numbers of a problem.

    Attributes:
        parameters: nominal value of each, and whether it is estimated.
        values: that the model states, by id.
        nominal: columns of conditions in which something is estimated, filled by `override`.
    """

    parameters: Mapping[str, tuple[float | None, bool]]
    values: Mapping[str, float]
    nominal: dict[str, None] = field(default_factory=dict)

    @cached_property
    def fixed(self) -> dict[str, float]:
        """Parameters that are not estimated."""
        return {
            name: value
            for name, (value, is_estimated) in self.parameters.items()
            if value is not None and not is_estimated
        }

    def of_row(
        self, observable: Observable, name: str, row: Mapping[str, str], file: Path, place: str
    ) -> dict[str, float]:
        """Numbers of the names of a row's formulas that have one: parameters that are not
        estimated, and placeholders of such or of numbers.

        Raises:
            FormatError: a placeholder has no value, or one that is neither number nor parameter.
        """
        found = dict(self.fixed)
        for what, formula in (
            ("observable", observable.formula), ("noise", observable.noise),
        ):  # fmt: skip
            column = f"{what}Parameters"
            given = [part.strip() for part in row.get(column, "").split(";") if part.strip()]
            for i, part in enumerate(given, start=1):
                value = self._number_or_parameter(part, column, file, place)
                if value is not None:
                    found[f"{what}Parameter{i}_{name}"] = value
            needed = () if formula is None else names_of(formula)
            count = sum(one.startswith(f"{what}Parameter") for one in needed)
            if count > len(given):
                raise FormatError(
                    f"{column} has {counted(len(given), 'value')}; expected {count}, as there are "
                    f"in the formula of {name!r}",
                    path=file,
                    place=place,
                )
        return found

    def _number_or_parameter(self, text: str, column: str, file: Path, place: str) -> float | None:
        """A number, that of a parameter, or None of one that is estimated."""
        if text in self.parameters:
            return self.fixed.get(text)
        if text in self.values and not _is_number(text):
            return None
        if not _is_number(text):
            raise FormatError(
                f"{column} has {text!r}; expected a number or a parameter"
                + did_you_mean(text, self.parameters),
                path=file,
                place=place,
            )
        return number_of({column: text}, column, file, place)

    def override(self, column: str, file: Path, place: str, row: Mapping[str, str]) -> float:
        """The number that a condition gives a parameter or a species; the model's own where its
        cell is empty, and the nominal one of what is estimated.

        Raises:
            FormatError: it is neither number nor parameter.
        """
        text = row.get(column, "")
        if text.casefold() in EMPTY:
            nominal = self.parameters.get(column, (None, False))[0]
            return self.values.get(column, 0.0) if nominal is None else nominal
        value = self._number_or_parameter(text, column, file, place)
        if value is not None:
            return value
        nominal = self.parameters.get(text, (None, False))[0]
        self.nominal.setdefault(column)
        return self.values.get(text, 1.0) if nominal is None else nominal


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
