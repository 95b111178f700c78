"""Shallow networks of one input as splines: how they start, how they move, what they minimise (Sahs et al. 2020)."""
