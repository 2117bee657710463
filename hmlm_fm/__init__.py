"""hmlm_fm: a foundation-model framework that reads cell signalling networks as a language.

Names are imported when they are first used (PEP 562), so that `import hmlm_fm` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .dynamics.simulator import simulate
    from .finetuning.fine_tune import fine_tune
    from .formats.measured.measured_set import Treatment
    from .formats.network_loading import load_network
    from .inference.measured_pipeline import MeasuredPipeline
    from .inference.pipeline import SignalingPipeline
    from .measurements.reading import read_measurements
    from .model.conditions import Condition, Observation, Perturbation
    from .model.network import Interaction, Molecule, Pathway, SignalingNetwork
    from .model.registration import HMLMConfig, HMLMForSignaling, HMLMModel, HMLMTokenizer

__all__ = [
    "Condition",
    "HMLMConfig",
    "HMLMForSignaling",
    "HMLMModel",
    "HMLMTokenizer",
    "Interaction",
    "MeasuredPipeline",
    "Molecule",
    "Observation",
    "Pathway",
    "Perturbation",
    "SignalingNetwork",
    "SignalingPipeline",
    "Treatment",
    "__version__",
    "fine_tune",
    "load_network",
    "read_measurements",
    "simulate",
]

_HOMES = {
    "load_network": "formats.network_loading",
    "SignalingNetwork": "model.network",
    "Molecule": "model.network",
    "Interaction": "model.network",
    "Pathway": "model.network",
    "Condition": "model.conditions",
    "Perturbation": "model.conditions",
    "Observation": "model.conditions",
    "read_measurements": "measurements.reading",
    "simulate": "dynamics.simulator",
    "SignalingPipeline": "inference.pipeline",
    "MeasuredPipeline": "inference.measured_pipeline",
    "Treatment": "formats.measured.measured_set",
    "fine_tune": "finetuning.fine_tune",
    "HMLMConfig": "model.registration",
    "HMLMTokenizer": "model.registration",
    "HMLMModel": "model.registration",
    "HMLMForSignaling": "model.registration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
