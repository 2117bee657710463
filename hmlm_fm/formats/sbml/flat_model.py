"""What an SBML model states about rates: kinetic laws, rules and values, as one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...common.errors import FormatError
from .math_ml import Array, MathGraph, knows_time, names_in
from .species import species_of


@dataclass(frozen=True)
class Rate:
    """A formula that changes or sets molecules.

    Attributes:
        node: its position in the graph.
        targets: sign of the net stoichiometry of every molecule that it changes.
        reactants, products, modifiers: of the reaction; empty for a rule.
        only_forward: the reaction is stated to be irreversible.
    """

    node: int
    targets: Mapping[str, int]
    reactants: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    modifiers: frozenset[str] = frozenset()
    only_forward: bool = False


@dataclass
class KineticModel:
    """A model as rates of change.

    Attributes:
        molecules: names of the species, then of the parameters that rate rules drive.
        changeable: molecules that reactions may change.
        graph: all formulas.
        rates: laws and rules.
        values: initial values of molecules, parameters and compartments; NaN where unknown.
        without_law: reactions that have no formula.
        changed: molecules that a reaction or a rule with molecules in it changes.
    """

    molecules: tuple[str, ...]
    changeable: frozenset[str]
    graph: MathGraph
    rates: list[Rate] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    without_law: list[Any] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    @property
    def says_how_molecules_act(self) -> bool:
        """Whether any rate depends on any molecule: constant fluxes, say, do not."""
        depends = self.graph.depending(self.molecules)
        return any(depends[rate.node] for rate in self.rates)


def molecule_names(model: Any) -> tuple[str, ...]:
    """Names of the molecules of an ODE model: species, then parameters driven by rate rules, then
    those that are stimuli."""
    driven = {rule.getVariable() for rule in model.getListOfRules() if rule.isRate()}
    driven |= stimulus_parameters(model)
    parameters = (p.getId() for p in model.getListOfParameters())
    return tuple(dict.fromkeys((*species_of(model), *(p for p in parameters if p in driven))))


def stimulus_parameters(model: Any) -> set[str]:
    """Parameters that change with time by themselves, as what is given to cells does: a rule sets
    them that knows time and no species, or an event does."""
    species = species_of(model)
    parameters = {p.getId() for p in model.getListOfParameters()}
    rules = {
        rule.getVariable(): rule.getMath()
        for rule in model.getListOfRules()
        if rule.isAssignment() and rule.getVariable() in parameters
    }
    found = {
        assignment.getVariable()
        for event in model.getListOfEvents()
        for assignment in event.getListOfEventAssignments()
        if assignment.getVariable() in parameters
    }
    for name, math in rules.items():
        # What is worked out of species is a sum or a share of them, and no stimulus.
        if knows_time(math) and not names_in(math) & (species.keys() | rules.keys()):
            found.add(name)
    return found


def read_kinetics(model: Any) -> KineticModel:
    """The rates of a model.

    A parameter that an assignment rule sets is replaced by the rule; a species that one sets stays
    a molecule, on which the rule acts.

    Raises:
        FormatError: assignment rules, or function definitions, go in a circle.
    """
    molecules = molecule_names(model)
    known = frozenset(molecules)
    functions = {f.getId(): f.getMath() for f in model.getListOfFunctionDefinitions()}
    graph = MathGraph({name: math for name, math in functions.items() if math is not None})
    rules = {
        rule.getVariable(): rule.getMath()
        for rule in model.getListOfRules()
        if rule.isAssignment() and rule.getVariable()
    }
    fixed = {
        name
        for name, species in species_of(model).items()
        if species.getBoundaryCondition() or species.getConstant() or name in rules
    }
    kinetic = KineticModel(molecules, known - fixed, graph)
    kinetic.values = _stated_values(model)
    definitions = {name: _Definition(math, {}) for name, math in rules.items() if name not in known}
    reactions = {
        reaction.getId() or f"reaction {i}": reaction
        for i, reaction in enumerate(model.getListOfReactions())
    }
    for name, reaction in reactions.items():
        law = reaction.getKineticLaw()
        if law is not None and law.getMath() is not None:
            definitions[name] = _Definition(law.getMath(), _local_parameters(kinetic, name, law))
    nodes = _nodes_of_definitions(graph, definitions)
    for name, reaction in reactions.items():
        if name in definitions:
            _add_reaction(kinetic, reaction, nodes[name])
        else:
            kinetic.without_law.append(reaction)
    for name in molecules:
        if name in rules:
            kinetic.rates.append(Rate(graph.add(rules[name], nodes.get), {name: 1}))
    for rule in model.getListOfRules():
        if rule.isRate() and rule.getVariable() in known:
            node = graph.add(rule.getMath(), nodes.get)
            kinetic.rates.append(Rate(node, {rule.getVariable(): 1}))
            kinetic.changed.add(rule.getVariable())
    assigned = {
        a.getSymbol(): graph.add(a.getMath(), nodes.get)
        for a in model.getListOfInitialAssignments()
    }
    assigned |= {name: graph.add(rules[name], nodes.get) for name in known & rules.keys()}
    _settle(kinetic, assigned)
    return kinetic


@dataclass(frozen=True)
class _Definition:
    """A formula that other formulas may name, with the nodes of names known in it alone."""

    formula: Any
    local: Mapping[str, int]


def _nodes_of_definitions(
    graph: MathGraph, definitions: Mapping[str, _Definition]
) -> dict[str, int]:
    """The nodes of formulas that name each other, each added after those that it names."""
    needs = {
        name: (names_in(definition.formula) - definition.local.keys()) & definitions.keys()
        for name, definition in definitions.items()
    }
    nodes: dict[str, int] = {}
    open_names: set[str] = set()
    for first in definitions:
        stack = [first]
        while stack:
            name = stack[-1]
            missing = sorted(needs[name] - nodes.keys()) if name not in nodes else []
            if missing:
                open_names.add(name)
                circle = open_names.intersection(missing)
                if circle:
                    raise FormatError(
                        f"the rule of {name!r} and that of {min(circle)!r} need each other; "
                        "expected assignment rules without circles"
                    )
                stack += missing
                continue
            stack.pop()
            open_names.discard(name)
            if name not in nodes:
                names = {**nodes, **definitions[name].local} if definitions[name].local else nodes
                nodes[name] = graph.add(definitions[name].formula, names.get)
    return nodes


def _local_parameters(kinetic: KineticModel, reaction: str, law: Any) -> dict[str, int]:
    """Nodes of the parameters of a law, which are symbols of their own."""
    local = {}
    for parameter in (*law.getListOfParameters(), *law.getListOfLocalParameters()):
        name = f"{reaction} {parameter.getId()}"
        kinetic.values[name] = parameter.getValue() if parameter.isSetValue() else float("nan")
        local[parameter.getId()] = kinetic.graph.symbol(name)
    return local


def _add_reaction(kinetic: KineticModel, reaction: Any, node: int) -> None:
    net: dict[str, float] = {}
    reactants, products = reaction.getListOfReactants(), reaction.getListOfProducts()
    for references, direction in ((reactants, -1.0), (products, 1.0)):
        for reference in references:
            amount = direction * _stoichiometry(reference)
            net[reference.getSpecies()] = net.get(reference.getSpecies(), 0.0) + amount
    targets = {
        name: 1 if amount > 0 else -1
        for name, amount in net.items()
        if amount and name in kinetic.changeable
    }
    kinetic.changed.update(targets)
    kinetic.rates.append(
        Rate(
            node,
            targets,
            reactants=frozenset(r.getSpecies() for r in reactants),
            products=frozenset(p.getSpecies() for p in products),
            modifiers=frozenset(m.getSpecies() for m in reaction.getListOfModifiers()),
            only_forward=not reaction.getReversible(),
        )
    )


def _stoichiometry(reference: Any) -> float:
    """How many a reaction takes or makes; 1 where the file computes it, since the sign counts."""
    value = reference.getStoichiometry()
    computed = reference.isSetStoichiometryMath() or not np.isfinite(value)
    return 1.0 if computed else float(value)


def _stated_values(model: Any) -> dict[str, float]:
    """Values that the file states, of species as concentrations where it gives a volume."""
    sizes = {
        c.getId(): c.getSize() if c.isSetSize() else 1.0 for c in model.getListOfCompartments()
    }
    values: dict[str, float] = dict(sizes)
    for parameter in model.getListOfParameters():
        values[parameter.getId()] = parameter.getValue() if parameter.isSetValue() else np.nan
    for name, species in species_of(model).items():
        values[name] = np.nan
        if species.isSetInitialConcentration():
            values[name] = species.getInitialConcentration()
        elif species.isSetInitialAmount():
            size = sizes.get(species.getCompartment(), 1.0)
            as_amount = species.getHasOnlySubstanceUnits() or not size > 0
            values[name] = species.getInitialAmount() / (1.0 if as_amount else size)
    for reaction in model.getListOfReactions():
        for reference in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
            if reference.getId():
                values[reference.getId()] = _stoichiometry(reference)
    return values


def _settle(kinetic: KineticModel, assigned: Mapping[str, int], rounds: int = 5) -> None:
    """Set values that formulas assign at the start; these may need each other's results."""
    graph = kinetic.graph
    needed = set(assigned.values())
    for position in range(len(graph.nodes) - 1, -1, -1):
        if position in needed:
            needed.update(graph.arguments(position))
    order = sorted(needed)
    for _ in range(rounds if order else 0):
        found: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for position in order:
                kind, *rest = graph.nodes[position]
                if kind == "number":
                    found[position] = np.asarray(rest[0])
                elif kind == "symbol":
                    found[position] = np.asarray(kinetic.values.get(rest[0], np.nan))
                else:
                    found[position] = graph.value(position, found)
        new = {name: float(found[position]) for name, position in assigned.items()}
        if all(kinetic.values.get(n) == v or not np.isfinite(v) for n, v in new.items()):
            return
        kinetic.values.update(new)
