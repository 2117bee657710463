"""Makes the Auto classes of transformers know HMLM, by being imported.

It does not travel with checkpoints: a folder's own code must not stand in for that of another.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer

from .configuration_hmlm import HMLMConfig
from .modeling_hmlm import HMLMForSignaling, HMLMModel
from .tokenization_hmlm import HMLMTokenizer

__all__ = ["HMLMConfig", "HMLMForSignaling", "HMLMModel", "HMLMTokenizer"]

AutoConfig.register("hmlm", HMLMConfig, exist_ok=True)
AutoModel.register(HMLMConfig, HMLMModel, exist_ok=True)
AutoModelForMaskedLM.register(HMLMConfig, HMLMForSignaling, exist_ok=True)
AutoTokenizer.register(HMLMConfig, tokenizer_class=HMLMTokenizer, exist_ok=True)
