"""Data of a pretraining run, to train on and to evaluate on: tokenised networks, and trajectories
of networks that are drawn from them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm
from transformers import TrainingArguments

from ..common.environment import versions
from ..common.files import read_text
from ..corpora.corpus_card import corpus_hash
from ..corpora.tokenised import TokenisedCorpus, check_place, tokenise
from ..dynamics.trajectories import FEWEST_CONDITIONS, Trajectories, make_many
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .pretraining_options import PretrainingOptions

# Seeds of held-out trajectories start here, far from those of training.
HELD_OUT_SEED = 10**6
TOKENISED_FOLDER = "tokenised"
NETWORKS_AT_ONCE = 8


def check_data(
    options: PretrainingOptions, sides: Mapping[str, Sequence[SignalingNetwork]]
) -> None:
    """Check the folders that a run reads and writes beside its corpus.

    Raises:
        FormatError: as `check_place` and `check_for_training`.
    """
    check_place(_tokenised_folder(options))
    if options.trajectories and options.next_state:
        from ..corpora.trajectory_corpus import check_for_training  # which needs pyarrow

        check_for_training(
            options.trajectories,
            sides,
            options.trajectory_networks,
            options.held_out_networks,
            FEWEST_CONDITIONS,
        )


def tokenised_corpus(
    options: PretrainingOptions,
    training: Sequence[SignalingNetwork],
    tokenizer: HMLMTokenizer,
    arguments: TrainingArguments,
) -> TokenisedCorpus:
    """The training data, made by all processes together and mapped from disk by each."""
    state = arguments.distributed_state
    process, processes = state.process_index, state.num_processes
    count = options.trajectory_networks if options.next_state else 0

    def streamed() -> Iterable[tuple[int, Trajectories]]:
        from ..corpora.streaming import stream_rows  # which needs datasets
        from ..corpora.trajectory_corpus import trajectories_from_row

        for row in stream_rows(options.trajectories, "train", process, processes, count):
            yield row["seed"], trajectories_from_row(row)

    def simulated() -> Iterable[tuple[int, Trajectories]]:
        # Networks that are simulated together share their time steps, so that portions are the
        # same on any number of processes.
        first = options.seed * count
        portions = [
            range(i, min(i + NETWORKS_AT_ONCE, count)) for i in range(0, count, NETWORKS_AT_ONCE)
        ]
        own = [number for portion in portions[process::processes] for number in portion]
        made = _simulated("training", training, [first + i for i in own], options, arguments)
        return zip(own, made, strict=True)

    key = {
        "conditions": options.conditions,
        "trajectories": _settings_of(options.trajectories)
        if options.trajectories and count
        else None,
        "seed": options.seed,
        "networks": corpus_hash(training),
        "trajectory_networks": count,
        "vocabulary": tokenizer.vocabulary.version,
        "package": versions()["hmlm_fm"],
    }
    return tokenise(
        _tokenised_folder(options),
        key,
        training,
        streamed if options.trajectories and count else simulated,
        tokenizer,
        process,
        processes,
        state.wait_for_everyone,
    )


def _settings_of(trajectories: str) -> str:
    """The settings that determine the rows of a next-state corpus, its priors included."""
    from ..corpora.trajectory_corpus import SETTINGS_FILE  # which needs pyarrow

    return read_text(Path(trajectories, SETTINGS_FILE))


def _tokenised_folder(options: PretrainingOptions) -> Path:
    return Path(options.tokenised or Path(options.output_dir, TOKENISED_FOLDER))


def _simulated(
    side: str,
    networks: Sequence[SignalingNetwork],
    seeds: Sequence[int],
    options: PretrainingOptions,
    arguments: TrainingArguments,
) -> list[Trajectories]:
    """Trajectories of drawn networks, one for each seed."""
    is_main = arguments.process_index == 0
    bar = tqdm(
        total=len(seeds),
        desc=f"simulating {side} networks",
        unit="network",
        disable=not (is_main and sys.stderr.isatty()),
    )
    started = time.perf_counter()
    processes = max(1, (os.cpu_count() or 1) // arguments.world_size)
    made = make_many(
        networks,
        seeds,
        options.conditions,
        min(processes, 8),
        NETWORKS_AT_ONCE,
        progress=lambda done: bar.update(done - bar.n),
    )
    bar.close()
    if is_main:
        seconds = time.perf_counter() - started
        print(f"simulated {len(seeds)} {side} networks in {seconds:.0f} s", flush=True)
    return made


def held_out_trajectories(
    held_out: Sequence[SignalingNetwork], options: PretrainingOptions, arguments: TrainingArguments
) -> list[Trajectories]:
    """Trajectories of held-out networks, to evaluate on."""
    count = options.held_out_networks
    if options.trajectories:
        from ..corpora.trajectory_corpus import read_trajectories  # which needs pyarrow

        return read_trajectories(options.trajectories, "test", count)
    first = HELD_OUT_SEED + options.seed * count
    return _simulated("held-out", held_out, range(first, first + count), options, arguments)
