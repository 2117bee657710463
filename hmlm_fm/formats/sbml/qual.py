"""The package qual of SBML level 3: Boolean and multi-valued logic, read with libsbml.

A transition gives its outputs a level by the first of its terms that holds. A species counts as
active at level 1 and above; of a species with more levels, a comparison that separates
active levels shows whether the species acts plainly or negated.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ...common.errors import FormatWarning
from ...model.network import Interaction, Molecule
from ..identifiers import Identifiers
from ..logic.expression import Expression, ExpressionBuilder
from ..logic.implicants import interactions_of_function
from ..logic.rules import kind_of_signs
from ..names import Meaning
from .document import libsbml_module
from .species import compartments_of, meaning_of_element

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "GT": operator.gt,
    "LT": operator.lt,
    "GEQ": operator.ge,
    "LEQ": operator.le,
}


class _Unreadable(Exception):
    """A term holds mathematics that is no logic; the message names it."""


def states_logic(model: Any) -> bool:
    """Whether a model has qualitative species."""
    plugin = model.getPlugin("qual")
    return plugin is not None and plugin.getNumQualitativeSpecies() > 0


def qualitative_network(
    model: Any, pathway: str, identifiers: Identifiers, path: str | os.PathLike[str]
) -> tuple[list[Molecule], tuple[Interaction, ...]]:
    """Molecules and interactions of a qualitative model.

    A transition whose terms are not there, or no logic, gives an interaction for every input,
    signed as the input is; a species that no transition sets is an input.
    """
    plugin = model.getPlugin("qual")
    species = {s.getId(): s for s in plugin.getListOfQualitativeSpecies() if s.getId()}
    places = compartments_of(model)
    molecules = []
    for name, item in species.items():
        label = " ".join(item.getName().split()) or name
        meaning: Meaning = meaning_of_element(item, (label, name), identifiers)
        molecules.append(
            Molecule(
                name,
                label,
                meaning.kind,
                meaning.members,
                places.get(item.getCompartment(), "unknown"),
                (pathway,),
            )
        )
    levels = {
        name: max(item.getMaxLevel(), 1) if item.isSetMaxLevel() else 1
        for name, item in species.items()
    }
    reader = _Logic(levels)
    interactions, set_by_logic = reader.interactions(plugin.getListOfTransitions())
    inputs = (Interaction((), (), name, "input") for name in species if name not in set_by_logic)
    _warn(reader, levels, path)
    return molecules, (*interactions, *inputs)


def _warn(reader: _Logic, levels: dict[str, int], path: str | os.PathLike[str]) -> None:
    several = [name for name, most in levels.items() if most > 1]
    notes = {
        f"{len(several)} species have more levels than two, such as {several[:1]}; level 1 and "
        "above counts as active": several,
        f"the terms of {len(reader.unreadable)} transitions are no logic that is read here "
        f"({next(iter(reader.unreadable), '')}); their inputs act each on its own": (
            reader.unreadable
        ),
        f"the logic of {', '.join(reader.inexact[:8])} takes too many terms; each regulator is an "
        "interaction of its own": reader.inexact,
    }
    for note, is_needed in notes.items():
        if is_needed:
            warnings.warn(f"{path}: {note}", FormatWarning, stacklevel=4)


class _Logic:
    """Turns transitions into interactions, and keeps what could not be turned.

    Attributes:
        unreadable: what was found where logic was expected.
        inexact: targets whose function is too large.
    """

    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels
        self.unreadable: list[str] = []
        self.inexact: list[str] = []
        self._libsbml = libsbml_module()

    def interactions(self, transitions: Iterable[Any]) -> tuple[list[Interaction], set[str]]:
        """Interactions of all transitions, and the species that any of them sets."""
        functions: dict[str, list[Expression]] = {}
        found: list[Interaction] = []
        targets: set[str] = set()
        for transition in transitions:
            outputs = [o.getQualitativeSpecies() for o in transition.getListOfOutputs()]
            outputs = [name for name in dict.fromkeys(outputs) if name in self.levels]
            targets.update(outputs)
            try:
                expression = self._function(transition)
            except _Unreadable as problem:
                self.unreadable.append(str(problem))
                for target in outputs:
                    found += self._by_inputs(transition, target)
                continue
            for target in outputs:
                functions.setdefault(target, []).append(expression)
        for target, expressions in functions.items():
            made, exact = interactions_of_function(target, _any_of(expressions))
            found += made
            if not exact:
                self.inexact.append(target)
        return list(dict.fromkeys(found)), targets

    def _by_inputs(self, transition: Any, target: str) -> Iterable[Interaction]:
        signs = {
            self._libsbml.INPUT_SIGN_POSITIVE: 1,
            self._libsbml.INPUT_SIGN_NEGATIVE: -1,
        }
        for item in transition.getListOfInputs():
            source, sign = item.getQualitativeSpecies(), signs.get(item.getSign(), 0)
            if source in self.levels:
                yield Interaction((source,), (sign,), target, kind_of_signs((sign,)))

    def _function(self, transition: Any) -> Expression:
        """When the outputs of a transition are active."""
        terms = list(transition.getListOfFunctionTerms())
        default = transition.getDefaultTerm()
        if not terms and default is None:
            raise _Unreadable("there are none")
        thresholds = {
            item.getId(): item.getThresholdLevel() if item.isSetThresholdLevel() else 1
            for item in transition.getListOfInputs()
            if item.getId()
        }
        builder = ExpressionBuilder()
        result = builder.constant(default is not None and default.getResultLevel() > 0)
        for term in reversed(terms):
            condition = self._condition(term.getMath(), thresholds, builder)
            if term.getResultLevel() > 0:
                result = builder.joined("or", (condition, result))
            else:
                result = builder.joined("and", (builder.negation(condition), result))
        return builder.build(result)

    def _condition(
        self, formula: Any, thresholds: dict[str, int], builder: ExpressionBuilder
    ) -> int:
        """The node of a condition; iterative, as conditions may be nested deeply."""
        if formula is None:
            raise _Unreadable("a term without <math>")
        done: list[int] = []
        stack = [(formula, False)]
        while stack:
            node, has_arguments = stack.pop()
            operation = self._operation(node)
            if operation in _COMPARE:
                done.append(self._comparison(node, operation, thresholds, builder))
            elif operation and not has_arguments:
                stack.append((node, True))
                stack += [(node.getChild(i), False) for i in reversed(range(node.getNumChildren()))]
            elif operation:
                count = node.getNumChildren()
                arguments = done[len(done) - count :]
                del done[len(done) - count :]
                done.append(_joined(builder, operation, arguments))
            else:
                done.append(self._leaf(node, builder))
        return done[0]

    def _operation(self, node: Any) -> str:
        library = self._libsbml
        return {
            library.AST_LOGICAL_AND: "and",
            library.AST_LOGICAL_OR: "or",
            library.AST_LOGICAL_XOR: "xor",
            library.AST_LOGICAL_NOT: "not",
            library.AST_LOGICAL_IMPLIES: "implies",
            **{getattr(library, f"AST_RELATIONAL_{name}"): name for name in _COMPARE},
        }.get(node.getType(), "")

    def _leaf(self, node: Any, builder: ExpressionBuilder) -> int:
        if node.isName() and node.getName() in self.levels:
            return builder.variable(node.getName())
        if node.getType() in (self._libsbml.AST_CONSTANT_TRUE, self._libsbml.AST_CONSTANT_FALSE):
            return builder.constant(node.getType() == self._libsbml.AST_CONSTANT_TRUE)
        if node.isNumber():
            return builder.constant(node.getValue() != 0)
        raise _Unreadable(repr(node.getName() or self._libsbml.formulaToL3String(node))[:60])

    def _comparison(
        self, node: Any, operation: str, thresholds: dict[str, int], builder: ExpressionBuilder
    ) -> int:
        compare = _COMPARE[operation]
        if node.getNumChildren() != 2:
            raise _Unreadable("a comparison of other than two")
        left, right = (self._side(node.getChild(i), thresholds) for i in (0, 1))
        if isinstance(left, float) and isinstance(right, float):
            return builder.constant(compare(left, right))
        if isinstance(left, str) and isinstance(right, str):
            return self._two_species(left, right, compare, builder)
        if isinstance(left, str):
            name, level = left, right
            holds = [compare(own, float(level)) for own in range(self.levels[name] + 1)]
        else:
            name, level = str(right), left
            holds = [compare(float(level), own) for own in range(self.levels[name] + 1)]
        if all(holds) or not any(holds):
            return builder.constant(holds[0])
        variable = builder.variable(name)
        return builder.negation(variable) if holds[0] else variable

    def _two_species(
        self,
        left: str,
        right: str,
        compare: Callable[[float, float], bool],
        builder: ExpressionBuilder,
    ) -> int:
        """A comparison of two species, as if each had two levels."""
        cases = []
        for a in (0, 1):
            for b in (0, 1):
                if compare(a, b):
                    sides = [builder.variable(left), builder.variable(right)]
                    states = [
                        side if state else builder.negation(side)
                        for side, state in zip(sides, (a, b), strict=True)
                    ]
                    cases.append(builder.joined("and", states))
        return builder.joined("or", cases)

    def _side(self, node: Any, thresholds: dict[str, int]) -> str | float:
        """A species, or a level: a number or the threshold of an input."""
        if node.isName():
            if node.getName() in self.levels:
                return str(node.getName())
            if node.getName() in thresholds:
                return float(thresholds[node.getName()])
        elif node.isNumber():
            return float(node.getValue())
        raise _Unreadable(repr(node.getName() or self._libsbml.formulaToL3String(node))[:60])


def _joined(builder: ExpressionBuilder, operation: str, arguments: list[int]) -> int:
    if operation == "not" and len(arguments) == 1:
        return builder.negation(arguments[0])
    if operation == "implies" and len(arguments) == 2:
        return builder.joined("or", (builder.negation(arguments[0]), arguments[1]))
    if operation in ("and", "or", "xor"):
        return builder.joined(operation, arguments)
    raise _Unreadable(f"{operation!r} of {len(arguments)}")


def _any_of(expressions: list[Expression]) -> Expression:
    """The OR of functions."""
    if len(expressions) == 1:
        return expressions[0]
    builder = ExpressionBuilder()
    return builder.build(builder.joined("or", [builder.include(e) for e in expressions]))
