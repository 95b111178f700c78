"""Directions, offsets and delta-slopes of networks of d inputs."""

from __future__ import annotations

from fembridge.claims.claim import Claim

CLAIMS: list[Claim] = []
