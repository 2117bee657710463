"""The public names: each has one home, none costs torch before its use, Auto classes know HMLM."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hmlm_fm

ROOT = Path(__file__).parents[1]
NAMES = {
    "load_network", "SignalingNetwork", "Molecule", "Interaction", "Pathway", "Condition",
    "Perturbation", "Observation", "Treatment", "read_measurements", "simulate", "fine_tune",
    "SignalingPipeline", "MeasuredPipeline", "HMLMConfig", "HMLMTokenizer", "HMLMModel",
    "HMLMForSignaling",
}  # fmt: skip


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_names_are_those_that_are_promised():
    assert set(hmlm_fm.__all__) == NAMES | {"__version__"}
    assert set(hmlm_fm.__all__) <= set(dir(hmlm_fm))
    with pytest.raises(AttributeError, match="has no attribute 'simulates'"):
        _ = hmlm_fm.simulates


def test_each_name_has_one_home():
    """A class or function is made in the module that hands it out, or travels with checkpoints."""
    for name in NAMES:
        value = getattr(hmlm_fm, name)
        assert value.__module__.startswith("hmlm_fm."), name
        assert getattr(importlib.import_module(value.__module__), name) is value


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, hmlm_fm; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    )
    assert python(code) == "[]"


@pytest.mark.parametrize("name", ["HMLMConfig", "HMLMTokenizer", "HMLMModel", "HMLMForSignaling"])
def test_auto_classes_know_hmlm_once_any_of_its_classes_is_imported(name):
    code = f"""
from hmlm_fm import {name}
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM
config = AutoConfig.for_model("hmlm", vocab_size=4)
print(*(type(kind.from_config(config)).__name__ for kind in (AutoModel, AutoModelForMaskedLM)))
"""
    assert python(code).splitlines()[-1] == "HMLMModel HMLMForSignaling"


def test_the_readmes_lines(tmp_path, monkeypatch):
    """A pipeline from a name; a fitted model that predicts, is saved, and loads."""
    from hmlm_fm import Condition, SignalingPipeline, fine_tune, read_measurements
    from hmlm_fm.fitting.ensemble import FitSettings

    monkeypatch.chdir(tmp_path)
    Path("network.sif").write_text("TGFB\t1\tsmad3\nsmad3\t1\taSMA\n")
    Path("conditions.csv").write_text(
        "condition,kind,molecule,value\nlow,stimulus,TGFB,0.2\nhigh,stimulus,TGFB,0.9\n"
    )
    Path("observations.csv").write_text(
        "condition,molecule,time_hours,value\n"
        + "".join(
            f"{c},aSMA,{t},{0.05 + level * t / 40}\n"
            for c, level in (("low", 0.2), ("high", 0.9))
            for t in (0, 8, 24)
        )
    )
    data = read_measurements("network.sif", "conditions.csv", "observations.csv")
    fitted = fine_tune("hmlm-small", data, FitSettings(members=2, steps=10))
    condition = {"TGFB": Condition({"TGFB": 0.8})}
    table = fitted.predict(condition, hours=[0, 6, 24])
    fitted.save_pretrained("outputs/mine")
    again = SignalingPipeline.from_pretrained("outputs/mine").predict(condition, hours=[0, 6, 24])
    assert again.equals(table)
    assert {"README.md", "gates.csv", "metrics.json", "trajectories.png"} <= {
        path.name for path in Path("outputs/mine").iterdir()
    }
    with pytest.raises(hmlm_fm.model.error_base.HMLMError, match="not an empty folder"):
        fitted.save_pretrained("outputs/mine")
