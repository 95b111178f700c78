"""Targets, samples and quadrature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fembridge.problem import (
    Problem,
    composite_gauss,
    from_file,
    quadrature,
    sample,
    samples_of,
    sawtooth,
    sines,
    terrain,
)


def test_slopes_are_derivatives() -> None:
    x = np.linspace(-0.9, 1.9, 57) + 1e-3
    for target in (sines([1, 3], [1.0, -2.0], (-1.0, 2.0)), samples_of([0.0, 1.0, -1.0, 3.0], (-1.0, 2.0))):
        assert target.slopes is not None
        difference = (target.values(x + 1e-6) - target.values(x - 1e-6)) / 2e-6
        assert np.abs(target.slopes(x) - difference).max() < 1e-6


def test_sines_count_periods_over_the_domain() -> None:
    x = np.linspace(2, 6, 33)
    assert np.abs(sines([2], [3.0], (2.0, 6.0)).values(x) - 3 * np.sin(2 * np.pi * 2 * (x - 2) / 4)).max() < 1e-14


def test_sawtooth() -> None:
    target = sawtooth(4)
    assert target.slopes is None and target.breakpoints.tolist() == [0.25, 0.5, 0.75]
    assert target.values(np.array([0.0, 0.125, 0.25])).tolist() == [-1.0, 0.0, -1.0]


def test_terrain_is_real_and_vanishes_at_its_ends() -> None:
    target = terrain()
    x = np.linspace(0, 1, 403)
    assert np.abs(target.values(x)).max() == 1 and np.abs(target.values(x[[0, -1]])).max() < 1e-12
    with pytest.raises(ValueError, match="expected a row from 0 to 343, got 344"):
        terrain(344)


def test_files(tmp_path: Path) -> None:
    data = np.array([0.0, 1.5, -2.0])
    np.save(tmp_path / "a.npy", data)
    (tmp_path / "a.csv").write_text("0, 1.5,\n-2\n")
    for name in ("a.npy", "a.csv"):
        assert from_file(tmp_path / name).values(np.array([0.5, 1.0])).tolist() == [1.5, -2.0]
    (tmp_path / "b.csv").write_text("0, one")
    (tmp_path / "c.npy").write_bytes(b"nonsense")
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object))
    for name in ("b.csv", "c.npy", "d.npy"):
        with pytest.raises(ValueError, match=f"{name}: expected numbers"):
            from_file(tmp_path / name)
    (tmp_path / "e.csv").write_text("1 nan")
    with pytest.raises(ValueError, match="at least two finite numbers"):
        from_file(tmp_path / "e.csv")


def test_samples_are_equispaced_and_weigh_a_mean() -> None:
    x, w = sample(Problem(sines([1], [1.0], (1.0, 3.0)), (1,), domain=(1.0, 3.0), samples=4))
    assert x.tolist() == [1.0, 1.5, 2.0, 2.5] and w.tolist() == [0.25] * 4


def test_quadrature_is_exact_for_products_with_the_target() -> None:
    problem = Problem(sines([7], [1.0]), (7,), samples="exact")
    x, w = quadrature(problem, [0.2, 0.7], degree=1)
    # ∫₀¹ x sin(14πx) dx = −1/(14π), and over the one period of a frequency far above the cells' own.
    assert w @ (x * problem.target.values(x)) == pytest.approx(-1 / (14 * np.pi), abs=1e-15)
    assert w.sum() == pytest.approx(1, abs=1e-15)
    y, v = composite_gauss(np.array([0.0, 1.0]), 2)
    assert abs(v @ (y * problem.target.values(y)) + 1 / (14 * np.pi)) > 1e-3


@pytest.mark.parametrize("knots", [2, 3, 8])
@pytest.mark.parametrize("k", [16, 64, 128])
def test_quadrature_resolves_the_product_of_target_and_wave(knots: int, k: int) -> None:
    problem = Problem(sines([k], [1.0]), (1, k), samples="exact")
    x, w = quadrature(problem, np.arange(knots) / knots, degree=1)
    amplitude = np.abs(2 * np.exp(-2j * np.pi * np.outer([1, k], x)) @ (w * problem.target.values(x)))
    assert amplitude == pytest.approx([0, 1], abs=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domain": (1.0, 1.0)}, "finite ends a < b"),
        ({"domain": (2.0, 1.0)}, "finite ends a < b"),
        ({"domain": (0.0, np.inf)}, "finite ends a < b"),
        ({"domain": (0.0,)}, "two ends"),
        ({"frequencies": ()}, "distinct positive whole numbers"),
        ({"frequencies": (0,)}, "distinct positive whole numbers"),
        ({"frequencies": (1, 1)}, "distinct positive whole numbers"),
        ({"frequencies": (1.5,)}, "distinct positive whole numbers"),
        ({"frequencies": (64,), "samples": 128}, "64 is at or above the sampling limit 128/2"),
        ({"samples": 1}, "at least 2, got 1"),
        ({"loss": "stiffness"}, 'expected samples = "exact"'),
        ({"loss": "h1", "samples": "exact", "target": sawtooth()}, "needs a target without jumps"),
    ],
)
def test_bad_problems(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem(**({"target": sines([1], [1.0]), "frequencies": (1,)} | change))


def test_bad_targets() -> None:
    with pytest.raises(ValueError, match="one amplitude for each frequency"):
        sines([1, 2], [1.0])
    with pytest.raises(ValueError, match="amplitudes must be finite"):
        sines([1], [np.nan])
    with pytest.raises(ValueError, match="one row of at least two finite numbers"):
        samples_of([[1.0, 2.0]])
