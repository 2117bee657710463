"""The version of the package, in a file of its own so that builds need not import torch."""

__version__ = "0.1.0"
