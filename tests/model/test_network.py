"""`SignalingNetwork`: what it holds, what it refuses, and what is derived from it."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest

from hmlm_fm.model.network import (
    Interaction,
    Molecule,
    NetworkError,
    Pathway,
    SignalingNetwork,
    merge_networks,
)


def network_of(*rules: tuple[tuple[str, ...], tuple[int, ...], str], **fields) -> SignalingNetwork:
    """A network of bare rules."""
    names = dict.fromkeys(name for sources, _, target in rules for name in (*sources, target))
    return SignalingNetwork(
        name=fields.pop("name", "bare"),
        molecules=tuple(map(Molecule, names)),
        interactions=tuple(Interaction(*rule) for rule in rules),
        **fields,
    )


def test_order_and_lookups(toy_network):
    assert toy_network.names == ("EGF", "EGFR", "PTEN", "PIP3", "AKT", "survival", "Ca2+")
    assert toy_network.inputs == ("EGF",)
    assert toy_network.molecule("AKT").members == ("AKT1", "AKT2", "AKT3")
    assert [toy_network.molecule_index[n] for n in toy_network.names] == list(range(7))
    assert toy_network.family_name == "toy"
    assert replace(toy_network, family="toys").family_name == "toys"
    assert toy_network.interactions[2].rule == "EGFR & !PTEN => PIP3"
    assert toy_network.interactions[0].rule == "=> EGF"
    assert toy_network.interactions[6].rule == "?EGFR => Ca2+"


def test_repr_counts(toy_network):
    assert repr(toy_network) == (
        "SignalingNetwork('toy': 7 molecules, 7 interactions of which 1 inputs, 2 pathways)"
    )


def test_immutable(toy_network):
    with pytest.raises(FrozenInstanceError):
        toy_network.name = "other"
    with pytest.raises(FrozenInstanceError):
        toy_network.molecules[0].name = "other"


def test_lists_become_tuples():
    molecule = Molecule("A", members=["A1", "A2"])
    network = SignalingNetwork("n", [molecule], [Interaction(["A"], [1], "A")])
    assert network.molecules == (molecule,)
    assert molecule.members == ("A1", "A2")
    assert hash(network) == hash(
        SignalingNetwork("n", (molecule,), (Interaction(("A",), (1,), "A"),))
    )


# -- what it refuses --------------------------------------------------------------------------

TWO = (Molecule("A"), Molecule("B"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"molecules": ()}, ["empty"]),
        ({"molecules": (Molecule("A"), Molecule("A"))}, ["unique", "A"]),
        ({"molecules": (Molecule(" A"),)}, ["' A'"]),
        ({"molecules": (Molecule(""),)}, ["''"]),
        ({"molecules": (Molecule("A", kind="thing"),)}, ["'A'", "'thing'", "protein"]),
        ({"molecules": (Molecule("A", compartment="attic"),)}, ["'A'", "'attic'", "cytosol"]),
        ({"molecules": (Molecule("A", pathways=("x",)),)}, ["'A'", "x"]),
        ({"molecules": (Molecule("A", tau_hours=0),)}, ["tau_hours", "0"]),
        ({"molecules": (Molecule("A", tau_hours=math.inf),)}, ["tau_hours", "inf"]),
        ({"molecules": (Molecule("A", ymax=-1),)}, ["ymax", "-1"]),
        ({"molecules": (Molecule("A", y0=math.nan),)}, ["y0", "nan"]),
        ({"pathways": (Pathway("p"), Pathway("p"))}, ["pathway", "p"]),
        ({"interactions": (Interaction(("A",), (1,), "C"),)}, ["interaction 1", "A => C", "C"]),
        ({"interactions": (Interaction(("D",), (1,), "A"),)}, ["interaction 1", "D"]),
        (
            {"interactions": (Interaction(("A", "A"), (1, -1), "B"),)},
            ["both plain and negated", "A & !A => B"],
        ),
        ({"interactions": (Interaction(("A", "A"), (1, 1), "B"),)}, ["twice", "A"]),
        ({"interactions": (Interaction(("A",), (2,), "B"),)}, ["signs", "2"]),
        ({"interactions": (Interaction(("A",), (1,), "B", kind="hug"),)}, ["'hug'", "binding"]),
        ({"interactions": (Interaction(("A",), (1,), "B", weight=1.5),)}, ["weight", "1.5"]),
        ({"interactions": (Interaction(("A",), (1,), "B", ec50=1.0),)}, ["ec50", "1.0"]),
        ({"interactions": (Interaction(("A",), (1,), "B", n=math.nan),)}, ["n nan"]),
    ],
)
def test_refuses_with_names(fields, words):
    with pytest.raises(NetworkError) as error:
        SignalingNetwork("bad", **{"molecules": TWO, **fields})
    assert "'bad'" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_sources_and_signs_of_different_length():
    with pytest.raises(NetworkError, match="1 sources and 2 signs"):
        SignalingNetwork("bad", TWO, (Interaction(("A",), (1, 1), "B"),))


def test_unknown_molecule_hints_at_spelling(toy_network):
    with pytest.raises(NetworkError, match=r"'akt'; did you mean AKT\?"):
        toy_network.molecule("akt")


# -- identity ---------------------------------------------------------------------------------


def test_equal_networks_hash_alike_whatever_the_number_type(toy_network):
    whole = SignalingNetwork("n", (Molecule("A", tau_hours=1, y0=0),))
    same = SignalingNetwork("n", (Molecule("A", tau_hours=1.0, y0=0.0),))
    assert whole == same
    assert hash(whole) == hash(same)
    assert whole.content_hash == same.content_hash


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"title": "other"},
        {"family": "other"},
        {"logic_known": False},
        {"interactions": ()},
    ],
)
def test_hash_changes_with_content(toy_network, change):
    changed = replace(toy_network, **change)
    assert changed != toy_network
    assert changed.content_hash != toy_network.content_hash


def test_hash_is_stable_across_processes(toy_network):
    code = (
        "from hmlm_fm.model.network import *;"
        "print(SignalingNetwork('n', (Molecule('A', members=('X',), tau_hours=2),),"
        " (Interaction(('A',), (-1,), 'A'),)).content_hash)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-S", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=_package_folder(),
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "17")
    }
    here = SignalingNetwork(
        "n", (Molecule("A", members=("X",), tau_hours=2),), (Interaction(("A",), (-1,), "A"),)
    )
    assert runs == {here.content_hash + "\n"}


def _package_folder():
    from pathlib import Path

    import hmlm_fm.model.network

    return Path(hmlm_fm.model.network.__file__).parents[2]


def test_pickles(toy_network):
    assert pickle.loads(pickle.dumps(toy_network)) == toy_network


# -- derived networks -------------------------------------------------------------------------


def test_subnetwork_keeps_what_lies_within(toy_network):
    part = toy_network.subnetwork("lipid")
    assert part.names == ("PTEN", "PIP3", "AKT")
    assert [i.rule for i in part.interactions] == ["PIP3 => AKT", "!AKT => PTEN"]
    assert part.molecule("PIP3").pathways == ("lipid",)
    assert [p.name for p in part.pathways] == ["lipid"]


def test_subnetwork_of_all_pathways_keeps_and_groups(toy_network):
    both = toy_network.subnetwork("receptor", "lipid")
    assert "EGFR & !PTEN => PIP3" in [i.rule for i in both.interactions]
    assert "survival" not in both.names


@pytest.mark.parametrize("pathways", [("nowhere",), ()])
def test_subnetwork_of_nothing(toy_network, pathways):
    with pytest.raises(NetworkError, match="known are receptor, lipid"):
        toy_network.subnetwork(*pathways)


def test_without_kinetics_changes_nothing_else(toy_network):
    bare = toy_network.without_kinetics()
    assert all(m.tau_hours is m.y0 is m.ymax is None for m in bare.molecules)
    assert all(i.weight is i.n is i.ec50 is None for i in bare.interactions)
    assert [i.rule for i in bare.interactions] == [i.rule for i in toy_network.interactions]
    assert bare.without_kinetics() == bare


def test_without_logic_splits_and_groups(toy_network):
    edges = toy_network.without_logic()
    assert not edges.logic_known
    assert [i.rule for i in edges.interactions] == [
        "=> EGF",
        "EGF => EGFR",
        "EGFR => PIP3",
        "!PTEN => PIP3",
        "PIP3 => AKT",
        "AKT => survival",
        "!AKT => PTEN",
        "?EGFR => Ca2+",
    ]


def test_merge_meets_by_name_and_states_no_pair_twice():
    upstream = network_of(((), (), "A"), (("A",), (1,), "B"), name="up")
    downstream = network_of(((), (), "B"), (("A",), (1,), "B"), (("B",), (1,), "C"), name="down")
    union = merge_networks([upstream, downstream], "union")
    assert union.names == ("A", "B", "C")
    assert [i.rule for i in union.interactions] == ["=> A", "A => B", "B => C"]
    assert union.molecule("B").pathways == ("up", "down")
    assert union.logic_known


def test_merge_knows_logic_only_where_all_do():
    known, unknown = network_of(((), (), "A")), network_of(((), (), "A"), logic_known=False)
    assert not merge_networks([known, replace(unknown, name="other")], "union").logic_known
