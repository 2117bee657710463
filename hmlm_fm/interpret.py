"""What a molecule has learned, as tables: time constants and gates."""

from __future__ import annotations

import pandas as pd
import torch

from .finetuning import TissueData
from .modeling_hmlm import HMLMForSignaling
from .pipeline import encode_context
from .tokenization_hmlm import HMLMTokenizer
from .transducer import MARGIN


@torch.no_grad()
def gate_tables(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: TissueData
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Time constants of a fine-tuned model's molecules, and gates of its interactions' sources.

    Returns:
        molecules: molecule, tau_hours (median over members), tau_low, tau_high (their range).
        gates: target, source, sign, weight, n, ec50, all medians over members, in network order.
    """
    assert model.next_state.tissue is not None
    context = encode_context(tokenizer, data.network, data.baseline)
    logits, wiring = model.infer_gates(**context)
    members = model.next_state.tissue.members
    of_all = model.next_state.tissue(logits, wiring)
    repeated = wiring.repeated(members)
    gates = of_all.gates(repeated)
    tau = gates.tau_hours_F.view(members, -1)
    molecules = pd.DataFrame(
        {
            "molecule": data.network.names,
            "tau_hours": tau.quantile(0.5, 0).numpy(),
            "tau_low": tau.min(0).values.numpy(),
            "tau_high": tau.max(0).values.numpy(),
        }
    )
    names = data.network.names

    def middle(values: torch.Tensor) -> torch.Tensor:
        return values.view(members, -1).quantile(0.5, 0)

    ec50_J = gates.c_J.clamp(MARGIN, 1 - MARGIN) ** (1 / gates.n_J)
    table = pd.DataFrame(
        {
            "target": [names[i] for i in wiring.target_J.tolist()],
            "source": [names[i] for i in wiring.source_J.tolist()],
            "sign": wiring.sign_J.numpy(),
            "weight": middle(gates.weight_I)[wiring.interaction_J].numpy(),
            "n": middle(gates.n_J).numpy(),
            "ec50": middle(ec50_J).numpy(),
        }
    )
    return molecules, table
