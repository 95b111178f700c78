"""Features of a designed activation on an interval, with boundary features that keep the condition of the symbol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh, qr
from scipy.sparse import coo_array, csr_array, hstack, vstack

from fembridge.problem import Array
from fembridge.theory.design.designs import Design
from fembridge.theory.features import Features
from fembridge.theory.grams import gram
from fembridge.theory.splines import bspline

SMALL = 1e-9  # what may be cut off a boundary feature, as a part of its largest coefficient
WINDOW = 1024  # cells on which boundary features are computed


@dataclass(frozen=True, eq=False)
class Designed:
    """Features Φ = T B on [0, 1] cut into n cells of width h: B the n + p B-splines B_p(x/h − j), j = −p … n − 1.

    matrix: T (n + p, n + p): the boundary features of the left end, those inside, σ(x/h − j), and those of the right.
    boundary: how many there are at the two ends.
    """

    design: Design
    cells: int
    matrix: csr_array
    boundary: tuple[int, int]

    def gram(self) -> csr_array:
        """G = T M Tᵀ, M the finite-element mass matrix of the B-splines, with ∫ over [0, 1]."""
        return csr_array(self.matrix @ mass(self.design.degree, self.cells) @ self.matrix.T)


def splines(degree: int, cells: int) -> Features:
    """The n + p B-splines B_p(n x − j), j = −p … n − 1, as features on [0, 1]."""
    j = np.arange(-degree, cells)
    return Features(bspline(degree), np.full(len(j), float(cells)), -j.astype(float), (0.0, 1.0))


def mass(degree: int, cells: int) -> csr_array:
    """∫ B_i B_j over [0, 1], (n + p, n + p)."""
    return csr_array(gram(splines(degree, cells)))


def designed_features(design: Design, cells: int) -> Designed:
    """All of the spline space on [0, 1] with n equal cells, in features of a designed activation.

    Inside, where they are not cut, stand the σ(x/h − j). What their span lacks of the space is its orthogonal
    complement in L²; its 2p + M − 1 functions decay from the two ends, a basis of them is orthogonal, and is scaled to
    the geometric mean of the target. So the Gram is the finite Toeplitz matrix of the symbol and a multiple of 1, and

        κ(G) ≤ max(max s, t̄)/min(min s, t̄),

    the condition of the symbol, whatever n. (Features that are cut at the ends have no such bound.)

    Raises ValueError where there are fewer cells than the boundary features of the two ends take.

    >>> from fembridge.theory.design.designs import design
    >>> G = designed_features(design("flat", taps=3), 100).gram().toarray()
    >>> bool(np.linalg.cond(G) < 1.08)
    True
    """
    p, taps = design.degree, design.taps
    window = min(cells, WINDOW)
    if window < 2 * (len(taps) + 2 * p):
        raise ValueError(
            f"cells: expected at least {2 * (len(taps) + 2 * p)} for {len(taps)} taps of degree {p}, got {cells}"
        )
    left, right = (end * np.sqrt(level(design)) for end in _ends(design, window, cells > window))
    inside = _inside(design, cells)
    return Designed(design, cells, _stacked(left, inside, right, cells + p), (len(left), len(right)))


def _inside(design: Design, cells: int) -> coo_array:
    """The rows of σ(x/h − j), all their B-splines uncut."""
    p, taps = design.degree, design.taps
    count = cells - p - len(taps) + 1
    row, tap = np.divmod(np.arange(count * len(taps)), len(taps))
    return coo_array((taps[tap], (row, row + tap + p)), shape=(count, cells + p))


def _ends(design: Design, cells: int, cut: bool) -> tuple[Array, Array]:
    """Coefficients of the complement, L²-orthonormal on cells of width 1, sorted to the two ends.

    Those of a longer interval are the same to rounding, where they have decayed in the middle of this one.
    """
    M = mass(design.degree, cells).toarray() * cells
    T = _inside(design, cells).toarray()
    complement = qr((T @ M).T)[0][:, len(T) :]
    place = np.arange(len(M))
    moment = complement.T @ (M * np.add.outer(place, place) / 2) @ complement
    at, mix = eigh(moment, complement.T @ M @ complement)
    functions = (complement @ mix).T
    middle = len(M) // 2
    left, right = functions[at < middle], functions[at >= middle]
    if cut:
        if max(np.abs(left[:, middle:]).max(), np.abs(right[:, :middle]).max()) > SMALL * np.abs(functions).max():
            raise ValueError(
                f"cells: the boundary features of this design decay too slowly: expected at most {cells} cells"
            )
        left, right = left[:, :middle], right[:, middle:]
    return left, right


def level(design: Design) -> float:
    """The geometric mean of the target over the band."""
    theta = np.pi * np.linspace(*design.band, 500)
    return float(np.exp(np.log(design.target(theta)).mean()))


def _stacked(left: Array, inside: coo_array, right: Array, width: int) -> csr_array:
    """The boundary features at the left, those inside, and those at the right, as rows."""
    first = hstack([csr_array(left), csr_array((len(left), width - left.shape[1]))])
    last = hstack([csr_array((len(right), width - right.shape[1])), csr_array(right)])
    return csr_array(vstack([first, inside, last]))
