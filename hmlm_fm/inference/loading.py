"""Models to begin with: pretrained ones by their names, and untrained ones."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedConfig

from ..model.configuration_hmlm import HMLMConfig
from ..model.errors import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.tokenization_hmlm import HMLMTokenizer
from .shipped import checkpoint_path


def load_pretrained(name_or_path: str | Path) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """A model, ready to be asked, and its tokenizer.

    Args:
        name_or_path: of a shipped checkpoint, a folder, or a name on a hub.

    Raises:
        OSError, ValueError: there is none, it is one of another model, or its tokenizer is not that
            of its weights: a token list of another version, or another `max_hops`.
    """
    folder = checkpoint_path(str(name_or_path))
    try:
        model = HMLMForSignaling.from_pretrained(folder)
        tokenizer = HMLMTokenizer.from_pretrained(folder)
    except OSError as error:  # which may not say of what
        raise OSError(f"checkpoint {name_or_path}: {error}") from None
    known, found = model.config.vocabulary_version, tokenizer.vocabulary.version
    # Configurations made by hand may state none.
    if known not in ("", found):
        raise HMLMError(
            f"checkpoint {name_or_path}: its token list is of version {found!r}; expected that of "
            f"its weights, {known!r}: copy the vocab.json that they were saved with"
        )
    if tokenizer.max_hops != model.config.max_hops:
        raise HMLMError(
            f"checkpoint {name_or_path}: its tokenizer has max_hops {tokenizer.max_hops}; expected "
            f"that of its weights, {model.config.max_hops}"
        )
    return model.eval(), tokenizer


def load_untuned(name_or_path: str | Path) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """As `load_pretrained`, of a checkpoint that infers gates.

    Raises:
        OSError, ValueError: as `load_pretrained`, or it carries the gates of a tissue instead.
    """
    model, tokenizer = load_pretrained(name_or_path)
    refuse_tissue(model, f"checkpoint {name_or_path}")
    return model, tokenizer


def refuse_tissue(model: HMLMForSignaling, named: str = "the model") -> None:
    """
    Raises:
        ValueError: the model carries the gates of a tissue, and infers none any more.
    """
    if model.next_state.tissue is not None:
        raise HMLMError(
            f"{named} is fine-tuned, so that it infers no gates any more; expected a pretrained one"
        )


def untrained_model(config: PreTrainedConfig, seed: int) -> HMLMForSignaling:
    """A model of a configuration that has learned nothing, and takes nothing of torch's seed."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = HMLMForSignaling(HMLMConfig.from_dict(config.to_dict())).eval()
    torch.set_rng_state(state)
    return model
