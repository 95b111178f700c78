"""What the papers state, each statement with the experiment that tests it."""

from __future__ import annotations

from fnmatch import fnmatchcase

from fembridge.claims.claim import Claim, Evidence, Result, Setting, check, verdict_on

__all__ = ["Claim", "Evidence", "Result", "Setting", "check", "select", "verdict_on"]


def select(pattern: str = "*") -> list[Claim]:
    """The claims whose id matches a pattern with * and ?, in the order of the papers. Raises ValueError where none
    does.
    """
    from fembridge.claims import basri2019, hong2022, rahaman2019, sahs2022, sahs2025

    known = [*hong2022.CLAIMS, *sahs2022.CLAIMS, *sahs2025.CLAIMS, *basri2019.CLAIMS, *rahaman2019.CLAIMS]
    claims = [claim for claim in known if fnmatchcase(claim.id, pattern)]
    if not claims:
        raise ValueError(f'only: no claim matches "{pattern}"; there are {", ".join(claim.id for claim in known)}')
    return claims
