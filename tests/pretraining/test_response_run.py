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
from hmlm_fm.corpora.stored_rows import StoredRows
from hmlm_fm.formats.measured.measured_set import MeasuredSet, Measurement, Treatment
from hmlm_fm.formats.measured.set_folder import write_measured_set
from hmlm_fm.inference.response_prediction import predict_responses
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.response_features import ResponseTask
from hmlm_fm.pretraining.response_evaluation import evaluate_responses, fit_worlds, showing
from hmlm_fm.pretraining.response_options import ResponseOptions
from hmlm_fm.pretraining.response_run import run_response_training
from hmlm_fm.pretraining.response_training import (
    ResponseSettings,
    response_losses,
    train_responses,
)
from hmlm_fm.pretraining.resuming import last_checkpoint


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


def small_model(vocab_size: int = 20) -> HMLMForSignaling:
    torch.manual_seed(0)
    return HMLMForSignaling(
        HMLMConfig(
            vocab_size=vocab_size, num_hidden_layers=1, hidden_size=16, embedding_size=9,
            response_size=16, response_layers=2, response_heads=2, response_names=4,
        )
    )  # fmt: skip


def draw(rng: np.random.Generator) -> ResponseTask:
    """Two treatments together undo each other: no kernel of the ruler knows that beforehand."""
    doses = (rng.random((24, 4)) < 0.4).astype(float)
    effects = rng.normal(size=(4, 6))
    changes = np.where(doses.sum(1, keepdims=True) > 1, 0.0, doses @ effects)
    nothing = np.zeros((4, 6))
    return ResponseTask(
        doses, changes, np.arange(24) < 14, nothing, nothing, np.ones(4),
        np.zeros((4, 1), dtype=int), np.zeros((6, 1), dtype=int),
    )  # fmt: skip


def test_a_rule_beyond_the_ruler_is_learned(tmp_path):
    model = small_model()
    before = {k: v.clone() for k, v in model.state_dict().items() if "responses" not in k}
    ratios = []
    settings = ResponseSettings(steps=150, rate=6e-3, tokens=1500)
    train_responses(model, draw, settings, tmp_path, lambda step, ratio: ratios.append(ratio))
    assert np.mean(ratios[:3]) > 0.9
    assert np.mean(ratios[-20:]) < 0.75
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_run_that_was_stopped_goes_on(tmp_path):
    """From its last complete checkpoint, with other tasks than those before."""
    settings = ResponseSettings(steps=8, tokens=1000)

    class Stopped(Exception):
        pass

    def stop(step: int, _: float) -> None:
        steps.append(step)
        if step == 6:
            raise Stopped

    steps: list[int] = []
    with pytest.raises(Stopped):
        train_responses(small_model(), draw, settings, tmp_path, stop)
    (kept,) = tmp_path.glob("checkpoint-*")
    assert kept.name == "checkpoint-4"
    half = tmp_path / "checkpoint-6"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    first, later = small_model(), []
    train_responses(first, draw, settings, tmp_path, lambda step, _: later.append(step))
    assert later == [5, 6, 7, 8]
    assert not half.exists()
    # A stage that is done is loaded.
    again, none = small_model(), []
    train_responses(again, draw, settings, tmp_path, lambda step, _: none.append(step))
    assert none == []
    for one, other in zip(first.responses.parameters(), again.responses.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    model = small_model()
    settings = ResponseSettings(steps=8, tokens=1000)

    def spoil(step: int, _: float) -> None:
        if step == 5:
            model.responses.embed.weight.data[0] = torch.nan

    with pytest.raises(HMLMError, match="step 6: the loss of the head for measured sets is nan"):
        train_responses(model, draw, settings, tmp_path, spoil)
    assert last_checkpoint(tmp_path).name == "checkpoint-4"


def test_padding_and_what_was_not_measured_count_nothing():
    rng = np.random.default_rng(0)
    mean, base, truth = (torch.tensor(rng.normal(size=(2, 5, 3))) for _ in range(3))
    sd = torch.full((2, 5, 3), 0.7, dtype=torch.float64)
    truth[0, 2:] = torch.nan
    losses, ratios = response_losses(mean, sd, base, truth)
    own = (slice(0, 1), slice(0, 2))
    alone, ratio = response_losses(mean[own], sd[own], base[own], truth[own])
    assert losses[0] == pytest.approx(float(alone[0]))
    expected = ((mean - truth)[own] ** 2).mean() / ((base - truth)[own] ** 2).mean()
    assert float(ratio[0]) == pytest.approx(float(expected), rel=1e-4)
    assert torch.equal(ratios[:1], ratio)


def test_worlds_are_measured_in_their_own_units(worlds):
    """A head that says nothing has the ruler's errors: with nothing shown, those of no change."""
    found = fit_worlds((row for row in StoredRows(worlds / "rows")), 5)
    assert found
    for task in found:
        assert np.nanstd(task.changes) == pytest.approx(1)
        assert len(np.unique(task.doses, axis=0)) == len(task.doses)
        few, many = showing(task, 4), showing(task, 16)
        assert (few.shown.sum(), many.shown.sum()) == (4, 16)
        assert np.array_equal(few.doses[~few.shown], many.doses[~many.shown])
    rows = evaluate_responses(small_model(HMLMTokenizer().vocab_size), found)
    assert rows["n_worlds"] == len(found)
    for context, row in rows["by_context"].items():
        assert row["hmlm_over_untrained"] == pytest.approx(1, abs=1e-4)
        assert row["hmlm_mse"] == pytest.approx(row["untrained_mse"], abs=1e-5)
        assert 0.6 < row["coverage"] <= 1
        assert row["untrained_mse"] > 0.05 or context != "0"


def test_other_options_than_those_of_a_stopped_run_are_refused(checkpoint, worlds, tmp_path):
    out = tmp_path / "out"
    run = out.with_name("out.run")
    options = ResponseOptions(
        checkpoint=str(checkpoint), out=out, worlds=[worlds], steps=2, size=16, layers=1
    )
    run.mkdir()
    (run / "options.json").write_text(json.dumps({"steps": 3}))
    with pytest.raises(OptionsError, match="a run that was stopped had other .*steps"):
        run_response_training(options)
    assert not out.exists()


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
