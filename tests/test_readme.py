"""Every block of the README does what it says, and its figures are those that were measured."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.inference.shipped import checkpoint_path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", PYTHON)
def test_python_blocks_run(block, tmp_path):
    torch.manual_seed(0)
    tokenizer = HMLMTokenizer()
    HMLMForSignaling(HMLMConfig(vocab_size=tokenizer.vocab_size)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    exec(block.replace("outputs/pretrain-core-tiny", str(tmp_path)), {})


def test_commands_name_files_that_are_there():
    named = re.findall(r"\S+\.(?:py|yaml|txt)\b", " ".join(SHELL))
    assert "pretrain/run.py" in named
    for name in named:
        assert (ROOT / name).is_file(), name


def test_ci_runs_the_readmes_test_command():
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    install, test = 'pip install{} -c constraints.txt -e ".[dev]"', "pytest -n auto --dist loadfile"
    assert install.format(" --quiet") in ci
    assert f"\n{test}\n" in ci
    assert any(f"{install.format('')} && {test}\n" in block for block in SHELL)


def test_nothing_is_left_to_fill_in():
    for path in ("README.md", "CHANGELOG.md", "pretrain/RESULTS.md"):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not re.search(r"^[A-Z]+_[A-Z]+$|TODO|TBD", text, re.MULTILINE), path


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def table_after(mark: str) -> list[list[str]]:
    """The cells of the rows of the first table that stands behind a text."""
    lines = README[README.index(mark) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    raise AssertionError(f"the table after {mark!r} has no end")


def measured(name: str) -> dict[tuple[str, str, str], dict[str, float]]:
    """Rows by model, budget and split, as a file of results has them."""
    path = ROOT / "hmlm_fm/benchmarks/results" / name
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {(row["model"], row["budget"], row["split"]): row for row in rows}


SPLITS = ("pairs", "triples", "knockouts")
BUDGETS = ("16x4", "64x8", "256x49")


def holds(cell: str, errors: Iterable[float]) -> bool:
    """Whether a cell states these figures, each in as many digits as it gives."""
    told = cell.split(" / ")
    return told == [
        f"{error:.{len(figure.partition('.')[2])}f}"
        for figure, error in zip(told, errors, strict=True)
    ]


def test_errors_on_unseen_conditions_are_those_of_the_results():
    rows = measured("2026-11-25-conditions-signs.json")
    table = table_after("<!-- table -->")
    assert {row[0] for row in table} == {model for model, _, _ in rows}
    for model, few, _, more, _, most, _ in table:
        for budget, cell in zip(BUDGETS, (few, more, most), strict=True):
            told = " / ".join(f"{rows[model, budget, split]['mse']:.4f}" for split in SPLITS)
            assert cell == told, (model, budget)


def test_errors_where_logic_is_known_are_those_of_the_results():
    rows = measured("2026-11-25-conditions-logic.json")
    table = table_after("<!-- logic -->")
    assert {row[0] for row in table} >= {model for model, _, _ in rows if "HMLM" in model}
    for model, *cells in table:
        for budget, cell in zip(BUDGETS, cells, strict=True):
            errors = [rows[model, budget, split]["mse"] for split in SPLITS]
            assert holds(cell, errors), (model, budget)


def test_errors_on_the_new_tissue_are_those_of_the_results():
    rows = measured("2026-11-25-mechano.json")
    table = table_after("<!-- mechano -->")
    assert {row[0] for row in table} == {model for model, _, _ in rows}
    for model, *cells in table:
        for split, cell in zip(SPLITS, cells, strict=True):
            assert holds(cell, [rows[model, "16x4", split]["mse"]]), (model, split)


INTERVALS_OF = {
    "cardiac fibroblast": "2026-11-25-conditions-signs.json",
    "mechano-signalling": "2026-11-25-mechano.json",
    "hypertrophy": "2026-11-27-hypertrophy.json",
    "MYBPC3": "2026-11-27-mybpc3.json",
    "HepG2, measured": "2026-11-27-measured.json",
}
FITTED = ("HMLM pretrained, fine-tuned", "HMLM pretrained, fine-tuned in full", "HMLM from scratch")


def test_intervals_are_those_of_the_results():
    table = table_after("<!-- intervals -->")
    assert {row[0] for row in table} == set(INTERVALS_OF)
    for network, budget, *cells in table:
        rows = measured(INTERVALS_OF[network])
        for model, covered, width in zip(FITTED, cells[::2], cells[1::2], strict=True):
            at = model, budget.replace("×", "x")
            found = [row for key, row in rows.items() if key[:2] == at]
            assert holds(covered, [row["coverage"] for row in found]), (network, budget, model)
            assert holds(width, [fmean(row["width"] for row in found)]), (network, budget, model)


def test_figures_of_the_shipped_checkpoint_are_its_own():
    card = Path(checkpoint_path("hmlm-small")) / "metrics.json"
    found = json.loads(card.read_text(encoding="utf-8"))
    masked, states = found["masked_molecule"], found["next_state"]
    by_context, untrained = states["by_context"], states["untrained_by_context"]
    told = [row[2] for row in table_after("Held-out pathways and networks")]
    assert told == [
        f"{masked['top10']:.3f}",
        f"{masked['neighbour_top10']:.3f}",
        f"{masked['frequency_top10']:.3f}",
        f"{states['mse']:.4f}",
        " / ".join(f"{by_context[n]['mse']:.4f}" for n in ("4", "16")),
        " / ".join(f"{untrained[n]:.4f}" for n in ("0", "4", "16")),
        f"{states['hold_mse']:.4f}",
        f"{states['context_mean_mse']:.4f}",
        f"{states['corpus_mean_mse']:.4f}",
    ]
