"""Tables of `hmlm benchmark real`: over all sets, then set by set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ...corpora.same_measurements import Same
from ...model.error_base import listed
from ..report import plain_table
from .folds import FEW, shown_few
from .real_entries import REAL_ENTRIES, RULER

Rows = Sequence[Mapping[str, Any]]
TICKS = (0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10, 20)
MOST_PER_ROW = 3
"""Panels of a figure."""
LESS = 0.999
"""A ratio below this is better than the ruler."""


def summarise_sets(results: Rows) -> list[dict[str, Any]]:
    """One dictionary per split and entry: the geometric mean of its ratios to the ruler, within a
    study first; on how many sets it is better; and the worst ratio. Sets that the checkpoint was
    trained on do not count, but where there are no others."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in counted_rows(results):
        groups.setdefault((row["split"], row["entry"]), []).append(row)
    found = []
    for (split, entry), rows in groups.items():
        studies: dict[str, list[float]] = {}
        for row in rows:
            studies.setdefault(row["study"], []).append(row["ratio"])
        covered = [row["coverage"] for row in rows if row["coverage"] is not None]
        found.append(
            {
                "split": split, "entry": entry, "label": rows[0]["label"],
                "ratio": geometric_mean(geometric_mean(of) for of in studies.values()),
                "wins": sum(row["ratio"] < LESS for row in rows), "sets": len(rows),
                "studies": len(studies), "worst_ratio": max(row["ratio"] for row in rows),
                "coverage": sum(covered) / len(covered) if covered else None,
            }
        )  # fmt: skip
    return found


def counted_rows(results: Rows) -> Rows:
    """The rows of sets that the checkpoint was not trained on; all, where there are no others."""
    return [row for row in results if not row.get("trained_on")] or results


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive numbers; those below 1e-6 count as that."""
    logs = [math.log(max(value, 1e-6)) for value in values]
    return math.exp(sum(logs) / len(logs))


def real_table(results: Rows, about: Mapping[str, Any]) -> str:
    """The summary of each split, under it every set, and last what was found about the sets.

    Args:
        results: one for every set, split and entry.
        about: what else the JSON states: pairs of sets with the same measurements, published
            figures, and why sets were skipped.
    """
    summary, parts = summarise_sets(results), []
    for split in dict.fromkeys(row["split"] for row in results):
        own = [row for row in summary if row["split"] == split]
        lines = [
            [
                row["label"], f"{row['ratio']:.3f}",
                "" if row["entry"] == RULER else f"{row['wins']} of {row['sets']}",
                f"{row['worst_ratio']:.2f}",
                "" if row["coverage"] is None else f"{row['coverage']:.2f}",
            ]
            for row in own
        ]  # fmt: skip
        sets = max(row["sets"] for row in own)
        parts.append(
            plain_table(
                f"Split `{split}`: errors over the ruler's, geometric mean over {sets} sets of "
                f"{max(row['studies'] for row in own)} studies (each study weighs once):",
                ["entry", "error / ruler", "better on", "worst", "coverage of 90 %"],
                lines,
            )
        )
        parts.append(_of_sets([row for row in results if row["split"] == split]))
    if about.get("directions"):
        parts.append(_directions(about["directions"]))
    if about.get("published"):
        parts.append(_published(about["published"]))
    if about.get("trained_on"):
        is_all = all(row.get("trained_on") for row in results)
        parts.append(
            f"The head of the checkpoint was trained on {listed(about['trained_on'])}: "
            + ("these figures are no test of it." if is_all else "marked with *, and in no mean.")
        )
    told = [str(Same(**pair)) for pair in about.get("same_measurements", ())]
    by_reason: dict[str, list[str]] = {}
    for place, reason in about.get("skipped", {}).items():
        by_reason.setdefault(reason, []).append(place)
    told += [f"skipped, {reason}: {listed(places)}" for reason, places in by_reason.items()]
    if told:
        parts.append("\n".join(f"- {line}" for line in told))
    return "\n\n".join(parts)


def _directions(rows: Rows) -> str:
    """Directions that are told before anything is shown: set by set, and the mean of studies."""
    labels = list(dict.fromkeys(row["label"] for row in rows))
    names = list(dict.fromkeys(row["set"] for row in rows))
    lines = []
    for name in names:
        own = {row["label"]: row for row in rows if row["set"] == name}
        first = next(iter(own.values()))
        cells = [
            f"{row['accuracy']:.2f} ({row['accuracy_low']:.2f} to {row['accuracy_high']:.2f})"
            if (row := own.get(label)) else "" for label in labels
        ]  # fmt: skip
        lines.append([name, str(first["changes"]), str(first["rises"]), *cells])
    shared = [n for n in names if len(labels) == sum(row["set"] == n for row in rows)]
    for caption, kept in (("mean", names), ("mean of sets with a network", shared)):
        scored = [row for row in rows if row["set"] in kept]
        means = [_of_studies(scored, label) for label in labels]
        lines.append([f"{caption}, each study once", "", "", *means])
    caption = (
        "No condition shown: balanced accuracy of the direction of changes that exceed the noise, "
        "from names and network alone, with 95 % intervals over conditions (one who always says "
        "the same has 0.50):"
    )
    return plain_table(caption, ["set", "changes", "rises", *labels], lines)


def _of_studies(rows: Rows, label: str) -> str:
    studies: dict[str, list[float]] = {}
    for row in rows:
        if row["label"] == label:
            studies.setdefault(row["study"], []).append(row["accuracy"])
    means = [sum(of) / len(of) for of in studies.values()]
    return f"{sum(means) / len(means):.2f} of {len(means)} studies" if means else ""


def _published(figures: Rows) -> str:
    """What others published, beside ours by the same protocol."""
    lines = [
        [
            row["source"], row["protocol"], row["metric"], f"{row['published']:g}",
            *(f"{row[name]:.3f}" if name in row else "" for name in ("ruler", "ridge")),
        ]
        for row in figures
    ]  # fmt: skip
    head = ["publication", "held out", "figure", "as published", "ruler", "ridge"]
    caption = "As published, beside ours by the same protocol where it can be rebuilt:"
    return plain_table(caption, head, lines)


def real_headlines(results: Rows, title: str) -> list[list[str]]:
    """A line per split: the best of HMLM, of everything else and of the controls by their errors
    over the ruler's; HMLM before training is a control."""
    lines = []
    summary = summarise_sets(results)
    for split in dict.fromkeys(row["split"] for row in results):
        own = [row for row in summary if row["split"] == split]
        kinds = {row["entry"]: _kind(row["entry"]) for row in own}
        best: dict[str, dict[str, Any]] = {}
        for kind in ("hmlm", "baseline", "control"):
            of_kind = [row for row in own if kinds[row["entry"]] == kind]
            if of_kind:
                best[kind] = min(of_kind, key=lambda row: row["ratio"])
        if "hmlm" not in best:
            continue
        text = {k: f"{row['label']} {row['ratio']:.2f}" for k, row in best.items()}
        ahead = best["hmlm"]["ratio"] < best["baseline"]["ratio"]
        wins = f"better than the ruler on {best['hmlm']['wins']} of {best['hmlm']['sets']}"
        lines.append(
            [f"{title} (error / ruler)", split, text["hmlm"], text["baseline"],
             f"{'**ahead**' if ahead else '**behind**'}, {wins}", text.get("control", "")]
        )  # fmt: skip
    return lines


def _kind(entry: str) -> str:
    found = next(e for e in REAL_ENTRIES if e.id == entry)
    if found.highlighted:
        return "hmlm"
    return "baseline" if found.starts_from == "nothing" else "control"


def _of_sets(rows: Rows) -> str:
    """Every set of a split: the ruler's error, and the ratios of the other entries."""
    entries = list(dict.fromkeys(row["entry"] for row in rows if row["entry"] != RULER))
    head = ["set", "conditions", "ruler: error", "r", "explained", *entries]
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        of_entry = {row["entry"]: row for row in rows if row["set"] == name}
        ruler = of_entry[RULER]
        lines.append(
            [
                name + "*" * bool(ruler.get("trained_on")), str(ruler["conditions"]),
                f"{ruler['mse']:.3f}",
                _or_nothing(ruler["pearson"]), _or_nothing(ruler["explained"]),
                *(_ratio(of_entry[entry]) if entry in of_entry else "" for entry in entries),
            ]
        )  # fmt: skip
    caption = (
        "Set by set, in units of one standard deviation of what is shown, and ratios to the ruler "
        "with 95 % intervals over conditions:"
    )
    return plain_table(caption, head, lines)


def _ratio(row: Mapping[str, Any]) -> str:
    return f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"


def _or_nothing(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def plot_ratios(path: Path, results: Rows, highlighted: set[str]) -> None:
    """Ratios to the ruler of every set, an entry per line and a split per panel; and against the
    number of shown conditions, where few are shown."""
    few = {shown_few(count): count for count in FEW}
    results = counted_rows(results)
    splits = list(dict.fromkeys(row["split"] for row in results if row["split"] not in few))
    summary = summarise_sets(results)
    sizes = [row for row in summary if row["split"] in few and row["entry"] != RULER]
    panels = len(splits) + bool(sizes)
    columns = min(panels, MOST_PER_ROW)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(5 * columns, 4.2 * rows), layout="tight")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis in axes[panels:]:
        axis.set_axis_off()
    for axis, split in zip(axes, splits, strict=False):
        own = [row for row in summary if row["split"] == split]
        own = sorted((row for row in own if row["entry"] != RULER), key=lambda row: -row["ratio"])
        for place, row in enumerate(own):
            ratios = [
                r["ratio"] for r in results
                if (r["split"], r["entry"]) == (split, row["entry"])
            ]  # fmt: skip
            is_own = row["entry"] in highlighted
            axis.plot(ratios, [place] * len(ratios), "|", color="0.6", markersize=9)
            axis.plot(row["ratio"], place, "D" if is_own else "o", color="C3" if is_own else "0.2")
        axis.axvline(1, color="0.2", linewidth=0.8, linestyle="--")
        axis.set_xscale("log")
        _plain_ticks(axis.xaxis, *axis.get_xlim())
        axis.set_yticks(range(len(own)), [row["label"] for row in own], fontsize=7)
        axis.set_title(split, fontsize=9)
        axis.set_xlabel("error / ruler; each mark is a set")
    if sizes:
        _plot_sizes(axes[panels - 1], sizes, few, highlighted)
    figure.savefig(path, dpi=110)


def _plot_sizes(axis: Any, rows: Rows, few: Mapping[str, int], highlighted: set[str]) -> None:
    """Ratios to the ruler against the number of conditions that are shown, a line per entry."""
    for label in dict.fromkeys(row["label"] for row in rows):
        own = [row for row in rows if row["label"] == label]
        is_own = own[0]["entry"] in highlighted
        axis.plot(
            [few[row["split"]] for row in own], [row["ratio"] for row in own], label=label,
            marker="D" if is_own else ".", color="C3" if is_own else None,
            linewidth=2 if is_own else 1,
        )  # fmt: skip
    axis.axhline(1, color="0.2", linewidth=0.8, linestyle="--")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(list(few.values()), [str(count) for count in few.values()], fontsize=7)
    axis.xaxis.set_minor_formatter(NullFormatter())
    _plain_ticks(axis.yaxis, *axis.get_ylim())
    axis.set_title("few conditions shown", fontsize=9)
    axis.set_xlabel("shown conditions")
    axis.set_ylabel("error / ruler")
    axis.legend(fontsize=6)


def _plain_ticks(axis: Any, low: float, high: float) -> None:
    """Ratios at a logarithmic axis, as people read them."""
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
    axis.set_minor_formatter(NullFormatter())
