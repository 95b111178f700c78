from typing import Any

import numpy as np
import pytest

from fembridge.theory.design.designs import Design, design
from fembridge.theory.splines import fourier_power

THETA = np.linspace(0, np.pi, 257)


@pytest.mark.parametrize(("taps", "kappa"), [(1, 3), (2, 4 / 3), (3, 27 / 25), (4, 49 / 48), (5, 363 / 361)])
def test_flat_linear_designs_have_chebyshevs_condition(taps: int, kappa: float) -> None:
    found = design("flat", taps=taps)
    assert found.condition_number == pytest.approx(kappa, rel=1e-9)
    assert found.deviation == pytest.approx(found.best, rel=1e-6)
    assert len(found.taps) == taps and found.activation.support == (0, taps + 1)


@pytest.mark.parametrize(("taps", "truncated"), [(3, 1.26), (5, 1.053), (7, 1.012)])
def test_symmetric_taps_are_between_truncation_and_the_best(taps: int, truncated: float) -> None:
    found = design("flat", taps=taps, symmetric=True)
    assert np.allclose(found.taps, found.taps[::-1], atol=1e-15)
    assert design("flat", taps=taps).condition_number < found.condition_number < truncated


def test_the_symbol_is_the_sum_over_aliases() -> None:
    """Σ_m |σ̂(θ + 2πm)|²: the tail of |m| > 400 is below Σ 2 (2πm)⁻⁴ times Σ|c|², 1e-11."""
    found = design("band-pass:0.3,0.6", taps=9)
    theta = THETA[::16]
    sums = fourier_power(found.activation, np.add.outer(theta, 2 * np.pi * np.arange(-400, 401))).sum(axis=1)
    assert np.abs(found.symbol(theta) - sums).max() < 1e-10


@pytest.mark.parametrize("wanted", ["power:-2", "low-pass:0.5", "high-pass:0.5", "band-pass:0.3,0.6"])
def test_without_a_number_of_taps_the_least_that_will_do_is_taken(wanted: str) -> None:
    found = design(wanted, tolerance=0.1)
    assert np.abs(found.symbol(THETA) / found.target(THETA) - 1).max() <= found.deviation * (1 + 1e-6) <= 0.1
    assert design(wanted, taps=len(found.taps) - 1).best > 0.1


def test_a_smooth_random_target_of_ratio_100_takes_fifteen_taps_at_most() -> None:
    """log t is a random sum of three cosines, whose size makes the ratio 100."""
    for seed in range(5):
        a = np.random.default_rng(seed).standard_normal(3) / np.arange(1, 4) ** 2

        def log(x: Any, a: Any = a) -> Any:
            return np.cos(np.pi * np.multiply.outer(x, np.arange(1, 4))) @ a

        curve = log(np.linspace(0, 1, 1001))
        found = design(lambda x, c=curve, log=log: 100 ** (log(x) / np.ptp(c)), tolerance=0.01)
        assert len(found.taps) <= 15
        assert np.ptp(np.log(found.target(THETA))) == pytest.approx(np.log(100), rel=1e-3)


def test_constraints_are_kept() -> None:
    bounded = design("flat", taps=5, lipschitz=1.3)
    assert bounded.lipschitz <= 1.3 * (1 + 1e-6) < design("flat", taps=5).lipschitz
    assert bounded.deviation > bounded.best
    smooth = design("flat", 3, taps=5, lipschitz=1.2)
    assert smooth.lipschitz <= 1.2 * 1.01  # bounded at eight points of a cell: (1/8)²/8 of the second derivative
    level = design("flat", taps=6, zero_mean=True, band=(0.25, 1))
    assert abs(level.taps.sum()) < 1e-12 and level.deviation < 0.3
    even = design("flat", taps=7, zero_mean=True, symmetric=True, band=(0.25, 1))
    assert abs(even.taps.sum()) < 1e-12 and np.allclose(even.taps, even.taps[::-1], atol=1e-14)
    assert np.array_equal(design("flat", support=4).taps, design("flat", taps=3).taps)


def test_least_squares_has_the_smaller_mean_and_the_larger_maximum() -> None:
    def mean(found: Design) -> float:
        return float(np.mean((found.symbol(THETA) / found.target(THETA) - 1) ** 2))

    squares, largest = (design("low-pass:0.5", taps=6, criterion=kind) for kind in ("least-squares", "minimax"))  # type: ignore[arg-type]
    assert mean(squares) < mean(largest) and squares.deviation > largest.deviation


def test_rates_are_those_of_the_best_learning_rate() -> None:
    found = design("flat", taps=3)
    assert np.abs(1 - found.rates(THETA)).max() == pytest.approx((27 / 25 - 1) / (27 / 25 + 1), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 0}, "degree: expected 1, 2 or 3"),
        ({"taps": 0}, "taps: expected a whole number"),
        ({"taps": 2.5}, "taps: expected a whole number"),
        ({"taps": 4, "symmetric": True}, "taps: expected an odd number"),
        ({"taps": 1, "zero_mean": True, "band": (0.1, 1)}, "taps: expected at least 2"),
        ({"taps": 3, "zero_mean": True}, "zero_mean: a symbol that vanishes"),
        ({"taps": 3, "support": 4}, "support: expected either"),
        ({"support": 1}, "support: expected at least 2"),
        ({"taps": 3, "lipschitz": 0.0}, "lipschitz: expected a positive"),
        ({"taps": 3, "band": (0.5, 0.2)}, "band: expected"),
        ({"taps": 3, "criterion": "best"}, "criterion: expected"),
        ({"tolerance": 0.0}, "tolerance: expected"),
        ({"wanted": lambda x: x, "taps": 3}, "positive number at every frequency"),
        ({"wanted": lambda x: x - 0.5, "taps": 3}, "positive number at every frequency"),
        ({"wanted": "power:-8,0.01", "tolerance": 1e-6}, "tolerance: 64 taps"),
    ],
)
def test_what_cannot_be_designed_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        design(**options)
