"""Tables of statements about genes: Reactome's functional interactions and SIGNOR's relations.

Three headers are known, whatever the case of their letters: `source, target, interactionType`
(an edge list with words such as `activate|phosphorylate`), `Gene1, Gene2, Annotation, Direction`
(Reactome FI) and `ENTITYA … EFFECT, MECHANISM` (SIGNOR, whole or of one or many pathways).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..common.errors import FormatError
from ..common.files import read_lines, stem
from ..model.network import Molecule, NetworkError, Pathway, SignalingNetwork
from .identifiers import Identifiers, identifier_key
from .names import Meaning, meaning_of
from .statements import Statement, interactions_of_statements

ACTIVATING_WORDS = frozenset(["activate", "activated by"])
INHIBITING_WORDS = frozenset(["inhibit", "inhibited by", "repression", "repress"])
KIND_OF_WORD = {
    "phosphorylate": "phosphorylation",
    "phosphorylation": "phosphorylation",
    "dephosphorylate": "dephosphorylation",
    "dephosphorylation": "dephosphorylation",
    "ubiquitinate": "ubiquitination",
    "ubiquitination": "ubiquitination",
    "polyubiquitination": "ubiquitination",
    "monoubiquitination": "ubiquitination",
    "deubiquitinate": "deubiquitination",
    "deubiquitination": "deubiquitination",
    "acetylate": "acetylation",
    "acetylation": "acetylation",
    "deacetylate": "deacetylation",
    "deacetylation": "deacetylation",
    "methylate": "methylation",
    "methylation": "methylation",
    "cleavage": "cleavage",
    "gtpase-activate": "GTP hydrolysis",
    "gtpase-activating protein": "GTP hydrolysis",
    "guanine nucleotide exchange factor": "nucleotide exchange",
    "repression": "repression",
    "transcriptional repression": "repression",
    "expression": "expression",
    "transcriptional regulation": "expression",
    "transcriptional activation": "expression",
    "translation regulation": "expression",
    "post transcriptional regulation": "expression",
    "dissociation": "dissociation",
    "relocalization": "transport",
    "catalyze": "catalysis",
    "small molecule catalysis": "catalysis",
    "binding": "binding",
    "chemical activation": "activation",
    "chemical inhibition": "inhibition",
}
"""Kind that a word means. The order is that of precedence: `binding|catalyze` is a catalysis."""

KIND_OF_ENTITY = {
    "protein": "protein",
    "proteinfamily": "family",
    "fusion protein": "protein",
    "complex": "complex",
    "chemical": "small molecule",
    "smallmolecule": "small molecule",
    "mirna": "RNA",
    "ncrna": "RNA",
    "mrna": "RNA",
    "phenotype": "phenotype",
    "stimulus": "process",
}


@dataclass(frozen=True)
class Table:
    """The statements of a table, and what its molecules are.

    Attributes:
        statements: by the pathway they belong to; under `""` where the table has no pathways.
        titles: of the pathways.
        meanings: of the molecules that the table itself describes.
    """

    statements: Mapping[str, tuple[Statement, ...]]
    titles: Mapping[str, str]
    meanings: Mapping[str, Meaning]

    def network(self, pathway: str, name: str) -> SignalingNetwork:
        """One pathway of the table, or all of a table without pathways, as a network."""
        return network_of_statements(
            name, self.titles.get(pathway, ""), self.statements[pathway], self.meanings
        )


def is_statement_table(header: str) -> bool:
    """Whether the first line of a file is the header of one of the known tables."""
    columns = {cell.strip().lower() for cell in header.split("\t")}
    return any(needed <= columns for needed in _READERS)


def read_statement_table(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> Table:
    """Read a table of statements.

    Raises:
        FormatError: an unknown header, a row of another length, an empty name, or no statements;
            the message names the line.
    """
    identifiers = identifiers or Identifiers.shipped()
    lines = read_lines(path)
    header = [cell.strip().lower() for cell in (lines or [""])[0].split("\t")]
    reader = next((r for needed, r in _READERS.items() if needed <= set(header)), None)
    if reader is None:
        raise FormatError(
            f"the header is {lines[:1]}; expected columns such as source, target and "
            "interactionType, or ENTITYA, ENTITYB and EFFECT",
            path=path,
            place="line 1",
        )
    statements: dict[str, list[Statement]] = {}
    titles: dict[str, str] = {}
    meanings: dict[str, Meaning] = {}
    for number, cells in enumerate(
        csv.reader(lines[1:], delimiter="\t", quoting=csv.QUOTE_NONE), start=2
    ):
        if not any(cell.strip() for cell in cells):
            continue
        # Trailing cells that are empty may be left out, as spreadsheets do.
        if len(cells) > len(header):
            raise FormatError(
                f"it has {len(cells)} cells; expected {len(header)}",
                path=path,
                place=f"line {number}",
            )
        row = {c: v.strip() for c, v in zip(header, cells, strict=False)}
        found = list(reader(row))
        if any(not s.source or not s.target for s in found):
            raise FormatError(
                "a name is empty; expected a source and a target",
                path=path,
                place=f"line {number}",
            )
        pathway = row.get("pathway_id", "")
        statements.setdefault(pathway, []).extend(found)
        titles[pathway] = row.get("pathway_name", "")
        for side in "ab":
            name = row.get(f"entity{side}")
            if name and name not in meanings:
                meanings[name] = _described(row, side, name, identifiers)
    statements = {pathway: found for pathway, found in statements.items() if found}
    if not statements:
        raise FormatError("it holds no statements", path=path)
    return Table({p: tuple(s) for p, s in statements.items()}, titles, meanings)


def read_statements(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> tuple[SignalingNetwork, ...]:
    """A table of statements as networks: one per pathway, or one of the whole table.

    Raises:
        FormatError: as `read_statement_table`.
    """
    table = read_statement_table(path, identifiers)
    try:
        return tuple(table.network(p, p or stem(path)) for p in table.statements)
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None


def network_of_statements(
    name: str,
    title: str,
    statements: tuple[Statement, ...],
    meanings: Mapping[str, Meaning],
) -> SignalingNetwork:
    """A network of one pathway from statements about its molecules."""
    names = dict.fromkeys(n for s in statements for n in (s.source, s.target))
    molecules = []
    for molecule in names:
        meaning = meanings.get(molecule) or meaning_of(molecule)
        molecules.append(
            Molecule(molecule, kind=meaning.kind, members=meaning.members, pathways=(name,))
        )
    return SignalingNetwork(
        name=name,
        title=title,
        molecules=tuple(molecules),
        interactions=interactions_of_statements(statements),
        pathways=(Pathway(name, title),),
        logic_known=False,
    )


def sign_of_words(words: list[str]) -> int:
    """The sign that words such as `inhibit` and `phosphorylate` state together; 0 for none."""
    activates = any(word in ACTIVATING_WORDS for word in words)
    inhibits = any(word in INHIBITING_WORDS for word in words)
    return int(activates) - int(inhibits)


def kind_of_words(words: list[str]) -> str:
    """The kind that the first of the words by precedence means; empty for none."""
    return next((kind for word, kind in KIND_OF_WORD.items() if word in words), "")


def _of_edge_list(row: Mapping[str, str]) -> Iterator[Statement]:
    words = row["interactiontype"].lower().split("|")
    # SIGNOR's effect stands first; what follows are mechanisms, of which some sound like effects.
    from_signor = row.get("databasesource", "").upper() == "SIGNOR"
    sign = sign_of_words(words[:1] if from_signor else words)
    yield Statement(row["source"], row["target"], sign, kind_of_words(words))


def _of_functional_interaction(row: Mapping[str, str]) -> Iterator[Statement]:
    one, other, direction = row["gene1"], row["gene2"], row.get("direction", "-")
    words = [word.strip() for word in row["annotation"].lower().replace(",", ";").split(";")]
    words = [word for w in words for word in (w, w.removesuffix("d by"), w.split(" ")[0])]
    kind = kind_of_words(words)
    left, right = direction[:1], direction[-1:]
    if right in (">", "|") and len(direction) > 1:
        yield Statement(one, other, 1 if right == ">" and "|" not in direction[1:] else -1, kind)
    if left in ("<", "|") and len(direction) > 1:
        yield Statement(other, one, 1 if left == "<" else -1, kind)
    if len(direction) < 2:
        yield Statement(one, other, 0, kind or "binding")


def _of_signor(row: Mapping[str, str]) -> Iterator[Statement]:
    effect = row["effect"].lower()
    sign = 1 if effect.startswith("up") else -1 if effect.startswith("down") else 0
    kind = kind_of_words([row.get("mechanism", "").lower()])
    if effect.startswith("form"):
        kind = "binding"
    elif kind == "expression" and sign < 0:
        kind = "repression"
    yield Statement(row["entitya"], row["entityb"], sign, kind)


_READERS = {
    frozenset(["source", "target", "interactiontype"]): _of_edge_list,
    frozenset(["gene1", "gene2", "annotation"]): _of_functional_interaction,
    frozenset(["entitya", "entityb", "effect"]): _of_signor,
}


def _described(row: Mapping[str, str], side: str, name: str, identifiers: Identifiers) -> Meaning:
    """What SIGNOR states of a molecule: its type, and its identifier in another database."""
    kind = KIND_OF_ENTITY.get(row.get(f"type{side}", "").lower(), "unknown")
    key = identifier_key(row.get(f"database{side}", ""), row.get(f"id{side}", ""))
    known = meaning_of(name)
    members = known.members or (identifiers.meaning([key]).members if key else ())
    if kind in ("unknown", "protein") and known.members:
        kind = known.kind
    return Meaning(kind, members)
