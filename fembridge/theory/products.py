"""The tangent kernel of wide products of ReLU layers (Π-Nets) on the circle, and its eigenvalues."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fembridge.problem import Array
from fembridge.theory.duals import relu_dual, step_dual

POINTS = 400  # of Gauss–Legendre quadrature on half a circle, between the kinks of the kernel: exact up to k = 200


def product_kernel(angle: ArrayLike, factors: int) -> Array:
    """κ(θ) = κ₁ᴺ + N (1 + cos θ) κ₀ κ₁ᴺ⁻¹ of two points of the circle at an angle θ.

    The limit m → ∞ of Σ ∂u ∂u over all parameters of u(x) = m^{−½} Σ_j c_j Π_i σ(w_ij·x + b_ij), σ = ReLU, of N
    factors, w standard normal, b = 0 and c = ±1 at the start; κ₀ = E σ'σ' and κ₁ = E σσ (`theory.duals`). The factors
    are independent, so that a product's mean is the product of means: the first term is that of c, and N times the
    second that of the weights and biases of one factor. N = 1 is a shallow ReLU network.

    Source: the Π-Nets of Choraria et al. 2022, arXiv 2202.13473, with biases; the kernel is derived here.

    >>> product_kernel(0.0, 1), product_kernel(0.0, 2)
    (array(1.5), array(1.25))
    """
    cosine = np.cos(np.asarray(angle, dtype=float))
    mean, slope = relu_dual(cosine), step_dual(cosine)
    return np.asarray(mean**factors + factors * (1 + cosine) * slope * mean ** (factors - 1))


def product_eigenvalues(k: ArrayLike, factors: int) -> Array:
    """c_k = (1/π) ∫₀^π κ(θ) cos kθ dθ: the eigenvalue of cos kθ and sin kθ under the mean over the circle.

    For large k it is `product_tail`. Raises ValueError for |k| above 200.

    >>> from fembridge.theory.circles import tangent_eigenvalues
    >>> output = np.array([2 / np.pi**2, 1 / 8, 2 / (9 * np.pi**2), 0.0])    # of κ₁ alone, k = 0 … 3
    >>> bool(np.allclose(product_eigenvalues(range(4), 1), tangent_eigenvalues(range(4)) + output, atol=1e-15))
    True
    """
    order = np.asarray(k, dtype=float)
    if np.abs(order).max(initial=0) > 200:
        raise ValueError(f"k: expected frequencies up to 200, got {np.abs(order).max():g}")
    z, w = np.polynomial.legendre.leggauss(POINTS)
    theta, weight = np.pi * (z + 1) / 2, w / 2
    return np.asarray(np.cos(np.multiply.outer(order, theta)) @ (weight * product_kernel(theta, factors)))


def product_tail(k: ArrayLike, factors: int) -> Array:
    """c_k → N 2^{1−N}/(π²k²): of the kernel's only kink, −N 2^{1−N} |θ|/π at θ = 0.

    At θ = π, where κ₀ has another, the factors 1 + cos θ and κ₁ vanish. So every product of ReLUs decays like k⁻².

    >>> product_tail(10, 1) * 100 * np.pi**2, product_tail(10, 3) * 100 * np.pi**2
    (np.float64(1.0), np.float64(0.75))
    """
    return np.asarray(factors * 2.0 ** (1 - factors) / (np.pi * np.asarray(k, dtype=float)) ** 2)[()]


def sampled_product_eigenvalues(n: int, factors: int) -> Array:
    """Eigenvalues (n,) of κ(θ_i − θ_j)/n at n equispaced points, in the order of `numpy.fft`: Σ_m c_{k+mn}.

    >>> bool(np.allclose(sampled_product_eigenvalues(4096, 2)[:9], product_eigenvalues(range(9), 2), rtol=1e-4))
    True
    """
    return np.asarray(np.fft.fft(product_kernel(2 * np.pi * np.arange(n) / n, factors)).real / n)


def product_amplitudes(residual: Array, factors: int, learning_rate: float, steps: ArrayLike) -> Array:
    """√(mean r²) (T,) after t steps of gradient descent on ½ mean r², from r (n,) at n equispaced points of the circle:

        (Σ_k |r̂_k|² (1 − ηλ_k)^{2t})^{½},   r̂ = fft(r)/n,   λ = sampled_product_eigenvalues(n, N)

    >>> r = np.sqrt(2) * np.sin(2 * np.pi * np.arange(16) / 16)
    >>> found = product_amplitudes(r, 1, 1.0, [0, 1])
    >>> bool(abs(found[1] / found[0] - (1 - sampled_product_eigenvalues(16, 1)[1])) < 1e-15)
    True
    """
    power = np.abs(np.fft.fft(residual) / len(residual)) ** 2
    factor = np.abs(1 - learning_rate * sampled_product_eigenvalues(len(residual), factors))
    return np.asarray(np.sqrt(factor ** (2 * np.asarray(steps, dtype=float)[:, None]) @ power))
