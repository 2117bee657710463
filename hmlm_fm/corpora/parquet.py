"""Networks as rows of Parquet, in a folder that `datasets.load_dataset` opens.

One network is one row with all it states, so that it is rebuilt exactly. The schema is that of
`datasets`; the files are written and read with pyarrow, which keeps nothing in a home folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..common.errors import FormatError
from ..model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from .layout import DATA_FOLDER, parquet_files
from .records import Provenance, Record
from .relatives import SIDES

ROWS_PER_GROUP = 64

_TEXT, _NUMBER, _TEXTS = pa.string(), pa.float64(), pa.list_(pa.string())
_TYPE_OF_FIELD = {
    "members": _TEXTS,
    "pathways": _TEXTS,
    "sources": _TEXTS,
    "signs": pa.list_(pa.int8()),
    "tau_hours": _NUMBER,
    "y0": _NUMBER,
    "ymax": _NUMBER,
    "weight": _NUMBER,
    "n": _NUMBER,
    "ec50": _NUMBER,
    "logic_known": pa.bool_(),
}


def _struct(of: type) -> pa.DataType:
    return pa.struct([(f.name, _TYPE_OF_FIELD.get(f.name, _TEXT)) for f in fields(of)])


SCHEMA = pa.schema(
    [
        ("name", _TEXT),
        ("title", _TEXT),
        ("source", _TEXT),
        ("licence", _TEXT),
        ("logic_known", pa.bool_()),
        ("family", _TEXT),
        ("molecules", pa.list_(_struct(Molecule))),
        ("interactions", pa.list_(_struct(Interaction))),
        ("pathways", pa.list_(_struct(Pathway))),
        ("provenance", _struct(Provenance)),
        ("content_hash", _TEXT),
    ]
)


def network_to_row(record: Record) -> dict[str, Any]:
    """The row of a network with its provenance, in plain lists and dictionaries."""
    return plain_network(record.network) | {"provenance": asdict(record.provenance)}


def plain_network(network: SignalingNetwork) -> dict[str, Any]:
    """All that a network states, and its hash, in plain lists and dictionaries."""
    return asdict(network) | {"content_hash": network.content_hash}


def network_from_row(row: Mapping[str, Any]) -> SignalingNetwork:
    """The network of a row, equal to the one it was made from.

    Raises:
        NetworkError: the row states no valid network, or its hash is of another.
    """
    plain = {f.name: row[f.name] for f in fields(SignalingNetwork)}
    plain["molecules"] = tuple(Molecule(**m) for m in row["molecules"])
    plain["interactions"] = tuple(Interaction(**i) for i in row["interactions"])
    plain["pathways"] = tuple(Pathway(**p) for p in row["pathways"])
    network = SignalingNetwork(**plain)
    stated = row.get("content_hash")
    if stated and stated != network.content_hash:
        raise NetworkError(f"network {network.name!r}: its content does not match its hash")
    return network


def write_side(folder: Path, side: str, records: Iterable[Record]) -> Path:
    """Write the networks of one side, sorted by name, and return the file."""
    ordered = sorted(records, key=lambda record: record.network.name)
    table = pa.Table.from_pylist([network_to_row(r) for r in ordered], schema=SCHEMA)
    path = folder / DATA_FOLDER / f"{side}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS_PER_GROUP)
    return path


def read_corpus(folder: str | os.PathLike[str]) -> dict[str, tuple[SignalingNetwork, ...]]:
    """The networks of each side of a corpus, or of several built together.

    Raises:
        FormatError: a file is damaged, is no Parquet of networks, or a row states no network.
    """
    sides: dict[str, list[SignalingNetwork]] = {side: [] for side in SIDES}
    for path in parquet_files(Path(folder)):
        sides[path.name.partition("-")[0]] += _read_networks(path)
    return {side: tuple(networks) for side, networks in sides.items()}


def read_rows(path: Path, schema: pa.Schema, what: str) -> list[dict[str, Any]]:
    """The rows of a file that has the columns of a schema.

    Args:
        path: the file.
        schema: whose columns it has, and perhaps more.
        what: the rows hold, for the error.

    Raises:
        FormatError: it is damaged, is no Parquet, or lacks a column.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        why = str(error).split("\n")[0]
        raise FormatError(
            f"it cannot be read ({why}); expected a Parquet file", path=path
        ) from None
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise FormatError(
            f"there is no column {', '.join(map(repr, missing))}; expected rows of {what}",
            path=path,
        )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _read_networks(path: Path) -> list[SignalingNetwork]:
    networks = []
    for number, row in enumerate(read_rows(path, SCHEMA, "networks"), start=1):
        try:
            networks.append(network_from_row(row))
        except (NetworkError, TypeError) as error:
            raise FormatError(str(error), path=path, place=f"row {number}") from None
    return networks
