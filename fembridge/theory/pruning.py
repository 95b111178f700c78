"""Features kept at random: how far eigenvalues of their Gram matrix scatter, and how small they can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh

from fembridge.problem import Array


def pruned_variance(gram: ArrayLike, kept: int, count: int) -> Array:
    """Variances of λ_j(G_S)/m over λ_j(G)/n, j = 1 … count, to first order, of a random m = `kept` of n features:

        (1/m − 1/n) n/(n − 1) · var_i(n q_ij²),   q_j the unit eigenvectors of G (n, n).

    (1/m) Σ_{i∈S} φ_i ⊗ φ_i is a mean over a sample without replacement of terms whose mean has the eigenvalues λ_j/n;
    in the eigenfunction e_j they are ⟨φ_i, e_j⟩² = λ_j q_ij². Of sines n q² has the variance ½, of beams more.

    Raises ValueError unless 1 ≤ count ≤ kept ≤ n.

    >>> pruned_variance(np.diag([2.0, 1.0, 1.0]), 2, 1)           # 2 is there with probability 2/3, as 3/2 of its share
    array([0.5])
    """
    G = np.asarray(gram, dtype=float)
    n = len(G)
    if not 1 <= count <= kept <= n:
        raise ValueError(f"kept: expected count ≤ kept ≤ {n} features, got {count} and {kept}")
    q = np.linalg.eigh(G)[1][:, ::-1][:, :count]
    return np.asarray((1 / kept - 1 / n) * n / (n - 1) * (n * q**2).var(axis=0))


def pruned_condition(kept: ArrayLike, n: ArrayLike) -> Array:
    """(m/n) κ_n = κ_m (n/m)³ for m of n equispaced ReLUs, kept at random; κ_n = 48 n⁴/β₁⁴.

    λ_max(G_S) tends to m/n of λ_max(G). λ_min(G_S) ≥ λ_min(G) = 1/(48 n³), as G_S is a principal submatrix (Cauchy's
    interlacing), and comes down to it with the longest run of neighbours that were all kept: a vector on r of them
    whose function vanishes outside has λ (h³/48)(1 + O(r⁻²)), h = 1/n.

    >>> float(pruned_condition(50, 100) / pruned_condition(50, 50))
    8.0
    """
    m, total = np.asarray(kept, dtype=float), np.asarray(n, dtype=float)
    return np.asarray(m * total**3 * 48 / 1.8751040687119611**4)


def run_eigenvalue(length: int, h: float = 1.0) -> float:
    """An upper bound on λ_min of any ReLU features among which r = length kinks in a row are h apart: the least λ of

        M u = λ DᵀD u,   M = (h/6) tridiag(1, 4, 1),   D u = the r jumps of slope of Σ_i u_i Hat_i,

    hats on the r − 2 inner kinks: of functions that vanish outside the run. It tends to h³/48 as r grows.

    Raises ValueError for fewer than three.

    >>> run_eigenvalue(3) * 9, round(run_eigenvalue(400) * 48, 3)         # one hat, jumps 1, −2, 1; → h³/48
    (1.0, 1.0)
    """
    if length < 3:
        raise ValueError(f"length: expected three kinks or more, got {length}")
    inner = np.eye(length - 2)
    D = np.diff(np.pad(inner, ((2, 2), (0, 0))), 2, axis=0) / h
    M = h * (4 * inner + np.eye(length - 2, k=1) + np.eye(length - 2, k=-1)) / 6
    return float(eigh(M, D.T @ D, eigvals_only=True, subset_by_index=[0, 0])[0])


def longest_run(kept: ArrayLike) -> int:
    """The length of the longest run of consecutive whole numbers in an ascending row.

    >>> longest_run([0, 2, 3, 4, 7, 8])
    3
    """
    steps = np.flatnonzero(np.append(np.diff(np.asarray(kept)) != 1, True))
    return int(np.diff(steps, prepend=-1).max())
