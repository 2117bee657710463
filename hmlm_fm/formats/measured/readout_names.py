"""What the names of antibodies and probes probably measure: genes, sites, phosphorylated or not.

Names come as laboratories write them: pERK1/2, AKT_pS473, p-Akt (Ser473), 4EBP1pT37, c-Met_pY1235,
IL-12 (p70), a UniProt accession, a mouse symbol. A name is first taken as it is; then what says how
it was measured, and where it is modified, is taken off step by step until something is known.
A guess is for the user to check, and a name that means several things is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..identifiers import Identifiers, identifier_key
from ..names import meaning_of
from .probe_names import clean, genes_of_probe_name, is_ambiguous, known_by_spelling

_RESIDUE = r"(?:Ser|Thr|Tyr|[STY])"
_SITE = rf"[pP]?{_RESIDUE}[- ]?\d{{1,4}}"
_SITES = rf"{_SITE}(?:\s*(?:[/_,;&+-]|\band\b)?\s*{_SITE}|\s*[/,]\s*\d{{1,4}}(?!\d))*"
_ONE_SITE = re.compile(rf"[pP]?({_RESIDUE})?[- ]?(\d{{1,4}})")
_LETTER = {"ser": "S", "thr": "T", "tyr": "Y"}

# In order; the first that matches is taken off, and what is left is looked at again.
_WITH_SITES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<core>.+?)[\s_\-.:]*[(\[]\s*(?P<sites>{_SITES})\s*[)\]]",
        rf"(?P<core>.+?)[\s_\-.:/]+(?P<sites>{_SITES})",
        rf"(?P<core>.*?[A-Za-z0-9])(?P<sites>p{_RESIDUE}\d{{1,4}}.*)",
        rf"(?P<sites>p{_SITES})[\s_\-]+(?P<core>.+)",
    )
)
_PHOSPHO = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:[Pp]hospho(?:rylated)?|PHOSPHO)[\s_\-.]*(?P<core>.+)",
        r"[pP][\s_\-.](?P<core>.+)",
        r"p(?:Ser|Thr|Tyr)[\s_\-](?P<core>.+)",
        r"p(?P<core>[A-Z0-9].+|p\d.+|c-?[A-Z].+)",
        r"pp(?P<core>[A-Z].+)",
        r"(?P<core>.+)[\s_\-](?:pp?|PP?|phos|phospho|phosphorylated)",
        r"(?P<core>.*[A-Z0-9])pp",
        r"(?P<core>.*[A-Za-z0-9])p[STY]",
    )
)
_TOTAL = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:[Tt]otal|[Tt]ot|TOTAL|[Pp]an|PAN)[\s_\-.]+(?P<core>.+)",
        r"(?:total|pan)(?P<core>[A-Z].+)",
        r"[tT][\s_\-.](?P<core>[A-Za-z].+)",
        r"t(?P<core>[A-Z][A-Za-z0-9].+)",
        r"(?P<core>.+?)[\s_\-](?:[Tt]otal|[Tt]ot|TOTAL|[Pp]an|[Pp]rotein)",
    )
)
_CLEAVED = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:[Cc]leaved|[Cc]l)[\s_\-.]+(?P<core>.+)",
        r"(?:cleaved(?=[A-Z])|c(?=Casp|PARP))(?P<core>.+)",
        r"(?P<core>.+?)[\s_\-]*(?:[Cc]leaved|c)[\s_\-]*(?P<residue>(?:D|Asp)[- ]?\d{1,4})",
        r"(?P<core>.+?)[\s_\-]+[Cc]leaved",
    )
)
_MESSENGER = re.compile(r"(?P<core>.+?)[\s_\-]+(?:mRNA|RNA|transcript)")
_ACTIVITY = re.compile(r"(?P<core>.+?)[\s_\-]+(?:activity|act)", re.IGNORECASE)
# Words of observables and panels, and what RPPA cores write of species and quality (-R-V, -M-C).
_WORDS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:observable|obs|readout|anti|human|mouse)[\s_\-](?P<core>.+)",
        r"(?P<core>.+?)[\s_\-](?:rel|abs|level|levels|norm|normalized|signal|intensity|MFI|mean"
        r"|median|nuclear|cytoplasmic|cyto|Western|WB|Microscopy|ELISA|Luminex|FACS|DosR|GTP|au)",
        r"(?P<core>.+?)[\s_\-][RMG][\s_\-][VCEQN]{1,2}",
        r"(?P<core>.{4,})V",
    )
)
_HISTONE_MARK = re.compile(
    r"(?:Histone[\s_\-]?)?(?P<core>H[34]|H2A|H2B)[\s_\-]?(?P<sites>K\d{1,3})[\s_\-]?(?:ac|me\d?|ub)",
    re.IGNORECASE,
)
_UNIPROT = re.compile(
    r"(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?:-\d+)?(?=$)"
)
_ENSEMBL = re.compile(r"ENS[A-Z]{0,4}[GTP]\d{11}(?:\.\d+)?")

_LONGEST_NAME = 120
_MOST_STEPS = 5


@dataclass(frozen=True)
class ReadoutGuess:
    """What a readout probably measures, for a user to check.

    Attributes:
        genes: HGNC symbols; none where there is no guess.
        sites: residues, such as S473.
        modality: one of `MODALITIES`, or empty where the name does not say.
        how: how the genes were found: symbol, alias, family, probe name, spelling, UniProt,
            Ensembl, orthologue, or pattern for one that lists several; empty where there are none.
    """

    genes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    modality: str = ""
    how: str = ""


@dataclass(frozen=True)
class _Reading:
    """A name without what was taken off it so far."""

    core: str
    sites: tuple[str, ...] = ()
    modality: str = ""


@dataclass(frozen=True)
class _Tables:
    identifiers: Identifiers
    orthologues: Mapping[str, str] = field(default_factory=dict)


def guess_readouts(
    names: Iterable[str],
    identifiers: Identifiers | None = None,
    orthologues: Mapping[str, str] | None = None,
) -> dict[str, ReadoutGuess]:
    """Guess what readouts measure.

    Args:
        names: of antibodies, probes or transcription factors.
        identifiers: tables that translate accessions of UniProt and Ensembl.
        orthologues: human symbol by the symbol of another organism, several joined by `|`.

    Returns:
        A guess for each name, without genes where nothing is known of it, or it may mean several
        things.
    """
    tables = _Tables(identifiers or Identifiers.shipped(), orthologues or {})
    return {name: _guess(name, tables) for name in names}


def _guess(name: str, tables: _Tables, *, may_list: bool = True) -> ReadoutGuess:
    text = clean(name)
    if not text or len(text) > _LONGEST_NAME:
        return ReadoutGuess()
    readings = []
    for reading in _readings(text):
        genes, how = _genes(reading.core, reading.sites, tables)
        if genes:
            return ReadoutGuess(genes, reading.sites, reading.modality, how)
        if is_ambiguous(reading.core):
            return ReadoutGuess()
        readings.append(reading)
    lists = (_guess_of_list(reading, tables) for reading in readings if may_list)
    return next((guess for guess in lists if guess.genes), ReadoutGuess())


# -- taking a name apart ------------------------------------------------------------------------


def _readings(text: str) -> Iterator[_Reading]:
    """The name as it is, and then with ever more taken off."""
    mark = _HISTONE_MARK.fullmatch(text)
    if mark is not None:
        yield _Reading(f"Histone {mark['core'].upper()}", (mark["sites"].upper(),))
        return
    waiting, known = [(_Reading(text), 0)], {text}
    while waiting:
        reading, steps = waiting.pop(0)
        yield reading
        if steps == _MOST_STEPS:
            continue
        for shorter in _shorter(reading):
            if shorter.core and shorter.core not in known:
                known.add(shorter.core)
                waiting.append((shorter, steps + 1))


def _shorter(reading: _Reading) -> Iterator[_Reading]:
    """What one thing less leaves of a reading, the surest first."""
    core = reading.core
    if not reading.sites:
        for pattern in _WITH_SITES:
            match = pattern.fullmatch(core)
            sites = () if match is None else _sites(match["sites"])
            if match is not None and sites:
                yield _Reading(clean(match["core"]), sites, "phosphoprotein")
    for match in _matches(_CLEAVED, core):
        after = re.search(r"\d+", match.groupdict().get("residue") or "")
        where = (f"D{after[0]}",) if after else reading.sites
        yield _Reading(clean(match["core"]), where, reading.modality or "protein")
    kinds = (
        (_PHOSPHO, "phosphoprotein"),
        (_TOTAL, "protein"),
        ((_MESSENGER,), "mRNA"),
        ((_ACTIVITY,), "activity"),
        (_WORDS, ""),
    )
    for patterns, modality in kinds:
        for match in _matches(patterns, core):
            # A phosphorylated share of the total is phosphorylated.
            both = {reading.modality, modality} - {""}
            which = "phosphoprotein" if "phosphoprotein" in both else reading.modality or modality
            yield replace(reading, core=clean(match["core"]), modality=which)


def _matches(patterns: Iterable[re.Pattern[str]], core: str) -> Iterator[re.Match[str]]:
    return (match for pattern in patterns if (match := pattern.fullmatch(core)) is not None)


def _sites(text: str) -> tuple[str, ...]:
    """Residues such as S235 and S236 of pS235/236; none where there is something else."""
    rest = re.sub(rf"{_ONE_SITE.pattern}|\band\b|[\s/_,;&+()\[\]-]", "", text)
    if rest:
        return ()
    sites, letter = [], ""
    for residue, number in _ONE_SITE.findall(text):
        letter = _LETTER.get(residue.lower(), residue.upper()) or letter
        sites.append(f"{letter}{number}")
    # T1 of cyclin-T1 is no site: one that is not marked has two figures.
    if "p" not in text.lower() and any(len(site) < 3 for site in sites):
        return ()
    return tuple(dict.fromkeys(sites))


# -- what is left -------------------------------------------------------------------------------


def _genes(core: str, sites: tuple[str, ...], tables: _Tables) -> tuple[tuple[str, ...], str]:
    """Genes that a name means, and how that is known."""
    found = tables.orthologues.get(core)
    if found is not None:
        human = [meaning_of(symbol.strip()).members for symbol in found.split("|")]
        genes = tuple(dict.fromkeys(gene for members in human for gene in members))
        return (_only_genes(genes) if all(human) else ()), "orthologue"
    genes = genes_of_probe_name(core, sites)
    if genes:
        symbol = genes == (core,)
        return genes, "symbol" if symbol else "probe name"
    if is_ambiguous(core):
        return (), ""
    for database, pattern in (("UniProt", _UNIPROT), ("Ensembl", _ENSEMBL)):
        if pattern.fullmatch(core):
            key = identifier_key(database, core)
            genes = _only_genes(tables.identifiers.tokens_of(key) if key else ())
            if genes:
                return genes, database
    return known_by_spelling(core)


def _only_genes(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(token for token in tokens if ":" not in token)


def _guess_of_list(reading: _Reading, tables: _Tables) -> ReadoutGuess:
    """Of `SMAD1/5/8`, `P27361;P28482` or `pSMAD2/SMAD2`, where all parts are known.

    Two different proteins with a stroke between them may be a ratio, and are not guessed.
    """
    parts = [part.strip() for part in re.split(r"[/;|+,&]", reading.core)]
    if not 1 < len(parts) <= 8 or not all(parts):
        return ReadoutGuess()
    names = [parts[0], *(_with_stem(parts[0], part) for part in parts[1:])]
    guesses = [_guess(name, tables, may_list=False) for name in names]
    if not all(guess.genes for guess in guesses):
        return ReadoutGuess()
    genes = tuple(dict.fromkeys(gene for guess in guesses for gene in guess.genes))
    may_be_ratio = names == parts and not re.search(r"[;|]", reading.core)
    if may_be_ratio and any(guess.genes != genes for guess in guesses):
        return ReadoutGuess()
    sites = reading.sites or tuple(dict.fromkeys(s for guess in guesses for s in guess.sites))
    modalities = {reading.modality, *(guess.modality for guess in guesses)} - {""}
    modality = "phosphoprotein" if "phosphoprotein" in modalities else "".join(sorted(modalities))
    return ReadoutGuess(genes, sites, modality, "pattern")


def _with_stem(first: str, part: str) -> str:
    """`MAP2K6` for the 6 of `MAP2K3/6`, `STAT5B` for the B of `STAT5A/B`."""
    number = re.fullmatch(r"(.*?)\d+[A-Za-z]?", first)
    if number and re.fullmatch(r"\d+[A-Za-z]?", part):
        return number[1] + part
    letter = re.fullmatch(r"(.*[^A-Za-z])[A-Za-z]|(.*?)(?:alpha|beta|gamma|delta)", first)
    if letter and re.fullmatch(r"[A-Za-z]|alpha|beta|gamma|delta", part):
        return (letter[1] or letter[2]) + part
    return part
