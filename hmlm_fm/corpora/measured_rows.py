"""Measured sets as rows of Parquet: one set is one row with all it states, so that it is rebuilt
exactly.

Conditions and observations are structs with the columns of the two tables of a measured set. A
treatment that never ends has the end +inf; the time of a steady state, `late`, is +inf too. A
control is a condition whose kind is empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ..formats.json_format import network_from_json, network_to_json
from ..formats.measured.drug_targets import DrugTable, DrugTarget
from ..formats.measured.measured_set import MeasuredSet, Measurement, Scale, Treatment
from ..formats.measured.readout_tables import Readout
from ..formats.measured.set_facts import FACTS
from ..model.error_base import HMLMError

_TEXT, _NUMBER, _TEXTS = pa.string(), pa.float64(), pa.list_(pa.string())


def _structs(**types: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct(list(types.items())))


SCHEMA = pa.schema(
    [
        *((fact, _TEXT) for fact in FACTS),
        (
            "conditions",
            _structs(
                condition=_TEXT, kind=_TEXT, molecule=_TEXT, value=_NUMBER, start_hours=_NUMBER,
                end_hours=_NUMBER, unit=_TEXT,
            ),
        ),
        (
            "observations",
            _structs(
                condition=_TEXT, molecule=_TEXT, time_hours=_NUMBER, value=_NUMBER,
                modality=_TEXT, sd=_NUMBER, scale=_TEXT, replicate=_TEXT, batch=_TEXT,
            ),
        ),
        ("readouts", _structs(readout=_TEXT, genes=_TEXTS, sites=_TEXTS, modality=_TEXT)),
        (
            "targets",
            _structs(
                drug=_TEXT, names=_TEXTS, source=_TEXT,
                targets=_structs(gene=_TEXT, strength=_NUMBER, kind=_TEXT),
            ),
        ),
        ("network", _TEXT),
        ("notes", _TEXTS),
        ("sha256", _TEXT),
        ("group", _TEXT),
    ]
)  # fmt: skip


def row_of_set(measured: MeasuredSet, group: str = "") -> dict[str, Any]:
    """The row of a set, in plain lists and dictionaries.

    Args:
        measured: the set.
        group: the name of the sets that must stay on one side with it.
    """
    row: dict[str, Any] = {fact: getattr(measured, fact) for fact in FACTS}
    network = measured.network
    row |= {
        "conditions": [
            cells for name, done in measured.conditions.items() for cells in _done(name, done)
        ],
        "observations": [_observation(m) for m in measured.measurements],
        "readouts": [
            {
                "readout": name, "genes": list(r.genes), "sites": list(r.sites),
                "modality": r.modality,
            }
            for name, r in measured.readouts.items()
        ],
        "targets": None if measured.targets is None else _drugs(measured.targets),
        "network": "" if network is None else network_to_json(network),
        "notes": list(measured.notes),
    }  # fmt: skip
    return row | {"sha256": _hash_of(row), "group": group}


def set_of_row(row: Mapping[str, Any]) -> MeasuredSet:
    """The set of a row, equal to the one that it was made from.

    Raises:
        HMLMError: the row states no measured set, or its hash is of another.
    """
    try:
        measured = _set_of_row(row)
        sha256 = row_of_set(measured)["sha256"]
    except HMLMError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HMLMError(f"it states no measured set ({error})") from None
    if row["sha256"] != sha256:
        raise HMLMError(f"measured set {row['name']!r}: its content does not match its hash")
    return measured


def _set_of_row(row: Mapping[str, Any]) -> MeasuredSet:
    conditions: dict[str, list[Treatment]] = {}
    for cells in row["conditions"]:
        done = conditions.setdefault(cells["condition"], [])
        if cells["kind"]:
            done.append(
                Treatment(
                    cells["kind"], cells["molecule"], cells["value"], cells["start_hours"],
                    cells["end_hours"], cells["unit"],
                )
            )  # fmt: skip
    return MeasuredSet(
        conditions={name: tuple(done) for name, done in conditions.items()},
        measurements=tuple(
            Measurement(
                cells["condition"], cells["molecule"], cells["time_hours"], cells["value"],
                cells["modality"], cells["sd"], Scale.parse(cells["scale"]), cells["replicate"],
                cells["batch"],
            )
            for cells in row["observations"]
        ),
        network=network_from_json(row["network"]) if row["network"] else None,
        readouts={
            cells["readout"]: Readout(
                cells["readout"], tuple(cells["genes"]), tuple(cells["sites"]), cells["modality"]
            )
            for cells in row["readouts"]
        },
        targets=None if row["targets"] is None else _drug_table(row["targets"]),
        notes=tuple(row["notes"]),
        **{fact: row[fact] for fact in FACTS},
    )  # fmt: skip


def _done(condition: str, done: tuple[Treatment, ...]) -> list[dict[str, Any]]:
    """What is done in a condition; a control is one row that names the condition alone."""
    if not done:
        nothing = dict.fromkeys(("value", "start_hours", "end_hours"))
        return [{"condition": condition, "kind": "", "molecule": "", **nothing, "unit": ""}]
    return [
        {
            "condition": condition, "kind": t.kind, "molecule": t.name, "value": float(t.value),
            "start_hours": float(t.start_hours), "end_hours": float(t.end_hours), "unit": t.unit,
        }
        for t in done
    ]  # fmt: skip


def _observation(m: Measurement) -> dict[str, Any]:
    return {
        "condition": m.condition, "molecule": m.readout, "time_hours": float(m.time_hours),
        "value": float(m.value), "modality": m.modality,
        "sd": None if m.sd is None else float(m.sd),
        "scale": str(m.scale), "replicate": m.replicate, "batch": m.batch,
    }  # fmt: skip


def _drugs(table: DrugTable) -> list[dict[str, Any]]:
    return [
        {
            "drug": drug,
            "names": [name for name, proper in table.names.items() if proper == drug],
            "source": table.sources.get(drug),
            "targets": [
                {"gene": t.gene, "strength": float(t.strength), "kind": t.kind} for t in targets
            ],
        }
        for drug, targets in table.targets.items()
    ]


def _drug_table(drugs: list[dict[str, Any]]) -> DrugTable:
    return DrugTable(
        {d["drug"]: tuple(DrugTarget(**target) for target in d["targets"]) for d in drugs},
        {name: d["drug"] for d in drugs for name in d["names"]},
        {d["drug"]: d["source"] for d in drugs if d["source"] is not None},
    )


def _hash_of(row: Mapping[str, Any]) -> str:
    """SHA-256 over all that a set states."""
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
