"""Damage to XML, for readers that must survive what they find."""

from __future__ import annotations

import random
from collections.abc import Sequence
from xml.etree import ElementTree


def damaged(
    text: str,
    chance: random.Random,
    strange: Sequence[str],
    removed: float = 0.1,
    replaced: float = 0.03,
) -> str:
    """The text cut off, or without some of its elements and attributes.

    Args:
        text: well-formed XML.
        chance: decides what happens.
        strange: values that attributes get.
        removed, replaced: shares of elements and attributes, and of attributes.
    """
    if chance.random() < 0.2:
        return text[: chance.randrange(len(text))]
    root = ElementTree.fromstring(text.encode())
    for element in list(root.iter()):
        for child in list(element):
            if chance.random() < removed:
                element.remove(child)
        for name in list(element.keys()):
            if chance.random() < removed:
                del element.attrib[name]
            elif chance.random() < replaced:
                element.set(name, chance.choice(strange))
    return ElementTree.tostring(root, encoding="unicode")
