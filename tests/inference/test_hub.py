"""Saved folders load where the package is not, and models travel through a hub and back."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
import torch
from hub_server import HubServer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from hmlm_fm import Condition, HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.formats import load_core
from hmlm_fm.inference.loading import load_pretrained
from hmlm_fm.inference.pipeline import SignalingPipeline
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

LOAD_ELSEWHERE = """
import sys, torch
sys.path = [p for p in sys.path if p not in ("", sys.argv[2])]
import importlib.util
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "hmlm_fm" or name.startswith("hmlm_fm."):
            raise ModuleNotFoundError("No module named 'hmlm_fm'", name="hmlm_fm")
sys.meta_path.insert(0, Blocked())
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer
folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
model, info = AutoModelForMaskedLM.from_pretrained(
    folder, trust_remote_code=True, output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"], info
base, info = AutoModel.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
assert not info["missing_keys"], info
from transformers.dynamic_module_utils import get_class_from_dynamic_module
made = {name: get_class_from_dynamic_module(f"network.{name}", folder)
        for name in ("Interaction", "Molecule", "SignalingNetwork")}
network = made["SignalingNetwork"](
    "pair",
    (made["Molecule"]("EGF", members=("EGF",)), made["Molecule"]("EGFR", members=("EGFR",))),
    (made["Interaction"](("EGF",), (1,), "EGFR", "binding"),))
with torch.no_grad():
    torch.save(model.eval()(**tokenizer(network)).logits, sys.argv[3])
assert type(model).__module__.startswith("transformers_modules")
assert len(tokenizer.get_vocab()) == model.config.vocab_size
"""

SEND_AND_FETCH = """
import sys, torch
from hmlm_fm import HMLMForSignaling, HMLMTokenizer
model = HMLMForSignaling.from_pretrained(sys.argv[1])
tokenizer = HMLMTokenizer.from_pretrained(sys.argv[1])
model.push_to_hub("tester/hmlm-toy", token="hf_test")
tokenizer.push_to_hub("tester/hmlm-toy", token="hf_test")
back, info = HMLMForSignaling.from_pretrained("tester/hmlm-toy", output_loading_info=True)
assert not info["missing_keys"], info
for (name, a), b in zip(model.state_dict().items(), back.state_dict().values(), strict=True):
    assert torch.equal(a, b), name
assert HMLMTokenizer.from_pretrained("tester/hmlm-toy").get_vocab() == tokenizer.get_vocab()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = HMLMTokenizer()
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=8,
        embedding_size=4,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    path = tmp_path_factory.mktemp("saved")
    HMLMForSignaling(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def _run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_the_folder_loads_without_the_package(folder, tmp_path):
    network = SignalingNetwork(
        "pair",
        (Molecule("EGF", members=("EGF",)), Molecule("EGFR", members=("EGFR",))),
        (Interaction(("EGF",), (1,), "EGFR", "binding"),),
    )
    run = _run(
        LOAD_ELSEWHERE,
        folder,
        os.getcwd(),
        tmp_path / "logits.pt",
        HF_HOME=str(tmp_path / "home"),
        HF_HUB_OFFLINE="1",
    )
    assert run.returncode == 0, run.stderr
    model = HMLMForSignaling.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = model(**HMLMTokenizer()(network)).logits
    assert torch.equal(torch.load(tmp_path / "logits.pt", weights_only=True), expected)


def test_a_pipeline_of_what_auto_classes_load(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    tokenizer, model = (
        auto.from_pretrained(folder, trust_remote_code=True)
        for auto in (AutoTokenizer, AutoModelForMaskedLM)
    )
    assert type(tokenizer) is not HMLMTokenizer
    pipeline = SignalingPipeline(model, tokenizer, load_core()[0])
    assert pipeline.predict({"rest": Condition()}, hours=[0.0, 6.0])["state"].between(0, 1).all()


def test_a_token_list_of_another_version_is_refused(folder, tmp_path):
    mixed = shutil.copytree(folder, tmp_path / "mixed")
    configuration = json.loads((mixed / "config.json").read_text())
    for version in ("", HMLMTokenizer().vocabulary.version):
        (mixed / "config.json").write_text(
            json.dumps(configuration | {"vocabulary_version": version})
        )
        load_pretrained(mixed)
    (mixed / "config.json").write_text(json.dumps(configuration | {"vocabulary_version": "1999.1"}))
    with pytest.raises(ValueError, match="mixed: its token list is of .* its weights, '1999.1'"):
        load_pretrained(mixed)


def test_a_tokenizer_of_other_pairs_is_refused(folder, tmp_path):
    mixed = shutil.copytree(folder, tmp_path / "mixed")
    HMLMTokenizer(max_hops=3).save_pretrained(mixed)
    with pytest.raises(ValueError, match="mixed: its tokenizer has max_hops 3; .* its weights, 2"):
        load_pretrained(mixed)


def test_push_and_load_through_a_hub(folder, tmp_path):
    server = HubServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        run = _run(
            SEND_AND_FETCH,
            folder,
            HF_ENDPOINT=server.url,
            HF_HUB_DISABLE_XET="1",
            HF_HOME=str(tmp_path / "home"),
            HF_HUB_OFFLINE="0",
        )
    finally:
        server.shutdown()
    assert run.returncode == 0, run.stderr
    files = server.repositories["tester/hmlm-toy"]
    assert {"config.json", "model.safetensors", "vocab.json", "modeling_hmlm.py"} <= set(files)
