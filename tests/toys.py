"""Networks small enough to be read, for tests."""

from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork


def toy_network(logic_known: bool = True) -> SignalingNetwork:
    """EGF and TGFB1 feed ERK through an AND; DUSP1, which ERK makes, holds it back."""
    return SignalingNetwork(
        name="toy",
        molecules=(
            Molecule("EGF", members=("EGF",), pathways=("growth",), tau_hours=1.0),
            Molecule("TGFB1", members=("TGFB1",), pathways=("growth",), tau_hours=1.0),
            Molecule("RAS", "Ras", "family", ("HRAS", "KRAS"), "cytosol", ("growth",), 0.5),
            Molecule("ERK", "Erk", "family", ("MAPK1", "MAPK3"), "nucleus", ("growth", "out"), 0.5),
            Molecule("DUSP1", members=("DUSP1",), pathways=("out",), tau_hours=5.0),
            Molecule("oddity", kind="unknown", pathways=("out",), tau_hours=2.0),
        ),
        interactions=(
            Interaction((), (), "EGF", "input", weight=0.1),
            Interaction((), (), "TGFB1", "input", weight=0.1),
            Interaction(("EGF",), (1,), "RAS", "activation"),
            Interaction(("RAS", "DUSP1"), (1, -1), "ERK", "phosphorylation"),
            Interaction(("TGFB1",), (1,), "ERK", "indirect", weight=0.6),
            Interaction(("ERK",), (1,), "DUSP1", "expression"),
            Interaction(("ERK", "TGFB1"), (1, 1), "oddity", "unknown"),
        ),
        pathways=(Pathway("growth"), Pathway("out")),
        logic_known=logic_known,
    )
