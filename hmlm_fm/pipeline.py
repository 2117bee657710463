"""From networks, conditions and measurements to tables of states: what stands above the tensors.

Shapes: Q asked conditions, T times, N molecules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from .conditions import Condition, Observation
from .formats import load_network
from .modeling_hmlm import HMLMForSignaling
from .network import SignalingNetwork
from .pace import condition_at, observation_at, pace_of, pace_of_tissue
from .prediction import context_of, predict_states
from .pretrained import load_pretrained, refuse_tissue
from .tokenization_hmlm import HMLMTokenizer, check_baseline, check_observation

NETWORK_FILE = "network.json"
BASELINE_FILE = "baseline.csv"


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
            baseline: state at rest by molecule, in [0, 1]; of others, where the model's gates
                stand still.
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
        times = [o.time_hours for _, seen in measured for o in seen]
        self.pace = pace_of(times) if measured else pace_of_tissue(model)
        self.context = context_of(
            tokenizer,
            network,
            known,
            [condition_at(condition, self.pace) for condition, _ in measured],
            [[observation_at(o, self.pace) for o in seen] for _, seen in measured],
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
        if not isinstance(conditions, Mapping) or not all(
            isinstance(condition, Condition) for condition in conditions.values()
        ):
            raise ValueError(
                f"conditions are {conditions!r}; expected conditions by their names, such as "
                '{"treated": Condition({"TGFB": 0.8})}'
            )
        names = list(conditions)
        found = predict_states(
            self.model, self.context, self.network, list(conditions.values()), hours,
            self._as_seen(list(conditions), observed or {}), modality, self.pace,
        )  # fmt: skip
        molecules = list(self.network.names)
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
