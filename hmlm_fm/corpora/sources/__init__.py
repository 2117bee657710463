"""The sources of corpora, a module each."""
