"""A measured set as the response head is told it: doses and changes, and what names and the network
say of treatments and outputs.

Shapes: S conditions, K treatments, M outputs, G members of a molecule, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..formats.measured.binding import Molecules
from ..formats.measured.drug_targets import DrugTable, known_drugs
from ..formats.measured.measured_set import DRUG, STIMULUS, MeasuredSet
from ..formats.measured.treated_genes import genes_of_name
from ..model.influence import influence_of
from ..model.network import SignalingNetwork
from ..model.response_features import ResponseTask, member_ids
from ..model.vocabulary import Vocabulary
from .responses import Output, responses_of

RAISES = (STIMULUS, "overexpression")
TreatmentKey = tuple[str, str, float, float]
"""As `Treatment.key`."""


def response_task(
    measured: MeasuredSet,
    treatments: Sequence[TreatmentKey],
    outputs: Sequence[Output],
    doses: np.ndarray,
    changes: np.ndarray,
    query_doses: np.ndarray,
) -> ResponseTask:
    """A task of a measured set.

    Names are taken as the genes that tables state, or else that they probably mean: the head was
    trained with names that are missing or beside the point.

    Args:
        measured: of which names, tables and network are used, and no values.
        treatments: (K) as `Responses.treatments`.
        outputs: (M).
        doses: (C, K) of what is shown.
        changes: (C, M), NaN where nothing was measured.
        query_doses: (Q, K) of what is asked.
    """
    hit, genes = _genes(measured, treatments, outputs)
    index = Vocabulary.shipped().index
    direction = directions_of(treatments)
    signed, reach = _influences(measured, treatments, outputs)
    nothing = np.full((len(query_doses), len(outputs)), np.nan)
    return ResponseTask(
        np.concatenate([doses, query_doses]),
        np.concatenate([changes, nothing]),
        np.arange(len(doses) + len(query_doses)) < len(doses),
        direction[:, None] * signed,
        reach,
        direction,
        member_ids(hit, index),
        member_ids(genes, index),
    )


def whole_task(measured: MeasuredSet) -> ResponseTask:
    """A measured set, all of it shown."""
    responses = responses_of(measured)
    return response_task(
        measured,
        responses.treatments,
        responses.outputs,
        responses.doses,
        responses.changes - responses.reference_of(responses.changes),
        np.zeros((0, len(responses.treatments))),
    )


def genes_hit(measured: MeasuredSet, treatment: TreatmentKey) -> tuple[str, ...]:
    """The genes that a treatment acts on, by the tables of a set and the shipped ones; nothing
    where none is known."""
    index = Vocabulary.shipped().index
    return tuple(gene for gene in _genes(measured, [treatment], [])[0][0] if gene in index)


def directions_of(treatments: Sequence[TreatmentKey]) -> np.ndarray:
    """+1 (K) of treatments that raise what they hit, −1 of those that lower it."""
    return np.array([1.0 if kind in RAISES else -1.0 for kind, _, _, _ in treatments])


def places_on_network(
    measured: MeasuredSet, treatments: Sequence[TreatmentKey], outputs: Sequence[Output]
) -> tuple[list[int | None], list[int | None]]:
    """The molecules of the set's network that treatments hit and that outputs measure; None where
    it has them not, and without a network."""
    if measured.network is None:
        return [None] * len(treatments), [None] * len(outputs)
    molecules, index = Molecules(measured.network, exactly=False), measured.network.molecule_index

    def place(name: str, own: tuple[str, ...]) -> int | None:
        found = molecules.by_name(name) or molecules.by_genes(own)
        return None if found is None else index[found]

    hit, genes = _genes(measured, treatments, outputs)
    return (
        [place(name, own) for (_, name, _, _), own in zip(treatments, hit, strict=True)],
        [place(o.readout, own) for o, own in zip(outputs, genes, strict=True)],
    )


def _genes(
    measured: MeasuredSet, treatments: Sequence[TreatmentKey], outputs: Sequence[Output]
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The genes that treatments act on, and those that outputs measure."""
    drugs = known_drugs(measured.targets)
    return (
        [_hit(kind, name, drugs) for kind, name, _, _ in treatments],
        [_measured(measured, output.readout) for output in outputs],
    )


def _hit(kind: str, name: str, drugs: DrugTable) -> tuple[str, ...]:
    """The genes that a treatment acts on."""
    if kind == DRUG:
        known = drugs.find(name)
        if known is not None:
            return tuple(target.gene for target in known[1])
        # CellBox calls drugs after what they act on, with an a before it.
        return genes_of_name(name) or genes_of_name(name.removeprefix("a"))
    return genes_of_name(name)


def _measured(measured: MeasuredSet, readout: str) -> tuple[str, ...]:
    stated = measured.readouts.get(readout)
    return stated.genes if stated is not None else genes_of_name(readout)


def _influences(
    measured: MeasuredSet, treatments: Sequence[TreatmentKey], outputs: Sequence[Output]
) -> tuple[np.ndarray, np.ndarray]:
    """Signed influence and reach (K, M) along the network; 0 where it has not what is asked."""
    signed, reach = np.zeros((2, len(treatments), len(outputs)))
    if measured.network is None:
        return signed, reach
    along, far = _influence(measured.network)
    rows, columns = places_on_network(measured, treatments, outputs)
    for k, row in enumerate(rows):
        for m, column in enumerate(columns):
            if row is not None and column is not None:
                own = float(row == column)
                signed[k, m] = np.clip(along[row, column] + own, -1, 1)
                reach[k, m] = np.clip(far[row, column] + own, 0, 1)
    return signed, reach


@lru_cache(maxsize=8)
def _influence(network: SignalingNetwork) -> tuple[np.ndarray, np.ndarray]:
    return influence_of(network)
