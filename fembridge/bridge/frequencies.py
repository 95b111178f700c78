"""A network's kernel along the Laplace modes of the mesh on which it was expanded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skfem import Basis

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.expansion import Expansion, Globs
from fembridge.bridge.verdict import fitted_exponent
from fembridge.problem import Array
from fembridge.theory.laplace import LaplaceModes
from fembridge.theory.partitions import volumes
from fembridge.theory.rayleigh import coefficients, local_means, moments


@dataclass(frozen=True, eq=False)
class Decay:
    """Means of Rayleigh coefficients near some frequencies, and the power of ω that they follow.

    interval: half-width of the 99 % confidence interval of the exponent, from how far the means are from a power law.
    """

    frequencies: Array
    means: Array
    exponent: float
    interval: float


def rayleigh(expansion: Expansion, basis: Basis, modes: LaplaceModes, parameters: Globs | None = None) -> Array:
    """ρ_k = ⟨φ_k, K φ_k⟩ (K,) of the kernel of a network, Σ_j g_j(x) g_j(y), along Laplace modes φ_k, exactly.

    g_j: the features of the last hidden layer, or ∂u/∂θ for the chosen parameters ("*": the whole tangent kernel).
    basis: that of the modes, on the mesh that was given to `expand` as the domain (or another that the partition
    refines).

    Raises ValueError for parameters that are not there, and MemoryError where the functions would not fit.

    >>> from torch import nn
    >>> from fembridge.bridge.expansion import expand
    >>> from fembridge.theory.laplace import laplace_modes
    >>> from fembridge.theory.meshes import box_mesh
    >>> from fembridge.theory.spaces import space
    >>> mesh = box_mesh([(0.0, 1.0), (0.0, 1.0)], 4)
    >>> basis = space(mesh, 2)
    >>> u = expand(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), mesh)
    >>> rayleigh(u, basis, laplace_modes(basis, 5)).shape
    (5,)
    """
    mesh = expansion.partition.mesh
    functions = expansion.hidden()[mesh.t.T] if parameters is None else expansion.tangents(parameters)
    return coefficients(moments(mesh, functions.reshape(*mesh.t.T.shape, -1), basis, modes.vectors))


def decay(basis: Basis, modes: LaplaceModes, coefficients: Array) -> Decay:
    """Local means of the coefficients (`local_means`) in windows of half-width 2π/|Ω|^{1/d}, and their exponent −p.

    A steep law weighs the low end of a window more: what is averaged is ω_k^p ρ_k, with p from the round before.

    Raises ValueError for modes that do not reach over three windows.
    """
    d, volume = basis.mesh.dim(), float(volumes(basis.mesh).sum())
    width, power, positive = 2 * np.pi / volume ** (1 / d), 0.0, modes.frequencies > 0
    omega, rho = modes.frequencies[positive], coefficients[positive]
    centres = np.arange(1.25, omega.max() / width - 1, 0.25) * width
    if len(centres) < 3:
        raise ValueError(f"decay: expected modes up to ω = {2.75 * width:g} at least, got {omega.max():g}")
    for _ in range(8):
        means = centres**-power * local_means(omega, omega**power * rho, centres, width, d, volume)
        exponent, interval = fitted_exponent(centres, means)
        power = -exponent
    return Decay(centres, means, exponent, interval)


def frequency_chart(
    title: str, modes: LaplaceModes, coefficients: Array, law: Pair, slopes: tuple[float, ...] = ()
) -> Chart:
    """Coefficients of single modes as markers, and a law beside local means, against frequency on log-log axes."""
    each = Pair("single modes", modes.frequencies[1:], None, coefficients[1:])
    return Chart(title, "frequency ω", "Rayleigh coefficient ρ", (law, each), slopes=slopes)
