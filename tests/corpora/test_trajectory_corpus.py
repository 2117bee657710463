"""Next-state corpora: rows come back, shards are made alone and again, figures are right."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hmlm_fm.cli.corpus_simulation import simulate
from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.corpus_loading import load_for_training
from hmlm_fm.corpora.sanity import behaviour_of, published_models, report
from hmlm_fm.corpora.trajectory_corpus import (
    check_for_training,
    plan_shards,
    read_trajectories,
    settings_for,
    simulate_corpus,
)
from hmlm_fm.dynamics.draw import PRIORS, Priors, draw_dynamics
from hmlm_fm.dynamics.trajectories import TIMES_HOURS, make_trajectories
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

NETWORKS = load_core()[:12]
SIDES = {"train": NETWORKS[:8], "validation": NETWORKS[8:10], "test": NETWORKS[10:]}
SETTINGS = settings_for(SIDES, count=5, held_out=1, conditions=3, shard=2, seed=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "corpus"
    simulate_corpus(SIDES, folder, SETTINGS)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "data").iterdir())}


def test_rows_hold_what_was_simulated(corpus):
    (expected, *_) = make_trajectories(SIDES["train"], [0, 1], 3)
    found = read_trajectories(corpus, "train")
    assert len(found) == 5
    first = found[0]
    assert first.drawn == expected.drawn
    assert first.visible == expected.visible
    assert first.conditions == expected.conditions
    np.testing.assert_array_equal(first.states, expected.states)
    np.testing.assert_array_equal(first.drives, expected.drives)
    np.testing.assert_allclose(first.baseline, expected.baseline, rtol=1e-6)
    assert first.states.shape == (3, len(TIMES_HOURS), len(first.drawn.molecules))
    assert first.visible == first.visible.without_kinetics()


def test_any_shard_is_made_again_alone_byte_for_byte(corpus, tmp_path):
    folder = tmp_path / "again"
    simulate_corpus(SIDES, folder, SETTINGS)
    assert files(folder) == files(corpus)
    lost = folder / "data" / "train-00001-of-00003.parquet"
    lost.unlink()
    times = {p: p.stat().st_mtime_ns for p in (folder / "data").iterdir()}
    simulate_corpus(SIDES, folder, SETTINGS)
    assert files(folder) == files(corpus)
    assert all(p.stat().st_mtime_ns == t for p, t in times.items()), "the others are left alone"


def test_a_damaged_shard_is_made_again(corpus, tmp_path):
    simulate_corpus(SIDES, tmp_path / "c", SETTINGS)
    broken = tmp_path / "c" / "data" / "test-00000-of-00001.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    simulate_corpus(SIDES, tmp_path / "c", SETTINGS)
    assert files(tmp_path / "c") == files(corpus)


def test_other_settings_do_not_go_on_in_the_folder(corpus):
    with pytest.raises(FormatError, match="other settings"):
        simulate_corpus(SIDES, corpus, replace(SETTINGS, conditions=4))
    with pytest.raises(FormatError, match="no trajectories"):
        read_trajectories(corpus.parent, "train")


def test_a_run_trains_on_no_trajectories_of_another_split(corpus, tmp_path):
    check_for_training(corpus, SIDES, 5, 1, 3)
    turned = dict(zip(SIDES, reversed(SIDES.values()), strict=True))
    with pytest.raises(FormatError, match="split in another way"):
        check_for_training(corpus, turned, 5, 1, 3)
    for needed, problem in (
        ((6, 1, 3), "5 networks for training; expected at least 6"),
        ((5, 2, 3), "1 networks for the test; expected at least 2"),
        ((5, 1, 20), "3 conditions per network; expected at least 20"),
    ):
        with pytest.raises(FormatError, match=problem):
            check_for_training(corpus, SIDES, *needed)
    with pytest.raises(FormatError, match="no reports/settings.json"):
        check_for_training(tmp_path, SIDES, 5, 1, 3)
    part = tmp_path / "part"
    shutil.copytree(corpus, part)
    (part / "data" / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(FormatError, match="test-00000-of-00001.parquet is not whole"):
        check_for_training(part, SIDES, 5, 1, 3)
    for damaged in ("{", "[]", '{"networks": 5}'):
        (part / "reports" / "settings.json").write_text(damaged)
        with pytest.raises(FormatError, match="made by this version"):
            check_for_training(part, SIDES, 5, 1, 3)


def test_sides_never_share_a_seed():
    settings = replace(SETTINGS, networks=1000, held_out=300, shard=64)
    seeds = [s for found in plan_shards(settings, list(SIDES)).values() for s in found]
    assert len(seeds) == len(set(seeds)) == 1600


def test_unknown_signs_and_logic_are_drawn_and_reported():
    unknown = SignalingNetwork(
        "u",
        tuple(Molecule(f"m{i}") for i in range(9)),
        tuple(Interaction((f"m{i}",), (0,), f"m{i + 1}", "binding") for i in range(8)),
        logic_known=False,
    )
    (made,) = make_trajectories([unknown], [3], 2)
    assert made.signs_drawn == 8
    assert made.logic_drawn
    assert all(sign != 0 for i in made.drawn.interactions for sign in i.signs)
    # What a model sees has the drawn signs where it sees the drawn logic, and no signs elsewhere.
    signs = {sign for i in made.visible.interactions for sign in i.signs}
    assert signs == {0} if not made.visible.logic_known else 0 not in signs
    (known,) = make_trajectories(NETWORKS[:1], [3], 2)
    assert not known.logic_drawn


def test_known_logic_stays_and_an_and_is_never_taken_apart():
    network = SignalingNetwork(
        "n",
        tuple(Molecule(n) for n in "ABCDE"),
        (
            Interaction(("A", "B"), (1, -1), "E"),
            Interaction(("C",), (1,), "E"),
            Interaction(("D",), (-1,), "E"),
        ),
    )
    rng = np.random.default_rng(0)
    rules = {i.rule for i in draw_dynamics(network, rng).interactions if i.sources}
    assert rules == {"A & !B => E", "C => E", "!D => E"}
    for seed in range(20):
        drawn = draw_dynamics(replace(network, logic_known=False), np.random.default_rng(seed))
        groups = [set(i.sources) for i in drawn.interactions if i.sources]
        assert any({"A", "B"} <= group for group in groups)
        assert not any("A" in group and "B" not in group for group in groups)
        assert set().union(*groups) == set("ABCD")


def test_draws_follow_their_priors():
    networks = load_core()[:20]
    rng = np.random.default_rng(0)
    drawn = [draw_dynamics(n, rng) for _ in range(15) for n in networks]
    rules = [i for n in drawn for i in n.interactions if i.sources]
    n = np.log([i.n for i in rules])
    assert abs(n.mean() - np.log(PRIORS.n[0])) < 0.06
    assert 0.12 < n.std() < 0.3
    assert abs(np.mean([i.ec50 for i in rules]) - PRIORS.ec50[0]) < 0.03
    full = [all(i.weight == 1 for i in n.interactions if i.sources) for n in drawn]
    assert 0.35 < np.mean(full) < 0.65
    still = replace(Priors(), always_there=0.0, quiet_input=(0.1, 0.1))
    quiet = draw_dynamics(networks[0], np.random.default_rng(0), still)
    assert {i.weight for i in quiet.interactions if i.is_input} == {0.1}


def test_behaviour_is_measured():
    hours = np.asarray(TIMES_HOURS, float)
    rise = 1 - np.exp(-hours / 4)
    wave = 0.5 - 0.5 * np.cos(hours * 2 * np.pi / 16)
    states = np.stack([np.zeros_like(hours), rise, wave], -1)[None].repeat(2, 0)
    states[1] = 0
    found = behaviour_of(states)
    assert found.responding == pytest.approx(2 / 3)
    assert found.oscillating == pytest.approx(1 / 3)
    assert 2 <= found.half_hours <= 6
    assert found.hold == pytest.approx((states[:, 1:] ** 2).mean())
    assert found.mean == pytest.approx((states[0, 1:] ** 2).mean())


def test_published_models_of_protected_families_are_not_looked_at(shared_data):
    networks = [load_network(p) for p in sorted((shared_data / "netflux").iterdir())]
    names = [n.name for n in published_models([*networks, load_network("cardiac-fibroblast")])]
    assert len(names) == 4
    assert not any("fibroblast" in n or "hypertrophy" in n or "mechano" in n for n in names)


def test_drawn_networks_respond_as_much_as_published_ones(shared_data):
    """The trap that was measured: random draws hardly move, so that holding looks good."""
    published = published_models(
        load_network(p) for p in sorted((shared_data / "netflux").glob("*.xlsx"))
    )
    made = make_trajectories(load_core(), list(range(16)), 8)
    lines = report(made, published)
    assert len(lines) == 7 + len(published)
    drawn = np.median([behaviour_of(t.states).hold for t in made])
    assert 0.03 < drawn < 0.25


def test_the_script_writes_a_corpus_that_datasets_opens(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    line = ["core", "--out", str(out), "--networks", "3", "--held-out", "1", "--conditions", "2",
             "--processes", "1"]  # fmt: skip
    assert simulate(line) == 0
    assert "MSE of hold" in capsys.readouterr().out
    card = (out / "README.md").read_text()
    assert "| n | " in card
    assert "cardiac-fibroblast" in card
    assert (out / "reports" / "behaviour.png").stat().st_size > 1000
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import load_dataset

    opened = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {side: len(rows) for side, rows in opened.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    _, sides = load_for_training("core", 0)
    for side in sides:
        names = {network.name for network in sides[side]}
        for made in read_trajectories(out, side):
            assert set(made.drawn.name.split("+")) <= names, "pretraining splits the corpus alike"
    assert simulate(line) == 0, "the same command resumes"
    assert simulate([*line, "--seed", "1"]) == 2
    for wrong in (["--networks", "0"], ["--held-out-share", "0.9"]):
        assert simulate(["core", "--out", str(tmp_path / "x"), *wrong]) == 2
    assert not (tmp_path / "x").exists()


def test_sbml_models_run_once(shared_data, tmp_path):
    pytest.importorskip("roadrunner")
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (10, 27):
        name = f"BIOMD{number:010}.xml.gz"
        (folder / name).write_bytes((shared_data / "biomodels" / name).read_bytes())
    (folder / "cut.xml").write_text("<sbml")
    assert simulate([str(folder), "--sbml", "--out", str(tmp_path / "out")]) == 0
    rows = pq.read_table(next((tmp_path / "out" / "data").iterdir())).to_pylist()
    assert len(rows) == 2
    for row in rows:
        network = load_network(folder / f"{row['name']}.xml.gz")
        assert tuple(row["molecules"]) == network.names
        assert len(row["states"]) == len(row["times_hours"]) * len(row["molecules"])
    assert "cut.xml" in (tmp_path / "out" / "reports" / "skipped.tsv").read_text()
