"""BioPAX level 3."""
