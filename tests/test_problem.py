"""Targets, samples and quadrature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fembridge.problem import (
    Problem,
    Target,
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
    assert terrain(np.int64(3)).values(x).tolist() == terrain(3).values(x).tolist()
    for row in (344, -1, 1.5):
        with pytest.raises(ValueError, match=f"expected a row from 0 to 343, got {row}"):
            terrain(row)  # type: ignore[arg-type]


def test_files(tmp_path: Path) -> None:
    data = np.array([0.0, 1.5, -2.0])
    np.save(tmp_path / "a.npy", data)
    (tmp_path / "a.csv").write_text("0, 1.5,\n-2\n")
    (tmp_path / "mark.csv").write_bytes(b"\xef\xbb\xbf0 1.5 -2")  # the byte order mark of Windows' editors
    for name in ("a.npy", "a.csv", "mark.csv"):
        assert from_file(tmp_path / name).values(np.array([0.5, 1.0])).tolist() == [1.5, -2.0]
    (tmp_path / "b.csv").write_text("0, one")
    (tmp_path / "c.npy").write_bytes(b"nonsense")
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object))
    for name in ("b.csv", "c.npy", "d.npy"):
        with pytest.raises(ValueError, match=f"target: .*{name}: expected numbers"):
            from_file(tmp_path / name)
    (tmp_path / "e.csv").write_text("1 nan")
    with pytest.raises(ValueError, match="expected finite numbers of size at most 1e100, got nan at entry 1"):
        from_file(tmp_path / "e.csv")


@pytest.mark.parametrize("kind", ["complex", "bool", "datetime64[s]", "str"])
def test_a_file_of_other_things_than_real_numbers(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3, dtype=int).astype(kind))
    with pytest.raises(ValueError, match=r"a\.npy: expected real numbers, got "):
        from_file(tmp_path / "a.npy")


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


def test_quadrature_costs_in_proportion_to_the_frequency() -> None:
    def points(k: int) -> int:
        return len(quadrature(Problem(sines([k], [1.0]), (k,), samples="exact"), [0.5], degree=1)[0])

    assert points(1) < 100
    assert points(10**5) == pytest.approx(10 * points(10**4), rel=1e-3)
    assert points(10**5) < 20 * 10**5


def test_whole_numbers_and_ends_become_pythons() -> None:
    problem = Problem(sines(np.array([1, 3]), np.ones(2)), np.array([1, 3]), domain=[0, 1])  # type: ignore[arg-type]
    assert (problem.frequencies, problem.domain) == ((1, 3), (0.0, 1.0))
    assert {type(k) for k in (*problem.frequencies, problem.target.bandlimit)} == {int}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domain": (1.0, 1.0)}, "finite ends a < b"),
        ({"domain": (2.0, 1.0)}, "finite ends a < b"),
        ({"domain": (0.0, np.inf)}, "finite ends a < b"),
        ({"domain": (0.0,)}, "two ends"),
        ({"domain": 1.0}, "two ends"),
        ({"domain": (0, 10**400)}, "two ends"),
        ({"domain": (0.0, 1e101)}, "ends of size at most 1e100, 1e-100 apart or more"),
        ({"domain": (0.0, 1e-101)}, "ends of size at most 1e100, 1e-100 apart or more"),
        ({"frequencies": ()}, "distinct positive whole numbers"),
        ({"frequencies": (0,)}, "distinct positive whole numbers"),
        ({"frequencies": (1, 1)}, "distinct positive whole numbers"),
        ({"frequencies": (1.5,)}, "distinct positive whole numbers"),
        ({"frequencies": (np.nan,)}, "distinct positive whole numbers"),
        ({"frequencies": (2**31 + 1,)}, "distinct positive whole numbers"),
        ({"frequencies": (10**400,)}, "distinct positive whole numbers"),
        ({"frequencies": 1}, "distinct positive whole numbers"),
        ({"frequencies": "1"}, "distinct positive whole numbers"),
        ({"frequencies": (64,), "samples": 128}, "64 is at or above the sampling limit 128/2"),
        ({"samples": 1}, "a whole number from 2 to 2³¹, got 1"),
        ({"samples": 8.5}, "a whole number from 2 to 2³¹, got 8.5"),
        ({"samples": "foo"}, "a whole number from 2 to 2³¹, got 'foo'"),
        ({"samples": 10**20}, "a whole number from 2 to 2³¹, got 1"),
        ({"loss": "foo"}, "\"h1\", got 'foo'"),
        ({"loss": "stiffness"}, 'expected samples = "exact"'),
        ({"loss": "h1", "samples": "exact", "target": sawtooth()}, "needs a target without jumps"),
    ],
)
def test_bad_problems(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Problem(**({"target": sines([1], [1.0]), "frequencies": (1,)} | change))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda: sines([1, 2], [1.0]), "one amplitude for each frequency"),
        (lambda: sines([1], [np.nan]), "target.amplitudes: expected finite numbers of size at most 1e100, got nan"),
        (lambda: sines([1, 2], [1.0, -1e101]), r"at most 1e100, got -1e\+101 at entry 1"),
        (lambda: sines([1], [1j]), "target.amplitudes: expected real numbers, got complex"),
        (lambda: sines([1.5], [1.0]), "frequencies: expected distinct positive whole numbers"),  # type: ignore[list-item]
        (lambda: sawtooth(0), "target.periods: expected distinct positive whole numbers"),
        (lambda: sawtooth(-3), "target.periods: expected distinct positive whole numbers"),
        (lambda: sawtooth(1.5), "target.periods: expected distinct positive whole numbers"),  # type: ignore[arg-type]
        (lambda: samples_of([[1.0, 2.0]]), "one row of numbers, got an array of shape"),
        (lambda: samples_of([1.0]), "at least two numbers, got 1"),
        (lambda: samples_of([1.0, 1e101]), r"at most 1e100, got 1e\+101 at entry 1"),
    ],
)
def test_bad_targets(target: Callable[[], Target], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target()
