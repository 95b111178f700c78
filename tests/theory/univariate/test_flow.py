import numpy as np
import pytest

from fembridge.theory.univariate import flow


def neurons(seed: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    w, b, v = random.standard_normal((3, 7))
    return w + np.sign(w) / 4, b, v, np.sort(random.uniform(-1, 1, 9)), random.standard_normal(9)


def descent(w: np.ndarray, b: np.ndarray, v: np.ndarray, x: np.ndarray, residuals: np.ndarray) -> tuple:
    """−∂L/∂(w, b, v), one neuron and datum at a time."""
    out = np.zeros((3, len(w)))
    for i in range(len(w)):
        for point, error in zip(x, residuals, strict=True):
            if w[i] * point + b[i] > 0:
                out[:, i] -= error * np.array([v[i] * point, v[i], w[i] * point + b[i]])
    return tuple(out)


def test_velocities_by_the_chain_rule() -> None:
    w, b, v, x, residuals = neurons(0)
    dw, db, dv = descent(w, b, v, x, residuals)
    assert np.allclose(flow.breakpoint_velocity(w, b, v, x, residuals), -db / w + b * dw / w**2, rtol=1e-13, atol=1e-13)
    assert np.allclose(flow.delta_slope_velocity(w, b, v, x, residuals), dw * v + w * dv, rtol=1e-13, atol=1e-13)


def test_velocity_jumps_across_a_datum() -> None:
    w, _, v, x, residuals = neurons(1)
    for datum, error in zip(x, residuals, strict=True):
        right, left = (flow.breakpoint_velocity(w, -w * (datum + h), v, x, residuals) for h in (1e-10, -1e-10))
        assert np.allclose(right - left, flow.velocity_jump(w, v, datum, error), atol=1e-7, rtol=0)


def test_one_step_changes_the_balance_by_its_square() -> None:
    w, b, v, x, residuals = neurons(2)
    for rate in (1.0, 1e-2):
        dw, db, dv = (rate * d for d in descent(w, b, v, x, residuals))
        change = (w + dw) ** 2 + (b + db) ** 2 - (v + dv) ** 2 - (w**2 + b**2 - v**2)
        expected = rate**2 * flow.balance_curvature(w, b, v, x, residuals)
        assert np.allclose(change, expected, rtol=0, atol=1e-13 * max(1, np.abs(expected).max()))


def test_drift_of_descent_in_plain_steps() -> None:
    """Richardson: 2 · drift(η/2)/(η/2) − drift(η)/η is the integral up to O(η²) where no neuron switches."""
    w, b, v, x, y = neurons(3)
    weights, time, c = np.full(9, 1 / 9), 1.0, 0.3
    found = flow.balance_drift((w, b, v, c), x, y, weights, time)

    def steps(count: int) -> np.ndarray:
        one, theta, offset = time / count, np.stack([w, b, v]), c
        for _ in range(count):
            residuals = weights * (np.maximum(np.outer(x, theta[0]) + theta[1], 0) @ theta[2] + offset - y)
            theta, offset = theta + one * np.array(descent(*theta, x, residuals)), offset - one * residuals.sum()
        return (theta[0] ** 2 + theta[1] ** 2 - theta[2] ** 2 - (w**2 + b**2 - v**2)) / one

    coarse, fine = steps(400), steps(800)
    assert np.abs(fine - found).max() < 0.02 * np.abs(found).max()
    assert np.abs(2 * fine - coarse - found).max() < 2e-3 * np.abs(found).max()


def test_a_breakpoint_that_sticks_to_a_datum_is_told() -> None:
    """A neuron that faces right, whose velocity points at the datum 0 from either side."""
    one, x = np.ones(1), np.array([0.0, 0.5])
    parameters, weights = (one, 0.01 * one, one, 0.0), np.ones(2)
    y = np.array([-4.0, 2.0])
    sides = [flow.breakpoint_velocity(one, -h * one, one, x, np.array([4.0, -1.5])) for h in (-1e-9, 1e-9)]
    assert sides[0] > 0 > sides[1]
    with pytest.raises(RuntimeError, match=r"balance_drift: the flow sticks at t = 0\.0"):
        flow.balance_drift(parameters, x, y, weights, 1.0)
