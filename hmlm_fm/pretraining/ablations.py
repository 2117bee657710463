"""Ablations of a trained model: held-out errors with each part switched off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..dynamics.trajectories import Trajectories
from ..model.configuration_hmlm import PARTS
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .masked_evaluation import evaluate_masked_molecules
from .state_evaluation import evaluate_modalities, evaluate_next_state


def evaluate_ablations(
    model: HMLMForSignaling,
    tokenizer: HMLMTokenizer,
    training: Sequence[SignalingNetwork],
    held_out: Sequence[SignalingNetwork],
    trajectories: Sequence[Trajectories],
) -> dict[str, dict[str, float]]:
    """Held-out errors of a trained model with each part switched off, `none` being the whole.

    Returns:
        per part, the errors of states with each size of context, of states when the context has
        several modalities, of values in the other modalities, and of masked molecules.
    """
    table = {}
    whole = list(model.config.disabled_parts)
    try:
        for part in ("none", *PARTS):
            model.config.disabled_parts = whole if part == "none" else [*whole, part]
            row = {}
            if trajectories:
                next_state = evaluate_next_state(model, tokenizer, trajectories, trajectories)
                row = {f"mse_{c}": e["mse"] for c, e in next_state["by_context"].items()}
                modalities = evaluate_modalities(model, tokenizer, trajectories)
                row["mixed_modalities_rmse"] = modalities.pop("activity")["rmse"]
                row["values_rmse"] = float(np.mean([m["rmse"] for m in modalities.values()]))
            masked = evaluate_masked_molecules(model, tokenizer, training, held_out)
            row["masked_cross_entropy"] = masked["cross_entropy"]
            table[part] = row | {"masked_top10": masked["top10"]}
    finally:
        model.config.disabled_parts = whole
    return table
