"""What `hmlm benchmark` does: one task from its options to its table, figure and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from hmlm_fm.checkpoints import checkpoint_path
from hmlm_fm.formats import load_network
from hmlm_fm.modeling_hmlm import HMLMForSignaling
from hmlm_fm.plotting import plot_errors
from hmlm_fm.tokenization_hmlm import HMLMTokenizer

from .conditions import SPLITS_OF, run
from .report import markdown, write_json
from .unseen_conditions import TRACKS, Budget

TASKS = tuple(SPLITS_OF)


@dataclass
class BenchmarkOptions:
    """Options of one benchmark; see `hmlm benchmark --help`."""

    task: str
    model: str = "hmlm-small"
    network: str = "cardiac-fibroblast"
    track: str = "signs"
    budgets: Sequence[str] = field(default_factory=lambda: ["16x4"])
    seeds: int = 1
    json: Path | None = None
    figure: Path | None = None
    cells: Path = Path("outputs/benchmark-cells")
    quick: bool = False
    rows: str = ""

    def check(self) -> None:
        """
        Raises:
            ValueError: an option makes no sense.
        """
        if self.task not in TASKS:
            raise ValueError(f"task {self.task!r}; expected one of {', '.join(TASKS)}")
        if self.track not in TRACKS:
            raise ValueError(f"track {self.track!r}; expected one of {', '.join(TRACKS)}")
        if self.seeds < 1:
            raise ValueError(f"{self.seeds} seeds; expected at least 1")
        for path in (self.json, self.figure):
            if path is not None and not path.parent.is_dir():
                raise ValueError(f"{path}: there is no folder {path.parent} to write it into")


def run_benchmark(options: BenchmarkOptions, say: Callable[[str], object] = print) -> str:
    """Run one task; returns its tables as Markdown.

    Raises:
        ValueError: options that make no sense.
        FormatError, NetworkError: a network that cannot be read or has no dynamics.
    """
    options.check()
    budgets = [Budget.parse(text) for text in options.budgets]
    network = load_network(options.network)
    folder = checkpoint_path(options.model)
    torch.manual_seed(0)
    model = HMLMForSignaling.from_pretrained(folder).eval()
    tokenizer = HMLMTokenizer.from_pretrained(folder)
    rows = run(
        network,
        model,
        tokenizer,
        budgets,
        options.track,
        options.seeds,
        options.cells,
        options.quick,
        options.rows,
        say,
    )
    splits = SPLITS_OF[options.task]
    shown = [row for row in rows if row["split"] in splits]
    if options.json is not None:
        write_json(
            options.json, options.task, options.track, shown, network=network.name,
            model=options.model, quick=options.quick,
        )  # fmt: skip
    if options.figure is not None:
        plot_errors(
            options.figure, shown, splits, f"{options.task}, {network.name}, {options.track}"
        )
    return markdown(shown, splits)
