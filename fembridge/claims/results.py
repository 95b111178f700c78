"""What `verify` says of judged claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fembridge import __version__
from fembridge.bridge.verdict import Verdict
from fembridge.claims.claim import Result


def overall(results: Sequence[Result]) -> Verdict:
    """Fail where a claim fails and is not known to, or is known to and passes; else inconclusive where one is."""
    if any(result.verdict == ("pass" if result.claim.known else "fail") for result in results):
        return "fail"
    return "inconclusive" if any(result.verdict == "inconclusive" for result in results) else "pass"


def summary(results: Sequence[Result], seed: int) -> dict[str, Any]:
    """The content of verdict.json; the same for the same seed, but for the seconds."""
    return {
        "schema_version": 1,
        "fembridge": __version__,
        "seed": seed,
        "verdict": overall(results),
        "claims": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
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
