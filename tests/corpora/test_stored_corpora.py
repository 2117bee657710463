"""Corpora on disk: rows come back as they were, are mapped, and fall to one process each."""

from __future__ import annotations

import multiprocessing
import re
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.utils.data import DataLoader

from hmlm_fm import HMLMTokenizer
from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.stored_rows import StoredRows, store_rows
from hmlm_fm.corpora.streaming import stream_rows
from hmlm_fm.corpora.tokenised import TokenisedCorpus, tokenise
from hmlm_fm.dynamics.trajectories import make_trajectories
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.pretraining.objectives import PretrainingExamples, count_molecules

NETWORKS = load_core()[:7]


@pytest.fixture(scope="module")
def tokenizer():
    return HMLMTokenizer()


@pytest.fixture(scope="module")
def trajectories():
    return make_trajectories(NETWORKS, range(5), 22)


def assert_rows_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_rows_come_back_whatever_their_shapes(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"pairs": rng.integers(9, size=(n, 2)), "flag": rng.random((3, n)) < 0.5, "one": np.ones(1)}
        for n in (3, 0, 5)
    ]
    assert store_rows(iter(rows), tmp_path / "rows") == 3
    stored = StoredRows(tmp_path / "rows")
    assert len(stored) == 3
    for found, expected in zip(stored, rows, strict=True):
        assert_rows_equal(found, expected)
    assert isinstance(stored.data["pairs"], np.memmap)
    with pytest.raises(IndexError, match="row 3"):
        stored[3]
    with pytest.raises(ValueError, match="row 1 holds"):
        store_rows([{"a": np.ones(1)}, {"a": np.ones(1, dtype=np.int8)}], tmp_path / "other")
    assert store_rows([], tmp_path / "none") == 0
    assert len(StoredRows(tmp_path / "none")) == 0


def test_a_corpus_made_by_several_processes_is_that_in_memory(tokenizer, trajectories, tmp_path):
    expected = TokenisedCorpus.in_memory(NETWORKS, trajectories, tokenizer)
    key = {"seed": 0}
    folder = tmp_path / "corpus"
    threads = 2  # in place of processes

    def share(process):
        return lambda: [(i, trajectories[i]) for i in range(process, 5, threads)]

    barrier = Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        made = [
            pool.submit(
                tokenise, folder, key, NETWORKS, share(p), tokenizer, p, threads, barrier.wait
            )
            for p in range(threads)
        ]
        corpora = [job.result() for job in made]
    for corpus in corpora:
        for found, row in zip(corpus.language, expected.language, strict=True):
            assert_rows_equal(found, row)
        for found, row in zip(corpus.dynamics, expected.dynamics, strict=True):
            assert_rows_equal(found, row)
        assert corpus.language_sizes.tolist() == expected.language_sizes.tolist()
        assert corpus.trajectory_sizes.tolist() == expected.trajectory_sizes.tolist()
        for found, made in zip(corpus.trajectories, trajectories, strict=True):
            assert found.drawn == made.drawn
            assert found.visible == made.visible
            assert found.conditions == made.conditions
            np.testing.assert_array_equal(found.states, made.states)
            np.testing.assert_array_equal(found.drives, made.drives)
            assert (found.signs_drawn, found.logic_drawn) == (made.signs_drawn, made.logic_drawn)
    drawn = [
        PretrainingExamples(c, tokenizer, 8, seed=1, batch_size=4) for c in (corpora[0], expected)
    ]
    for number in range(8):
        assert_rows_equal(drawn[0][number]["next_state"], drawn[1][number]["next_state"])

    def never():
        raise AssertionError("what is there already is made again")

    tokenise(folder, key, NETWORKS, never, tokenizer)
    (folder / "precious.txt").write_text("mine")
    with pytest.raises(FormatError, match="holds 'precious.txt'"):
        tokenise(folder, {"seed": 1}, NETWORKS, never, tokenizer)
    with pytest.raises(FormatError, match="it is a file"):
        tokenise(folder / "precious.txt", key, NETWORKS, never, tokenizer)
    (folder / "precious.txt").unlink()
    with pytest.raises(AssertionError, match="made again"):
        tokenise(folder, {"seed": 1}, NETWORKS, never, tokenizer)


def test_most_computed_tokens_are_real(tokenizer):
    networks = load_core()
    drawn = make_trajectories(networks, range(16), 22)
    corpus = TokenisedCorpus.in_memory(networks, drawn, tokenizer)
    examples = PretrainingExamples(corpus, tokenizer, 1000, 0, batch_size=6, language_networks=8)
    counts = np.zeros(2)
    for first in range(0, 180, 6):
        counts += count_molecules(examples.collate([examples[first + i] for i in range(6)]))
    assert counts[0] / counts[1] >= 0.85


STATUS = Path("/proc/self/status")


def sum_of_states(folder, queue):
    """Read every row of a stored corpus in a process that may hold 64 MiB more than it does."""
    stored = StoredRows(folder)
    limit = 64 * 2**20 + 1024 * int(re.search(r"VmData:\s*(\d+)", STATUS.read_text())[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    total = 0.0
    for row in stored:
        total += float(row["states"].sum(dtype=np.float64))
    queue.put(total)


def test_a_corpus_larger_than_memory_is_read(tmp_path):
    # 200 MB in a process that may hold 67 more: read by map, which counts for nothing.
    rows = ({"states": np.full((25, 10**6), i % 3, dtype=np.float16)} for i in range(4))
    store_rows(rows, tmp_path / "big")
    assert (tmp_path / "big" / "states.bin").stat().st_size == 200 * 10**6
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=sum_of_states, args=(tmp_path / "big", queue))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    assert queue.get(timeout=10) == pytest.approx(25e6 * sum(i % 3 for i in range(4)))


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """Five shards of four rows each."""
    folder = tmp_path_factory.mktemp("sharded")
    (folder / "data").mkdir()
    for shard in range(5):
        table = pa.table({"seed": list(range(4 * shard, 4 * shard + 4))})
        pq.write_table(table, folder / "data" / f"train-{shard:05}-of-00005.parquet")
    return folder


@pytest.mark.parametrize("most", [None, 9])
def test_no_row_is_read_by_two_of_four_loaders(shards, most):
    # Two processes with two loaders each: five shards cannot be shared out whole.
    read = []
    for process in range(2):
        rows = stream_rows(shards, "train", process, 2, most)
        loader = DataLoader(rows, batch_size=None, num_workers=2)
        own = [int(row["seed"]) for row in loader]
        assert own
        read += own
    assert sorted(read) == list(range(most or 20))


def test_four_processes_share_out_whole_shards(tmp_path):
    (tmp_path / "data").mkdir()
    for shard in range(4):
        table = pa.table({"seed": [shard, shard]})
        pq.write_table(table, tmp_path / "data" / f"train-{shard:05}-of-00004.parquet")
    own = [{row["seed"] for row in stream_rows(tmp_path, "train", p, 4)} for p in range(4)]
    assert own == [{0}, {1}, {2}, {3}]
    with pytest.raises(FormatError, match="no shards of the side 'test'"):
        stream_rows(tmp_path, "test")
