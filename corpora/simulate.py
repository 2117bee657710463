"""Simulate a next-state corpus: drawn conditions and rates on the topologies of any corpus.

    python corpora/simulate.py core --out corpora-built/core-trajectories --networks 512
    python corpora/simulate.py corpora-built/reactome --out corpora-built/reactome-trajectories
    python corpora/simulate.py ../shared/data/biomodels --sbml --out corpora-built/biomodels-runs

A run that was stopped is gone on with by the same command. With `--sbml` the models of a folder
run once with their own kinetics (libroadrunner). Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from hmlm_fm.common.errors import FormatError
from hmlm_fm.common.files import write_text
from hmlm_fm.corpora.corpus_loading import HELD_OUT_SHARE, load_for_training
from hmlm_fm.corpora.relatives import SIDES
from hmlm_fm.corpora.sanity import plot_behaviour, prior_density_report, published_models, report
from hmlm_fm.corpora.sbml_runs import run_sbml_folder
from hmlm_fm.corpora.trajectory_corpus import (
    read_trajectories,
    settings_for,
    simulate_corpus,
    trajectory_card,
)
from hmlm_fm.dynamics.trajectories import FEWEST_CONDITIONS
from hmlm_fm.formats import load_network, load_networks
from hmlm_fm.model.network import NetworkError

REPORTED_NETWORKS = 256


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="`core`, a corpus folder, or a folder of network files")
    parser.add_argument("--out", type=Path, required=True, help="folder to make or to go on with")
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


def simulate(options: argparse.Namespace) -> None:
    # Read first, for a file that cannot be read is to be told before hours of work.
    published = published_models(n for path in options.published for n in load_networks(path))
    _, sides = load_for_training(options.corpus, options.seed, options.held_out_share)
    networks = [network for side in sides.values() for network in side]
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
    total = options.networks * ("train" in used) + options.held_out * (
        len(used) - ("train" in used)
    )
    with tqdm(total=total, unit="network", disable=not sys.stderr.isatty()) as bar:
        simulate_corpus(
            sides,
            options.out,
            settings,
            options.processes,
            progress=lambda done: bar.update(done - bar.n),
        )
    made = read_trajectories(options.out, used[0], REPORTED_NETWORKS)
    lines = report(made, published) + prior_density_report(
        [*published, load_network("cardiac-fibroblast")]
    )
    plot_behaviour(made, options.out / "reports" / "behaviour.png")
    licences = sorted({network.licence for network in networks if network.licence})
    card = trajectory_card(
        Path(options.corpus).name, settings, used, lines, "; ".join(licences) or "Apache-2.0"
    )
    write_text(options.out / "README.md", card)
    print("\n".join(lines))
    print(f"{total} networks are in {options.out}; see its README.md and reports/")


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        for name in ("networks", "held_out", "conditions", "shard", "processes"):
            if getattr(options, name) < 1:
                raise ValueError(f"--{name} is {getattr(options, name)}; expected at least 1")
        if options.sbml:
            done, failed = run_sbml_folder(Path(options.corpus), options.out)
            print(f"{done} models ran, {failed} did not; {options.out}/reports says which and why")
        else:
            simulate(options)
    except (FormatError, NetworkError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
