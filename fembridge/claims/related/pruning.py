"""Pruned features."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
