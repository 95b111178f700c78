"""Hong et al. 2022 on domains: nodal hats have the same weight at every frequency that their mesh resolves."""

from __future__ import annotations

from functools import partial

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.expansion import Expansion, expand
from fembridge.bridge.frequencies import rayleigh
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.hong2022.grams import SOURCE
from fembridge.networks.courant import nodal_hats
from fembridge.theory.laplace import laplace_modes
from fembridge.theory.meshes import box_mesh
from fembridge.theory.spaces import space

CELLS = {1: (64, 128), 2: (16, 40), 3: (7, 10)}
HIGHEST = 1.05  # ωh of the last mode


def _nodal_hats(d: int, setting: Setting) -> Evidence:
    """A deep ReLU network whose last hidden layer is all nodal hats, along the modes of the same mesh.

    On equal intervals M = h − h²K/6 but for the ends, so M v = h v/(1 + (ωh)²/6); on equal cubes cut into simplices
    M v = hᵈ v/(1 + (ωh)²/6) to second order.
    Hats at a side are cut in half: a mode that is constant across it weighs 1 − h/2 for this dimension, else 1 − h.
    """
    cells = setting.size(*CELLS[d])
    mesh, h = box_mesh([(0.0, 1.0)] * d, cells), 1 / cells
    basis, u = space(mesh, 1), expand(nodal_hats(cells, d), mesh)
    assert isinstance(u, Expansion)
    k = np.stack(np.meshgrid(*[np.arange(cells)] * d), axis=-1).reshape(-1, d)
    k = k[np.pi * h * np.linalg.norm(k, axis=1) <= HIGHEST]
    modes = laplace_modes(basis, len(k))
    rho, omega = rayleigh(u, basis, modes), modes.frequencies[1:]
    _, level, copies = np.unique((k**2).sum(axis=1), return_inverse=True, return_counts=True)
    sides = np.bincount(level, np.where(k == 0, 1 - h / 2, 1 - h).prod(axis=1)) / copies  # in the mean of a multiplet
    law = h**d * np.repeat(sides, copies)[1:] / (1 + (omega * h) ** 2 / 6)
    title = f"{u.trace.graph.sizes[-2]} nodal hats in {d} dimension{'s' * (d > 1)}, a ReLU network of depth {d + 2}"
    pair = Pair("hᵈ/(1 + (ωh)²/6), cut at the sides", omega, law, rho[1:])
    chart = Chart(title, "frequency ω", "Rayleigh coefficient ρ", (pair,))
    return Evidence(law, rho[1:], law * omega[-1] / omega, chart, x=omega)


CLAIMS = [
    Claim(
        f"hong2022.nodal-hats-{d}d",
        SOURCE,
        "All nodal hats of a mesh, as features of a deep ReLU network, weigh its Laplace modes hᵈ/(1 + (ωh)²/6): "
        f"alike, up to the scale that the mesh resolves ({d} dimension{'s' * (d > 1)}).",
        "order",
        tolerance,
        "Exact in one dimension. Beyond, (ωh)⁴/72 of the symbol, 0.02 at most, and dh² at the sides; the modes of a "
        "multiplet, which the mesh parts, differ by what they weigh at the sides, h/2 for each dimension.",
        partial(_nodal_hats, d),
        cap=cap,
    )
    for d, tolerance, cap in ((1, 1e-9, 1e-9), (2, 0.1, 0.08), (3, 0.25, 0.15))
]
