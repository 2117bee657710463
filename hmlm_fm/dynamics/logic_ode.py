"""The normalised-Hill logic ODE of a network, ready to be evaluated for many conditions at once.

    dy_i/dt = (ymax_i · OR_r g_r(y) - y_i) / τ_i

(Kraeutler et al., BMC Syst Biol 2010;4:157; the form that Netflux uses). With c = EC50ⁿ an
activation is f(x) = min((1 - c)·xⁿ / (c + (1 - 2c)·xⁿ), 1), an inhibition 1 - f(x), an interaction
w·∏ f over its sources, an input w, and OR(a, b) = a + b - ab. Written with β = (c - 1)/(2c - 1)
and Kⁿ = β - 1 this is the published function, but without its singularity at c = ½, without a
root of the possibly negative Kⁿ, and without a division by w.

`equations.Equations` evaluates them.

Shapes: M molecules (of all networks joined), C conditions, J literals (source of an interaction),
I interactions with sources, G networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..model.network import NetworkError, SignalingNetwork

# What Netflux assumes where a model says nothing; τ in hours.
DEFAULT_WEIGHT, DEFAULT_N, DEFAULT_EC50, DEFAULT_TAU_HOURS, DEFAULT_YMAX = 1.0, 1.4, 0.5, 1.0, 1.0

SMALLEST_THRESHOLD = 1e-30


@dataclass
class LogicODE:
    """The equations of one network, or of several joined, as tensors.

    Attributes:
        network_of_molecule: (M) which of the joined networks a molecule belongs to.
        tau_hours, ymax, y0: (M).
        input_weight: (M) OR of a molecule's own inputs, 0 where it has none.
        source, sign, n, c: (J) per literal; c = EC50ⁿ.
        interaction_of_literal: (J).
        target, weight: (I) per interaction with sources.
        networks: how many are joined.
    """

    network_of_molecule: torch.Tensor
    tau_hours: torch.Tensor
    ymax: torch.Tensor
    y0: torch.Tensor
    input_weight: torch.Tensor
    source: torch.Tensor
    sign: torch.Tensor
    n: torch.Tensor
    c: torch.Tensor
    interaction_of_literal: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor
    networks: int = 1

    @classmethod
    def from_network(
        cls, network: SignalingNetwork, dtype: torch.dtype = torch.float64
    ) -> LogicODE:
        """The equations of `network`, with Netflux's defaults where it states no parameter.

        Raises:
            NetworkError: an interaction has a source of unknown sign, so that no rate follows, or
                is too steep for floating-point numbers.
        """
        index = network.molecule_index
        reactions = [i for i in network.interactions if not i.is_input]
        for reaction in reactions:
            if 0 in reaction.signs:
                raise NetworkError(
                    f"network {network.name!r}: {reaction.rule!r} has a source of unknown sign, "
                    "so it has no dynamics; draw a sign for it or leave it out"
                )
        literals = [
            (row, index[source], sign)
            for row, reaction in enumerate(reactions)
            for source, sign in zip(reaction.sources, reaction.signs, strict=True)
        ]

        def known(values: list[float | None], default: float) -> torch.Tensor:
            return torch.tensor([default if v is None else v for v in values], dtype=dtype)

        input_weight = torch.zeros(len(network.molecules), dtype=dtype)
        for interaction in network.interactions:
            if interaction.is_input:
                weight = DEFAULT_WEIGHT if interaction.weight is None else interaction.weight
                i = index[interaction.target]
                input_weight[i] = input_weight[i] + weight - input_weight[i] * weight
        row, source, sign = (
            torch.tensor([literal[k] for literal in literals], dtype=torch.long) for k in range(3)
        )
        n = known([r.n for r in reactions], DEFAULT_N)
        ec50 = known([r.ec50 for r in reactions], DEFAULT_EC50)
        steepest = int(torch.argmin(ec50**n)) if reactions else 0
        if reactions and ec50[steepest] ** n[steepest] < SMALLEST_THRESHOLD:
            raise NetworkError(
                f"network {network.name!r}: {reactions[steepest].rule!r} has n "
                f"{float(n[steepest]):g} and EC50 {float(ec50[steepest]):g}; expected an EC50 to "
                f"the power of n of at least {SMALLEST_THRESHOLD}, or numbers underflow"
            )
        return cls(
            network_of_molecule=torch.zeros(len(network.molecules), dtype=torch.long),
            tau_hours=known([m.tau_hours for m in network.molecules], DEFAULT_TAU_HOURS),
            ymax=known([m.ymax for m in network.molecules], DEFAULT_YMAX),
            y0=known([m.y0 for m in network.molecules], 0.0),
            input_weight=input_weight,
            source=source,
            sign=sign,
            n=n[row],
            c=(ec50**n)[row],
            interaction_of_literal=row,
            target=torch.tensor([index[r.target] for r in reactions], dtype=torch.long),
            weight=known([r.weight for r in reactions], DEFAULT_WEIGHT),
        )

    @classmethod
    def joined(cls, systems: Sequence[LogicODE]) -> LogicODE:
        """Several systems side by side, to be simulated in one go; they do not interact."""
        molecules = [0]
        interactions = [0]
        networks = [0]
        for system in systems:
            molecules.append(molecules[-1] + len(system.tau_hours))
            interactions.append(interactions[-1] + len(system.target))
            networks.append(networks[-1] + system.networks)

        def cat(name: str, offsets: list[int] | None = None) -> torch.Tensor:
            parts = [getattr(system, name) for system in systems]
            if offsets is not None:
                parts = [p + offset for p, offset in zip(parts, offsets, strict=False)]
            return torch.cat(parts)

        plain = ("tau_hours", "ymax", "y0", "input_weight", "sign", "n", "c", "weight")
        return cls(
            **{name: cat(name) for name in plain},
            network_of_molecule=cat("network_of_molecule", networks),
            source=cat("source", molecules),
            interaction_of_literal=cat("interaction_of_literal", interactions),
            target=cat("target", molecules),
            networks=networks[-1],
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> LogicODE:
        """The same system elsewhere, or in another floating-point type."""
        moved: dict[str, Any] = {
            name: value.to(device, dtype if value.is_floating_point() else None)
            for name, value in vars(self).items()
            if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)
