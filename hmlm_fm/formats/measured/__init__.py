"""Files of measurements: tables of conditions and observations, MIDAS, experiments."""
