"""The seagull activation log(1 + z²)."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
