"""200 steps of pretraining on a corpus of every source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from service_server import KGML

from hmlm_fm.corpora.corpus_loading import load_sides

REPOSITORY = Path(__file__).parents[2]
FOLDERS = {
    "core": "",
    "reactome": "reactome",
    "wikipathways": "wikipathways",
    "signor": "signor",
    "boolean": "boolean",
    "sbml": "biomodels",
    "netflux": "netflux",
}
EACH_CHANGE = ("core", "reactome")
SMALL = ("--batch_size", 1, "--trajectory_networks", 8, "--held_out_networks", 2,
         "--response_steps", 0,
         "--inference_rounds", 1, "--language_networks", 4, "--logging_steps", 50,
         "--save_steps", 1000)  # fmt: skip


def run(script: str, *arguments: object) -> None:
    command = [sys.executable, REPOSITORY / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def pretrain(corpus: Path, out: Path) -> None:
    run("pretrain/run.py", "--corpus", corpus, "--steps", 200, "--output_dir", out, *SMALL)
    log = json.loads((out / "training_info.json").read_text())["log"]
    losses = [entry["masked_loss"] for entry in log if "masked_loss" in entry]
    assert losses[-1] < losses[0], "nothing was learned"
    assert (out / "model.safetensors").exists()
    assert json.loads((out / "metrics.json").read_text())["next_state"]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(name, marks=pytest.mark.slow if name in EACH_CHANGE else pytest.mark.nightly)
        for name in FOLDERS
    ],
)
def test_every_source_trains(source, shared_data, tmp_path):
    folder = ("--from-dir", shared_data / FOLDERS[source]) if FOLDERS[source] else ()
    run("corpora/build.py", source, *folder, "--out", tmp_path / "corpus")
    sides = load_sides(tmp_path / "corpus")
    assert sides is not None
    assert sides["train"]
    pretrain(tmp_path / "corpus", tmp_path / "run")


@pytest.mark.slow
def test_hand_written_kgml_trains(tmp_path):
    folder = tmp_path / "kgml"
    folder.mkdir()
    genes = (
        "AKT1 MAPK1 RAF1 MAP2K1 EGFR EGF SRC JAK2 STAT3 TP53 MDM2 CDK2 MYC JUN FOS PTEN MTOR "
        "GSK3B CTNNB1 APC"
    ).split()
    for i in range(10):
        one, two = genes[2 * i], genes[2 * i + 1]
        text = KGML.format(
            pathway=f"hsa{i:05}", number=f"{i:05}", title=f"Map {i}",
            one=1000 + i, one_name=one, two=2000 + i, two_name=two,
        )  # fmt: skip
        more = "".join(
            f'<entry id="{10 + j}" name="hsa:{3000 + 10 * i + j}" type="gene">'
            f'<graphics name="G{i}{j}"/></entry>'
            f'<relation entry1="{1 if j == 0 else 9 + j}" entry2="{10 + j}" type="PPrel">'
            '<subtype name="activation" value="--&gt;"/></relation>'
            for j in range(8)
        )
        (folder / f"hsa{i:05}.xml").write_text(text.replace("</pathway>", more + "</pathway>"))
    run("corpora/build.py", "kegg", "--from-dir", folder, "--out", tmp_path / "corpus")
    pretrain(tmp_path / "corpus", tmp_path / "run")
