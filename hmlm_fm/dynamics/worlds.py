"""Drawn worlds: measured sets of simulated cells, whose network is not the one that is shown.

A world has a true network, made from the shown one by taking interactions out, adding others and
turning signs; drawn rates, and either drawn logic or saturating sums, so that not all cells have
the form of the gates; inputs that are always there; and one of the designs of laboratories: every
stimulus with every inhibitor, or treatments singly and then several together, at two doses. What is
kept are changes from the control, as laboratories report them.

Shapes: C conditions, T times, N molecules, K treatments, G members of a molecule.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult

import numpy as np
import torch

from ..model.conditions import Condition, Perturbation
from ..model.error_base import HMLMError
from ..model.influence import influence_of
from ..model.network import Interaction, SignalingNetwork
from ..model.response_features import member_ids
from ..model.vocabulary import Vocabulary
from .draw import draw_dynamics
from .saturating_sums import simulate_sums
from .trajectories import MOST_MOLECULES, draw_topology, simulate_states

KEPT_HOURS = (0.5, 2, 8, 48)
CONDITIONS = 56
"""Of a world: the control, every treatment alone, then treatments together."""
GRIDS = 0.5
"""Share of worlds in which stimuli are crossed with inhibitors, as far as conditions last."""
PREFERENCES = (0.0, 1.0, 2.0)
"""The power of the number of molecules that one reaches, to which it is likely to be treated."""
ALIKE, LIKENESS = 0.5, 5.0
"""Share of worlds in which treatments act alike, and by how much such a treatment is preferred."""
SUMS = 0.35
"""Share of worlds that are saturating sums."""
FEWEST_TREATMENTS, MOST_TREATMENTS = 3, 14
MOST_EMPTY = 20
"""Portions of seeds in turn that draw no world, after which none is to be expected."""
WRONG_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
"""How much of a shown network is wrong."""


@dataclass(frozen=True)
class World:
    """One drawn world.

    Attributes:
        changes: (C, T, N) from the control, at `KEPT_HOURS`; of all but the control.
        doses: (C, K) treatment vectors.
        signed, reach: (K, N) influence of each treatment along the shown network, and how far it
            reaches whatever the signs; see `influence_of`.
        treated, direction: (K) the molecule that each treatment hits; +1 where it raises it, −1
            where it lowers it.
        members: (N, G) ids of what molecules are made of; 0 for nothing.
        wrong: the share of the shown network that is wrong.
    """

    changes: np.ndarray
    doses: np.ndarray
    signed: np.ndarray
    reach: np.ndarray
    treated: np.ndarray
    direction: np.ndarray
    members: np.ndarray
    wrong: float

    def row(self) -> dict[str, np.ndarray]:
        """As arrays for storage."""
        return {
            "changes": self.changes.astype(np.float16),
            "doses": self.doses.astype(np.float16),
            "signed": self.signed.astype(np.float16),
            "reach": self.reach.astype(np.float16),
            "treated": self.treated.astype(np.int16),
            "direction": self.direction.astype(np.int8),
            "members": self.members.astype(np.int32),
            "wrong": np.array([self.wrong], dtype=np.float16),
        }


def draw_worlds(networks: Sequence[SignalingNetwork], seeds: Sequence[int]) -> list[World]:
    """One world per seed, simulated side by side; seeds that draw none are left out."""
    drawn = [found for seed in seeds if (found := _draw(networks, seed)) is not None]
    gates, sums = [d for d in drawn if not d.is_sum], [d for d in drawn if d.is_sum]
    states: dict[int, np.ndarray] = {}
    if gates:
        simulated = simulate_states(
            [d.truth for d in gates], [d.conditions for d in gates],
            [d.conditions[0] for d in gates], (0.0, *KEPT_HOURS),
        )  # fmt: skip
        states |= {d.seed: s[:, 1:] for d, s in zip(gates, simulated, strict=True)}
    if sums:
        rngs = [np.random.default_rng([20261201, d.seed]) for d in sums]
        simulated = simulate_sums(
            [d.truth for d in sums], [d.conditions for d in sums], KEPT_HOURS, rngs
        )
        states |= {d.seed: s for d, s in zip(sums, simulated, strict=True)}
    kept = [_kept(d, states[d.seed].astype(np.float32)) for d in drawn]
    return [world for world in kept if np.isfinite(world.changes).all()]


def draw_many_worlds(
    networks: Sequence[SignalingNetwork], seed: int, processes: int = 1, together: int = 16
) -> Iterator[World]:
    """Worlds without end, by their seeds from `seed` on, some simulated side by side.

    Raises:
        HMLMError: many seeds in turn draw none.
    """
    portions = (range(start, start + together) for start in count(seed, together))
    yield from _checked(_drawn_portions(networks, portions, processes))


def _checked(drawn: Iterator[list[World]]) -> Iterator[World]:
    empty = 0
    for worlds in drawn:
        yield from worlds
        empty = 0 if worlds else empty + 1
        if empty == MOST_EMPTY:
            raise HMLMError(
                f"no world could be drawn; expected networks of at most {MOST_MOLECULES} "
                f"molecules with interactions, and at least {FEWEST_TREATMENTS} molecules to treat"
            )


def _drawn_portions(
    networks: Sequence[SignalingNetwork], portions: Iterator[range], processes: int
) -> Iterator[list[World]]:
    if processes == 1:
        for portion in portions:
            yield draw_worlds(networks, portion)
        return
    # Fork would copy the threads' locks of a parent that has already computed.
    with get_context("spawn").Pool(processes, _start_worker, (networks,)) as pool:
        waiting: deque[AsyncResult[list[World]]] = deque()
        for portion in portions:
            waiting.append(pool.apply_async(_draw_here, (portion,)))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().get()


_NETWORKS: list[SignalingNetwork] = []
"""Those of this worker."""


def _start_worker(networks: Sequence[SignalingNetwork]) -> None:
    torch.set_num_threads(1)
    # Ctrl-C is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _NETWORKS.extend(networks)


def _draw_here(seeds: Sequence[int]) -> list[World]:
    return draw_worlds(_NETWORKS, seeds)


@dataclass(frozen=True)
class _Drawn:
    shown: SignalingNetwork
    truth: SignalingNetwork
    conditions: tuple[Condition, ...]
    doses: np.ndarray
    treated: tuple[str, ...]
    direction: np.ndarray
    wrong: float
    is_sum: bool
    seed: int


def _draw(networks: Sequence[SignalingNetwork], seed: int) -> _Drawn | None:
    rng = np.random.default_rng([20261130, seed])
    try:
        shown = draw_topology(networks, rng)
        wrong = float(rng.choice(WRONG_SHARES))
        truth = draw_dynamics(corrupted(shown, rng, wrong), rng)
    except HMLMError:
        return None
    regulated = {i.target for i in truth.interactions if not i.is_input}
    inputs = [n for n in truth.names if n not in regulated] or list(truth.names)
    liking = dict(zip(truth.names, _liking(truth, rng).tolist(), strict=True))
    inputs.sort(key=lambda name: -liking[name])
    wanted = int(rng.integers(FEWEST_TREATMENTS + 1, MOST_TREATMENTS + 1))
    stimuli = inputs[: min(len(inputs), round(wanted * rng.choice([0.0, 0.3, 0.5, 0.7, 1.0])))]
    others = [n for n in truth.names if n not in stimuli]
    others.sort(key=lambda name: -liking[name])
    hit = others[: wanted - len(stimuli)]
    treatments = [("stimulus", n, float(rng.uniform(0.4, 1))) for n in stimuli]
    treatments += [
        ("overexpression" if rng.random() < 0.2 else "inhibition", n, float(rng.uniform(0.5, 1)))
        for n in hit
    ]
    if len(treatments) < FEWEST_TREATMENTS:
        return None
    share_there = rng.choice([0.0, 0.5, 1.0])
    background = {
        n: float(rng.uniform(0.2, 0.8))
        for n in inputs[len(stimuli) :]
        if rng.random() < share_there
    }
    design = _design(len(stimuli), len(treatments), rng)
    conditions, doses = [], np.zeros((CONDITIONS, len(treatments)))
    for c, on in enumerate(design):
        levels = dict(background)
        done = []
        for t in on:
            kind, name, level = treatments[t]
            doses[c, t] = float(rng.choice([0.5, 1.0, 1.0]))
            level *= 0.6 if doses[c, t] < 1 else 1.0
            if kind == "stimulus":
                levels[name] = level
            else:
                done.append(Perturbation(name, kind, level))
        conditions.append(Condition(levels, tuple(done)))
    direction = np.array([-1 if kind == "inhibition" else 1 for kind, _, _ in treatments])
    names = tuple(name for _, name, _ in treatments)
    is_sum = bool(rng.random() < SUMS)
    return _Drawn(shown, truth, tuple(conditions), doses, names, direction, wrong, is_sum, seed)


def _liking(network: SignalingNetwork, rng: np.random.Generator) -> np.ndarray:
    """How much a laboratory would like to treat each molecule (N).

    Laboratories treat what much depends on, and often what acts alike, such as the kinases of one
    cascade; how strictly differs from world to world.
    """
    reach = influence_of(network)[1] + np.eye(len(network.molecules))
    liking = float(rng.choice(PREFERENCES)) * np.log((reach > 0.1).sum(1) + 0.5)
    liking = liking + rng.gumbel(size=len(liking))
    if rng.random() < ALIKE:
        size = np.linalg.norm(reach, axis=1)
        first = int(np.argmax(liking))
        liking = liking + LIKENESS * (reach @ reach[first]) / size / size[first]
    return liking


def _design(stimuli: int, treatments: int, rng: np.random.Generator) -> list[list[int]]:
    """The treatments of each condition: none in the first, each alone, then several.

    Args:
        stimuli: how many of the treatments, the first, are stimuli.
        treatments: how many there are.
    """
    alone: list[list[int]] = [[], *([t] for t in range(treatments))]
    together: list[list[int]] = []
    if rng.random() < GRIDS:
        together = [[s, i] for s in range(stimuli) for i in range(stimuli, treatments)]
        rng.shuffle(together)
    while len(alone) + len(together) < CONDITIONS:
        several = min(treatments, int(rng.choice([1, 2, 2, 2, 3])))
        together.append(rng.choice(treatments, several, replace=False).tolist())
    return [*alone, *together][:CONDITIONS]


def corrupted(
    network: SignalingNetwork, rng: np.random.Generator, share: float
) -> SignalingNetwork:
    """A network of which about a share of the interactions differ: missing, with other signs, or
    between other molecules."""
    if not share:
        return network
    kept = []
    for interaction in network.interactions:
        draw = rng.random()
        if not interaction.is_input and draw < 0.6 * share:
            continue
        if not interaction.is_input and draw < 0.75 * share:
            interaction = replace(interaction, signs=tuple(-s for s in interaction.signs))
        kept.append(interaction)
    for _ in range(rng.binomial(len(network.interactions), 0.6 * share)):
        source, target = rng.choice(len(network.names), 2, replace=False)
        sign = 1 if rng.random() < 0.7 else -1
        kept.append(
            Interaction((network.names[source],), (sign,), network.names[target], "activation")
        )
    distinct = {(i.target, i.sources, i.signs): i for i in kept}
    return replace(network, interactions=tuple(distinct.values()))


def _kept(drawn: _Drawn, states: np.ndarray) -> World:
    index = drawn.shown.molecule_index
    order = [drawn.truth.molecule_index[name] for name in drawn.shown.names]
    changes = (states - states[:1])[1:][:, :, order]
    signed, reach = influence_of(drawn.shown)
    treated = np.array([index[name] for name in drawn.treated])
    own = np.eye(len(index))[treated]
    direction = drawn.direction
    return World(
        changes,
        drawn.doses[1:],
        np.clip(direction[:, None] * (signed[treated] + own), -1, 1),
        np.clip(reach[treated] + own, 0, 1),
        treated,
        direction,
        member_ids([m.members for m in drawn.shown.molecules], Vocabulary.shipped().index),
        drawn.wrong,
    )
