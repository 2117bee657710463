"""The logic-ODE simulator and drawn dynamics."""
