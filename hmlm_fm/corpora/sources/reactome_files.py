"""Reactome from its download files, whichever of them a folder holds.

Pathways are made of the members of a pathway (GMT) and the functional interactions between them.
A pathway of more than `MOST_MOLECULES` that has sub-pathways is left to these; what belongs to
which sub-pathway is kept as the pathways of its molecules. Files that state reactions or logic
themselves (SBML, BioPAX, pairwise networks) become networks of their own, of the family of the
pathway that they represent.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import first_line, read_lines
from ...formats.gene_sets import GeneSet, molecules_of_set, read_gene_sets
from ...formats.identifiers import Identifiers, is_mapping_table
from ...formats.recognise import BIOPAX, GENE_SETS, PAIRWISE, SBML, STATEMENTS, Format, format_of
from ...formats.statement_tables import read_statement_table
from ...formats.statements import Statement, interactions_of_statements
from ...model.network import Molecule, Pathway, SignalingNetwork
from ..harvesting import Collector, files_below, sha256_of
from ..records import Harvest, Provenance

LICENCE = "CC0 (Reactome); CC BY 4.0 (functional interactions)"
MOST_MOLECULES = 200
_ID = r"R-([A-Z]{3})-\d+"
_NAME_LINE = re.compile(rf"{_ID}\t[^\t]+\t[^\t]+")
_RELATION_LINE = re.compile(rf"{_ID}\t{_ID}")


@dataclass
class Hierarchy:
    """Titles of pathways, and which pathways they are made of."""

    titles: dict[str, str] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def below(self, pathway: str) -> list[str]:
        """All sub-pathways at any depth, each once, from the top down."""
        found: dict[str, None] = {}
        pending = list(self.children.get(pathway, ()))
        while pending:
            child = pending.pop(0)
            if child not in found:
                found[child] = None
                pending += self.children.get(child, ())
        return list(found)


def read_folder(
    folder: Path, identifiers: Identifiers, progress: Callable[[str], object]
) -> Harvest:
    """All that a folder of Reactome's files states as networks.

    Raises:
        FormatError: there is no such folder, or a table of it is damaged.
    """
    collector = Collector("reactome", folder, LICENCE)
    hierarchy = Hierarchy()
    sets: dict[str, GeneSet] = {}
    statements: list[Statement] = []
    used: list[Path] = []
    networks: list[tuple[Path, Format]] = []
    for path in files_below(folder):
        location = collector.location(path)
        progress(location)
        try:
            if _read_hierarchy(path, hierarchy):
                used.append(path)
                continue
            if is_mapping_table(path):
                continue
            found = format_of(path)
            if found is GENE_SETS:
                new = {s.name: s for s in read_gene_sets(path)}
                if any(re.fullmatch(_ID, name) for name in new):
                    sets.update(new)
                    used.append(path)
                else:
                    collector.skip(location, "its sets carry no Reactome identifiers")
            elif found is STATEMENTS:
                for group in read_statement_table(path, identifiers).statements.values():
                    statements += group
                used.append(path)
            elif found in (SBML, BIOPAX, PAIRWISE):
                networks.append((path, found))
            else:
                collector.skip(location, f"it is {found.name}, which is no file of Reactome")
        except FormatError as error:
            collector.refuse(location, error)
    _add_pathways(collector, hierarchy, sets, statements, identifiers, used)
    by_title = {_plain(title): name for name, title in hierarchy.titles.items()}
    for path, reader in networks:
        progress(collector.location(path))
        collector.read(
            path,
            lambda p, r=reader: [  # type: ignore[misc]
                replace(n, family=_family(n, by_title)) for n in r.read(p, identifiers)
            ],
        )
    return collector.harvest


def _read_hierarchy(path: Path, hierarchy: Hierarchy) -> bool:
    """Take pathway names or relations, if the file is one of the two tables."""
    first = first_line(path)
    for shape in (_NAME_LINE, _RELATION_LINE):
        if not shape.fullmatch(first):
            continue
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            if not shape.fullmatch(line.strip()):
                raise FormatError(
                    f"found {line!r}; expected a row like {first!r}",
                    path=path,
                    place=f"line {number}",
                )
            name, value, *_ = (cell.strip() for cell in line.split("\t"))
            if shape is _NAME_LINE:
                hierarchy.titles[name] = value
            else:
                hierarchy.children[name].append(value)
        return True
    return False


def _add_pathways(
    collector: Collector,
    hierarchy: Hierarchy,
    sets: Mapping[str, GeneSet],
    statements: Iterable[Statement],
    identifiers: Identifiers,
    used: Iterable[Path],
) -> None:
    """One network per pathway that has members and interactions between them."""
    acting: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        acting[statement.source].append(statement)
    files = [(collector.location(path), sha256_of(path)) for path in used]
    provenance = Provenance(
        collector.corpus, " + ".join(f for f, _ in files), " + ".join(h for _, h in files)
    )
    molecules = {
        name: {m.name: m for m in molecules_of_set(s, identifiers)} for name, s in sets.items()
    }
    for name, members in molecules.items():
        below = [p for p in hierarchy.below(name) if p in molecules]
        if len(members) > MOST_MOLECULES and below:
            collector.skip(
                f"pathway {name}", f"its {len(members)} molecules are in its sub-pathways"
            )
            continue
        inside = [s for m in members for s in acting.get(m, ()) if s.target in members]
        if not inside:
            collector.skip(f"pathway {name}", "no interactions between its members are known")
            continue
        collector.add(
            _pathway(name, members, below, molecules, inside, hierarchy, sets[name]), provenance
        )


def _pathway(
    name: str,
    members: Mapping[str, Molecule],
    below: list[str],
    molecules: Mapping[str, Mapping[str, Molecule]],
    statements: list[Statement],
    hierarchy: Hierarchy,
    found: GeneSet,
) -> SignalingNetwork:
    titles = {p: hierarchy.titles.get(p, "") for p in (name, *below)}
    title = titles[name] or found.title
    return SignalingNetwork(
        name=name,
        title=title,
        source="Reactome",
        molecules=tuple(
            replace(m, pathways=(name, *(p for p in below if m.name in molecules[p])))
            for m in members.values()
        ),
        interactions=interactions_of_statements(statements),
        pathways=(
            Pathway(name, title, "Reactome"),
            *(Pathway(p, titles[p], "Reactome") for p in below),
        ),
        logic_known=False,
    )


def _family(network: SignalingNetwork, by_title: Mapping[str, str]) -> str:
    """The pathway that a network represents, by its identifier or its title."""
    match = re.search(_ID, network.name)
    return match[0] if match else by_title.get(_plain(network.title), network.family)


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", title.lower()).strip()
