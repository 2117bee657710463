"""Which checkpoints count: those that all processes have written to the end."""

from __future__ import annotations

import pytest
from accelerate import Accelerator

from hmlm_fm.common.errors import OptionsError
from hmlm_fm.pretraining.resuming import (
    COMPLETE_FILE,
    check_same_launch,
    find_checkpoint,
    is_complete,
    last_checkpoint,
    mark_complete,
    mark_incomplete,
    remove_incomplete,
)


@pytest.fixture
def accelerator():
    return Accelerator(cpu=True)


def checkpoint(folder, step, accelerator):
    made = folder / f"checkpoint-{step}"
    (made / "global_step").mkdir(parents=True)
    (made / "weights").write_bytes(b"whole")
    (made / "global_step" / "part").write_bytes(b"part")
    mark_complete(made, accelerator)
    return made


def test_a_checkpoint_counts_when_all_that_it_names_is_there(accelerator, tmp_path):
    first, last = (checkpoint(tmp_path, step, accelerator) for step in (9, 10))
    assert last_checkpoint(tmp_path) == last
    (last / "global_step" / "part").write_bytes(b"par")
    assert last_checkpoint(tmp_path) == first
    (last / "global_step" / "part").unlink()
    assert last_checkpoint(tmp_path) == first
    # One that is about to be written over does not count, though it is whole.
    mark_incomplete(first)
    assert last_checkpoint(tmp_path) is None
    mark_incomplete(tmp_path / "checkpoint-11")
    (first / COMPLETE_FILE).write_text("half of a")
    assert not is_complete(first)


def test_half_written_checkpoints_are_removed_and_whole_ones_kept(accelerator, tmp_path):
    kept = checkpoint(tmp_path, 2, accelerator)
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4" / "weights").write_bytes(b"half")
    (tmp_path / "other").mkdir()
    remove_incomplete(tmp_path)
    assert sorted(tmp_path.iterdir()) == [kept, tmp_path / "other"]


def test_files_of_the_start_of_a_run_are_its_own(accelerator, tmp_path):
    own = frozenset({"options.json"})
    (tmp_path / "options.json").write_text("{}")
    assert find_checkpoint(None, tmp_path, own) is None
    made = checkpoint(tmp_path, 2, accelerator)
    with pytest.raises(OptionsError, match="not empty"):
        find_checkpoint("false", tmp_path, own)
    assert find_checkpoint("true", tmp_path, own) == made
    assert find_checkpoint(str(made), tmp_path / "new", own) == made


def test_parts_of_an_optimizer_are_for_the_launch_that_wrote_them(accelerator, tmp_path):
    made = checkpoint(tmp_path, 2, accelerator)
    check_same_launch(made, accelerator)
    content = (made / COMPLETE_FILE).read_text().replace("replicated", "ZeRO-2 on 2 processes")
    (made / COMPLETE_FILE).write_text(content)
    with pytest.raises(OptionsError, match="written by ZeRO-2 on 2 processes"):
        check_same_launch(made, accelerator)
