"""Eigenvalues of ReLU Gram matrices: all of them on random and on uniform knots, and the ends of large spectra."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mpmath import mp, mpf
from scipy.linalg import cho_solve_banded, cholesky_banded, eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh

from experiments.benchmarks.harness import Array, Case, Side
from fembridge.theory.eigenpairs import End, eigenpairs
from fembridge.theory.features import Features, breakpoints, grid, on_knots
from fembridge.theory.grams import dense, gram, nodal_to_relu, relu_to_nodal
from fembridge.theory.meshes import interval_mesh
from fembridge.theory.spaces import assemble, space
from fembridge.theory.spectra import spectrum
from tests.theory.oracle import count_above, dispersion, pencil

DIGITS = 17  # of a reference: more than float64 holds
COUNT = 10  # eigenvalues at an end of a large spectrum
JUDGED = 10_000  # knots up to which counts in 60 digits take seconds


def random_knots(n: int) -> Features:
    return on_knots("relu", np.sort(np.random.default_rng(0).random(n)))


def uniform_knots(n: int) -> Features:
    return on_knots("relu", grid(n))


def all_eigenvalues(features: Features) -> Callable[[], Array]:
    return lambda: spectrum(features).eigenvalues


def lapack(features: Features) -> Callable[[], Array]:
    """Descending, of the dense Gram matrix: its assembly is given to LAPACK for nothing."""
    matrix = dense(gram(features))
    return lambda: eigvalsh(matrix)[::-1]


def by_inertia(features: Features, ranks: Array, starts: Array) -> Array:
    """The eigenvalues of these ranks (0: the largest) to 17 digits, by Sylvester's law of inertia in 60.

    Bisection begins around a start for each; the bracket is widened until the counts confirm it, so that a wrong start
    costs time, and no digit.
    """
    bands, found = pencil(np.sort(breakpoints(features)[:, 0]), features.domain[1]), np.empty(len(ranks))
    for i, (k, start) in enumerate(zip(ranks, starts, strict=True)):
        width = mpf(10) ** -12
        low, high = (mpf(float(start)) * (1 + sign * width) for sign in (-1, 1))
        while not count_above(bands, high) <= k < count_above(bands, low):
            width *= 100
            low, high = low / (1 + width), high * (1 + width)
        while high - low > low * mpf(10) ** -DIGITS:
            middle = (low + high) / 2
            low, high = (middle, high) if count_above(bands, middle) > k else (low, middle)
        found[i] = float(low)
    return found


def sampled_by_inertia(features: Features) -> Array:
    """All eigenvalues, nan where they are not computed: seven from the first to the last are."""
    ranks, found = sample(len(features), 7), np.full(len(features), np.nan)
    found[ranks] = by_inertia(features, ranks, spectrum(features).eigenvalues[ranks])
    return found


def sample(n: int, count: int) -> Array:
    """Ranks from the first to the last."""
    return np.unique(np.linspace(0, n - 1, count).astype(int))


def by_dispersion(features: Features) -> Array:
    """Eigenvalues of uniform knots at some indices, from the dispersion relation in 40 digits; nan at the others.

    Each is the root of `oracle.dispersion` next to the eigenvalue of `spectrum`.
    """
    mp.dps = 40
    n = len(features)
    start, found = spectrum(features).eigenvalues, np.full(n, np.nan)
    scale = 6 * mpf(n) ** 3  # σ = 6λ/h³ is of the size of 1 where λ is smallest, as the tolerance is
    for k in sample(n, 21):
        near = mpf(float(start[k]))
        guesses = scale * near, scale * near * (1 + mpf(10) ** -13)
        sigma = mp.findroot(lambda sigma: dispersion(sigma / scale, n), guesses, tol=mpf(10) ** -60, verify=False)
        found[k] = float(sigma / scale)
    return found


def lapack_misses(found: dict[str, Array]) -> str:
    ours, theirs = found["ours"], found["LAPACK eigvalsh"]
    off, negative = int((np.abs(theirs / ours - 1) > 0.01).sum()), int((theirs <= 0).sum())
    return f"LAPACK has {off:,} of {len(ours):,} eigenvalues more than 1 % off ours, and {negative:,} not positive"


def plain_largest(features: Features) -> Callable[[], Array]:
    """SciPy's Lanczos method on G = Cᵀ M C, in O(n) a product."""
    knots, end = breakpoints(features)[:, 0], features.domain[1]
    mass = assemble("mass", space(interval_mesh(np.append(knots, end)), 1))[1:, 1:]
    c = relu_to_nodal(knots, end)
    g = LinearOperator(c.shape, matvec=lambda v: c.rmatvec(mass @ c.matvec(v)), dtype=float)
    return lambda: lanczos(g)


def plain_smallest(features: Features) -> Callable[[], Array]:
    """SciPy's Lanczos method on G⁻¹ = C⁻¹ M⁻¹ C⁻ᵀ, in O(n) a product, M factorised beforehand."""
    knots, end = breakpoints(features)[:, 0], features.domain[1]
    mass = assemble("mass", space(interval_mesh(np.append(knots, end)), 1))[1:, 1:]
    factor = cholesky_banded(np.stack([mass.diagonal(), np.append(mass.diagonal(-1), 0)]), lower=True)
    d = nodal_to_relu(knots, end)

    def product(v: Array) -> Array:
        return d.matvec(cho_solve_banded((factor, True), d.rmatvec(v)))

    inverse = LinearOperator(d.shape, matvec=product, dtype=float)
    return lambda: 1 / lanczos(inverse)[::-1]


def lanczos(operator: LinearOperator) -> Array:
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    return np.sort(eigsh(operator, COUNT, which="LA", v0=start)[0])[::-1]


def extremes(end: End, plain: Callable[[Features], Callable[[], Array]]) -> Case:
    """Eigenvalues at one end of a spectrum, descending; the first, the middle and the last of them are judged."""

    def reference(features: Features) -> Array:
        found, judged = np.full(COUNT, np.nan), sample(COUNT, 3)
        if len(features) <= JUDGED:
            first = 0 if end == "largest" else len(features) - COUNT
            found[judged] = by_inertia(features, first + judged, plain(features)()[judged])
        return found

    return Case(
        f"{COUNT} {end} eigenvalues, random ReLU knots",
        inputs=random_knots,
        sides=(
            Side("ours", lambda features: lambda: eigenpairs(features, COUNT, end).eigenvalues),
            Side("eigsh, O(n) products", plain),
        ),
        sizes=(JUDGED, 50_000, 200_000, 1_000_000),
        quick=(300,),
        reference=reference,
    )


CASES = [
    Case(
        "all eigenvalues, random ReLU knots",
        inputs=random_knots,
        sides=(Side("ours", all_eigenvalues), Side("LAPACK eigvalsh", lapack)),
        sizes=(500, 1000, 2000, 4000),
        quick=(30,),
        reference=sampled_by_inertia,
        note=lapack_misses,
    ),
    Case(
        "all eigenvalues, uniform ReLU knots",
        inputs=uniform_knots,
        sides=(Side("ours", all_eigenvalues), Side("LAPACK eigvalsh", lapack, upto=4000)),
        sizes=(500, 1000, 2000, 4000, 100_000, 1_000_000),
        quick=(30,),
        reference=by_dispersion,
        note=lapack_misses,
    ),
    extremes("largest", plain_largest),
    extremes("smallest", plain_smallest),
]
