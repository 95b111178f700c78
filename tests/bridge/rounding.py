"""Bounds on the rounding of networks that were made from finite-element functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skfem import Mesh
from torch import nn

from fembridge.networks.activations import Hat
from fembridge.problem import Array

EPS = float(np.finfo(float).eps)
Slack = Callable[[Array], Array | float]


def values(model: nn.Module, x: Array) -> Array:
    with torch.no_grad():
        return model(torch.as_tensor(x))[:, 0].numpy()


def matrices(model: nn.Sequential) -> list[tuple[Array, Array]]:
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    zeros = [torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in layers]
    return [(layer.weight.detach().numpy(), b.double().numpy()) for layer, b in zip(layers, zeros, strict=True)]


def propagated(model: nn.Sequential, x: Array, slack: list[Slack]) -> Array:
    """A bound (M,) on the rounding of a network at x (M, d), layer by layer.

    W h + b is rounded by at most (n + 1) ε (|W| |h| + |b|), n the largest number of nonzero weights of a neuron; it
    carries on |W| δh, and is off by slack(h) as W and b are rounded themselves. An activation, of slope 1 at most,
    carries that on, but for neurons that are zero whatever the rounding.
    """
    h, error = x, np.zeros_like(x)
    for k, ((w, b), off) in enumerate(zip(matrices(model), slack, strict=True)):
        count = (w != 0).sum(axis=1).max() + 1
        error = error @ np.abs(w).T + count * EPS * (np.abs(h) @ np.abs(w).T + np.abs(b)) + off(h)
        if k == len(slack) - 1:
            return np.asarray(error[:, 0])
        z = h @ w.T + b
        dead = (z + error <= 0) | (isinstance(model[1], Hat) & (z - error >= 2))
        h = model[1](torch.as_tensor(z)).numpy()
        error = np.where(dead, 0, error + 2 * EPS * np.abs(h))
    raise AssertionError


def on_triangles(model: nn.Sequential, mesh: Mesh, u: Array, x: Array) -> Array:
    """A bound on the difference of a network on triangles from Σ_i λ_i u_i at points Σ_i λ_i x_i, which round to x.

    Directions e are known to a few ε, e × x_i to 8 ε |x_i|, and sin θ and cos θ to 8 ε; right angles are those up to
    90° + 16 ε. Both weights 1/sin θ and cot θ of an angle have the same factor 1 + η, |η| ≤ 8 ε / sin θ, as one sine
    divides both. It multiplies (e_{k−1} × y)₊/sin θ_{k−1} − cot θ_{k−1} (e_k × y)₊, which is |y| at most, so that q_k
    is off by 8 ε |y| / sin θ_{k−1} + (8 ε cot θ_k / sin θ_k + 24 ε / sin θ_{k−1} + 24 ε / sin θ_k) (e_k × y)₊.
    S is known to 16 ε S / sin θ, θ the smallest angle of the triangles at the vertex.
    """
    (w1, _), (w2, _), (w3, _), _ = matrices(model)
    far = np.abs(mesh.p).max()
    vertices = np.flatnonzero(u) if u.any() else np.zeros(1, dtype=int)
    apex = vertices[(w3 != 0).argmax(axis=0)]
    row, ray = np.nonzero(w2 > 0)
    one_over_sine, before = np.zeros(len(w1)), np.zeros(len(w1), dtype=int)
    one_over_sine[ray], before[row] = w2[row, ray], ray
    cotangent = np.sqrt(np.maximum(one_over_sine**2 - 1, 0))
    sides = 24 * (one_over_sine[before] + one_over_sine) + 8 * cotangent * one_over_sine
    distance = np.linalg.norm(x[:, None] - mesh.p.T, axis=2)[:, apex]
    worst = np.zeros(len(u))
    np.maximum.at(worst, mesh.t.T, 1 / sines(mesh))
    slack: list[Slack] = [
        lambda h: 8 * EPS * (np.abs(h) @ np.abs(w1).T + far),
        lambda h: EPS * (8 * distance * one_over_sine[before] + h * sides),
        lambda h: 16 * EPS * h @ (worst[vertices, None] * np.abs(w3)).T,
        lambda h: 0.0,
    ]
    return propagated(model, x, slack) + 4 * EPS * np.abs(u).max() + 4 * EPS * far * slopes(mesh, u).max()


def on_interval(model: nn.Sequential, nodes: Array, u: Array, x: Array) -> Array:
    """A bound on the difference of a network on an interval from u at x (M,). Weights of ramps are differences of
    slopes, and others products or quotients. Nodal hats are a step wide that the cells have up to 4 ε X.
    """
    (w1, _), (w2, _) = matrices(model)
    slope, far = np.abs(np.diff(u) / np.diff(nodes)), np.abs(nodes).max()
    nodal = w2.shape[1] == len(nodes)
    jumps = np.zeros(len(u)) if nodal else 4 * EPS * (slope + np.append(0, slope[:-1])) / w1[:, 0]
    inner = (8 if nodal else 2) * EPS * np.abs(w1[:, 0])
    slack: list[Slack] = [lambda h: inner * (np.abs(h) + far), lambda h: (np.abs(h) @ jumps)[:, None]]
    return propagated(model, x[:, None], slack) + 4 * EPS * np.abs(u).max() + 4 * EPS * far * slope.max()


def sines(mesh: Mesh) -> Array:
    """sin of the angle at each corner (T, 3)."""
    a = mesh.p.T[mesh.t.T]
    near, far = np.roll(a, -1, axis=1) - a, np.roll(a, -2, axis=1) - a
    area = np.abs(near[..., 0] * far[..., 1] - near[..., 1] * far[..., 0])
    return np.asarray(area / (np.linalg.norm(near, axis=2) * np.linalg.norm(far, axis=2)))


def slopes(mesh: Mesh, u: Array) -> Array:
    """|∇u| (T,)."""
    a = mesh.p.T[mesh.t.T]
    edges = a[:, 1:] - a[:, :1]
    return np.linalg.norm(np.linalg.solve(edges, (u[mesh.t[1:]] - u[mesh.t[0]]).T[..., None])[..., 0], axis=1)
