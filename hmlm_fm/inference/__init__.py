"""Asking a model: loading, prediction, the pipeline, what can be read out, figures."""
