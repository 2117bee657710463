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
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.inference.loading import load_pretrained
from hmlm_fm.inference.pipeline import SignalingPipeline
from hmlm_fm.inference.shipped import code_files, folder_with_code
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

LOAD_ELSEWHERE = """
import sys, torch
sys.path = [p for p in sys.path if p not in ("", sys.argv[2])]
import importlib.util
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("hmlm_fm", "torch_geometric"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
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
model.set_attn_implementation("sparse")
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


@pytest.mark.parametrize("shipped", [False, True])
def test_a_folder_loads_without_the_package_and_torch_geometric(folder, shipped, tmp_path):
    """By the sparse backend, whose softmax is then one of torch; the shipped one from the folder
    that `hmlm info` names."""
    folder = folder_with_code("hmlm-small") if shipped else folder
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
    found = torch.load(tmp_path / "logits.pt", weights_only=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_code_beside_shipped_weights_is_that_of_the_package():
    folder = folder_with_code("hmlm-small")
    (folder / "gates.py").write_text("raise RuntimeError")
    folder_with_code("hmlm-small")
    for source in code_files():
        assert (folder / source.name).read_bytes() == source.read_bytes()


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
