from __future__ import annotations

import numpy as np

from fembridge.theory.rings import tangent_rayleigh


def test_parseval_gives_the_trace() -> None:
    """Σ_k ρ_k over all N waves is the mean of K(x, x): ⅓ E σ² and (s²/18)(2) E σ'², |x|² + 1 = 2."""
    output, inner = tangent_rayleigh(np.sin, np.cos, 32, 2.0)
    twice = np.where(np.isin(np.arange(17), (0, 16)), 1, 2)
    assert abs(twice @ (3 * output) + twice @ (9 * inner / 4) - 1) < 1e-3  # sin² + cos² = 1


def test_relu_decays_like_its_kinks() -> None:
    output, inner = tangent_rayleigh(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float), 256)
    k = np.array([8, 16, 32])
    assert abs(np.polyfit(np.log(k), np.log(output[k]), 1)[0] + 4) < 0.2
    assert abs(np.polyfit(np.log(k), np.log(inner[k]), 1)[0] + 2) < 0.2
