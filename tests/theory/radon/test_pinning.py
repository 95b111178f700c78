"""Velocities of zero-planes against finite differences of the flow, and the held plane of a single datum."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.theory.radon.pinning import one_sided_velocities, pinned, plane_velocities, velocity_jumps


def drawn(d, seed=0):
    random = np.random.default_rng([seed, d])
    w, b, v = random.standard_normal((5, d)), random.standard_normal(5), random.standard_normal(5)
    return w, b, v, random.uniform(-1, 1, (8, d)), random.standard_normal(8)


def gradient_step(w, b, v, x, g, t):
    """Parameters after a time t at the velocities ẇ, ḃ, v̇ of constant forces."""
    z = w @ x.T + b[:, None]
    active = g * (z > 0)
    return w - t * v[:, None] * (active @ x), b - t * v * active.sum(1), v - t * (active * z).sum(1)


def view(w, b, v):
    r = np.linalg.norm(w, axis=1)
    return w / r[:, None], -b / r, v * r


@pytest.mark.parametrize("d", [1, 2, 3])
def test_velocities_by_finite_differences(d):
    w, b, v, x, g = drawn(d)
    t = 1e-5
    ends = [view(*gradient_step(w, b, v, x, g, side)) for side in (t, -t)]
    for rate, right, left in zip(plane_velocities(w, b, v, x, g), *ends, strict=True):
        assert np.abs((right - left) / (2 * t) - rate).max() < 1e-6 * max(1, np.abs(rate).max())


def test_one_dimension_is_the_breakpoint_law():
    """β̇ = (v/w)(⟨g, 1⟩ + β⟨g, x⟩), μ̇ = −(v² + w²)⟨g, x⟩ − w b⟨g, 1⟩ for β = sγ and slope μ/s, S22's delta-slope wv."""
    w, b, v, x, g = drawn(1)
    s, (_, offsets, slopes) = np.sign(w[:, 0]), plane_velocities(w, b, v, x, g)
    active = g * (w @ x.T + b[:, None] > 0)
    one, first, beta = active.sum(1), active @ x[:, 0], -b / w[:, 0]
    assert np.allclose(s * offsets, v / w[:, 0] * (one + beta * first), rtol=1e-12, atol=1e-13)
    expected = -(v**2 + w[:, 0] ** 2) * first - w[:, 0] * b * one
    assert np.allclose(s * slopes, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_sided_velocities_are_limits(d):
    """δ̇ = ξ̇·x_n − γ̇ of a plane moved to either side of a datum; the jump is their difference."""
    w, b, v, x, g = drawn(d, 1)
    i, n, r = 2, 4, np.linalg.norm(w[2])
    b[i] = -w[i] @ x[n]
    sides = []
    for distance in (-1e-9, 1e-9):
        moved = b.copy()
        moved[i] += distance * r
        turn, shift, _ = plane_velocities(w, moved, v, x, g)
        sides.append(turn[i] @ x[n] - shift[i])
    before, after = one_sided_velocities(w, b, v, x, g)
    assert np.allclose([before[i, n], after[i, n]], sides, rtol=0, atol=1e-7)
    assert after[i, n] - before[i, n] == pytest.approx(velocity_jumps(w, v, x, g)[i, n], abs=1e-13)


def test_in_one_dimension_the_breakpoint_jumps():
    """β̇ from left to right by −s(v/w) g (1 + x²), whatever the sign of w."""
    x, g = np.array([[0.5], [-0.7]]), np.array([0.3, -0.2])
    for w in (2.0, -2.0):
        velocity = []
        for beta in (0.5 - 1e-9, 0.5 + 1e-9):
            offsets = plane_velocities([[w]], [-w * beta], [1.5], x, g).offsets
            velocity.append(np.sign(w) * offsets[0])
        jump = -np.sign(w) * 1.5 / w * 0.3 * (1 + 0.5**2)
        assert velocity[1] - velocity[0] == pytest.approx(jump, abs=1e-8)


def test_a_held_plane_slides_in_a_simulation():
    """One neuron with constant forces, by small steps: it stays at the datum that holds it, and passes the other."""
    x, t = np.array([[0.0], [1.0]]), 1e-3
    for g, held in (([2.0, -1.0], True), ([0.5, -1.0], False)):
        w, b, v = np.array([[1.0]]), np.array([-0.05]), np.array([1.0])
        before, after = one_sided_velocities(w, b, v, x, g)
        assert pinned(before, after)[0, 0] == held
        for _ in range(200):
            w, b, v = gradient_step(w, b, v, x, np.array(g), t)
        distance = (w[0] @ x[0] + b[0]) / abs(w[0, 0])
        assert abs(distance) < 3 * t if held else distance > 0.02


def test_refusals():
    w, b, v, x, g = drawn(2)
    with pytest.raises(ValueError, match=r"w: expected \(n, d\), \(n,\) and \(n,\), got \(5, 2\), \(4,\) and \(5,\)"):
        plane_velocities(w, b[:4], v, x, g)
    with pytest.raises(ValueError, match=r"x: expected \(N, 2\) and \(N,\), got \(8, 1\) and \(8,\)"):
        plane_velocities(w, b, v, x[:, :1], g)
    with pytest.raises(ValueError, match="w: expected weights other than zero, got 0 at neuron 3"):
        one_sided_velocities(np.where(np.arange(5)[:, None] == 3, 0, w), b, v, x, g)
