"""Exponents of penalties, and a penalty realised by a designed activation."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
