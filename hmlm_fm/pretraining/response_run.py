"""A run that trains the head for measured sets: on worlds, then on measured sets, into a folder.

`hmlm responses` is the command line of this module; `hmlm pretrain` trains the head by it as well.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..common.environment import environment
from ..common.errors import OptionsError
from ..common.files import check_folder, read_text, whole_folder, write_text
from ..corpora.measured_sources import load_measured_sets
from ..corpora.same_measurements import values_hash
from ..corpora.stored_rows import FIELDS_FILE, StoredRows
from ..corpora.training_licences import may_be_trained_on
from ..inference.loading import load_foundation
from ..inference.shipped import TRAINING_FILE, checkpoint_path
from ..measurements.response_tasks_of_sets import whole_task
from ..model.configuration_hmlm import HMLMConfig
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.response_features import ResponseTask
from .model_card import add_head_to_card
from .response_options import ResponseOptions
from .response_tasks import task_of_set, task_of_world
from .response_training import ResponseLog, ResponseSettings, train_responses
from .resuming import last_checkpoint

Log = Callable[[str], object]
Worlds = Sequence[Mapping[str, np.ndarray]]
"""As stored by `World.row`."""

FEWEST_CONDITIONS = 12
SHARE_OF_WORLDS = 0.4
"""Of the tasks beside measured sets, so that little is forgotten."""
OPTIONS_FILE, FACTS_FILE = "options.json", "worlds.json"
KEPT_FILES = ("README.md", "metrics.json", "training_info.json")
HASH = 16
"""Characters of a network's hash by which worlds know it."""
SET_RATE = 4e-4
"""The learning rate of the second stage, in which little should be forgotten."""


@dataclass(frozen=True)
class TrainingSets:
    """Measured sets to train on.

    Attributes:
        tasks: of whole sets, by study and name.
        stated: what `responses.json` says of each: name, study, source, licence, and the hash of
            its values.
    """

    tasks: Mapping[str, Mapping[str, ResponseTask]]
    stated: Sequence[Mapping[str, str]]


def run_response_training(options: ResponseOptions, log: Log = print) -> dict[str, Any]:
    """Train, and write the checkpoint; returns what `responses.json` holds.

    Raises:
        OptionsError: no worlds, sets whose licence forbids training, or a folder that is not new.
        HMLMError: a checkpoint, or measurements, that cannot be read.
    """
    check_folder(options.out)
    if not options.worlds:
        raise OptionsError("no worlds; expected folders of `hmlm corpus worlds`")
    worlds = [stored_worlds(folder) for folder in options.worlds]
    sets = training_sets(options.sets, log)
    model, tokenizer = load_foundation(options.checkpoint)
    shape = {"response_size": options.size, "response_layers": options.layers}
    model = with_head(model, shape | {"disabled_response_parts": options.without}, options.seed)
    run = _run_folder(options)
    settings = ResponseSettings(
        options.steps, seed=options.seed, loaders=options.loaders, bf16=options.bf16
    )
    history = train_head(model, worlds, sets, settings, options.set_steps, run, log)
    facts = {"options": _stated(options)} | training_facts(worlds, sets, history)
    before = Path(checkpoint_path(options.checkpoint))
    with whole_folder(options.out) as folder:
        # What is known of the rest of the model stays true.
        for name in KEPT_FILES:
            if (before / name).is_file():
                write_text(folder / name, read_text(before / name))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_text(folder / TRAINING_FILE, json.dumps(facts, indent=1) + "\n")
        add_head_to_card(folder, facts)
    shutil.rmtree(run)
    return facts


def training_facts(
    worlds: Sequence[Worlds], sets: TrainingSets, history: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """What `responses.json` says of how a head was trained."""
    return {
        "worlds": sum(map(len, worlds)),
        "sets": list(sets.stated),
        "error_over_ruler": dict(history),
        "environment": environment(),
    }


def train_head(
    model: HMLMForSignaling,
    worlds: Sequence[Worlds],
    sets: TrainingSets,
    settings: ResponseSettings,
    set_steps: int,
    folder: Path,
    log: Log,
) -> dict[str, list[float]]:
    """Train a model's head on worlds, then on measured sets where there are any.

    Args:
        model: with a head for measured sets.
        worlds: in one or several folders.
        sets: of the second stage, perhaps none.
        settings: of the first stage.
        set_steps: of the second one.
        folder: for checkpoints; what a run that was stopped has left there is gone on with.
        log: is called with a line now and then.

    Returns:
        The errors over the ruler's along each stage.
    """
    nothing: Mapping[str, Mapping[str, ResponseTask]] = {}
    stages = [("worlds", settings, nothing)]
    if sets.tasks:
        after = replace(settings, steps=set_steps, rate=SET_RATE, seed=settings.seed + 1)
        stages.append(("measured sets", after, sets.tasks))
    history = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, of_stage, own in stages:
        place = folder / name.replace(" ", "-")
        if (last := last_checkpoint(place)) is not None:
            log(f"{name}: going on from step {last.name.partition('-')[2]}")
        lines = ResponseLog(name, of_stage.steps, place.with_suffix(".tsv"), log)
        train_responses(model, Draws(worlds, own), of_stage, place, lines)
        history[name] = lines.history
    return history


def _run_folder(options: ResponseOptions) -> Path:
    """The folder beside that of the result, from which a run that was stopped goes on.

    Raises:
        OptionsError: it is of a run with other options.
    """
    folder = options.out.with_name(f"{options.out.name}.run")
    stated = _stated(options) | {
        "worlds": [str(path.resolve()) for path in options.worlds],
        "sets": [str(path.resolve()) for path in options.sets],
    }
    if not (folder / OPTIONS_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / OPTIONS_FILE, json.dumps(stated))
    before = json.loads(read_text(folder / OPTIONS_FILE))
    changed = sorted(k for k in {*before, *stated} if before.get(k) != stated.get(k))
    if changed:
        raise OptionsError(
            f"a run that was stopped had other {', '.join(changed)}; expected the same, or that "
            "this folder is removed", path=folder,
        )  # fmt: skip
    return folder


def stored_worlds(folder: Path) -> StoredRows:
    """
    Raises:
        OptionsError: the folder holds no worlds.
    """
    rows = folder / "rows"
    if not (rows / FIELDS_FILE).is_file():
        raise OptionsError(
            "it holds no worlds; expected a folder of `hmlm corpus worlds`", path=folder
        )
    return StoredRows(rows)


def check_held_out(folder: Path, networks: Sequence[SignalingNetwork]) -> None:
    """
    Raises:
        OptionsError: worlds were drawn of networks that a run holds out, or do not say of which.
    """
    facts = folder / FACTS_FILE
    stated = json.loads(read_text(facts)) if facts.is_file() else {}
    if "content_hashes" not in stated:
        raise OptionsError(
            f"{FACTS_FILE} does not state of which networks its worlds were drawn; expected a "
            "folder of `hmlm corpus worlds`", path=folder,
        )  # fmt: skip
    shared = {n.content_hash[:HASH] for n in networks} & set(stated["content_hashes"])
    if shared:
        raise OptionsError(
            f"{len(shared)} of the {len(networks)} networks that this run holds out were drawn "
            "from; expected worlds of the same corpus, seed and held-out share", path=folder,
        )  # fmt: skip


def training_sets(paths: Sequence[Path], log: Log) -> TrainingSets:
    """The measured sets of files, folders and corpora.

    Args:
        paths: files, folders and corpora.
        log: is told what is left out, and why.

    Raises:
        OptionsError: a licence that forbids training, or that is not stated; or no set that has
            enough conditions.
    """
    if not paths:
        return TrainingSets({}, ())
    loaded = load_measured_sets(paths)
    for problem in (*loaded.skipped, *loaded.warnings):
        log(f"{problem.location}: {problem.reason}")
    found: dict[str, dict[str, ResponseTask]] = {}
    stated = []
    for measured in loaded.sets:
        if not may_be_trained_on(measured.licence):
            raise OptionsError(
                f"{measured.name}: its licence is {measured.licence or 'not stated'!r}; expected "
                "one that allows training (MIT, BSD, Apache, CC0, CC BY), as set.json states it"
            )
        task = whole_task(measured)
        if len(task.doses) >= FEWEST_CONDITIONS:
            found.setdefault(measured.study, {})[measured.name] = task
            names = ("name", "study", "source", "licence")
            known = {name: str(getattr(measured, name)) for name in names}
            stated.append(known | {"values": values_hash(measured)})
        else:
            log(f"{measured.name}: left out, it has {len(task.doses)} distinct conditions")
    if not found:
        raise OptionsError(
            f"none of {len(loaded.sets)} measured sets has {FEWEST_CONDITIONS} distinct conditions"
        )
    return TrainingSets(found, stated)


def with_head(model: HMLMForSignaling, shape: Mapping[str, Any], seed: int) -> HMLMForSignaling:
    """The model with a head for measured sets; its own, or one that is untrained.

    Args:
        model: that gets the head.
        shape: of a new one, as in its configuration.
        seed: of a new one's weights.
    """
    if model.responses is not None:
        return model
    torch.manual_seed(seed)
    larger = HMLMForSignaling(HMLMConfig.from_dict(model.config.to_dict() | dict(shape)))
    larger.set_attn_implementation(model.config._attn_implementation)
    missing = larger.load_state_dict(model.state_dict(), strict=False).missing_keys
    assert all(name.startswith("responses.") for name in missing), missing
    larger.to(model.device)  # type: ignore[arg-type]
    return larger.eval()


class Draws:
    """Draws tasks of worlds, and of measured sets where there are any.

    Args:
        worlds: stored.
        sets: whole tasks by study and name; each study counts alike.
    """

    def __init__(
        self, worlds: Sequence[Worlds], sets: Mapping[str, Mapping[str, ResponseTask]]
    ) -> None:
        self.worlds, self.ends = worlds, np.cumsum([len(rows) for rows in worlds])
        self.studies = [list(own.values()) for own in sets.values()]

    def __call__(self, rng: np.random.Generator) -> ResponseTask | None:
        if self.studies and rng.random() > SHARE_OF_WORLDS:
            own = self.studies[int(rng.integers(len(self.studies)))]
            return task_of_set(own[int(rng.integers(len(own)))], rng)
        at = int(rng.integers(self.ends[-1]))
        part = int(np.searchsorted(self.ends, at, side="right"))
        rows = self.worlds[part]
        return task_of_world(rows[at - int(self.ends[part]) + len(rows)], rng)


def _stated(options: ResponseOptions) -> dict[str, Any]:
    """The options that make the result what it is."""
    return {
        key: [Path(one).name for one in value] if isinstance(value, list) else value
        for key, value in asdict(options).items()
        if key not in ("out", "loaders")
    }
