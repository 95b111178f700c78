"""What is being fitted: the domain, the target function, the form of the loss, and where it is sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Interval = tuple[float, float]
Loss = Literal["mass", "stiffness", "h1"]


LARGEST = 1e100  # of any number: products of a few are then far from the end of float64's range
HIGHEST = 2**31  # of any frequency or count
LONGEST = 8.0  # half the phase across a cell of quadrature: two or three periods


def check_domain(domain: Sequence[float]) -> Interval:
    """Return `domain` as a pair of floats (a, b).

    Raises ValueError unless a and b are finite, a < b, of size at most 1e100 and at least 1e-100 apart.
    """
    try:
        a, b = (float(end) for end in domain)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"domain: expected two ends [a, b], got {domain}") from None
    if not (np.isfinite(a) and np.isfinite(b) and a < b):
        raise ValueError(f"domain: expected finite ends a < b, got [{a:g}, {b:g}]")
    if max(-a, b) > LARGEST or b - a < 1 / LARGEST:
        raise ValueError(f"domain: expected ends of size at most 1e100, 1e-100 apart or more, got [{a:g}, {b:g}]")
    return a, b


def check_row(name: str, values: ArrayLike) -> Array:
    """Return one row of numbers as floats. Raises ValueError unless all are real and of size at most 1e100."""
    row = _real(name, values)
    if row.ndim != 1:
        raise ValueError(f"{name}: expected one row of numbers, got an array of shape {row.shape}")
    wrong = np.flatnonzero(~(np.abs(row) <= LARGEST))
    if len(wrong):
        i = wrong[0]
        raise ValueError(f"{name}: expected finite numbers of size at most 1e100, got {row[i]:g} at entry {i}")
    return row


def check_whole(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Return distinct whole numbers from 1 to 2³¹ as int. Raises ValueError for anything else."""
    k = np.asarray(values)
    right = k.ndim == 1 and len(k) and k.dtype.kind in "iuf" and len(np.unique(k)) == len(k)
    if not (right and np.all((k >= 1) & (k <= HIGHEST) & (k == np.floor(k)))):
        raise ValueError(f"{name}: expected distinct positive whole numbers up to 2³¹, got {k.tolist()!s:.60}")
    return tuple(int(i) for i in k)


def _real(name: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(float)


@dataclass(frozen=True, eq=False)
class Target:
    """A target function f on an interval, with what an integrator must know of it.

    values, slopes: f and f' as vectorised functions; slopes is None where f jumps (f' is not square integrable).
    breakpoints: points at which f is not smooth; between them f is a polynomial of degree 1 or a sum of sines.
    bandlimit: highest frequency of those sines, in periods over the domain (0 for piecewise-linear f).
    """

    name: str
    values: Callable[[Array], Array]
    slopes: Callable[[Array], Array] | None
    breakpoints: Array
    bandlimit: int


def sines(frequencies: Sequence[int], amplitudes: Sequence[float], domain: Sequence[float] = (0.0, 1.0)) -> Target:
    """f(x) = Σ a_k sin(2πk(x−a)/(b−a)): frequencies count periods over the domain [a, b].

    Raises ValueError unless there is one amplitude for each frequency, a positive whole number.

    >>> float(sines([1, 2], [1.0, 3.0]).values(np.array([0.25]))[0])
    1.0000000000000004
    """
    if len(frequencies) != len(amplitudes) or not len(frequencies):
        raise ValueError(
            f"target: expected one amplitude for each frequency, got {len(frequencies)} frequencies "
            f"and {len(amplitudes)} amplitudes"
        )
    a, b = check_domain(domain)
    k, amplitude = check_whole("frequencies", frequencies), check_row("target.amplitudes", amplitudes)
    omega = 2 * np.pi * np.array(k) / (b - a)
    return Target(
        name="sines",
        values=lambda x: np.sin(np.multiply.outer(x - a, omega)) @ amplitude,
        slopes=lambda x: np.cos(np.multiply.outer(x - a, omega)) @ (omega * amplitude),
        breakpoints=np.empty(0),
        bandlimit=max(k),
    )


def sawtooth(periods: int = 1, domain: Sequence[float] = (0.0, 1.0)) -> Target:
    """f rises linearly from −1 to 1 in each of `periods` equal parts of the domain, and jumps back.

    Its Fourier amplitudes are 2/(πm) at frequencies m·periods. Raises ValueError unless periods is a positive whole
    number.
    """
    a, b = check_domain(domain)
    (periods,) = check_whole("target.periods", [periods])
    return Target(
        name="sawtooth",
        values=lambda x: 2 * np.mod(periods * (x - a) / (b - a), 1.0) - 1,
        slopes=None,
        breakpoints=np.linspace(a, b, periods + 1)[1:-1],
        bandlimit=0,
    )


def samples_of(data: ArrayLike, domain: Sequence[float] = (0.0, 1.0), name: str = "array") -> Target:
    """f interpolates `data`, values at equispaced points from one end of the domain to the other, linearly.

    Raises ValueError unless data is one row of at least two finite numbers of size at most 1e100.

    >>> float(samples_of([0.0, 1.0, 0.0]).values(np.array([0.25]))[0])
    0.5
    """
    a, b = check_domain(domain)
    y = check_row("target", data)
    if len(y) < 2:
        raise ValueError(f"target: expected at least two numbers, got {len(y)}")
    x = np.linspace(a, b, len(y))
    slope = np.diff(y) / np.diff(x)

    def slopes(points: Array) -> Array:
        return slope[np.clip(np.searchsorted(x, points, side="right") - 1, 0, len(slope) - 1)]

    return Target(name, lambda points: np.interp(points, x, y), slopes, x[1:-1], 0)


def terrain(row: int = 172, domain: Sequence[float] = (0.0, 1.0)) -> Target:
    """A row of real elevations (matplotlib's `jacksboro_fault_dem`, 344 rows of 403 points), as a target.

    The straight line through its two ends is taken off, so that f vanishes at both, and max|f| is scaled to 1.
    """
    from matplotlib import cbook

    with np.load(cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        elevation = dem["elevation"].astype(float)
    if row not in range(len(elevation)):
        raise ValueError(f"target.row: expected a row from 0 to {len(elevation) - 1}, got {row}")
    y = elevation[int(row)]
    y = y - np.linspace(y[0], y[-1], len(y))
    return samples_of(y / np.abs(y).max(), domain, name="terrain")


def from_file(path: str | Path, domain: Sequence[float] = (0.0, 1.0)) -> Target:
    """The values in a .npy file, or in a text file of numbers, interpolated linearly over the domain.

    Raises ValueError where the file cannot be read as numbers; OSError where it cannot be opened.
    """
    return samples_of(read_numbers(path, "target"), domain, name=Path(path).name)


def read_numbers(path: str | Path, name: str) -> Array:
    """Numbers from .npy, or from text with white space, commas or line breaks between them.

    `name` says in errors what they are for. Raises ValueError where they cannot be read as real numbers.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            numbers = np.asarray(np.load(path, allow_pickle=False)).squeeze()
        else:
            numbers = np.array(path.read_text(encoding="utf-8-sig").replace(",", " ").split(), dtype=float)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{name}: {path}: expected numbers (.npy or text): {error}") from None
    return _real(f"{name}: {path}", numbers)


@dataclass(frozen=True, eq=False)
class Problem:
    """Fit f on [a, b] in a quadratic loss, and follow the error at some frequencies.

    loss: "mass" ½∫(u−f)², "stiffness" ½∫(u'−f')², or "h1", their sum.
    samples: "exact" integrates over the domain; a number N replaces ∫ by the mean over the N equispaced points
    a + i(b−a)/N, i = 0 … N−1 (mass only: a spline network's derivative jumps at its knots, which may be samples).
    frequencies: periods over the domain at which the error is reported.

    Raises ValueError on a bad domain, a frequency that is no positive whole number or is at or above the sampling
    limit N/2, or a loss that the target or the samples do not allow.
    """

    target: Target
    frequencies: tuple[int, ...]
    domain: Interval = (0.0, 1.0)
    loss: Loss = "mass"
    samples: int | Literal["exact"] = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", check_domain(self.domain))
        object.__setattr__(self, "frequencies", check_whole("frequencies", self.frequencies))
        if self.loss not in get_args(Loss):
            raise ValueError(f'loss: expected "mass", "stiffness" or "h1", got {self.loss!r}')
        if self.samples != "exact":
            if self.loss != "mass":
                raise ValueError(
                    f'samples: loss "{self.loss}" compares derivatives, which jump at the knots: '
                    f'expected samples = "exact", got {self.samples}'
                )
            if not (isinstance(self.samples, int | np.integer) and 2 <= self.samples <= HIGHEST):
                raise ValueError(f'samples: expected "exact" or a whole number from 2 to 2³¹, got {self.samples!r}')
            highest = max(*self.frequencies, self.target.bandlimit)
            if 2 * highest >= self.samples:
                raise ValueError(
                    f"frequencies: {highest} is at or above the sampling limit {self.samples}/2 of "
                    f"samples = {self.samples}"
                )
        elif self.loss != "mass" and self.target.slopes is None:
            raise ValueError(f'loss: "{self.loss}" needs a target without jumps, got "{self.target.name}"')

    @property
    def highest_product(self) -> int:
        """The highest frequency in f(x) exp(−2πik(x−a)/(b−a)), which quadrature has to resolve."""
        return max(self.frequencies) + self.target.bandlimit


def sample(problem: Problem) -> tuple[Array, Array]:
    """Equispaced points and their weights 1/N: Σ w g(x) is the mean over the samples."""
    a, b = problem.domain
    n = int(problem.samples)
    return a + (b - a) * np.arange(n) / n, np.full(n, 1 / n)


def quadrature(problem: Problem, kinks: ArrayLike, degree: int) -> tuple[Array, Array]:
    """Points and weights of composite Gauss quadrature, Σ w g(x) = ∫ g, on the cells between kinks and breakpoints.

    Exact for products of two polynomials of `degree` on each cell, and to round-off for their products with the
    target and with the waves of the problem's frequencies (a cell that spans many periods is cut into equal parts, so
    that the number of points grows in proportion to the frequency).
    """
    a, b = problem.domain
    nodes = np.concatenate([np.ravel(kinks), problem.target.breakpoints])
    nodes = np.unique(np.concatenate([[a, b], nodes[(nodes > a) & (nodes < b)]]))
    half_phases = np.pi * problem.highest_product * np.diff(nodes) / (b - a)
    parts = np.ceil(half_phases / LONGEST).clip(min=1)
    nodes = np.interp(np.arange(parts.sum() + 1), np.concatenate([[0], parts.cumsum()]), nodes)
    half_phase = (half_phases / parts).max()
    # m points integrate e^{iaz} over [−1, 1] to about (e a/4m)^{2m}: the least m for which that is below round-off.
    waves = next(m for m in count(1) if (np.e * half_phase / (4 * m)) ** (2 * m) < 1e-17)
    return composite_gauss(nodes, waves + degree + 1)


def composite_gauss(nodes: Array, points: int) -> tuple[Array, Array]:
    """Gauss–Legendre points and weights on each cell [nodes[i], nodes[i+1]]: exact for polynomials of degree 2·points
    − 1.

    >>> x, w = composite_gauss(np.array([0.0, 0.3, 1.0]), 2)
    >>> bool(abs(w @ x**3 - 1 / 4) < 1e-15)
    True
    """
    z, w = np.polynomial.legendre.leggauss(points)
    half = np.diff(nodes)[:, None] / 2
    return (nodes[:-1, None] + half * (1 + z)).ravel(), (half * w).ravel()
