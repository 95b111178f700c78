"""What an optimizer does to one eigenmode: its contraction after t steps, and where it stops being stable."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fembridge.problem import Array

OPTIMIZERS = ("gd", "flow", "heavy-ball", "nesterov")


def contraction(
    eigenvalues: ArrayLike, steps: ArrayLike, optimizer: str, learning_rate: float, momentum: float = 0.0
) -> Array:
    """e_t/e_0 of a mode of curvature λ, shape (len(steps), len(eigenvalues)), with x = ηλ:

    gd          (1 − x)^t
    flow        e^{−xt}, gradient flow at time ηt
    heavy-ball  e_{t+1} = (1 + β − x) e_t − β e_{t−1},               e_1 = (1 − x) e_0
    nesterov    e_{t+1} = (1 + β)(1 − x) e_t − β(1 − x) e_{t−1},     e_1 = (1 − (1 + β)x) e_0

    with PyTorch's momentum, whose velocity starts at zero. Any of them is e_t = e_1 s_t − D s_{t−1} e_0 where
    s_t = (z_1^t − z_2^t)/(z_1 − z_2), and z_1, z_2 are the roots of z² − T z + D.

    Raises ValueError for an unknown optimizer, a momentum outside [0, 1), or one for a method that has none.

    >>> contraction([0.5], [0, 1, 2], "gd", 1.0).ravel()
    array([1.  , 0.5 , 0.25])
    """
    x = learning_rate * np.asarray(eigenvalues, dtype=float)
    t = np.asarray(steps)[:, None]
    check_optimizer(optimizer, momentum)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if optimizer == "gd":
            slow = np.abs(x) < 0.5  # keeps the digits of a small ηλ over many steps
            return np.where(slow, np.exp(t * np.log1p(-np.where(slow, x, 0))), (1 - x) ** t)
        if optimizer == "flow":
            return np.exp(-x * t)
        if optimizer == "heavy-ball":
            spread, determinant, first = 1 - momentum + x, np.full_like(x, momentum), 1 - x
        else:
            spread, determinant, first = 1 - momentum + (1 + momentum) * x, momentum * (1 - x), 1 - (1 + momentum) * x
        current, previous = (_power_sums(spread, x, power) for power in (t, t - 1))
        value = np.where(t == 0, 1.0, first * current - determinant * previous)
    return np.where(np.isnan(value), np.inf, value)  # a complex power beyond the range of numbers is not a number


def _power_sums(spread: Array, x: Array, t: NDArray[np.integer]) -> Array:
    """s_t = (z_1^t − z_2^t)/(z_1 − z_2) for t ≥ 0 and z_1, z_2 = 1 − u, u² − spread·u + x = 0.

    As z_1^{t−1} (1 − q^t)/(1 − q) with q = z_2/z_1, which does not cancel at a double root; and through
    log(1 − u), which keeps the digits of a root next to 1 over millions of steps.
    """
    root = np.sqrt((spread**2 - 4 * x).astype(complex))
    logs = np.stack([_log1p(-2 * x / (spread + root)), _log1p(-(spread + root) / 2)])
    logs = np.where(np.isfinite(logs), logs, -1e3)  # a root 0
    order = np.argsort(-logs.real, axis=0)
    larger, smaller = np.take_along_axis(logs, order, axis=0)
    log_q = smaller - larger
    ratio = np.where(log_q == 0, t, np.expm1(t * log_q) / np.where(log_q == 0, 1, np.expm1(log_q)))
    return np.asarray(np.where(t <= 0, 0, np.exp(np.maximum(t - 1, 0) * larger) * ratio).real)


def _log1p(z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """log(1 + z) of complex z, with the digits of a small z."""
    small = np.abs(z) < 0.5
    safe = np.where(small, z, 0)
    accurate = np.log1p(safe.real * (2 + safe.real) + safe.imag**2) / 2 + 1j * np.arctan2(safe.imag, 1 + safe.real)
    return np.where(small, accurate, np.log(1 + z))


def check_optimizer(optimizer: str, momentum: float) -> None:
    """Raise ValueError for an optimizer without closed form, or a momentum outside [0, 1) or where there is none."""
    if optimizer not in OPTIMIZERS:
        raise ValueError(f'optimizer: expected one of {", ".join(OPTIMIZERS)}, got "{optimizer}"')
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum: expected 0 ≤ momentum < 1, got {momentum:g}")
    if momentum and optimizer in ("gd", "flow"):
        raise ValueError(f'momentum: expected 0 for "{optimizer}", got {momentum:g}')


def stability_limit(largest: float, optimizer: str, momentum: float = 0.0) -> float:
    """The learning rate below which every mode decays, where one root of its quadratic reaches z = −1.

    2/λ_max for gd, 2(1+β)/λ_max for heavy ball, 2(1+β)/((1+2β)λ_max) for Nesterov; gradient flow has none. Raises
    ValueError as `contraction`, or unless the largest eigenvalue is positive.

    >>> stability_limit(2.0, "gd"), stability_limit(2.0, "heavy-ball", 0.5)
    (1.0, 1.5)
    """
    check_optimizer(optimizer, momentum)
    if not largest > 0:
        raise ValueError(f"stability_limit: expected a positive largest eigenvalue, got {largest:g}")
    limits = {
        "gd": 2.0,
        "flow": np.inf,
        "heavy-ball": 2 * (1 + momentum),
        "nesterov": 2 * (1 + momentum) / (1 + 2 * momentum),
    }
    return float(limits[optimizer] / largest)
