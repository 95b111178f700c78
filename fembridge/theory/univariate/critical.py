"""Critical points of a shallow ReLU network of one input, and the Hessian there, from its numbers and its data alone.

u(x) = Σ_i v_i (w_i x + b_i)₊ + d, with breakpoints β_i = −b_i/w_i and facings s_i = sgn w_i: neuron i is active on the
half-line A_i of the x with s_i (x − β_i) > 0. The loss is L = ½ Σ_q ω_q ε_q², ε = u − y. Where ∇L = 0 and all
w_i v_i ≠ 0,

    Σ_{q ∈ A_i} ω_q ε_q (1, x_q) = 0 for every neuron,

so u is the projection of y on V = span {1_{A_i}, x 1_{A_i}} (and 1, where d trains), and the Hessian is JᵀJ.

Source: Sahs et al., arXiv 2008.01772, the loss surface; `projection`, `affine_parts` and `pinned` follow from it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fembridge.problem import Array

EPS = float(np.finfo(float).eps)
Mask = NDArray[np.bool_]


class Neurons(NamedTuple):
    """w, b, v (H,) of u(x) = Σ v_i (w_i x + b_i)₊ + d."""

    w: Array
    b: Array
    v: Array


def active(x: Array, breakpoints: Array, facings: Array) -> Mask:
    """(N, H): whether s_i (x_q − β_i) > 0.

    >>> active(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([1, -1]))
    array([[False,  True],
           [ True, False]])
    """
    return np.asarray(facings * (x[:, None] - breakpoints) > 0)


def moments(x: Array, values: Array, weights: Array, on: Mask) -> Array:
    """Σ_{q ∈ A_i} ω_q g_q (1, x_q), (H, 2), of values g (N,) on the active data `on` (N, H).

    >>> moments(np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.ones(2), np.array([[True, False], [True, True]]))
    array([[ 8., 13.],
           [ 5., 10.]])
    """
    return np.asarray(on.T @ (weights[:, None] * values[:, None] * np.stack([np.ones_like(x), x], axis=1)))


def tangent_functions(x: Array, on: Mask, constant: bool = False) -> Array:
    """1_{A_i}, x 1_{A_i} and, where asked for, 1 at the data, (N, 2H) or (N, 2H + 1): they span V."""
    return np.concatenate([on, x[:, None] * on, np.ones((len(x), int(constant)))], axis=1)


def basis(x: Array, on: Mask, weights: Array, constant: bool = False) -> Array:
    """An orthonormal basis of √ω V, (N, r): the left singular vectors above max(N, 2H + 1) ε of the largest.

    r is the rank of the Hessian at a critical point, at most min(N, 2H), or min(N, 2H + 1) with the constant.

    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> on = active(x, np.array([-1.0, 1.5]), np.array([1, 1]))
    >>> basis(x, on, np.ones(4), constant=True).shape      # two pieces of two data; the constant is one of them already
    (4, 4)
    """
    U, s, _ = np.linalg.svd(np.sqrt(weights)[:, None] * tangent_functions(x, on, constant), full_matrices=False)
    return np.asarray(U[:, s > max(len(x), 2 * on.shape[1] + 1) * EPS * s[0]])


def projection(x: Array, y: Array, on: Mask, weights: Array, constant: bool = False) -> Array:
    """u at the data at a critical point, (N,), from which neuron is active where, and nothing else: P_V y.

    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 1.0, 2.0, 3.0])
    >>> projection(x, y, active(x, np.array([0.5]), np.array([1])), np.ones(4), constant=True).round(12)
    array([5., 1., 2., 3.])
    """
    Q, root = basis(x, on, weights, constant), np.sqrt(weights)
    return np.asarray(Q @ (Q.T @ (root * y)) / root)


def lines(x: Array, y: Array, weights: Array, inside: Mask) -> Array:
    """Intercept and slope (M, 2) of the least-squares line of the data in each of M pieces `inside` (N, M).

    >>> lines(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 9.0]), np.ones(3), np.array([[True], [True], [False]]))
    array([[1., 2.]])
    """
    right = moments(x, y, weights, inside)[:, :, None]
    return np.asarray(np.linalg.solve(grams_of_lines(x, weights, inside), right)[:, :, 0])


def grams_of_lines(x: Array, weights: Array, inside: Mask) -> Array:
    """Σ_q ω_q (1, x_q)(1, x_q)ᵀ over each piece, (M, 2, 2)."""
    rows = np.stack([np.ones_like(x), x], axis=1)
    return np.asarray(np.einsum("qm,q,qa,qb->mab", inside, weights, rows, rows))


def pieces(x: Array, breakpoints: Array, facings: Array) -> Mask:
    """(N, M): the data between breakpoints that are neighbours among all, and face alike, and beyond the outermost
    where these face outwards; pieces of 2 data or more. There u is the least-squares line of the data.

    >>> pieces(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.5, -1.0]), np.array([1, -1])).T
    array([[False,  True,  True,  True]])
    """
    order = np.argsort(breakpoints)
    ends = np.concatenate([[-np.inf], breakpoints[order], [np.inf]])
    s = np.concatenate([[-1], np.sign(facings[order]), [1]])
    between = (x[:, None] > ends[:-1]) & (x[:, None] < ends[1:])
    return np.asarray(between[:, (s[:-1] == s[1:]) & (between.sum(axis=0) > 1)])


def affine_parts(x: Array, y: Array, on: Mask, weights: Array, constant: bool = False) -> Array:
    """Σ v_i b_i and Σ v_i w_i (G, 2) over the neurons of each of G distinct half-lines `on` (N, G), and d where asked
    for is (G + 1)-st, with slope 0: the whole critical point but for scaling, from which neuron is active where.

    With one neuron to a half-line its breakpoint is −(first)/(second). Raises ValueError where the data do not tell
    them apart.

    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> affine_parts(x, np.array([0.0, 0.0, 1.0, 3.0]), active(x, np.array([1.2]), np.array([1])), np.ones(4)).round(12)
    array([[-3.,  2.]])
    """
    T, root = tangent_functions(x, on, constant), np.sqrt(weights)
    if basis(x, on, weights, constant).shape[1] < T.shape[1]:
        raise ValueError(f"on: expected half-lines whose {T.shape[1]} functions are independent on the data")
    c = np.linalg.lstsq(root[:, None] * T, root * y, rcond=None)[0]
    parts = c[: 2 * on.shape[1]].reshape(2, -1).T
    return np.concatenate([parts, [[c[-1], 0.0]]]) if constant else np.asarray(parts)


def tangent_kernel(x: Array, neurons: Neurons, constant: bool = False) -> Array:
    """Θ(x, x') = Σ_i 1_i(x) 1_i(x') [z_i z_i' + v_i² (1 + x x')], and + 1 where d trains: (N, N), with z = w x + b.

    Its first part is the Gram of the ReLU features, the second of steps weighted by v, and of steps times x.

    >>> tangent_kernel(np.array([1.0, 2.0]), Neurons(np.ones(1), np.zeros(1), np.array([3.0])))
    array([[19., 29.],
           [29., 49.]])
    """
    w, b, v = neurons
    z = x[:, None] * w + b
    on = z > 0
    features, steps = z * on, v * on
    return np.asarray(features @ features.T + steps @ steps.T * (1 + np.outer(x, x)) + float(constant))


def gauss_newton(x: Array, neurons: Neurons, weights: Array, constant: bool = False) -> Array:
    """JᵀJ (P, P) by (w, b, v[, d]), with √ω in J: the Hessian at a critical point."""
    w, b, v = neurons
    z = x[:, None] * w + b
    on = z > 0
    J = np.concatenate([v * on * x[:, None], v * on, z * on, np.ones((len(x), int(constant)))], axis=1)
    return np.asarray(J.T @ (weights[:, None] * J))


def residual_terms(half_lines: Array, constant: bool = False) -> Array:
    """Σ ω ε ∇²u (P, P), what the Hessian has besides JᵀJ, from the `moments` (H, 2) of ε on the active half-lines:
    ∂²u/∂v_i∂(w_i, b_i) = 1_{A_i} (x, 1), and 0 else.

    >>> residual_terms(np.array([[2.0, 3.0]]))
    array([[0., 0., 3.],
           [0., 0., 2.],
           [3., 2., 0.]])
    """
    h = len(half_lines)
    R, i = np.zeros((3 * h + constant,) * 2), np.arange(h)
    R[i, 2 * h + i], R[h + i, 2 * h + i] = half_lines[:, 1], half_lines[:, 0]
    return R + R.T


def pinned_moments(x: Array, errors: Array, weights: Array, data: NDArray[np.intp], parts: Array) -> Array:
    """τ_k ω_n ε_n (1, x_n), n = data[k], (K, 2): what is missing where breakpoints are pinned to data.

    There the error is orthogonal to 1 and x on the half-line without x_n and τ times x_n, with τ between 0 and 1.
    """
    return (parts * weights[data] * errors[data])[:, None] * np.stack([np.ones(len(data)), x[data]], axis=1)
