"""Critical points: orthogonality, least-squares pieces, and the Hessian there."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
