"""Training the head for measured sets: it learns, leaves the rest alone, and its folder loads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.cli.corpus import run_corpus
from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import OptionsError
from hmlm_fm.formats.measured.measured_set import MeasuredSet, Measurement, Treatment
from hmlm_fm.formats.measured.set_folder import write_measured_set
from hmlm_fm.inference.response_prediction import predict_responses
from hmlm_fm.model.response_features import ResponseTask
from hmlm_fm.pretraining.response_options import ResponseOptions
from hmlm_fm.pretraining.response_run import run_response_training
from hmlm_fm.pretraining.response_training import ResponseSettings, train_responses


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("model"), HMLMTokenizer()
    torch.manual_seed(0)
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size, num_hidden_layers=1, hidden_size=16, embedding_size=9
    )
    HMLMForSignaling(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    out = tmp_path_factory.mktemp("worlds") / "w"
    assert run_corpus(["worlds", "core", "--count", "8", "--out", str(out)]) == 0
    return out


def made_set(folder: Path, licence: str) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    given = {"control": ()} | {
        f"{a}{b}": (Treatment("stimulus", a), Treatment("inhibition", b, 0.9))
        for a in ("EGF", "TNF", "IL1A", "HGF") for b in ("MEK", "AKT", "IKK", "TAK1")
    }  # fmt: skip
    values = tuple(
        Measurement(name, readout, 1.0, float(rng.normal()), "phosphoprotein")
        for name in given for readout in ("pERK", "pAKT", "pP38")
    )  # fmt: skip
    write_measured_set(MeasuredSet("made", given, values, licence=licence), folder)
    return folder


def test_a_rule_beyond_the_ruler_is_learned(tmp_path):
    """Two treatments together undo each other: no kernel of the ruler knows that beforehand."""
    torch.manual_seed(0)
    config = HMLMConfig(
        vocab_size=20, num_hidden_layers=1, hidden_size=16, embedding_size=9, response_size=16,
        response_layers=2, response_heads=2, response_names=4,
    )  # fmt: skip
    model = HMLMForSignaling(config)
    before = {k: v.clone() for k, v in model.state_dict().items() if "responses" not in k}

    def draw(rng):
        doses = (rng.random((24, 4)) < 0.4).astype(float)
        effects = rng.normal(size=(4, 6))
        changes = np.where(doses.sum(1, keepdims=True) > 1, 0.0, doses @ effects)
        nothing = np.zeros((4, 6))
        return ResponseTask(
            doses, changes, np.arange(24) < 14, nothing, nothing, np.ones(4),
            np.zeros((4, 1), dtype=int), np.zeros((6, 1), dtype=int),
        )  # fmt: skip

    ratios = []
    settings = ResponseSettings(steps=150, rate=6e-3, tokens=1500)
    train_responses(model, draw, settings, tmp_path, lambda step, ratio: ratios.append(ratio))
    assert np.mean(ratios[:3]) > 0.9
    assert np.mean(ratios[-20:]) < 0.75
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_command_writes_a_checkpoint_that_loads(checkpoint, worlds, tmp_path):
    sets, out = made_set(tmp_path / "set", "CC0-1.0"), tmp_path / "out"
    done = CliRunner().invoke(
        app,
        ["responses", str(checkpoint), str(out), "--worlds", str(worlds), "--sets", str(sets),
         "--steps", "2", "--set-steps", "2", "--size", "16", "--layers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "worlds: step 2/2, error" in done.output
    facts = json.loads((out / "responses.json").read_text())
    assert facts["worlds"] == 8
    (stated,) = facts["sets"]
    assert (stated["name"], stated["study"], stated["licence"]) == ("made", "made", "CC0-1.0")
    card = (out / "README.md").read_text()
    assert "Trained on 8 drawn worlds, then on 1 measured set" in card
    assert "| made | made |  | CC0-1.0 |" in card
    assert not out.with_name("out.run").exists()
    model = HMLMForSignaling.from_pretrained(out)
    assert model.responses is not None
    doses = np.eye(6)
    changes = np.where(np.arange(6)[:, None] < 5, 1.0 + doses[:, :3], np.nan)
    nothing = np.zeros((6, 3))
    task = ResponseTask(
        doses, changes, np.arange(6) < 5, nothing, nothing, np.ones(6),
        np.zeros((6, 1), dtype=int), np.zeros((3, 1), dtype=int),
    )  # fmt: skip
    assert np.isfinite(predict_responses(model, task)[0]).all()
    again = CliRunner().invoke(
        app, ["responses", str(checkpoint), str(out), "--worlds", str(worlds)]
    )
    assert again.exit_code == 2
    assert "expected a new one" in again.output


def test_what_must_not_be_trained_on_is_refused(checkpoint, worlds, tmp_path):
    sets = made_set(tmp_path / "set", "GPL-3")
    options = ResponseOptions(
        checkpoint=str(checkpoint), out=tmp_path / "out", worlds=[worlds], sets=[sets]
    )
    with pytest.raises(OptionsError, match=r"made: its licence is 'GPL-3'; expected one that"):
        run_response_training(options)
    with pytest.raises(OptionsError, match="no worlds; expected folders"):
        run_response_training(ResponseOptions(checkpoint=str(checkpoint), out=tmp_path / "out"))
    options = ResponseOptions(checkpoint=str(checkpoint), out=tmp_path / "out", worlds=[tmp_path])
    with pytest.raises(OptionsError, match="it holds no worlds"):
        run_response_training(options)
    assert not (tmp_path / "out").exists()
