"""The methods that HMLM is measured beside, and HMLM as one of them."""
