"""SBML, with its qualitative models."""
