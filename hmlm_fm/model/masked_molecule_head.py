"""The head of the masked-molecule objective: the encoding, and votes of neighbours and pathways.

The encoding depends on a network as a whole, and with few training networks it memorises them. Two
kinds of votes generalise better, each a direction in columns of the token table that are its own:
neighbours vote through a bilinear form per relation (RESCAL, Nickel et al. 2011), so that a pair
that occurred in one network is known in every other; the pathways of a molecule vote by the other
molecules they hold, which is matrix factorization of co-occurrence. Travels with checkpoints.

Shapes: B batch, N molecules, F = B · N flat molecules, K members, J literals and R memberships of
the whole batch, P pathways, T pairs of a target and its token, E width of the token table, of which
G columns belong to pathways and A = E - G to neighbours, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn

from .configuration_hmlm import HMLMConfig
from .graph import Wiring
from .network import INTERACTION_KINDS, MOLECULE_KINDS
from .vocabulary import SPECIAL_TOKENS

# Dropout in training: a neighbour is kept this often, so that each learns to predict by itself, and
# a token of a pathway this often, so that no pathway is recognised and memorised.
NEIGHBOUR_KEPT, PATHWAY_KEPT = 0.5, 0.2
# The encoding is kept this often in training, so that the votes do not only learn its errors.
ENCODING_KEPT = 0.5
# The vote of a pathway is much the same for all its molecules, so it weighs less than the votes of
# their neighbours.
PATHWAY_WEIGHT = 0.25


def is_kept(
    seed_B: torch.Tensor, network: torch.Tensor, place: torch.Tensor, share: float
) -> torch.Tensor:
    """Dropout in training: True (…) for a `share` of the entries, and False for the others.

    The result depends on the network's own seed and on the place in it alone: not on the rest of
    the batch, the process or the device, so that a batch may be split among processes.

    Args:
        seed_B: of each network.
        network: the network of each entry (…).
        place: a number of each entry, unique in its network (…).
        share: from 0 to 1.
    """
    # The finaliser of splitmix64; products wrap around, and signs must not be shifted in.
    code = seed_B[network] * -7046029254386353131 + place * -4658895280553007687
    code = (code ^ ((code >> 30) & (2**34 - 1))) * -4658895280553007687
    code = (code ^ ((code >> 27) & (2**37 - 1))) * -7723592293110705685
    code = code ^ ((code >> 31) & (2**33 - 1))
    return (code & (2**24 - 1)) < share * 2**24


class VocabularyBias(nn.Module):
    """A bias per token: how common it is."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))


class NeighbourVotes(nn.Module):
    """What visible neighbours expect a molecule to be, as a direction in the space of tokens.

    A neighbour votes through a matrix for its side, upstream or downstream, scaled by the sign and
    kind of the interaction. One that shares a member with the molecule has no vote: it would reveal
    the token to be predicted.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_size - config.pathway_embedding_size
        self.from_source = nn.Linear(width, width, bias=False)
        self.from_target = nn.Linear(width, width, bias=False)
        self.sign = nn.Embedding(3, width)
        self.kind = nn.Embedding(len(INTERACTION_KINDS), width)
        self.molecule_kind = nn.Embedding(len(MOLECULE_KINDS), width)

    def forward(
        self,
        ids_FK: torch.Tensor,
        molecule_kind_F: torch.Tensor,
        wiring: Wiring,
        table_VA: torch.Tensor,
        seed_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Votes (F, A), to be compared with every row of the table."""
        token = nn.functional.embedding_bag(ids_FK, table_VA, mode="mean", padding_idx=0)
        source, target = wiring.source_J, wiring.target_J
        relation = 1 + self.sign(wiring.sign_J + 1) + self.kind(wiring.kind_J)
        vote = torch.cat(
            [self.from_source(token)[source] * relation, self.from_target(token)[target] * relation]
        )
        visible = ids_FK[:, 0] >= len(SPECIAL_TOKENS)
        distinct = ~share_members(ids_FK, source, target, len(table_VA))
        kept = torch.cat([visible[source] & distinct, visible[target] & distinct])
        if self.training and seed_B is not None:
            network = target // wiring.molecules
            literals = torch.bincount(network, minlength=wiring.batch)
            first = literals.cumsum(0) - literals
            place = torch.arange(len(network), device=network.device) - first[network]
            place = torch.cat([3 * place, 3 * place + 1])
            kept = kept & is_kept(seed_B, torch.cat([network, network]), place, NEIGHBOUR_KEPT)
        receiver, kept = torch.cat([target, source]), kept.to(vote.dtype)
        total = torch.zeros_like(token).index_add(0, receiver, (vote * kept[:, None]).to(token))
        count = vote.new_zeros(len(token)).index_add(0, receiver, kept)
        return _combined(total, count) + self.molecule_kind(molecule_kind_F)


class PathwayVotes(nn.Module):
    """What a molecule's pathways expect it to be, by the tokens that they hold beside its own.

    Ω↑ sums the tokens of every pathway; Ω↓ passes the sum to its molecules, less their own tokens.
    """

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.pathway_embedding_size
        self.company = nn.Linear(width, width, bias=False)

    def forward(
        self,
        input_ids: torch.Tensor,
        membership_index: torch.Tensor,
        pathways: int,
        table_VG: torch.Tensor,
        seed_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Votes (F, G), to be compared with every row of the table; 0 without a pathway."""
        batch, molecules = input_ids.shape[:2]
        vocabulary = len(table_VG)
        row, place = torch.nonzero(membership_index[..., 0] >= 0, as_tuple=True)
        molecule, pathway = membership_index[row, place].unbind(-1)
        # Every token of a pathway counts once, however many of its molecules carry it.
        ids_RK = input_ids[row, molecule]
        member, k = torch.nonzero(ids_RK >= len(SPECIAL_TOKENS), as_tuple=True)
        flat_pathway = row * pathways + pathway
        code, entry = torch.unique(
            flat_pathway[member] * vocabulary + ids_RK[member, k], return_inverse=True
        )
        kept = torch.ones_like(code, dtype=table_VG.dtype)
        if self.training and seed_B is not None:
            place = code % (pathways * vocabulary)
            network = code // (pathways * vocabulary)
            # Counted down from -1, so as to differ from literals and molecules.
            kept = is_kept(seed_B, network, -1 - place, PATHWAY_KEPT).to(kept)
        token = table_VG[code % vocabulary] * kept[:, None]
        total = token.new_zeros(batch * pathways, token.shape[1])
        total = total.index_add(0, code // vocabulary, token)
        count = kept.new_zeros(batch * pathways).index_add(0, code // vocabulary, kept)
        own = token.new_zeros(len(row), token.shape[1]).index_add(0, member, token[entry])
        own_count = kept.new_zeros(len(row)).index_add(0, member, kept[entry])
        vote = _combined(total[flat_pathway] - own, count[flat_pathway] - own_count)
        receiver = row * molecules + molecule
        total_F = vote.new_zeros(batch * molecules, vote.shape[1]).index_add(0, receiver, vote)
        times = torch.bincount(receiver, minlength=batch * molecules).clamp(min=1)
        return self.company(total_F / times[:, None].to(total_F))


def _combined(total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """A sum of votes over the root of their count: between a sum and a mean, since many votes are
    surer than one, but not independent."""
    return total * count.clamp(min=1).rsqrt()[:, None]


class MaskedMoleculeHead(nn.Module):
    """Logits over the vocabulary, by the same table that tokens are embedded with."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.config = config
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.project = nn.Linear(config.hidden_size, config.embedding_size)
        self.neighbour_votes = NeighbourVotes(config)
        self.pathway_votes = PathwayVotes(config)
        self.vocabulary = VocabularyBias(config)
        self.widths = (
            config.embedding_size - config.pathway_embedding_size,
            config.pathway_embedding_size,
        )

    @property
    def pathways_vote(self) -> bool:
        return all(self.config.has(p) for p in ("pathways", "aggregation", "decomposition"))

    def votes(
        self,
        input_ids: torch.Tensor,
        molecule_kind_ids: torch.Tensor,
        membership_index: torch.Tensor,
        pathways: int,
        wiring: Wiring,
        table_VE: torch.Tensor,
        seed_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What neighbours (A columns) and pathways (G columns) expect of each molecule (F, E)."""
        table_VA, table_VG = table_VE.split(self.widths, dim=-1)
        neighbours = self.neighbour_votes(
            input_ids.flatten(0, 1), molecule_kind_ids.flatten(), wiring, table_VA, seed_B
        )
        if self.pathways_vote:
            company = self.pathway_votes(input_ids, membership_index, pathways, table_VG, seed_B)
        else:
            company = neighbours.new_zeros(len(neighbours), self.widths[1])
        return torch.cat([neighbours, company], dim=-1)

    def forward(
        self,
        encoding: torch.Tensor,
        votes: torch.Tensor,
        table_VE: torch.Tensor,
        kept: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits (…, V) of encodings (…, D) with the votes (…, E).

        In training an encoding is used where it is `kept` (…); without that, each has the weight
        that it has on average in training.

        No gradient flows into the votes: each kind learns from its own loss (`losses_alone`), so
        that it does not leave to the others what it could predict itself.
        """
        hidden = self.project(self.norm(nn.functional.gelu(self.dense(encoding))))
        hidden = hidden * (ENCODING_KEPT if kept is None else kept.unsqueeze(-1))
        neighbours, company = votes.detach().split(self.widths, dim=-1)
        votes = torch.cat([neighbours, PATHWAY_WEIGHT * company], dim=-1)
        return (hidden + votes) @ table_VE.T + self.vocabulary.bias

    def kept_encodings(
        self, seed_B: torch.Tensor | None, chosen_BN: torch.Tensor
    ) -> torch.Tensor | None:
        """Which encodings of the M chosen molecules are kept in training (M); None if all are."""
        if not self.training or seed_B is None:
            return None
        row, molecule = torch.nonzero(chosen_BN, as_tuple=True)
        return is_kept(seed_B, row, 3 * molecule + 2, ENCODING_KEPT)

    def losses_alone(
        self,
        votes_FE: torch.Tensor,
        input_ids: torch.Tensor,
        masked_ids: torch.Tensor,
        table_VE: torch.Tensor,
        candidate_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Cross entropy of every molecule from its neighbours alone, and from its pathways alone.

        A molecule's own token has no part in its votes, so it need not be masked, and every
        interaction and every pathway is learned from whenever its network is drawn. Candidates are
        the tokens of the batch that do not occur elsewhere in the molecule's own network; the
        members of a family count as one molecule together.

        Args:
            candidate_ids: tokens of the whole batch, in order, where this is a part of it.

        Returns:
            Two scalars; the second is None where pathways have no vote.
        """
        ids_FK = unmasked_ids(input_ids, masked_ids).flatten(0, 1)
        row_T, member_T = torch.nonzero(ids_FK >= len(SPECIAL_TOKENS), as_tuple=True)
        tokens = ids_FK[row_T, member_T].unique() if candidate_ids is None else candidate_ids
        label_T = torch.searchsorted(tokens, ids_FK[row_T, member_T])
        rows, place_T = torch.unique(row_T, return_inverse=True)
        batch, molecules = input_ids.shape[:2]
        present = torch.zeros(batch, len(tokens), dtype=torch.bool, device=ids_FK.device)
        present[row_T // molecules, label_T] = True
        ruled_out = present[rows // molecules]
        ruled_out[place_T, label_T] = False
        share_T = 1 / torch.bincount(place_T)[place_T].to(votes_FE)
        bias = self.vocabulary.bias[tokens]

        def loss(votes: torch.Tensor, table: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            logits = votes[rows] @ table[tokens].T + bias
            logits = logits.masked_fill(ruled_out, torch.finfo(logits.dtype).min)
            log_p_T = logits.log_softmax(-1)[place_T, label_T]
            return -(log_p_T * share_T).sum() / max(len(rows), 1)

        votes, tables = (x.split(self.widths, dim=-1) for x in (votes_FE, table_VE))
        neighbours = loss(votes[0], tables[0], bias)
        if not self.pathways_vote:
            return neighbours, None
        return neighbours, loss(votes[1], tables[1], bias.detach())


def unmasked_ids(input_ids: torch.Tensor, masked_ids: torch.Tensor) -> torch.Tensor:
    """The members of every molecule (B, N, K) without masks."""
    is_masked = (masked_ids >= 0).any(-1, keepdim=True)
    return torch.where(is_masked, masked_ids, input_ids)


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
