"""Wanted symbols: positive functions of the frequency θ, which counts in units of π, the knots' limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from fembridge.problem import Array, check_row, read_numbers

STEEP = 0.1  # half-width of the way from pass to stop, in units of π
CORNER = 1 / 16
FORMS = "flat, power:EXPONENT[,CORNER], low-pass:CUT, high-pass:CUT, band-pass:LOW,HIGH, or a .csv or .npy file"


@dataclass(frozen=True)
class Target:
    """t(x) > 0 for x = θ/π in [0, 1]."""

    name: str
    values: Callable[[Array], Array]

    def __call__(self, theta: ArrayLike) -> Array:
        """t at angles θ in [0, π]."""
        return np.asarray(self.values(np.asarray(theta, dtype=float) / np.pi), dtype=float)


def flat() -> Target:
    """t = 1: every frequency is learned as fast as any other."""
    return Target("flat", np.ones_like)


def power(exponent: float, corner: float = CORNER) -> Target:
    """t = (1 + (x/corner)²)^{exponent/2}: x^exponent above the corner, 1 below it.

    Raises ValueError unless the exponent is at most 20 in size, and 0 < corner ≤ 1.

    >>> round(float(power(-2, corner=0.1)(np.pi)), 6)
    0.009901
    """
    if not abs(exponent) <= 20:
        raise ValueError(f"target: expected an exponent of size at most 20, got {exponent:g}")
    if not 0 < corner <= 1:
        raise ValueError(f"target: expected a corner in (0, 1], got {corner:g}")
    return Target(f"power:{exponent:g},{corner:g}", lambda x: (1 + (x / corner) ** 2) ** (exponent / 2))


def band_pass(low: float | None, high: float | None, ratio: float = 100.0) -> Target:
    """1 between low and high, 1/ratio outside, smooth in its logarithm; None for a side that is open.

    log t = −log ratio · (1 − S((x − low)/w) S((high − x)/w)), S(z) = 1/(1 + e^{−4z}), w = 0.1.

    Raises ValueError unless 0 < low < high < 1.
    """
    cuts = [cut for cut in (low, high) if cut is not None]
    if not cuts or not all(0 < cut < 1 for cut in cuts) or (len(cuts) == 2 and not cuts[0] < cuts[1]):
        raise ValueError(f"target: expected cuts in (0, 1), in units of the knots' limit π, ascending, got {cuts}")

    def values(x: Array) -> Array:
        passed = np.ones_like(x)
        for side in ([] if low is None else [x - low]) + ([] if high is None else [high - x]):
            passed = passed / (1 + np.exp(-4 * side / STEEP))
        return np.asarray(ratio ** (passed - 1))

    name = "band-pass" if len(cuts) == 2 else "low-pass" if low is None else "high-pass"
    return Target(f"{name}:{','.join(f'{cut:g}' for cut in cuts)}", values)


def of_array(numbers: ArrayLike, name: str = "array") -> Target:
    """t through numbers at equispaced frequencies from 0 to π, by a cubic spline in its logarithm.

    Raises ValueError unless they are at least two positive numbers.

    >>> float(of_array([1.0, 100.0])(np.pi / 2))
    10.000000000000002
    """
    t = check_row("target", numbers)
    if len(t) < 2:
        raise ValueError(f"target: expected at least two numbers, got {len(t)}")
    if not (t > 0).all():
        i = int(np.argmin(t > 0))
        raise ValueError(f"target: expected positive numbers (|c(θ)|² s(θ) has no sign), got {t[i]:g} at entry {i}")
    x = np.linspace(0, 1, len(t))
    spline = CubicSpline(x, np.log(t))
    return Target(name, lambda at: np.exp(spline(at)))


def target(spec: str | Path | ArrayLike | Target | Callable[[Array], Array]) -> Target:
    """A target by its name ("flat", "power:-2", "low-pass:0.5", …), of an array or file of numbers at equispaced
    frequencies, or of a function of x = θ/π.

    Raises ValueError for anything else; OSError where a file cannot be read.
    """
    if isinstance(spec, Target):
        return spec
    if isinstance(spec, str | Path):
        return _named(str(spec))
    if callable(spec):
        return Target(getattr(spec, "__name__", "function"), spec)
    return of_array(spec)


def _named(spec: str) -> Target:
    kind, _, rest = spec.partition(":")
    if spec == "flat":
        return flat()
    if spec.endswith((".csv", ".npy", ".txt")):
        return of_array(np.ravel(read_numbers(spec, "target")), Path(spec).name)
    try:
        numbers = [float(part) for part in rest.split(",")]
        match kind, numbers:
            case "power", [_] | [_, _]:
                return power(*numbers)
            case "low-pass", [cut]:
                return band_pass(None, cut)
            case "high-pass", [cut]:
                return band_pass(cut, None)
            case "band-pass", [low, high]:
                return band_pass(low, high)
    except ValueError as error:
        if str(error).startswith("target"):
            raise
    raise ValueError(f'target: expected {FORMS}, got "{spec}"')
