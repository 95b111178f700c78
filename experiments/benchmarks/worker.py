"""One side of one case, in this process: python -m experiments.benchmarks.worker SUBJECT CASE SIDE SIZE FOLDER.

Leaves its result and the seconds of its runs in the folder, and prints the peak of its memory in bytes.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.harness import cases_of

BUDGET = 20.0  # seconds for the runs that are counted
ENOUGH = 1.0  # seconds after which quick runs are counted well enough
LEAST, MOST = 5, 100


def main(subject: str, name: str, side_name: str, size: str, folder: str) -> None:
    case = next(case for case in cases_of(subject) if case.name == name)
    side = case.side(side_name)
    if side.needs:
        import_module(side.needs)
    inputs = case.inputs(int(size))
    before = resident_now()
    work = side.prepare(inputs)
    start = time.perf_counter()
    found = work()
    first = time.perf_counter() - start
    peak = resident_peak() - before
    if found is not None:
        np.save(Path(folder, f"{side_name}.npy"), np.asarray(found, dtype=float))
    del found
    np.save(Path(folder, f"{side_name}.times.npy"), [first] if side_name == "reference" else counted(work, first))
    print(peak)


def counted(work: Callable[[], Any], first: float) -> list[float]:
    """Seconds of the runs that count: five, or as many as fit into the budget; of quick work up to a hundred.

    The first run was a warm-up, unless it took half of the budget: then it is the one that counts.
    """
    seconds: list[float] = []
    while first < BUDGET / 2 and len(seconds) < MOST:
        spent = sum(seconds)
        if spent + max(seconds, default=0) > (ENOUGH if len(seconds) >= LEAST else BUDGET):
            break
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds or [first]


def resident_now() -> int:
    """Bytes of resident memory; the high-water mark starts again from here.

    Only Linux can reset it; elsewhere the mark of everything so far stands in.
    """
    gc.collect()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return resident_peak()


def resident_peak() -> int:
    """Bytes of the high-water mark of resident memory.

    Not `ru_maxrss` where it can be helped: a process inherits that one from the process that started it.
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return mark if sys.platform == "darwin" else 1024 * mark


if __name__ == "__main__":
    main(*sys.argv[1:])
