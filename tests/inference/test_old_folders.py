"""Folders that earlier versions saved: they load, and predict what they predicted then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hmlm_fm import Condition, Perturbation, SignalingPipeline

FOLDERS = sorted(
    path for path in (Path(__file__).parents[1] / "fixtures").iterdir() if path.is_dir()
)
CONDITIONS = {
    "EGF": Condition({"EGF": 0.8}),
    "both": Condition({"EGF": 0.6, "TNF": 0.7}, (Perturbation("RAF1", "knockdown", 0.5),)),
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_fine_tuned_folder_predicts_the_same(folder):
    pipeline = SignalingPipeline.from_pretrained(folder)
    expected = json.loads((folder / "predictions.json").read_text())
    for modality, then in expected.items():
        found = pipeline.predict(CONDITIONS, [0.0, 3.0, 24.0], modality)
        column = "state" if modality == "activity" else "value"
        np.testing.assert_allclose(found[column], then["mean"], atol=1e-6)
        np.testing.assert_allclose(found["sd"], then["sd"], atol=1e-6)


def test_the_folders_are_small():
    assert FOLDERS
    for folder in FOLDERS:
        assert sum(path.stat().st_size for path in folder.iterdir()) < 150_000
