"""Kernel-regime interpolants against the minimiser of the seminorm."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
