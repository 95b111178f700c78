"""Fourier transforms of activations, and the weights of frequencies that follow from them."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
