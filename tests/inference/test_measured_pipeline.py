"""Predictions of conditions of a measured set that nobody measured."""

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer, MeasuredPipeline, Treatment
from hmlm_fm.cli.main import app
from hmlm_fm.common.errors import FormatWarning
from hmlm_fm.formats.measured.measured_set import LATE, MeasuredSet, Measurement, Scale
from hmlm_fm.formats.measured.set_folder import write_measured_set
from hmlm_fm.formats.measured.set_tables import write_treatments
from hmlm_fm.model.error_base import HMLMError

LIGANDS, INHIBITED = ("EGF", "TNF", "HGF"), ("MEK", "AKT")


def treated(name: str) -> tuple[Treatment, ...]:
    kind = "stimulus" if name in LIGANDS else "inhibition"
    return (Treatment(kind, name, 1.0 if kind == "stimulus" else 0.9),)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("model"), HMLMTokenizer()
    torch.manual_seed(0)
    config = HMLMConfig(
        vocab_size=tokenizer.vocab_size, num_hidden_layers=1, hidden_size=16, embedding_size=9,
        response_size=16, response_layers=1, response_heads=2,
    )  # fmt: skip
    HMLMForSignaling(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def made_set(with_control: bool = True, time: float = 1.0) -> MeasuredSet:
    """Effects that add, on a control of 5; two of six pairs were not measured."""
    conditions: dict[str, tuple[Treatment, ...]] = {"control": ()} if with_control else {}
    conditions |= {name: treated(name) for name in (*LIGANDS, *INHIBITED)}
    conditions |= {f"{a}+{b}": treated(a) + treated(b) for a in LIGANDS for b in INHIBITED}
    effects = {"EGF": 2.0, "TNF": 0.0, "HGF": 1.0, "MEK": -1.0, "AKT": -0.5}
    asked = {"EGF+AKT", "HGF+MEK"}
    values = tuple(
        Measurement(
            name, readout, time, 5.0 + size * sum(effects[t.name] for t in done), "phosphoprotein",
            scale=Scale("log2"),
        )
        for name, done in conditions.items() if name not in asked
        for readout, size in (("pERK", 1.0), ("pAKT", 0.5))
    )  # fmt: skip
    return MeasuredSet("made", conditions, values)


def test_unmeasured_conditions_of_additive_effects(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    table = pipeline.predict()
    assert list(dict.fromkeys(table["condition"])) == ["EGF+AKT", "HGF+MEK"]
    row = table[(table["condition"] == "EGF+AKT") & (table["readout"] == "pERK")].iloc[0]
    assert row["value"] == pytest.approx(6.5, abs=0.25)
    assert row["change"] == pytest.approx(row["value"] - 5.0)
    assert row["time_hours"] == 1.0
    assert (table["sd"] > 0).all()


def test_conditions_that_are_asked_by_name(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    asked = {"nothing": (), "EGF": treated("EGF"), "both": treated("EGF") + treated("MEK")}
    table = pipeline.predict(asked)
    means = table[table["readout"] == "pERK"].set_index("condition")["value"]
    assert means["nothing"] == 5.0
    assert means["EGF"] == pytest.approx(7.0, abs=0.3)
    assert means["both"] == pytest.approx(6.0, abs=0.3)
    # What else is asked changes nothing.
    alone = pipeline.predict({"both": asked["both"]})
    assert alone["value"].tolist() == pytest.approx(
        table[table["condition"] == "both"]["value"].tolist()
    )


def test_without_a_control_there_are_values_and_no_changes(checkpoint):
    table = MeasuredPipeline.from_pretrained(checkpoint, made_set(with_control=False)).predict()
    assert table["change"].isna().all()
    row = table[(table["condition"] == "EGF+AKT") & (table["readout"] == "pERK")].iloc[0]
    assert row["value"] == pytest.approx(6.5, abs=0.4)


def test_what_cannot_be_asked(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    with pytest.raises(HMLMError, match="EGF is in 'nM'; expected 'no unit', as in the set"):
        pipeline.predict({"x": (Treatment("stimulus", "EGF", 3.0, unit="nM"),)})
    egf, none = Treatment("stimulus", "EGF"), Treatment("stimulus", "EGF", float("nan"))
    for asked, message in (
        ({"x": ("EGF",)}, "'EGF' is no treatment"),
        ({"x": egf}, "is no list of treatments"),
        ({}, "no conditions are asked"),
        ({"x": (Treatment("stim", "EGF"),)}, "kind is 'stim'; expected one of stimulus.*did you"),
        (
            {"x": (Treatment("stimulus", "EGF", 100),)},
            r"given at 100; expected a number in \[0, 1\]",
        ),
        ({"x": (none,)}, "given at nan; expected a number"),
        (
            {"x": (Treatment("drug", "gefitinib", -1),)},
            "given at -1; expected a dose of at least 0",
        ),
    ):
        with pytest.raises(HMLMError, match=message):
            pipeline.predict(asked)
    with pytest.warns(FormatWarning, match="'EGFF' was never given in the set; did you mean"):
        table = pipeline.predict({"x": (Treatment("stimulus", "EGFF"),)})
    assert np.isfinite(table["value"]).all()


@pytest.mark.filterwarnings("ignore::hmlm_fm.common.errors.FormatWarning")
def test_names_of_the_set_in_any_case_and_labels_are_understood(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    exact = pipeline.predict({"x": treated("EGF") + treated("AKT")})
    spelled = (Treatment("stimulus", "egf"), Treatment("inhibition", "AKTi", 0.9))
    assert pipeline.predict({"x": spelled}).equals(exact)


def test_what_is_known_of_new_treatments_and_of_measured_conditions_is_said(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    with pytest.warns(FormatWarning, match="'gefitinib' was never given in the set; predicted by "
                      "its hitting EGFR"):  # fmt: skip
        pipeline.predict({"x": (Treatment("drug", "gefitinib"),)})
    with pytest.warns(FormatWarning, match="'qwertyx' was never given.*nothing is known of what"):
        pipeline.predict({"x": (Treatment("drug", "qwertyx"),)})
    with pytest.warns(FormatWarning, match="condition 'x' was measured, as 'EGF'; the set has"):
        pipeline.predict({"x": treated("EGF")})


def test_what_else_is_asked_changes_nothing(checkpoint):
    model = MeasuredPipeline.from_pretrained(checkpoint, made_set()).model
    torch.manual_seed(1)
    for parameter in model.responses.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    pipeline = MeasuredPipeline(model, made_set())
    low, high = (Treatment("drug", "selumetinib", dose, unit="nM") for dose in (1.0, 100.0))
    alone = pipeline.predict({"x": (low,)})
    beside = pipeline.predict({"x": (low,), "y": (high,), "z": treated("EGF")})
    own = beside[beside["condition"] == "x"]
    assert own["value"].tolist() == pytest.approx(alone["value"].tolist(), abs=1e-5)


def test_all_that_was_measured_leaves_nothing_to_ask(checkpoint):
    pipeline = MeasuredPipeline.from_pretrained(checkpoint, made_set())
    measured = made_set()
    kept = {n: t for n, t in measured.conditions.items() if n not in pipeline.unmeasured()}
    whole = MeasuredPipeline(pipeline.model, MeasuredSet("x", kept, measured.measurements))
    with pytest.raises(HMLMError, match="something was measured in all of its conditions"):
        whole.predict()


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_the_command_writes_a_table_and_a_map(checkpoint, tmp_path):
    folder, out, plot = tmp_path / "set", tmp_path / "out.csv", tmp_path / "out.png"
    folder.mkdir()
    write_measured_set(made_set(time=LATE), folder)
    result = predict(checkpoint, "--measured", folder, "--out", out, "--plot", plot)
    assert result.exit_code == 0, result.output
    assert "2 conditions, 2 readouts" in result.output
    table = pd.read_csv(out)
    assert table["time_hours"].tolist() == ["late"] * 4
    assert plot.read_bytes()[:4] == b"\x89PNG"
    queries = tmp_path / "queries.csv"
    write_treatments({"three": treated("EGF") + treated("MEK") + treated("AKT")}, queries)
    result = predict(
        checkpoint, "--measured", folder, "--conditions", queries, "--molecule", "pERK"
    )
    assert result.exit_code == 0, result.output
    assert "pAKT" not in result.output
    write_measured_set(made_set(with_control=False), folder)
    refused = predict(checkpoint, "--measured", folder, "--plot", tmp_path / "other.png")
    assert refused.exit_code == 2
    assert "nothing was measured in a control" in refused.output
    assert "three:" in result.output
    assert "pERK" in result.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--network", "core"), "--network is given beside --measured; expected none"),
        (("--stimulus", "EGF=1"), "--stimulus is given beside --measured; expected a table of"),
    ],
)
def test_options_of_networks_are_refused(checkpoint, tmp_path, more, message):
    folder = tmp_path / "set"
    folder.mkdir()
    write_measured_set(made_set(), folder)
    result = predict(checkpoint, "--measured", folder, *more)
    assert result.exit_code == 2
    assert message in result.output
