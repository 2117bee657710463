"""From networks, conditions and measurements to tables of states: what stands above the tensors.

Shapes: Q asked conditions, T times, N molecules.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from ..formats import load_network
from ..measurements.time_scale import scale_condition, scale_observation, time_scale_for
from ..model.conditions import Condition, Observation
from ..model.errors import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer, check_baseline, check_observation
from .context import make_context
from .loading import load_pretrained, refuse_tissue
from .prediction import model_time_scale, predict_states

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
        measured: Iterable[tuple[Condition, Sequence[Observation]]] = (),
    ) -> None:
        """
        Args:
            baseline: state at rest by molecule, in [0, 1]; of others, where the model's gates
                stand still.
            measured: conditions with what was observed of each, as context. All observations count
                alike: their `sd_value` is not used, and a warning says so.

        Raises:
            NetworkError: a molecule that the network has not.
            ValueError: a state at rest or an observation out of range; what was measured is no
                list of pairs of a condition and its observations; or something was measured and
                the model is fine-tuned, whose gates it could not correct any more.
        """
        measured = _as_pairs(measured)
        _warn_of_deviations(seen for _, seen in measured)
        if measured:
            refuse_tissue(model)
        self.model, self.tokenizer, self.network = model.eval(), tokenizer, network
        known = None
        if baseline is not None:
            check_baseline(baseline, network)
            known = np.array([baseline.get(name, np.nan) for name in network.names])
        times = [o.time_hours for _, seen in measured for o in seen]
        self.pace = time_scale_for(times) if measured else model_time_scale(model)
        self.context = make_context(
            tokenizer,
            network,
            known,
            [scale_condition(condition, self.pace) for condition, _ in measured],
            [[scale_observation(o, self.pace) for o in seen] for _, seen in measured],
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
        hours: Iterable[float],
        modality: str = "activity",
        observed: Mapping[str, Sequence[Observation]] | None = None,
    ) -> pd.DataFrame:
        """Columns condition, molecule, time_hours, state (in [0, 1]) and sd.

        Args:
            hours: times, the same for all conditions.
            modality: of `MODALITIES`; of another one than the activity the column is value instead
                of state, in the unit of what the model was fitted to or shown. Fine-tuned, sd is
                that of the state as the modality shows it.
            observed: activities that were seen of asked conditions themselves, by their names. They
                correct what is said of the same molecule before and after, and narrow its sd. All
                count alike: their `sd_value` is not used, and a warning says so.

        Raises:
            NetworkError: a molecule that the network has not.
            ValueError: as `predict_states`; conditions or observations are not given by name; or
                something was observed of a condition that is not asked, in another modality than
                the activity, or out of range.
        """
        if not isinstance(conditions, Mapping) or not all(
            isinstance(condition, Condition) for condition in conditions.values()
        ):
            raise HMLMError(
                f"conditions are {conditions!r}; expected conditions by their names, such as "
                '{"treated": Condition({"TGFB": 0.8})}'
            )
        names = list(conditions)
        seen = _by_name(observed or {})
        _warn_of_deviations(seen.values())
        # A number is no times, which is told below, and neither is an array that holds one.
        times = list(hours) if np.iterable(hours) else hours
        found = predict_states(
            self.model, self.context, self.network, list(conditions.values()), times,
            self._as_seen(names, seen), modality, self.pace,
        )  # fmt: skip
        molecules = list(self.network.names)
        return pd.DataFrame(
            {
                "condition": np.repeat(names, len(times) * len(molecules)),
                "molecule": np.tile(molecules, len(names) * len(times)),
                "time_hours": np.tile(np.repeat(times, len(molecules)), len(names)),
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
                raise HMLMError(
                    f"condition {name!r} was observed and is not asked; asked are "
                    f"{', '.join(map(repr, asked))}"
                )
            for row, o in enumerate(of_condition, start=1):
                where = f"condition {name!r}, observation {row}"
                check_observation(o, self.network, where)
                if o.modality != "activity":
                    raise HMLMError(f"{where}: modality {o.modality!r}; expected 'activity'")
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


def _as_pairs(
    measured: Iterable[tuple[Condition, Sequence[Observation]]],
) -> list[tuple[Condition, list[Observation]]]:
    """
    Raises:
        ValueError: it is something else.
    """
    pairs = list(measured.items() if isinstance(measured, Mapping) else measured)
    if not all(
        isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], Condition)
        for pair in pairs
    ):
        raise HMLMError(
            f"measured is {measured!r}; expected conditions, each with what was observed of it, "
            'such as [(Condition({"TGFB": 0.8}), [Observation("smad3", 6, 0.5)])]'
        )
    return [(condition, _as_observations(seen)) for condition, seen in pairs]


def _by_name(observed: Mapping[str, Sequence[Observation]]) -> dict[str, list[Observation]]:
    """
    Raises:
        ValueError: it is something else.
    """
    if not isinstance(observed, Mapping):
        raise HMLMError(
            f"observed is {observed!r}; expected observations by the names of their conditions, "
            'such as {"treated": [Observation("smad3", 6, 0.5)]}'
        )
    return {name: _as_observations(seen) for name, seen in observed.items()}


def _as_observations(seen: Iterable[Observation]) -> list[Observation]:
    """
    Raises:
        ValueError: it is something else.
    """
    observations = list(seen) if np.iterable(seen) else [seen]
    for o in observations:
        if not isinstance(o, Observation):
            raise HMLMError(
                f'{o!r} is no observation; expected one such as Observation("smad3", 6, 0.5)'
            )
    return observations


def _warn_of_deviations(observations: Iterable[Sequence[Observation]]) -> None:
    if any(o.sd_value is not None for of_condition in observations for o in of_condition):
        warnings.warn(
            "the sd_value of observations is not used here: all of them count alike; fine-tuning "
            "weighs them by it",
            UserWarning,
            stacklevel=3,
        )
