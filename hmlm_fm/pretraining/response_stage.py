"""The third part of a pretraining run: the head for measured sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from accelerate.utils import DistributedType

from ..common.errors import OptionsError
from ..common.files import write_text
from ..common.words import by_comma
from ..dynamics.worlds import draw_many_worlds
from ..inference.figures import plot_world
from ..inference.shipped import TRAINING_FILE
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from .pretraining_options import PretrainingOptions, RunArguments
from .response_evaluation import (
    evaluate_responses,
    fit_worlds,
    predict_world,
    showing,
)
from .response_run import (
    TrainingSets,
    Worlds,
    check_held_out,
    stored_worlds,
    train_head,
    training_facts,
    training_sets,
    with_head,
)
from .response_training import ResponseSettings
from .state_evaluation import CONTEXTS

RESPONSES_FOLDER, WORLDS_FIGURE = "responses", "worlds.png"
HEAD = {"response_size": 64, "response_layers": 4}
HELD_OUT_SEED = 10**9


def check_stage(
    options: PretrainingOptions,
    arguments: RunArguments,
    held_out: Sequence[SignalingNetwork],
) -> TrainingSets:
    """The measured sets of the options, read before anything is trained.

    Args:
        options: of the run.
        arguments: of its Trainer.
        held_out: networks of which no given world may be.

    Raises:
        OptionsError: folders without worlds, worlds of held-out networks, a licence that forbids
            training, or several processes.
        FormatError: measured sets that cannot be read.
    """
    folders = [Path(folder) for folder in by_comma(options.worlds)]
    for folder in folders:
        stored_worlds(folder)
        check_held_out(folder, held_out)
    several = arguments.distributed_state.distributed_type != DistributedType.NO
    if several and options.response_steps and (folders or options.measured):
        raise OptionsError(
            "worlds and measured sets are given to several processes, and one trains the head; "
            "expected --response_steps 0, and then `hmlm responses` with what the run leaves"
        )
    return training_sets([Path(path) for path in by_comma(options.measured)], print)


def train_on_worlds(
    options: PretrainingOptions,
    arguments: RunArguments,
    model: HMLMForSignaling,
    networks: Sequence[SignalingNetwork],
    sets: TrainingSets,
) -> HMLMForSignaling:
    """The model with a head that is trained on worlds, and on measured sets where there are any.

    On several processes the model is left as it is: `hmlm responses` trains the head of what the
    run leaves.

    Args:
        options: of the run.
        arguments: of its Trainer.
        model: without a head.
        networks: that are trained on, of which worlds are drawn.
        sets: as `check_stage`.
    """
    if not options.response_steps:
        return model
    if arguments.distributed_state.distributed_type != DistributedType.NO:
        print(
            "the head for measured sets is trained by one process: `hmlm responses` does it, with "
            "what this run leaves", flush=True,
        )  # fmt: skip
        return model
    worlds: list[Worlds] = [stored_worlds(Path(folder)) for folder in by_comma(options.worlds)]
    if not worlds:
        drawn = draw_many_worlds(networks, 10**5 * options.seed)
        worlds = [[world.row() for world in islice(drawn, options.drawn_worlds)]]
        print(f"drew {options.drawn_worlds} worlds", flush=True)
    model = with_head(model, HEAD, options.seed)
    settings = ResponseSettings(
        options.response_steps, seed=options.seed + 1, loaders=options.loaders, bf16=options.bf16
    )
    folder = Path(options.output_dir, RESPONSES_FOLDER)
    history = train_head(
        model, worlds, sets, settings, options.measured_steps, folder,
        lambda line: print(line, flush=True),
    )  # fmt: skip
    facts = json.dumps(training_facts(worlds, sets, history), indent=1) + "\n"
    write_text(Path(options.output_dir, TRAINING_FILE), facts)
    return model


def evaluate_on_worlds(
    options: PretrainingOptions, model: HMLMForSignaling, networks: Sequence[SignalingNetwork]
) -> dict[str, Any] | None:
    """Errors on worlds of held-out networks, one of which is drawn into the output folder; None
    where too little moves in any."""
    drawn = (w.row() for w in draw_many_worlds(networks, HELD_OUT_SEED + 10**5 * options.seed))
    worlds = fit_worlds(drawn, options.held_out_networks)
    if not worlds:
        return None
    # The widest panel says most.
    example = showing(max(worlds, key=lambda task: task.changes.shape[1]), max(CONTEXTS))
    figure = Path(options.output_dir, WORLDS_FIGURE)
    plot_world(predict_world(model, example), max(CONTEXTS), figure)
    return evaluate_responses(model, worlds)
