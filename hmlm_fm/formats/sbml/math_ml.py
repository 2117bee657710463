"""The mathematics of an SBML model as one graph of operations, evaluated with numpy.

Equal parts are one node, so that function definitions and assignment rules, which are put in where
they are used, cannot blow it up. Only a fixed list of operations is known: whatever else a file
holds has no value (NaN). Nothing here recurses over a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np

from ...common.errors import FormatError
from .document import libsbml_module

Array = np.ndarray
Node = tuple[Any, ...]
"""`("number", value)`, `("symbol", name)`, or an operation and the positions of its arguments."""

TIME = "time of the simulation"
"""The symbol that stands for time; no SBML id holds blanks."""

MOST_CALLS = 50
"""How deeply function definitions may call each other."""

MOST_NODES = 100_000
"""What the formulas of a model may add up to; published ones have up to a few thousand."""

Resolve = Callable[[str], "int | None"]


class MathGraph:
    """A growing graph of operations; every method takes and returns positions of nodes.

    Attributes:
        nodes: arguments before what uses them.
    """

    def __init__(self, functions: Mapping[str, Any]) -> None:
        """Args: functions: lambdas of the model's function definitions, by id."""
        self.nodes: list[Node] = []
        self._positions: dict[Node, int] = {}
        self._functions = functions
        self._calls: dict[tuple[str, tuple[int, ...]], int] = {}

    def number(self, value: float) -> int:
        return self._add(("number", value))

    def symbol(self, name: str) -> int:
        return self._add(("symbol", name))

    def add(self, formula: Any, resolve: Resolve, callers: tuple[str, ...] = ()) -> int:
        """The node of a `libsbml.ASTNode`.

        Args:
            formula: what to add; a missing one has no value.
            resolve: nodes of names that stand for something else than a symbol.
            callers: function definitions that are being put in.

        Raises:
            FormatError: a function definition calls itself.
        """
        if formula is None:
            return self.number(float("nan"))
        operations = _operations()
        done: list[int] = []
        stack = [(formula, False)]
        while stack:
            node, has_arguments = stack.pop()
            count = node.getNumChildren()
            if count and not has_arguments:
                stack.append((node, True))
                stack += [(node.getChild(i), False) for i in reversed(range(count))]
                continue
            arguments = tuple(done[len(done) - count :])
            del done[len(done) - count :]
            operation = operations.get(node.getType(), "unknown")
            done.append(self._node(operation, node, arguments, resolve, callers))
        return done[0]

    def _node(
        self,
        operation: str,
        node: Any,
        arguments: tuple[int, ...],
        resolve: Resolve,
        callers: tuple[str, ...],
    ) -> int:
        if operation == "number":
            return self.number(float(node.getValue()))
        if operation in _CONSTANTS:
            return self.number(_CONSTANTS[operation])
        if operation == "time":
            return self.symbol(TIME)
        if operation == "name":
            found = resolve(node.getName())
            return self.symbol(node.getName()) if found is None else found
        if operation == "call":
            return self._call(node.getName(), arguments, callers)
        return self._add((operation, *arguments))

    def _call(self, name: str, arguments: tuple[int, ...], callers: tuple[str, ...]) -> int:
        key = (name, arguments)
        if key in self._calls:
            return self._calls[key]
        if name in callers or len(callers) > MOST_CALLS:
            raise FormatError(f"the function definition {name!r} calls itself")
        function = self._functions.get(name)
        if function is None or function.getNumChildren() != len(arguments) + 1:
            return self._add(("unknown", *arguments))
        named = {function.getChild(i).getName(): argument for i, argument in enumerate(arguments)}
        body = function.getChild(len(arguments))
        self._calls[key] = self.add(body, named.get, (*callers, name))
        return self._calls[key]

    def _add(self, node: Node) -> int:
        position = self._positions.setdefault(node, len(self.nodes))
        if position == len(self.nodes):
            self.nodes.append(node)
            if position >= MOST_NODES:
                raise FormatError(f"its formulas add up to more than {MOST_NODES} operations")
        return position

    def arguments(self, position: int) -> tuple[int, ...]:
        """Positions of the arguments of a node."""
        node = self.nodes[position]
        return () if node[0] in ("number", "symbol") else node[1:]

    def depending(self, names: Iterable[str]) -> list[bool]:
        """Of every node, whether it depends on one of these symbols."""
        wanted = set(names)
        found: list[bool] = []
        for position, node in enumerate(self.nodes):
            own = node[0] == "symbol" and node[1] in wanted
            found.append(own or any(found[i] for i in self.arguments(position)))
        return found

    def users(self) -> list[list[int]]:
        """Of every node, the nodes that have it as an argument."""
        users: list[list[int]] = [[] for _ in self.nodes]
        for position in range(len(self.nodes)):
            for i in dict.fromkeys(self.arguments(position)):
                users[i].append(position)
        return users

    def value(self, position: int, values: Sequence[Array] | Mapping[int, Array]) -> Array:
        """The value of an operation, given those of its arguments."""
        arguments = [values[i] for i in self.arguments(position)]
        return _apply(self.nodes[position][0], arguments)


def names_in(formula: Any) -> set[str]:
    """The names that a formula holds."""
    names: set[str] = set()
    stack = [] if formula is None else [formula]
    while stack:
        node = stack.pop()
        if node.isName() and node.getName():
            names.add(node.getName())
        stack += [node.getChild(i) for i in range(node.getNumChildren())]
    return names


def knows_time(formula: Any) -> bool:
    """Whether a formula depends on the time of the simulation itself."""
    stack = [] if formula is None else [formula]
    while stack:
        node = stack.pop()
        if node.getType() == libsbml_module().AST_NAME_TIME:
            return True
        stack += [node.getChild(i) for i in range(node.getNumChildren())]
    return False


_CONSTANTS = {
    "pi": float(np.pi),
    "e": float(np.e),
    "true": 1.0,
    "false": 0.0,
    "avogadro": 6.02214179e23,
    "rate": 0.0,  # a rate of change is no state, which is what acts here
}

_OF_ONE: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "exp": np.exp,
    "ln": np.log,
    "floor": np.floor,
    "ceiling": np.ceil,
    "not": lambda x: 1.0 - (x != 0),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sec": lambda x: 1 / np.cos(x),
    "csc": lambda x: 1 / np.sin(x),
    "cot": lambda x: 1 / np.tan(x),
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
}
_OF_TWO: dict[str, Callable[[Array, Array], Array]] = {
    "divide": np.divide,
    "power": np.power,
    "quotient": lambda a, b: np.trunc(a / b),
    "rem": np.fmod,
    "implies": lambda a, b: np.asarray((a == 0) | (b != 0), float),
}
_OF_MANY: dict[str, Callable[[Array, Array], Array]] = {
    "plus": np.add,
    "times": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "and": lambda a, b: np.asarray((a != 0) & (b != 0), float),
    "or": lambda a, b: np.asarray((a != 0) | (b != 0), float),
    "xor": lambda a, b: np.asarray((a != 0) ^ (b != 0), float),
}
_OF_NONE = {"plus": 0.0, "times": 1.0, "and": 1.0, "or": 0.0, "xor": 0.0}
_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "neq": np.not_equal,
    "gt": np.greater,
    "lt": np.less,
    "geq": np.greater_equal,
    "leq": np.less_equal,
}


def _apply(operation: str, arguments: list[Array]) -> Array:
    nothing = np.asarray(np.nan)
    count = len(arguments)
    if operation in _OF_MANY:
        if not count:
            return np.asarray(_OF_NONE.get(operation, np.nan))
        return reduce(_OF_MANY[operation], arguments)
    if operation in _OF_ONE and count == 1:
        return _OF_ONE[operation](arguments[0])
    if operation in _OF_TWO and count == 2:
        return _OF_TWO[operation](arguments[0], arguments[1])
    if operation in _COMPARISONS and count >= 2:
        compare = _COMPARISONS[operation]
        pairs = (compare(a, b) for a, b in zip(arguments, arguments[1:], strict=False))
        return np.asarray(reduce(np.logical_and, pairs), float)
    if operation == "minus" and count in (1, 2):
        return -arguments[0] if count == 1 else arguments[0] - arguments[1]
    if operation == "log" and count in (1, 2):  # with two arguments, the first is the base
        base = np.asarray(10.0) if count == 1 else arguments[0]
        return np.log(arguments[-1]) / np.log(base)
    if operation == "root" and count in (1, 2):
        degree = np.asarray(2.0) if count == 1 else arguments[0]
        return np.power(arguments[-1], 1 / degree)
    if operation == "factorial" and count == 1:
        return _gamma(arguments[0] + 1)
    if operation == "delay" and count:
        return arguments[0]
    if operation == "piecewise":
        result = arguments[-1] if count % 2 else nothing
        for i in reversed(range(0, count - 1, 2)):
            result = np.where(arguments[i + 1] != 0, arguments[i], result)
        return result
    return nothing


def _gamma(x: Array) -> Array:
    from scipy.special import gamma

    return np.asarray(gamma(x))


@cache
def _operations() -> dict[int, str]:
    """Operation of every type of `libsbml.ASTNode` that is known here."""
    libsbml = libsbml_module()
    names = {
        "number": "INTEGER REAL REAL_E RATIONAL",
        "name": "NAME",
        "time": "NAME_TIME",
        "avogadro": "NAME_AVOGADRO",
        "call": "FUNCTION",
        "plus": "PLUS",
        "minus": "MINUS",
        "times": "TIMES",
        "divide": "DIVIDE",
        "power": "POWER FUNCTION_POWER",
        "root": "FUNCTION_ROOT",
        "delay": "FUNCTION_DELAY",
        "rate": "FUNCTION_RATE_OF",
        "piecewise": "FUNCTION_PIECEWISE",
        "pi": "CONSTANT_PI",
        "e": "CONSTANT_E",
        "true": "CONSTANT_TRUE",
        "false": "CONSTANT_FALSE",
    }
    for operation in "and or not xor implies".split():
        names[operation] = f"LOGICAL_{operation.upper()}"
    names["implies"] += " FUNCTION_IMPLIES"
    for operation in _COMPARISONS:
        names[operation] = f"RELATIONAL_{operation.upper()}"
    of_functions = [*_OF_ONE, *_OF_TWO, *_OF_MANY, "log", "factorial"]
    for operation in of_functions:
        names.setdefault(operation, f"FUNCTION_{operation.upper()}")
    return {
        getattr(libsbml, f"AST_{word}"): operation
        for operation, words in names.items()
        for word in words.split()
        if hasattr(libsbml, f"AST_{word}")
    }
