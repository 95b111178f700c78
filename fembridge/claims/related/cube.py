"""Walsh–Hadamard: low degrees first on the Boolean cube."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
