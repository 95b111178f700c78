"""Sahs, Pyle, Anselmi, Patel (arXiv 2503.10587): shallow networks of d inputs in their Radon and Fourier transforms."""

from fembridge.claims.sahs2025 import digits, frequencies, interpolants, parameters, penalties, pinning, transforms

CLAIMS = [*parameters.CLAIMS, *transforms.CLAIMS, *frequencies.CLAIMS, *interpolants.CLAIMS, *penalties.CLAIMS]
CLAIMS += [*pinning.CLAIMS, *digits.CLAIMS]
