"""What the SBML model of a PEtab problem states: its unit of time, its values, and its network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...common.errors import FormatError
from ...common.words import in_one_line
from ...model.network import SignalingNetwork
from ..sbml.document import libsbml_module, read_document
from ..sbml.sbml import read_sbml
from ..sbml.species import species_of


@dataclass(frozen=True)
class StatedModel:
    """What a model states that its measurements need.

    Attributes:
        hours: of one unit of its time, or None where it states none.
        values: of parameters and species, by their ids.
        network: the model as a network, or None where it cannot be read as one.
        notes: what could not be read, and why.
    """

    hours: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    network: SignalingNetwork | None = None
    notes: tuple[str, ...] = ()


def read_model(path: Path) -> StatedModel:
    """What a model states; where it cannot be read, a note says why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # reading the network gives the same again
            model = read_document(path).getModel()
    except FormatError as error:
        return StatedModel(notes=(f"the model was not read: {in_one_line(error)}",))
    hours, values = hours_of_time(model), _values(model)
    try:
        with warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always")
            network = read_sbml(path)
    except FormatError as error:
        note = f"the model was not read as a network: {in_one_line(error)}"
        return StatedModel(hours, values, notes=(note,))
    notes = tuple(f"model: {in_one_line(w.message)}" for w in odd)
    return StatedModel(hours, values, network, notes)


def hours_of_time(model: Any) -> float | None:
    """Hours of the unit of time of an SBML model, or None where it states none.

    Level 3 names the unit; levels 1 and 2 define one that is called `time`.
    """
    libsbml = libsbml_module()
    name = model.getTimeUnits() if model.getLevel() >= 3 else "time"
    if name == "second":
        return 1 / 3600
    definition = model.getUnitDefinition(name) if name else None
    if definition is None or definition.getNumUnits() != 1:
        return None
    unit = definition.getUnit(0)
    if unit.getKind() != libsbml.UNIT_KIND_SECOND or unit.getExponent() != 1:
        return None
    seconds = unit.getMultiplier() * 10.0 ** unit.getScale()
    return seconds / 3600 if seconds > 0 and math.isfinite(seconds) else None


def _values(model: Any) -> dict[str, float]:
    """Values that the file states of parameters and species."""
    found = {p.getId(): p.getValue() for p in model.getListOfParameters() if p.isSetValue()}
    for name, species in species_of(model).items():
        if species.isSetInitialConcentration():
            found[name] = species.getInitialConcentration()
        elif species.isSetInitialAmount():
            found[name] = species.getInitialAmount()
    return {name: value for name, value in found.items() if math.isfinite(value)}
