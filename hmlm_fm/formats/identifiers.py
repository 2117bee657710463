"""Identifiers of other databases, and what they mean by tables in the package's vocabulary.

Sources name a molecule by a database and an identifier (`Entrez Gene` 2687), by an address
(`https://identifiers.org/uniprot/P27361`) or by a key such as `hsa:207`. All of them are written
here as one key, `namespace:identifier`. Genes and small molecules of the vocabulary are found
through it; an identifier without a translation stays as the key, so that nothing is dropped.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import unquote

from ..common.errors import FormatError
from ..common.files import first_line, read_lines
from ..model.vocabulary import Vocabulary
from .names import Meaning, kind_of_token, meaning_of

NAMESPACE_OF_DATABASE = {
    "uniprot": "uniprot",
    "uniprotkb": "uniprot",
    "uniprotswissprot": "uniprot",
    "uniprottrembl": "uniprot",
    "uniprotisoform": "uniprot",
    "trembl": "uniprot",
    "ensembl": "ensembl",
    "ensemblgene": "ensembl",
    "entrez": "entrez",
    "entrezgene": "entrez",
    "ncbigene": "entrez",
    "geneid": "entrez",
    "hgnc": "symbol",
    "hgncsymbol": "symbol",
    "genesymbol": "symbol",
    "symbol": "symbol",
    "hgncaccessionnumber": "hgnc",
    "chebi": "chebi",
    "chemicalentitiesofbiologicalinterest": "chebi",
    "compound": "kegg.compound",
    "cpd": "kegg.compound",
    "keggcompound": "kegg.compound",
    "glycan": "kegg.glycan",
    "gl": "kegg.glycan",
    "keggglycan": "kegg.glycan",
    "dr": "kegg.drug",
    "keggdrug": "kegg.drug",
    "hsa": "entrez",
    "ko": "ko",
    "keggorthology": "ko",
    "hmdb": "hmdb",
    "pubchemcompound": "pubchem.compound",
    "pubchemsubstance": "pubchem.substance",
    "cas": "cas",
    "chemspider": "chemspider",
    "wikidata": "wikidata",
    "lipidmaps": "lipidmaps",
    "mirbase": "mirbase",
    "mirbasesequence": "mirbase",
    "mirbasematuresequence": "mirbase",
    "reactome": "reactome",
    "interpro": "interpro",
    "pfam": "pfam",
    "enzymenomenclature": "ec",
    "eccode": "ec",
    "go": "go",
    "geneontology": "go",
    "obogo": "go",
    "obochebi": "chebi",
}
"""Namespace of a database, by its name in lower case without anything but letters and digits."""

SMALL_MOLECULE_NAMESPACES = frozenset(
    "chebi kegg.compound kegg.glycan kegg.drug hmdb pubchem.compound pubchem.substance cas "
    "chemspider lipidmaps".split()
)
GENE_NAMESPACES = frozenset("uniprot ensembl entrez symbol hgnc ko".split())

_ADDRESS = re.compile(
    r"""^(?: https?://(?:www\.|info\.)?identifiers\.org/(?P<path>[^/]+)/(?P<path_id>.+)
           | https?://(?:www\.)?identifiers\.org/(?P<curie>[^/:]+):(?P<curie_id>.+)
           | urn:miriam:(?P<urn>[^:]+):(?P<urn_id>.+)
           | https?://(?:www\.)?uniprot\.org/(?:uniprot|uniprotkb)/(?P<uniprot>[^/]+)
           | https?://(?:www\.)?ebi\.ac\.uk/.*(?P<chebi>CHEBI[:%]\S+)
           | https?://purl\.uniprot\.org/uniprot/(?P<purl>[^/]+)
           | https?://purl\.obolibrary\.org/obo/CHEBI_(?P<obo>\d+)
           | https?://(?:www\.)?reactome\.org/.*(?P<reactome>R-[A-Z]{3}-\d+)
           )$""",
    re.VERBOSE,
)
_ISOFORM = re.compile(r"-(?:\d+|PRO_\d+)$")
_VERSION = re.compile(r"\.\d+$")


def identifier_key(database: str, identifier: str) -> str | None:
    """The key `namespace:identifier`, or None for a database that names no molecules.

    Isoforms of a UniProt entry and versions of an Ensembl gene are those of the entry.
    """
    database = re.sub(r"[^a-z0-9]", "", database.lower())
    identifier = unquote(identifier).strip()
    namespace = NAMESPACE_OF_DATABASE.get(database)
    if namespace is None or not identifier:
        return None
    prefix, colon, rest = identifier.partition(":")
    if colon and NAMESPACE_OF_DATABASE.get(re.sub(r"[^a-z0-9]", "", prefix.lower())):
        identifier = rest
    if namespace == "uniprot":
        identifier = _ISOFORM.sub("", identifier)
    elif namespace == "ensembl":
        identifier = _VERSION.sub("", identifier)
    return f"{namespace}:{identifier}" if identifier else None


def key_of_address(address: str) -> str | None:
    """The key that an address such as `urn:miriam:uniprot:P27361` stands for, or None."""
    match = _ADDRESS.match(address.strip())
    if match is None:
        return None
    databases = {"uniprot": "uniprot", "purl": "uniprot", "chebi": "chebi", "obo": "chebi"}
    for group, database in (databases | {"reactome": "reactome"}).items():
        if match[group]:
            return identifier_key(database, match[group])
    for part in ("path", "curie", "urn"):
        if match[part]:
            return identifier_key(match[part], match[f"{part}_id"])
    return None


@dataclass(frozen=True)
class Identifiers:
    """Tables that translate keys into names, in front of the vocabulary.

    Attributes:
        names_of: names that mean a key (`uniprot:P27361` → MAPK3), one or several.
    """

    names_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    @cache
    def shipped(cls) -> Identifiers:
        """What the package knows without any table: symbols and ChEBI ids of its vocabulary."""
        return cls()

    @classmethod
    def from_tables(cls, paths: Iterable[str | os.PathLike[str]]) -> Identifiers:
        """Read tab-separated tables whose header names a database and `symbol` or `chebi`.

        Raises:
            FormatError: a missing file, an unknown database in the header, or a row of another
                length; the message names file and line.
        """
        names: dict[str, dict[str, None]] = {}
        for path in paths:
            for key, name in _read_table(path):
                names.setdefault(key, {})[name] = None
        return cls({key: tuple(found) for key, found in names.items()})

    def with_names(self, names_of: Mapping[str, Iterable[str]]) -> Identifiers:
        """The same tables and more names; what is already known comes first."""
        merged = dict(self.names_of)
        for key, names in names_of.items():
            merged[key] = tuple(dict.fromkeys((*merged.get(key, ()), *names)))
        return Identifiers(merged)

    def tokens_of(self, key: str) -> tuple[str, ...]:
        """Tokens of the vocabulary that a key means; none where it is unknown."""
        resolve = Vocabulary.shipped().resolve
        namespace, _, identifier = key.partition(":")
        own = {"symbol": (identifier,), "chebi": (f"CHEBI:{identifier}",)}.get(namespace, ())
        found = (resolve(name) for name in (*own, *self.names_of.get(key, ())))
        return tuple(dict.fromkeys(token for token in found if token is not None))

    def meaning(self, keys: Iterable[str], names: Iterable[str] = ()) -> Meaning:
        """What a molecule stands for that a source gives these keys and names.

        The keys are identifiers of its parts: of one molecule one, of a family or complex several.
        A key without a translation stays among the members. Where no key has one, the names are
        tried, and the first that the vocabulary or the families know is taken.
        """
        keys = tuple(dict.fromkeys(keys))
        tokens = {key: self.tokens_of(key) for key in keys}
        if not any(tokens.values()):
            for name in names:
                meaning = meaning_of(name)
                if meaning.members:
                    return meaning
        members = tuple(dict.fromkeys(m for key in keys for m in tokens[key] or (key,)))
        if not members:
            return Meaning()
        kinds = {_kind_of_member(member) for member in members}
        if len(members) > 1 and len(keys) > 1:
            return Meaning("family" if len(kinds) == 1 else "complex", members)
        return Meaning(kinds.pop() if len(kinds) == 1 else "unknown", members)


def _kind_of_member(member: str) -> str:
    """The kind of a molecule made of one token, or of one key that has no token."""
    namespace = member.partition(":")[0]
    if namespace in SMALL_MOLECULE_NAMESPACES:
        return "small molecule"
    if namespace == "mirbase":
        return "RNA"
    if namespace in GENE_NAMESPACES:
        return "protein"
    if member in Vocabulary.shipped().index:
        return kind_of_token(member)
    return "unknown"


def is_mapped(member: str) -> bool:
    """Whether a member of a molecule is a token of the vocabulary."""
    return member in Vocabulary.shipped().index


def _read_table(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    lines = [line for line in read_lines(path) if line.strip() and not line.startswith("#")]
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = _header_cells(next(rows, []))
    if not _names_tokens(header):
        raise FormatError(
            f"the header is {header}; expected two columns, the first a database such as uniprot, "
            "the second symbol or chebi",
            path=path,
            place="line 1",
        )
    if identifier_key(header[0], "x") is None:
        known = ", ".join(sorted(set(NAMESPACE_OF_DATABASE.values())))
        raise FormatError(
            f"the database {header[0]!r} is not known; expected one of {known}",
            path=path,
            place="line 1",
        )
    for number, cells in enumerate(rows, start=2):
        if len(cells) != 2:
            raise FormatError(
                f"it has {len(cells)} cells; expected 2", path=path, place=f"line {number}"
            )
        key, name = identifier_key(header[0], cells[0]), cells[1].strip()
        if header[1] == "chebi" and name and not name.upper().startswith("CHEBI:"):
            name = f"CHEBI:{name}"
        if key and name:
            yield key, name


def is_mapping_table(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a table that `Identifiers.from_tables` reads, by its header."""
    try:
        header = _header_cells(first_line(path).split("\t"))
    except FormatError:
        return False
    return _names_tokens(header) and identifier_key(header[0], "x") is not None


def _header_cells(cells: Iterable[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _names_tokens(header: list[str]) -> bool:
    """Whether the second of two columns holds what the vocabulary is made of."""
    return len(header) == 2 and header[1] in ("symbol", "chebi")
