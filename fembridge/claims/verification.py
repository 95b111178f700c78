"""Many claims at once, one in each process: judged, drawn, and told in their order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from joblib import Parallel, cpu_count, delayed

from fembridge import claims
from fembridge.claims.claim import Claim, Setting
from fembridge.claims.results import Entry, entry


def verify(chosen: Sequence[Claim], setting: Setting, figures: Path, jobs: int | None = None) -> Iterator[Entry]:
    """Check every claim and draw its figure into a folder, in `jobs` processes (as many as there are cores, where
    nothing is said), and yield what there is to say of each, in their order.

    Every claim is checked on one thread, whatever the number of processes: the numbers are the same.
    """
    work = Parallel(min(jobs or cpu_count(), len(chosen)), return_as="generator", batch_size=1)
    yield from work(delayed(_examine)(claim, setting, figures) for claim in chosen)


def _examine(claim: Claim, setting: Setting, figures: Path) -> Entry:
    from fembridge.output.figures import save

    with warnings.catch_warnings(action="ignore"):  # another process does not know what this one has silenced
        result = claims.check(claim, setting)
        save(result.evidence.chart, figures, claim.id)
    return entry(result)
