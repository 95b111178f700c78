"""What gradient flow on the output weights of a wide ReLU network of one input minimises, by finite elements.

Output weights alone train, from 0. The limit of gradient flow is the interpolant with the least Σ v_i², and for many
neurons, drawn from a law that is even in w, the least norm ∫ c² dP of f = ∫ c(w, b) ReLU(wx + b) dP. With s = sgn w,
β = −b/w and ζ(β) = p(β) E[w² | β], the best c is |w| (p(β) + s q(β)), and

    f = ½ ∫ p ζ |x − β| dβ + ½ ∫ q ζ (x − β) dβ,    ∫ c² dP = ∫ (p² + q²) ζ.

So p = f''/ζ, and q makes what remains, the affine function m x + a, m and a the means of slope and intercept of the
two asymptotes of f. The least ∫ q² ζ with ½ ∫ q ζ = m and −½ ∫ q ζ β = a leaves

    J(f) = ∫ f''²/ζ dx + (2m, −2a) M⁻¹ (2m, −2a)ᵀ,    M = ∫ ζ (1, x)(1, x)ᵀ dx;

for b even, too, M = diag(E w², E b²). The affine part is not free. J is J₀ = ∫ f''²/ζ alone where the network has an
affine part of its own that trains for nothing, or in the limit of breakpoints far wider than the data, where ζ is small
and M is not. That a network of neurons alone minimises J₀ is the statement of Sahs et al. (arXiv 2008.01772).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.interpolate import CubicHermiteSpline
from scipy.sparse import block_array, coo_array, csc_array, eye_array
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, ElementLineHermite
from skfem.helpers import dd, ddot

from fembridge.problem import Array, Interval, check_domain
from fembridge.theory.meshes import interval_mesh
from fembridge.theory.univariate.initial import Start, curvature_density

Density = Callable[[Array], Array]
Affine = Literal["penalised", "free"]
ORDER = 8  # of the quadrature: 1/ζ counts as a polynomial of degree 6 on a cell
TAIL, COARSE = 1e-12, 1e-8  # absolute and relative, of the integrals of ζ: what is asked, and what will do
ANGLES = 8192  # midpoints of arctan(β w/b) in integrals over the line: kinks at the data leave 1e-7


@BilinearForm
def bending(u, v, w):  # type: ignore[no-untyped-def]
    """∫ u'' v''/ζ."""
    return ddot(dd(u), dd(v)) * w.flexibility


@dataclass(frozen=True, eq=False)
class Minimiser:
    """A minimiser of J or J₀ on its domain: values and slopes (n, R) at nodes (n,), cubic between them, for R data.

    multipliers: K⁻¹ y (N, R), with the kernel K(x, x') = E ReLU(wx + b) ReLU(wx' + b) where the affine part is
    penalised; f = Σ_i K(x, x_i) multipliers_i. energy: J (R,) of each, yᵀ K⁻¹ y.
    """

    nodes: Array
    values: Array
    slopes: Array
    multipliers: Array
    energy: Array

    def __call__(self, x: ArrayLike) -> Array:
        """f at points (P,) of the domain, (P, R). Raises ValueError outside it."""
        at = np.asarray(x, dtype=float)
        if ((at < self.nodes[0]) | (at > self.nodes[-1])).any():
            raise ValueError(f"x: expected points in [{self.nodes[0]:g}, {self.nodes[-1]:g}], got others")
        return np.asarray(CubicHermiteSpline(self.nodes, self.values, self.slopes)(at))


def minimiser(
    x: ArrayLike,
    y: ArrayLike,
    density: Density,
    domain: Interval,
    *,
    affine: Affine = "penalised",
    cells: int = 16,
    ridge: float = 0.0,
) -> Minimiser:
    """The f with f(x_i) = y_i and the least J (affine "penalised") or J₀ (affine "free"), by Hermite elements.

    x: (N,) different, in the domain. y: (N,) or, for R functions at once, (N, R). density: ζ, positive on the domain
    and, where the affine part is penalised, integrable over the line with x² ζ. cells: between neighbours among the
    data and the ends of the domain. ridge: λ; above 0 the least of Σ (f(x_i) − y_i)² + λ J. A network that starts from
    f₀ is f₀ plus the minimiser for y − f₀.

    Beyond the domain f is eliminated exactly: over all f with given values and slopes at its ends,
    min J = ∫ f''²/ζ over the domain + g (M + T)⁻¹ gᵀ, g = (f'(a) + f'(b), a f'(a) − f(a) + b f'(b) − f(b)), T the part
    of M outside; J₀ needs no tails, there f is affine. Errors fall like h⁴ where ζ is smooth between the nodes,
    and round-off grows like ε h⁻⁴.

    Raises ValueError for data that are not finite, twice at one place, outside the domain, or, with a free affine part,
    fewer than two; a density that is not positive there or not integrable; and for cells and ridge that are no such
    numbers.

    >>> line = minimiser([0.0, 1.0], [1.0, 3.0], np.ones_like, (0.0, 2.0), affine="free")
    >>> line([0.5, 2.0]).ravel().round(12), bool(line.energy[0] < 1e-8)
    (array([2., 5.]), True)
    """
    at, goal = _check(x, y, domain, affine, cells, ridge)
    nodes = _nodes(at, domain, cells)
    basis = Basis(interval_mesh(nodes), ElementLineHermite(), intorder=ORDER)
    zeta = density(np.asarray(basis.global_coordinates())[0])
    if not (np.isfinite(zeta) & (zeta > 0)).all():
        raise ValueError("density: expected finite positive numbers on the domain, got others")
    A = csc_array(bending.assemble(basis, flexibility=1 / zeta))
    value, slope = basis.nodal_dofs
    if affine == "penalised":
        A = A + _affine_part(density, domain, value[[0, -1]], slope[[0, -1]], basis.N)
    rows = np.arange(len(at))
    B = coo_array((np.ones(len(at)), (rows, value[np.searchsorted(nodes, at)])), shape=(len(at), basis.N))
    system = block_array([[A, -B.T], [B, ridge * eye_array(len(at))]], format="csc")
    found = splu(system).solve(np.concatenate([np.zeros((basis.N, goal.shape[1])), goal]))
    u, multipliers = found[: basis.N], found[basis.N :]
    return Minimiser(nodes, u[value], u[slope], multipliers, np.einsum("nr,nr->r", u, A @ u))


def _affine_part(density: Density, domain: Interval, value: Array, slope: Array, n: int) -> csc_array:
    """g (M + T)⁻¹ gᵀ as a matrix of the values and slopes at both ends."""
    a, b = domain
    ends = np.concatenate([slope, value])
    g = np.array([[1.0, 1.0, 0.0, 0.0], [a, b, -1.0, -1.0]])
    inside, left, right = (moments(density, part) for part in ((a, b), (-np.inf, a), (b, np.inf)))
    block = g.T @ np.linalg.solve(inside + 2 * (left + right), g)
    return csc_array((block.ravel(), (np.repeat(ends, 4), np.tile(ends, 4))), shape=(n, n))


def moments(density: Density, interval: tuple[float, float]) -> Array:
    """∫ ζ (1, x)(1, x)ᵀ dx over an interval, whose ends may be infinite, (2, 2).

    >>> moments(lambda x: np.exp(-x**2 / 2), (-np.inf, np.inf)).round(9) / np.sqrt(2 * np.pi).round(9)
    array([[1., 0.],
           [0., 1.]])
    """

    def moment(k: int) -> float:
        def integrand(t: float) -> float:
            return float(density(np.array(t))) * t**k

        found = quad(integrand, *interval, epsabs=TAIL, epsrel=TAIL, full_output=1)
        if len(found) > 3 and not found[1] <= COARSE * (1 + abs(found[0])):  # a message, and the error is not small
            raise ValueError(f"density: expected ∫ x²ζ over the line, got an integral that errs by {found[1]:.1e}")
        return float(found[0])

    zero, one, two = (moment(k) for k in range(3))
    return np.array([[zero, one], [one, two]])


def deviation_covariance(start: Start, x: ArrayLike, y: ArrayLike, points: ArrayLike) -> Array:
    """lim H Cov[f_H(p), f_H(p')] (P, P) over draws of H neurons, f_H the interpolant of least Σ v_i² among them.

    To first order in K_H − K, f_H − f is a mean over neurons of independent numbers of mean 0,

        (φ_i(p) − Σ_n h_n(p) φ_i(x_n)) Σ_n φ_i(x_n) (K⁻¹ y)_n,    φ_i(x) = ReLU(w_i x + b_i),

    h_n the minimiser of J that is 1 at x_n and 0 at the other data. The law of w at a breakpoint enters through
    `fourth_density`. points: (P,), within the range of the data x (N,), y (N,). Derived here.
    """
    at, p = np.asarray(x, dtype=float), np.asarray(points, dtype=float)
    data, domain = np.column_stack([y, np.eye(len(at))]), (float(at.min()), float(at.max()))
    found = minimiser(at, data, partial(curvature_density, start), domain)
    h, alpha = found(p)[:, 1:], found.multipliers[:, 0]
    angle = np.pi * ((np.arange(ANGLES) + 0.5) / ANGLES - 0.5)
    beta = start.b / start.w * np.tan(angle)
    weights = np.pi / ANGLES * start.b / start.w / np.cos(angle) ** 2 * fourth_density(start, beta) / 2
    total = np.zeros((len(p), len(p)))
    for s in (1.0, -1.0):
        at_data, at_points = (np.maximum(s * np.subtract.outer(z, beta), 0) for z in (at, p))
        part = (at_points - h @ at_data) * (alpha @ at_data)
        total += (part * weights) @ part.T
    return total


def fourth_density(start: Start, x: ArrayLike) -> Array:
    """p_β(x) E[w⁴ | β = x] = ∫ |w|⁵ p_w(w) p_b(−xw) dw at x (…).

    Normal laws: 8 σ_w⁵σ_b⁵/[π(σ_b² + σ_w²x²)³]; uniform: min(a_w, a_b/|x|)⁶/(12 a_w a_b).

    >>> fourth_density(Start("uniform", 1.0, 1.0, 1.0), [0.0, 2.0]) * 768
    array([64.,  1.])
    """
    at, w, b = np.abs(np.asarray(x, dtype=float)), start.w, start.b
    if start.kind == "normal":
        return np.asarray(8 * (w * b) ** 5 / (np.pi * (b**2 + w**2 * at**2) ** 3))
    return np.asarray((b / np.maximum(at, b / w)) ** 6 / (12 * w * b))


def nearest_weights(w: Array, b: Array, v: Array, x: Array, y: Array) -> Array:
    """Where gradient flow takes output weights v (H,) that train alone: v + Φᵀ(ΦΦᵀ)⁻¹(y − Φ v), Φ = ReLU(x wᵀ + bᵀ).

    x, y: (N,) data that H neurons can interpolate.

    >>> nearest_weights(np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), np.ones(1), np.array([5.0]))
    array([1., 2.])
    """
    features = np.maximum(np.multiply.outer(x, w) + b, 0)
    return np.asarray(v + features.T @ np.linalg.solve(features @ features.T, y - features @ v))


def _nodes(x: Array, domain: Interval, cells: int) -> Array:
    corners = np.unique(np.concatenate([x, domain]))
    steps = np.arange(cells) / cells
    return np.append((corners[:-1, None] + np.diff(corners)[:, None] * steps).ravel(), corners[-1])


def _check(x: ArrayLike, y: ArrayLike, domain: Interval, affine: str, cells: int, ridge: float) -> tuple[Array, Array]:
    a, b = check_domain(domain)
    at, goal = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if at.ndim != 1 or goal.ndim not in (1, 2) or len(at) != len(goal) or not len(at):
        raise ValueError(f"data: expected x (N,) and y (N,) or (N, R), got shapes {at.shape} and {goal.shape}")
    if not (np.isfinite(at).all() and np.isfinite(goal).all() and a <= at.min() and at.max() <= b):
        raise ValueError(f"data: expected finite numbers, x in [{a:g}, {b:g}], got others")
    if len(np.unique(at)) < max(len(at), 2 if affine == "free" else 1):
        raise ValueError("data: expected different x, two or more with a free affine part, got fewer")
    if affine not in ("penalised", "free"):
        raise ValueError(f'affine: expected "penalised" or "free", got {affine!r}')
    if isinstance(cells, bool) or not isinstance(cells, int | np.integer) or cells < 1:
        raise ValueError(f"cells: expected a whole number from 1 on, got {cells!r}")
    if not (np.isfinite(ridge) and ridge >= 0):
        raise ValueError(f"ridge: expected a number from 0 on, got {ridge:g}")
    return at, goal.reshape(len(at), -1)
