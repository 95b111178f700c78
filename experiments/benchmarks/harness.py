"""What a benchmark is, and how it is run: each side of a case in a fresh process, one after another.

A case has one problem, several sides that solve it, and a reference that judges all of them. Ours is the first side;
the others are its peers. A fresh process keeps memory, caches and threads of one side away from the next.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Prepare = Callable[[Any], Callable[[], Any]]

ROOT = Path(__file__).parents[2]
NAMES = ("one_dimension", "spectra", "curvature", "laplace", "partition", "training", "films")
SUBJECTS = tuple(f"experiments.benchmarks.{name}" for name in NAMES)
"""Modules that hold CASES."""
PEERS = {"curvlinops": "curvlinops-for-pytorch", "pyhessian": "pyhessian", "shapely": "shapely"}
"""Optional modules, and the packages that bring them."""


@dataclass(frozen=True)
class Side:
    """One way to the result.

    prepare: takes the inputs and returns what is timed. Its own time is not counted, its memory is. What is timed
    returns the numbers to be judged, or None where they are not comparable.
    needs: an optional module, imported before memory is counted. upto: the largest size this side is run at.
    """

    name: str
    prepare: Prepare
    needs: str | None = None
    upto: float = math.inf


def worst_relative(found: Array, reference: Array) -> float:
    """max |found/reference − 1| over the entries that the reference knows (those that are not nan)."""
    return float(np.nanmax(np.abs(found / reference - 1)))


def worst_scaled(found: Array, reference: Array) -> float:
    """max |found − reference| / max |reference|."""
    return float(np.nanmax(np.abs(found - reference)) / np.nanmax(np.abs(reference)))


@dataclass(frozen=True)
class Case:
    """A problem at several sizes, its sides (ours first), and how they are judged.

    inputs: what a problem of a size is given as; neither its time nor its memory is counted.
    reference: the result by other means (nan where that is not known), or the name of the side that is taken for it.
    note: a remark on the results by name, where all sides have one.
    """

    name: str
    inputs: Callable[[int], Any]
    sides: tuple[Side, ...]
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    size: str = "n"
    reference: Callable[[Any], Any] | str | None = None
    error: Callable[[Array, Array], float] = worst_relative
    note: Callable[[dict[str, Array]], str] | None = None

    def side(self, name: str) -> Side:
        if name == "reference" and callable(self.reference):
            known = self.reference
            return Side(name, lambda inputs: lambda: known(inputs))
        return next(side for side in self.sides if side.name == name)


@dataclass
class Measurement:
    """Seconds of each counted run, peak memory in bytes above the inputs, worst error; or why there are none."""

    side: str
    seconds: list[float] = field(default_factory=list)
    peak: int | None = None
    error: float | None = None
    failure: str | None = None

    @property
    def median(self) -> float | None:
        return float(np.median(self.seconds)) if self.seconds else None


def cases_of(subject: str) -> list[Case]:
    """The cases of a subject."""
    found: list[Case] = import_module(subject).CASES
    return found


def title(subject: str, case: Case) -> str:
    """subject/name, as --only matches it."""
    return f"{subject.rpartition('.')[2]}/{case.name}"


def select(only: str = "*") -> Iterator[tuple[str, Case]]:
    """The subject and the case of all whose title matches a pattern."""
    for subject in SUBJECTS:
        for case in cases_of(subject):
            if fnmatch(title(subject, case), only):
                yield subject, case


def measure_case(
    subject: str, case: Case, size: int, limit: float, progress: Callable[[str], None]
) -> tuple[list[Measurement], str]:
    """All sides of a case at one size, judged by its reference, and the note on them."""
    measurements, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        names = [side.name for side in case.sides] + ["reference"] * callable(case.reference)
        for name in names:
            if size > case.side(name).upto:
                measurement = Measurement(name, failure=f"not run above {case.side(name).upto:,}")
            else:
                progress(f"{title(subject, case)}, {case.size} = {size:,}: {name}")
                measurement = _measure_side(subject, case.name, case.side(name), size, limit, Path(folder))
            measurements.append(measurement)
            result = Path(folder, f"{name}.npy")
            if measurement.failure is None and result.exists():
                found[name] = np.load(result)
    reference = found.get(case.reference if isinstance(case.reference, str) else "reference")
    for m in measurements:
        if reference is not None and m.side in found and m.side not in ("reference", case.reference):
            _judge(m, found[m.side], reference, case.error)
    remarks = [f"reference: {m.failure}" for m in measurements if m.side == "reference" and m.failure]
    if case.note and {side.name for side in case.sides} <= set(found):
        remarks.append(case.note(found))
    return [m for m in measurements if m.side != "reference"], "; ".join(remarks)


def _judge(m: Measurement, found: Array, reference: Array, error: Callable[[Array, Array], float]) -> None:
    if found.shape != reference.shape:
        m.failure = f"its result has the shape {found.shape}, the reference {reference.shape}"
    elif not np.isnan(reference).all():
        m.error = error(found, reference)


def _measure_side(subject: str, case: str, side: Side, size: int, limit: float, folder: Path) -> Measurement:
    """One side in a process of its own. A crash, or more than `limit` seconds in all, is a result too."""
    worker = [sys.executable, "-m", "experiments.benchmarks.worker", subject, case, side.name, str(size), str(folder)]
    try:
        done = subprocess.run(worker, timeout=limit, capture_output=True, text=True, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return Measurement(side.name, failure=f"not done in {limit:g} s")
    if done.returncode < 0:
        return Measurement(side.name, failure=f"ended by signal {-done.returncode}")
    if done.returncode:
        return Measurement(side.name, failure=_reason(side, done.stderr))
    seconds, peak = np.load(folder / f"{side.name}.times.npy"), int(done.stdout.split()[-1])
    return Measurement(side.name, seconds.tolist(), peak)


def _reason(side: Side, stderr: str) -> str:
    last = (stderr.strip().splitlines() or ["it failed without a word"])[-1]
    if side.needs in PEERS and last == f"ModuleNotFoundError: No module named '{side.needs}'":
        return f"{side.needs} is not installed: pip install {PEERS[side.needs]}"
    return last
