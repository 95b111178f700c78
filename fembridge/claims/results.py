"""What `verify` says of judged claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fembridge import __version__
from fembridge.bridge.verdict import Verdict
from fembridge.claims.claim import Result

Entry = Mapping[str, Any]


def overall(entries: Sequence[Entry]) -> Verdict:
    """Fail where a claim fails and is not known to, or is known to and passes; else inconclusive where one is."""
    if any(one["verdict"] == ("pass" if one["known"] else "fail") for one in entries):
        return "fail"
    return "inconclusive" if any(one["verdict"] == "inconclusive" for one in entries) else "pass"


def summary(entries: Sequence[Entry], seed: int) -> dict[str, Any]:
    """The content of verdict.json; the same for the same seed, but for the seconds."""
    return {
        "schema_version": 1,
        "fembridge": __version__,
        "seed": seed,
        "verdict": overall(entries),
        "claims": list(entries),
    }


def entry(result: Result) -> Entry:
    """What verdict.json says of one claim."""
    claim = result.claim
    return {
        "id": claim.id,
        "source": claim.source,
        "statement": claim.statement,
        "kind": claim.kind,
        "predicted": result.predicted,
        "measured": result.measured,
        "error": result.error,
        "tolerance": claim.tolerance,
        "why": claim.why + ("" if claim.cap is None else f" The ratio itself is within {claim.cap:g} at the largest."),
        "verdict": result.verdict,
        "known": claim.known,
        "seconds": result.seconds,
        "figure": f"figures/{claim.id}.svg",
    }
