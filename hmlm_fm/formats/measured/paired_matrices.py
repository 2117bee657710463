"""Measured sets that are published as two matrices, one of what was given and one of what was
measured: CellBox's and LEMBAS's.

CellBox (Yuan et al., Cell Syst 2021;12:128; data of Korkut et al., eLife 2015;4:e04640):
`expr.csv` and `pert.csv` without header, a row for each condition and a column for each node, whose
names are in `node_Index.csv`. Values are log2 changes from the control, at steady state; drugs act
on nodes of their own, named `aMEK` and so on, with a strength. LEMBAS (Nilsson et al., Nat Commun
2022;13:3069):
`NAME-Ligands.tsv` and `NAME-TFs.tsv` with a row for each condition, `NAME-Model.tsv` with the prior
network.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import read_lines, read_text
from ...model.network import Interaction, Molecule, SignalingNetwork
from ..names import meaning_of
from ..tables import PathLike, number_of, rows_of
from .measured_set import (
    DRUG,
    LATE,
    STIMULUS,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
    condition_name,
)

CELLBOX_FILES = ("expr.csv", "pert.csv", "node_Index.csv")
CELLBOX_LABELS = "expr_index.txt"
LIGANDS, FACTORS, MODEL = "-Ligands.tsv", "-TFs.tsv", "-Model.tsv"
CELLBOX_UNIT = "strength"


def is_cellbox(folder: PathLike) -> bool:
    """Whether a folder holds CellBox's tables."""
    return all(Path(folder, name).is_file() for name in CELLBOX_FILES)


def read_cellbox(folder: PathLike, name: str) -> MeasuredSet:
    """Read the tables of a folder as a measured set.

    Raises:
        FormatError: a file is missing, a row is of another length, or a cell is no number.
    """
    folder = Path(folder)
    nodes = [line.strip() for line in read_lines(folder / CELLBOX_FILES[2]) if line.strip()]
    changes = _matrix(folder / CELLBOX_FILES[0], len(nodes))
    strengths = _matrix(folder / CELLBOX_FILES[1], len(nodes))
    if len(changes) != len(strengths):
        raise FormatError(
            f"it has {len(changes)} rows, and {CELLBOX_FILES[1]} has {len(strengths)}; expected "
            "the same conditions in both",
            path=folder / CELLBOX_FILES[0],
        )
    drugs = [i for i in range(len(nodes)) if any(row[i] for row in strengths)]
    measured = [i for i in range(len(nodes)) if i not in drugs]
    conditions: dict[str, tuple[Treatment, ...]] = {}
    measurements: list[Measurement] = []
    scale = Scale("log2", is_change=True)
    for number, (strength, change) in enumerate(zip(strengths, changes, strict=True), start=1):
        done = tuple(
            Treatment(DRUG, nodes[i], abs(strength[i]), unit=CELLBOX_UNIT)
            for i in drugs
            if strength[i]
        )
        label = condition_name(done)
        repeats = sum(t == done for t in conditions.values())
        conditions[f"{label} ({repeats + 1})" if repeats else label] = done
        condition = list(conditions)[-1]
        measurements += [
            Measurement(
                condition, nodes[i], LATE, change[i], "protein", scale=scale,
                place=f"row {number}, column {i + 1}",
            )
            for i in measured
        ]  # fmt: skip
    note = f"{len(drugs)} drugs are named after what they act on, such as {nodes[drugs[0]]}"
    return MeasuredSet(
        name, conditions, tuple(measurements), organism="human",
        source="https://github.com/sanderlab/CellBox", notes=(note,),
    )  # fmt: skip


def _matrix(path: Path, width: int) -> list[list[float]]:
    """
    Raises:
        FormatError: it is missing, a row is not of this width, or a cell is no number.
    """
    rows = []
    for number, cells in enumerate(csv.reader(io.StringIO(read_text(path))), start=1):
        place = f"row {number}"
        if not any(cells):
            continue
        if len(cells) != width:
            raise FormatError(
                f"it has {len(cells)} cells; expected {width}, as there are nodes",
                path=path,
                place=place,
            )
        named = {f"column {i}": cell.strip() for i, cell in enumerate(cells, start=1)}
        rows.append([number_of(named, column, path, place) for column in named])
    return rows


def lembas_names(folder: PathLike) -> list[str]:
    """The names of the LEMBAS sets of a folder."""
    found = sorted(Path(folder).glob(f"*{LIGANDS}"))
    names = [path.name.removesuffix(LIGANDS) for path in found]
    return [name for name in names if Path(folder, f"{name}{FACTORS}").is_file()]


def read_lembas(folder: PathLike, file_name: str, name: str) -> MeasuredSet:
    """Read the tables `file_name`-Ligands.tsv and -TFs.tsv of a folder as a measured set.

    Raises:
        FormatError: a file is missing, conditions differ, or a cell is no number.
    """
    folder = Path(folder)
    paths = folder / f"{file_name}{LIGANDS}", folder / f"{file_name}{FACTORS}"
    given, measured = (_labelled(path) for path in paths)
    missing = [label for label in given if label not in measured]
    if missing or len(given) != len(measured):
        raise FormatError(
            f"conditions differ from those of {paths[0].name}, such as "
            f"{(missing or list(measured.keys() - given.keys()))[0]!r}",
            path=paths[1],
        )
    conditions = {
        label: tuple(
            Treatment(STIMULUS, ligand.removeprefix("Ligand_"), level)
            for ligand, level in levels.items()
            if level
        )
        for label, levels in given.items()
    }
    measurements = tuple(
        Measurement(label, factor, LATE, value, "activity")
        for label in given
        for factor, value in measured[label].items()
    )
    models = sorted(folder.glob(f"{file_name}{MODEL}*"))
    return MeasuredSet(
        name, conditions, measurements, organism="human",
        source="https://github.com/Lauffenburger-Lab/LEMBAS",
        network=_network(models[0], file_name, conditions, measurements) if models else None,
    )  # fmt: skip


def _labelled(path: Path) -> dict[str, dict[str, float]]:
    """A matrix with a header and a column of labels without a name.

    Raises:
        FormatError: it is missing, a label is there twice, or a cell is no number.
    """
    text = read_text(path)
    first, newline, rest = text.partition("\n")
    header = [cell.strip() for cell in first.split("\t")]
    columns = [column for column in header if column]
    text = "\t".join(["condition", *header[1:]]) + newline + rest if not header[0] else text
    label = header[0] or "condition"
    found: dict[str, dict[str, float]] = {}
    for place, row in rows_of(path, [label, *columns], text=text):
        if row[label] in found:
            raise FormatError(f"condition {row[label]!r} is there twice", path=path, place=place)
        found[row[label]] = {c: number_of(row, c, path, place) for c in columns if c != label}
    return found


def _network(
    path: Path,
    name: str,
    conditions: dict[str, tuple[Treatment, ...]],
    measurements: tuple[Measurement, ...],
) -> SignalingNetwork:
    """The prior network: directed pairs of proteins by UniProt's identifiers, with their signs."""
    columns = ("source", "target", "stimulation", "inhibition")
    pairs: dict[tuple[str, str], int] = {}
    for place, row in rows_of(path, columns):
        signs = [number_of(row, column, path, place) for column in columns[2:]]
        sign = 0 if bool(signs[0]) == bool(signs[1]) else 1 if signs[0] else -1
        pairs.setdefault((row["source"], row["target"]), sign)
    ligands = {t.name for done in conditions.values() for t in done}
    names = dict.fromkeys([*ligands, *(n for pair in pairs for n in pair)])
    names |= dict.fromkeys(m.readout for m in measurements)
    kinds = {1: "activation", -1: "inhibition", 0: "unknown"}
    return SignalingNetwork(
        name,
        tuple(
            Molecule(n, members=meaning_of(n).members, kind=_kind_of(n)) for n in sorted(names)
        ),
        (
            *(Interaction((), (), n, "input") for n in sorted(ligands)),
            *(
                Interaction((source,), (sign,), target, kinds[sign])
                for (source, target), sign in pairs.items()
                if source != target
            ),
        ),
    )  # fmt: skip


def _kind_of(name: str) -> str:
    return "small molecule" if name.startswith("CHEBI") else "protein"
