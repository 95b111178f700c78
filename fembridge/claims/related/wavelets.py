"""BW-ReLU wavelets: second-order B-spline wavelets as features."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
