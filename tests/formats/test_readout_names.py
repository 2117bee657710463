"""What names of antibodies and probes are guessed to measure, and the tables of readouts."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.identifiers import Identifiers
from hmlm_fm.formats.measured.probe_names import PROBE_NAMES, key_of_name
from hmlm_fm.formats.measured.readout_names import ReadoutGuess, guess_readouts
from hmlm_fm.formats.measured.readout_tables import (
    Readout,
    read_orthologues,
    read_readouts,
    write_guesses,
)
from hmlm_fm.model.conditions import MODALITIES
from hmlm_fm.model.vocabulary import Vocabulary

AKT = ("AKT1", "AKT2", "AKT3")
ERK = ("MAPK1", "MAPK3")
P38 = ("MAPK11", "MAPK12", "MAPK13", "MAPK14")


def guess(name: str) -> ReadoutGuess:
    return guess_readouts([name])[name]


@pytest.mark.parametrize(
    ("name", "genes", "sites", "modality"),
    [
        ("pERK1/2", ERK, (), "phosphoprotein"),
        ("P-ERK", ERK, (), "phosphoprotein"),
        ("ppERK", ERK, (), "phosphoprotein"),
        ("ERK12", ERK, (), ""),
        ("total ERK", ERK, (), "protein"),
        ("pAkt_tot", AKT, (), "phosphoprotein"),
        ("4EBP1pS65", ("EIF4EBP1",), ("S65",), "phosphoprotein"),
        ("4EBP1_pT37_pT46", ("EIF4EBP1",), ("T37", "T46"), "phosphoprotein"),
        ("AKTpT308", AKT, ("T308",), "phosphoprotein"),
        ("p-Akt (Ser473)", AKT, ("S473",), "phosphoprotein"),
        ("pY705-STAT3", ("STAT3",), ("Y705",), "phosphoprotein"),
        ("c-JUN_pS73", ("JUN",), ("S73",), "phosphoprotein"),
        ("c-Raf_pS338", ("RAF1",), ("S338",), "phosphoprotein"),
        ("GSK3-alpha-beta_pS21_S9", ("GSK3A", "GSK3B"), ("S21", "S9"), "phosphoprotein"),
        ("HER2_pY1248", ("ERBB2",), ("Y1248",), "phosphoprotein"),
        ("NF-kB-p65_pS536", ("RELA",), ("S536",), "phosphoprotein"),
        ("NF-κB p65", ("RELA",), (), ""),
        ("p38_pT180_pY182", P38, ("T180", "Y182"), "phosphoprotein"),
        ("pp38", P38, (), "phosphoprotein"),
        ("phospho-p44/42 MAPK (Thr202/Tyr204)", ERK, ("T202", "Y204"), "phosphoprotein"),
        ("S6_pS235/236", ("RPS6",), ("S235", "S236"), "phosphoprotein"),
        ("YB-1_PS102", ("YBX1",), ("S102",), "phosphoprotein"),
        ("b-CateninpS", ("CTNNB1",), (), "phosphoprotein"),
        ("EGFR_pY1068-R-V", ("EGFR",), ("Y1068",), "phosphoprotein"),
        ("Caspase-7_cleavedD198", ("CASP7",), ("D198",), "protein"),
        ("IL6_mRNA", ("IL6",), (), "mRNA"),
        ("RELA_activity", ("RELA",), (), "activity"),
        ("IL-12 (p70)", ("IL12A", "IL12B"), (), ""),
        ("IL8", ("CXCL8",), (), ""),
        ("MAP2K3/6", ("MAP2K3", "MAP2K6"), (), ""),
        ("pERK/ERK", ERK, (), "phosphoprotein"),
        ("P-selectin", ("SELP",), (), ""),
        ("p53", ("TP53",), (), ""),
        ("H3K27ac", ("H3C1", "H3-3A"), ("K27",), ""),
    ],
)
def test_a_name_of_an_antibody_is_understood(name, genes, sites, modality):
    found = guess(name)
    assert (found.genes, found.sites, found.modality) == (genes, sites, modality)
    assert found.how


@pytest.mark.parametrize(
    "name",
    "G1arrest G2M cellviab AB1 loLIG1 aMEK Apoptosis cAMP DMSO Donor Status April light Control "
    "pTyr pT308 pS p GPS CD8/CD4 MAPK PDK1 PKD1 TTF1 pp65 perk p110 S1 T2 1 12 node1".split()
    + ["", "  ", "\n", "EGFR_Y1068F", "PI3Ki", "p" * 500],
)
def test_no_guess_is_better_than_a_wrong_one(name):
    assert guess(name) == ReadoutGuess()


def test_a_site_tells_apart_what_a_name_alone_does_not():
    assert guess("PDK1_pS241").genes == ("PDPK1",)
    assert guess("MAPKpT202").genes == ERK
    assert guess("GSKpS9").genes == ("GSK3B",)
    assert guess("PKD1_pS910").genes == ("PRKD1",)
    assert guess("eIF2a_pS51").genes == ("EIF2S1",)


def test_case_matters_where_it_must():
    assert guess("PERK").genes == ("EIF2AK3",)
    assert guess("pERK").genes == ERK
    assert guess("EIF2A").genes == ("EIF2A",)
    assert guess("eIF2a").genes == ("EIF2S1",)
    assert guess("MAPK13").genes == guess("Mapk13").genes == ("MAPK13",)


@pytest.mark.parametrize("form", ["{}", "p{}", "p-{}", "{}_pS473", "{}-R-V"])
def test_every_symbol_of_the_vocabulary_means_itself(form):
    """But for those that mean another protein to whoever orders antibodies."""
    several = {"AIF1", "MST1", "TCF4", "PDK1", "PKD1", "PKD2", "TPO", "TTF1"}
    symbols = [t for t in Vocabulary.shipped().tokens[3:] if ":" not in t and t not in several]
    found = guess_readouts(form.format(symbol) for symbol in symbols)
    wrong = {s: found[form.format(s)].genes for s in symbols if found[form.format(s)].genes != (s,)}
    assert wrong == {}


def test_accessions_are_found_by_tables():
    tables = Identifiers(
        {
            "uniprot:P10275": ("AR",),
            "uniprot:P28482": ("MAPK1",),
            "ensembl:ENSG00000141510": ("TP53",),
        }
    )
    names = ("P10275", "P28482_Y187", "P10275;P28482", "ENSG00000141510.17", "Q99999")
    found = guess_readouts(names, tables)
    assert [found[name].genes for name in names] == [
        ("AR",),
        ("MAPK1",),
        ("AR", "MAPK1"),
        ("TP53",),
        (),
    ]
    assert [found[name].how for name in names] == ["UniProt", "UniProt", "pattern", "Ensembl", ""]
    assert found["P28482_Y187"].sites == ("Y187",)
    assert guess("P10275") == ReadoutGuess()


def test_symbols_of_mice_are_found_by_orthologues():
    orthologues = {"Trp53": "TP53", "Rho": "RHO", "Xyz": "NOSUCHGENE", "H2-K1": "HLA-A|HLA-B"}
    found = guess_readouts(["Trp53", "Rho", "Xyz", "H2-K1", "Trp53_pS15"], None, orthologues)
    assert [g.genes for g in found.values()] == [
        ("TP53",),
        ("RHO",),
        (),
        ("HLA-A", "HLA-B"),
        ("TP53",),
    ]
    assert found["Trp53"].how == "orthologue"
    assert guess("Trp53") == ReadoutGuess()


ODD = "pPtTsSyY0123456789-_/;|.()[] αβκERKAktMek\n\t\0é²"


@given(st.one_of(st.text(), st.text(ODD, max_size=40), st.text(ODD, min_size=100, max_size=130)))
def test_no_name_raises_and_every_guess_is_known(name):
    found = guess(name)
    index = Vocabulary.shipped().index
    assert all(gene in index for gene in found.genes)
    assert found.modality in ("", *MODALITIES)
    assert bool(found.genes) == bool(found.how)
    if not found.genes:
        assert found == ReadoutGuess()


def test_the_table_of_probes_is_sound():
    index = Vocabulary.shipped().index
    seen: dict[tuple[str, str], str] = {}
    for row in _tsv(PROBE_NAMES):
        assert row["names"], row
        genes = row["genes"].split(" | ") if row["genes"] else []
        assert [gene for gene in genes if gene not in index] == [], row
        for name in row["names"].split(" | "):
            for site in row["sites"].split(" | "):
                before = seen.setdefault((key_of_name(name), site), row["genes"])
                assert before == row["genes"], f"{name} means {before} and {row['genes']}"


# -- real panels --------------------------------------------------------------------------------

UNGUESSED = {
    # Phenotypes, targets of drugs drawn as nodes, and a name that means several proteins.
    "cellbox": "Collagenase G2M G1arrest G2arrest Sarrest cellviab aMEK aAKT aHDAC aMDM2 aJAK "
    "aBRAFm aPKC aSTAT3 amTOR aPI3K aCDK4 aSRC",
    # A simulated panel.
    "hpn_dream": " ".join(f"AB{number}" for number in range(1, 21)),
    "cellnopt": "",
    "crc": "",
    # FOXP1, which the table of accessions has not.
    "lembas": "Q9H334",
    # CLEC11A, which the vocabulary has not.
    "jones2017": "SCGF-b",
    "petab": "observable_IR1 observable_IR2 observable_IRsum IR1_P Calpha_Microscopy rSTAT5A_rel",
}


@pytest.mark.parametrize("panel", UNGUESSED)
def test_real_panels_are_guessed(shared_data, tmp_path, panel):
    table = tmp_path / "uniprot.tsv"
    table.write_bytes(
        gzip.decompress((shared_data / "reactome" / "uniprot_symbol.tsv.gz").read_bytes())
    )
    names = _names_of(panel, shared_data)
    found = guess_readouts(names, Identifiers.from_tables([table]))
    assert [name for name in names if not found[name].genes] == UNGUESSED[panel].split()


def _names_of(panel: str, shared: Path) -> list[str]:
    """The names of the readouts of a measured set, each once."""
    names: list[str] = []
    perturbation = shared / "perturbation"
    if panel == "cellbox":
        names = (perturbation / "cellbox" / "node_Index.csv").read_text().split()
    elif panel == "lembas":
        for path in sorted((perturbation / "lembas").glob("*TFs.tsv")):
            names += path.read_text().splitlines()[0].split()
    elif panel == "jones2017":
        with gzip.open(perturbation / "jones2017" / "RA_DataFrame.csv.gz", "rt") as file:
            names = [row["Cytokine"] for row in csv.DictReader(file)]
    elif panel == "petab":
        order = ("Schwen", "Brannmark", "Isensee", "Fujita", "Boehm")
        for problem in order:
            for path in sorted((shared / "petab").glob(f"{problem}*/observables*.tsv")):
                names += [row["observableId"] for row in _tsv(path)]
    else:
        folders = {"crc": perturbation / "crc"}
        for path in sorted(folders.get(panel, shared / panel).rglob("M*.csv")):
            header = next(csv.reader(path.read_text().splitlines()))
            names += [column.split(":")[1] for column in header if column.startswith("DV")]
    return list(dict.fromkeys(names))


def _tsv(path: Path) -> Iterable[dict[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


# -- tables -------------------------------------------------------------------------------------


def test_readouts_are_read(tmp_path):
    path = tmp_path / "readouts.csv"
    path.write_text(
        "readout,genes,site,modality,antibody\n"
        "pERK,ERK,T202;Y204,phosphoprotein,9101\n"
        "IL8,IL8,,protein,x\n"
        "TSC,TSC1/2,,,\n"
        "pair,EGFR/ERBB2,,,\n"
        "growth,,,imaging feature,\n"
        "pERK,MAPK1|MAPK3,T202/Y204,phosphoprotein,9102\n"
    )
    assert read_readouts(path) == {
        "pERK": Readout("pERK", ERK, ("T202", "Y204"), "phosphoprotein"),
        "IL8": Readout("IL8", ("CXCL8",), (), "protein"),
        "TSC": Readout("TSC", ("TSC1", "TSC2", "TBC1D7")),
        "pair": Readout("pair", ("EGFR", "ERBB2")),
        "growth": Readout("growth", (), (), "imaging feature"),
    }


def test_a_gene_that_is_not_known_stays_and_is_told(tmp_path):
    path = tmp_path / "readouts.csv"
    path.write_text("readout\tgenes\nA\tEGFR|Nosuch1\n")
    with pytest.warns(FormatWarning, match="readouts.csv: .*no gene 'Nosuch1'"):
        assert read_readouts(path)["A"].genes == ("EGFR", "Nosuch1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("readout,genes\nA,EGFR\nB,MET\nA,MET\n", "row 4: readout 'A' is in row 2 with other"),
        ("readout,genes,modality\nA,EGFR,protien\n", "row 2: modality is 'protien'.*'protein'"),
        ("readout,genes\n,EGFR\n", "row 2: readout is empty"),
        ("readout,genes\n", "holds no readouts"),
        ("readout,gene\nA,EGFR\n", "no column 'genes'"),
        ("", "it is empty"),
    ],
)
def test_a_bad_table_of_readouts_is_refused_in_a_line(tmp_path, text, message):
    path = tmp_path / "readouts.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=f"readouts.csv.*{message}"):
        read_readouts(path)


def test_guesses_are_written_for_a_user_and_read_back(tmp_path):
    path = tmp_path / "guesses.csv"
    guesses = guess_readouts(['p-Akt (Ser473), "new"', "GSK3ab_pS21_pS9", "G1arrest", "=x|y"])
    write_guesses(guesses, path)
    header = path.read_text().splitlines()[0]
    assert header == "readout,genes,site,modality,guess"
    read = read_readouts(path)
    assert list(read) == list(guesses)
    for name, found in guesses.items():
        assert read[name] == Readout(name, found.genes, found.sites, found.modality)


@pytest.mark.parametrize("name", ["", " A", "A\nB"])
def test_a_name_that_no_table_can_hold_is_not_written(tmp_path, name):
    with pytest.raises(FormatError, match="expected a name"):
        write_guesses({name: ReadoutGuess()}, tmp_path / "guesses.csv")
    with pytest.raises(FormatError, match="no readouts to write"):
        write_guesses({}, tmp_path / "guesses.csv")


def test_orthologues_are_read(tmp_path):
    path = tmp_path / "mouse.tsv"
    path.write_text("symbol\thuman\tentrez\nTrp53\tTP53\t1\nH2-K1\tHLA-A\t2\nH2-K1\tHLA-B\t2\n")
    assert read_orthologues(path) == {"Trp53": "TP53", "H2-K1": "HLA-A|HLA-B"}
    path.write_text("symbol\thuman\nTrp53\t\n")
    with pytest.raises(FormatError, match="row 2: human is empty"):
        read_orthologues(path)
