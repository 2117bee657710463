"""The options of `hmlm benchmark`, declared once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..common.files import check_output_files, creating
from ..common.words import by_comma
from ..model.error_base import HMLMError

DEFAULT_NETWORK, DEFAULT_CORPUS = "cardiac-fibroblast", "core"
Log = Callable[[str], object]

_OF_A_NETWORK = ("conditions", "knockouts", "celllines", "forecast", "literature")
_SIMULATED = ("paper", *_OF_A_NETWORK)
_FITTED = ("real", *_SIMULATED)
TASK_NAMES = (*_FITTED, "crosstalk", "molecules", "speed")
_NOT_STATED = ("json", "figure", "cache", "workers", "force", "predictions")
"""Options without an influence on results."""


def _option(default: Any, help: str, tasks: Sequence[str] = TASK_NAMES, metavar: str = "") -> Any:
    return field(default=default, metadata={"help": help, "tasks": tasks, "metavar": metavar})


@dataclass
class BenchmarkOptions:
    """Measure HMLM beside everything simpler."""

    # The metadata of a field hold its help, the tasks that take it, and what stands for its value
    # in the help.

    task: str = field(metadata={"help": f"What to measure: {', '.join(TASK_NAMES)}."})
    sets: list[Path] = field(
        default_factory=list,
        metadata={
            "help": "Of real: measured sets, files of measurements, corpora or folders of them.",
            "tasks": ("real",),
            "metavar": "SET_OR_CORPUS",
            "argument": True,
        },
    )
    model: str = _option(
        "hmlm-small",
        "A checkpoint: hmlm-small, a folder, or a name on a hub.",
        (*_FITTED, "crosstalk", "molecules"),
    )
    network: str = _option(
        "",
        f"A file, or the name of a shipped network; {DEFAULT_NETWORK} by default.",
        (*_OF_A_NETWORK, "crosstalk", "speed"),
    )
    pathway: str | None = _option(
        None,
        "The network to take of several.",
        (*_OF_A_NETWORK, "crosstalk", "speed"),
        "NAME",
    )
    track: str = _option(
        "signs", "signs, or logic with the AND groups too.", (*_OF_A_NETWORK, "crosstalk")
    )
    budget: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Conditions x times, such as 16x4; repeatable.",
            "tasks": ("paper", "conditions", "knockouts", "celllines", "forecast", "literature"),
            "metavar": "CxT",
        },
    )
    seeds: int = _option(1, "How many, from 0 on.", (*_SIMULATED, "molecules"))
    entries: str = _option(
        "",
        "The entries to measure, by id; all of them by default.",
        (*_FITTED, "molecules"),
        "ID,ID",
    )
    json: Path | None = _option(None, "Where to write the results.", metavar="FILE.json")
    figure: Path | None = _option(None, "Where to draw them.", metavar="FILE.png")
    cache: Path = _option(
        Path("outputs/benchmark-cache"),
        "Folder of runs that were measured; a benchmark that was stopped is resumed from it.",
        (*_FITTED, "molecules"),
        "FOLDER",
    )
    splits: str = _option(
        "", "Of the splits to measure; all of them by default.", ("real",), "SPLIT,SPLIT"
    )
    fitted_sets: int = _option(
        3, "On how many sets with a network entries are measured that are fitted.", ("real",)
    )
    predictions: Path | None = _option(
        None, "Where to write what every entry predicts.", ("real",), "FILE.csv"
    )
    quick: bool = _option(False, "Few members and steps.")
    workers: int | None = _option(
        None, "Processes that measure side by side; as many as cores by default.", _FITTED
    )
    corpus: str = _option(
        "", f"Pathways to hold some out of; {DEFAULT_CORPUS} by default.", ("molecules",)
    )
    experiments: Path | None = _option(None, "Published experiments.", ("literature",), "FILE")
    force: bool = _option(False, "Replace files that exist.")

    def check(self) -> None:
        """
        Raises:
            HMLMError: an option makes no sense, or is not for this task; a file cannot or must not
                be written; or the folder of runs cannot be made.
        """
        from ..measurements.simulated import TRACKS  # torch takes its time

        if self.task not in TASK_NAMES:
            raise HMLMError(f"task {self.task!r}; expected one of {', '.join(TASK_NAMES)}")
        if self.track not in TRACKS:
            raise HMLMError(f"track {self.track!r}; expected one of {', '.join(TRACKS)}")
        if self.seeds < 1:
            raise HMLMError(f"{self.seeds} seeds; expected at least 1")
        if self.workers is not None and self.workers < 1:
            raise HMLMError(f"{self.workers} workers; expected at least 1")
        for option in self._changed():
            if self.task not in option.metadata["tasks"]:
                taken = [_flag(f) for f in fields(self)[1:] if self._takes(f, specific=True)]
                raise HMLMError(
                    f"{_flag(option)} is not for the task {self.task}, which takes "
                    f"{', '.join(taken)}"
                )
        named = (
            self.network, self.model, self.corpus, self.experiments, *self.sets,
        )  # fmt: skip
        read = [path for name in named if name and (path := Path(name)).exists()]
        check_output_files(self.json, self.figure, read, self.force)
        if self._takes(next(f for f in fields(self) if f.name == "cache")):
            with creating(self.cache):
                self.cache.mkdir(parents=True, exist_ok=True)

    @property
    def entry_ids(self) -> list[str]:
        """The ids that `entries` lists."""
        return by_comma(self.entries)

    def command(self) -> str:
        """The command line, without options that have no influence on results."""
        words = ["hmlm", "benchmark", self.task]
        for option in self._changed():
            if option.name in _NOT_STATED:
                continue
            value = getattr(self, option.name)
            if value is True:
                words.append(_flag(option))
            for one in value if isinstance(value, list) else [] if value is True else [value]:
                # Folders of this machine are nobody else's.
                words += [one.name] if option.name == "sets" else [_flag(option), str(one)]
        return shlex.join(words)

    def _takes(self, option: Any, specific: bool = False) -> bool:
        tasks = option.metadata["tasks"]
        return self.task in tasks and not (specific and tasks is TASK_NAMES)

    def _changed(self) -> list[Any]:
        """The fields that differ from their defaults."""
        usual = BenchmarkOptions(self.task)
        return [f for f in fields(self)[1:] if getattr(self, f.name) != getattr(usual, f.name)]


def _flag(option: Any) -> str:
    """How a field is given on the command line."""
    if option.metadata.get("argument"):
        return str(option.metadata["metavar"])
    return f"--{option.name.replace('_', '-')}"
