"""The tasks of `hmlm benchmark`, a module each."""
