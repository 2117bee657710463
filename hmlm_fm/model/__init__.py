"""What travels with every checkpoint: flat, and importing nothing outside this folder."""
