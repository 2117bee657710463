"""The data model of the package: an immutable, validated signalling network.

A network is written in molecules (the tokens) and interactions (the syntax). An interaction is
a directed rule from signed sources, joined by AND, to one target; several interactions on one
target are joined by OR; an interaction without sources is an input. Order is file order and is
kept, but nothing is ever matched by position: names and identifiers do that.

This file travels with every checkpoint, and needs nothing outside the standard library.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import inf

from .error_base import HMLMError, listed

MOLECULE_KINDS = (
    "protein",
    "family",
    "complex",
    "small molecule",
    "RNA",
    "process",
    "phenotype",
    "unknown",
)
INTERACTION_KINDS = (
    "input",
    "activation",
    "inhibition",
    "binding",
    "dissociation",
    "phosphorylation",
    "dephosphorylation",
    "ubiquitination",
    "deubiquitination",
    "acetylation",
    "deacetylation",
    "methylation",
    "cleavage",
    "nucleotide exchange",
    "GTP hydrolysis",
    "expression",
    "repression",
    "conversion",
    "catalysis",
    "transport",
    "indirect",
    "unknown",
)
COMPARTMENTS = (
    "unknown",
    "extracellular",
    "plasma membrane",
    "cytosol",
    "nucleus",
    "mitochondrion",
    "endoplasmic reticulum",
    "Golgi",
    "endosome",
    "lysosome",
)


class NetworkError(HMLMError):
    """A network, or a file that should hold one, is not valid. The message names the place."""


@dataclass(frozen=True)
class Molecule:
    """A node of the network.

    Attributes:
        name: the short id, unique in its network and free of surrounding blanks.
        label: the long name, as written in texts.
        kind: one of `MOLECULE_KINDS`.
        members: identifiers of what it is made of: HGNC symbols, `CHEBI:…` for small molecules,
            `process:…` for processes. A family or complex has several.
        compartment: one of `COMPARTMENTS`.
        pathways: names of the pathways it belongs to.
        tau_hours: time constant in hours, where the source knows it.
        y0: state at the start, in [0, ymax].
        ymax: the largest state it can take.
    """

    name: str
    label: str = ""
    kind: str = "protein"
    members: tuple[str, ...] = ()
    compartment: str = "unknown"
    pathways: tuple[str, ...] = ()
    tau_hours: float | None = None
    y0: float | None = None
    ymax: float | None = None

    def __post_init__(self) -> None:
        _freeze(self, sequences=("members", "pathways"), numbers=("tau_hours", "y0", "ymax"))


@dataclass(frozen=True)
class Interaction:
    """A directed rule: `sources`, joined by AND, act with their `signs` on `target`.

    Attributes:
        sources: names of the sources; none for an input.
        signs: one per source: +1 activates, -1 inhibits, 0 unknown.
        target: name of the target.
        kind: one of `INTERACTION_KINDS`.
        weight, n, ec50: w, n and EC50 of the normalised Hill function, where the source knows them.
    """

    sources: tuple[str, ...]
    signs: tuple[int, ...]
    target: str
    kind: str = "unknown"
    weight: float | None = None
    n: float | None = None
    ec50: float | None = None

    def __post_init__(self) -> None:
        _freeze(self, sequences=("sources", "signs"), numbers=("weight", "n", "ec50"))

    @property
    def is_input(self) -> bool:
        return not self.sources

    @property
    def rule(self) -> str:
        """The interaction as text: `A & !B => C`; `?` marks an unknown sign."""
        marks = {1: "", -1: "!", 0: "?"}
        left = " & ".join(
            marks[sign] + name for name, sign in zip(self.sources, self.signs, strict=True)
        )
        return f"{left} => {self.target}".strip()


@dataclass(frozen=True)
class Pathway:
    """A named set of molecules of a network, with the source of the knowledge."""

    name: str
    title: str = ""
    source: str = ""


@dataclass(frozen=True)
class SignalingNetwork:
    """Molecules, interactions and pathways, immutable and checked when made.

    Attributes:
        name: the short id of the network.
        molecules, interactions, pathways: tuples in file order.
        title, source, licence: what it is, where it is from, how it may be used.
        logic_known: whether the source states how the interactions on one target combine. Where it
            does not (edge lists such as SIF), every edge is an interaction of its own and the model
            has to infer the logic.
        family: networks of one family (revisions of one model, say) stay on one side of any split;
            the network's name where nothing else is stated.

    Raises:
        NetworkError: duplicate or unknown names, unknown kinds, a source both plain and negated
            in one AND group, numbers out of range, or no molecules.
    """

    name: str
    molecules: tuple[Molecule, ...]
    interactions: tuple[Interaction, ...] = ()
    pathways: tuple[Pathway, ...] = ()
    title: str = ""
    source: str = ""
    licence: str = ""
    logic_known: bool = True
    family: str = ""

    def __post_init__(self) -> None:
        for attribute in ("molecules", "interactions", "pathways"):
            object.__setattr__(self, attribute, tuple(getattr(self, attribute)))
        self._check_names()
        for molecule in self.molecules:
            self._check_molecule(molecule)
        for position, interaction in enumerate(self.interactions, start=1):
            self._check_interaction(position, interaction)

    # -- validation -------------------------------------------------------------------------

    def _fail(self, message: str) -> None:
        raise NetworkError(f"network {self.name!r}: {message}")

    def _check_names(self) -> None:
        if not self.molecules:
            self._fail("it is empty; expected at least one molecule")
        for what, items in (("molecule", self.molecules), ("pathway", self.pathways)):
            names = [item.name for item in items]
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                self._fail(f"{what} names must be unique, found twice: {listed(twice)}")
            untidy = [name for name in names if not name or name != name.strip()]
            if untidy:
                self._fail(
                    f"{what} names must not be blank or padded, found {listed(map(repr, untidy))}"
                )

    def _check_molecule(self, molecule: Molecule) -> None:
        where = f"molecule {molecule.name!r}"
        if molecule.kind not in MOLECULE_KINDS:
            self._fail(
                f"{where} is of kind {molecule.kind!r}; expected one of {listed(MOLECULE_KINDS)}"
            )
        if molecule.compartment not in COMPARTMENTS:
            self._fail(
                f"{where} is in compartment {molecule.compartment!r}; "
                f"expected one of {listed(COMPARTMENTS)}"
            )
        unknown = [name for name in molecule.pathways if name not in self.pathway_index]
        if unknown:
            self._fail(f"{where} belongs to pathways that do not exist: {listed(unknown)}")
        for field, low, strict in (("tau_hours", 0.0, True), ("ymax", 0.0, False)):
            value = getattr(molecule, field)
            if value is not None and not (
                (value > low if strict else value >= low) and value < inf
            ):
                self._fail(f"{where} has {field} {value}; expected a positive number")
        if molecule.y0 is not None and not 0 <= molecule.y0 < inf:
            self._fail(f"{where} has y0 {molecule.y0}; expected a number of at least 0")

    def _check_interaction(self, position: int, interaction: Interaction) -> None:
        where = f"interaction {position} on {interaction.target!r}"
        if len(interaction.sources) != len(interaction.signs):
            self._fail(
                f"{where} has {len(interaction.sources)} sources and {len(interaction.signs)} signs"
            )
        if any(sign not in (-1, 0, 1) for sign in interaction.signs):
            self._fail(f"{where} has signs {interaction.signs}; expected -1, 0 or 1")
        where = f"interaction {position} ({interaction.rule})"  # which needs valid signs
        unknown = [
            name
            for name in (*interaction.sources, interaction.target)
            if name not in self.molecule_index
        ]
        if unknown:
            self._fail(f"{where} names molecules that do not exist: {listed(unknown)}")
        signs_of: dict[str, set[int]] = {}
        for name, sign in zip(interaction.sources, interaction.signs, strict=True):
            signs_of.setdefault(name, set()).add(sign)
        both = [name for name, signs in signs_of.items() if len(signs) > 1]
        if both:
            self._fail(f"{where} has sources that are both plain and negated: {listed(both)}")
        twice = [name for name, count in Counter(interaction.sources).items() if count > 1]
        if twice:
            self._fail(f"{where} names a source twice: {listed(twice)}")
        if interaction.kind not in INTERACTION_KINDS:
            self._fail(
                f"{where} is of kind {interaction.kind!r}; "
                f"expected one of {listed(INTERACTION_KINDS)}"
            )
        for field, low, high in (("weight", 0.0, 1.0), ("ec50", 0.0, 1.0), ("n", 0.0, 1e3)):
            value = getattr(interaction, field)
            if value is None:
                continue
            inside = low <= value <= high if field == "weight" else low < value < high
            if not inside:
                self._fail(f"{where} has {field} {value}; expected a number in {low} to {high}")

    # -- lookups ----------------------------------------------------------------------------

    @cached_property
    def molecule_index(self) -> dict[str, int]:
        """Position of every molecule by name."""
        return {molecule.name: i for i, molecule in enumerate(self.molecules)}

    @cached_property
    def pathway_index(self) -> dict[str, int]:
        """Position of every pathway by name."""
        return {pathway.name: i for i, pathway in enumerate(self.pathways)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the molecules in file order."""
        return tuple(molecule.name for molecule in self.molecules)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the molecules that have an input interaction, in file order, each once."""
        return tuple(dict.fromkeys(i.target for i in self.interactions if i.is_input))

    @property
    def family_name(self) -> str:
        return self.family or self.name

    def molecule(self, name: str) -> Molecule:
        """The molecule called `name`.

        Raises:
            NetworkError: there is none; the message lists the closest names.
        """
        if name not in self.molecule_index:
            alike = [known for known in self.names if known.lower() == name.lower()]
            hint = f"; did you mean {listed(alike)}?" if alike else ""
            self._fail(f"there is no molecule {name!r}{hint}")
        return self.molecules[self.molecule_index[name]]

    # -- derived networks -------------------------------------------------------------------

    def subnetwork(self, *pathways: str) -> SignalingNetwork:
        """The molecules of the named pathways and the interactions whose ends all lie within.

        Raises:
            NetworkError: a pathway does not exist, or none is named.
        """
        unknown = [name for name in pathways if name not in self.pathway_index]
        if unknown or not pathways:
            self._fail(
                f"there is no pathway {listed(unknown) or '(none named)'}; "
                f"known are {listed(self.pathway_index)}"
            )
        kept = [m for m in self.molecules if not set(pathways).isdisjoint(m.pathways)]
        return self._restricted(kept, [p for p in self.pathways if p.name in pathways])

    def _restricted(
        self, molecules: Sequence[Molecule], pathways: Sequence[Pathway]
    ) -> SignalingNetwork:
        names = {m.name for m in molecules}
        pathway_names = {p.name for p in pathways}
        return replace(
            self,
            molecules=tuple(
                replace(m, pathways=tuple(p for p in m.pathways if p in pathway_names))
                for m in molecules
            ),
            interactions=tuple(
                i for i in self.interactions if names.issuperset((*i.sources, i.target))
            ),
            pathways=tuple(pathways),
        )

    def without_kinetics(self) -> SignalingNetwork:
        """The same wiring with every kinetic parameter (w, n, EC50, τ, y0, ymax) removed."""
        return replace(
            self,
            molecules=tuple(replace(m, tau_hours=None, y0=None, ymax=None) for m in self.molecules),
            interactions=tuple(
                replace(i, weight=None, n=None, ec50=None) for i in self.interactions
            ),
        )

    def without_logic(self) -> SignalingNetwork:
        """Signed edges alone: every source of an AND group becomes an interaction of its own."""
        edges = dict.fromkeys(
            replace(interaction, sources=(source,), signs=(sign,))
            for interaction in self.interactions
            for source, sign in zip(interaction.sources, interaction.signs, strict=True)
        )
        inputs = tuple(i for i in self.interactions if i.is_input)
        return replace(self, interactions=inputs + tuple(edges), logic_known=False)

    # -- identity ---------------------------------------------------------------------------

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over everything the network states; the same on every machine and run."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=list)
        return hashlib.sha256(text.encode()).hexdigest()

    def __hash__(self) -> int:
        return int(self.content_hash[:15], 16)

    def __repr__(self) -> str:
        n_inputs = sum(interaction.is_input for interaction in self.interactions)
        return (
            f"SignalingNetwork({self.name!r}: {len(self.molecules)} molecules, "
            f"{len(self.interactions)} interactions of which {n_inputs} inputs, "
            f"{len(self.pathways)} pathways)"
        )


def merge_networks(networks: Iterable[SignalingNetwork], name: str) -> SignalingNetwork:
    """One network of several: molecules meet by name, and every network becomes a pathway.

    A pair of source and target in several networks is kept once, in the rule of the first that has
    it, so that no interaction is stated twice. A molecule that has regulators in any of the
    networks loses its input interactions: what was an end of one pathway is inside the union.
    The logic is known if that of all networks is.

    Args:
        networks: at least one; their own pathways are replaced by one pathway per network.
        name: of the union.
    """
    networks = tuple(networks)
    molecules: dict[str, Molecule] = {}
    belongs: dict[str, list[str]] = {}
    rules: dict[tuple[frozenset[tuple[str, int]], str], Interaction] = {}
    stated: set[tuple[str, str]] = set()
    for network in networks:
        for molecule in network.molecules:
            molecules.setdefault(molecule.name, molecule)
            belongs.setdefault(molecule.name, []).append(network.name)
        for interaction in network.interactions:
            pairs = {(source, interaction.target) for source in interaction.sources}
            if pairs and pairs <= stated:
                continue
            stated |= pairs
            signed = frozenset(zip(interaction.sources, interaction.signs, strict=True))
            rules.setdefault((signed, interaction.target), interaction)
    regulated = {target for (sources, target) in rules if sources}
    return SignalingNetwork(
        name=name,
        molecules=tuple(
            replace(m, pathways=tuple(dict.fromkeys(belongs[m.name]))) for m in molecules.values()
        ),
        interactions=tuple(i for i in rules.values() if i.sources or i.target not in regulated),
        pathways=tuple(Pathway(n.name, n.title, n.source) for n in networks),
        logic_known=all(n.logic_known for n in networks),
    )


def _freeze(
    item: Molecule | Interaction, sequences: tuple[str, ...], numbers: tuple[str, ...]
) -> None:
    """Lists as tuples and 1 as 1.0, so that items which are equal also hash alike."""
    for name in sequences:
        object.__setattr__(item, name, tuple(getattr(item, name)))
    for name in numbers:
        if getattr(item, name) is not None:
            object.__setattr__(item, name, float(getattr(item, name)))
