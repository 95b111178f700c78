"""Gradient flow of a shallow ReLU network of one input, f(x) = Σ_i v_i ReLU(w_i x + b_i) + c, as a spline: how its
breakpoints β = −b/w and delta-slopes μ = w v move, and what they conserve.

The loss is L = ½ Σ_n ω_n (f(x_n) − y_n)². Residuals ε are those times their weights, ε_n = ω_n (f(x_n) − y_n): with
them each formula is that of ½ Σ ε². A bias c of the output enters through ε alone. Sums ⟨ε, g⟩_i = Σ ε_n g(x_n) run
over the data where neuron i is active, w_i x_n + b_i > 0. Parameters are rows (n,), data rows (N,).

Source: Sahs et al. 2020 (arXiv 2008.01772); the balance: Williams et al. 2019 (arXiv 1906.07842).
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import RK45

from fembridge.problem import Array

ACCURACY = 1e-9  # of each step of the integrated flow
EVALUATIONS = 4_000  # of the velocity; a breakpoint that sticks to a datum asks for ever shorter steps


def active_sums(w: Array, b: Array, x: Array, residuals: Array) -> tuple[Array, Array]:
    """⟨ε, 1⟩_i and ⟨ε, x⟩_i, (n,) each.

    >>> active_sums(np.array([1.0, -1.0]), np.zeros(2), np.array([-2.0, 3.0]), np.array([5.0, 7.0]))
    (array([7., 5.]), array([ 21., -10.]))
    """
    active = np.multiply.outer(w, x) + b[:, None] > 0
    return active @ residuals, active @ (residuals * x)


def breakpoint_velocity(w: Array, b: Array, v: Array, x: Array, residuals: Array) -> Array:
    """β̇_i = (v_i/w_i) (⟨ε, 1⟩_i + β_i ⟨ε, x⟩_i), (n,).

    >>> one = np.ones(1)
    >>> breakpoint_velocity(2 * one, 2 * one, 3 * one, np.array([0.5]), np.array([1.0]))      # 3/2 (1 − ½)
    array([0.75])
    """
    total, moment = active_sums(w, b, x, residuals)
    return np.asarray(v / w * (total - b / w * moment))


def delta_slope_velocity(w: Array, b: Array, v: Array, x: Array, residuals: Array) -> Array:
    """μ̇_i = −(v_i² + w_i²) ⟨ε, x⟩_i − w_i b_i ⟨ε, 1⟩_i, (n,).

    >>> one = np.ones(1)
    >>> delta_slope_velocity(2 * one, 2 * one, 3 * one, np.array([0.5]), np.array([1.0]))     # −13/2 − 4
    array([-10.5])
    """
    total, moment = active_sums(w, b, x, residuals)
    return np.asarray(-(v**2 + w**2) * moment - w * b * total)


def velocity_jump(w: Array, v: Array, x: Array, residual: Array) -> Array:
    """By how much β̇ jumps where a breakpoint passes the datum x from left to right: −s (v/w) ε (1 + x²), s = sgn w.

    Shapes broadcast. A neuron that faces right (s = 1) loses the datum, whose part of β̇ at β = x was (v/w) ε (1 + x²);
    one that faces left gains it.

    >>> velocity_jump(np.array([2.0, -2.0]), np.array([4.0, 4.0]), np.array([3.0, 3.0]), np.array([1.0, 1.0]))
    array([-20., -20.])
    """
    return np.asarray(-v / np.abs(w) * residual * (1 + x**2))


def balance_curvature(w: Array, b: Array, v: Array, x: Array, residuals: Array) -> Array:
    """(∂L/∂w)² + (∂L/∂b)² − (∂L/∂v)² of each neuron, (n,): times η² exactly what one step of gradient descent at the
    rate η adds to its balance w² + b² − v².

    The step adds nothing of first order, for w ∂L/∂w + b ∂L/∂b = v ∂L/∂v = ⟨ε, v ReLU(wx + b)⟩. Derived here.

    >>> one = np.ones(1)
    >>> balance_curvature(one, 0 * one, 2 * one, np.array([1.0]), np.array([1.0]))      # 2² + 2² − 1
    array([7.])
    """
    total, moment = active_sums(w, b, x, residuals)
    return np.asarray(v**2 * (total**2 + moment**2) - (w * moment + b * total) ** 2)


def balance_drift(
    parameters: tuple[Array, Array, Array, float], x: Array, y: Array, weights: Array, time: float
) -> Array:
    """∫₀ᵀ balance_curvature dt along the gradient flow of w, b, v and the output's bias c from `parameters` on, (n,).

    Gradient descent at the rate η, for T/η steps, adds η times it to the balances, up to O(η²): η² in each of T/η
    steps. Derived here.

    Raises RuntimeError where a breakpoint sticks to a datum, as it does where its velocities on both sides point there:
    from then on the flow has no solution in the plain sense.

    >>> one = np.ones(1)
    >>> balance_drift((one, 0 * one, one, 0.0), np.array([-1.0]), np.array([1.0]), one, 5.0)  # never active
    array([0.])
    """
    w, b, v, c = parameters
    n = len(w)

    def velocity(_: float, state: Array) -> Array:
        w, b, v = state[: 3 * n].reshape(3, n)
        f = v @ np.maximum(np.multiply.outer(w, x) + b[:, None], 0) + state[3 * n]
        residuals = weights * (f - y)
        total, moment = active_sums(w, b, x, residuals)
        added = balance_curvature(w, b, v, x, residuals)
        return np.concatenate([-v * moment, -v * total, -w * moment - b * total, [-residuals.sum()], added])

    start = np.concatenate([w, b, v, [c], np.zeros(n)])
    solver = RK45(velocity, 0.0, start, time, rtol=ACCURACY, atol=ACCURACY)
    while solver.status == "running" and solver.nfev < EVALUATIONS:
        solver.step()
    if solver.status != "finished":
        raise RuntimeError(f"balance_drift: the flow sticks at t = {solver.t:g}, where a breakpoint is at a datum")
    return np.asarray(solver.y[-n:])
