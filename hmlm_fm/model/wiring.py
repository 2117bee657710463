"""The interactions of a batch as flat lists, which gates and roll-outs index. Travels with
checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, J literals and I interactions of the whole
batch, X partners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class Wiring:
    """The interactions of a batch as flat lists, padding removed.

    Attributes:
        batch, molecules: B and N.
        source_J, target_J: flat molecules at the ends of each literal.
        sign_J, kind_J: its sign and its interaction's kind.
        interaction_J: flat interaction it belongs to.
        target_I: flat molecule each interaction acts on.
        has_source_I: False for inputs.
        left_X, right_X: literals of possible partners.
    """

    batch: int
    molecules: int
    source_J: torch.Tensor
    target_J: torch.Tensor
    sign_J: torch.Tensor
    kind_J: torch.Tensor
    interaction_J: torch.Tensor
    target_I: torch.Tensor
    has_source_I: torch.Tensor
    left_X: torch.Tensor
    right_X: torch.Tensor

    @classmethod
    def from_fields(
        cls,
        molecules: int,
        interaction_target: torch.Tensor,
        interaction_kind_ids: torch.Tensor,
        literal_interaction: torch.Tensor,
        literal_source: torch.Tensor,
        literal_sign: torch.Tensor,
        partner_index: torch.Tensor,
    ) -> Wiring:
        """Flat lists of the tokenizer's padded fields."""
        device = interaction_target.device
        row_I, place_I = torch.nonzero(interaction_target >= 0, as_tuple=True)
        flat_I = torch.full_like(interaction_target, -1)
        flat_I[row_I, place_I] = torch.arange(len(row_I), device=device)
        row_J, place_J = torch.nonzero(literal_interaction >= 0, as_tuple=True)
        flat_J = torch.full_like(literal_interaction, -1)
        flat_J[row_J, place_J] = torch.arange(len(row_J), device=device)
        interaction_J = flat_I[row_J, literal_interaction[row_J, place_J]]
        target_I = row_I * molecules + interaction_target[row_I, place_I]
        has_source = torch.zeros(len(row_I), dtype=torch.bool, device=device)
        has_source[interaction_J] = True
        row_X, place_X = torch.nonzero(partner_index[..., 0] >= 0, as_tuple=True)
        partners = partner_index[row_X, place_X]
        return cls(
            batch=len(interaction_target),
            molecules=molecules,
            source_J=row_J * molecules + literal_source[row_J, place_J],
            target_J=target_I[interaction_J],
            sign_J=literal_sign[row_J, place_J],
            kind_J=interaction_kind_ids[row_I, place_I][interaction_J],
            interaction_J=interaction_J,
            target_I=target_I,
            has_source_I=has_source,
            left_X=flat_J[row_X, partners[:, 0]],
            right_X=flat_J[row_X, partners[:, 1]],
        )

    @classmethod
    def from_batch(cls, molecules: int, batch: Mapping[str, Any]) -> Wiring:
        """The same, from a batch that holds the fields by name."""
        names = (
            "interaction_target",
            "interaction_kind_ids",
            "literal_interaction",
            "literal_source",
            "literal_sign",
            "partner_index",
        )
        return cls.from_fields(molecules, *(batch[name] for name in names))

    def repeated(self, times: int) -> Wiring:
        """The same networks several times over, as one batch."""
        literals, interactions = len(self.source_J), len(self.target_I)
        molecules = self.batch * self.molecules

        def again(index: torch.Tensor, size: int) -> torch.Tensor:
            shift = size * torch.arange(times, device=index.device).repeat_interleave(len(index))
            return index.repeat(times) + shift

        return Wiring(
            batch=self.batch * times,
            molecules=self.molecules,
            source_J=again(self.source_J, molecules),
            target_J=again(self.target_J, molecules),
            sign_J=self.sign_J.repeat(times),
            kind_J=self.kind_J.repeat(times),
            interaction_J=again(self.interaction_J, interactions),
            target_I=again(self.target_I, molecules),
            has_source_I=self.has_source_I.repeat(times),
            left_X=again(self.left_X, literals),
            right_X=again(self.right_X, literals),
        )

    def any_per_molecule(self, index: torch.Tensor, flag: torch.Tensor) -> torch.Tensor:
        """Which flat molecules have any raised flag among the entries that point at them."""
        found = torch.zeros(self.batch * self.molecules, dtype=torch.bool, device=flag.device)
        found[index[flag]] = True
        return found
