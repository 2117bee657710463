"""Species of SBML as molecules: what they are called, made of, and where they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ...model.network import Molecule
from ..compartments import compartment_of
from ..identifiers import GENE_NAMESPACES, SMALL_MOLECULE_NAMESPACES, Identifiers, key_of_address
from ..names import Meaning
from .document import libsbml_module

_KIND_OF_TERM = {
    236: "unknown",
    240: "unknown",
    243: "unknown",
    245: "protein",
    246: "protein",
    247: "small molecule",
    250: "RNA",
    252: "protein",
    253: "complex",
    278: "RNA",
    297: "complex",
    299: "small molecule",
    316: "RNA",
    327: "small molecule",
    334: "RNA",
    358: "phenotype",
}
"""Kind of a molecule by its term of the Systems Biology Ontology."""

_PLACE_IN_NAME = re.compile(r"\s*\[[^\]]*\]\s*$")


def species_of(model: Any) -> dict[str, Any]:
    """The species by id, in the order of the file; those without an id or with a second are not."""
    found: dict[str, Any] = {}
    for species in model.getListOfSpecies():
        if species.getId().strip():
            found.setdefault(species.getId().strip(), species)
    return found


def molecules_of_species(model: Any, pathway: str, identifiers: Identifiers) -> dict[str, Molecule]:
    """A molecule for every species, by id: the name in SBML becomes the label.

    What one is made of comes from its annotation and, where no identifier there means anything to
    `identifiers`, from its name.
    """
    places = compartments_of(model)
    molecules = {}
    for name, species in species_of(model).items():
        label = " ".join(species.getName().split()) or name
        meaning = meaning_of_element(
            species, (label, _PLACE_IN_NAME.sub("", label), name), identifiers
        )
        molecules[name] = Molecule(
            name=name,
            label=label,
            kind=meaning.kind,
            members=meaning.members,
            compartment=places.get(species.getCompartment(), "unknown"),
            pathways=(pathway,),
        )
    return molecules


def compartments_of(model: Any) -> dict[str, str]:
    """What the compartments of a model are in the words of the package, by id."""
    found = {}
    for compartment in model.getListOfCompartments():
        addresses = [address for _, address in _annotations(compartment)]
        names = [compartment.getName(), compartment.getId()]
        found[compartment.getId()] = compartment_of(names, addresses)
    return found


def _annotations(element: Any) -> Iterator[tuple[int, str]]:
    """Qualifier and address of everything that the annotation names."""
    libsbml = libsbml_module()
    for i in range(element.getNumCVTerms()):
        term = element.getCVTerm(i)
        if term.getQualifierType() == libsbml.BIOLOGICAL_QUALIFIER:
            for j in range(term.getNumResources()):
                yield term.getBiologicalQualifierType(), term.getResourceURI(j)


def meaning_of_element(element: Any, names: Iterable[str], identifiers: Identifiers) -> Meaning:
    """What a species stands for by its annotation, its names and its ontology term."""
    libsbml = libsbml_module()
    keys_of: dict[int, list[str]] = {}
    for qualifier, address in _annotations(element):
        key = key_of_address(address)
        if key is not None:
            keys_of.setdefault(qualifier, []).append(key)
    meaning = Meaning()
    for qualifier in (
        libsbml.BQB_IS,
        libsbml.BQB_HAS_PART,
        libsbml.BQB_IS_VERSION_OF,
        libsbml.BQB_HAS_VERSION,
        libsbml.BQB_IS_ENCODED_BY,
        libsbml.BQB_IS_HOMOLOG_TO,
    ):
        keys = _keys_of_molecules(keys_of.get(qualifier, ()))
        if keys:
            meaning = identifiers.meaning(keys, names)
            if qualifier == libsbml.BQB_HAS_PART and len(keys) > 1:
                meaning = replace(meaning, kind="complex")
            break
    else:
        known = [k for keys in keys_of.values() for k in keys if k.startswith("reactome:")]
        meaning = identifiers.meaning(known[:1], names)
    kind = _KIND_OF_TERM.get(element.getSBOTerm())
    if kind is not None and (meaning.kind == "unknown" or kind == "complex"):
        meaning = replace(meaning, kind=kind)
    return meaning


def _keys_of_molecules(keys: Iterable[str]) -> list[str]:
    """Keys of genes and of small molecules, of one database each: others name the same again."""
    kept: list[str] = []
    for namespaces in (GENE_NAMESPACES, SMALL_MOLECULE_NAMESPACES):
        found = [key for key in dict.fromkeys(keys) if key.partition(":")[0] in namespaces]
        counts = Counter(key.partition(":")[0] for key in found)
        if counts:
            database = counts.most_common(1)[0][0]
            kept += [key for key in found if key.startswith(f"{database}:")]
    return kept
