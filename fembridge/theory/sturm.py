"""Eigenvalues of ReLU Gram matrices on any knots by oscillation counts: each to high relative accuracy, O(n) a count.

Written with the slope jumps v_j of a function f and its state (value y, slope s) at the knots, no power of 1/h occurs,
so knots that almost coincide cost no digit. Eliminating the knots from the right, the energy that is left,

    V_i(y, s) = extremum over v_i, v_{i+1}, … of ∫_{x_i}^b (α f² + β f'²) − λ Σ_{j≥i} v_j²/w_j²
              = (P y² + 2Q ys + R s²)/N ,

is a quadratic form of two variables. Its homogeneous (Plücker) coordinates (N, P, Q, R, D), D = (PR − Q²)/N, go from
knot to knot by linear maps, without a division that could be by almost zero (compound matrices: Ng and Reid, J. Comput.
Phys. 58, 1985). The pivots of this elimination are those of an LDLᵀ factorisation of G − λ, so by Sylvester's law of
inertia the changes of sign of N count the eigenvalues above λ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

from fembridge.memory import available
from fembridge.problem import Array

Indices = NDArray[np.intp]
EPS = float(np.finfo(float).eps)
SMALLEST = 1e-200  # of the trace: eigenvalues below are not looked for
RANGE = 900  # binary orders of magnitude between two rescalings


@dataclass(frozen=True, eq=False)
class Beam:
    """Functions f with slope jumps w_j a_j at n knots, and the value w a at the left end if the weight w of the
    constant is not zero; G is the matrix of the energy ∫(α f² + β f'²) in the coefficients (a,) a_0 … a_{n−1}.

    steps: (n,) distances from each knot to the next, the last one to the right end. weights: (n,), none zero.
    mass and stiffness: α and β. constant: w.
    """

    steps: Array
    weights: Array
    mass: float = 1.0
    stiffness: float = 0.0
    constant: float = 0.0

    def __len__(self) -> int:
        return len(self.steps) + bool(self.constant)

    def trace(self) -> float:
        """Σ λ_k = Σ_j w_j² (α ℓ_j³/3 + β ℓ_j) (+ α w² ℓ_0), ℓ_j the distance from knot j to the right end."""
        length = np.cumsum(self.steps[::-1])[::-1]
        energy = self.weights**2 * (self.mass * length**3 / 3 + self.stiffness * length)
        return float(energy.sum() + self.constant**2 * self.mass * length[0])


def transports(beam: Beam) -> Array:
    """T_i (n, 5, 5): how (N, P, Q, R, D) change over the step after knot i, when the energy of that step is added.

    y ↦ y + hs, then P += αh, Q += αh²/2, R += αh³/3 + βh: all entries are positive, so nothing cancels in them.
    """
    h, a, b = beam.steps, beam.mass, beam.stiffness
    one, zero = np.ones_like(h), np.zeros_like(h)
    rows = [
        [one, zero, zero, zero, zero],
        [a * h, one, zero, zero, zero],
        [a * h**2 / 2, h, one, zero, zero],
        [a * h**3 / 3 + b * h, h**2, 2 * h, one, zero],
        [a**2 * h**4 / 12 + a * b * h**2, a * h**3 / 3 + b * h, a * h**2, a * h, one],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _sweep(beam: Beam, values: Array) -> Iterator[tuple[int, Array, Array]]:
    """From the last knot to the first: (i, S, e), the coordinates S 2^e (5, m) of the energy right of knot i as a
    function of the slope behind it, for each value λ (m,); at last i = −1, knot 0 included, and −2 for the constant.

    Knot i: V = W − (q y + r s)²/(r − λ/w²), that is N −= μR and P −= μD with μ = w²/λ (and a factor −λ/w² left out).
    The constant: N −= w²P/λ. The arrays are overwritten by the next step.
    """
    reciprocal = 1 / values
    factors, maps = beam.weights**2, transports(beam)
    growth = 4 + np.log2(1 + maps.sum(axis=(1, 2))) + 2 * np.log2(1 + factors * reciprocal.max())
    s, following, jump = np.zeros((5, len(values))), np.empty((5, len(values))), np.empty((2, len(values)))
    s[0] = 1
    exponent, grown = np.zeros(len(values), dtype=int), 0.0
    for i, transport in zip(range(len(factors) - 1, -1, -1), maps[::-1], strict=True):
        s, following = np.matmul(transport, s, out=following), s
        yield i, s, exponent
        np.multiply(s[3:], reciprocal, out=jump)
        jump *= factors[i]
        s[:2] -= jump
        grown += growth[i]
        if grown + growth[max(i - 1, 0)] > RANGE:
            binary = np.frexp(np.abs(s).max(axis=0))[1]
            s *= np.ldexp(1.0, -binary)
            exponent, grown = exponent + binary, 0.0
    yield -1, s, exponent
    if beam.constant:
        s[0] -= beam.constant**2 * reciprocal * s[1]
        yield -2, s, exponent


def count_above(beam: Beam, values: Array) -> Array:
    """The number of eigenvalues above each value (m,), in O(n m).

    >>> one = Beam(np.ones(1), np.ones(1))      # ∫₀¹ x² = 1/3
    >>> count_above(one, np.array([0.33, 0.34]))
    array([1, 0])
    """
    counts, negative = np.zeros(len(values), dtype=int), np.zeros(len(values), dtype=bool)
    for _, s, _ in _sweep(beam, values):
        now = np.signbit(s[0])
        counts += now != negative
        negative = now
    return counts


def isolate(beam: Beam, ranks: Indices) -> tuple[Array, Array]:
    """Lower and upper ends of intervals that hold the eigenvalue of each rank (0: the largest) and no other, or are
    4 ε wide (relative).

    Counts at geometrically spaced values, coarse and then fine, and bisection of all intervals at once.

    Raises ArithmeticError where an eigenvalue is smaller than 1e-200 of the trace.
    """
    upper, lower = np.full(len(ranks), beam.trace() * (1 + 8 * len(beam) * EPS)), np.zeros(len(ranks))
    more, fewer = np.full(len(ranks), len(beam)), np.zeros(len(ranks), dtype=int)

    def narrow(values: Array) -> None:
        """Between two neighbours of these descending values."""
        above = count_above(beam, values)
        place = np.searchsorted(above, ranks, side="right")  # values[place − 1] is above the eigenvalue
        for limits, counts, at in ((upper, fewer, place - 1), (lower, more, place)):
            known = (at >= 0) & (at < len(values))
            limits[known], counts[known] = values[at[known]], above[at[known]]

    narrow(upper[0] * np.geomspace(1, SMALLEST, 256))
    if not lower.all():
        raise ArithmeticError("sturm: the eigenvalues span more than 200 orders of magnitude")
    narrow(np.geomspace(upper.max(), lower.min(), 2 * len(ranks) + 2))
    while (wide := (more - fewer > 1) & (upper > lower * (1 + 4 * EPS))).any():
        middle = np.sqrt(lower[wide]) * np.sqrt(upper[wide])
        above = count_above(beam, middle)
        higher = above > ranks[wide]
        lower[wide], more[wide] = np.where(higher, (middle, above), (lower[wide], more[wide]))
        upper[wide], fewer[wide] = np.where(higher, (upper[wide], fewer[wide]), (middle, above))
    return lower, upper


def determinant(beam: Beam, values: Array) -> tuple[Array, Array]:
    """det(I − G/λ) = m 2^e for each λ (m,), as mantissas and exponents: the last N."""
    *_, (_, s, exponent) = _sweep(beam, values)
    return s[0].copy(), exponent


def eigenvalues(beam: Beam, ranks: Indices) -> tuple[Array, Array]:
    """Eigenvalues of these ranks (0: the largest), and bounds on their relative errors: 4 ε for the roots, and what the
    rounding of the steps adds.

    Zeros of the determinant between the ends of isolating intervals, by Chandrupatla's method: about 20 sweeps more.

    >>> one = Beam(np.ones(1), np.ones(1))
    >>> bool(abs(eigenvalues(one, np.array([0]))[0][0] - 1 / 3) < 1e-15)
    True
    """
    lower, upper = isolate(beam, ranks)
    _, reference = determinant(beam, lower)

    def scaled(values: Array, lower: Array, reference: Array, ranks: Indices) -> Array:
        """det(I − G/λ) λ^rank: what is left of the larger eigenvalues varies little over an interval."""
        mantissa, exponent = determinant(beam, values)
        power = exponent - reference + ranks * np.log2(values / lower)
        whole = np.floor(power)
        return np.ldexp(mantissa * np.exp2(power - whole), np.clip(whole, -1000, 1000).astype(int))

    found = find_root(
        scaled, (lower, upper), args=(lower, reference, ranks), tolerances={"xrtol": 2 * EPS, "xatol": 0, "fatol": 0}
    )
    ends, misses = np.array(found.bracket), np.abs(found.f_bracket)
    nearer = np.where(misses[0] < misses[1], *ends)  # where the sign does not change, an end is the root to round-off
    values = np.where(upper > lower * (1 + 4 * EPS), np.where(found.success, found.x, nearer), (lower + upper) / 2)
    parts = np.array_split(values, -(-len(ranks) // block(beam)))
    return values, 4 * EPS + np.concatenate([rounding(beam, part) for part in parts])


def rounding(beam: Beam, values: Array) -> Array:
    """How far the rounding of every step moves each eigenvalue, relative to it and to first order.

    det(I − G/λ) = A_i·S_i for the coordinates S_i of the energy to the right of step i and the adjoint A_i from the
    left, for every i. Each step rounds S by 6 ε (its entries: T |S|), so

        |δλ|/λ ≤ 6 ε Σ_i |A_i|·T_i|S_{i+1}| / |λ d det/dλ| ,      λ d det/dλ = Σ_i μ_i (A_N R + A_P D)_i .
    """
    n, m = len(beam.steps), len(values)
    right, exponents = np.empty((n + 1, 5, m)), np.zeros((n + 1, m), dtype=int)
    right[n] = np.eye(5)[0][:, None]
    for i, s, exponent in _sweep(beam, values):
        if i >= 0:
            binary = np.frexp(np.abs(s).max(axis=0))[1]
            right[i], exponents[i] = s * np.ldexp(1.0, -binary), exponent + binary
    factors = np.append(beam.weights**2, 0.0)[:, None] / values
    a, shift, size = np.zeros((5, m)), -exponents[0], np.zeros(m)
    a[0] = 1
    a[1] = -(beam.constant**2) / values
    derivative = -a[1] * (right[0, 1] - factors[0] * right[0, 4])  # of the constant, which comes after knot 0
    for i, transport in enumerate(transports(beam)):
        derivative += np.ldexp(factors[i] * (a[:2] * right[i, 3:]).sum(axis=0), exponents[i] + shift)
        a[3:] -= factors[i] * a[:2]
        binary = np.frexp(np.abs(a).max(axis=0))[1]
        a *= np.ldexp(1.0, -binary)
        shift = shift + binary
        outer = np.abs(right[i + 1])
        outer[:2] += factors[i + 1] * outer[3:]
        size += np.ldexp((transport.T @ np.abs(a) * outer).sum(axis=0), exponents[i + 1] + shift)
        a = transport.T @ a
    return 6 * EPS * size / np.maximum(np.abs(derivative), EPS**2 * size)


def block(beam: Beam) -> int:
    """How many eigenvalues `rounding` can take at a time in a quarter of the memory."""
    return max(1, int(available() / (4 * 8 * 7 * (len(beam) + 1))))


def solve(beam: Beam, values: Array, right: Array) -> Array:
    """x = (G − λ)⁻¹ b for each λ (m,) and its column of b (n, m), in O(n m).

    The linear part ℓ_y y + ℓ_s s of the energy is carried along from the right, the states (y, s) follow from the left.
    """
    n, m = len(beam.steps), len(values)
    gains, loads = np.empty((n, 3, m)), np.empty((n, m))
    constant, linear_y, linear_s = np.zeros((3, m))
    b = right[bool(beam.constant) :] / beam.weights[:, None]
    for i, (count, p, q, r, _), _ in _sweep(beam, values):
        if i >= 0:
            mu = beam.weights[i] ** 2 / values
            pivot = count - mu * r
            np.copyto(pivot, EPS * count, where=pivot == 0)
            gains[i] = np.stack([q, r, count]) * (mu / pivot)
            linear_s = linear_s + beam.steps[i] * linear_y
            loads[i] = linear_s - b[i]
            linear_y = linear_y + gains[i, 0] * loads[i]
            linear_s = linear_s + gains[i, 1] * loads[i]
        elif i == -1 and beam.constant:
            pivot = values / beam.constant**2 * count - p
            np.copyto(pivot, EPS * p, where=pivot == 0)
            constant = (linear_y - right[0] / beam.constant) * count / pivot
    x, y, s = np.empty((n, m)), constant, np.zeros(m)
    for i, h in enumerate(beam.steps):
        x[i] = gains[i, 0] * y + gains[i, 1] * s + gains[i, 2] * loads[i]
        # s + x_i, without the difference of the two jumps of almost coincident knots
        s = gains[i, 0] * y + gains[i, 2] * (loads[i] + s * values / beam.weights[i] ** 2)
        y = y + h * s
    x /= beam.weights[:, None]
    return np.concatenate([constant[None] / beam.constant, x]) if beam.constant else x


def eigenvectors(beam: Beam, values: Array) -> Array:
    """Unit eigenvectors (n, m) of the descending eigenvalues (m,), by two steps of inverse iteration.

    The vectors of a cluster, eigenvalues nearer than 1e-4 (relative) to the next, are made orthogonal after each step.
    Digits are lost, about ε/p of the vector, where λ is to p (relative) an eigenvalue of the knots from some i on too.
    """
    x = np.random.default_rng(0).standard_normal((len(beam), len(values)))
    clusters = np.split(np.arange(len(values)), 1 + np.flatnonzero(values[1:] < (1 - 1e-4) * values[:-1]))
    for _ in range(2):
        x = solve(beam, values, x)
        x /= np.abs(x).max(axis=0)
        x /= np.sqrt((x**2).sum(axis=0))
        for cluster in clusters:
            if len(cluster) > 1:
                x[:, cluster] = np.linalg.qr(x[:, cluster])[0]
    return x
