"""`hmlm corpus worlds`: simulated measured sets whose network is not the one that is shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..common.errors import OptionsError
from ..common.files import check_folder, whole_folder, write_text
from ..corpora.corpus_loading import load_for_training
from ..corpora.stored_rows import store_rows
from ..dynamics.worlds import draw_many_worlds
from ..pretraining.response_run import FACTS_FILE, HASH
from .plain_arguments import PlainParser, exit_code


def worlds(arguments: list[str]) -> int:
    """Draw worlds.

    Returns:
        The exit code: 0 done, 2 bad input, 130 stopped; nothing is left of a run that was stopped.
    """
    return exit_code(lambda: _worlds(parse(arguments)), "nothing is written")


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Raises:
        OptionsError: an unknown option, or a missing one.
    """
    parser = PlainParser(
        "hmlm corpus worlds",
        "Draw worlds to train the head for measured sets on (`hmlm responses`): measured sets of\n"
        "simulated cells, whose true network is not the one that is shown. Only the training side\n"
        "of a corpus is used.\n\n"
        "exit codes: 0 done, 2 bad input, 130 stopped",
        "core --count 8 --out worlds",
    )
    parser.add_argument("corpus", nargs="+", help="`core`, or folders of corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; new or empty")
    parser.add_argument("--count", type=int, default=4000, help="how many (default: 4000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first; each has its own")
    parser.add_argument("--processes", type=int, default=1, help="that draw side by side")
    return parser.parse_args(arguments)


def _worlds(options: argparse.Namespace) -> int:
    for name in ("count", "processes"):
        if getattr(options, name) < 1:
            raise OptionsError(f"--{name} is {getattr(options, name)}; expected at least 1")
    check_folder(options.out)
    networks = [n for c in options.corpus for n in load_for_training(c, 0)[1]["train"]]
    drawn = draw_many_worlds(networks, options.seed, options.processes)

    def rows() -> Iterator[Mapping[str, np.ndarray]]:
        for _, world in zip(tqdm(range(options.count), unit="world"), drawn, strict=False):
            yield world.row()

    with whole_folder(options.out) as folder:
        store_rows(rows(), folder / "rows")
        facts = {
            "corpora": [Path(c).name for c in options.corpus], "networks": len(networks),
            "count": options.count, "seed": options.seed,
            "content_hashes": sorted(n.content_hash[:HASH] for n in networks),
        }  # fmt: skip
        write_text(folder / FACTS_FILE, json.dumps(facts, indent=1) + "\n")
    print(f"{options.out}: {options.count} worlds of {len(networks)} networks")
    return 0
