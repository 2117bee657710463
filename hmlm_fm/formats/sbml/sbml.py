"""SBML of any level and version: Boolean models (qual), ODE models, and plain reactions.

What is read depends on what the file states. Transitions of the package qual are logic. Kinetic
laws and rules give signs, through their derivatives, and no logic. Reactions without them state
what they need, as in Reactome's export.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from ...common.errors import FormatError, FormatWarning
from ...common.files import stem
from ...model.network import Interaction, Molecule, NetworkError, Pathway, SignalingNetwork
from ..identifiers import Identifiers
from .document import read_document
from .flat_model import read_kinetics
from .kinetics import kinetic_interactions
from .qual import qualitative_network, states_logic
from .sbml_reactions import reaction_interactions
from .species import molecules_of_species


def read_sbml(
    path: str | os.PathLike[str], identifiers: Identifiers | None = None
) -> SignalingNetwork:
    """Read the network of an SBML file.

    Molecules are called by the ids of species and labelled by their names; parameters that a rate
    rule drives are molecules too. All of them belong to one pathway, the model.

    Args:
        path: the file, gzipped or not.
        identifiers: names of molecules by the identifiers of annotations; by default the package's
            own, which know symbols and ChEBI.

    Raises:
        FormatError: the file is not SBML, is damaged, holds no species, or its rules go in a
            circle; libsbml is not installed.
    """
    document = read_document(path)
    model = document.getModel()
    identifiers = identifiers or Identifiers.shipped()
    name = stem(path).strip()
    title = " ".join(model.getName().split()) or model.getId() or name
    try:
        if states_logic(model):
            molecules, interactions = qualitative_network(model, name, identifiers, path)
            logic_known = True
        else:
            molecules, interactions, logic_known = _of_reactions(model, name, identifiers, path)
        if not molecules:
            raise FormatError(
                "it holds no species; expected a model with species and reactions", path=path
            )
        if not any(not interaction.is_input for interaction in interactions):
            warnings.warn(
                f"{path}: no molecule acts on another: it has no such reactions or rules",
                FormatWarning,
                stacklevel=2,
            )
        return SignalingNetwork(
            name=name,
            title=title,
            molecules=tuple(molecules),
            interactions=interactions,
            pathways=(Pathway(name, title),),
            logic_known=logic_known,
        )
    except NetworkError as error:
        raise FormatError(str(error), path=path) from None
    except FormatError as error:
        raise error.at(path) from None


def _of_reactions(
    model: Any, name: str, identifiers: Identifiers, path: str | os.PathLike[str]
) -> tuple[list[Molecule], tuple[Interaction, ...], bool]:
    """Molecules, interactions, and whether those state their logic."""
    species = molecules_of_species(model, name, identifiers)
    kinetic = read_kinetics(model)
    labels = {p.getId(): p.getName().strip() or p.getId() for p in model.getListOfParameters()}
    molecules = [
        species.get(n) or Molecule(n, labels.get(n, n), kind="unknown", pathways=(name,))
        for n in kinetic.molecules
    ]
    if any(rule.isAlgebraic() for rule in model.getListOfRules()):
        warnings.warn(
            f"{path}: its algebraic rules, in which no variable is set by another, are left out",
            FormatWarning,
            stacklevel=3,
        )
    if kinetic.says_how_molecules_act:
        return molecules, kinetic_interactions(kinetic, name), False
    return molecules, reaction_interactions(model, species), True
