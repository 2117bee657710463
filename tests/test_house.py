"""The house: names of modules, their size and that of functions, and what importing them costs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hmlm_fm"
# Beside shipped weights lies a copy of the model, once it was asked for.
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "checkpoints" not in p.parts)
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_ENTRIES = 450, 60, 16
HEAVY = (
    "torch",
    "transformers",
    "pandas",
    "pyarrow",
    "datasets",
    "networkx",
    "openpyxl",
    "libsbml",
)


def test_no_two_modules_have_one_name():
    count = Counter(path.name for path in MODULES if path.name != "__init__.py")
    assert [name for name, times in count.items() if times > 1] == []


def test_every_name_has_one_home():
    """The faces of packages hand no names on, but for the public names of the root."""
    faces = [path for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE]
    bodies = {str(path): ast.parse(path.read_text(encoding="utf-8")).body for path in faces}
    assert [name for name, body in bodies.items() if len(body) != 1] == []


def test_modules_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {str(path): n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_functions_are_short_or_say_why_not():
    """A longer one has the word "long" above it, in its docstring, or in the lines below that."""
    long = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            last = node.end_lineno or first
            body = node.body[0]
            after = body.end_lineno or body.lineno
            near = (*lines[max(0, first - 3) : first - 1], *lines[body.lineno - 1 : after + 3])
            is_excused = re.search(r"\blong(er)?\b", "\n".join(near)) is not None
            if last - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION and not is_excused:
                long.append(f"{path.relative_to(ROOT)}: {node.name} ({last - node.lineno + 1})")
    assert long == []


def imports_of(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, at its top or in its functions."""
    found = set()
    own = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*own[: len(own) - node.level], *filter(None, [node.module])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found & modules.keys()


def test_no_module_imports_itself_by_way_of_others():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    imports = {name: imports_of(path, modules) for name, path in modules.items()}
    circles = []
    for name in modules:
        reached: set[str] = set()
        waiting = list(imports[name])
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting += imports[other]
        if name in reached:
            circles.append(name)
    assert circles == []


def test_a_newcomer_sees_few_entries():
    found = {
        path.name
        for path in PACKAGE.iterdir()
        if path.name not in ("__init__.py", "_version.py", "__pycache__")
    }
    assert len(found) <= MOST_ENTRIES, sorted(found)


def _imported(program: str, *arguments: str) -> set[str]:
    """The heavy modules that a program of its own has imported at its end."""
    program += f"\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "module",
    [
        "formats",
        "formats.output_formats",
        "formats.measured",
        "corpora",
        "corpora.corpus_loading",
        "common.files",
        "common.words",
        "model.network",
        "model.conditions",
        "model.error_base",
        "model.vocabulary",
    ],
)
def test_what_reads_and_writes_files_imports_nothing_heavy(module):
    assert _imported(f"import hmlm_fm.{module}") == set()


def test_hmlm_converts_a_small_sif_to_json_without_torch(tmp_path):
    (tmp_path / "small.sif").write_text("A\t1\tB\nB\t-1\tC\n")
    program = (
        "import sys\n"
        "from hmlm_fm.cli.main import app\n"
        "app(['convert', *sys.argv[1:]], standalone_mode=False)"
    )
    out = tmp_path / "small.json"
    assert _imported(program, str(tmp_path / "small.sif"), str(out)) == set()
    assert out.exists()


def test_hmlm_info_describes_a_network_without_torch():
    program = "from hmlm_fm.cli.main import app\napp(['info', 'egf'], standalone_mode=False)"
    assert "torch" not in _imported(program)
