"""What files call a place in the cell, in the words of the package."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Of the Gene Ontology, cellular components and the membranes and spaces in them.
_OF_TERM = {
    "0005576": "extracellular",
    "0005615": "extracellular",
    "0005886": "plasma membrane",
    "0009986": "plasma membrane",
    "0005737": "cytosol",
    "0005829": "cytosol",
    "0005634": "nucleus",
    "0005654": "nucleus",
    "0005730": "nucleus",
    "0005739": "mitochondrion",
    "0005741": "mitochondrion",
    "0005743": "mitochondrion",
    "0005759": "mitochondrion",
    "0005783": "endoplasmic reticulum",
    "0005788": "endoplasmic reticulum",
    "0005789": "endoplasmic reticulum",
    "0005794": "Golgi",
    "0000139": "Golgi",
    "0005768": "endosome",
    "0005764": "lysosome",
    "0005765": "lysosome",
}
_TERM = re.compile(r"GO(?::|%3A)(\d{7})", re.IGNORECASE)

# Organelles come first: "mitochondrial membrane" and "nuclear cytoplasm" are in them.
_OF_WORDS = tuple(
    (re.compile(pattern), compartment)
    for pattern, compartment in (
        (r"golgi", "Golgi"),
        (r"lysosom", "lysosome"),
        (r"endosom", "endosome"),
        (r"mitochond", "mitochondrion"),
        (r"endoplasmic|\ber\b", "endoplasmic reticulum"),
        (r"nucle(us|ar|ol|opl)|chromatin|chromosom|^nuc$", "nucleus"),
        (r"plasma.?membrane|\bcell(ular)?.?(membrane|surface)|^membrane$", "plasma membrane"),
        (r"extra.?cell|secreted|medium|^outside$|^external\b|^blood$|^serum$", "extracellular"),
        (r"cytosol|cytoplasm|intra.?cell|^cyt$|^cyto$", "cytosol"),
    )
)


def compartment_of(names: Iterable[str], addresses: Iterable[str] = ()) -> str:
    """The compartment that addresses or names state by a term of the Gene Ontology, or else names
    by their words, the first that does; "unknown" where none does."""
    names = list(names)
    for text in (*addresses, *names):
        for term in _TERM.findall(text):
            if term in _OF_TERM:
                return _OF_TERM[term]
    for name in names:
        words = name.lower().replace("_", " ").strip()
        for pattern, compartment in _OF_WORDS:
            if pattern.search(words):
                return compartment
    return "unknown"
