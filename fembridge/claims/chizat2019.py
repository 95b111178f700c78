"""Chizat, Oyallon, Bach: On Lazy Training in Differentiable Programming (arXiv 1812.07956): width and output scale."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import RegimeMap
from fembridge.bridge.regimes import scaled
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import seeds_of
from fembridge.problem import Array
from fembridge.samples import on_circle

LAZY = 4.0  # output scales from here on enter the exponents; the map also shows what is below


def _exponents(x: Array, values: Array) -> Array:
    """p (R, Y) of values (R, X, Y) ∝ x^p, by least squares in the logarithms."""
    u = np.log(x) - np.log(x).mean()
    return np.asarray(np.einsum("x,rxy->ry", u, np.log(values)) / (u @ u))


def _regime_map(setting: Setting) -> Evidence:
    """Exponents of the kernel's drift in the output scale, for each seed and width; wrong: the square root of it."""
    widths = np.array(setting.size((32, 128, 512), (32, 128, 512, 2048, 8192)), dtype=float)
    scales, seeds = np.array([0.25, 1.0, 4.0, 16.0, 64.0]), seeds_of(setting.seed, setting.size(12, 48))
    data, options = on_circle(2, 16, (1, 2, 3)), {"spec": "tanh", "seeds": seeds, "steps": np.array([0, 40])}
    error, drift = np.empty((2, len(seeds), len(scales), len(widths)))
    for (s, alpha), (w, width) in ((a, b) for a in enumerate(scales) for b in enumerate(widths)):
        found = scaled(data, int(width), float(alpha), **options)  # type: ignore[arg-type]
        assert found.error is not None and found.drift is not None
        error[:, s, w], drift[:, s, w] = found.error.max(axis=(1, 2)), found.drift.max(axis=1)
    title = f"Tanh networks trained for 40 steps and their tangent kernel at the start: means over {len(seeds)} seeds"
    chart = RegimeMap(title, widths, scales, error.mean(axis=0), drift.mean(axis=0))
    lazy = scales >= LAZY
    measured = _exponents(scales[lazy], drift[:, lazy])
    return Evidence(np.full(len(widths), -1.0), measured, np.full(len(widths), -0.5), chart)


CLAIMS = [
    Claim(
        "chizat2019.regime-map",
        "Chizat, Oyallon, Bach (arXiv 1812.07956), theorem 2.2",
        "At any width, narrow or wide, the tangent kernel of a centred tanh network α (h(θ) − h(θ₀)) comes to rest "
        "with its output scale: it moves like 1/α from α = 4 on.",
        "statistical",
        0.25,
        "Of the exponent in α: half-way to a square root. The next order is the smaller by the drift, under a tenth at "
        "α = 4, and moves an exponent over 16 times by less than log(1.1)/log(16) = 0.03.",
        _regime_map,
    ),
]
