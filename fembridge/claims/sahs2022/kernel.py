"""The kernel regime: trained functions against the variational solution."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
