"""The logic ODE of a network written out for other tools, as they integrate it.

`python_equations` is plain Python in the manner of Netflux's export, one line per molecule, for
SciPy; `sbml_equations` is SBML Level 3 with a rate rule per molecule, for libroadrunner. Both write
the Hill function as `hmlm_fm.dynamics.logic_ode` has it, which never forms the root of a negative
number. Stimuli and knock-outs are parameters: the weight of a molecule's input, and its ymax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...dynamics.logic_ode import LogicODE
from ...model.error_base import HMLMError
from ...model.network import SignalingNetwork

PYTHON_HEAD = '''"""Netflux's functions, with the AND of several sources divided by w^(k-1)."""


def act(x, w, n, c):
    power = min(max(x, 0.0), 1.0) ** n
    return w * (1.0 - c) * power / (c + (1.0 - 2.0 * c) * power)


def inhib(x, w, n, c):
    return w - act(x, w, n, c)


def OR(a, b):
    return a + b - a * b


def AND(w, *factors):
    product = 1.0
    for factor in factors:
        product *= factor
    return product / w ** (len(factors) - 1)


def slopes(t, y, weight, ymax):
'''


@dataclass(frozen=True)
class _Rule:
    """One interaction with sources: these with their signs, its weight, n and c = EC50ⁿ."""

    literals: tuple[tuple[int, int], ...]
    weight: float
    n: float
    c: float


def _rules(system: LogicODE) -> list[list[_Rule]]:
    """Interactions with sources by their target."""
    of_target: list[list[_Rule]] = [[] for _ in system.tau_hours]
    for row, target in enumerate(system.target.tolist()):
        chosen = (system.interaction_of_literal == row).nonzero()[:, 0].tolist()
        literals = tuple((int(system.source[j]), int(system.sign[j])) for j in chosen)
        numbers = (system.weight[row], system.n[chosen[0]], system.c[chosen[0]])
        of_target[target].append(_Rule(literals, *map(float, numbers)))
    return of_target


def python_equations(network: SignalingNetwork) -> str:
    """Source of a module with `slopes(t, y, weight, ymax)`: dy/dt per hour as a list of N.

    `weight` and `ymax` are lists of N: the level of each molecule's input (0 for none), and its
    largest activity.
    """
    system = LogicODE.from_network(network)
    lines = []
    for i, rules in enumerate(_rules(system)):
        drive = f"weight[{i}]"
        for rule in rules:
            terms = [
                f"{'act' if sign > 0 else 'inhib'}(y[{j}], {rule.weight!r}, {rule.n!r}, {rule.c!r})"
                for j, sign in rule.literals
            ]
            gate = terms[0] if len(terms) == 1 else f"AND({rule.weight!r}, {', '.join(terms)})"
            drive = f"OR({drive}, {gate})"
        lines.append(f"        ({drive} * ymax[{i}] - y[{i}]) / {float(system.tau_hours[i])!r},\n")
    return f"{PYTHON_HEAD}    return [\n{''.join(lines)}    ]\n"


def _apply(operator: str, *parts: str) -> str:
    return f"<apply><{operator}/>{''.join(parts)}</apply>"


def _ci(name: str) -> str:
    return f"<ci>{name}</ci>"


def _cn(value: float) -> str:
    return f"<cn>{value!r}</cn>"


def _sbml_activation(source: int, n: float, c: float) -> str:
    power = _apply("power", _apply("max", _ci(f"y{source}"), _cn(0.0)), _cn(n))
    return _apply(
        "divide",
        _apply("times", _cn(1 - c), power),
        _apply("plus", _cn(c), _apply("times", _cn(1 - 2 * c), power)),
    )


def sbml_equations(network: SignalingNetwork) -> str:
    """An SBML document with parameters `y0 … yN-1` (the states), `w0 …` (inputs), `ymax0 …`.

    Time is in hours. The largest activity of a source is taken to be 1, so that no activation is
    cut off.

    Raises:
        HMLMError: a ymax above 1, where that would not hold.
    """
    system = LogicODE.from_network(network)
    if bool((system.ymax > 1).any()):
        raise HMLMError("expected every ymax to be at most 1; SBML is written without the cut")
    parameters, rules = [], []

    def parameter(name: str, value: float, constant: str) -> None:
        parameters.append(f'<parameter id="{name}" value="{value!r}" constant="{constant}"/>')

    for i, of_target in enumerate(_rules(system)):
        parameter(f"y{i}", float(system.y0[i]), "false")
        parameter(f"w{i}", float(system.input_weight[i]), "true")
        parameter(f"ymax{i}", float(system.ymax[i]), "true")
        off = [_apply("minus", _cn(1.0), _ci(f"w{i}"))]
        for rule in of_target:
            factors = []
            for j, sign in rule.literals:
                activation = _sbml_activation(j, rule.n, rule.c)
                factors.append(activation if sign > 0 else _apply("minus", _cn(1.0), activation))
            gate = _apply("times", _cn(rule.weight), *factors)
            off.append(_apply("minus", _cn(1.0), gate))
        drive = _apply("minus", _cn(1.0), _apply("times", *off) if len(off) > 1 else off[0])
        slope = _apply("minus", _apply("times", _ci(f"ymax{i}"), drive), _ci(f"y{i}"))
        rate = _apply("divide", slope, _cn(float(system.tau_hours[i])))
        rules.append(
            f'<rateRule variable="y{i}"><math xmlns="http://www.w3.org/1998/Math/MathML">'
            f"{rate}</math></rateRule>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">'
        f'<model id="network"><listOfParameters>{"".join(parameters)}</listOfParameters>'
        f"<listOfRules>{''.join(rules)}</listOfRules></model></sbml>\n"
    )


def state_names(molecules: int) -> Sequence[str]:
    """Names of the states in the SBML document, in the network's order."""
    return [f"y{i}" for i in range(molecules)]
