"""A shallow network of one input as a spline: breakpoints, delta-slopes, orientations, and back."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
