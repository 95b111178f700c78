"""The adaptive regime, and the sweep of the output scale between the two."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
