"""The shipped core pathways: their size, their form, and what public databases state of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hmlm_fm.corpora.core_evidence import below_thresholds, check_evidence, summarise
from hmlm_fm.formats.network_loading import load_core
from hmlm_fm.model.network import SignalingNetwork, merge_networks

CORE = load_core()
NAMES = [network.name for network in CORE]

# topic -> molecules that one pathway must have together
TOPICS = {
    "EGF and MAPK": ("EGF", "EGFR", "ERK"),
    "PI3K-AKT-mTOR": ("PI3K", "AKT", "MTORC1"),
    "JAK-STAT": ("JAK1", "JAK2", "STAT3"),
    "TGF-beta": ("TGFB1", "TGFBR1", "SMAD3"),
    "BMP": ("BMP2", "BMPR2", "SMAD1"),
    "WNT": ("WNT3A", "LRP6", "CTNNB1"),
    "Notch": ("DLL1", "NOTCH1", "RBPJ"),
    "Hedgehog": ("SHH", "SMO", "GLI1"),
    "Hippo": ("LATS1", "YAP1", "TEAD1"),
    "NF-kappaB": ("NFKBIA", "RELA"),
    "Toll-like receptors": ("TLR4", "MYD88", "IRAK4"),
    "TNF": ("TNF", "TNFRSF1A", "TRADD"),
    "apoptosis": ("BCL2", "BAX", "CASP3", "apoptosis"),
    "p53": ("TP53", "MDM2", "CDKN1A"),
    "GPCR-cAMP-PKA": ("ADCY", "cAMP", "PKA"),
    "Gq-PLC-PKC": ("GNAQ/11", "PLCB", "PKC"),
    "calcineurin-NFAT": ("CALCINEURIN", "NFATC1"),
    "cGMP-PKG": ("NOS3", "cGMP", "PKG"),
    "renin-angiotensin-aldosterone": ("REN", "AngII", "AGTR1", "aldosterone"),
    "endothelin": ("EDN1", "EDNRA"),
    "natriuretic peptides": ("NPPA", "NPR1", "cGMP"),
    "adrenergic": ("norepinephrine", "ADRB1"),
    "integrin-FAK": ("FN1", "integrin-a5b1", "PTK2"),
    "Rho-ROCK-MRTF-SRF": ("RHOA", "MRTFA", "SRF"),
    "insulin": ("INS", "INSR", "IRS1"),
    "AMPK": ("AMPK", "LKB1"),
    "hypoxia": ("HIF1A", "VHL", "oxygen"),
    "steroid receptors": ("ESR1", "AR", "NR3C1"),
    "metabolic nuclear receptors": ("PPARA", "RXRA", "VDR"),
    "interleukin 1": ("IL1B", "IL1R1", "MYD88"),
    "interleukin 6": ("IL6", "IL6R", "IL6ST"),
    "interferon": ("IFNB1", "IFNAR1", "ISGF3"),
    "T-cell receptor": ("TCR", "LCK", "ZAP70"),
    "B-cell receptor": ("CD79A", "SYK", "BTK"),
    "VEGF": ("VEGFA", "KDR"),
    "PDGF": ("PDGFB", "PDGFRB"),
    "FGF": ("FGF2", "FGFR1", "FRS2"),
    "NGF": ("NGF", "NTRK1", "NGFR"),
    "oxidative stress": ("KEAP1", "NFE2L2", "HMOX1"),
    "unfolded protein response": ("ERN1", "XBP1", "ATF6", "EIF2AK3"),
    "autophagy": ("ULK1", "BECN1", "autophagy"),
    "cell cycle": ("CDK4", "RB1", "E2F1"),
    "mitosis": ("CCNB1", "CDK1", "PLK1"),
    "DNA damage": ("ATM", "ATR", "CHEK1"),
    "extracellular matrix": ("MMP2", "TIMP2", "COLLAGEN1"),
}


def test_it_has_the_promised_size() -> None:
    rules = [i for network in CORE for i in network.interactions if i.sources]
    members = {m for network in CORE for molecule in network.molecules for m in molecule.members}
    assert len(CORE) >= 50
    assert len(rules) >= 1500
    assert len(members) >= 720


@pytest.mark.parametrize("network", CORE, ids=NAMES)
def test_a_pathway_states_every_pair_once_and_names_its_source(network: SignalingNetwork) -> None:
    pairs = Counter((s, i.target) for i in network.interactions for s in i.sources)
    assert [pair for pair, times in pairs.items() if times > 1] == []
    assert [pair for pair in pairs if pair[0] == pair[1]] == []
    assert len(pairs) >= 20
    assert network.title
    assert len(network.source) > 40
    assert network.logic_known
    assert network.pathways


@pytest.mark.parametrize("network", CORE, ids=NAMES)
def test_every_sign_and_kind_is_stated(network: SignalingNetwork) -> None:
    assert all(abs(sign) == 1 for i in network.interactions for sign in i.signs)
    assert all(i.kind != "unknown" for i in network.interactions)
    assert all((i.kind == "input") == i.is_input for i in network.interactions)
    assert all(molecule.kind != "unknown" for molecule in network.molecules)
    assert all(molecule.members for molecule in network.molecules)


@pytest.mark.parametrize("network", CORE, ids=NAMES)
def test_every_molecule_is_used_and_inputs_have_no_regulator(network: SignalingNetwork) -> None:
    used = {name for i in network.interactions if i.sources for name in (*i.sources, i.target)}
    inputs = {i.target for i in network.interactions if i.is_input}
    regulated = {i.target for i in network.interactions if i.sources}
    assert {molecule.name for molecule in network.molecules} == used
    assert not inputs & regulated


def test_a_name_means_the_same_in_all_pathways() -> None:
    meanings: dict[str, set[tuple[str, str, tuple[str, ...]]]] = {}
    for network in CORE:
        for m in network.molecules:
            meanings.setdefault(m.name, set()).add((m.kind, m.label, m.members))
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_pathway_covers_the_topic(topic: str) -> None:
    names = [{molecule.name for molecule in network.molecules} for network in CORE]
    assert any(set(TOPICS[topic]) <= pathway for pathway in names)


def test_the_union_is_one_network() -> None:
    union = merge_networks(CORE, "core")
    assert len(union.pathways) == len(CORE)
    assert len(union.molecules) == len({m.name for network in CORE for m in network.molecules})


def test_public_databases_have_the_statements(shared_data: Path) -> None:
    report = check_evidence(CORE, shared_data)
    assert below_thresholds(summarise(report)) == []
    assert set(report["sign_check"]) <= {"", "agree", "mixed", "disagree"}
