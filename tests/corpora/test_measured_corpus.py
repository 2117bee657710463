"""Corpora of measured sets come back exactly, open with `datasets`, and part no duplicates."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
from dataclasses import fields, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hmlm_fm.cli.corpus_build import build
from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.build import BuildError
from hmlm_fm.corpora.corpus_loading import load_corpus
from hmlm_fm.corpora.measured_corpus import (
    is_measured_corpus,
    read_measured_corpus,
    write_measured_corpus,
)
from hmlm_fm.corpora.measured_rows import row_of_set, set_of_row
from hmlm_fm.corpora.measured_sources import load_measured_sets
from hmlm_fm.corpora.records import FoundSets
from hmlm_fm.corpora.training_licences import may_be_trained_on
from hmlm_fm.formats.measured.drug_targets import DrugTable, DrugTarget
from hmlm_fm.formats.measured.measured_set import (
    LATE,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
)
from hmlm_fm.formats.measured.readout_tables import Readout
from hmlm_fm.formats.measured.set_folder import write_measured_set
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import SignalingNetwork

FOLDERS = ("perturbation", "cellnopt", "hpn_dream")


def set_called(name: str, licence: str = "MIT", seed: str | None = None, **more) -> MeasuredSet:
    """A set of six treatments and a control, its values drawn by its seed or its name."""
    chance = random.Random(seed or name)
    conditions = {"control": ()} | {f"c{i}": (Treatment("stimulus", f"L{i}"),) for i in range(6)}
    values = tuple(
        Measurement(condition, f"R{j}", 1.0, round(chance.gauss(0, 1), 4), "phosphoprotein")
        for condition in conditions
        for j in range(8)
    )
    return MeasuredSet(name, conditions, values, licence=licence, **more)


def everything(network: SignalingNetwork) -> MeasuredSet:
    """A set that states all that one can state."""
    return MeasuredSet(
        "all of it",
        {
            "rest": (),
            "both | of them": (
                Treatment("stimulus", "EGF", 0.1),
                Treatment("drug", "Trametinib", 2.5, -1.0, 3.0, "nM"),
                Treatment("knockout", "PTEN"),
            ),
            "rest again": (),
        },
        (
            Measurement("rest", "pERK", 0.0, 1e-17),
            Measurement(
                "both | of them", "pERK", LATE, -0.1, "protein", 0.3, Scale("ln"), "2", "b"
            ),
            Measurement("rest again", "β", 1 / 3, 2, "mrna", scale=Scale("linear", True)),
        ),
        study="Doe 2020",
        source="a test",
        licence="CC0",
        organism="human",
        cell_line="HT-29",
        shares="nothing",
        network=network,
        readouts={"pERK": Readout("pERK", ("MAPK1", "MAPK3"), ("T202",), "phosphoprotein")},
        targets=DrugTable(
            {"Trametinib": (DrugTarget("MAP2K1"), DrugTarget("MAP2K2", 0.5, "knockdown"))},
            {"trametinib": "Trametinib", "gsk1120212": "Trametinib"},
            {"Trametinib": "a review"},
        ),
        notes=("one", "and another"),
    )  # fmt: skip


def corpus_of(folder: Path, sets: list[MeasuredSet], seed: int = 0) -> Path:
    write_measured_corpus(folder, FoundSets(sets), seed, "a test")
    return folder


def sides_of(corpus: Path) -> dict[str, str]:
    return {
        one.name: side
        for side in ("train", "validation", "test")
        for one in read_measured_corpus(corpus, [side])
    }


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run_build(*arguments: object) -> int:
    return build(["measured", *map(str, arguments)])


# -- rows ---------------------------------------------------------------------------------------


def test_all_that_a_set_states_comes_back(toy_network, tmp_path):
    one = everything(toy_network)
    empty = replace(set_called("plain"), targets=DrugTable({}, {}))
    corpus = corpus_of(tmp_path / "c", [one, empty])
    back = {found.name: found for found in read_measured_corpus(corpus)}
    assert back == {"all of it": one, "plain": empty}
    assert list(back["all of it"].conditions) == list(one.conditions)
    assert back["all of it"].targets.sources == {"Trametinib": "a review"}
    assert back["plain"].targets is not None
    assert back["plain"].network is None


def test_the_set_of_the_tests_states_every_field_there_is(toy_network):
    """A field that rows do not hold yet would be lost where it has its default here."""
    one = everything(toy_network)
    places = {"place"}  # where it was read, which is no part of the set
    for name in {f.name for f in fields(MeasuredSet)}:
        assert getattr(one, name), name
    for items in (one.measurements, one.conditions["both | of them"]):
        for field in fields(items[0]):
            values = {getattr(item, field.name) for item in items}
            assert field.name in places or len(values) > 1, field.name


def test_a_row_that_was_changed_is_refused(toy_network):
    row = row_of_set(everything(toy_network))
    assert set_of_row(row) == everything(toy_network)
    row["observations"][0]["value"] = 7.0
    with pytest.raises(HMLMError, match="'all of it': its content does not match its hash"):
        set_of_row(row)
    with pytest.raises(HMLMError, match="it states no measured set"):
        set_of_row(row | {"conditions": [{"condition": "one"}]})


def test_every_shared_set_comes_back_and_duplicates_stay_together(shared_data, tmp_path):
    found = load_measured_sets([shared_data / name for name in FOLDERS])
    assert len(found.sets) >= 32
    found.sets = [replace(one, licence="MIT") for one in found.sets]
    written = {one.name: one for one in found.sets}
    pairs = set()
    for seed in range(2):
        corpus = tmp_path / str(seed)
        facts = write_measured_corpus(corpus, found, seed, "a test")
        assert {one.name: one for one in read_measured_corpus(corpus)} == written
        sides = sides_of(corpus)
        assert set(sides.values()) == {"train", "validation", "test"}
        assert sides["LiverDREAM"] == sides["ExtLiverPCB"]
        of_study: dict[str, set[str]] = {}
        for name, one in written.items():
            of_study.setdefault(one.study, set()).add(sides[name])
        assert all(len(used) == 1 for used in of_study.values())
        pairs = {(pair.smaller, pair.larger) for pair in facts.same}
        assert all(sides[small] == sides[large] for small, large in pairs)
    assert ("LiverDREAM", "ExtLiverPCB") in pairs
    assert "- LiverDREAM: " in (corpus / "README.md").read_text()


# -- the folder ---------------------------------------------------------------------------------


def test_datasets_opens_a_corpus(tmp_path, monkeypatch, toy_network):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import load_dataset

    sets = [everything(toy_network), *(set_called(f"lab{i}") for i in range(12))]
    corpus = corpus_of(tmp_path / "corpus", sets)
    assert {path.name for path in corpus.iterdir()} == {"data", "reports", "README.md"}
    opened = load_dataset(str(corpus), cache_dir=str(tmp_path / "cache"))
    sides = sides_of(corpus)
    assert {side: sorted(rows["name"]) for side, rows in opened.items()} == {
        side: sorted(name for name, of in sides.items() if of == side) for side in opened
    }
    row = next(r for rows in opened.values() for r in rows if r["name"] == "all of it")
    assert set_of_row(row) == everything(toy_network)
    late = row["observations"][1]
    assert (late["molecule"], late["time_hours"], late["sd"]) == ("pERK", math.inf, 0.3)
    for path in (corpus / "data").iterdir():
        file = pq.ParquetFile(path)
        assert file.num_row_groups == file.metadata.num_rows


def test_the_card_states_every_set(tmp_path, toy_network):
    found = FoundSets([everything(toy_network), set_called("a|b", "GPL-3")])
    facts = write_measured_corpus(tmp_path / "c", found, 3, "hmlm corpus build measured")
    card = (tmp_path / "c" / "README.md").read_text()
    assert "| all of it | Doe 2020 | a test | CC0 | human | HT-29 | nothing | toy |" in card
    assert "| all of it | train | Doe 2020 | 3 | 2 | 3 | 2 | 3 | 3 | 1 | 1 |" in card
    assert "| a\\|b | test | a\\|b | 7 | 1 | 6 | 8 | 1 | 56 | 1 | 0 |" in card
    assert "**For testing only**: a\\|b." in card
    assert "`hmlm corpus build measured`" in card
    assert facts.content_hash in card
    summary = json.loads((tmp_path / "c" / "reports" / "summary.json").read_text())
    assert summary["sides"] == {"train": 1, "validation": 0, "test": 1}


def test_the_same_sets_in_any_order_give_the_same_bytes(tmp_path):
    sets = [set_called(f"lab{i}-{j}") for i in range(6) for j in range(2)]
    one, other = corpus_of(tmp_path / "one", sets), corpus_of(tmp_path / "other", sets[::-1])
    assert bytes_of(one) == bytes_of(other)
    assert bytes_of(corpus_of(tmp_path / "third", sets, seed=1)) != bytes_of(one)


def test_nothing_is_written_over_a_corpus_or_of_nothing(tmp_path):
    corpus = corpus_of(tmp_path / "c", [set_called("one")])
    before = bytes_of(corpus)
    with pytest.raises(BuildError, match="exists already"):
        corpus_of(corpus, [set_called("two")])
    assert bytes_of(corpus) == before
    with pytest.raises(BuildError, match="no measured sets"):
        corpus_of(tmp_path / "nothing", [])
    assert not (tmp_path / "nothing").exists()


def test_a_damaged_corpus_is_an_error_that_names_the_file(tmp_path):
    corpus = corpus_of(tmp_path / "c", [set_called("one")])
    file = corpus / "data" / "train-00000-of-00001.parquet"
    whole = file.read_bytes()
    table = pq.read_table(file)
    for content in (whole[:-100], b"", whole[:40] + b"\0" * 40 + whole[80:]):
        file.write_bytes(content)
        with pytest.raises(FormatError, match=r"train-00000-of-00001.parquet"):
            read_measured_corpus(corpus)
        with pytest.raises(FormatError, match=r"train-00000-of-00001.parquet"):
            load_measured_sets([corpus])
    pq.write_table(table.drop_columns(["observations"]), file)
    with pytest.raises(FormatError, match="no column 'observations'; expected rows of measured"):
        read_measured_corpus(corpus)
    names = table.column_names
    changed = table.set_column(names.index("licence"), "licence", [["CC0"]])
    pq.write_table(changed, file)
    with pytest.raises(FormatError, match="row 1: measured set 'one': its content does not match"):
        read_measured_corpus(corpus)


def test_a_corpus_of_measured_sets_is_no_corpus_of_networks(tmp_path):
    corpus = corpus_of(tmp_path / "c", [set_called("one")])
    assert is_measured_corpus(corpus)
    with pytest.raises(FormatError, match="expected rows of networks"):
        load_corpus(corpus)
    assert build(["core", "--out", str(tmp_path / "core")]) == 0
    assert not is_measured_corpus(tmp_path / "core")
    assert not is_measured_corpus(tmp_path)
    with pytest.raises(FormatError, match="expected rows of measured sets"):
        load_measured_sets([tmp_path / "core"])
    with pytest.raises(FormatError, match="it is no corpus"):
        read_measured_corpus(tmp_path / "nowhere")
    with pytest.raises(HMLMError, match="side is 'tests'.*did you mean 'test'"):
        read_measured_corpus(corpus, ["tests"])


# -- sides --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "licence",
    [
        "MIT", "mit license", "BSD", "BSD-3-Clause", "New BSD License", "CC0", "CC0-1.0",
        "CC BY 4.0", "CC-BY-4.0", "Creative Commons Attribution 4.0 International",
        "Creative Commons Zero v1.0 Universal", "Apache-2.0", "Apache License, Version 2.0",
        "public domain", "MIT or Apache-2.0",
    ],
)  # fmt: skip
def test_licences_that_allow_training(licence):
    assert may_be_trained_on(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "", "none stated", "GPL-3", "LGPL-2.1", "CC BY-NC 4.0", "CC BY-SA 4.0", "CC BY-ND 4.0",
        "Creative Commons Attribution-NonCommercial 4.0", "challenge data", "all rights reserved",
        "MIT; data for academic use only", "CC0 and GPL-3", "not MIT", "permitted on request",
        "Creative Commons", "4.0", "not in the public domain",
    ],
)  # fmt: skip
def test_licences_that_do_not(licence):
    assert not may_be_trained_on(licence)


def test_only_what_may_be_trained_on_is_trained_on(tmp_path):
    sets = [set_called(f"free{i}", seed=f"f{i}") for i in range(12)]
    sets += [set_called("gpl-one", "GPL-3"), set_called("gpl-two", "MIT")]  # one study
    sets += [set_called("unknown", "")]
    # The same measurements under another name, study and licence.
    sets += [set_called("copy", "CC BY 4.0", seed="unknown")]
    network = load_network("cardiac-fibroblast")
    sets += [replace(set_called("fibroblasts", "MIT"), network=network)]
    used: dict[str, set[str]] = {}
    for seed in range(5):
        sides = sides_of(corpus_of(tmp_path / str(seed), sets, seed))
        for name in ("gpl-one", "gpl-two", "unknown", "copy", "fibroblasts"):
            assert sides[name] == "test"
        for name in (f"free{i}" for i in range(12)):
            used.setdefault(name, set()).add(sides[name])
        assert sum(side == "train" for side in sides.values()) >= 8
        assert "validation" in sides.values()
    assert any(len(of) > 1 for of in used.values()), "the seed draws the sides"


def test_few_groups_are_all_for_training(tmp_path):
    sets = [set_called("a-1"), set_called("a-2"), set_called("b")]
    assert set(sides_of(corpus_of(tmp_path / "c", sets)).values()) == {"train"}


# -- sources ------------------------------------------------------------------------------------

MIDAS = "TR:egf:Stimuli,DA:ALL,DV:erk,DV:akt\n0,0,0.1,0.3\n1,0,0.1,0.3\n0,30,0.2,0.4\n1,30,0.8,{}\n"


@pytest.fixture
def published(tmp_path) -> Path:
    """Two labs' files, a measured set in a folder, and files that cannot be used."""
    folder = tmp_path / "published"
    for name, value in (("ada/MD-one.csv", 0.61), ("ada/MD-two.csv", 0.62), ("bob/MD.csv", 0.63)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(MIDAS.format(value))
    (folder / "cem").mkdir()
    write_measured_set(set_called("cem-cells", "CC0", source="a lab"), folder / "cem")
    (folder / "bob" / "cut.csv.gz").write_bytes(gzip.compress(MIDAS.encode())[:-9])
    (folder / "bob" / "odd.csv").write_text(MIDAS.format("much"))
    (folder / "bob" / "prices.csv").write_text("item,price\napple,1\n")
    return folder


def test_what_set_json_states_of_all_files_and_of_one(published):
    (published / "set.json").write_text(
        json.dumps(
            {
                "organism": "human",
                "sets": {"bob": {"licence": "MIT", "study": "Bob 2021"}, "cem": {"name": "mine"}},
            }
        )
    )
    (published / "ada" / "set.json").write_text(
        json.dumps(
            {
                "name": "Ada",
                "licence": "CC BY 4.0",
                "notes": "scanned",
                "sets": {"MD-two.csv": {"name": "second", "licence": "GPL-3", "organism": "rat"}},
            }
        )
    )
    found = {one.name: one for one in load_measured_sets([published]).sets}
    assert set(found) == {"Ada-one", "second", "bob-MD", "cem-cells"}
    assert {(n, one.licence, one.organism) for n, one in found.items()} == {
        ("Ada-one", "CC BY 4.0", "human"),
        ("second", "GPL-3", "rat"),
        ("bob-MD", "MIT", "human"),
        ("cem-cells", "CC0", "human"),
    }
    assert "scanned" in found["Ada-one"].notes
    assert {one.study for one in found.values()} == {"Ada", "Bob 2021", "cem"}
    alone = load_measured_sets([published / "ada" / "MD-two.csv"]).sets[0]
    assert (alone.name, alone.licence) == ("second", "GPL-3")


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ({"license": "MIT"}, "key 'license' is not known.*did you mean 'licence'"),
        ({"licence": 3}, "licence is '3'; expected a text"),
        ({"sets": {"MD-on.csv": {}}}, "sets: there is no file or folder 'MD-on.csv'.*'MD-one.csv'"),
        ({"sets": {"MD-one.csv": {"licens": ""}}}, "sets, 'MD-one.csv': key 'licens' is not known"),
        ({"sets": {"MD-one.csv": "MIT"}}, "sets, 'MD-one.csv': it is no JSON object"),
        ({"sets": ["MD-one.csv"]}, "sets is .*expected an object"),
        (["MIT"], "it is no JSON object"),
    ],
)
def test_a_wrong_set_json_is_an_error(published, stated, problem):
    (published / "ada" / "set.json").write_text(json.dumps(stated))
    with pytest.raises(FormatError, match=f"set.json.*{problem}"):
        load_measured_sets([published])


def test_two_sets_of_one_name_are_an_error(published):
    (published / "ada" / "set.json").write_text(
        json.dumps({"sets": {name: {"name": "x"} for name in ("MD-one.csv", "MD-two.csv")}})
    )
    with pytest.raises(FormatError, match="several measured sets called 'x'"):
        load_measured_sets([published])


def test_a_corpus_is_read_where_files_are(tmp_path, published):
    corpus = corpus_of(published / "corpus", [set_called("zoe")])
    assert load_measured_sets([corpus]).sets == [set_called("zoe")]
    names = {one.name for one in load_measured_sets([published]).sets}
    assert {"zoe", "ada-one", "cem-cells"} <= names


# -- the command --------------------------------------------------------------------------------


def test_a_folder_becomes_a_corpus_and_what_is_not_read_is_listed(published, tmp_path, capsys):
    assert run_build("--from-dir", published, "--out", tmp_path / "one") == 0
    out = capsys.readouterr().out
    assert "measured: 4 sets" in out
    assert "not read 2, odd 0, without measurements 1" in out
    assert "skipped bob/cut.csv.gz: it is gzipped and damaged" in out
    assert "skipped bob/odd.csv: row 5" in out
    assert "ada-one, ada-two, bob-MD" in out.partition("for testing only")[2]
    skipped = (tmp_path / "one" / "reports" / "skipped.tsv").read_text()
    assert all(name in skipped for name in ("bob/cut.csv.gz", "bob/odd.csv", "bob/prices.csv"))
    sides = sides_of(tmp_path / "one")
    assert {name for name, side in sides.items() if side == "train"} == {"cem-cells"}
    assert run_build("--from-dir", published, "--out", tmp_path / "two") == 0
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes()
    card = (tmp_path / "one" / "README.md").read_text()
    assert "`python corpora/build.py measured --from-dir published --seed 0`" in card


def test_sets_that_hold_the_same_are_told(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("one", "two"):
        folder = tmp_path / "in" / name
        folder.mkdir()
        write_measured_set(set_called(name, seed="same"), folder)
    assert run_build("--from-dir", tmp_path / "in", "--out", tmp_path / "out", "--seed", 4) == 0
    assert "the same measurements: two: all of it stands in one" in capsys.readouterr().out
    duplicates = (tmp_path / "out" / "reports" / "duplicates.tsv").read_text()
    assert duplicates == "smaller\tlarger\tshare\ntwo\tone\t1.0000\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "measured: expected --from-dir"),
        (("--from-dir", "nowhere"), "nowhere: there is no such file or folder"),
        (("--from-dir", "empty"), "empty: it holds no measurements that are known"),
        (("--from-dir", "full", "--out", "full"), "full: it exists already"),
        (("--from-dir", "full", "--organism", "mmu"), "--organism mmu changes nothing about"),
        (("--from-dir", "full", "--mapping", "x.tsv"), "--mapping changes nothing about measured"),
        (("--from-dir", "full"), "MD.csv: row 5"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, arguments, problem
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "MD.csv").write_text(MIDAS.format("much"))
    before = bytes_of(tmp_path)
    extra = () if "--out" in arguments else ("--out", "out")
    assert run_build(*arguments, *extra) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert problem in error
    assert bytes_of(tmp_path) == before
    assert not (tmp_path / "out").exists()
