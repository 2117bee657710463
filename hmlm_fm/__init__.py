"""hmlm_fm: a foundation-model framework that reads cell signalling networks as a language."""

from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer

from ._version import __version__
from .formats import load_core, load_network
from .model.conditions import Condition, Observation, Perturbation
from .model.configuration_hmlm import HMLMConfig
from .model.modeling_hmlm import HMLMForSignaling, HMLMModel
from .model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from .model.tokenization_hmlm import HMLMTokenizer

__all__ = [
    "Condition",
    "HMLMConfig",
    "HMLMForSignaling",
    "HMLMModel",
    "HMLMTokenizer",
    "Interaction",
    "Molecule",
    "NetworkError",
    "Observation",
    "Pathway",
    "Perturbation",
    "SignalingNetwork",
    "__version__",
    "load_core",
    "load_network",
]

AutoConfig.register("hmlm", HMLMConfig, exist_ok=True)
AutoModel.register(HMLMConfig, HMLMModel, exist_ok=True)
AutoModelForMaskedLM.register(HMLMConfig, HMLMForSignaling, exist_ok=True)
AutoTokenizer.register(HMLMConfig, tokenizer_class=HMLMTokenizer, exist_ok=True)
# Saved folders carry their own code, so that they load where the package is not installed.
HMLMConfig.register_for_auto_class()
HMLMModel.register_for_auto_class("AutoModel")
HMLMForSignaling.register_for_auto_class("AutoModelForMaskedLM")
HMLMTokenizer.register_for_auto_class("AutoTokenizer")
