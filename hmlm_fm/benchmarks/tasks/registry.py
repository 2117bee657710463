"""The tasks whose entries are fitted once and predict several splits, by name."""

from __future__ import annotations

from ...measurements.simulated import simulate_task
from ..entries import ENTRIES, ENTRIES_OF_OBSERVED_CONDITIONS
from ..task import Task
from .cell_lines import draw_line_task
from .forecast import draw_forecast
from .paper import OBSERVED, PAPER_ENTRIES, SPLITS, draw_paper, paper_network, score_markers

TASKS = {
    "paper": Task(
        "paper",
        SPLITS,
        draw_paper,
        [f"1x{times}" for times in OBSERVED],
        PAPER_ENTRIES,
        score_markers,
        paper_network,
    ),
    "conditions": Task(
        "held-out conditions", ("pairs", "triples"), simulate_task, ["16x4"], ENTRIES
    ),
    "knockouts": Task("held-out conditions", ("knockouts",), simulate_task, ["16x4"], ENTRIES),
    "celllines": Task(
        "cell lines", ("pairs", "triples", "knockouts"), draw_line_task, ["16x4"], ENTRIES
    ),
    "forecast": Task(
        "forecast of observed conditions",
        ("later hours",),
        draw_forecast,
        ["16x7", "16x13", "16x25"],
        ENTRIES_OF_OBSERVED_CONDITIONS,
    ),
}
