"""What files call a place in the cell."""

import pytest

from hmlm_fm.formats.compartments import compartment_of
from hmlm_fm.model.network import COMPARTMENTS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nuc", "nucleus"),
        ("nucleoplasm", "nucleus"),
        ("mitochondrial outer membrane", "mitochondrion"),
        ("external side of plasma membrane", "plasma membrane"),
        ("plasma_membrane", "plasma membrane"),
        ("cell surface", "plasma membrane"),
        ("external", "extracellular"),
        ("extra-cellular space", "extracellular"),
        ("Intracellular membrane", "cytosol"),
        ("Cytosol (external Ca buffer)", "cytosol"),
        ("cyt", "cytosol"),
        ("ER", "endoplasmic reticulum"),
        ("peroxisome", "unknown"),
        ("GO:0005730", "nucleus"),
        ("", "unknown"),
    ],
)
def test_names(name, expected):
    assert expected in COMPARTMENTS
    assert compartment_of([name]) == expected


def test_a_term_of_the_gene_ontology_says_more_than_a_name():
    addresses = ("urn:miriam:go:GO%3A0099999", "urn:miriam:go:GO%3A0005764")
    assert compartment_of(["cytosol"], addresses) == "lysosome"
    assert compartment_of(["cytosol"], addresses[:1]) == "cytosol"
    assert compartment_of(["unknown place", "golgi"]) == "Golgi"
