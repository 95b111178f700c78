"""Cases for the test of the benchmark harness: sides that work, and sides that do not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from experiments.benchmarks.harness import Array, Case, Side

MIB = 2**20


def allocating(size: int) -> Callable[[], Array]:
    """64 MiB prepared, and 64 MiB more while it runs."""
    held = np.ones(8 * MIB)
    return lambda: (held + 1)[:size] * 0.5


def crashing(size: int) -> Callable[[], Array]:
    raise MemoryError(f"{size} is too much")


CASES = [
    Case(
        "ones",
        inputs=lambda size: size,
        sides=(
            Side("ours", lambda size: lambda: np.full(size, 1.0)),
            Side("allocating", allocating),
            Side("crashing", crashing),
            Side("killed", lambda size: partial(os.kill, os.getpid(), 9)),
            Side("missing", lambda size: lambda: np.ones(size), needs="no_such_module"),
            Side("small", lambda size: lambda: np.ones(size), upto=2),
        ),
        sizes=(3,),
        quick=(3,),
        reference=lambda size: np.array([np.nan, 1.0, 0.8]),
        note=lambda found: f"{len(found)} results",
    ),
    Case(
        "sleeping",
        inputs=lambda size: size,
        sides=(Side("ours", lambda size: lambda: time.sleep(60)),),
        sizes=(3,),
        quick=(3,),
    ),
]
