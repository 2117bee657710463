"""Models in SBML run once with their own kinetics, as rows of Parquet.

Their states are concentrations in units of their own, so that they are kept apart from the
trajectories of logic models, whose states lie in [0, 1].
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..common.errors import FormatError, FormatWarning
from ..common.files import stem, whole_folder, write_text
from ..dynamics.sbml_trajectories import roadrunner_module, simulate_sbml
from ..formats.recognise import SBML, format_of
from .build import check_new, write_table
from .corpus_card import header
from .harvesting import files_below, sha256_of
from .layout import DATA_FOLDER

RUN_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("molecules", pa.list_(pa.string())),
        ("time_unit", pa.string()),
        ("times_hours", pa.list_(pa.float64())),
        ("states", pa.list_(pa.float64())),
    ]
)


def run_sbml_folder(
    folder: Path, out: Path, progress: Callable[[str], object] = lambda name: None
) -> tuple[int, int]:
    """Run every SBML model of a folder, and write what they do.

    Returns:
        How many ran, and how many did not; `reports/skipped.tsv` lists why.

    Raises:
        BuildError: `out` holds files already.
        FormatError: there is no such folder, or libroadrunner is not installed.
    """
    check_new(out)
    roadrunner_module()  # without which every model would be skipped
    rows, skipped = [], []
    for path in files_below(folder):
        location = path.relative_to(folder).as_posix()
        progress(location)
        try:
            if format_of(path) is not SBML:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FormatWarning)
                run = simulate_sbml(path)
        except FormatError as error:
            skipped.append((location, error.problem))
            continue
        rows.append(
            {
                "name": stem(path),
                "sha256": sha256_of(path),
                "molecules": run.names,
                "time_unit": run.time_unit,
                "times_hours": run.times_hours,
                "states": run.states.ravel(),
            }
        )
    if not rows:
        raise FormatError("none of its models ran", path=folder)
    with whole_folder(out) as temporary:
        data = temporary / DATA_FOLDER
        data.mkdir()
        table = pa.Table.from_pylist(rows, schema=RUN_SCHEMA)
        pq.write_table(table, data / "train-00000-of-00001.parquet", compression="zstd")
        write_table(temporary / "reports" / "skipped.tsv", ("location", "reason"), skipped)
        lines = header("Models in SBML, run", "CC0", [("default", "", ["train"])])
        lines += [
            "",
            "# Models in SBML, run with their own kinetics",
            "",
            f"{len(rows)} models ran once by libroadrunner, from their initial states, to a time "
            "by which they have settled, or turned often. `states` are flat, times × molecules, in "
            "each model's own units; `time_unit` is the source's, and `times_hours` are converted "
            "from it.",
            "",
        ]
        write_text(temporary / "README.md", "\n".join(lines))
    return len(rows), len(skipped)
