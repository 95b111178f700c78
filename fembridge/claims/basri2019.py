"""Basri, Jacobs, Kasten, Kritchman: The Convergence Rate of Neural Networks for Learned Functions of Different
Frequencies (arXiv 1906.00425).
"""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.curvature import dense, ntk
from fembridge.networks.models import shallow
from fembridge.theory.features import grid
from fembridge.theory.modes import beam_roots

SOURCE = "Basri, Jacobs, Kasten, Kritchman, arXiv 1906.00425, on an interval instead of the circle"


def _ntk_exponents(setting: Setting) -> Evidence:
    """Eigenvalues of the tangent kernel over N of Σ_j ±(x − b_j)₊, by output weights, by inner biases, by all.

    Output weights: the ReLU Gram, n βₖ⁻⁴. Biases: step features, n((k−½)π)⁻². Inner weights and biases together jump
    by 1 + b² at b, and by Weyl's law the eigenvalues are n((k−½)π)⁻² (∫₀¹ √(1 + b²) db)²; the output weights add less.
    """
    n, k = setting.size(400, 1000), np.arange(10, 41)
    signs = setting.random.choice([-1.0, 1.0], n)
    model = shallow(activation("relu"), np.ones(n), -grid(n), signs)
    x = (np.arange(n) + 0.5) / n
    measured = np.stack(
        [np.linalg.eigvalsh(dense(ntk(model, x, names)))[::-1][k - 1] / n for names in ("2.weight", "0.bias", "*")],
        axis=1,
    )
    output, step = n * beam_roots(k[-1])[k - 1] ** -4.0, n * ((k - 0.5) * np.pi) ** -2.0
    both = step * ((np.sqrt(2) + np.arcsinh(1)) / 2) ** 2
    predicted, frequency = np.stack([output, step, both], axis=1), k.astype(float)
    labels = ("output weights, βₖ⁻⁴", "inner biases, ((k−½)π)⁻²", "all parameters")
    pairs = tuple(Pair(label, frequency, p, m) for label, p, m in zip(labels, predicted.T, measured.T, strict=True))
    chart = Chart(
        f"Tangent kernel of {n} ReLUs by the layers that train", "index k", "eigenvalue λₖ", pairs, slopes=(-4.0, -2.0)
    )
    wrong = np.stack([step, output, output], axis=1)
    return Evidence(predicted, measured, wrong, chart, x=frequency)


CLAIMS = [
    Claim(
        "basri2019.ntk-exponents",
        SOURCE,
        "The tangent kernel of a shallow ReLU network decays like k⁻⁴ where the output weights train, and like k⁻² "
        "where the biases of the first layer do, alone or with all other parameters.",
        "order",
        0.03,
        "Offsets 2/n of the sum over knots and (kπ/n)²/12 of that over data, under 1.4 % at k = 40, n = 400, over a "
        "factor of 4 in k, and the rank-one parts of the inner weights at small k: each moves an"
        " exponent by 1 % at most.",
        _ntk_exponents,
        cap=0.015,
    )
]
