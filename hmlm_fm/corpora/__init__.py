"""Corpora of networks: built from sources, stored as Parquet, split by relatives."""
