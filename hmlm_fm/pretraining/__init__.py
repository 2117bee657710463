"""Pretraining on pathway corpora."""
