"""The power of an error on a grid in bands of frequencies an octave wide."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn

from fembridge.problem import Array


def octaves(residuals: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Lower ends (B,) of bands, and the mean square of residuals (…, N) on a grid in each of them, (…, B).

    N = Π shape, row after row, equispaced. Modes are products of cosines, Π_m cos(π i_m (q_m + ½)/n_m), of k = ½ |i|
    periods over the domain: data that do not repeat would have a jump, and so all frequencies, in a Fourier series.
    Bands: k = 0, then [½, 1), [1, 2), [2, 4), …; their powers add up to mean r².

    Raises ValueError where shape and residuals do not match.

    >>> x = (np.arange(16) + 0.5) / 16
    >>> lower, power = octaves(np.cos(2 * np.pi * 3 * x), (16,))
    >>> lower, power.round(12)
    (array([0. , 0.5, 1. , 2. , 4. ]), array([0. , 0. , 0. , 0.5, 0. ]))
    """
    r = np.asarray(residuals, dtype=float)
    points = int(np.prod(shape))
    if r.shape[-1:] != (points,):
        raise ValueError(f"residuals: expected {points} numbers in the last dimension, got shape {r.shape}")
    axes = tuple(range(-len(shape), 0))
    power = dctn(r.reshape(*r.shape[:-1], *shape), axes=axes, norm="ortho") ** 2 / points
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    square = (index**2).sum(axis=0).ravel()  # |i|²
    band = np.where(square > 0, 1 + np.log2(np.maximum(square, 1)) // 2, 0).astype(int)
    count = int(band.max()) + 1
    flat = power.reshape(-1, points)
    sums = np.stack([np.bincount(band, weights=row, minlength=count) for row in flat])
    lower = np.concatenate([[0.0], 2.0 ** (np.arange(1, count) - 2)])
    return lower, np.asarray(sums.reshape(*r.shape[:-1], count), dtype=float)
