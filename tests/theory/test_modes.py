"""Fourier functionals and beam roots against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.meshes import interval_mesh
from fembridge.theory.modes import beam_roots, fourier_functionals
from fembridge.theory.spaces import space


def test_fourier_functionals_are_integrals() -> None:
    basis = space(interval_mesh(np.linspace(0, 2, 33)), 1, intorder=24)
    q = fourier_functionals(basis, (1, 5), (0.0, 2.0))
    u = np.sin(2 * np.pi * 5 * basis.mesh.p[0] / 2 + 0.3)
    # Linear interpolation multiplies the amplitude at frequency k by sinc², of k h / 2.
    assert np.abs(q @ u) == pytest.approx([0, np.sinc(5 / 32) ** 2], abs=1e-14)


def test_beam_roots() -> None:
    roots = beam_roots(8)
    assert np.abs(np.cos(roots) * np.cosh(roots) + 1).max() < 1e-9 * np.cosh(roots[-1])
    assert roots[:3] == pytest.approx([1.8751040687119611, 4.694091132974174, 7.854757438237613], abs=1e-13)
