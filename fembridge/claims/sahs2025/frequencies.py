"""Sahs, Pyle, Anselmi, Patel (arXiv 2503.10587): how kernels of shallow networks weigh frequencies in d dimensions.

In the kernel regime a network minimises ∫ |ω|^{d−1} |F(ω)|²/|σ̂(|ω|)|² dω. On a domain the frequencies are those of its
Laplace modes, and the inverse of the weight is the Rayleigh coefficient of the kernel along them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from fembridge.bridge.charts import Pair
from fembridge.bridge.expansion import Expansion, Globs, expand
from fembridge.bridge.frequencies import frequency_chart, rayleigh
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import activation
from fembridge.networks.ridges import ridges
from fembridge.problem import Array
from fembridge.theory.laplace import LaplaceModes, laplace_modes
from fembridge.theory.meshes import box_mesh
from fembridge.theory.rayleigh import local_means, mean_coefficients, mean_section
from fembridge.theory.spaces import space

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587), the weight |ω|^{d−1}/|σ̂(|ω|)|², on the unit cube"


class Size(NamedTuple):
    """Cells along each side of the mesh; centres of windows of half-width 2, both in units of π; networks, neurons."""

    cells: int
    centres: Array
    networks: int
    neurons: int


QUICK = {
    1: Size(64, np.arange(4.0, 31, 2), 1, 512),
    2: Size(24, np.arange(3.0, 13), 4, 64),
    3: Size(7, np.arange(2.5, 5.1, 0.5), 8, 8),
}
FULL = {
    1: Size(128, np.arange(4.0, 63, 2), 4, 1024),
    2: Size(40, np.arange(3.0, 23), 16, 64),
    3: Size(9, np.arange(2.5, 6.1, 0.5), 32, 8),
}


class Kernel(NamedTuple):
    """An activation, the parameters that train (None: the features themselves), the energy of the kinks of a neuron as
    `mean_coefficients` has it, in the mean over isotropic ridges, and how fast that decays with frequency.

    energy(ω, d, width): a kink meets the cube in the area ℓ = `mean_section`; a Hat is `width` wide at half height.
    """

    name: str
    activation: str
    parameters: Globs | None
    energy: Callable[[Array, int, float], Array]
    decay: int


def _features(omega: Array, d: int, width: float) -> Array:
    """Slopes jump by 1 on the kink. By symmetry half of the boundary is active, where Σ(∂_ν g)² = 2Σξ_i²/2 = 1."""
    return (mean_section(d) + 2) * omega**-4.0


def _tangents(omega: Array, d: int, width: float) -> Array:
    """∂u/∂b jumps by 1, ∂u/∂w by x, with ∫|x|² = d/3. Slopes jump for output weights, as above, and for weights w:
    on the kink by ξ, and ∂_ν x_i = ±1 on half of two faces.
    """
    section = mean_section(d)
    return (1 + d / 3) * section * omega**-2.0 + (section + 2 + section + 2 * d) * omega**-4.0


def _hats(omega: Array, d: int, width: float) -> Array:
    """Below 1/width, |σ̂| = 1: the Hat is a plane of this mass."""
    return np.full(len(omega), mean_section(d) * width**2)


RELU = Kernel("ReLU features", "relu", None, _features, 4)
TANGENT = Kernel("the tangent kernel of all parameters", "relu", "*", _tangents, 2)
HAT = Kernel("Hat features", "hat", None, _hats, 0)


@cache
def _laplace(d: int, cells: int, top: float) -> tuple[Any, LaplaceModes]:
    """Quadratic elements, and in them the modes of the unit cube with |k| ≤ top: frequencies π|k|, but for their error.

    Not certified: a copy of a multiple frequency that were missed would change a mean less than the random draws do.
    """
    k = np.stack(np.meshgrid(*[np.arange(int(top) + 1)] * d), axis=-1)
    basis = space(box_mesh([(0.0, 1.0)] * d, cells), 2)
    return basis, laplace_modes(basis, int(((k**2).sum(axis=-1) <= top**2).sum()), certify=False)


def _network(kernel: Kernel, random: np.random.Generator, n: int, d: int, width: float, mesh: Any) -> Expansion:
    """Isotropic directions; offsets uniform over those where the kink, or the middle of the Hat, meets the unit cube;
    outputs ±1.
    """
    xi = random.standard_normal((n, d))
    xi /= np.linalg.norm(xi, axis=1, keepdims=True)
    offset = random.uniform(np.minimum(xi, 0).sum(axis=1), np.maximum(xi, 0).sum(axis=1))
    w, b = (xi / width, 1 - offset / width) if kernel.activation == "hat" else (xi, -offset)
    u = expand(ridges(activation(kernel.activation), w, b, random.choice([-1.0, 1.0], n)), mesh)
    assert isinstance(u, Expansion)
    return u


def _decay(kernel: Kernel, d: int, setting: Setting) -> Evidence:
    """The law against local means of the coefficients of some networks of random ridges."""
    cells, centres, networks, neurons = setting.size(QUICK, FULL)[d]
    top, omega, random = centres[-1] + 2, np.pi * centres, setting.random
    width = 1 / (7 * top)
    basis, modes = _laplace(d, cells, top)
    rho = np.zeros(len(modes.frequencies))
    for _ in range(networks):
        u = _network(kernel, random, neurons, d, width, basis.mesh)
        rho += rayleigh(u, basis, modes, kernel.parameters)

    def law(frequencies: Array) -> Array:
        return mean_coefficients(frequencies, networks * neurons * kernel.energy(frequencies, d, width), d)

    ratio = np.concatenate([[0.0], rho[1:] / law(modes.frequencies[1:])])
    predicted = law(omega)
    measured = predicted * local_means(modes.frequencies, ratio, omega, 2 * np.pi, d)
    title = f"{networks * neurons} random ridges in {d} dimension{'s' * (d > 1)}: {kernel.name}"
    pair = Pair("law, and means near ω", omega, predicted, measured)
    chart = frequency_chart(title, modes, rho, pair, slopes=(float(1 - d - kernel.decay),))
    return Evidence(predicted, measured, predicted * omega / omega[-1], chart, x=omega)


# Of the exponent, and of the constant.
TOLERANCES = {1: (0.12, 0.13), 2: (0.17, 0.2), 3: (0.42, 0.45)}
DEVIATIONS = {1: ("0.09", "11 %", "0.03"), 2: ("0.11", "14 %", "0.03"), 3: ("0.33", "34 %", "0.10")}
WHY = (
    "From thousands of random ridges, integrated along exact cosines by other means, 10⁴ sets were drawn: 1 in 1,000 "
    "deviates by more than {} with its interval, or by {} in the constant. Terms of higher order in 1/ω, the width of "
    "Hats, and the mesh move the exponent by {} at most."
)
MEANS = "have Rayleigh coefficients along the Laplace modes of the unit cube that decay, in the mean near ω, like"

CLAIMS = [
    Claim(
        f"sahs2025.{name}-{d}d",
        SOURCE,
        f"{statement} (d = {d}).",
        "order",
        TOLERANCES[d][0],
        WHY.format(*DEVIATIONS[d]),
        partial(_decay, kernel, d),
        cap=TOLERANCES[d][1],
    )
    for name, kernel, statement in (
        ("relu-features", RELU, f"Random ReLU ridge features {MEANS} ω^{{−(d+3)}}"),
        (
            "tangent-kernel",
            TANGENT,
            f"All parameters of a shallow ReLU network {MEANS} ω^{{−(d+1)}}, with a known term ω^{{−(d+3)}}",
        ),
        ("ridge-hats", HAT, f"Features Hat(w·x + b) of a fixed width, below 1/width, {MEANS} ω^{{−(d−1)}}"),
    )
    for d in (1, 2, 3)
]
