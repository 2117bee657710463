"""Corpora of networks: built from sources, stored as Parquet, split by relatives."""

from .corpus_loading import load_corpus, load_sides
from .relatives import cluster_networks, member_overlap, split_networks

__all__ = ["cluster_networks", "load_corpus", "load_sides", "member_overlap", "split_networks"]
