"""From networks, conditions and measurements to predicted states: what stands above the tensors.

Shapes: C measured conditions, T times, N molecules, Q asked conditions, U query times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedConfig

from .batch_graph import moved
from .checkpoints import checkpoint_path
from .conditions import LONGEST_HOURS, MODALITIES, Condition, Observation
from .configuration_hmlm import HMLMConfig
from .formats import load_network
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .tokenization_hmlm import (
    HMLMTokenizer,
    check_baseline,
    check_observation,
    encode_conditions,
)

NETWORK_FILE = "network.json"
BASELINE_FILE = "baseline.csv"


@dataclass(frozen=True)
class Prediction:
    """Predicted states, or values in another modality (Q, U, N), with their standard deviations;
    molecules in network order."""

    states: np.ndarray
    scale: np.ndarray


def encode_context(
    tokenizer: HMLMTokenizer,
    network: SignalingNetwork,
    baseline: np.ndarray | None,
    conditions: Sequence[Condition] = (),
    observations: Sequence[Sequence[Observation]] = (),
) -> dict[str, torch.Tensor]:
    """A network with what is known of it, as a batch of one.

    Args:
        baseline: (N) the state at rest, in [0, 1]; NaN where it is not known.
    """
    at_rest = None
    if baseline is not None:
        at_rest = {
            name: float(value)
            for name, value in zip(network.names, baseline, strict=True)
            if np.isfinite(value)
        }
    return dict(
        tokenizer(
            network,
            conditions=list(conditions) if len(conditions) else None,
            observations=list(observations) if len(conditions) else None,
            baseline=at_rest,
            return_tensors="pt",
            # Molecules without a token are nothing to warn of at every question.
            warn_unknown=False,
        )
    )


@torch.no_grad()
def predict_states(
    model: HMLMForSignaling,
    context: Mapping[str, torch.Tensor],
    network: SignalingNetwork,
    conditions: Sequence[Condition],
    hours: Sequence[float] | np.ndarray,
    observed: tuple[np.ndarray, np.ndarray] | None = None,
    modality: str = "activity",
) -> Prediction:
    """States of asked conditions, all from the baseline that the context states.

    Args:
        context: of `encode_context`.
        conditions: Q of them.
        hours: (U) query times, the same for all.
        observed: what was seen of the asked conditions themselves: times in hours (T), and states
            (Q, T, N), NaN where nothing was. The answer uses it on both sides of a time.
        modality: of `MODALITIES`: what the states show in it, instead of the states themselves.

    Raises:
        ValueError: there is no such modality, or a time is negative, beyond `LONGEST_HOURS` or no
            number.
    """
    if modality not in MODALITIES:
        raise ValueError(f"modality {modality!r}; expected one of {', '.join(MODALITIES)}")
    hours = np.asarray(hours, dtype=float)
    if hours.ndim != 1:
        raise ValueError(f"hours are {hours.tolist()!r}; expected a list of times")
    if not ((hours >= 0) & (hours <= LONGEST_HOURS)).all():
        raise ValueError(f"hours are {hours.tolist()}; expected times from 0 to {LONGEST_HOURS:g}")
    count, molecules = len(conditions), len(network.molecules)
    if not count or not len(hours):
        nothing = np.zeros((count, len(hours), molecules), dtype=np.float32)
        return Prediction(nothing, nothing)
    question: dict[str, Any] = encode_conditions(network, conditions, "query_")
    question["query_hours"] = np.tile(np.asarray(hours, dtype=np.float32), (count, 1))
    tensors = {name: torch.from_numpy(value)[None] for name, value in question.items()}
    if "baseline_state" in context:
        shape = (1, count, molecules)
        tensors["query_initial_state"] = context["baseline_state"][:, None].expand(shape)
        tensors["query_initial_mask"] = context["baseline_mask"][:, None].expand(shape)
    if observed is not None:
        seen_hours, states = observed
        tensors["query_observation_hours"] = torch.tensor(
            np.tile(seen_hours, (1, count, 1)), dtype=torch.float32
        )
        value = torch.tensor(states[None], dtype=torch.float32)
        tensors["query_observation_mask"] = value.isfinite()
        tensors["query_observation_value"] = value.nan_to_num()
    batch = {**context, **tensors}
    output = model(**moved(batch, model.device))
    told, scale = output.states, output.states_scale
    if modality != "activity":
        y = MODALITIES.index(modality)
        told, scale = output.modality_values[..., y], output.modality_scale[..., y]
    return Prediction(told[0].cpu().numpy(), scale[0].cpu().numpy())


def load_pretrained(name_or_path: str | Path) -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """A model, ready to be asked, and its tokenizer.

    Args:
        name_or_path: of a shipped checkpoint, a folder, or a name on a hub.

    Raises:
        OSError, ValueError: there is none, or it is one of another model.
    """
    folder = checkpoint_path(str(name_or_path))
    model = HMLMForSignaling.from_pretrained(folder)
    return model.eval(), HMLMTokenizer.from_pretrained(folder)


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
        raise ValueError(
            f"{named} is fine-tuned, so that it infers no gates any more; expected a pretrained one"
        )


def untrained_model(config: PreTrainedConfig, seed: int) -> HMLMForSignaling:
    """A model of a configuration that has learned nothing, and takes nothing of torch's seed."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = HMLMForSignaling(HMLMConfig.from_dict(config.to_dict())).eval()
    torch.set_rng_state(state)
    return model


class SignalingPipeline:
    """A model, its tokenizer and one network: conditions in, a table of states out.

    pipeline = SignalingPipeline.from_pretrained("outputs/finetune-cardiac-fibroblast")
    pipeline({"treated": Condition({"TGFB": 0.8})}, hours=[0, 6, 24])
    """

    def __init__(
        self,
        model: HMLMForSignaling,
        tokenizer: HMLMTokenizer,
        network: SignalingNetwork,
        baseline: Mapping[str, float] | None = None,
        measured: Sequence[tuple[Condition, Sequence[Observation]]] = (),
    ) -> None:
        """
        Args:
            baseline: state at rest by molecule, in [0, 1]; the model's own guess where nothing is
                said.
            measured: conditions with what was observed of each, as context.

        Raises:
            NetworkError: a molecule that the network has not.
            ValueError: a state at rest or an observation out of range; or something was measured
                and the model is fine-tuned, whose gates it could not correct any more.
        """
        if measured:
            refuse_tissue(model)
        self.model, self.tokenizer, self.network = model.eval(), tokenizer, network
        known = None
        if baseline is not None:
            check_baseline(baseline, network)
            known = np.array([baseline.get(name, np.nan) for name in network.names])
        self.context = encode_context(
            tokenizer,
            network,
            known,
            [condition for condition, _ in measured],
            [seen for _, seen in measured],
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """A fine-tuned folder, with the network and the baseline that it was fine-tuned on.

        Raises:
            OSError, ValueError: it is none.
        """
        folder = Path(folder)
        if not (folder / BASELINE_FILE).is_file():
            raise FileNotFoundError(
                f"{folder}: there is no {BASELINE_FILE} in it; expected the folder of a fine-tuned "
                "model (of a pretrained one, pass the model, its tokenizer and a network)"
            )
        # A molecule may be called NA, and folders of before hold states as they were measured.
        table = pd.read_csv(
            folder / BASELINE_FILE, dtype={"molecule": str, "state": float}, keep_default_na=False
        )
        return cls(
            *load_pretrained(folder),
            load_network(folder / NETWORK_FILE),
            dict(zip(table["molecule"], table["state"].clip(0, 1), strict=True)),
        )

    def __call__(
        self,
        conditions: Mapping[str, Condition],
        hours: Sequence[float],
        modality: str = "activity",
        observed: Mapping[str, Sequence[Observation]] | None = None,
    ) -> pd.DataFrame:
        """Columns condition, molecule, time_hours, state (in [0, 1]) and sd.

        Args:
            modality: of `MODALITIES`; of another one than the activity the column is value instead
                of state, in the unit of what the model was fitted to or shown. Fine-tuned, sd is
                that of the state as the modality shows it.
            observed: activities that were seen of asked conditions themselves, by their names. They
                correct what is said of the same molecule before and after, and narrow its sd.

        Raises:
            NetworkError: a molecule that the network has not.
            ValueError: as `predict_states`; or something was observed of a condition that is
                not asked, in another modality than the activity, or out of range.
        """
        found = predict_states(
            self.model, self.context, self.network, list(conditions.values()), hours,
            self._as_seen(list(conditions), observed or {}), modality,
        )  # fmt: skip
        names, molecules = list(conditions), list(self.network.names)
        return pd.DataFrame(
            {
                "condition": np.repeat(names, len(hours) * len(molecules)),
                "molecule": np.tile(molecules, len(names) * len(hours)),
                "time_hours": np.tile(np.repeat(hours, len(molecules)), len(names)),
                "state" if modality == "activity" else "value": found.states.ravel(),
                "sd": found.scale.ravel(),
            }
        )

    def _as_seen(
        self, asked: Sequence[str], observed: Mapping[str, Sequence[Observation]]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Times, and states (Q, T, N), NaN where nothing was seen; None where nothing was at all.

        Replicates of one state are averaged.
        """
        index = self.network.molecule_index
        for name, of_condition in observed.items():
            if name not in asked:
                raise ValueError(
                    f"condition {name!r} was observed and is not asked; asked are "
                    f"{', '.join(map(repr, asked))}"
                )
            for row, o in enumerate(of_condition, start=1):
                where = f"condition {name!r}, observation {row}"
                check_observation(o, self.network, where)
                if o.modality != "activity":
                    raise ValueError(f"{where}: modality {o.modality!r}; expected 'activity'")
        every = [o for of_condition in observed.values() for o in of_condition]
        if not every:
            return None
        hours = sorted({o.time_hours for o in every})
        total = np.zeros((len(asked), len(hours), len(index)))
        count = np.zeros_like(total)
        for q, name in enumerate(asked):
            for o in observed.get(name, ()):
                place_of = (q, hours.index(o.time_hours), index[o.molecule])
                total[place_of] += o.value
                count[place_of] += 1
        with np.errstate(invalid="ignore"):
            return np.array(hours), total / count
