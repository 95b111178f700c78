"""How breakpoints and delta-slopes move along gradient flow, and what is conserved."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
