"""The shipped token list is sound, covers the shipped networks, and understands common names."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hmlm_fm
from hmlm_fm.corpora.vocabulary_build import (
    build_vocabulary,
    coverage,
    read_sources,
    vocabulary_to_json,
)
from hmlm_fm.formats.edge_table import read_edge_table
from hmlm_fm.formats.names import meaning_of
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.model.vocabulary import SPECIAL_TOKENS, Vocabulary

SHIPPED = Path(hmlm_fm.__file__).parent / "model" / "vocabulary.json"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.shipped()


def test_the_file_holds_a_version_tokens_and_aliases():
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert set(content) == {"version", "tokens", "aliases"}
    assert content["version"] == "2026.1"
    assert SHIPPED.stat().st_size < 500_000


def test_tokens_are_special_then_genes_small_molecules_and_processes(vocabulary):
    assert vocabulary.tokens[:3] == SPECIAL_TOKENS == ("[PAD]", "[MASK]", "[UNK]")
    rest = vocabulary.tokens[3:]
    genes = [token for token in rest if ":" not in token]
    chebi = [token for token in rest if token.startswith("CHEBI:")]
    processes = [token for token in rest if token.startswith("process:")]
    assert list(rest) == genes + chebi + processes
    assert genes == sorted(genes)
    assert chebi == sorted(chebi, key=lambda token: int(token.removeprefix("CHEBI:")))
    assert processes == sorted(processes)
    assert 11_000 <= len(genes) <= 14_500
    assert len(chebi) >= 200
    assert len(processes) >= 40


def test_tokens_look_like_identifiers(vocabulary):
    shapes = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*|CHEBI:\d+|process:[A-Za-z0-9-]+")
    assert [t for t in vocabulary.tokens[3:] if not shapes.fullmatch(t)] == []


def test_every_member_of_the_shipped_networks_is_a_token(vocabulary):
    networks = (*load_core(), load_network("cardiac-fibroblast"))
    members = {member for n in networks for m in n.molecules for member in m.members}
    assert sorted(members - set(vocabulary.tokens)) == []


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("TGFB1", "TGFB1"),
        ("CTGF", "CCN2"),
        ("MKL1", "MRTFA"),
        ("p53", "TP53"),
        (" SMAD3 ", "SMAD3"),
        ("Ca2+", "CHEBI:29108"),
        ("cAMP", "CHEBI:17489"),
        ("ATP", "CHEBI:15422"),
        ("H2O2", "CHEBI:16240"),
        ("glucose", "CHEBI:17634"),
        ("Apoptosis", "process:apoptosis"),
        ("APOPTOSIS", "process:apoptosis"),
        ("Proliferation", "process:proliferation"),
    ],
)
def test_common_names_mean_their_token(vocabulary, name, token):
    assert vocabulary.resolve(name) == token


@pytest.mark.parametrize("name", ["[MASK]", "", "no such molecule", "camp", "123"])
def test_other_names_mean_nothing(vocabulary, name):
    assert vocabulary.resolve(name) is None


def test_no_alias_hides_a_token(vocabulary):
    assert [name for name in vocabulary.aliases if name in vocabulary.index] == []


@pytest.mark.parametrize(
    ("tokens", "aliases", "message"),
    [
        (("A",), {}, "must start with"),
        ((*SPECIAL_TOKENS, "A", "A"), {}, "twice"),
        ((*SPECIAL_TOKENS, "A"), {"b": "B"}, "'B', which is not a token"),
    ],
)
def test_an_unsound_vocabulary_is_refused(tokens, aliases, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary("test", tokens, aliases)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": "1", "tokens": 3, "aliases": {}}'])
def test_a_file_that_is_no_vocabulary_is_named(tmp_path, text):
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"vocabulary\.json: it is not a vocabulary"):
        Vocabulary.load(path)


def test_the_shipped_list_is_what_its_sources_make(shared_data: Path):
    built = vocabulary_to_json(build_vocabulary(read_sources(shared_data)))
    assert built == SHIPPED.read_text(encoding="utf-8"), "run hmlm corpus vocabulary"


def test_most_of_wikipathways_has_tokens(shared_data: Path):
    networks = read_edge_table(shared_data / "wikipathways" / "edges.tsv")
    share = float(re.findall(r"\(([\d.]+)%\)", coverage(networks))[-1])
    assert share > 75


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("ERK2", "MAPK1"),
        ("IL8", "CXCL8"),
        ("Ca²⁺", "CHEBI:29108"),
        ("Glucose-6-phosphate", "CHEBI:14314"),
        ("eEF2K", "EEF2K"),
        ("hsa-mir-21", "MIR21"),
        ("CAMP", "CAMP"),  # cathelicidin, not the messenger
        # names of families are no tokens, and Rho is not rhodopsin (RHO)
        ("p38", None),
        ("PI3K", None),
        ("AKT", None),
        ("Rho", None),
        ("[pad]", None),
    ],
)
def test_names_that_are_easily_mistaken(vocabulary, name, token):
    assert vocabulary.resolve(name) == token


def test_retired_symbols_are_aliases_only(vocabulary):
    for retired in ("CTGF", "MKL1", "CYR61", "MRE11A", "DDX58", "TMEM173", "H2AFX"):
        assert retired not in vocabulary.index
        assert vocabulary.resolve(retired) in vocabulary.index


def test_families_are_made_of_tokens(vocabulary):
    for name, size in (("PI3K", 5), ("ERK1/2", 2), ("NF-kB", 2), ("p38 MAPK", 4)):
        meaning = meaning_of(name)
        assert meaning.kind in ("family", "complex")
        assert len(meaning.members) == size
        assert all(member in vocabulary.index for member in meaning.members)


def test_the_loader_needs_nothing_but_the_standard_library():
    """It travels with checkpoints, to machines where hmlm_fm is not installed."""
    code = (
        "from hmlm_fm.model.vocabulary import Vocabulary;print(Vocabulary.shipped().resolve('p53'))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=SHIPPED.parents[2]
    )
    assert run.stdout == "TP53\n", run.stderr


def test_most_small_molecules_occur_in_reactome(vocabulary, shared_data: Path):
    """Some drugs and lipids do not; a list of wrong ids would not occur at all."""
    with gzip.open(shared_data / "reactome" / "pathway_members_R85.gmt.gz", "rt") as file:
        reactome = {f"CHEBI:{cell.strip()}" for line in file for cell in line.split("\t")}
    forms: dict[str, set[str]] = {t: {t} for t in vocabulary.tokens if t.startswith("CHEBI:")}
    for name, token in vocabulary.aliases.items():
        if token in forms:
            forms[token].add(name)  # other charge states of the same molecule are aliases
    found = sum(not reactome.isdisjoint(names) for names in forms.values())
    assert found / len(forms) > 0.7
