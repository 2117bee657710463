"""`HMLMConfig`: the shape of a Hierarchical Molecular Language Model. Travels with checkpoints."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from .error_base import HMLMError
from .response_features import RESPONSE_PARTS

PARTS = (
    "signs",
    "conditions",
    "condition_attention",
    "inference",
    "aggregation",
    "decomposition",
    "translation",
    "pathways",
    "smoothing",
)
"""Parts that can be switched off: signs of interactions; the context's conditions, or only the
attention to them or the inference of gates from them; Ω↑, Ω↓, Ω↔; the pathway scale; and the
correction of a roll-out by its residuals at observed times."""

WHOLE_OF_PART = {"condition_attention": "conditions", "inference": "conditions"}

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 64, "embedding_size": 42, "num_hidden_layers": 4},
    "small": {"hidden_size": 160, "embedding_size": 72, "num_hidden_layers": 6},
    "base": {"hidden_size": 320, "embedding_size": 144, "num_hidden_layers": 8},
    "large": {"hidden_size": 576, "embedding_size": 288, "num_hidden_layers": 10},
}
"""Named sizes: about 1, 5, 25 and 100 million parameters."""


class HMLMConfig(PreTrainedConfig):
    """Configuration of the HMLM.

    Args:
        vocab_size: tokens in the vocabulary.
        vocabulary_version: the version of the token list whose ids the weights know.
        hidden_size: width D of every token.
        embedding_size: width of the token table, projected to `hidden_size`.
        pathway_embedding_size: columns of it that pathways vote in, the others being those that
            neighbours vote in; a third when 0.
        num_hidden_layers: blocks.
        num_attention_heads: heads H of every attention.
        intermediate_size: width of the feed-forward part; four times `hidden_size` when 0.
        num_cell_tokens: tokens of the cellular scale.
        max_hops: how far apart two molecules may be and still attend to each other.
        num_inference_rounds: how often the gates are inferred from the observations of a context,
            and the states between these from the gates, in turn.
        num_inference_steps: corrections of the gates in each round.
        response_size: width of the head for measured sets; 0 for none.
        response_layers, response_heads: its blocks, and the heads of their attention.
        response_names: width of its token table.
        disabled_response_parts: some of `RESPONSE_PARTS`, which are switched off; for ablations.
        num_timescales: of the temporal embedding, log-spaced from minutes to days.
        initializer_range: standard deviation of the initial weights.
        disabled_parts: some of `PARTS`, which are switched off; for ablations.
        tissue: of a fine-tuned model, how many members its gates have and how many logits of each
            kind its network, the model's hours per hour of the tissue, and molecule and modality of
            what was measured beside activities
            (`{"members": M, "sizes": {kind: L}, "pace": 1.0, "pairs": [[N, Y]]}`); and the
            arguments of its `discrepancy` (of states) and its `shown_discrepancy` (of values in
            other modalities), where it has any.

    Raises:
        HMLMError: a part that does not exist, heads that do not divide the width, or a token
            table too narrow for its two parts.
    """

    model_type = "hmlm"
    # Saved folders carry their own code, so that they load where the package is not installed.
    _auto_class = "AutoConfig"
    # transformers' Trainer gathers tensors, and these hold none of one size.
    keys_to_ignore_at_inference = ["gates", "encoder"]

    vocab_size: int = 3
    vocabulary_version: str = ""
    hidden_size: int = 64
    embedding_size: int = 42
    pathway_embedding_size: int = 0
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 0
    num_cell_tokens: int = 2
    max_hops: int = 2
    num_inference_rounds: int = 8
    num_inference_steps: int = 6
    response_size: int = 0
    response_layers: int = 4
    response_heads: int = 4
    response_names: int = 16
    disabled_response_parts: list[str] | None = None
    num_timescales: int = 8
    initializer_range: float = 0.02
    disabled_parts: list[str] | None = None
    tissue: dict[str, Any] | None = None
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: Any) -> None:
        self.disabled_parts = list(self.disabled_parts or ())
        self.disabled_response_parts = list(self.disabled_response_parts or ())
        for off, parts in (
            (self.disabled_parts, PARTS),
            (self.disabled_response_parts, RESPONSE_PARTS),
        ):
            unknown = [part for part in off if part not in parts]
            if unknown:
                raise HMLMError(f"unknown parts {unknown}; expected some of {', '.join(parts)}")
        if self.hidden_size % self.num_attention_heads:
            raise HMLMError(
                f"hidden_size {self.hidden_size} is not divisible by "
                f"num_attention_heads {self.num_attention_heads}"
            )
        self.intermediate_size = self.intermediate_size or 4 * self.hidden_size
        self.pathway_embedding_size = self.pathway_embedding_size or self.embedding_size // 3
        if not 0 < self.pathway_embedding_size < self.embedding_size:
            raise HMLMError(
                f"pathway_embedding_size {self.pathway_embedding_size}; expected a number "
                f"from 1 to less than embedding_size {self.embedding_size}"
            )
        super().__post_init__(**kwargs)
        # Whichever class was saved, every Auto class finds its code in the folder.
        self.auto_map = {
            "AutoConfig": "configuration_hmlm.HMLMConfig",
            "AutoModel": "modeling_hmlm.HMLMModel",
            "AutoModelForMaskedLM": "modeling_hmlm.HMLMForSignaling",
        }

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """The configuration that a checkpoint states.

        Raises:
            HMLMError: the checkpoint is one of another model.
        """
        found = config_dict.get("model_type", cls.model_type)
        if found != cls.model_type:
            raise HMLMError(
                f"the checkpoint is one of a {found!r} model; expected {cls.model_type!r}"
            )
        return super().from_dict(config_dict, **kwargs)

    @classmethod
    def of_size(cls, size: str, **overrides: Any) -> HMLMConfig:
        """The configuration of a named size.

        Raises:
            HMLMError: there is no such size.
        """
        if size not in SIZES:
            raise HMLMError(f"there is no size {size!r}; expected one of {', '.join(SIZES)}")
        return cls(**{**SIZES[size], **overrides})

    def has(self, part: str) -> bool:
        """Whether a part of `PARTS` takes part in the computation."""
        off = self.disabled_parts or ()
        return part not in off and WHOLE_OF_PART.get(part) not in off
