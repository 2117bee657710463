"""The head for measured sets: what laboratories would measure in conditions that are asked, from
those that are shown, without a gradient step.

A token is an output in a condition; conditions that are asked are tokens like the others, without
values. Blocks attend across the conditions of an output, of which only the context is seen, and
across the outputs of a condition. What the tokens say is added to the ruler's prediction, and
starts at zero: untrained, the head is the ruler.

Travels with checkpoints. Shapes: B tasks, S conditions, of which the first C are the context, K
treatments, M outputs, G members of a molecule, D width, E width of names, H heads; see
`ResponseBatch`.
"""

from __future__ import annotations

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .response_batch import PROJECTED, ResponseBatch
from .response_features import FEATURES, OF_NETWORK, OF_RULER

LARGEST_CHANGE, LARGEST_LOG_SCALE = 6.0, 2.0
"""How much a token may add to the ruler, in standard deviations, and to the logarithm of its sd."""


class StillLinear(nn.Linear):
    """A linear layer that says nothing before it is trained."""


class ResponseAttention(nn.Module):
    """Attention along one axis, with a bias by how alike its places are; beside them stands a
    place of nothing, so that there may be none to attend to."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        width = config.response_size
        self.heads = config.response_heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = StillLinear(width, width)
        self.alike = nn.Parameter(torch.ones(self.heads))

    def forward(
        self, asking: torch.Tensor, seen: torch.Tensor, alike: torch.Tensor, there: torch.Tensor
    ) -> torch.Tensor:
        """What tokens gather from others.

        Args:
            asking: (B, …, A, D).
            seen: (B, …, Z, D).
            alike: (B, A, Z).
            there: (B, Z) which of the seen tokens there are.

        Returns:
            (B, …, A, D).
        """

        def by_head(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

        bias = 2 * self.alike[:, None, None] * alike[:, None, None]
        bias = bias.masked_fill(~there[:, None, None, None], -torch.inf)
        bias = nn.functional.pad(bias, (0, 1))
        # The place of nothing has keys and values of 0.
        pairs = nn.functional.pad(self.key_value(seen), (0, 0, 0, 1))
        keys, values = (by_head(x) for x in pairs.chunk(2, -1))
        queries = by_head(self.query(asking)) * keys.shape[-1] ** -0.5
        weights = torch.softmax(queries @ keys.transpose(-1, -2) + bias, -1)
        found = weights.to(values.dtype) @ values
        gathered: torch.Tensor = self.out(found.transpose(-3, -2).flatten(-2))
        return gathered


class ResponseLayer(nn.Module):
    """One block: across conditions, across outputs, feed-forward."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        width = config.response_size
        self.conditions, self.outputs = ResponseAttention(config), ResponseAttention(config)
        self.off = config.disabled_response_parts or []
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.up, self.down = nn.Linear(width, 2 * width), StillLinear(2 * width, width)

    def forward(self, x: torch.Tensor, batch: ResponseBatch) -> torch.Tensor:
        """Tokens (B, S, M, D)."""
        if "conditions" not in self.off:
            h = self.norms[0](x).transpose(1, 2)
            shown = h[:, :, : batch.context.shape[1]]
            x = x + self.conditions(h, shown, batch.alike, batch.context).transpose(1, 2)
        if "outputs" not in self.off:
            h = self.norms[1](x)
            x = x + self.outputs(h, h, batch.together, batch.outputs)
        h = nn.functional.gelu(self.up(self.norms[2](x)))
        changed: torch.Tensor = x + self.down(h)
        return changed


class ResponseHead(nn.Module):
    """Predicts changes of measured sets from their contexts and the ruler; see above."""

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
        self.off = config.disabled_response_parts or []

    def forward(self, batch: ResponseBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Changes, and their standard deviations, both (B, S, M), in units of the contexts'
        standard deviations."""
        tokens = batch.tokens
        for part, features in (("network", OF_NETWORK), ("ruler", OF_RULER)):
            if part in self.off:
                tokens = tokens.index_fill(-1, tokens.new_tensor(features, dtype=torch.long), 0.0)
        h = self.embed(tokens) + self.treated(batch.projected)[:, :, None]
        treatments = self._named(batch.treatment_members)
        outputs = self._named(batch.output_members)[:, None]
        # What raises a molecule and what lowers it are opposites, and are alike in what they hit.
        turned = treatments * batch.direction[..., None]
        given = torch.cat([batch.doses @ turned, batch.doses @ treatments], -1)[:, :, None]
        names = self.of_treatments(given) + self.of_outputs(outputs)
        if "names" not in self.off:
            h = h + names + self.together(self.pair(given) * outputs)
        for layer in self.layers:
            h = layer(h, batch)
        change, log_scale = self.out(self.norm(h)).float().unbind(-1)
        change = change.clamp(-LARGEST_CHANGE, LARGEST_CHANGE)
        log_scale = log_scale.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE)
        return batch.base + change, batch.base_sd[:, None] * log_scale.exp()

    def _named(self, members: torch.Tensor) -> torch.Tensor:
        """Mean embeddings of members (…, G) to (…, E)."""
        known = (members > 0).unsqueeze(-1)
        total = (self.members(members) * known).sum(-2)
        mean: torch.Tensor = total / known.sum(-2).clamp(min=1)
        return mean
