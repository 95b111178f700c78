"""Laplace modes of a domain in 1, 2 or 3 dimensions: what "frequency" means there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from skfem import Basis, MappingAffine
from threadpoolctl import threadpool_limits

from fembridge.memory import require_memory
from fembridge.problem import Array
from fembridge.theory.dissection import EPS, cholesky, dissect, inertia
from fembridge.theory.krylov import Krylov, columns_held
from fembridge.theory.spaces import assemble, mass

TOLERANCE = 1e-11  # of a Ritz pair's residual, relative to its eigenvalue θ: λ then errs by the square of it
WINDOW = (
    12  # how far above the last mode a gap is looked for: multiplets of a cube have up to 6 modes, some by chance 12
)
DENSE = 500  # unknowns up to which all eigenpairs are computed at once


@dataclass(frozen=True, eq=False)
class LaplaceModes:
    """Eigenpairs K v = ω² M v of a finite-element space: what "frequency" means on its domain.

    frequencies: ω ≥ 0 ascending. vectors: columns, M-orthonormal. residuals: ‖K v − ω² M v‖₂/(‖K v‖₂ + ω²‖M v‖₂), 0
    for ω = 0. error: bound on |ω̂ − ω| (`_bound`); 0 for ω = 0, which is known. converged: whether the search reached
    its tolerance; `error` holds either way. certified: whether it is shown that none is missing, so that these are the
    lowest modes with all copies of each; if not, `error` is the distance to some modes, of higher number perhaps.
    """

    frequencies: Array
    vectors: Array
    residuals: Array
    error: Array
    method: str
    converged: bool
    certified: bool


def laplace_modes(basis: Basis, count: int, certify: bool = True) -> LaplaceModes:
    """The `count` lowest modes of the pencil (K, M) with natural (Neumann) ends: on a box, products of cosines.

    T = (K + sM)⁻¹M has eigenvalues θ = 1/(ω² + s), s = |Ω|^{−2/d}. One sparse Cholesky factor, ordered by nested
    dissection, serves a block Lanczos method that is orthogonalised in full; small spaces are solved dense. The modes
    of ω = 0 are the constants on each connected part.

    certify: a second factorisation, of K − μM with μ in the widest gap among the next few modes, counts the modes below
    μ (Sylvester's law of inertia; `dissection.inertia` bounds its rounding). Modes that it shows to be missing are
    looked for. Without it up to a third of the time is saved, and a copy of a multiple frequency could be missing. A
    multiplet of more than twelve that `count` cuts is not certified: there is no gap in it.

    Raises ValueError for a count that the space does not have, functions that are not continuous, and nodes outside all
    cells; MemoryError before a factor or a basis that would not fit is computed.

    >>> from fembridge.theory.meshes import box_mesh
    >>> from fembridge.theory.spaces import space
    >>> modes = laplace_modes(space(box_mesh([(0.0, 1.0), (0.0, 1.0)], 20), 2), 6)
    >>> np.round(modes.frequencies**2 / np.pi**2, 3)     # j² + k²
    array([0., 1., 1., 2., 4., 4.])
    >>> modes.certified
    True
    """
    with threadpool_limits(1, user_api="blas"):  # fronts and blocks are small: threads wait longer than they work
        return _lowest(basis, count, certify)


def _lowest(basis: Basis, count: int, certify: bool) -> LaplaceModes:
    if not 1 <= count <= basis.N:
        raise ValueError(f"laplace_modes: expected a count from 1 to {basis.N}, got {count}")
    k, m = assemble("stiffness", basis), assemble("mass", basis)
    shift = float(m.sum()) ** (-2 / basis.mesh.dim())
    constants = _constants(basis, k, m, count)
    if constants.shape[1] == count:
        zeros = np.zeros(count)
        return LaplaceModes(zeros, constants, zeros, zeros, "constants on the connected parts", True, True)
    if basis.N <= max(DENSE, 5 * count):
        return _dense(k, m, constants, shift, count)

    tree, room = dissect(csr_array(k + m), basis.doflocs), count + 2 * WINDOW
    entries = tree.fill + tree.peak + basis.N * columns_held(constants.shape[1], room)
    require_memory(8 * entries, f"a search for {count} modes of {basis.N} unknowns")
    factor = cholesky(csr_array(k + shift * m), tree)
    search = Krylov(factor.solve, m, constants, np.full(constants.shape[1], 1 / shift), room)
    converged, certified, wanted = search.advance(count, TOLERANCE), False, count
    if certify and converged:
        # Where θ falls most from one to the next. What lies below is to be found whole.
        theta = search.theta[count - 1 : count + WINDOW]
        wanted = count + int(np.argmax(theta[:-1] / theta[1:]))
        converged = search.advance(wanted, TOLERANCE)
        mu = 2 / (search.theta[wanted - 1] + search.theta[wanted]) - shift
        below, rounding = inertia(csr_array(k - mu * m), tree, np.sqrt(m.diagonal()))
        limit, most = mu - rounding / _smallest_mass(basis), 2 * search.room
        while converged and wanted < below <= most and search.columns < 20 * most:
            converged = search.advance(below, TOLERANCE)
            if 1 / search.theta[below - 1] - shift < limit:
                wanted = below
            else:
                search.renew(wanted)
        # Ritz values lie above the eigenvalues (min–max): at least `wanted` lie below the limit, and `below` at most.
        certified = below == wanted and bool(1 / search.theta[wanted - 1] - shift < limit)
    method = f"block Lanczos on (K + sM)⁻¹M by nested dissection, {search.columns} solves"
    vectors = search.vectors(wanted)[:, constants.shape[1] :]
    return _modes(k, m, shift, constants, vectors, factor.solve, count, method, converged, certified)


def _constants(basis: Basis, k: csr_array, m: csr_array, count: int) -> Array:
    """The functions that are constant on one connected part and 0 on the others, as M-normalised columns: `count` of
    them at most.
    """
    if not (m.diagonal() > 0).all():
        raise ValueError(f"laplace_modes: node {int(np.argmin(m.diagonal()))} of the mesh is in no cell: remove it")
    if not (k.diagonal() > 0).all():
        raise ValueError("laplace_modes: expected continuous functions, of degree 1 or more")
    # Coefficients of 1: all of them in a nodal basis, those of the vertices in a hierarchical one.
    vertices = np.isin(np.arange(basis.N), basis.nodal_dofs).astype(float)
    candidates = [one for one in (np.ones(basis.N), vertices) if np.abs(k @ one).max() <= 1e-9 * k.diagonal().max()]
    if not (candidates and candidates[0].any()):
        raise ValueError("laplace_modes: expected a space that holds the constants")
    one = candidates[0]
    parts, part = connected_components(m, directed=False)
    z = np.where(part[:, None] == np.arange(min(parts, count)), one[:, None], 0.0)
    return np.asarray(z / np.sqrt((z * (m @ z)).sum(axis=0)))


def _smallest_mass(basis: Basis) -> float:
    """κ with M ≥ κ diag(M): the smallest eigenvalue of D_e⁻¹M_e over all cells e (Wathen 1987); ½ for P1.

    It is the same for all cells that are affine images of one another.
    """
    affine = isinstance(basis.mapping, MappingAffine)
    cells = Basis(basis.mesh, basis.elem, quadrature=basis.quadrature, elements=np.array([0])) if affine else basis
    local = mass.coo_data(cells).tolocal()
    d = 1 / np.sqrt(np.diagonal(local, axis1=1, axis2=2))
    return float(np.linalg.eigvalsh(d[:, :, None] * local * d[:, None, :]).min())


def _dense(k: csr_array, m: csr_array, constants: Array, shift: float, count: int) -> LaplaceModes:
    """The pairs of (M, K + sM) by LAPACK: none can be missing, and the low modes are its largest, the best resolved."""
    n = m.shape[0]
    require_memory(5 * 8 * n**2, f"a dense pencil of {n} unknowns")
    a = (k + shift * m).toarray()
    theta, vectors = eigh(m.toarray(), a, subset_by_index=[n - count, n - 1 - constants.shape[1]])
    vectors, upper = vectors / np.sqrt(theta), cho_factor(a)
    method = "dense (LAPACK sygvx)"
    return _modes(k, m, shift, constants, vectors, lambda r: cho_solve(upper, r), count, method, True, True)


def _modes(
    k: csr_array,
    m: csr_array,
    shift: float,
    constants: Array,
    vectors: Array,
    solve: Callable[[Array], Array],
    count: int,
    method: str,
    converged: bool,
    certified: bool,
) -> LaplaceModes:
    """Rayleigh quotients of the vectors, their residuals and bounds; the constants, ω = 0, come first.

    K v and M v are formed in the longest floating-point format, so that their own rounding is not in the residual. The
    diagonal of K, a sum that was rounded, is what makes K 1 = 0: as stored, it would shift all λ by about ε λ_max.
    """
    wide = np.longdouble
    k_wide, m_wide, parts = k.astype(wide), m.astype(wide), []
    one = constants.sum(axis=1).astype(wide)
    k_wide.setdiag(k_wide.diagonal() - np.where(one != 0, k_wide @ one / np.where(one != 0, one, 1), 0))
    for some in np.array_split(vectors, range(8, vectors.shape[1], 8), axis=1):
        kv, mv = k_wide @ some.astype(wide), m_wide @ some.astype(wide)
        rayleigh = (some * kv).sum(axis=0) / (some * mv).sum(axis=0)
        scale = np.linalg.norm(kv.astype(float), axis=0) + np.linalg.norm((rayleigh * mv).astype(float), axis=0)
        parts.append((rayleigh.astype(float), (rayleigh * mv - kv).astype(float), scale))
    values, residual, scale = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    order, zeros = np.argsort(values), np.zeros(constants.shape[1])
    values, vectors, residual, scale = values[order], vectors[:, order], residual[:, order], scale[order]
    frequencies = np.sqrt(values)
    bound = _bound(values + shift, vectors, residual - m @ (constants @ (constants.T @ residual)), m, solve)
    return LaplaceModes(
        np.concatenate([zeros, frequencies])[:count],
        np.hstack([constants, vectors])[:, :count],
        np.concatenate([zeros, np.linalg.norm(residual, axis=0) / scale])[:count],
        np.concatenate([zeros, bound / frequencies])[:count],
        method,
        converged,
        certified,
    )


def _bound(mu: Array, vectors: Array, residual: Array, m: csr_array, solve: Callable[[Array], Array]) -> Array:
    """Bound on |λ̂ − λ| for all pairs at once, μ̂ = λ̂ + s and A = K + sM.

    With w = v/√μ̂ (‖w‖_A = 1) the pencil reads M w = θ A w, θ = 1/μ: H = A^{−1/2} M A^{−1/2} is symmetric, and
    H A^{1/2}w − θ̂ A^{1/2}w = A^{−1/2} r θ̂^{3/2} with r = λ̂ M v − K v. Let R have these columns and η = ‖R‖₂; η² is the
    largest eigenvalue of (rᵢᵀ A⁻¹ rⱼ θ̂ᵢ^{3/2} θ̂ⱼ^{3/2}). As many eigenvalues θ, each counted once, lie one by one
    within η/σ of the θ̂ (Kahan 1967), σ the smallest singular value of the vectors w (Cao, Xie and Li 1996; 1 where they
    are A-orthonormal).
    Hence |λ̂ − λ| = |θ̂ − θ|/(θ θ̂) ≤ μ̂ η/(σθ̂ − η); infinite where that is not positive. The A⁻¹-norm weighs noise of
    high modes little. The constants are known, and are taken out of r. 32 ε μ̂ is added for the entries of K and M.
    """
    theta = 1 / mu
    r = residual * theta**1.5
    eta = np.sqrt(max(float(np.linalg.eigvalsh(r.T @ solve(r)).max()), 0.0))
    sigma = np.sqrt(np.linalg.eigvalsh(vectors.T @ (m @ vectors)).min())
    left = sigma * theta - eta
    return np.asarray(np.where(left > 0, mu * (eta / np.where(left > 0, left, 1.0) + 32 * EPS), np.inf))
