"""Double descent and the smallest eigenvalue of the Gram."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
