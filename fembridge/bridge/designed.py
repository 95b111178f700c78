"""Training in the features of a spline space on [0, 1], predicted and measured: designed ones beside Hat and ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fembridge.networks.designed import spline_network
from fembridge.networks.models import on_knots
from fembridge.networks.training import train
from fembridge.problem import Array, composite_gauss
from fembridge.samples import Samples, waves_on
from fembridge.theory.design.boundary import designed_features, splines
from fembridge.theory.design.designs import Design
from fembridge.theory.features import grid
from fembridge.theory.features import on_knots as features_on_knots
from fembridge.theory.modes import fourier
from fembridge.theory.prediction import LeastSquares, of_features, solve, steps_of


@dataclass(frozen=True, eq=False)
class Trial:
    """A network, its least-squares problem and its samples: Gauss points, at which all integrals are exact.

    The target, Σ sin 2πkx for k up to half the limit of the knots, interpolated, lies in the span of the features.
    """

    model: nn.Sequential
    system: LeastSquares
    samples: Samples

    @property
    def learning_rate(self) -> float:
        """η = 2/(λ_max + λ_min), the best for gradient descent."""
        sigma = np.linalg.svd(self.system.factor, compute_uv=False)
        return float(2 / (sigma[0] ** 2 + sigma[-1] ** 2))

    @property
    def frequencies(self) -> Array:
        return np.array(self.samples.frequencies, dtype=float)

    def amplitudes(self, steps: NDArray[np.integer]) -> tuple[Array, Array]:
        """Amplitudes of the error (T, F) by frequency, relative to their start: predicted, and measured in training."""
        rate = self.learning_rate
        path = train(self.model, self.samples, learning_rate=rate, record=steps)
        predicted = solve(self.system, self.samples.frequencies, steps, learning_rate=rate).coefficients
        start = np.abs(predicted[0])
        return np.abs(predicted) / start, np.abs(path.coefficients) / start

    def steps_to(self, tolerance: float) -> Array:
        """Predicted steps (F,) to a part of the error at the start."""
        return steps_of(self.system, tolerance, learning_rate=self.learning_rate)


def trial(features: Design | str, cells: int) -> Trial:
    """A design with its boundary features, "hat": all B-splines of degree 1, or "relu": a ReLU at each node.

    Raises ValueError as `designed_features`.
    """
    degree = features.degree if isinstance(features, Design) else 1
    x, w = composite_gauss(np.linspace(0, 1, cells + 1), degree + 1)
    if features == "relu":
        model, phi = on_knots("relu", grid(cells), (0.0, 1.0)), features_on_knots("relu", grid(cells), (0.0, 1.0))(x)
    else:
        T = designed_features(features, cells).matrix.toarray() if isinstance(features, Design) else np.eye(cells + 1)
        model, phi = spline_network(degree, cells, T), splines(degree, cells)(x) @ T.T
    k = list(range(1, cells // 4 + 1))
    f = _interpolated(degree, cells, k, x)
    system = of_features(phi, f, w, w * fourier(x, k, (0.0, 1.0)))
    samples = Samples(x[:, None], f, w, tuple(k), waves_on(x[:, None], w, [(0, 1)], k))
    return Trial(model, system, samples)


def _interpolated(degree: int, cells: int, frequencies: list[int], x: Array) -> Array:
    """The spline that is Σ sin 2πkx at the nodes, with the least coefficients where degrees of freedom are left."""
    nodes, basis = np.linspace(0, 1, cells + 1), splines(degree, cells)
    f = np.sin(2 * np.pi * np.outer(nodes, frequencies)).sum(axis=1)
    return np.asarray(basis(x) @ np.linalg.lstsq(basis(nodes), f)[0])
