"""Time constants and gates of a model as tables, and how near they are to the truth."""

from __future__ import annotations

import pandas as pd
import torch

from ..dynamics.logic_ode import LogicODE
from ..measurements.measured import Measurements
from ..model.conditions import MODALITIES, TREATMENTS
from ..model.error_base import HMLMError
from ..model.fields import to_device
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.observation import ACTIVITY
from ..model.tissue import ALWAYS, TissueGates, ValueDiscrepancy
from ..model.tokenization_hmlm import HMLMTokenizer
from ..model.transducer import MARGIN
from .context import make_context
from .prediction import model_time_scale


@torch.no_grad()
def gate_tables(
    model: HMLMForSignaling, tokenizer: HMLMTokenizer, data: Measurements
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Time constants of a fine-tuned model's molecules, and gates of its interactions' sources.

    Returns:
        molecules: molecule, tau_hours (median over members), tau_low, tau_high (their range).
        gates: target, source, sign, weight, n, ec50, all medians over members, in network order.

    Raises:
        HMLMError: the model is not fine-tuned.
    """
    tissue = _tissue_of(model)
    context = make_context(tokenizer, data.network, data.baseline)
    logits, wiring = model.infer_gates(**to_device(context, model.device))
    members = tissue.members
    gates = tissue(logits, wiring).gates(wiring.repeated(members))
    tau = gates.tau_hours_F.view(members, -1).cpu() / model_time_scale(model)
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
        return values.view(members, -1).quantile(0.5, 0).cpu()

    ec50_J = gates.c_J.clamp(MARGIN, 1 - MARGIN) ** (1 / gates.n_J)
    table = pd.DataFrame(
        {
            "target": [names[i] for i in wiring.target_J.tolist()],
            "source": [names[i] for i in wiring.source_J.tolist()],
            "sign": wiring.sign_J.cpu().numpy(),
            "weight": middle(gates.weight_I)[wiring.interaction_J.cpu()].numpy(),
            "n": middle(gates.n_J).numpy(),
            "ec50": middle(ec50_J).numpy(),
        }
    )
    return molecules, table


@torch.no_grad()
def unexplained_table(model: HMLMForSignaling, network: SignalingNetwork) -> pd.DataFrame:
    """Additive effects of treatments that gates of a fine-tuned model leave unexplained, largest
    first: where the effect of one molecule on another is large, the network may lack a path.

    Returns:
        treatment, target (a molecule, or "every condition"), molecule, modality, time_hours, effect
        (on the value, of a stimulus or a perturbation of 1); no rows where a discrepancy was not
        worthwhile.

    Raises:
        HMLMError: the model is not fine-tuned, or to a network of other size.
    """
    tissue, count = _tissue_of(model), len(network.molecules)
    expected = tissue.molecules
    if expected != count:
        raise HMLMError(
            f"the model is fine-tuned to a network of {expected} molecules; found {count} in "
            f"network {network.name!r}"
        )
    rows: list[tuple[str, str, str, str, float, float]] = []
    for discrepancy in (tissue.discrepancy, tissue.shown_discrepancy):
        if discrepancy is None:
            continue
        pairs = [(i, ACTIVITY) for i in range(count)]
        if isinstance(discrepancy, ValueDiscrepancy):
            pairs = discrepancy.pairs
        treatments = [("always", "every condition")]
        treatments += [(TREATMENTS[x // count], network.names[x % count]) for x in discrepancy.done]
        effects = discrepancy.weight.clone()
        effects[0] *= ALWAYS
        for x, t, k in torch.nonzero(effects).tolist():
            molecule, modality = pairs[k]
            hours = discrepancy.hours[t] / model_time_scale(model)
            names = (*treatments[x], network.names[molecule], MODALITIES[modality])
            rows.append((*names, hours, float(effects[x, t, k])))
    columns = ["treatment", "target", "molecule", "modality", "time_hours", "effect"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("effect", key=abs, ascending=False, ignore_index=True)


def _tissue_of(model: HMLMForSignaling) -> TissueGates:
    """
    Raises:
        HMLMError: the model is not fine-tuned.
    """
    if model.next_state.tissue is None:
        raise HMLMError(
            "the model carries no gates of a tissue; expected a fine-tuned one: fine-tune it on "
            "the measurements first (hmlm_fm.fine_tune, or hmlm finetune)"
        )
    return model.next_state.tissue


def against_truth(
    network: SignalingNetwork, molecules: pd.DataFrame, gates: pd.DataFrame
) -> dict[str, float]:
    """Spearman's correlation of fitted parameters with those of the simulator, of molecules with
    a source, by name of the parameter; parameters with one true value are left out."""
    system = LogicODE.from_network(network)
    names, interaction_J = network.names, system.interaction_of_literal
    true_gates = pd.DataFrame(
        {
            "target": [names[i] for i in system.target[interaction_J].tolist()],
            "source": [names[i] for i in system.source.tolist()],
            "weight": system.weight[interaction_J].numpy(),
            "n": system.n.numpy(),
            "ec50": (system.c ** (1 / system.n)).numpy(),
        }
    ).drop_duplicates(["target", "source"])
    gates = gates.drop_duplicates(["target", "source"])
    both = gates.merge(true_gates, on=["target", "source"], suffixes=("", "_true"))
    tau = pd.DataFrame({"molecule": names, "tau_hours_true": system.tau_hours.numpy()})
    taus = molecules.merge(tau, on="molecule")
    taus = taus[taus["molecule"].isin(set(both["target"]))]
    found = {}
    for table, columns in ((taus, ["tau_hours"]), (both, ["weight", "n", "ec50"])):
        for name in columns:
            fitted, true = table[name], table[f"{name}_true"].round(6)
            if true.nunique() > 1:
                found[name] = float(fitted.corr(true, method="spearman"))
    return found
