"""One step of a linearly implicit method for the states of a logic ODE.

ROS34PW2 (Rang and Angermann, BIT Numer Math 2005;45:761-787): four stages, order 3, stiffly
accurate and L-stable, with an embedded method whose distance controls the step. It is a W-method:
its order holds for any approximation of the Jacobian. So the linear system of a stage, (I - hγA)u
= b, need not be solved to the end: its diagonal, the decay, is inverted, and the couplings follow
by an elimination of most molecules and a few iterations on the rest (`elimination`). Where these do
not suffice the step is not accurate, and is made again shorter; a wrong answer does not come of it.

Shapes: M molecules, C conditions, J literals.
"""

from __future__ import annotations

import math
from functools import partial

import torch

from .elimination import Elimination, iterate
from .equations import Equations, Forcing

STAGES = 4
ORDER = 3
_ALPHA = [
    [0.0, 0.0, 0.0, 0.0],
    [0.87173304301691801, 0.0, 0.0, 0.0],
    [0.84457060015369423, -0.11299064236484185, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
]
_GAMMA = [
    [0.43586652150845900, 0.0, 0.0, 0.0],
    [-0.87173304301691801, 0.43586652150845900, 0.0, 0.0],
    [-0.90338057013044082, 0.054180672388095326, 0.43586652150845900, 0.0],
    [0.24212380706095346, -1.2232505839045147, 0.54526025533510214, 0.43586652150845900],
]
_B = [0.24212380706095346, -1.2232505839045147, 1.5452602553351021, 0.43586652150845900]
_B_EMBEDDED = [0.37810903145819369, -0.096042292212423178, 0.5, 0.21793326075422950]
GAMMA = _GAMMA[0][0]

# Without products with the Jacobian (Hairer and Wanner, Solving ODEs II, section IV.7).
_inverse = torch.linalg.inv(torch.tensor(_GAMMA, dtype=torch.float64))
_identity = torch.eye(STAGES, dtype=torch.float64)
STATE_WEIGHTS = (torch.tensor(_ALPHA, dtype=torch.float64) @ _inverse).tolist()
STAGE_WEIGHTS = (_identity - GAMMA * _inverse).tolist()
ERROR_WEIGHTS = (
    (torch.tensor(_B, dtype=torch.float64) - torch.tensor(_B_EMBEDDED, dtype=torch.float64))
    @ _inverse
).tolist()


def _path_weights() -> torch.Tensor:
    """Coefficients (4, stages) of θ, θ² and θ³ (and of 1, which are 0) in the weights of a path.

    At a share θ of a step the weights b(θ) of its stages meet the conditions of order 3 of a
    Rosenbrock method for a step of θh; b(1) = b. So the path is as stable as the step itself:
    slopes of fast molecules, which a cubic between states would need, have large errors.
    """
    alpha, gamma = (torch.tensor(table, dtype=torch.float64) for table in (_ALPHA, _GAMMA))
    beta = alpha + gamma
    ones = torch.ones(STAGES, dtype=torch.float64)
    conditions = torch.stack([ones, beta @ ones, (alpha @ ones) ** 2, beta @ beta @ ones])
    powers = torch.tensor(
        [[0, 1, 0, 0], [0, 0, 1 / 2, 0], [0, 0, 0, 1 / 3], [0, 0, 0, 1 / 6]], dtype=torch.float64
    )
    return (torch.linalg.inv(conditions) @ powers).T @ _inverse


PATH_WEIGHTS = _path_weights()


# Jacobi iterations of a stage: the fewest, what is to be left of the couplings, and beyond how many
# an elimination is cheaper.
FEWEST_ITERATIONS, LEFT_OVER, MOST_ITERATIONS = 2, 0.1, 6


def w_step(
    equations: Equations,
    elimination: Elimination,
    forcing: Forcing,
    rate_M1: torch.Tensor,
    state_MC: torch.Tensor,
    step_hours: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The states one step later.

    Args:
        equations, forcing: the drives u(y) of dy/dt = (u - y)/τ.
        elimination: of the equations' paths.
        rate_M1: 1/τ per hour.
        state_MC: y.
        step_hours: of every condition (1, C), or of every molecule too (M, C).

    Returns:
        States (M, C), their distance to the embedded method, and the stages, for `PATH_WEIGHTS`.
    """
    stiffness = step_hours * (GAMMA * rate_M1)
    pull = stiffness / (1 + stiffness)
    drive, coupling_JC = equations.linearised(state_MC, forcing, pull)
    iterations = _iterations(float(pull.detach().max()))
    if iterations > MOST_ITERATIONS:
        solve = partial(elimination.solve, coupling_PC=elimination.couplings(coupling_JC))
    else:
        solve = partial(
            iterate,
            source=equations.source_J,
            target=equations.target_J,
            coupling=coupling_JC,
            iterations=iterations,
        )
    at = state_MC
    stages = [solve((drive - at) * pull)]
    for i in range(1, STAGES):
        at = _combined(stages, STATE_WEIGHTS[i], state_MC)
        moved = _combined(stages, STAGE_WEIGHTS[i])
        right = torch.lerp(moved, equations.drive(at, forcing) - at, pull)
        stages.append(solve(right))
    # The method is stiffly accurate: it ends at the last stage.
    return at + stages[-1], _combined(stages, ERROR_WEIGHTS), stages


def _iterations(pull: float) -> int:
    """How many iterations leave `LEFT_OVER` of couplings that are as strong as the decay."""
    if not pull > 0:
        return FEWEST_ITERATIONS
    wanted = math.ceil(math.log(LEFT_OVER) / math.log(min(pull, 0.999)))
    return max(wanted, FEWEST_ITERATIONS)


def _combined(
    stages: list[torch.Tensor], weights: list[float], start: torch.Tensor | None = None
) -> torch.Tensor:
    """start + Σ weight · stage; weights that rounding left of a zero are one."""
    total = start
    for stage, weight in zip(stages, weights, strict=False):
        if abs(weight) > 1e-12:
            total = stage * weight if total is None else torch.add(total, stage, alpha=weight)
    assert total is not None
    return total
