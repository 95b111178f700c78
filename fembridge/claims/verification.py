"""Many claims at once, in several processes: judged, drawn, and told in their order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from joblib import Parallel, cpu_count, delayed

from fembridge import claims
from fembridge.claims.claim import Claim, Setting
from fembridge.claims.results import Entry, entry


def verify(chosen: Sequence[Claim], setting: Setting, figures: Path, jobs: int | None = None) -> Iterator[Entry]:
    """Check every claim and draw its figure into a folder, in `jobs` processes (as many as there are cores, where
    nothing is said), and yield what there is to say of each, in their order.

    Claims of one file, which share what they have trained, are checked by one process. Each is checked on one thread,
    whatever the number of processes: the numbers are the same.
    """
    files = [list(group) for _, group in groupby(chosen, key=_file)]
    work = Parallel(min(jobs or cpu_count(), len(files)), return_as="generator", batch_size=1)
    for entries in work(delayed(_examine)(group, setting, figures) for group in files):
        yield from entries


def _file(claim: Claim) -> str:
    """The module of a claim's experiment."""
    experiment: Any = claim.experiment
    return str(getattr(experiment, "func", experiment).__module__)


def _examine(chosen: Sequence[Claim], setting: Setting, figures: Path) -> list[Entry]:
    from fembridge.output.figures import save

    entries = []
    with warnings.catch_warnings(action="ignore"):  # another process does not know what this one has silenced
        for claim in chosen:
            result = claims.check(claim, setting)
            save(result.evidence.chart, figures, claim.id)
            entries.append(entry(result))
    return entries
