"""What was measured of one network, or simulated, and how predictions of it are scored."""
