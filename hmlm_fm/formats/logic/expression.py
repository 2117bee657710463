"""Boolean functions of named variables, and how they are built from their leaves up.

Nothing here recurses over an expression, so that its depth does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Node = tuple[str, tuple[int, ...]]
"""An operation with its arguments.

`variable` and `constant` have one number, the position of the name or the value; `not` has one
argument, `and`, `or` and `xor` have two, which are positions of earlier nodes.
"""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Expression:
    """A Boolean function of named variables.

    Attributes:
        names: the variables, in the order in which they are first named.
        nodes: operations, arguments before what uses them; the last is the function.
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]

    def evaluate(self, values: Mapping[str, Value]) -> Value | bool:
        """The function at values that know `&`, `|`, `^` and, for `not`, `^ True`.

        Python's and numpy's Booleans do; arrays are taken element by element.
        """
        found: list = []
        for operation, arguments in self.nodes:
            if operation == "variable":
                found.append(values[self.names[arguments[0]]])
            elif operation == "constant":
                found.append(bool(arguments[0]))
            elif operation == "not":
                found.append(found[arguments[0]] ^ True)
            else:
                left, right = (found[i] for i in arguments)
                found.append(
                    left & right
                    if operation == "and"
                    else left | right
                    if operation == "or"
                    else left ^ right
                )
        return found[-1]


@dataclass
class ExpressionBuilder:
    """Builds an expression from its leaves up; methods take and return positions of nodes."""

    _names: dict[str, int] = field(default_factory=dict)
    _nodes: dict[Node, int] = field(default_factory=dict)

    def variable(self, name: str) -> int:
        return self._add("variable", self._names.setdefault(name, len(self._names)))

    def constant(self, value: bool) -> int:
        return self._add("constant", int(value))

    def negation(self, argument: int) -> int:
        return self._add("not", argument)

    def joined(self, operation: str, arguments: Iterable[int]) -> int:
        """`and`, `or` or `xor` of any number of arguments."""
        arguments = iter(arguments)
        first = next(arguments, None)
        if first is None:
            return self.constant(operation == "and")
        for argument in arguments:
            first = self._add(operation, first, argument)
        return first

    def include(self, expression: Expression) -> int:
        """The root of an expression whose nodes become nodes here."""
        moved: list[int] = []
        for operation, arguments in expression.nodes:
            if operation == "variable":
                moved.append(self.variable(expression.names[arguments[0]]))
            elif operation == "constant":
                moved.append(self.constant(bool(arguments[0])))
            else:
                moved.append(self._add(operation, *(moved[i] for i in arguments)))
        return moved[-1]

    def build(self, root: int) -> Expression:
        """The expression whose function is the node `root`."""
        nodes = list(self._nodes)
        used = {root}
        for position in range(root, -1, -1):
            operation, arguments = nodes[position]
            if position in used and operation not in ("variable", "constant"):
                used.update(arguments)
        names = list(self._names)
        new_names: dict[str, int] = {}
        moved: dict[int, int] = {}
        kept: list[Node] = []
        for position in sorted(used):
            operation, arguments = nodes[position]
            if operation == "variable":
                arguments = (new_names.setdefault(names[arguments[0]], len(new_names)),)
            elif operation != "constant":
                arguments = tuple(moved[i] for i in arguments)
            moved[position] = len(kept)
            kept.append((operation, arguments))
        return Expression(tuple(new_names), tuple(kept))

    def _add(self, operation: str, *arguments: int) -> int:
        return self._nodes.setdefault((operation, arguments), len(self._nodes))
