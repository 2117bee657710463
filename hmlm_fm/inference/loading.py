"""Loading pretrained models by name, and making untrained ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import PreTrainedConfig
from transformers.utils import logging

from ..model.configuration_hmlm import HMLMConfig
from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .shipped import checkpoint_path


def load_pretrained(name_or_path: str | Path) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """A model, ready to predict, and its tokenizer.

    Args:
        name_or_path: of a shipped checkpoint, a folder, or a name on a hub.

    Raises:
        HMLMError: there is none, it is one of another model, or its tokenizer is not that of its
            weights: a token list of another version, or another `max_hops`.
    """
    folder, place = checkpoint_path(str(name_or_path)), f"checkpoint {name_or_path}"
    try:
        with _without_progress_bar():
            model = HMLMForSignaling.from_pretrained(folder)
            tokenizer = HMLMTokenizer.from_pretrained(folder)
    except HMLMError as error:
        raise error.at(place) from None
    except OSError as error:
        raise HMLMError(str(error), path=place) from None
    known, found = model.config.vocabulary_version, tokenizer.vocabulary.version
    # A configuration made by hand may state no version.
    if known not in ("", found):
        raise HMLMError(
            f"its token list is of version {found!r}; expected that of its weights, {known!r}: "
            "copy the vocab.json that they were saved with",
            path=place,
        )
    if tokenizer.max_hops != model.config.max_hops:
        raise HMLMError(
            f"its tokenizer has max_hops {tokenizer.max_hops}; expected that of its weights, "
            f"{model.config.max_hops}",
            path=place,
        )
    return model.eval(), tokenizer


@contextlib.contextmanager
def _without_progress_bar() -> Iterator[None]:
    """A bar for weights that are loaded within a second would only hide what a command prints."""
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def load_foundation(name_or_path: str | Path) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """As `load_pretrained`, of a checkpoint that infers gates.

    Raises:
        HMLMError: as `load_pretrained`, or it carries the gates of a tissue instead.
    """
    model, tokenizer = load_pretrained(name_or_path)
    require_foundation(model, f"checkpoint {name_or_path}")
    return model, tokenizer


def require_foundation(model: HMLMForSignaling, place: str = "the model") -> None:
    """
    Raises:
        HMLMError: the model carries the gates of a tissue, and does not infer gates.
    """
    if model.next_state.tissue is not None:
        raise HMLMError(
            "it is fine-tuned, and predicts with the gates of one network; expected a pretrained "
            "one, which infers gates",
            path=place,
        )


def untrained_model(config: PreTrainedConfig, seed: int) -> HMLMForSignaling:
    """An untrained model of a configuration; the state of torch's generator is restored."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = HMLMForSignaling(HMLMConfig.from_dict(config.to_dict())).eval()
    torch.set_rng_state(state)
    return model


def untrained_checkpoint(seed: int) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """An untrained model of the size `tiny`, and its tokenizer."""
    tokenizer = HMLMTokenizer()
    config = HMLMConfig.of_size(
        "tiny",
        vocab_size=tokenizer.vocab_size,
        vocabulary_version=tokenizer.vocabulary.version,
    )
    return untrained_model(config, seed), tokenizer
