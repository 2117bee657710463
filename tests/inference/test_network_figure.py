"""Drawings of networks: where molecules stand, and what the files hold."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.inference.network_figure import ROOM, ROOM_OF_LINE, draw_network
from hmlm_fm.inference.network_layout import lay_out
from hmlm_fm.model.error_base import HMLMError
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork


def network_of(*rules: tuple[str, int, str], alone: tuple[str, ...] = ()) -> SignalingNetwork:
    names = dict.fromkeys([n for s, _, t in rules for n in (s, t)] + list(alone))
    return SignalingNetwork(
        "drawn",
        tuple(Molecule(name) for name in names),
        tuple(Interaction((s,), (sign,), t) for s, sign, t in rules),
    )


CHAIN = network_of(
    ("A", 1, "B"), ("B", -1, "C"), ("C", 1, "D"), ("A", 1, "D"), ("D", 1, "B"), alone=("E",)
)


def test_layers_are_steps_from_the_start_and_what_has_no_line_stands_last():
    layout = lay_out(CHAIN, {"A"}, ROOM, ROOM_OF_LINE)
    assert layout.layer == {"A": 0, "B": 1, "D": 1, "C": 2, "E": 3}
    assert layout.alone == {"E"}


def test_a_line_over_several_layers_bends_in_each_between():
    long = network_of(("A", 1, "B"), ("B", 1, "C"), ("C", 1, "D"), ("D", 1, "A"))
    bends = lay_out(long, {"A"}, ROOM, ROOM_OF_LINE).bends
    assert {line: len(heights) for line, heights in bends.items()} == {
        ("A", "B"): 0, ("B", "C"): 0, ("C", "D"): 0, ("D", "A"): 2,
    }  # fmt: skip


def test_a_start_that_is_acted_on_stands_where_it_is_reached():
    network = network_of(("EGF", 1, "MEK"), ("MEK", 1, "ERK"), ("BRAF", 1, "ERK"))
    layer = lay_out(network, {"EGF", "MEK", "BRAF"}, ROOM, ROOM_OF_LINE).layer
    assert layer == {"EGF": 0, "BRAF": 0, "MEK": 1, "ERK": 1}


@pytest.mark.parametrize("name", ["cardiac-fibroblast", "egf", "pi3k-akt-mtor"])
def test_no_two_molecules_of_a_layer_overlap(name):
    network = load_network(name)
    layout = lay_out(network, (), ROOM, ROOM_OF_LINE)
    assert set(layout.height) == set(network.names)
    columns = defaultdict(list)
    for molecule, layer in layout.layer.items():
        columns[layer].append(layout.height[molecule])
    for heights in columns.values():
        assert (np.diff(sorted(heights)) >= ROOM - 1e-9).all()
    assert 0 <= min(layout.height.values())
    assert max(layout.height.values()) <= layout.top


def test_crossings_are_avoided_where_they_can_be():
    """Drawn as they come, the three lines would cross each other."""
    network = network_of(("A", 1, "Z"), ("B", 1, "Y"), ("C", 1, "X"), alone=())
    network = replace(network, molecules=tuple(Molecule(name) for name in "ABCXYZ"))
    height = lay_out(network, (), ROOM, ROOM_OF_LINE).height
    starts, ends = ([height[name] for name in names] for names in ("ABC", "ZYX"))
    assert np.argsort(starts).tolist() == np.argsort(ends).tolist()


def texts_of(path) -> list[str]:
    return [node.text or "" for node in ElementTree.parse(path).iter() if node.tag.endswith("text")]


def test_svg_holds_every_label_as_text_once_and_the_legend(tmp_path):
    path = tmp_path / "net.svg"
    draw_network(CHAIN, path, treated={"A"}, measured={"D", "E"})
    texts = texts_of(path)
    assert sorted(text for text in texts if len(text) == 1) == list("ABCDE")
    assert texts[-4:] == ["treated", "measured", "activation", "inhibition"]


def test_signs_differ_in_form_not_in_colour_alone(tmp_path):
    dashes = {}
    for sign in (1, -1, 0):
        draw_network(network_of(("A", sign, "B")), tmp_path / "net.svg")
        text = (tmp_path / "net.svg").read_text()
        dashes[sign] = tuple(re.findall(r"stroke-dasharray: ([^;\"]*)", text))
    assert len(set(dashes.values())) == 3
    assert dashes[1] == ()


def test_equal_networks_give_equal_files(tmp_path):
    network = load_network("egf")
    for ending in ("svg", "png"):
        for name in "ab":
            draw_network(network, tmp_path / f"{name}.{ending}", treated={"EGF"})
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_png_is_as_large_as_a_page_can_take_and_is_not_blank(tmp_path):
    draw_network(load_network("egf"), tmp_path / "net.png", treated={"EGF"})
    with Image.open(tmp_path / "net.png") as image:
        assert image.size[0] > 1500
        assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_activity_colours_what_it_names_and_has_a_scale(tmp_path):
    draw_network(CHAIN, tmp_path / "low.svg", activity={"A": 0.0, "B": 1.0})
    draw_network(CHAIN, tmp_path / "high.svg", activity={"A": 1.0, "B": 0.0})
    assert "activity" in texts_of(tmp_path / "low.svg")
    low, high = ((tmp_path / f"{n}.svg").read_text() for n in ("low", "high"))
    assert low != high
    for text in (low, high):  # the ends of viridis
        assert "#440154" in text
        assert "#fde725" in text


def test_labels_of_one_family_are_short_and_dollars_are_no_mathematics(tmp_path):
    names = (("MAPK8/MAPK9", ("MAPK8", "MAPK9")), ("JUN/SRC", ("JUN", "SRC")), ("a$b$", ()))
    molecules = tuple(Molecule(name, members=members) for name, members in names)
    draw_network(SignalingNetwork("n", molecules), tmp_path / "n.svg")
    assert texts_of(tmp_path / "n.svg") == ["MAPK8/9", "JUN/SRC", "a$b$"]


def test_a_name_that_is_no_molecule_is_refused(tmp_path):
    for options in ({"treated": {"a"}}, {"measured": {"a"}}, {"activity": {"a": 1.0}}):
        with pytest.raises(HMLMError, match="no molecule 'a'.*did you mean A"):
            draw_network(CHAIN, tmp_path / "net.png", **options)
    assert not list(tmp_path.iterdir())


def test_input_interactions_and_and_groups_are_drawn_as_single_lines(tmp_path):
    joint = Interaction(("A", "B"), (1, -1), "C")
    network = replace(CHAIN, interactions=(Interaction((), (), "A", "input"), joint))
    layout = lay_out(network, (), ROOM, ROOM_OF_LINE)
    assert set(layout.bends) == {("A", "C"), ("B", "C")}
    draw_network(network, tmp_path / "net.svg")
    assert {"activation", "inhibition"} <= set(texts_of(tmp_path / "net.svg"))
