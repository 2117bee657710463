"""Every block of the README and of docs/ does what it states, and every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.cli.main import main
from hmlm_fm.common.option_parsing import parse_options
from hmlm_fm.finetuning.finetuning_options import FinetuningOptions
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [
    *DOCS, ROOT / "CONTRIBUTING.md", ROOT / "launch/README.md", ROOT / "corpora/README.md",
    ROOT / "hmlm_fm/networks/core/README.md",
]  # fmt: skip
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = {"pretrain/run.py": PretrainingOptions, "finetune/run.py": FinetuningOptions}


def blocks(kind: str) -> list:
    """Blocks of one language, each named by its page and its first line."""
    found = []
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        for block in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL):
            found.append(pytest.param(block, id=f"{path.name}: {block.splitlines()[0][:60]}"))
    return found


def commands() -> list:
    """Every command of a shell block, once."""
    found = {}
    for block in blocks("bash"):
        for line in block.values[0].replace("\\\n", " ").splitlines():
            found |= {command.strip(): None for command in line.split("&&") if command.strip()}
    return list(found)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files that blocks name: the tables of docs/measurements.md, also as a
    measured set, and a model."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
    conditions, observations, *_ = re.findall(r"```text\n(condition,.*?)```", text, re.DOTALL)
    (tmp_path / "conditions.csv").write_text(conditions)
    (tmp_path / "observations.csv").write_text(observations)
    (tmp_path / "liver").mkdir()
    (tmp_path / "liver/conditions.csv").write_text(conditions)
    (tmp_path / "liver/observations.csv").write_text(observations)
    (tmp_path / "network.sif").write_text("TGFB\t1\tsmad3\nsmad3\t1\taSMA\n")
    torch.manual_seed(0)
    tokenizer = HMLMTokenizer()
    folder = tmp_path / "outputs/pretrain-core-tiny"
    HMLMForSignaling(HMLMConfig(vocab_size=tokenizer.vocab_size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tmp_path


@pytest.mark.parametrize("block", blocks("python"))
@pytest.mark.filterwarnings("ignore")
def test_python_blocks_run(block, workplace):
    exec(block, {})


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("hmlm ")])
def test_commands_are_understood(command, monkeypatch, capsys):
    """With --help at the end a command is parsed, and not run."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    assert helped(words, monkeypatch), capsys.readouterr().err
    assert "--help" in capsys.readouterr().out


def helped(words: list[str], monkeypatch) -> bool:
    """Whether a command line is understood."""
    monkeypatch.setattr(sys, "argv", [*words, "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code in (0, None)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("accelerate launch")])
def test_launches_are_understood(command, tmp_path, monkeypatch):
    words = shlex.split(command)[2:]
    while words[0].startswith("--"):
        assert (ROOT / words[1]).is_file(), words[1]
        words = words[2:]
    script, *arguments = words
    assert (ROOT / script).is_file()
    if "--help" in arguments:
        return
    monkeypatch.chdir(ROOT)
    parse_options(OPTIONS[script], arguments, None)


def test_every_command_of_the_shell_is_of_a_known_kind():
    known = ("hmlm ", "accelerate launch", "pip install", "pytest", "python -m hmlm_fm.", "bash ")
    for command in commands():
        assert command.startswith(known), command
        for name in re.findall(r"\b(?:launch|pretrain|finetune|corpora)/\S+\.\w+", command):
            assert (ROOT / name).is_file(), name


def test_the_readme_is_short_and_has_every_room():
    assert len(README.splitlines()) <= 150
    rooms = {path.name for path in (ROOT / "hmlm_fm").iterdir() if (path / "__init__.py").exists()}
    tree = README[README.index("hmlm_fm/\n") :]
    for room in rooms | {"networks", "checkpoints"}:
        assert re.search(rf"^  {room}/ +\w", tree, re.MULTILINE), room


def test_ci_runs_the_readmes_test_command():
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    install, test = 'pip install{} -c constraints.txt -e ".[dev]"', "pytest -n auto --dist loadfile"
    assert install.format(" --quiet") in ci
    assert f"\n{test}\n" in ci
    assert f"{install.format('')} && {test}\n" in README


def test_nothing_is_left_to_fill_in():
    for path in (*PAGES, ROOT / "CHANGELOG.md"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^[A-Z]+_[A-Z]+$|TODO|TBD", text, re.MULTILINE), path


def anchors(text: str) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_the_repository_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for name in re.findall(r"`((?:hmlm_fm|launch|pretrain|finetune|docs|tests)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
