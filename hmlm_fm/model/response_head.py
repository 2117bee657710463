"""The head for measured sets: what laboratories would measure in conditions that are asked, from
those that are shown, without a gradient step.

A token is an output in a condition; conditions that are asked are tokens like the others, without
values. Blocks attend across the conditions of an output, of which only the context is seen, and
across the outputs of a condition. What the tokens say is added to the ruler's prediction, and
starts at zero: untrained, the head is the ruler.

Travels with checkpoints. Shapes: S conditions, C of the context, K treatments, M outputs, G members
of a molecule, D width, H heads, X features, R columns of a projection.
"""

from __future__ import annotations

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .response_features import FEATURES, PROJECTED

LARGEST_CHANGE, LARGEST_LOG_SCALE = 6.0, 2.0
"""How much a token may add to the ruler, in standard deviations, and to the logarithm of its sd."""


class StillLinear(nn.Linear):
    """A linear layer that says nothing before it is trained."""


class ResponseAttention(nn.Module):
    """Attention along one axis, with a bias by how alike treatments are."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        width = config.response_size
        self.heads = config.response_heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = StillLinear(width, width)
        self.alike = nn.Parameter(torch.ones(self.heads))

    def forward(
        self, asking: torch.Tensor, seen: torch.Tensor, alike: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What tokens (…, A, D) gather from tokens (…, B, D); `alike` is (A, B)."""

        def by_head(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

        bias = None if alike is None else 2 * self.alike[:, None, None] * alike
        found = nn.functional.scaled_dot_product_attention(
            by_head(self.query(asking)), by_head(self.key(seen)), by_head(self.value(seen)), bias
        )
        gathered: torch.Tensor = self.out(found.transpose(-3, -2).flatten(-2))
        return gathered


class ResponseLayer(nn.Module):
    """One block: across conditions, across outputs, feed-forward."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        width = config.response_size
        self.conditions, self.outputs = ResponseAttention(config), ResponseAttention(config)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.up, self.down = nn.Linear(width, 2 * width), StillLinear(2 * width, width)

    def forward(self, x: torch.Tensor, shown: torch.Tensor, alike: torch.Tensor) -> torch.Tensor:
        """Tokens (S, M, D); `shown` (S) of the context, `alike` (S, C)."""
        h = self.norms[0](x).transpose(0, 1)
        x = x + self.conditions(h, h[:, shown], alike).transpose(0, 1)
        h = self.norms[1](x)
        x = x + self.outputs(h, h)
        h = nn.functional.gelu(self.up(self.norms[2](x)))
        changed: torch.Tensor = x + self.down(h)
        return changed


class ResponseHead(nn.Module):
    """Predicts changes of a measured set from the context and the ruler; see above."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        width, named = config.response_size, config.response_names
        self.embed, self.treated = nn.Linear(FEATURES, width), nn.Linear(PROJECTED, width)
        self.members = nn.Embedding(config.vocab_size, named, padding_idx=0)
        self.of_treatments = StillLinear(2 * named, width)
        self.of_outputs, self.together = StillLinear(named, width), StillLinear(named, width)
        self.pair = nn.Linear(2 * named, named)
        self.layers = nn.ModuleList(ResponseLayer(config) for _ in range(config.response_layers))
        self.norm, self.out = nn.LayerNorm(width), StillLinear(width, 2)

    def forward(
        self,
        tokens: torch.Tensor,
        projected: torch.Tensor,
        alike: torch.Tensor,
        doses: torch.Tensor,
        shown: torch.Tensor,
        direction: torch.Tensor,
        treatment_members: torch.Tensor,
        output_members: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is added to the ruler's predictions, and to the logarithm of their standard
        deviations, both (S, M).

        Args:
            tokens: (S, M, X); `projected`: (S, R); `alike`: (S, C); `doses`: (S, K), of
                `ResponseFeatures`.
            shown: (S) which conditions are the context.
            direction: (K) of treatments.
            treatment_members, output_members: (K, G) and (M, G) vocabulary ids; 0 for nothing.
        """
        h = self.embed(tokens) + self.treated(projected)[:, None]
        treatments, outputs = self._named(treatment_members), self._named(output_members)
        # What raises a molecule and what lowers it are opposites, and are alike in what they hit.
        given = torch.cat([doses @ (treatments * direction[:, None]), doses @ treatments], -1)
        pairs = self.pair(given)[:, None] * outputs
        h = h + self.of_treatments(given)[:, None] + self.of_outputs(outputs) + self.together(pairs)
        for layer in self.layers:
            h = layer(h, shown, alike)
        change, log_scale = self.out(self.norm(h)).unbind(-1)
        return (
            change.clamp(-LARGEST_CHANGE, LARGEST_CHANGE),
            log_scale.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE),
        )

    def _named(self, members: torch.Tensor) -> torch.Tensor:
        """Mean embeddings of members (…, G) to (…, E)."""
        known = (members > 0).unsqueeze(-1)
        total = (self.members(members) * known).sum(-2)
        mean: torch.Tensor = total / known.sum(-2).clamp(min=1)
        return mean
