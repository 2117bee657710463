"""The one ensemble fit that HMLM and its baselines share."""
