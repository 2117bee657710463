"""The page of results: it is up to date, and shows what the files hold, won and lost alike."""

import json
from pathlib import Path

import pytest

from hmlm_fm.benchmarks.results import (
    ALL_ENTRIES,
    HEADLINES,
    README_END,
    README_START,
    main,
    page,
    read_results,
    with_headlines,
)
from hmlm_fm.model.error_base import HMLMError

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "docs/results", ROOT / "docs/results.md"


def test_the_page_and_the_table_of_the_readme_are_up_to_date():
    # Where they are not, the command at the top of the page makes them.
    assert PAGE.read_text(encoding="utf-8") == page(RESULTS, PAGE)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == with_headlines(readme, RESULTS)
    table = readme.partition(README_START)[2].partition(README_END)[0]
    assert len(table.strip().splitlines()) == 2 + len(HEADLINES) <= 2 + 8


@pytest.mark.parametrize("path", sorted(RESULTS.glob("20*.json")), ids=lambda path: path.stem)
def test_every_file_has_the_schema(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {"task", "results", "environment"} <= set(content)
    keys = set()
    if content["task"] == "real":
        places = {(row["set"], row["split"], row["entry"]) for row in content["results"]}
        assert len(places) == len(content["results"])
        assert {"summary", "published", "skipped", "same_measurements"} <= set(content)
        return
    for result in content["results"]:
        assert {"entry", "label", "budget", "split", "seed"} <= set(result)
        assert result["seed"] is None or isinstance(result["seed"], int)
        keys.add((result["entry"], result["budget"], result["split"], result["seed"]))
        if "seeds" in result:
            assert result["seed"] is None
            assert result["seeds"] > 1
        if content["task"] not in ("speed", "pretraining"):
            assert ALL_ENTRIES.get(result["entry"]) or result["entry"] == "own-equations"
    assert len(keys) == len(content["results"])


def small(error, **more):
    entry = {"label": "ridge on the condition", "budget": "16x4", "split": "pairs", "seed": 0}
    return {**entry, "mse": error, **more}


def test_a_loss_is_shown_as_one(tmp_path):
    results = [
        small(0.02, entry="ridge", mse_low=0.01, mse_high=0.03),
        small(0.5, entry="hmlm-in-context", mse_low=0.4, mse_high=0.6),
        small(0.04, entry="hmlm-shuffled", mse_low=0.03, mse_high=0.05),
    ]
    content = {"task": "conditions", "network": "mine", "results": results, "environment": {}}
    (tmp_path / "mine.json").write_text(json.dumps(content))
    out = tmp_path / "page.md"
    main([str(tmp_path), "--out", str(out)])
    text = out.read_text()
    assert "| **lost** |" in text
    assert "| ridge on the condition | 0.0200 (0.0100 to 0.0300) |" in text
    main([str(tmp_path), "--out", str(out), "--check"])
    out.write_text(text + "more\n")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path), "--out", str(out), "--check"])
    assert stopped.value.code == 1


def test_files_that_are_no_results(tmp_path):
    with pytest.raises(HMLMError, match="it has no results"):
        read_results(tmp_path)
    (tmp_path / "a.json").write_text('{"task": "nothing", "results": []}')
    with pytest.raises(HMLMError, match=r"a\.json: the task is 'nothing'; expected one of real"):
        read_results(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path), "--out", str(tmp_path / "page.md")])
    assert stopped.value.code == 2
