"""Shallow networks of several inputs by the directions and offsets of their ridges (Sahs et al. 2025)."""
