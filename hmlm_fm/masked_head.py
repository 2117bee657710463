"""The head of the masked-molecule objective: what the encoding says, and what neighbours say.

The encoding knows a network as a whole, and with few networks to learn from it learns them by
heart. The neighbours' votes are a bilinear form per relation between embeddings of tokens (RESCAL,
Nickel et al. 2011), so that a pair that was seen in one network is known in every other. Travels
with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, K members, J literals of the whole batch,
T pairs of a target and its token, E width of the token table, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .network import INTERACTION_KINDS, MOLECULE_KINDS
from .vocabulary import SPECIAL_TOKENS
from .wiring import Wiring

# In training a neighbour is heard this often, so that each learns to tell by itself.
HEARD = 0.5
# In training the encoding is heard this often, so that the votes are not left to what it missed.
ENCODING_HEARD = 0.5


class VocabularyBias(nn.Module):
    """A bias per token: how common it is."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))


class NeighbourVotes(nn.Module):
    """What visible neighbours expect a molecule to be, as a direction in the space of tokens.

    A neighbour speaks through a matrix for its side, upstream or downstream, shaped by the sign
    and kind of the interaction. One that shares a member with the molecule is not heard: it would
    name what it is asked for.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_size
        self.from_source = nn.Linear(width, width, bias=False)
        self.from_target = nn.Linear(width, width, bias=False)
        self.sign = nn.Embedding(3, width)
        self.kind = nn.Embedding(len(INTERACTION_KINDS), width)
        self.molecule_kind = nn.Embedding(len(MOLECULE_KINDS), width)

    def forward(
        self,
        input_ids: torch.Tensor,
        molecule_kind_ids: torch.Tensor,
        wiring: Wiring,
        table_VE: torch.Tensor,
    ) -> torch.Tensor:
        """Votes (F, E), to be compared with every row of the table."""
        ids_FK = input_ids.flatten(0, 1)
        token = nn.functional.embedding_bag(ids_FK, table_VE, mode="mean", padding_idx=0)
        source, target = wiring.source_J, wiring.target_J
        sign = wiring.sign_J if self.config.has("signs") else torch.zeros_like(wiring.sign_J)
        manner = 1 + self.sign(sign + 1) + self.kind(wiring.kind_J)
        vote = torch.cat(
            [self.from_source(token)[source] * manner, self.from_target(token)[target] * manner]
        )
        visible = ids_FK[:, 0] >= len(SPECIAL_TOKENS)
        apart = ~share_members(ids_FK, source, target, len(table_VE))
        heard = torch.cat([visible[source] & apart, visible[target] & apart])
        if self.training:
            heard = heard & (torch.rand(heard.shape, device=heard.device) < HEARD)
        listener, heard = torch.cat([target, source]), heard.to(vote.dtype)
        total = torch.zeros_like(token).index_add(0, listener, (vote * heard[:, None]).to(token))
        count = vote.new_zeros(len(token)).index_add(0, listener, heard)
        # Between a sum and a mean: many neighbours are surer than one, but they repeat each other.
        agreed = total * count.clamp(min=1).rsqrt()[:, None]
        return agreed + self.molecule_kind(molecule_kind_ids.flatten())


class MaskedMoleculeHead(nn.Module):
    """Logits over the vocabulary, by the same table that tokens are embedded with."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.project = nn.Linear(config.hidden_size, config.embedding_size)
        self.votes = NeighbourVotes(config)
        self.vocabulary = VocabularyBias(config)

    def forward(
        self, encoding: torch.Tensor, votes: torch.Tensor, table_VE: torch.Tensor
    ) -> torch.Tensor:
        """Logits (…, V) of encodings (…, D) with the votes (…, E) of their neighbours."""
        hidden = self.project(self.norm(nn.functional.gelu(self.dense(encoding))))
        if self.training:
            kept = torch.rand(hidden.shape[:-1], device=hidden.device) < ENCODING_HEARD
            hidden = hidden * kept.unsqueeze(-1)
        else:
            hidden = hidden * ENCODING_HEARD  # as loud as in training on average
        return (hidden + votes) @ table_VE.T + self.vocabulary.bias

    def neighbour_loss(
        self,
        votes_FE: torch.Tensor,
        input_ids: torch.Tensor,
        masked_ids: torch.Tensor,
        table_VE: torch.Tensor,
    ) -> torch.Tensor:
        """Cross entropy of every molecule from its neighbours' votes alone.

        A molecule's own token has no part in its votes, so it need not be masked, and every
        interaction is learned from whenever its network is drawn. Candidates are the tokens of the
        batch; the members of a family count as one molecule together.
        """
        was_masked = (masked_ids >= 0).any(-1, keepdim=True)
        ids_FK = torch.where(was_masked, masked_ids, input_ids).flatten(0, 1)
        row_T, member_T = torch.nonzero(ids_FK >= len(SPECIAL_TOKENS), as_tuple=True)
        tokens, label_T = torch.unique(ids_FK[row_T, member_T], return_inverse=True)
        if not len(tokens):
            return votes_FE.sum() * 0
        rows, place_T = torch.unique(row_T, return_inverse=True)
        logits = votes_FE[rows] @ table_VE[tokens].T + self.vocabulary.bias[tokens]
        log_p_T = logits.log_softmax(-1)[place_T, label_T]
        share_T = 1 / torch.bincount(place_T)[place_T].to(log_p_T)
        return -(log_p_T * share_T).sum() / len(rows)


def share_members(
    ids_FK: torch.Tensor, left_J: torch.Tensor, right_J: torch.Tensor, vocabulary: int
) -> torch.Tensor:
    """Whether two molecules carry a token in common (J)."""
    codes, places = [], []
    for molecule_J in (left_J, right_J):
        ids_JK = ids_FK[molecule_J]
        place, member = torch.nonzero(ids_JK >= len(SPECIAL_TOKENS), as_tuple=True)
        codes.append(place * vocabulary + ids_JK[place, member])
        places.append(place)
    shared = torch.zeros(len(left_J), dtype=torch.bool, device=ids_FK.device)
    shared[places[0][torch.isin(*codes)]] = True
    return shared
