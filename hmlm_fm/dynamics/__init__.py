"""The logic-ODE simulator, conditions and simulated trajectories."""

from ..model.conditions import Condition, Observation, Perturbation
from .simulator import baseline_state, simulate

__all__ = ["Condition", "Observation", "Perturbation", "baseline_state", "simulate"]
