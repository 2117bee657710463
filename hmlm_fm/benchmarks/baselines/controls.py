"""Controls of HMLM: the same model on a graph whose sources are shuffled, or blind to signs."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from ...measurements.measured import Measurements
from ...model.configuration_hmlm import HMLMConfig
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.network import SignalingNetwork
from .hmlm import FineTuned


class FineTunedOnShuffledGraph(FineTuned):
    """HMLM on a graph whose sources are permuted: what remains does not come from the wiring."""

    def fit(self, training: Measurements) -> Self:
        super().fit(replace(training, network=shuffled(training.network, training.seed)))
        return self


def shuffled(network: SignalingNetwork, seed: int) -> SignalingNetwork:
    """The same molecules, targets and signs, with the sources of interactions permuted."""
    rng = np.random.default_rng([seed, 7])
    sources = [s for i in network.interactions for s in i.sources]
    dealt = iter(np.array(sources)[rng.permutation(len(sources))].tolist())
    interactions = []
    for interaction in network.interactions:
        # A source twice in one AND group would count once: the second is left out.
        drawn = [next(dealt) for _ in interaction.sources]
        signs = dict(zip(drawn, interaction.signs, strict=True))
        interactions.append(replace(interaction, sources=tuple(signs), signs=tuple(signs.values())))
    return replace(network, interactions=tuple(interactions))


def without_signs(model: HMLMForSignaling) -> HMLMForSignaling:
    """A copy of a model that does not use the signs of interactions."""
    blind = HMLMForSignaling(
        HMLMConfig.from_dict(model.config.to_dict() | {"disabled_parts": ["signs"]})
    )
    blind.load_state_dict(model.state_dict())
    return blind
