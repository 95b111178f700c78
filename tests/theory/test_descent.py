"""The risk of least squares on features, against sampling and plain iteration."""

import numpy as np
import pytest

from fembridge.theory.descent import expected_risk, linearised_fit


def _case(n: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(n)
    return random.standard_normal((6, n)), random.standard_normal((9, n)), random.standard_normal(6), np.ones(9)


@pytest.mark.parametrize("n", [3, 6, 12])
@pytest.mark.parametrize("steps", [np.inf, 7])
def test_against_unit_noise_one_datum_at_a_time(n: int, steps: float) -> None:
    """The risk is that of f, and σ² times the squares of what each datum's unit noise adds."""
    phi, test, f, goal = _case(n)
    rate = 6 / np.linalg.norm(phi, 2) ** 2

    def fit(y: np.ndarray) -> np.ndarray:
        v = np.zeros((n, *y.shape[1:]))
        if np.isinf(steps):
            return np.asarray(np.linalg.pinv(phi) @ y)
        for _ in range(int(steps)):
            v = v - rate * phi.T @ (phi @ v - y) / 6
        return v

    expected = np.mean((test @ fit(f) - goal) ** 2) + 0.25 * np.sum((test @ fit(np.eye(6))) ** 2) / 9
    assert expected_risk(phi, test, f, goal, 0.5, rate, steps) == pytest.approx(expected, rel=1e-10)


def test_a_linearised_fit_is_descent_on_features() -> None:
    phi, test, f, _ = _case(12)
    v, rate = np.zeros(12), 0.2
    for _ in range(30):
        v = v - rate * phi.T @ (phi @ v - f) / 6
    assert np.allclose(linearised_fit(phi @ phi.T, test @ phi.T, f, rate, 30), test @ v, rtol=1e-10, atol=1e-12)
