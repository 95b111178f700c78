"""Distributions of breakpoints and delta-slopes, and roughness, at initialisation."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
