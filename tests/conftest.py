"""Fixtures of the whole suite: the shared data where it is present, and networks to read by eye."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from hmlm_fm import HMLMConfig, HMLMForSignaling, HMLMTokenizer
from hmlm_fm.model.network import Interaction, Molecule, Pathway, SignalingNetwork

REPOSITORY = Path(__file__).parent.parent


def pytest_configure() -> None:
    """Workers side by side take one thread each, and so do the programs that they start."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No slow test starts after the second of the epoch that HMLM_SLOW_TESTS_UNTIL says."""
    until = os.environ.get("HMLM_SLOW_TESTS_UNTIL")
    if until and item.get_closest_marker("slow") and time.time() > float(until):
        pytest.skip("the time for slow tests is over")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Other people's data, which is no part of the repository."""
    folder = Path(os.environ.get("HMLM_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared data is not at {folder}; set HMLM_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="module")
def model() -> tuple[HMLMForSignaling, HMLMTokenizer]:
    """A model of one layer that has learned nothing, and its tokenizer."""
    tokenizer = HMLMTokenizer()
    torch.manual_seed(0)
    config = HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size, num_hidden_layers=1)
    return HMLMForSignaling(config).eval(), tokenizer


@pytest.fixture
def toy_network() -> SignalingNetwork:
    """Seven molecules of all sorts, two pathways, an AND of a plain and a negated source.

    EGF -> EGFR;  EGFR AND NOT PTEN -> PIP3 -> AKT -> survival;  AKT -| PTEN;  ? -> Ca2+
    """
    return SignalingNetwork(
        name="toy",
        title="A toy",
        source="made for tests",
        licence="CC0",
        molecules=(
            Molecule(
                "EGF",
                label="epidermal growth factor",
                members=("EGF",),
                compartment="extracellular",
                pathways=("receptor",),
                tau_hours=1,
                y0=0,
                ymax=1,
            ),
            Molecule("EGFR", members=("EGFR",), pathways=("receptor",), tau_hours=0.1),
            Molecule("PTEN", members=("PTEN",), pathways=("lipid",)),
            Molecule(
                "PIP3",
                kind="small molecule",
                members=("CHEBI:16618",),
                pathways=("receptor", "lipid"),
            ),
            Molecule("AKT", kind="family", members=("AKT1", "AKT2", "AKT3"), pathways=("lipid",)),
            Molecule("survival", kind="process", members=("process:survival",)),
            Molecule("Ca2+", kind="small molecule", members=("CHEBI:29108",), ymax=0.5),
        ),
        interactions=(
            Interaction((), (), "EGF", kind="input", weight=0.1, n=1.4, ec50=0.5),
            Interaction(("EGF",), (1,), "EGFR", kind="binding", weight=1, n=1.25, ec50=0.6),
            Interaction(("EGFR", "PTEN"), (1, -1), "PIP3", kind="catalysis"),
            Interaction(("PIP3",), (1,), "AKT", kind="phosphorylation"),
            Interaction(("AKT",), (1,), "survival", kind="indirect"),
            Interaction(("AKT",), (-1,), "PTEN", kind="inhibition"),
            Interaction(("EGFR",), (0,), "Ca2+"),
        ),
        pathways=(
            Pathway("receptor", "at the membrane", "doi:1"),
            Pathway("lipid", "phosphoinositides", "doi:2"),
        ),
    )
