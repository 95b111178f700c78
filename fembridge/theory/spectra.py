"""Eigenvalues of Gram matrices, each with a bound on its error, by the best method for the features.

| features | method | cost | relative error |
|---|---|---|---|
| ReLU on equispaced knots; equispaced B-splines | dispersion | O(n) | a few ε; of B-splines, of λ_max |
| ReLU on any knots, all facing right | sturm | O(n²), O(n) memory | a few ε each |
| the same, only the largest or smallest | lanczos | O(n) a product | with its residuals |
| compact support | banded | O(n²), O(n) memory | a few ε of λ_max |
| all others | dense | O(n³), O(n²) memory | n ε of λ_max |
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from scipy.sparse import csr_array, issparse

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory import dispersion, sturm, toeplitz
from fembridge.theory.features import Features, breakpoints
from fembridge.theory.grams import dense, derivatives, gram
from fembridge.theory.spaces import named_form
from fembridge.theory.symmetric import Spectrum, absolute, banded, dense_symmetric, diagonals

STURM = "Sturm counts by compound matrices"
EPS = float(np.finfo(float).eps)
Method = Literal["auto", "dispersion", "sturm", "lanczos", "banded", "dense"]
QUADRATIC = 50_000  # knots: above, all eigenvalues in O(n²) take more than some minutes, and must be asked for
SMALL = 200  # features: up to here a dense solver is as fast as a banded one


def spectrum(features: Features, form: str = "mass", method: Method = "auto", affine: bool = False) -> Spectrum:
    """All eigenvalues of the Gram matrix a(φ_i, φ_j): ∫uv ("mass"), ∫u'v' ("stiffness") or their sum ("h1").

    method: chosen by the features (see above) unless one is named. affine: with the functions 1 and x − a among the
    features, a the left end; a ReLU whose kink is a is x − a already. For right-facing ReLUs.

    Knots that are equispaced to round-off (far below their distance) are taken as equispaced, with the bounds of those.

    Raises ValueError for an unknown form, a method that does not apply, or more than 50,000 knots where only O(n²)
    methods do and none was named; MemoryError before a matrix that would not fit is allocated; ArithmeticError where
    the eigenvalues of ReLUs span more than 200 orders of magnitude.

    >>> from fembridge.theory.features import grid, on_knots
    >>> s = spectrum(on_knots("relu", grid(1_000_000)))
    >>> bool(abs(s.eigenvalues[0] / 1e6 * 1.8751040687119611**4 - 1) < 4e-6)     # → n β₁⁻⁴, the cantilever beam
    True
    >>> float(s.error.max()) < 1e-13
    True
    """
    named_form(form)
    if method == "lanczos":
        raise ValueError(
            'method: "lanczos" is for some eigenpairs; for all of them auto, dispersion, sturm, banded or dense'
        )
    applies(features, method, affine)
    if right_facing_relu(features) and method in ("auto", "dispersion", "sturm"):
        found = _dispersion(features, form, affine) if method != "sturm" else None
        if found is None and method == "dispersion":
            raise ValueError(
                "method: dispersion needs equispaced knots from the left end on, the mass or the stiffness, one weight "
                "for all, and with affine weight 1 and steps of 2 at most"
            )
        found = found or _sturm(features, form, affine, method == "sturm")
        if affine and form == "stiffness":  # the constant has no energy
            return replace(found, eigenvalues=np.append(found.eigenvalues, 0.0), error=np.append(found.error, 0.0))
        return found
    matrix, reach = assembled(features, form, method)
    if issparse(matrix) and method != "dense" and (len(features) > SMALL or method != "auto"):
        found = _equispaced(csr_array(matrix), reach) if method != "banded" else None
        if found is None and method == "dispersion":
            raise ValueError(
                "method: dispersion needs equispaced knots and one weight, at most two cut ends, a monotone symbol"
            )
        return found or banded(csr_array(matrix), reach)
    return dense_symmetric(dense(matrix), reach)


def applies(features: Features, method: str, affine: bool) -> None:
    """Raise ValueError where a method or `affine` does not apply to the features."""
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}, got {method!r}")
    right = right_facing_relu(features)
    if method in ("sturm", "lanczos") and not right:
        raise ValueError(f"method: {method} needs ReLUs with distinct kinks inside the domain that all face right")
    if method in ("banded", "dispersion") and not (features.activation.compact or (right and method == "dispersion")):
        raise ValueError(f'method: {method} does not apply to these "{features.activation.name}" features')
    if affine and not (right and method in ("auto", "dispersion", "sturm")):
        raise ValueError(
            "affine: expected ReLUs with distinct kinks inside the domain that all face right, "
            "and method auto, dispersion or sturm"
        )


def assembled(features: Features, form: str, method: str) -> tuple[Array | csr_array, float]:
    """The Gram matrix, sparse for compact support, after its memory was estimated; and `reach_of` what is in it."""
    if not features.activation.compact or method == "dense":
        require_memory(4 * 8 * len(features) ** 2, f"the dense Gram of {len(features)} features")
    return gram(features, form), reach_of(features if form == "mass" else derivatives(features)[0])


def _dispersion(features: Features, form: str, affine: bool) -> Spectrum | None:
    """ReLUs on a + j(b−a)/n with one weight: from one scalar equation; None where it does not apply."""
    (a, b), n = features.domain, len(features)
    kinks, weight = np.sort(breakpoints(features)[:, 0]), features.weights[0]
    rounded, h = 4 * EPS * max(abs(a), abs(b)), (b - a) / n
    equispaced = np.abs(kinks - (a + (b - a) * np.arange(n) / n)).max() <= rounded <= h / 1000
    if not (equispaced and (features.weights == weight).all() and form in ("mass", "stiffness")):
        return None
    if affine and weight != 1:
        return None  # the constant does not scale with the others
    try:
        values, error = (
            dispersion.relu_mass(n, b - a, affine) if form == "mass" else dispersion.relu_stiffness(n, b - a)
        )
    except ArithmeticError:
        return None
    return Spectrum(weight**2 * values, error, "dispersion relation of equispaced knots", 0.0)


def beam_of(features: Features, form: str, affine: bool) -> tuple[sturm.Beam, float, float]:
    """The beam in units of the length L of the domain; the factor of its eigenvalues, L³; what the rounding of the
    kinks adds to their relative errors.

    ∫f² = L³∫f̂² and ∫f'² = L³ (1/L²)∫f̂'² for f(a + Lx̂) = L f̂(x̂), and the constant 1 is 1/L.
    """
    kinks, (a, b) = breakpoints(features)[:, 0], features.domain
    order, length = np.argsort(kinks), b - a
    knots, weights = kinks[order], features.weights[order]
    if affine and knots[0] > a:
        knots, weights = np.append(a, knots), np.append(1.0, weights)
    mass, stiffness = float(form != "stiffness"), float(form != "mass") / length**2
    constant = 1 / length if affine and mass else 0.0
    beam = sturm.Beam(np.diff(np.append(knots, b)) / length, weights, mass, stiffness, constant)
    return beam, length**3, kink_rounding(features, affine)


def _sturm(features: Features, form: str, affine: bool, forced: bool) -> Spectrum:
    beam, factor, rounding = beam_of(features, form, affine)
    affordable(len(beam), len(beam), forced)
    values, error = sturm.eigenvalues(beam, np.arange(len(beam)))
    return Spectrum(factor * values, error + rounding, STURM, 0.0)


def affordable(n: int, count: int, forced: bool) -> None:
    """Raise ValueError where counts for so many eigenvalues of n knots would take long, unless asked for.

    A step of a count costs as much as 3,000 eigenvalues more, besides those.
    """
    if n * (count + 3000) > QUADRATIC * (QUADRATIC + 3000) and not forced:
        minutes = n * (count + 3000) / (4000 * 7000) * 2 / 60
        raise ValueError(
            f"knots: counts for {count:,} eigenvalues of {n:,} knots take about {minutes:.0f} minutes: ask for the "
            'largest or smallest few of the mass or the stiffness, or name the method "sturm"'
        )


def _equispaced(matrix: csr_array, reach: float) -> Spectrum | None:
    """A Gram matrix that is Toeplitz but for its corners: from the phases of its waves; None where it does not apply.

    How far its entries are from constant along a diagonal is added to the error.
    """
    lower, n = diagonals(matrix), matrix.shape[0]
    p = len(lower) - 1
    if not 1 <= p <= n // 64:
        return None
    inner = [row[p - k : n - p] for k, row in enumerate(lower)]
    entries = np.array([row.mean() for row in inner])
    uneven = max(float(np.ptp(row)) for row in inner)
    if uneven > (64 + 8 * reach) * EPS * entries[0]:
        return None
    corners = matrix[:p, :p].toarray(), matrix[n - p :, n - p :].toarray()
    try:
        values, bound = toeplitz.eigenvalues(entries, *corners, n)
    except ArithmeticError:
        return None
    rounded = (2 * p + 1) * uneven + 4 * reach * EPS * np.abs(values).max()
    return absolute(values, bound + rounded, "dispersion relation of a Toeplitz matrix with corners")


def reach_of(features: Features) -> float:
    """max |σ'(z)| (|w x| + |c|) over max |σ(z)|, z = w x + c: how many ε the rounding of z is in the features.

    Looked for at the ends of the domain and at the activation's knots. For σ of degree 0 a jump moves by that much.
    """
    sigma, (a, b) = features.activation, features.domain
    ends = np.outer(features.weights, [a, b]) + features.biases[:, None]
    inside = (sigma.knots >= ends.min(axis=1)[:, None]) & (sigma.knots <= ends.max(axis=1)[:, None])
    z = np.concatenate([ends.ravel(), np.broadcast_to(sigma.knots, inside.shape)[inside]])
    rounded = np.abs(features.weights).max() * np.abs(features.domain).max() + np.abs(features.biases).max()
    slope = np.abs(sigma.derivative()(z)).max() if sigma.degree else 1.0
    return float(rounded * slope / max(np.abs(sigma(z)).max(), np.finfo(float).tiny))


def right_facing_relu(features: Features) -> bool:
    """Whether these are ReLUs with distinct kinks inside [a, b), all of them active to the right."""
    if features.activation.name != "relu" or (features.weights <= 0).any():
        return False
    kinks, (a, b) = np.sort(breakpoints(features)[:, 0]), features.domain
    return bool(kinks[0] >= a and kinks[-1] < b and (np.diff(kinks) > 0).all())


def kink_rounding(features: Features, affine: bool = False) -> float:
    """6 ε |b|/h for the smallest step h: where w ≠ 1 a kink −c/w is rounded, and so is the distance to the next.

    affine: with a kink at the left end.
    """
    if (features.weights == 1).all():
        return 0.0
    kinks, ends = breakpoints(features), np.array(features.domain)
    steps = np.diff(np.unique(np.append(kinks, ends if affine else ends[1])))
    return float(6 * EPS * np.abs(ends).max() / steps.min())
