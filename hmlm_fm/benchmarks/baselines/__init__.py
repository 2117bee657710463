"""The simplest rivals of every claim."""
