"""Benchmarks: every claim beside everything simpler, from one command."""
