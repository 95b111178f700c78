"""The adaptive regime: zero-planes that cluster at data points."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
