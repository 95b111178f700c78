"""The Hessian of the population loss, with its terms on the kinks, against finite differences and against samples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.expansion import Expansion, expand
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.curvature import dense
from fembridge.networks.curvature import hessian as sampled_hessian
from fembridge.networks.gradients import gradient, layered_network, moved, parameters
from fembridge.problem import Array
from fembridge.theory.partitions import volumes
from fembridge.theory.spaces import simplex_rule

SOURCE = "Sahs et al., arXiv 2008.01772, the Hessian; its terms on the kinks: docs/expansion.md"
STEP = 1e-5  # of finite differences: truncation STEP² and rounding ε/STEP are both below 1e-10

Layers = list[tuple[Array, Array]]


def _layers(widths: tuple[int, ...], random: np.random.Generator) -> Layers:
    """Weights ±(¼ + |N|)/√m and biases N/2, N standard normal, m the width before: kinks all over [−1, 1]^d, and none
    so flat that a finite difference moves it far.
    """
    draws = [(random.standard_normal((n, m)), random.standard_normal(n)) for m, n in pairwise(widths)]
    return [((w + np.sign(w) / 4) / np.sqrt(w.shape[1]), b / 2) for w, b in draws]


def _target(x: Array) -> Array:
    """cos(2 Σ x_i) + 2: bounded away from the network, so that no residual vanishes by chance."""
    return np.asarray(np.cos(2 * x.reshape(len(x), -1).sum(axis=1)) + 2)


def _expansion(layers: Layers, theta: Array | None = None) -> Expansion:
    model = layered_network(activation("relu"), layers)
    u = expand(model if theta is None else moved(model, theta), [(-1.0, 1.0)] * layers[0][0].shape[1])
    assert isinstance(u, Expansion)
    return u


def _gradient(layers: Layers, theta: Array) -> Array:
    """∇ of ½∫(u − f)² at other parameters: automatic differentiation at quadrature points of cells between kinks."""
    mesh = _expansion(layers, theta).partition.mesh
    points, weights = simplex_rule(mesh.dim(), 12)
    x = (points @ mesh.p.T[mesh.t.T]).reshape(-1, mesh.dim())
    model = moved(layered_network(activation("relu"), layers), theta)
    return gradient(model, x, np.outer(volumes(mesh), weights).ravel(), _target(x))


def _differences(layers: Layers) -> Array:
    """The Hessian by central differences of the exact gradient, (P, P)."""
    theta = parameters(layered_network(activation("relu"), layers))
    steps = STEP * np.eye(len(theta))
    return np.stack([_gradient(layers, theta + s) - _gradient(layers, theta - s) for s in steps]) / (2 * STEP)


def _sampled(layers: Layers, n: int) -> Array:
    """∫ by the mean over n equispaced samples of [−1, 1] of the Hessian that automatic differentiation gives."""
    x = -1 + (2 * np.arange(n) + 1) / n
    return 2 * dense(sampled_hessian(layered_network(activation("relu"), layers), x, _target(x)))


def _population(setting: Setting) -> Evidence:
    """H = ∫ ∂u ∂uᵀ + ∫ r ∂²u, kinks and all, against finite differences; the control leaves out the kinks."""
    small, large = [(1, 8, 1), (1, 4, 4, 1), (2, 5, 1), (3, 3, 1)], [(1, 32, 1), (1, 8, 8, 1), (2, 16, 1), (3, 8, 1)]
    predicted, measured, wrong = [], [], []
    for widths in setting.size(small, large):
        layers = _layers(widths, setting.random)
        H = _expansion(layers).hessian(_target)
        scale = np.abs(H.matrix).max()
        predicted.append(H.matrix.ravel() / scale)
        wrong.append((H.matrix - H.kinks).ravel() / scale)
        measured.append(_differences(layers).ravel() / scale)
    chart = _convergence(
        setting, _layers((1, 16, 1), setting.random), "The Hessian of a 1-16-1 ReLU network by samples"
    )
    p, m, w = (np.concatenate(part) for part in (predicted, measured, wrong))
    return Evidence(p, m, w, chart, scale=1.0)


def _samples(setting: Setting) -> Evidence:
    """Automatic differentiation on ever more samples tends to H without the kinks; the control has them."""
    layers = _layers((1, 16, 1), setting.random)
    H, measured = _expansion(layers).hessian(_target), _sampled(layers, setting.size(2**14, 2**17))
    chart = _convergence(setting, layers, "What sampled Hessians of a 1-16-1 ReLU network tend to")
    return Evidence(H.matrix - H.kinks, measured, H.matrix, chart, scale=np.abs(H.matrix).max())


def _convergence(setting: Setting, layers: Layers, title: str) -> Chart:
    sizes, H = 2 ** np.arange(6, setting.size(15, 18)), _expansion(layers).hessian(_target)
    sampled, whole = [_sampled(layers, int(n)) for n in sizes], np.linalg.norm(H.matrix)

    def distance(matrix: Array) -> Array:
        return np.array([np.linalg.norm(s - matrix) for s in sampled]) / whole

    flat = np.full(len(sizes), np.linalg.norm(H.kinks) / whole)
    pairs = (
        Pair("from H, with kinks", sizes.astype(float), flat, distance(H.matrix)),
        Pair("from H without kinks", sizes.astype(float), None, distance(H.matrix - H.kinks)),
    )
    return Chart(title, "samples N", "distance, relative to ‖H‖", pairs, slopes=(-1.0,))


CLAIMS = [
    Claim(
        "sahs2022.population-hessian",
        SOURCE,
        "The Hessian of ½∫(u − f)² of a ReLU network is that of Gauss–Newton, plus ∫ r ∂²u between its kinks, plus "
        "∫ r B/|∇z| ∂z ∂zᵀ over them: in 1, 2 and 3 dimensions, and for two layers.",
        "identity",
        1e-6,
        "Central differences with steps of 1e-5 of a gradient that is smooth but where a kink passes an end: 1e-10 "
        "times its second derivative, which a kink of slope s has as large as s⁻², under 1e4 times the Hessian.",
        _population,
    ),
    Claim(
        "sahs2022.sampled-hessian",
        SOURCE,
        "The Hessian by automatic differentiation on samples tends to that without the kinks, however many there are.",
        "identity",
        1e-3,
        "The mean over N samples errs by h/2 times the variation of an entry, h = 2/N: two jumps and a few monotone "
        "pieces of at most the largest entry, 10/N at the most, 6e-4 at N = 16,384.",
        _samples,
    ),
]
