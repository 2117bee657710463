"""Next-state corpora: simulated trajectories of drawn networks, as shards of Parquet.

Every row is drawn from a seed of its own, and a shard is simulated by itself, so that any shard
can be made alone, in any order, and again: the same settings give the same file. A run that was
stopped makes the shards that are missing.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..common.errors import FormatError
from ..common.files import read_text, write_bytes, write_text
from ..dynamics.draw import PRIORS
from ..dynamics.trajectories import TIMES_HOURS, Trajectories, make_many
from ..model.network import SignalingNetwork
from .corpus_card import header, split_hash
from .layout import DATA_FOLDER
from .parquet import SCHEMA, network_from_row, plain_network, read_rows
from .plain_conditions import conditions_from_plain, plain_conditions
from .relatives import SIDES

SETTINGS_FILE = "reports/settings.json"
FIRST_SEED = {"train": 0, "validation": 10_000_000, "test": 20_000_000}

_NETWORK = pa.struct([field for field in SCHEMA if field.name != "provenance"])
_NUMBERS = pa.list_(pa.float32())
TRAJECTORY_SCHEMA = pa.schema(
    [
        ("seed", pa.int64()),
        ("visible", _NETWORK),
        ("drawn", _NETWORK),
        ("signs_drawn", pa.int32()),
        ("logic_drawn", pa.bool_()),
        (
            "conditions",
            pa.list_(
                pa.struct(
                    [
                        (
                            "stimuli",
                            pa.list_(
                                pa.struct([("molecule", pa.string()), ("level", pa.float64())])
                            ),
                        ),
                        (
                            "perturbations",
                            pa.list_(
                                pa.struct(
                                    [
                                        ("target", pa.string()),
                                        ("kind", pa.string()),
                                        ("strength", pa.float64()),
                                        ("start_hours", pa.float64()),
                                        ("end_hours", pa.float64()),
                                    ]
                                )
                            ),
                        ),
                    ]
                )
            ),
        ),
        ("times_hours", pa.list_(pa.float64())),
        ("states", _NUMBERS),
        ("drives", _NUMBERS),
        ("baseline", _NUMBERS),
    ]
)


@dataclass(frozen=True)
class SimulationSettings:
    """What decides every row of a next-state corpus.

    Attributes:
        networks: drawn networks of the training side.
        held_out: of the validation side and of the test side, each.
        conditions: per network.
        shard: networks in one file.
        seed: added to the seeds of the rows.
        split_hash: of the sides that topologies are drawn from, see `card.split_hash`.
    """

    networks: int
    held_out: int
    conditions: int
    shard: int
    seed: int
    split_hash: str


def plan_shards(settings: SimulationSettings, sides: Sequence[str]) -> dict[str, list[int]]:
    """Seeds of every file, by its name."""
    shards = {}
    for side in sides:
        count = settings.networks if side == "train" else settings.held_out
        first = FIRST_SEED[side] + settings.seed * 100_000
        n_files = math.ceil(count / settings.shard)
        for i in range(n_files):
            seeds = list(
                range(first + i * settings.shard, first + min(count, (i + 1) * settings.shard))
            )
            shards[f"{side}-{i:05}-of-{n_files:05}.parquet"] = seeds
    return shards


def simulate_corpus(
    sides: Mapping[str, Sequence[SignalingNetwork]],
    folder: Path,
    settings: SimulationSettings,
    processes: int = 1,
    progress: Callable[[int], object] = lambda networks: None,
) -> list[Path]:
    """Make the shards that are missing; returns all of them.

    Args:
        sides: topologies of each side; a side without any is left out.
        folder: of the corpus, new, or begun with the same settings.
        settings: see `SimulationSettings`.
        processes: that simulate side by side; their number changes nothing in the files.
        progress: called with the number of networks done.

    Raises:
        FormatError: the folder was begun with other settings.
        HMLMError: a side has no network of a fit size.
    """
    _check_same_settings(folder, settings)
    used = [side for side in SIDES if sides.get(side)]
    done = 0
    paths = []
    for name, seeds in plan_shards(settings, used).items():
        path = folder / DATA_FOLDER / name
        if not _is_whole(path, len(seeds)):
            made = make_many(sides[name.partition("-")[0]], seeds, settings.conditions, processes)
            _write_shard(path, made, seeds)
        done += len(seeds)
        progress(done)
        paths.append(path)
    return paths


def read_trajectories(
    folder: str | os.PathLike[str], side: str, most: int | None = None
) -> list[Trajectories]:
    """The trajectories of one side of a next-state corpus, in the order of its files.

    Raises:
        FormatError: there are none, or a file is damaged.
    """
    paths = sorted((Path(folder) / DATA_FOLDER).glob(f"{side}-*.parquet"))
    if not paths:
        raise FormatError(f"it has no trajectories of the side {side!r}", path=folder)
    found: list[Trajectories] = []
    for path in paths:
        wanted = None if most is None else most - len(found)
        found += map(
            trajectories_from_row, read_rows(path, TRAJECTORY_SCHEMA, "trajectories")[:wanted]
        )
        if len(found) == most:
            break
    return found


def trajectory_card(
    title: str,
    settings: SimulationSettings,
    sides: Sequence[str],
    report: Sequence[str],
    licence: str,
) -> str:
    """The card of a next-state corpus as Markdown."""
    lines = header(f"Simulated dynamics of {title}", licence, [("default", "", sides)])
    lines += [
        "",
        f"# Simulated dynamics of {title}",
        "",
        f"Topologies of {title}, licence: {licence}. Rates are drawn, and logic and signs where "
        "the source does not state them: `logic_drawn` and `signs_drawn` of each row state it. "
        "`visible` is what a model may see, `drawn` the truth. `states` and `drives` are flat, "
        "conditions × times × molecules, in [0, 1].",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in asdict(settings).items()),
        "",
        "## Priors",
        "",
        "| prior | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in asdict(PRIORS).items()),
        "",
        *report,
        "",
    ]
    return "\n".join(lines)


def settings_for(
    sides: Mapping[str, Sequence[SignalingNetwork]],
    count: int,
    held_out: int,
    conditions: int,
    shard: int,
    seed: int,
) -> SimulationSettings:
    """Settings that name the sides they are for."""
    return SimulationSettings(count, held_out, conditions, shard, seed, split_hash(sides))


def read_settings(folder: str | os.PathLike[str]) -> SimulationSettings:
    """What a next-state corpus was made with.

    Raises:
        FormatError: it is no such corpus.
    """
    path = Path(folder) / SETTINGS_FILE
    if not path.exists():
        raise FormatError(
            f"there is no {SETTINGS_FILE} in it; expected a folder of corpora/simulate.py",
            path=folder,
        )
    try:
        stated = json.loads(read_text(path))
        return SimulationSettings(**{f.name: stated[f.name] for f in fields(SimulationSettings)})
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(
            f"it does not hold the settings of corpora/simulate.py ({error}); expected a corpus "
            "made by this version",
            path=path,
        ) from None


def check_for_training(
    folder: str | os.PathLike[str],
    sides: Mapping[str, Sequence[SignalingNetwork]],
    networks: int,
    held_out: int,
    conditions: int,
) -> None:
    """Make sure that a run can train on one side of a next-state corpus and be tested on another.

    Args:
        folder: of the corpus.
        sides: of the run: what it trains on must not be tested by the corpus, nor the other way.
        networks, held_out: that the run needs for training, and for the test.
        conditions: that it needs of every network.

    Raises:
        FormatError: it is no such corpus, is not whole, has less than the run needs, or was made of
            other sides.
    """
    settings = read_settings(folder)
    if settings.split_hash != split_hash(sides):
        raise FormatError(
            "its networks are of another corpus, or split in another way, so that a run would be "
            "tested on what it trained on; expected one made of the run's corpus with the run's "
            "--seed and --held-out-share",
            path=folder,
        )
    for found, needed, what in (
        (settings.networks, networks, "networks for training"),
        (settings.held_out, held_out, "networks for the test"),
        (settings.conditions, conditions, "conditions per network"),
    ):
        if found < needed:
            raise FormatError(f"it has {found} {what}; expected at least {needed}", path=folder)
    for name, seeds in plan_shards(settings, ("train", "test")).items():
        if not _is_whole(Path(folder) / DATA_FOLDER / name, len(seeds)):
            raise FormatError(
                f"{DATA_FOLDER}/{name} is not whole; the command of corpora/simulate.py that "
                "made it resumes",
                path=folder,
            )


def _check_same_settings(folder: Path, settings: SimulationSettings) -> None:
    path = folder / SETTINGS_FILE
    stated = asdict(settings) | {"priors": asdict(PRIORS)}
    text = json.dumps(stated, indent=2) + "\n"
    if folder.exists() and not folder.is_dir():
        raise FormatError("it is a file; expected a new folder, or an empty one", path=folder)
    if path.exists():
        if path.read_bytes() != text.encode():
            raise FormatError(
                "the folder was begun with other settings, priors or networks; expected a new one",
                path=folder,
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise FormatError("it exists already; expected a new folder, or an empty one", path=folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def _is_whole(path: Path, rows: int) -> bool:
    try:
        return pq.read_metadata(path).num_rows == rows
    except (OSError, pa.ArrowException):
        return False


def _write_shard(path: Path, made: Sequence[Trajectories], seeds: Sequence[int]) -> None:
    rows = [_to_row(t, seed) for t, seed in zip(made, seeds, strict=True)]
    table = pa.Table.from_pylist(rows, schema=TRAJECTORY_SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", row_group_size=8)
    write_bytes(path, content.getvalue())


def _to_row(made: Trajectories, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "visible": plain_network(made.visible),
        "drawn": plain_network(made.drawn),
        "signs_drawn": made.signs_drawn,
        "logic_drawn": made.logic_drawn,
        "conditions": plain_conditions(made.conditions),
        "times_hours": list(TIMES_HOURS),
        "states": made.states.astype(np.float32).ravel(),
        "drives": made.drives.astype(np.float32).ravel(),
        "baseline": made.baseline.astype(np.float32).ravel(),
    }


def trajectories_from_row(row: Mapping[str, Any]) -> Trajectories:
    """The trajectories that a row holds."""
    conditions = conditions_from_plain(row["conditions"])
    drawn = network_from_row(row["drawn"])
    shape = (len(conditions), len(row["times_hours"]), len(drawn.molecules))
    return Trajectories(
        visible=network_from_row(row["visible"]),
        drawn=drawn,
        conditions=conditions,
        states=np.array(row["states"], np.float16).reshape(shape),
        drives=np.array(row["drives"], np.float16).reshape(shape),
        baseline=np.array(row["baseline"], np.float32),
        signs_drawn=row["signs_drawn"],
        logic_drawn=row["logic_drawn"],
    )
