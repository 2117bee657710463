"""`hmlm corpus simulate`: a next-state corpus, drawn dynamics on the topologies of any corpus."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ..common.errors import OptionsError
from ..common.files import write_text
from ..corpora.corpus_loading import HELD_OUT_SHARE, load_for_training
from ..corpora.relatives import SIDES
from ..corpora.sanity import plot_behaviour, prior_density_report, published_models, report
from ..corpora.sbml_runs import run_sbml_folder
from ..corpora.trajectory_corpus import (
    SimulationSettings,
    read_trajectories,
    settings_for,
    simulate_corpus,
    trajectory_card,
)
from ..dynamics.trajectories import FEWEST_CONDITIONS
from ..formats.network_loading import load_network, load_networks
from ..model.network import SignalingNetwork
from .plain_arguments import PlainParser, exit_code

REPORTED_NETWORKS = 256


def simulate(arguments: list[str]) -> int:
    """Simulate a next-state corpus, or run SBML models as they are; a stopped run is resumed.

    Returns:
        The exit code: 0 done, 2 bad input, 130 stopped.
    """
    return exit_code(
        lambda: _simulate(parse(arguments)), "the same command resumes where it stopped"
    )


def _simulate(options: argparse.Namespace) -> int:
    for name in ("networks", "held_out", "conditions", "shard", "processes"):
        value = getattr(options, name)
        if value < 1:
            raise OptionsError(f"--{name.replace('_', '-')} is {value}; expected at least 1")
    if options.sbml:
        done, failed = run_sbml_folder(Path(options.corpus), options.out)
        print(f"{done} models ran, {failed} did not; {options.out}/reports lists which and why")
    else:
        _simulate_drawn(options)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """
    Raises:
        OptionsError: an unknown option, or a missing one.
    """
    parser = PlainParser(
        "hmlm corpus simulate",
        "Simulate a next-state corpus: drawn conditions and rates on the topologies of any\n"
        "corpus. The same command resumes a run that was stopped. With --sbml the models of a\n"
        "folder run once with their own kinetics (libroadrunner).\n\n"
        "exit codes: 0 done, 2 bad input, 130 stopped",
        "core --out core-trajectories --networks 4 --held-out 1",
    )
    parser.add_argument("corpus", help="`core`, a corpus folder, or a folder of network files")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, or to resume")
    parser.add_argument("--networks", type=int, default=1024, help="drawn for training")
    parser.add_argument("--held-out", type=int, default=64, help="for validation, and for test")
    parser.add_argument("--conditions", type=int, default=24, help="per drawn network")
    parser.add_argument("--shard", type=int, default=64, help="networks in one file")
    parser.add_argument("--seed", type=int, default=0, help="of the rows, and of the split")
    parser.add_argument(
        "--held-out-share",
        type=float,
        default=HELD_OUT_SHARE,
        help="of pathways, where the corpus states no split; that of the pretraining run",
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="side by side")
    parser.add_argument(
        "--published",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="published model with kinetics, to compare the draws with",
    )
    parser.add_argument("--sbml", action="store_true", help="run SBML models as they are")
    return parser.parse_args(arguments)


def _simulate_drawn(options: argparse.Namespace) -> None:
    # Read first: a file that cannot be read is an error before hours of work.
    published = published_models(n for path in options.published for n in load_networks(path))
    _, sides = load_for_training(options.corpus, options.seed, options.held_out_share)
    settings = settings_for(
        sides,
        options.networks,
        options.held_out,
        options.conditions,
        options.shard,
        options.seed,
    )
    if options.conditions < FEWEST_CONDITIONS:
        print(
            f"warning: {options.conditions} conditions per network; pretrain/run.py needs at least "
            f"{FEWEST_CONDITIONS}",
            file=sys.stderr,
        )
    used = [side for side in SIDES if sides[side]]
    total = sum(options.networks if side == "train" else options.held_out for side in used)
    with tqdm(total=total, unit="network", disable=not sys.stderr.isatty()) as bar:
        simulate_corpus(
            sides,
            options.out,
            settings,
            options.processes,
            progress=lambda done: bar.update(done - bar.n),
        )
    _describe(options, sides, settings, used, published)
    print(f"{total} networks are in {options.out}; see its README.md and reports/")


def _describe(
    options: argparse.Namespace,
    sides: Mapping[str, Sequence[SignalingNetwork]],
    settings: SimulationSettings,
    used: Sequence[str],
    published: Sequence[SignalingNetwork],
) -> None:
    """Write the card and the figure of a simulated corpus, and print the figures of the card."""
    made = read_trajectories(options.out, used[0], REPORTED_NETWORKS)
    lines = report(made, published) + prior_density_report(
        [*published, load_network("cardiac-fibroblast")]
    )
    plot_behaviour(made, options.out / "reports" / "behaviour.png")
    networks = [network for side in sides.values() for network in side]
    licences = sorted({network.licence for network in networks if network.licence})
    card = trajectory_card(
        Path(options.corpus).name, settings, used, lines, "; ".join(licences) or "Apache-2.0"
    )
    write_text(options.out / "README.md", card)
    print("\n".join(lines))
