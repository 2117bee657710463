"""Files of measurements: tables of conditions and observations, MIDAS, experiments."""

from .measured_tables import read_condition_tables, write_condition_tables
from .midas import is_midas, read_midas

__all__ = ["is_midas", "read_condition_tables", "read_midas", "write_condition_tables"]
