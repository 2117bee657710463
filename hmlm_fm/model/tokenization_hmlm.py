"""`HMLMTokenizer`: networks, conditions and observations in, padded tensors out.

A molecule is one token, composed of the identifiers of its members; an interaction is one or more
literals (signed sources joined by AND) with a target. Nothing kinetic is ever encoded, so a model
never reads what it has to infer. This file travels with every checkpoint.

Axes are named by the letters of `fields`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BatchEncoding, PreTrainedTokenizer
from transformers.utils import logging

from .attention_pairs import attention_pairs, pair_positions, possible_partners
from .condition_encoding import encode_baseline, encode_context
from .conditions import Condition, Observation
from .error_base import HMLMError
from .fields import FIELDS, MASK_OF
from .network import (
    COMPARTMENTS,
    INTERACTION_KINDS,
    MOLECULE_KINDS,
    Interaction,
    Molecule,
    Pathway,
    SignalingNetwork,
)
from .vocabulary import Vocabulary

logger = logging.get_logger(__name__)

VOCAB_FILES_NAMES = {"vocab_file": "vocab.json"}


class HMLMTokenizer(PreTrainedTokenizer):
    """Tokenizer of signalling networks, with the grammar of Hugging Face tokenizers.

    Args:
        vocab_file: the token list (`vocab.json`); by default the one that ships with the package.
        max_hops: how many interactions apart two molecules may be and still attend to each other.

    `tokenizer(network)` or `tokenizer([network, …])` gives a `BatchEncoding`; `pad` joins encodings
    of different sizes and serves as a collator; `decode` gives networks back.
    """

    vocab_files_names = VOCAB_FILES_NAMES
    _auto_class = "AutoTokenizer"
    model_input_names = ["input_ids", "attention_mask"]

    def __init__(
        self,
        vocab_file: str | None = None,
        max_hops: int = 2,
        pad_token: str = "[PAD]",
        mask_token: str = "[MASK]",
        unk_token: str = "[UNK]",
        **kwargs: Any,
    ) -> None:
        self.vocab_file = vocab_file or str(Path(__file__).with_name("vocabulary.json"))
        self.vocabulary = Vocabulary.load(self.vocab_file)
        self.max_hops = max_hops
        super().__init__(
            max_hops=max_hops,
            pad_token=pad_token,
            mask_token=mask_token,
            unk_token=unk_token,
            **kwargs,
        )

    # -- vocabulary -------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary.tokens)

    def get_vocab(self) -> dict[str, int]:
        return dict(self.vocabulary.index)

    def _convert_token_to_id(self, token: str) -> int:
        return self.vocabulary.index.get(token, self.vocabulary.index["[UNK]"])

    def _convert_id_to_token(self, index: int) -> str:
        return self.vocabulary.tokens[index]

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        name = (filename_prefix + "-" if filename_prefix else "") + VOCAB_FILES_NAMES["vocab_file"]
        path = os.path.join(save_directory, name)
        if not (os.path.exists(path) and os.path.samefile(self.vocab_file, path)):
            shutil.copyfile(self.vocab_file, path)
        return (path,)

    # -- encoding ---------------------------------------------------------------------------

    def __call__(  # type: ignore[override]
        self,
        networks: SignalingNetwork | Sequence[SignalingNetwork],
        conditions: Sequence[Condition] | None = None,
        observations: Sequence[Sequence[Observation]] | None = None,
        baseline: Mapping[str, float] | None = None,
        return_tensors: str | None = "pt",
        warn_unknown: bool = True,
    ) -> BatchEncoding:
        """Encode one network with its context, or several networks without.

        Args:
            networks: one, or a list. A list is padded to its largest network.
            conditions: the conditions of the context of one network.
            observations: what was measured of each condition; as many lists as conditions.
            baseline: state of molecules at rest, in [0, 1], by name, where it was measured.
            return_tensors: "pt", "np", or None for unpadded numpy arrays of a single network.
            warn_unknown: warn of molecules without a token of their own.

        Returns:
            The fields of `FIELDS` that the network and the context fill, with a leading batch axis
            (none with `return_tensors=None`).

        Raises:
            NetworkError: conditions or observations name molecules that are not in the network.
            HMLMError: context for a list of networks, lists of different lengths, values out of
                their range, or tensors of another library.
        """
        _check_library(return_tensors)
        several = [networks] if _is_network(networks) else networks
        if not isinstance(several, Sequence) or not all(map(_is_network, several)):
            raise HMLMError(f"networks are {networks!r}; expected a SignalingNetwork, or a list")
        if not isinstance(networks, Sequence):
            encoding = self.encode_network(networks, warn_unknown)
            if baseline is not None:
                encoding |= encode_baseline(networks, baseline)
            if conditions is not None or observations is not None:
                encoding |= encode_context(networks, conditions or (), observations)
            if return_tensors is None:
                return BatchEncoding(encoding)
            return self.pad([encoding], return_tensors=return_tensors)
        if conditions is not None or observations is not None or baseline is not None:
            raise HMLMError(
                "conditions and observations belong to one network; "
                "encode each network with its own and join them with `pad`"
            )
        encodings = [self.encode_network(network, warn_unknown) for network in networks]
        if not encodings:
            raise HMLMError("no network to encode; expected one or more")
        return self.pad(encodings, return_tensors=return_tensors or "pt")

    def encode_network(
        self, network: SignalingNetwork, warn_unknown: bool = True
    ) -> dict[str, np.ndarray]:
        """The wiring of one network as unpadded numpy arrays; see `FIELDS`."""
        return (
            self._encode_molecules(network, warn_unknown)
            | self._encode_interactions(network)
            | _encode_pathways(network)
        )

    def _encode_molecules(
        self, network: SignalingNetwork, warn_unknown: bool
    ) -> dict[str, np.ndarray]:
        ids = self.vocabulary.index
        members = [
            [
                ids[t]
                for t in dict.fromkeys(map(self.vocabulary.resolve, m.members))
                if t is not None
            ]
            for m in network.molecules
        ]
        unknown = [m.name for m, known in zip(network.molecules, members, strict=True) if not known]
        if unknown and warn_unknown:
            logger.warning(
                f"network {network.name!r}: {len(unknown)} molecules have no token and are encoded "
                f"by their kind and their place in the graph alone: {', '.join(unknown)}"
            )
        return {
            "input_ids": _ragged([known or [self.unk_token_id] for known in members]),
            "attention_mask": np.ones(len(network.molecules), dtype=np.int64),
            "molecule_kind_ids": np.array(
                [MOLECULE_KINDS.index(m.kind) for m in network.molecules]
            ),
            "compartment_ids": np.array(
                [COMPARTMENTS.index(m.compartment) for m in network.molecules]
            ),
        }

    def _encode_interactions(self, network: SignalingNetwork) -> dict[str, np.ndarray]:
        index, size = network.molecule_index, len(network.molecules)
        literals = [
            (i, index[source], sign)
            for i, interaction in enumerate(network.interactions)
            for source, sign in zip(interaction.sources, interaction.signs, strict=True)
        ]
        interaction_J, source_J, sign_J = (
            np.array([literal[k] for literal in literals], dtype=np.int64) for k in range(3)
        )
        target_I = np.array([index[i.target] for i in network.interactions], dtype=np.int64)
        target_J = target_I[interaction_J]
        pair, hops, siblings = attention_pairs(
            source_J, target_J, interaction_J, size, self.max_hops
        )
        partners = np.empty((0, 2), dtype=np.int64)
        if not network.logic_known:
            partners = possible_partners(target_J, interaction_J)
        ends = ((target_J, source_J), (source_J, target_J))
        return {
            "interaction_target": target_I,
            "interaction_kind_ids": np.array(
                [INTERACTION_KINDS.index(i.kind) for i in network.interactions], dtype=np.int64
            ),
            "literal_interaction": interaction_J,
            "literal_source": source_J,
            "literal_sign": sign_J,
            "literal_pair": np.stack([pair_positions(pair, *e, size) for e in ends], axis=1),
            "pair_index": pair,
            "pair_hops": hops,
            "pair_siblings": siblings,
            "partner_index": partners,
        }

    # -- batching ---------------------------------------------------------------------------

    def pad(  # type: ignore[override]
        self,
        encoded_inputs: Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = "pt",
        verbose: bool = True,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Join encodings of different sizes; padding never changes a result.

        A field that some encodings lack is padded for them.
        States that come without a mask count as known. A batch of one network, such as calling the
        tokenizer gives, counts as the encoding of that network.
        The arguments after the first are those of every Hugging Face tokenizer; networks are always
        padded to the largest of the batch, so the arguments on lengths have no effect.

        Args:
            return_tensors: "pt" or "np"; None is "pt" too.

        Raises:
            HMLMError: a field that the tokenizer does not know, a batch of several networks among
                the encodings, no encodings, or tensors of another library.
        """
        _check_library(return_tensors)
        if isinstance(encoded_inputs, Mapping) or not len(encoded_inputs):
            raise HMLMError(
                f"nothing to join in {type(encoded_inputs).__name__}; expected a list of encodings"
            )
        encoded_inputs = [_with_masks(_of_one(encoding)) for encoding in encoded_inputs]
        keys = list(dict.fromkeys(key for encoding in encoded_inputs for key in encoding))
        unknown = [key for key in keys if key not in FIELDS]
        if unknown:
            raise HMLMError(f"unknown fields {unknown}; expected some of {list(FIELDS)}")
        batch = {
            key: _pad_field(key, [encoding.get(key) for encoding in encoded_inputs], encoded_inputs)
            for key in keys
        }
        if return_tensors == "np":
            return BatchEncoding(batch)
        return BatchEncoding({key: torch.from_numpy(array) for key, array in batch.items()})

    # -- decoding ---------------------------------------------------------------------------

    def decode(  # type: ignore[override]
        self, token_ids: Mapping[str, Any], skip_special_tokens: bool = True, **kwargs: Any
    ) -> SignalingNetwork | list[SignalingNetwork]:
        """The network of an encoding, or a list of them for a batch.

        Exact for what tokens hold: members, kinds, compartments, interactions with their signs and
        AND groups, and which molecules share a pathway. Names, labels, kinetic parameters, sources
        of the knowledge and whether the logic is known, where no two literals could be partners,
        are not encoded: a molecule is named after its members and, where several have the same,
        its position; a network without pathways comes back as one.
        """
        arrays = {key: np.asarray(value) for key, value in token_ids.items()}
        if arrays["input_ids"].ndim == 2:
            return self._decode_one(arrays)
        return [
            self._decode_one({key: array[row] for key, array in arrays.items()})
            for row in range(len(arrays["input_ids"]))
        ]

    def _decode_one(self, arrays: Mapping[str, np.ndarray]) -> SignalingNetwork:
        real = arrays["attention_mask"].astype(bool)
        pathways = [f"pathway {p + 1}" for p in range(int(arrays["pathway_mask"].sum()))]
        belongs: dict[int, list[str]] = {}
        for molecule, pathway in arrays["membership_index"].tolist():
            if molecule >= 0:
                belongs.setdefault(molecule, []).append(pathways[pathway])
        molecules, taken = [], set()
        for position in np.flatnonzero(real).tolist():
            tokens = [self.vocabulary.tokens[i] for i in arrays["input_ids"][position] if i > 0]
            members = tuple(t for t in tokens if t not in ("[UNK]", "[MASK]"))
            name = "/".join(members) or "molecule"
            if name in taken or not members:
                name = f"{name} {position + 1}"
            taken.add(name)
            molecules.append(
                Molecule(
                    name,
                    kind=MOLECULE_KINDS[arrays["molecule_kind_ids"][position]],
                    members=members,
                    compartment=COMPARTMENTS[arrays["compartment_ids"][position]],
                    pathways=tuple(belongs.get(position, ())),
                )
            )
        sources: dict[int, list[tuple[str, int]]] = {}
        for interaction, source, sign in zip(
            arrays["literal_interaction"].tolist(),
            arrays["literal_source"].tolist(),
            arrays["literal_sign"].tolist(),
            strict=True,
        ):
            if interaction >= 0:
                sources.setdefault(interaction, []).append((molecules[source].name, sign))
        interactions = [
            Interaction(
                sources=tuple(name for name, _ in sources.get(i, ())),
                signs=tuple(sign for _, sign in sources.get(i, ())),
                target=molecules[target].name,
                kind=INTERACTION_KINDS[kind],
            )
            for i, (target, kind) in enumerate(
                zip(
                    arrays["interaction_target"].tolist(),
                    arrays["interaction_kind_ids"].tolist(),
                    strict=True,
                )
            )
            if target >= 0
        ]
        return SignalingNetwork(
            name="decoded",
            molecules=tuple(molecules),
            interactions=tuple(interactions),
            pathways=tuple(Pathway(name) for name in pathways),
            logic_known=bool((arrays["partner_index"] < 0).all()),
        )


def _is_network(given: object) -> bool:
    """Whether it is a network, by its attributes: loaded as a checkpoint's own code, this file has
    a class `SignalingNetwork` of its own."""
    return all(hasattr(given, name) for name in ("molecules", "interactions", "pathways"))


def _encode_pathways(network: SignalingNetwork) -> dict[str, np.ndarray]:
    """Which molecule is in which pathway; a network that names none is one pathway itself."""
    membership = [(i, 0) for i in range(len(network.molecules))]
    if network.pathways:
        membership = [
            (i, network.pathway_index[name])
            for i, molecule in enumerate(network.molecules)
            for name in molecule.pathways
        ]
    return {
        "membership_index": np.array(membership, dtype=np.int64).reshape(-1, 2),
        "pathway_mask": np.ones(max(len(network.pathways), 1), dtype=np.int64),
    }


def _check_library(return_tensors: str | None) -> None:
    """
    Raises:
        HMLMError: a library that the tokenizer makes no tensors of.
    """
    if return_tensors not in (None, "pt", "np"):
        raise HMLMError(f"return_tensors {return_tensors!r}; expected 'pt', 'np' or None")


def _of_one(encoding: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoding of one network, which may be a batch of it.

    Raises:
        HMLMError: the batch holds several networks.
    """
    mask = np.asarray(encoding.get("attention_mask", ()))
    if mask.ndim < 2:
        return encoding
    if len(mask) > 1:
        raise HMLMError(
            f"an encoding to join is itself a batch of {len(mask)} networks; expected encodings of "
            "one network each"
        )
    return {key: value[0] for key, value in encoding.items()}


def _with_masks(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """The encoding, with a mask of ones for states that come without one."""
    masks = {
        mask: np.ones(np.asarray(encoding[state]).shape, dtype=bool)
        for state, mask in MASK_OF.items()
        if state in encoding and mask not in encoding
    }
    return {**encoding, **masks}


def _ragged(rows: Sequence[Sequence[int]]) -> np.ndarray:
    array = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array


def _pad_field(
    key: str, arrays: Sequence[Any], encodings: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """One field of a batch, filled up with its padding value."""
    field = FIELDS[key]
    present = [np.asarray(array) for array in arrays if array is not None]
    shape = [max(sizes) for sizes in zip(*(array.shape for array in present), strict=True)]
    if "N" in field.axes:
        shape[field.axes.index("N")] = max(len(e["attention_mask"]) for e in encodings)
    batch = np.full((len(arrays), *shape), field.pad, dtype=present[0].dtype)
    for row, array in enumerate(arrays):
        if array is not None:
            array = np.asarray(array)
            batch[row][tuple(slice(0, size) for size in array.shape)] = array
    return batch
