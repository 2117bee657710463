"""The page of results, generated from the JSON files of benchmarks.

    python -m hmlm_fm.benchmarks.results docs/results --out docs/results.md --readme README.md

A file is what `hmlm benchmark TASK --json FILE` writes, perhaps with a `title`, and a `note` in
Markdown, added by hand; a figure of the same name beside it is shown. The figures of the shipped
checkpoint are read from its own metrics.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import FormatError
from ..common.files import read_json_text, read_text, write_text
from ..inference.shipped import checkpoint_path
from ..model.error_base import HMLMError
from .entries import ENTRIES_OF_OBSERVED_CONDITIONS, Entry
from .real.real_entries import REAL_ENTRIES
from .real.real_table import real_headlines, real_table
from .report import errors_table, interval_table, plain_table, summarise
from .speed.speed import speed_table
from .tasks.crosstalk_truth import CROSSTALK_ENTRIES, crosstalk_table
from .tasks.literature import LITERATURE_ENTRIES, literature_table
from .tasks.masked_molecules import MASKED_ENTRIES, TOPS, molecules_table, pooled
from .tasks.paper import PAPER_ENTRIES

INTRODUCTION = """\
# Results

Generated from the files of [results/](results/) by

```bash
python -m hmlm_fm.benchmarks.results docs/results --out docs/results.md --readme README.md
```

Every claim stands beside everything simpler that could beat it, and a table is shown whether HMLM
wins or loses. What was tried on the way is in [log.md](log.md).
"""

SUMMARY = """\
## Won and lost

The best entry of HMLM beside the best baseline, and beside the best of its controls (graph
shuffled, signs removed). "level" means that the 95 % intervals of HMLM and the baseline overlap,
"ahead" or "behind" which of them is nominally better. The best of several entries is a kind view of
HMLM; the tables below have them all.
"""

HEADLINES = (
    "2026-11-30-real conditions",
    "2026-11-30-real combinations",
    "2026-11-30-real treatment",
    "2026-11-25-conditions-signs 16x4 pairs mse",
    "2026-11-25-forecast 16x13 later hours mse",
    "2026-11-25-paper 1x8 held-out times mse",
    "2026-11-25-literature 64x8 experiments balanced_accuracy",
    "2026-11-25-molecules core held-out pathways top10",
)
"""The lines of the README's table, as `won_and_lost` takes them."""
ENTRIES_CAPTION = (
    "`hmlm benchmark TASK --entries ID,ID` measures these alone (crosstalk and speed always "
    "measure all of theirs); an id that the task does not have is an error that lists those it has."
)
STARTS = {
    "nothing": "",
    "configuration": "weights drawn anew",
    "weights": "pretrained weights",
}
README_START, README_END = "<!-- results -->", "<!-- end of results -->"

QUESTIONS = {
    "real": (
        "How well is what laboratories measured predicted? Conditions, combinations, treatments, "
        "doses or cell lines of measured sets are held out; errors are over those of the ruler, a "
        "kernel regression on treatments that knows neither network nor names."
    ),
    "conditions": (
        "Conditions of a network are simulated, few of them at few times are given, and others are "
        "predicted: pairs and triples of stimuli and knock-outs that no training condition has. "
        "The budget is training conditions x times."
    ),
    "knockouts": "As for conditions, knock-outs that no training condition has.",
    "celllines": (
        "As for conditions, on a network whose rates and logic strengths are drawn for each seed."
    ),
    "forecast": (
        "Conditions are observed every hour up to 6, 12 or 24 hours (a budget of 7, 13 or 25 "
        "times); the hours after are predicted."
    ),
    "paper": (
        "The comparison of the paper, rebuilt: one noisy trajectory, given at 4, 8 or 16 of 50 "
        "times, scored on seven markers at all times, at held-out times, and at those after the "
        "last given one."
    ),
    "literature": (
        "Is the direction of change in published experiments right, after fitting to simulated "
        "conditions?"
    ),
    "crosstalk": (
        "Does attention predict which pathways act on which? The truth is the mean change of B's "
        "molecules in the simulator when all of A is knocked out."
    ),
    "molecules": (
        "Which molecule was masked, in pathways that were held out? Every molecule is masked alone."
    ),
    "speed": "How long do simulations and training steps take, and how do they grow?",
    "pretraining": (
        "What does pretraining know of held-out pathways and networks? Molecules are masked alone; "
        "states are predicted from the wiring with 0, 4 or 16 other conditions as the context."
    ),
}
"""The question of each task; the order is that of the page."""


@dataclass(frozen=True)
class ResultFile:
    """One file of results; `figure` where a picture of the same name lies beside it."""

    content: Mapping[str, Any]
    source: str
    figure: str = ""

    @property
    def task(self) -> str:
        return str(self.content["task"])

    @property
    def title(self) -> str:
        network = self.content.get("network", "")
        return str(self.content.get("title") or f"{self.task}, {network}".rstrip(", "))

    @property
    def results(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = self.content["results"]
        return found


@dataclass(frozen=True)
class Merit:
    """A figure that the entries of a task are compared by.

    Attributes:
        name: its key in the results.
        label: as the table of wins and losses shows it.
        less_is_better: whether it is an error.
        summaries: of results over seeds.
    """

    name: str
    label: str
    less_is_better: bool = False
    summaries: Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]] = summarise

    def text(self, value: float) -> str:
        """A value, with more digits where it is a small error."""
        if not self.less_is_better:
            return f"{value:.3f}"
        return f"{value:.{4 if value >= 0.001 else 5}f}"


ERRORS = (Merit("mse", "error", less_is_better=True),)
MERITS: Mapping[str, Sequence[Merit]] = {
    "literature": (
        Merit("accuracy", "right directions"),
        Merit("balanced_accuracy", "right directions, balanced"),
    ),
    "crosstalk": (Merit("spearman", "Spearman's correlation"),),
    "molecules": (Merit("top10", "top-10", summaries=pooled),),
}
ALL_ENTRIES: Mapping[str, Entry] = {
    entry.id: entry
    for entry in (
        *REAL_ENTRIES, *ENTRIES_OF_OBSERVED_CONDITIONS, *PAPER_ENTRIES, *LITERATURE_ENTRIES,
        *CROSSTALK_ENTRIES, *MASKED_ENTRIES,
    )
}  # fmt: skip


def read_results(folder: str | Path) -> list[ResultFile]:
    """The files of a folder in the order of the page.

    Raises:
        FormatError: a file cannot be read or is no JSON, or its task is not known.
        HMLMError: the folder has no results.
    """
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        content = read_json_text(path)
        if not isinstance(content, dict) or "results" not in content:
            continue
        if content.get("task") not in QUESTIONS:
            raise FormatError(
                f"the task is {content.get('task')!r}; expected one of {', '.join(QUESTIONS)}",
                path=path,
            )
        figure = path.with_suffix(".png")
        found.append(ResultFile(content, path.name, figure.name if figure.exists() else ""))
    if not found:
        raise HMLMError(f"{folder}: it has no results; expected JSON files of hmlm benchmark")
    order = list(QUESTIONS)
    return sorted(found, key=lambda file: order.index(file.task))


def page(folder: str | Path, out: str | Path) -> str:
    """The page as Markdown; links are relative to where it is written.

    Raises:
        HMLMError: as `read_results`.
    """
    files = read_results(folder)
    link = os.path.relpath(folder, Path(out).parent)
    parts = [INTRODUCTION, SUMMARY, won_and_lost(files)]
    for file in [*files, shipped_checkpoint()]:
        parts.append(section(file, link))
    parts.append(entries_table())
    return "\n\n".join(part.strip() for part in parts) + "\n"


def with_headlines(readme: str, folder: str | Path) -> str:
    """The README with its table as the files give it.

    Raises:
        HMLMError: as `read_results`; or the README has no place for the table.
    """
    before, start, rest = readme.partition(README_START)
    _, end, after = rest.partition(README_END)
    if not start or not end:
        raise HMLMError(f"the README has no table; expected {README_START} and {README_END}")
    table = won_and_lost(read_results(folder), HEADLINES)
    return f"{before}{start}\n{table}\n{end}{after}"


def entries_table() -> str:
    """Every entry with its id."""
    rows = [[f"`{entry.id}`", entry.label, STARTS[entry.starts_from]] for entry in listed_entries()]
    return "## Entries\n\n" + plain_table(ENTRIES_CAPTION, ["id", "entry", "starts from"], rows)


def listed_entries() -> list[Entry]:
    """Those that are computed, once each."""
    return [entry for entry in ALL_ENTRIES.values() if entry.published is None]


def section(file: ResultFile, link: str) -> str:
    """One file: the question, the command, when it was measured, the tables and the figure."""
    environment = file.content.get("environment", {})
    revision = environment.get("git_revision")
    stated = [
        f"Measured {environment.get('date', 'at an unknown date')}",
        f"revision {revision[:9]}" if revision else "several or unknown revisions",
        environment.get("processor", ""),
    ]
    source = f"[{file.source}]({link}/{file.source})" if file.figure or file.source else ""
    parts = [
        f"## {file.title}",
        QUESTIONS[file.task],
        f"```bash\n{file.content['command']}\n```" if "command" in file.content else "",
        ", ".join(part for part in (*stated, source) if part) + ".",
        TABLES.get(file.task, _errors)(file),
        str(file.content.get("note", "")),
        f"![{file.title}]({link}/{file.figure})" if file.figure else "",
    ]
    return "\n\n".join(part for part in parts if part)


def won_and_lost(files: Sequence[ResultFile], only: Sequence[str] = ()) -> str:
    """A table with a line per file, figure, budget and split, of the best entries of each kind.

    Args:
        only: lines to show, by "SOURCE BUDGET SPLIT FIGURE"; all by default.
    """
    lines = []
    for file in files:
        if file.task == "real":
            stem = file.source.removesuffix(".json")
            found = real_headlines(file.results, file.title)
            lines += [line for line in found if not only or f"{stem} {line[1]}" in only]
            continue
        for merit in MERITS.get(file.task, ERRORS) if file.task != "pretraining" else ():
            rows = [row for row in merit.summaries(file.results) if _is_compared(row, merit)]
            for budget, split in dict.fromkeys((row["budget"], row["split"]) for row in rows):
                own = [row for row in rows if (row["budget"], row["split"]) == (budget, split)]
                key = f"{file.source.removesuffix('.json')} {budget} {split} {merit.name}"
                if not only or key in only:
                    lines.append(_compared(file, merit, f"{budget}, {split}", own))
    head = ["task", "budget, split", "best of HMLM", "best baseline", "verdict", "best control"]
    first, *rest = (f"| {' | '.join(texts)} |" for texts in (head, *lines))
    return "\n".join([first, "|---" * len(head) + "|", *rest])


def _is_compared(row: Mapping[str, Any], merit: Merit) -> bool:
    """Not what others published, nor the speed, nor times that were given to every entry."""
    return (
        row["entry"] in ALL_ENTRIES
        and merit.name in row
        and row["split"] != "all times"
        and not row.get("as_published")
    )


def _compared(
    file: ResultFile, merit: Merit, where: str, rows: Sequence[dict[str, Any]]
) -> list[str]:
    kinds: dict[str, list[dict[str, Any]]] = {"hmlm": [], "baseline": [], "control": []}
    for row in rows:
        entry = ALL_ENTRIES[row["entry"]]
        if entry.highlighted:
            kinds["hmlm"].append(row)
        else:
            kinds["baseline" if entry.starts_from == "nothing" else "control"].append(row)
    best = min if merit.less_is_better else max
    found = {kind: best(own, key=lambda row: row[merit.name]) for kind, own in kinds.items() if own}
    texts = {kind: f"{row['label']} {merit.text(row[merit.name])}" for kind, row in found.items()}
    return [
        f"{file.title} ({merit.label})",
        where,
        texts["hmlm"],
        texts["baseline"],
        _verdict(merit, found["hmlm"], found["baseline"]),
        texts.get("control", "").removeprefix("control: "),
    ]


def _verdict(merit: Merit, own: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    low, high = f"{merit.name}_low", f"{merit.name}_high"
    has_intervals = all(key in row for key in (low, high) for row in (own, other))
    is_better = (own[merit.name] < other[merit.name]) == merit.less_is_better
    if has_intervals and own[low] <= other[high] and other[low] <= own[high]:
        same = merit.text(own[merit.name]) == merit.text(other[merit.name])
        return "level" if same else "level, ahead" if is_better else "level, behind"
    return "**won**" if is_better else "**lost**"


def shipped_checkpoint(name: str = "hmlm-small") -> ResultFile:
    """The metrics that a checkpoint carries, as results."""
    folder = checkpoint_path(name)
    metrics = read_json_text(Path(folder) / "metrics.json")
    masked, states = metrics["masked_molecule"], metrics["next_state"]
    results: list[dict[str, Any]] = []

    def add(entry: str, label: str, budget: str, split: str, **figures: float) -> None:
        results.append(Entry(entry, label).result(budget, split, 0, **figures))

    for entry, label, prefix in (
        ("hmlm", "HMLM", ""),
        ("neighbour-look-up", "neighbour look-up", "neighbour_"),
        ("frequency", "frequency", "frequency_"),
    ):
        figures: dict[str, float] = {}
        for top in TOPS:
            low, high = masked[f"{prefix}{top}_interval"]
            figures |= {top: masked[f"{prefix}{top}"], f"{top}_low": low, f"{top}_high": high}
        add(entry, label, "masked alone", "masked molecules", n=masked["n"], **figures)
    for context, found in states["by_context"].items():
        low, high = found["interval"]
        add("hmlm", "HMLM", context, "next state", mse=found["mse"], mse_low=low, mse_high=high)
    for context, mse in states["untrained_by_context"].items():
        add("hmlm-untrained", "HMLM before training", context, "next state", mse=mse)
    add("hold", "first state held", "any", "next state", mse=states["hold_mse"])
    label = "mean of the context conditions"
    add("context-mean", label, "16", "next state", mse=states["context_mean_mse"])
    add("corpus-mean", "mean of the corpus", "any", "next state", mse=states["corpus_mean_mse"])
    content = {
        "task": "pretraining",
        "title": f"Pretraining: the shipped checkpoint, {name}",
        "command": "bash launch/hmlm_small.sh WIKIPATHWAYS SIGNOR BOOLEAN MEASURED_SETS",
        "note": "With some conditions in the context training does not pay on average: the "
        "measurements carry more about gates than what was learned from other networks.",
        "results": results,
        "environment": {"date": "2026-11-25", "processor": "one core that other work shared"},
    }
    return ResultFile(content, "")


def _errors(file: ResultFile) -> str:
    return errors_table(file.results)


def _pretraining(file: ResultFile) -> str:
    masked = [of for of in file.results if of["split"] == "masked molecules"]
    states = [of for of in file.results if of["split"] == "next state"]
    lines = [
        [
            of["label"],
            of["budget"],
            f"{of['mse']:.4f}"
            + (f" ({of['mse_low']:.4f} to {of['mse_high']:.4f})" if "mse_low" in of else ""),
        ]
        for of in states
    ]
    caption = f"Masked molecules, n = {masked[0]['n']} (95 % interval):"
    return "\n\n".join(
        [
            interval_table(caption, masked, TOPS),
            plain_table(
                "Next states on held-out networks, mean squared error (95 % interval):",
                ["entry", "conditions in the context", "error"],
                lines,
            ),
        ]
    )


TABLES: Mapping[str, Callable[[ResultFile], str]] = {
    "real": lambda file: real_table(file.results, file.content),
    "literature": lambda file: literature_table(file.results),
    "crosstalk": lambda file: crosstalk_table(file.results, file.content),
    "molecules": lambda file: molecules_table(file.results, file.content),
    "speed": lambda file: speed_table(file.results, file.content),
    "pretraining": _pretraining,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, or with --check check that it is up to date."""
    parser = argparse.ArgumentParser(
        prog="python -m hmlm_fm.benchmarks.results", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", help="of the JSON files")
    parser.add_argument("--out", required=True, metavar="FILE.md", help="the page")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 where the page differs"
    )
    parser.add_argument("--readme", metavar="FILE.md", help="a README whose table is made too")
    options = parser.parse_args(arguments)
    try:
        pages = {options.out: page(options.folder, options.out)}
        if options.readme:
            pages[options.readme] = with_headlines(read_text(options.readme), options.folder)
        for path, text in pages.items():
            if not options.check:
                write_text(Path(path), text)
            elif read_text(path) != text:
                parser.exit(1, f"{path} is not what {options.folder} gives\n")
    except HMLMError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
