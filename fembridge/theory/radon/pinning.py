"""Gradient flow of zero-planes of ReLU networks, and planes that data points hold.

u = Σ_i v_i (w_i·x + b_i)₊ + c, loss ½ Σ_q m_q ε_q², ε = u − f, m_q the weight of datum q. With r = ‖w‖, ξ = w/r,
γ = −b/r, μ = vr, the forces g_q = m_q ε_q, and sums over the data on which a neuron is active,

    ẇ = −v Σ g_q x_q,    ḃ = −v Σ g_q,    v̇ = −Σ g_q (w·x_q + b),

so that, by the product rule and with x^⊥ = x − ξ(ξ·x),

    ξ̇ = −(v/r) Σ g_q x_q^⊥,    γ̇ = (v/r) Σ g_q (1 + γ ξ·x_q),    μ̇ = r v̇ + v ξ·ẇ.

The signed distance of the plane to a point, δ_n = ξ·x_n − γ, moves at δ̇_n = ξ̇·x_n − γ̇; on the plane, where
ξ·x_n = γ, this is −(v/r) Σ g_q (1 + x_q·x_n). When the point becomes active, δ̇_n jumps by −(v/r) g_n (1 + ‖x_n‖²). In
one dimension δ = s(x_n − β) with s = sgn w, and β̇ jumps by −s(v/w) g_n (1 + x_n²) from left to right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fembridge.problem import Array


class Velocities(NamedTuple):
    """ξ̇ (n, d), γ̇ (n,), μ̇ (n,)."""

    directions: Array
    offsets: Array
    delta_slopes: Array


def plane_velocities(w: ArrayLike, b: ArrayLike, v: ArrayLike, x: ArrayLike, forces: ArrayLike) -> Velocities:
    """Velocities of directions, offsets and delta-slopes where no datum lies on a plane.

    w (n, d), b (n,), v (n,): the network. x (N, d): the data. forces: g = m ε (N,), weight times error.

    Raises ValueError for other shapes, and for a neuron with w = 0.

    Source: Sahs, Pyle, Anselmi, Patel, arXiv 2503.10587; derived here.

    >>> plane_velocities([[2.0]], [0.0], [1.0], [[1.0]], [1.0]).offsets  # (v/r) g (1 + γ x)
    array([0.5])
    """
    w, b, v, x, g = _checked(w, b, v, x, forces)
    r = np.linalg.norm(w, axis=1)
    xi, gamma, z = w / r[:, None], -b / r, w @ x.T + b[:, None]
    active = g * (z > 0)
    pull = active @ x  # Σ g x over active data (n, d)
    along = (pull * xi).sum(axis=1)
    return Velocities(
        -(v / r)[:, None] * (pull - along[:, None] * xi),
        v / r * (active.sum(axis=1) + gamma * along),
        -r * (active * z).sum(axis=1) - v**2 * along,
    )


def one_sided_velocities(
    w: ArrayLike, b: ArrayLike, v: ArrayLike, x: ArrayLike, forces: ArrayLike
) -> tuple[Array, Array]:
    """δ̇ (n, N) of each plane on each datum in turn, before and after the datum is active for the neuron.

    (inactive, active) are the limits from δ < 0 and from δ > 0 where the plane passes through x_n while all other data
    stay on their sides: A = −(v/r) Σ_{q ≠ n} g_q [w·x_q + b > 0] (1 + x_q·x_n), and A plus the jump. Arguments and
    errors as for `plane_velocities`.

    >>> before, after = one_sided_velocities([[1.0]], [0.0], [1.0], [[0.0], [1.0]], [1.0, -1.0])
    >>> before[0, 0], after[0, 0]  # −g_1 = 1, and less g_0 = 1
    (np.float64(1.0), np.float64(0.0))
    """
    w, b, v, x, g = _checked(w, b, v, x, forces)
    r = np.linalg.norm(w, axis=1)
    weighted = (v / r)[:, None] * g * (w @ x.T + b[:, None] > 0)
    inner = 1 + x @ x.T
    inactive = -weighted @ (inner - np.diag(np.diag(inner)))
    return inactive, inactive + velocity_jumps(w, v, x, g)


def velocity_jumps(w: ArrayLike, v: ArrayLike, x: ArrayLike, forces: ArrayLike) -> Array:
    """By how much δ̇ of each plane on each datum jumps when the datum becomes active: −(v/r) g_n (1 + ‖x_n‖²), (n, N).

    >>> velocity_jumps([[3.0, 4.0]], [10.0], [[1.0, 1.0]], [0.5])
    array([[-3.]])
    """
    r = np.linalg.norm(np.asarray(w, dtype=float), axis=1)
    points = np.asarray(x, dtype=float)
    return -np.multiply.outer(np.asarray(v) / r, np.asarray(forces) * (1 + (points**2).sum(axis=1)))


def pinned(inactive: ArrayLike, active: ArrayLike) -> NDArray[np.bool_]:
    """Where both one-sided velocities of the distance point at the datum: δ̇ > 0 below it and δ̇ < 0 above.

    The plane then slides along with the datum on it (A. F. Filippov, 1988), active for a part A/|jump| of the time.

    >>> pinned([1.0, 1.0, -1.0], [-1.0, 2.0, -2.0])
    array([ True, False, False])
    """
    return (np.asarray(inactive) > 0) & (np.asarray(active) < 0)


def _checked(w: ArrayLike, b: ArrayLike, v: ArrayLike, x: ArrayLike, forces: ArrayLike) -> tuple[Array, ...]:
    w, b, v, x, g = (np.asarray(numbers, dtype=float) for numbers in (w, b, v, x, forces))
    if w.ndim != 2 or b.shape != w.shape[:1] or v.shape != b.shape:
        raise ValueError(f"w: expected (n, d), (n,) and (n,), got {w.shape}, {b.shape} and {v.shape}")
    if x.ndim != 2 or x.shape[1] != w.shape[1] or g.shape != x.shape[:1]:
        raise ValueError(f"x: expected (N, {w.shape[1]}) and (N,), got {x.shape} and {g.shape}")
    if not w.any(axis=1).all():
        raise ValueError(f"w: expected weights other than zero, got 0 at neuron {int(np.argmin(w.any(axis=1)))}")
    return w, b, v, x, g
