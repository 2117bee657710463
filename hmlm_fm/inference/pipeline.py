"""`SignalingPipeline`: from networks, conditions and measurements to tables of states.

Shapes: Q query conditions, T times, N molecules.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from ..formats.network_loading import load_network
from ..measurements.time_scale import scale_condition, scale_observation, time_scale_for
from ..model.condition_encoding import check_baseline, check_observation
from ..model.conditions import Condition, Observation
from ..model.error_base import HMLMError
from ..model.modeling_hmlm import HMLMForSignaling
from ..model.network import SignalingNetwork
from ..model.tokenization_hmlm import HMLMTokenizer
from .context import make_context
from .loading import load_pretrained, require_foundation
from .prediction import model_time_scale, predict_states
from .shipped import checkpoint_path

NETWORK_FILE = "network.json"
BASELINE_FILE = "baseline.csv"


class SignalingPipeline:
    """A model, its tokenizer and one network: conditions in, a table of states out.

    pipeline = SignalingPipeline.from_pretrained("hmlm-small", network="cardiac-fibroblast")
    pipeline.predict({"TGFB": Condition({"TGFB": 0.8})}, hours=[0, 6, 24])
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
            baseline: state at rest by molecule, in [0, 1]; that of others is inferred from the
                model's gates.
            measured: conditions with the observations of each, as context. All observations have
                the same weight: their `sd_value` is not used, and a warning states so.

        Raises:
            NetworkError: a molecule that is not in the network.
            HMLMError: a state at rest or an observation out of range; `measured` is not a
                list of pairs of a condition and its observations; or it is given with a fine-tuned
                model, whose gates a context does not correct.
        """
        measured = _as_pairs(measured)
        _warn_of_deviations(observations for _, observations in measured)
        if measured:
            require_foundation(model)
        self.model, self.tokenizer, self.network = model.eval(), tokenizer, network
        known = None
        if baseline is not None:
            check_baseline(baseline, network)
            known = np.array([baseline.get(name, np.nan) for name in network.names])
        times = [o.time_hours for _, observations in measured for o in observations]
        self.time_scale = time_scale_for(times) if measured else model_time_scale(model)
        self.context = make_context(
            tokenizer,
            network,
            known,
            [scale_condition(condition, self.time_scale) for condition, _ in measured],
            [[scale_observation(o, self.time_scale) for o in given] for _, given in measured],
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        network: str | Path | SignalingNetwork | None = None,
        baseline: Mapping[str, float] | None = None,
        measured: Iterable[tuple[Condition, Sequence[Observation]]] = (),
    ) -> Self:
        """A pretrained checkpoint with a network, or a fine-tuned folder with its own.

        Args:
            name_or_path: `hmlm-small`, a folder, or a name on a hub.
            network: of a pretrained checkpoint: a shipped network's name, a file, or the network;
                a fine-tuned folder has its own.
            baseline, measured: as above, of a pretrained checkpoint.

        Raises:
            HMLMError: there is no such checkpoint or network; a network is missing, or given
                beside a fine-tuned folder.
        """
        folder = Path(checkpoint_path(str(name_or_path)))
        if not (folder / BASELINE_FILE).is_file():
            if network is None:
                found = "it is pretrained" if folder.is_dir() else "there is no such folder"
                raise HMLMError(
                    f"{found}; expected a network to predict with a pretrained model, such as "
                    "cardiac-fibroblast, or the folder of a fine-tuned model",
                    path=str(name_or_path),
                )
            if not isinstance(network, SignalingNetwork):
                network = load_network(network)
            return cls(*load_pretrained(name_or_path), network, baseline, measured)
        if network is not None or baseline is not None:
            raise HMLMError(
                f"it is fine-tuned, and has its own {NETWORK_FILE} and {BASELINE_FILE}; expected "
                "no other",
                path=folder,
            )
        return cls(
            *load_pretrained(folder),
            load_network(folder / NETWORK_FILE),
            _read_baseline(folder / BASELINE_FILE),
            measured,
        )

    def predict(
        self,
        conditions: Mapping[str, Condition],
        hours: Iterable[float],
        modality: str = "activity",
        observed: Mapping[str, Sequence[Observation]] | None = None,
    ) -> pd.DataFrame:
        """Columns condition, molecule, time_hours, state (in [0, 1]) and sd.

        Args:
            conditions: by name.
            hours: times, the same for all conditions.
            modality: of `MODALITIES`; of another one than the activity the column is value instead
                of state, in the unit of the measurements that the model was fitted to or given as
                context. Of a fine-tuned model, sd is that of the value.
            observed: activities that were observed of the query conditions themselves, by their
                names. They correct the prediction of the same molecule before and after, and narrow
                its sd. All have the same weight: their `sd_value` is not used, and a warning states
                so.

        Raises:
            NetworkError: a molecule that is not in the network.
            HMLMError: as `predict_states`; conditions or observations are not given by name; or
                an observation is of a condition that is no query, of another modality than the
                activity, or out of range.
        """
        if not isinstance(conditions, Mapping) or not all(
            isinstance(condition, Condition) for condition in conditions.values()
        ):
            raise HMLMError(
                f"conditions are {conditions!r}; expected conditions by their names, such as "
                '{"treated": Condition({"TGFB": 0.8})}'
            )
        names = list(conditions)
        by_name = _by_name(observed or {})
        _warn_of_deviations(by_name.values())
        # A single number is refused by `predict_states`.
        times = list(hours) if np.iterable(hours) else hours
        found = predict_states(
            self.model, self.context, self.network, list(conditions.values()), times,
            self._as_states(names, by_name), modality, self.time_scale,
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

    def _as_states(
        self, queries: Sequence[str], observed: Mapping[str, Sequence[Observation]]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Times, and states (Q, T, N), NaN where nothing was observed; None without any
        observation. Replicates of one state are averaged."""
        index = self.network.molecule_index
        for name, observations in observed.items():
            if name not in queries:
                raise HMLMError(
                    f"condition {name!r} was observed and is no query; queries are "
                    f"{', '.join(map(repr, queries))}"
                )
            for row, o in enumerate(observations, start=1):
                where = f"condition {name!r}, observation {row}"
                check_observation(o, self.network, where)
                if o.modality != "activity":
                    raise HMLMError(f"{where}: modality {o.modality!r}; expected 'activity'")
        every = [o for observations in observed.values() for o in observations]
        if not every:
            return None
        hours = sorted({o.time_hours for o in every})
        total = np.zeros((len(queries), len(hours), len(index)))
        count = np.zeros_like(total)
        for q, name in enumerate(queries):
            for o in observed.get(name, ()):
                place = (q, hours.index(o.time_hours), index[o.molecule])
                total[place] += o.value
                count[place] += 1
        with np.errstate(invalid="ignore"):
            return np.array(hours), total / count


def _read_baseline(path: Path) -> dict[str, float]:
    # A molecule may be called NA, and states of some folders are outside [0, 1], as measured.
    table = pd.read_csv(path, dtype={"molecule": str, "state": float}, keep_default_na=False)
    return dict(zip(table["molecule"], table["state"].clip(0, 1), strict=True))


def _as_pairs(
    measured: Iterable[tuple[Condition, Sequence[Observation]]],
) -> list[tuple[Condition, list[Observation]]]:
    """
    Raises:
        HMLMError: it is something else.
    """
    pairs = list(measured.items() if isinstance(measured, Mapping) else measured)
    if not all(
        isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], Condition)
        for pair in pairs
    ):
        raise HMLMError(
            f"measured is {measured!r}; expected conditions, each with its observations, "
            'such as [(Condition({"TGFB": 0.8}), [Observation("smad3", 6, 0.5)])]'
        )
    return [(condition, _as_observations(given)) for condition, given in pairs]


def _by_name(observed: Mapping[str, Sequence[Observation]]) -> dict[str, list[Observation]]:
    """
    Raises:
        HMLMError: it is something else.
    """
    if not isinstance(observed, Mapping):
        raise HMLMError(
            f"observed is {observed!r}; expected observations by the names of their conditions, "
            'such as {"treated": [Observation("smad3", 6, 0.5)]}'
        )
    return {name: _as_observations(given) for name, given in observed.items()}


def _as_observations(given: Iterable[Observation]) -> list[Observation]:
    """
    Raises:
        HMLMError: it is something else.
    """
    observations = list(given) if np.iterable(given) else [given]
    for o in observations:
        if not isinstance(o, Observation):
            raise HMLMError(
                f'{o!r} is no observation; expected one such as Observation("smad3", 6, 0.5)'
            )
    return observations


def _warn_of_deviations(observations: Iterable[Sequence[Observation]]) -> None:
    if any(o.sd_value is not None for of_condition in observations for o in of_condition):
        warnings.warn(
            "the sd_value of observations is not used here: all of them have the same weight; "
            "fine-tuning weighs them by it",
            UserWarning,
            stacklevel=3,
        )
