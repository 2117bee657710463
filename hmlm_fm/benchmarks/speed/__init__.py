"""How fast simulators, encoders and the model itself are, side by side."""
