"""The tangent kernel of a wide shallow network on the circle, in the mean over its initial weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import qmc

from fembridge.problem import Array

Function = Callable[[Array], Array]
POWER = 13  # of two: how many weights the mean is taken over


def tangent_rayleigh(sigma: Function, slope: Function, count: int, weight_scale: float = 1.0) -> tuple[Array, Array]:
    """ρ_k = e*Ke/N², e_q = e^{ikθ_q}, k = 0 … N/2, at N = `count` equispaced points x = (cos θ, sin θ) of the circle,
    by the output weights and by the inner weights and biases, in the mean over their initial values:

        output    ⅓ E |φ_k|²,                                φ(θ) = σ(w·x + b)
        inner     ⅓ (s²/6) E (|g_k|² + |(g cos)_k|² + |(g sin)_k|²),    g(θ) = σ'(w·x + b)

    f_k = (1/N) Σ_q f(θ_q) e^{−ikθ_q}. w (2,) and b are uniform on ±s/√2, s the weight scale, and output weights have
    the mean square 1/3n: PyTorch's initialisation of u = Σ v_j σ(w_j·x + b_j), in the scaling of Jacot et al. (arXiv
    1806.07572), in which the kernel has a limit as n grows. The mean is taken over 8,192 Sobol points, to about 1 %
    where σ is smooth at the scale of a wave.

    >>> output, inner = tangent_rayleigh(lambda z: z, np.ones_like, 8)      # σ(z) = z: φ_1 = (w_1 − iw_2)/2, E w² = 1/6
    >>> (output[:3] * [18, 36, 1]).round(3), (inner[:3] * [18, 36, 1]).round(3)
    (array([1., 1., 0.]), array([1., 1., 0.]))
    """
    theta = 2 * np.pi * np.arange(count) / count
    draws = (2 * qmc.Sobol(3, scramble=False).random_base2(POWER) - 1) * weight_scale / np.sqrt(2)
    z = draws[:, :1] * np.cos(theta) + draws[:, 1:2] * np.sin(theta) + draws[:, 2:]
    g = slope(z)
    turned = sum(_mean_square(part) for part in (g, g * np.cos(theta), g * np.sin(theta)))
    return _mean_square(sigma(z)) / 3, np.asarray(turned) * weight_scale**2 / 18


def _mean_square(values: Array) -> Array:
    """E |f_k|² over the rows."""
    return np.asarray((np.abs(np.fft.rfft(values, axis=1) / values.shape[1]) ** 2).mean(axis=0))
