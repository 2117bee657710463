"""A corpus as training reads it: encodings and trajectories, tokenised once, on disk or in memory.

Shapes: C conditions, T times, N molecules.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import FormatError
from ..common.files import write_text
from ..dynamics.trajectories import Trajectories
from ..formats.json_format import network_from_json, network_to_json
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .plain_conditions import conditions_from_plain, plain_conditions
from .stored_rows import FIELDS_FILE, Item, Lazy, Row, StoredRows, store_rows

ABOUT_FILE = "about.json"
LANGUAGE, NEXT_STATE = "language", "next_state"
OWN = ("states", "drives", "baseline", "number", "stated")
"""Fields of a stored trajectory that are not its network's encoding."""


@dataclass
class TokenisedCorpus:
    """What `PretrainingExamples` draws from.

    Attributes:
        language: encodings of networks for masked molecules; `language_sizes`: their molecules.
        trajectories: for next states; `trajectory_sizes`: their molecules.
        dynamics: the encoding of what a model may see of each trajectory's network.
    """

    language: Sequence[Row]
    language_sizes: np.ndarray
    trajectories: Sequence[Trajectories]
    trajectory_sizes: np.ndarray
    dynamics: Sequence[Row]

    @classmethod
    def in_memory(
        cls,
        networks: Iterable[SignalingNetwork],
        trajectories: Sequence[Trajectories],
        tokenizer: HMLMTokenizer,
    ) -> TokenisedCorpus:
        """Tokenise a corpus that is small enough."""
        language = [tokenizer.encode_network(n, warn_unknown=False) for n in networks]
        return cls(
            language,
            np.array([len(e["attention_mask"]) for e in language]),
            trajectories,
            np.array([len(t.baseline) for t in trajectories]),
            [tokenizer.encode_network(t.visible, warn_unknown=False) for t in trajectories],
        )

    @classmethod
    def open(cls, folder: Path) -> TokenisedCorpus:
        """Map a corpus that `tokenise` wrote."""
        language = _Joined(_parts(folder, LANGUAGE))
        next_state = _Joined(_parts(folder, NEXT_STATE))
        return cls(
            language,
            language.lengths("attention_mask"),
            _Read(next_state, _from_row),
            next_state.lengths("baseline"),
            _Read(next_state, _encoding_of),
        )


def tokenise(
    folder: Path,
    key: dict[str, Any],
    networks: Sequence[SignalingNetwork],
    trajectories: Callable[[], Iterable[tuple[int, Trajectories]]],
    tokenizer: HMLMTokenizer,
    process: int = 0,
    processes: int = 1,
    wait: Callable[[], object] = lambda: None,
) -> TokenisedCorpus:
    """Tokenise a corpus to disk, each process its share, and map it; what is there is kept.

    Args:
        folder: of the run, or shared by several; all processes see it.
        key: what decides the content; a corpus with another key is made anew.
        networks: for masked molecules.
        trajectories: those that fall to this process, with their numbers in the whole.
        tokenizer: for both.
        process: which of the processes, from 0.
        processes: how many there are.
        wait: returns when all processes have called it.

    Raises:
        FormatError: as `check_place`.
    """
    check_place(folder)
    # The names of the fields too, so that a corpus with other fields is made anew.
    about, stated = folder / ABOUT_FILE, json.dumps(key | {"fields": OWN})
    there = about.exists() and about.read_bytes() == stated.encode()
    wait()
    if not there:
        if process == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        wait()
        own = range(process, len(networks), processes)
        store_rows(
            (
                tokenizer.encode_network(networks[i], warn_unknown=False)
                | {"number": np.array([i])}
                for i in own
            ),
            folder / f"{LANGUAGE}-{process:05}",
        )
        store_rows(
            (_to_row(number, made, tokenizer) for number, made in trajectories()),
            folder / f"{NEXT_STATE}-{process:05}",
        )
        wait()
        if process == 0:
            write_text(about, stated)
        wait()
    return TokenisedCorpus.open(folder)


def check_place(folder: Path) -> None:
    """Refuse a folder that a tokenised corpus must not take, since what is in it would be lost.

    Raises:
        FormatError: it is a file, or holds anything but a tokenised corpus.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FormatError("it is a file; expected a folder for the tokenised corpus", path=folder)
    own = (ABOUT_FILE, f".{ABOUT_FILE}.*", f"{LANGUAGE}-*", f"{NEXT_STATE}-*")
    for path in sorted(folder.iterdir()):
        if not any(path.match(pattern) for pattern in own):
            raise FormatError(
                f"it holds {path.name!r}, which is not of a tokenised corpus; expected a folder of "
                "one, an empty one, or a new one",
                path=folder,
            )


class _Joined(Lazy[Row]):
    """The parts that processes wrote, in the order of the rows' numbers."""

    def __init__(self, parts: Sequence[StoredRows]) -> None:
        self.parts = [part for part in parts if len(part)]
        places = [(p, i) for p, part in enumerate(self.parts) for i in range(len(part))]
        numbers = [int(self.parts[p].field("number", i)[0]) for p, i in places]
        self.places = np.array(places, dtype=np.int64).reshape(-1, 2)[np.argsort(numbers)]

    def __len__(self) -> int:
        return len(self.places)

    def at(self, row: int) -> Row:
        found = self.whole(row)
        del found["number"]
        return found

    def whole(self, row: int) -> Row:
        """A row with all of its fields."""
        part, place = self.places[row].tolist()
        return self.parts[part][place]

    def lengths(self, field: str) -> np.ndarray:
        """The first axis of a field, row by row."""
        return np.array([self.parts[p].shapes[field][i, 0] for p, i in self.places.tolist()])


class _Read(Lazy[Item]):
    """What is read off each whole row of joined parts."""

    def __init__(self, rows: _Joined, read: Callable[[Row], Item]) -> None:
        self.rows, self.read = rows, read

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, row: int) -> Item:
        return self.read(self.rows.whole(row))


def _parts(folder: Path, kind: str) -> list[StoredRows]:
    return [StoredRows(path.parent) for path in sorted(folder.glob(f"{kind}-*/{FIELDS_FILE}"))]


def _to_row(number: int, made: Trajectories, tokenizer: HMLMTokenizer) -> Row:
    stated = {
        "visible": network_to_json(made.visible),
        "drawn": network_to_json(made.drawn),
        "conditions": plain_conditions(made.conditions),
        "signs_drawn": made.signs_drawn,
        "logic_drawn": made.logic_drawn,
    }
    return tokenizer.encode_network(made.visible, warn_unknown=False) | {
        "states": made.states.astype(np.float16),
        "drives": made.drives.astype(np.float16),
        "baseline": made.baseline.astype(np.float32),
        "number": np.array([number]),
        "stated": np.frombuffer(json.dumps(stated).encode(), dtype=np.uint8),
    }


def _from_row(row: Row) -> Trajectories:
    stated = json.loads(row["stated"].tobytes())
    return Trajectories(
        visible=network_from_json(stated["visible"]),
        drawn=network_from_json(stated["drawn"]),
        conditions=conditions_from_plain(stated["conditions"]),
        states=row["states"],
        drives=row["drives"],
        baseline=row["baseline"],
        signs_drawn=stated["signs_drawn"],
        logic_drawn=stated["logic_drawn"],
    )


def _encoding_of(row: Row) -> Row:
    """The encoding of the network of a trajectory."""
    return {name: value for name, value in row.items() if name not in OWN}
