"""Corpora load from names, folders and files, and splits keep relatives on one side."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hmlm_fm.common.errors import FormatError
from hmlm_fm.corpora.corpus_loading import load_corpus
from hmlm_fm.corpora.relatives import (
    OVERLAP_THRESHOLD,
    SIDES,
    cluster_networks,
    member_overlap,
    split_networks,
)
from hmlm_fm.formats.json_format import write_json
from hmlm_fm.formats.network_loading import load_core, load_network
from hmlm_fm.formats.sif import write_sif
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

FIBROBLAST = "cardiac-fibroblast"


def network_of(name: str, members: str, family: str = "") -> SignalingNetwork:
    """A network of one molecule per word of `members`."""
    words = members.split()
    return SignalingNetwork(
        name=name, molecules=tuple(Molecule(w, members=(w,)) for w in words), family=family
    )


def strangers(n: int) -> list[SignalingNetwork]:
    """Networks that share nothing."""
    return [network_of(f"net{i}", f"A{i} B{i} C{i}") for i in range(n)]


def names_by_side(networks, seed, **options):
    return {
        side: [network.name for network in found]
        for side, found in split_networks(networks, seed, **options).items()
    }


def members_of(network) -> set[str]:
    return {name for m in network.molecules for name in m.members or (m.name,)}


def assert_no_leak(sides) -> None:
    """No two networks on two sides are of one family or overlap by more than the threshold."""
    for a, b in itertools.combinations(sides, 2):
        families = {network.family_name for network in sides[a]}
        assert families.isdisjoint(network.family_name for network in sides[b])
        members = {n.name: members_of(n) for n in (*sides[a], *sides[b])}
        for left, right in itertools.product(sides[a], sides[b]):
            if members[left.name].isdisjoint(members[right.name]):
                continue
            assert member_overlap(left, right) <= OVERLAP_THRESHOLD, (left.name, right.name)


# -- loading ------------------------------------------------------------------------------------


def test_core_is_a_corpus():
    assert load_corpus("core") == load_core()
    assert len({network.name for network in load_corpus("core")}) == len(load_core()) > 40


def test_a_shipped_name_is_a_corpus_of_one():
    assert load_corpus(FIBROBLAST) == (load_network(FIBROBLAST),)


def test_a_folder_of_network_files_is_read_in_the_order_of_their_names(tmp_path):
    first, second = (
        SignalingNetwork(
            name=name,
            molecules=(Molecule("A"), Molecule("B")),
            interactions=(Interaction(("A",), (1,), "B", "activation"),),
        )
        for name in ("first", "second")
    )
    write_json(second, tmp_path / "b.json")
    write_json(first, tmp_path / "a.json")
    write_sif(replace(first, logic_known=False), tmp_path / "c.sif")
    assert [network.name for network in load_corpus(tmp_path)] == ["first", "second", "c"]


def test_a_file_and_a_folder_with_an_edge_table_are_corpora(tmp_path):
    table = tmp_path / "edges.tsv"
    table.write_text(
        "pathway\tsource\ttarget\tarrow\tsign\nP1\tTGFB1\tSMAD3\tArrow\t1\nP2\tJUN\tFOS\tTBar\t-1\n"
    )
    assert [network.name for network in load_corpus(tmp_path)] == ["P1", "P2"]
    assert load_corpus(table) == load_corpus(tmp_path)


def test_two_files_with_one_network_name_are_an_error(tmp_path):
    write_json(network_of("same", "A"), tmp_path / "a.json")
    shutil.copy(tmp_path / "a.json", tmp_path / "b.json")
    with pytest.raises(FormatError, match=r"b\.json.*'same'.*a\.json"):
        load_corpus(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FormatError, match=r"edges\.tsv"):
        load_corpus(tmp_path)


def test_what_does_not_exist_is_an_error_that_names_it():
    with pytest.raises(FormatError, match="no-such-corpus"):
        load_corpus("no-such-corpus")


def test_a_bad_file_in_a_folder_is_named(tmp_path):
    write_json(network_of("good", "A"), tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(FormatError, match=r"b\.json"):
        load_corpus(tmp_path)


# -- splitting ----------------------------------------------------------------------------------


def test_a_split_is_deterministic_and_does_not_depend_on_the_order():
    networks = strangers(30)
    assert names_by_side(networks, 3) == names_by_side(networks, 3)
    assert names_by_side(networks, 3) == names_by_side(networks[::-1], 3)
    assert names_by_side(networks, 3) != names_by_side(networks, 4)


def test_a_split_meets_its_fractions_and_loses_nothing():
    sides = names_by_side(strangers(50), 0, fractions=(0.6, 0.2, 0.2))
    assert {side: len(names) for side, names in sides.items()} == dict(
        zip(SIDES, (30, 10, 10), strict=True)
    )
    assert sorted(itertools.chain(*sides.values())) == sorted(n.name for n in strangers(50))


@pytest.mark.parametrize("n", [3, 4, 5])
def test_every_side_has_a_network_where_there_are_few(n):
    assert all(names_by_side(strangers(n), 1).values())


@pytest.mark.parametrize("seed", range(5))
def test_a_family_stays_together(seed):
    networks = strangers(20)
    networks += [network_of(f"rev{i}", f"X{i} Y{i} Z{i}", family="model") for i in range(4)]
    sides = split_networks(networks, seed)
    assert sum(any(n.family == "model" for n in found) for found in sides.values()) == 1
    assert_no_leak(sides)


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_networks_stay_together(seed):
    chain = [network_of("ab", "a b c d"), network_of("bc", "b c d e"), network_of("cd", "c d e f")]
    sides = split_networks([*strangers(20), *chain], seed)
    assert sum(any(n in chain for n in found) for found in sides.values()) == 1


def test_half_an_overlap_is_not_above_the_threshold():
    half = [network_of("one", "a b"), network_of("two", "b c")]
    assert member_overlap(*half) == 0.5
    assert len(cluster_networks(half)) == 2


def test_revisions_under_other_names_are_excluded_with_their_family():
    fibroblast = load_network(FIBROBLAST)
    renamed = replace(fibroblast, name="mine", family="")
    sides = split_networks(
        [*strangers(9), fibroblast, renamed], 0, exclude_families=[fibroblast.family_name]
    )
    assert {n.name for found in sides.values() for n in found} == {n.name for n in strangers(9)}


def test_too_few_clusters_are_an_error():
    relatives = [network_of(f"n{i}", "a b c") for i in range(5)]
    with pytest.raises(ValueError, match="5 networks make 1 clusters"):
        split_networks(relatives, 0)


@pytest.mark.parametrize(
    "fractions", [(0.9, 0.1), (1.0, 0.0, 0.0), (0.8, 0.1, 0.2), (2, -0.5, -0.5)]
)
def test_bad_fractions_are_an_error(fractions):
    with pytest.raises(ValueError, match="fractions"):
        split_networks(strangers(9), 0, fractions)


def test_repeated_names_are_an_error():
    with pytest.raises(ValueError, match="net0"):
        split_networks([*strangers(5), *strangers(1)], 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_core_splits_without_a_leak(seed):
    sides = split_networks((*load_core(), load_network(FIBROBLAST)), seed)
    assert all(sides.values())
    assert_no_leak(sides)


def test_wikipathways_split_without_a_leak(shared_data: Path):
    networks = load_corpus(shared_data / "wikipathways")
    sides = split_networks(networks, 0)
    shares = [len(sides[side]) / len(networks) for side in SIDES]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    assert_no_leak(sides)
    assert max(map(len, cluster_networks(networks))) < 20, "clusters have chained into a blob"


def test_every_revision_of_the_fibroblast_network_is_left_out(shared_data: Path, tmp_path):
    for path in (shared_data / "netflux").glob("*.xls*"):
        shutil.copy(path, tmp_path)
    shutil.copy(shared_data / "fibroblast" / "snm_1_1_rev4.xlsx", tmp_path)
    networks = (*load_corpus(tmp_path), load_network(FIBROBLAST))
    sides = split_networks(networks, 0, exclude_families=[FIBROBLAST])
    kept = {network.name for found in sides.values() for network in found}
    assert {network.name for network in networks} - kept == {
        FIBROBLAST,
        "snm_1_1_rev4",
        "BSD3_Netflux_zeigler_fibroblast_jmcc2016",
    }


def test_a_hidden_file_in_a_folder_is_no_network(tmp_path):
    write_json(network_of("good", "A"), tmp_path / "a.json")
    (tmp_path / ".hidden").write_text("notes")
    assert [network.name for network in load_corpus(tmp_path)] == ["good"]
