"""The tasks whose rows are fitted once and asked on several splits, by name."""

from __future__ import annotations

from ...measurements.simulated import simulate_task
from ..entries import all_rows, rows_of_seen_conditions
from ..task import Task
from .cell_lines import draw_line_task
from .forecast import draw_forecast
from .paper import PUBLISHED, SEEN, SPLITS, draw_paper, paper_network, paper_rows, score_markers

TASKS = {
    "paper": Task(
        "paper",
        SPLITS,
        draw_paper,
        [f"1x{times}" for times in SEEN],
        paper_rows,
        score_markers,
        paper_network,
        PUBLISHED,
    ),
    "conditions": Task(
        "unseen conditions", ("pairs", "triples"), simulate_task, ["16x4"], all_rows
    ),
    "knockouts": Task("unseen conditions", ("knockouts",), simulate_task, ["16x4"], all_rows),
    "celllines": Task(
        "cell lines", ("pairs", "triples", "knockouts"), draw_line_task, ["16x4"], all_rows
    ),
    "forecast": Task(
        "forecast of seen conditions",
        ("later hours",),
        draw_forecast,
        ["16x7", "16x13", "16x25"],
        rows_of_seen_conditions,
    ),
}
