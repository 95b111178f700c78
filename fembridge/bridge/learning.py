"""What is read off a training: steps to learn, how they grow with the frequency, signal to noise, accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fembridge.problem import Array

LEARNED = 0.1  # a frequency counts as learned when its error is this part of its start


def first_below(steps: NDArray[Any], amplitudes: Array, part: float = LEARNED) -> Array:
    """The first step at which each column of amplitudes (T, F) is at most `part` of its first row, nan where none is.

    Between recorded steps the amplitude is taken to decay exponentially.

    >>> first_below(np.array([0, 1, 4]), np.array([[1.0], [0.5], [0.5 / 16]]), 0.25)
    array([2.])
    """
    goal = part * amplitudes[0]
    below = amplitudes <= goal
    i = np.maximum(np.argmax(below, axis=0), 1)
    columns = np.arange(amplitudes.shape[1])
    before, after = amplitudes[i - 1, columns], amplitudes[i, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.log(before / goal) / np.log(before / after)
    step = np.ceil(steps[i - 1] + fraction * (steps[i] - steps[i - 1]))
    return np.where(below.any(axis=0), step, np.nan)


def learning_exponent(
    steps: NDArray[Any], amplitudes: Array, frequencies: ArrayLike, part: float = LEARNED
) -> tuple[float, int]:
    """p of steps to learn ∝ |k|^p, by least squares in the logarithms, and how many frequencies were never learned.

    amplitudes: (T, F). frequencies: |k| (F,). Those that were never learned count as learned at the last step, so that
    p is too small rather than too large; those learned at once count as learned at step 1.

    Raises ValueError for fewer than two frequencies.

    >>> t = np.arange(1000)
    >>> p, unlearned = learning_exponent(t, np.exp(-t[:, None] / [10, 40, 160]), [1, 2, 4])
    >>> round(p, 1), unlearned
    (2.0, 0)
    """
    k = np.asarray(frequencies, dtype=float)
    if len(k) < 2:
        raise ValueError(f"frequencies: expected two or more, got {len(k)}")
    learned = first_below(steps, amplitudes, part)
    unlearned = np.isnan(learned)
    log_steps = np.log(np.maximum(np.where(unlearned, steps[-1], learned), 1))
    return float(np.polyfit(np.log(k), log_steps, 1)[0]), int(unlearned.sum())


def psnr(residuals: Array, values: Array) -> Array:
    """Peak signal to noise ratio in decibels, 10 log₁₀((max f − min f)²/mean r²), of residuals (T, N): shape (T,).

    >>> psnr(np.array([[0.1, -0.1]]), np.array([0.0, 1.0])).round(12)
    array([20.])
    """
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(np.ptp(values) ** 2 / np.mean(residuals**2, axis=-1)))


def accuracy(residuals: Array, values: Array) -> Array:
    """The part of the data whose class is found, of residuals u − f (T, N, C), or (T, N) of classes ±1: shape (T,).

    The class of an output is its largest entry, or its sign.

    >>> accuracy(np.array([[0.5, 1.5]]), np.array([1.0, -1.0]))
    array([0.5])
    """
    u = residuals + values
    right = np.sign(u) == np.sign(values) if values.ndim == 1 else u.argmax(-1) == values.argmax(-1)
    return np.asarray(right.mean(axis=-1))
