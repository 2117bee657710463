"""Corpora are built from files, open with `datasets`, come back exactly, and are reproducible."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from service_server import KEGG_REPLIES, ServiceServer, serving

from hmlm_fm.cli.corpus_build import build
from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.build import write_corpus
from hmlm_fm.corpora.corpus_loading import load_corpus, load_sides
from hmlm_fm.corpora.parquet import network_from_row, network_to_row
from hmlm_fm.corpora.records import Harvest, Provenance, Record
from hmlm_fm.corpora.relatives import (
    cluster_networks,
    edge_overlap,
    family_of,
    member_overlap,
    split_protected,
)
from hmlm_fm.corpora.sources import kegg
from hmlm_fm.corpora.sources.known_sources import SOURCES
from hmlm_fm.corpora.sources.signor import MOST_MOLECULES, communities
from hmlm_fm.formats.identifiers import Identifiers, identifier_key, key_of_address
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.formats.statements import Statement
from hmlm_fm.model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork

REPOSITORY = Path(__file__).parents[2]


def run_build(*arguments: object) -> int:
    return build([str(argument) for argument in arguments])


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def networks_of(names: str, count: int = 1, **stated: object) -> list[SignalingNetwork]:
    """Networks of a chain of molecules each; the names of several carry their number."""
    return [
        SignalingNetwork(
            name=f"net{i}",
            molecules=tuple(
                Molecule(f"{n}{i or ''}", members=(f"{n}{i or ''}",)) for n in names.split()
            ),
            interactions=tuple(
                Interaction((f"{a}{i or ''}",), (1,), f"{b}{i or ''}", "activation")
                for a, b in zip(names.split(), names.split()[1:], strict=False)
            ),
            **stated,  # type: ignore[arg-type]
        )
        for i in range(count)
    ]


def harvest_of(networks: list[SignalingNetwork]) -> Harvest:
    return Harvest([Record(n, Provenance("core", n.name, "0" * 64)) for n in networks])


# -- rows ---------------------------------------------------------------------------------------


def test_a_network_comes_back_from_its_row_exactly(toy_network):
    row = network_to_row(Record(toy_network, Provenance("core", "toy.json")))
    assert network_from_row(row) == toy_network
    assert row["provenance"]["location"] == "toy.json"
    row["title"] = "another"
    with pytest.raises(NetworkError, match="does not match its hash"):
        network_from_row(row)


def test_a_corpus_opens_with_datasets_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import load_dataset

    networks = [*load_core(), load_network("cardiac-fibroblast")]
    write_corpus(tmp_path / "corpus", SOURCES["core"], harvest_of(networks), 0, "a test")
    assert {p.name for p in (tmp_path / "corpus").iterdir()} == {"data", "reports", "README.md"}
    sides = load_sides(tmp_path / "corpus")
    assert sides is not None
    back = {n.name: n for n in load_corpus(tmp_path / "corpus")}
    assert back == {n.name: n for n in networks}
    assert "cardiac-fibroblast" in {n.name for n in sides["test"]}
    opened = load_dataset(str(tmp_path / "corpus"), cache_dir=str(tmp_path / "cache"))
    assert {side: len(rows) for side, rows in opened.items()} == {
        side: len(found) for side, found in sides.items()
    }
    row = opened["test"][0]
    assert network_from_row(row) == back[row["name"]]


def test_a_damaged_corpus_is_an_error_that_names_the_file(tmp_path):
    write_corpus(tmp_path / "c", SOURCES["core"], harvest_of(list(load_core())), 0, "a test")
    file = next((tmp_path / "c" / "data").glob("train-*"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FormatError, match="train-.*cannot be read"):
        load_corpus(tmp_path / "c")
    file.write_bytes(b"")
    with pytest.raises(FormatError, match="train-"):
        load_corpus(tmp_path / "c")


# -- relatives ----------------------------------------------------------------------------------


def test_a_pathway_that_two_sources_tell_is_on_one_side():
    strangers = [replace(n, name=f"s{i}") for i, n in enumerate(networks_of("P Q R S T", 30))]
    first = networks_of("A B C D E F G H")[0]
    # The same edges among bystanders: fewer than half of the members are shared.
    bystanders = tuple(Molecule(f"x{i}", members=(f"x{i}",)) for i in range(20))
    twin = replace(first, name="twin", molecules=(*first.molecules, *bystanders))
    assert member_overlap(first, twin) < 0.5 < edge_overlap(first, twin)
    for seed in range(5):
        sides = split_protected([*strangers, first, twin], seed)
        holders = [side for side, found in sides.items() if {first, twin} & set(found)]
        assert len(holders) == 1


def test_protected_models_are_known_under_any_name_and_are_for_testing(shared_data):
    for model in ("ryall_cardiomyocyte_hypertrophy_jbc2012", "tan_mechanosignaling_ploscb2017"):
        network = load_network(shared_data / "netflux" / f"BSD3_Netflux_{model}.xlsx")
        assert family_of(replace(network, name="mine")) == "hypertrophy"
    fibroblast = replace(load_network("cardiac-fibroblast"), name="mine", family="")
    assert family_of(fibroblast) == "cardiac-fibroblast"
    sides = split_protected([*load_core(), fibroblast], 3)
    assert "mine" in {n.name for n in sides["test"]}


def test_few_networks_are_all_for_training():
    sides = split_protected(networks_of("A B C", 2), 0)
    assert {side: len(found) for side, found in sides.items()} == {
        "train": 2,
        "validation": 0,
        "test": 0,
    }


# -- identifiers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "identifier", "key"),
    [
        ("Entrez Gene", "207", "entrez:207"),
        ("hsa", "207", "entrez:207"),
        ("UniProt", "P40189-1", "uniprot:P40189"),
        ("Uniprot-TrEMBL", "P1", "uniprot:P1"),
        ("Ensembl", "ENSG00000142208.17", "ensembl:ENSG00000142208"),
        ("ChEBI", "CHEBI:15422", "chebi:15422"),
        ("chebi", "15422", "chebi:15422"),
        ("KEGG Compound", "C00031", "kegg.compound:C00031"),
        ("Some Shop", "1", None),
        ("ChEBI", "", None),
    ],
)
def test_identifiers_have_one_key(database, identifier, key):
    assert identifier_key(database, identifier) == key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("urn:miriam:uniprot:O60674", "uniprot:O60674"),
        ("urn:miriam:chebi:CHEBI%3A15422", "chebi:15422"),
        ("http://identifiers.org/uniprot/P00533", "uniprot:P00533"),
        ("https://identifiers.org/uniprot:P00533", "uniprot:P00533"),
        ("https://example.org/x", None),
    ],
)
def test_addresses_have_the_same_keys(address, key):
    assert key_of_address(address) == key


def test_tables_translate_and_what_they_lack_stays(tmp_path):
    table = tmp_path / "map.tsv"
    table.write_text("uniprot\tsymbol\nO60674\tJAK2\nP1\tunknown\n")
    identifiers = Identifiers.from_tables([table])
    meaning = identifiers.meaning(["uniprot:O60674", "uniprot:Q9"])
    assert meaning.members == ("JAK2", "uniprot:Q9")
    assert meaning.kind == "family"
    assert identifiers.meaning(["uniprot:P1"], ["AKT"]).members == ("AKT1", "AKT2", "AKT3")
    assert identifiers.meaning(["uniprot:P1"], ["?"]).members == ("uniprot:P1",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("uniprot\tlength\nP1\t5\n", "header"),
        ("shop\tsymbol\nP1\tA\n", "'shop' is not known"),
        ("uniprot\tsymbol\nP1\n", "line 2"),
        ("", "header"),
    ],
)
def test_bad_tables_are_errors_with_their_line(tmp_path, text, problem):
    table = tmp_path / "map.tsv"
    table.write_text(text)
    with pytest.raises(FormatError, match=problem):
        Identifiers.from_tables([table])


# -- building -----------------------------------------------------------------------------------


@pytest.fixture
def reactome_folder(tmp_path) -> Path:
    """Reactome's files in small: two pathways below one, interactions, and one logic network."""
    folder = tmp_path / "reactome"
    (folder / "pairwise").mkdir(parents=True)
    (folder / "ReactomePathways.txt").write_text(
        "R-HSA-1\tTop\tHomo sapiens\nR-HSA-2\tLeft\tHomo sapiens\nR-HSA-3\tRight\tHomo sapiens\n"
    )
    (folder / "ReactomePathwaysRelation.txt").write_text("R-HSA-1\tR-HSA-2\nR-HSA-1\tR-HSA-3\n")
    (folder / "sets.gmt").write_text(
        "R-HSA-1\tTop\tP31749\tP00533\tP28482\tQ99999\nR-HSA-2\tLeft\tP31749\tP00533\n"
        "R-HSA-3\tRight\tP28482\tQ99999\n"
    )
    with gzip.open(folder / "fi.tsv.gz", "wt") as file:
        file.write(
            "source\ttarget\tinteractionType\tdatabaseSource\n"
            "EGFR\tAKT1\tactivate|phosphorylate\tReactomeFI\n"
            "EGFR\tAKT1\tinhibit\tReactomeFI\nAKT1\tMAPK1\tinhibit\tReactomeFI\n"
            "JAK2\tAKT1\tactivate\tReactomeFI\n"
        )
    (folder / "map.tsv").write_text("uniprot\tsymbol\nP31749\tAKT1\nP00533\tEGFR\nP28482\tMAPK1\n")
    (folder / "pairwise" / "Left.tsv").write_text("10\t12\t1\t0\n11\t12\t-1\t0\n13\t12\t1\t1\n")
    return folder


def test_reactome_files_become_pathways_with_their_hierarchy(reactome_folder, tmp_path, capsys):
    assert run_build("reactome", "--from-dir", reactome_folder, "--out", tmp_path / "out") == 0
    found = {n.name: n for n in load_corpus(tmp_path / "out")}
    assert set(found) == {"R-HSA-1", "R-HSA-2", "Left"}
    top = found["R-HSA-1"]
    assert [p.name for p in top.pathways] == ["R-HSA-1", "R-HSA-2", "R-HSA-3"]
    assert top.molecule("AKT1").pathways == ("R-HSA-1", "R-HSA-2")
    assert top.molecule("Q99999").members == ("uniprot:Q99999",)
    assert {(i.rule, i.kind) for i in top.interactions} == {
        ("?EGFR => AKT1", "unknown"),  # its two statements contradict each other
        ("!AKT1 => MAPK1", "inhibition"),
    }
    logic = found["Left"]
    assert logic.logic_known
    assert {i.rule for i in logic.interactions} == {"10 & !11 => 12", "13 => 12"}
    assert logic.family == "R-HSA-2", "a pathway's logic is kept with the pathway"
    skipped = (tmp_path / "out" / "reports" / "skipped.tsv").read_text()
    assert "R-HSA-3\tno interactions" in skipped
    assert "uniprot:Q99999\t1" in (tmp_path / "out" / "reports" / "unmapped.tsv").read_text()
    assert "| reactome | 3 |" in capsys.readouterr().out


def test_the_same_files_give_the_same_bytes_and_nothing_of_this_machine(reactome_folder, tmp_path):
    for name in ("one", "two"):
        assert run_build("reactome", "--from-dir", reactome_folder, "--out", tmp_path / name) == 0
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes()


def test_all_sources_of_a_folder_are_split_together(reactome_folder, tmp_path, monkeypatch):
    parent = reactome_folder.parent
    (parent / "boolean").mkdir()
    (parent / "boolean" / "a.bnet").write_text("targets, factors\nB, A & !C\nC, A\nA, A\n")
    (parent / "boolean" / "b.bnet").write_text("B, A & !C\nC, A\nA, A\nD, B | C\n")
    (parent / "netflux").mkdir()
    write_json(networks_of("K L M")[0], parent / "netflux" / "n.json")
    assert run_build("all", "--from-dir", parent, "--out", tmp_path / "out") == 0
    sides = load_sides(tmp_path / "out")
    assert sides is not None
    names = [n.name for found in sides.values() for n in found]
    assert {"a", "b", "R-HSA-1"} <= set(names)
    holders = [s for s, found in sides.items() if {"a", "b"} & {n.name for n in found}]
    assert len(holders) == 1
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import load_dataset

    everything = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert sum(len(rows) for rows in everything.values()) == len(names)
    one = load_dataset(str(tmp_path / "out"), "boolean", cache_dir=str(tmp_path / "cache"))
    assert sum(len(rows) for rows in one.values()) == 2


def test_files_that_are_no_networks_are_listed_and_the_rest_is_read(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.bnet").write_text("B, A\n")
    (folder / "copy.bnet.gz").write_bytes(gzip.compress(b"B, A\n"))
    (folder / "cut.xml").write_text('<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core"')
    (folder / "page.bnet").write_text("<!DOCTYPE html><html><body>404</body></html>")
    (folder / "empty.bnet").write_text("")
    (folder / "damaged.bnet.gz").write_bytes(gzip.compress(b"B, A\n" * 99)[:-9])
    (folder / "binary.bnet").write_bytes(bytes(range(256)))
    (folder / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY x "y">]><sbml>&x;</sbml>')
    assert run_build("boolean", "--from-dir", folder, "--out", tmp_path / "out") == 0
    assert {n.name for n in load_corpus(tmp_path / "out")} == {"good", "copy"}
    skipped = (tmp_path / "out" / "reports" / "skipped.tsv").read_text()
    for name in (
        "cut.xml",
        "page.bnet",
        "empty.bnet",
        "damaged.bnet.gz",
        "binary.bnet",
        "bomb.xml",
    ):
        assert name in skipped
    assert "not read 6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("boolean", "--from-dir", "nowhere"), "no such folder"),
        (("signor",), "expected --from-dir"),
        (("all",), "expected --from-dir"),
        (("all", "--from-dir", "."), "no folder of a source"),
        (("core", "--out", "full"), "exists already"),
        (("core", "--mapping", "nothing.tsv"), "no such file"),
        (("core", "--pathways", "apoptosis"), "--pathways apoptosis changes nothing about core"),
        (("kegg", "--from-dir", "full", "--organism", "mmu"), "nothing about kegg from files"),
        (("kegg", "--species", "9606", "--species", "10090"), "--species 10090 changes nothing"),
    ],
)
def test_bad_input_is_an_error_that_names_it(tmp_path, monkeypatch, capsys, arguments, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    before = bytes_of(tmp_path)
    extra = () if "--out" in arguments else ("--out", "out")
    assert run_build(*arguments, *extra) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert problem in error
    assert bytes_of(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_folder_without_networks_of_the_source_leaves_nothing(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.bnet").write_text("")
    assert run_build("boolean", "--from-dir", tmp_path / "in", "--out", tmp_path / "out") == 2
    assert "no networks" in capsys.readouterr().err
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".out*"))


def test_what_is_missing_of_a_service_gives_3_and_is_named(tmp_path, monkeypatch, capsys):
    pytest.importorskip("bioservices")
    monkeypatch.setattr(kegg, "REQUESTS_PER_SECOND", 200.0)
    server = ServiceServer(KEGG_REPLIES)
    del server.replies["/get/hsa00002/kgml"]
    with serving(server) as url:
        line = ("kegg", "--service-url", url, "--cache", tmp_path / "cache", "--attempts", 1)
        assert run_build(*line, "--out", tmp_path / "out") == 3
        assert "hsa00002" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
        assert run_build(*line, "--out", tmp_path / "out", "--allow-incomplete") == 3
        assert len(load_corpus(tmp_path / "out")) == 2
        assert "hsa00002" in (tmp_path / "out" / "reports" / "missing.tsv").read_text()
        server.replies["/get/hsa00002/kgml"] = KEGG_REPLIES["/get/hsa00002/kgml"]
        assert run_build(*line, "--out", tmp_path / "whole") == 0
    assert len(load_corpus(tmp_path / "whole")) == 3
    card = (tmp_path / "whole" / "README.md").read_text()
    assert "must not be passed on" in card
    assert "academic" in card
    assert run_build(*line, "--offline", "--out", tmp_path / "again") == 0
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "whole")


def test_the_script_runs_on_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, REPOSITORY / "corpora" / "build.py", "core", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| core | 65 |" in done.stdout
    summary = json.loads((tmp_path / "out" / "reports" / "summary.json").read_text())
    assert summary["statistics"]["networks"] == 65


# -- SIGNOR -------------------------------------------------------------------------------------


def test_communities_hold_every_molecule_once_and_are_small():
    statements = [
        Statement(f"{group}{i}", f"{group}{(i * 7 + k) % 60}", 1)
        for group in "abc"
        for i in range(60)
        for k in (1, 2)
    ]
    statements += [Statement("a0", "b0", 1), Statement("b1", "c1", -1)]
    found = communities(statements)
    names = [name for group in found for name in group]
    assert len(names) == len(set(names)) == 180
    assert max(map(len, found)) <= MOST_MOLECULES
    assert found == communities(statements[::-1]), "the order of a table decides nothing"


def test_no_statement_of_signor_is_lost_or_doubled(shared_data, tmp_path):
    source = SOURCES["signor"]
    harvest = source.read(shared_data / "signor", Identifiers.shipped(), lambda _: None)
    stated = [(i.sources, i.target) for r in harvest.records for i in r.network.interactions]
    assert len(stated) == len(set(stated)) == 8736
    assert len({r.network.name for r in harvest.records}) == len(harvest.records)


def test_a_real_folder_of_every_source_is_read(shared_data, tmp_path):
    """A few files of each source, which is what CI has the time for."""
    for name, folder, files in (
        ("boolean", "boolean", 12),
        ("sbml", "biomodels", 8),
        ("netflux", "netflux", 7),
        ("wikipathways", "wikipathways/gpml", 14),
    ):
        copy = tmp_path / name
        copy.mkdir()
        for path in sorted((shared_data / folder).iterdir())[:files]:
            shutil.copy(path, copy)
        out = tmp_path / f"{name}-corpus"
        assert run_build(name, "--from-dir", copy, "--out", out) == 0
        assert len(load_corpus(out)) == files
        assert cluster_networks(load_corpus(out))


def test_pathways_of_a_network_survive(tmp_path):
    network = replace(
        networks_of("A B C")[0],
        molecules=(Molecule("A", pathways=("p",)), Molecule("B"), Molecule("C")),
        pathways=(Pathway("p", "a title", "a source"),),
    )
    write_corpus(tmp_path / "c", SOURCES["core"], harvest_of([network]), 0, "a test")
    assert load_corpus(tmp_path / "c") == (network,)
