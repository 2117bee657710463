"""`hmlm benchmark real`: every method on what laboratories measured."""
