"""How long commands take before they work, beside what `import torch` takes on the same machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..entries import Entry, Result


def _run_program(program: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.sif").write_text("A\t1\tB\nB\t-1\tC\n", encoding="utf-8")
        subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, check=True)


def _run_command(*arguments: str) -> None:
    _run_program(f"from hmlm_fm.cli.main import app; app({list(arguments)})")


REFERENCE = "import-torch"
PROGRAMS: tuple[Entry, ...] = (
    Entry(REFERENCE, "import torch", partial(_run_program, "import torch")),
    Entry(
        "import-hmlm-fm", "import hmlm_fm", partial(_run_program, "import hmlm_fm"),
        highlighted=True,
    ),
    Entry("hmlm-help", "hmlm --help", partial(_run_command, "--help"), highlighted=True),
    Entry(
        "hmlm-convert", "hmlm convert, a small SIF to JSON",
        partial(_run_command, "convert", "a.sif", "a.json"), highlighted=True,
    ),
)  # fmt: skip
"""Their factories take nothing and run the program in a process of its own."""


def measure_start_up(repeats: int, log: Callable[[str], object]) -> list[Result]:
    """The least and the median of the repeats, taken in turns; one round before warms the disk.

    Args:
        repeats: how often each program is run.
        log: is called with a line of progress.

    Raises:
        subprocess.CalledProcessError: a program ends with an error.
    """
    seconds: dict[str, list[float]] = {entry.id: [] for entry in PROGRAMS}
    for _ in range(repeats + 1):
        for entry in PROGRAMS:
            assert entry.factory is not None
            begun = time.perf_counter()
            entry.factory()
            seconds[entry.id].append(time.perf_counter() - begun)
    warm = {id: times[1:] for id, times in seconds.items()}
    results = [
        entry.result(
            "one process",
            "start-up",
            None,
            seconds=min(warm[entry.id]),
            seconds_median=statistics.median(warm[entry.id]),
            ratio_to_torch=min(warm[entry.id]) / min(warm[REFERENCE]),
        )
        for entry in PROGRAMS
    ]
    log("start-up: " + ", ".join(f"{r['label']} {r['seconds']:.2f} s" for r in results))
    return results
