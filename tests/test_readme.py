"""Every block of the README does what it says."""

import re
from pathlib import Path

import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer

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
