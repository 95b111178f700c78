"""Samples: where the points lie, how errors at them are read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fembridge.problem import Problem, sample, sawtooth, sines
from fembridge.samples import Samples, on_box, on_circle, on_curve, on_points, samples_of, sum_of_sines

# sums of at most 480 products of numbers up to 6
BOUND = 480 * 6 * np.finfo(float).eps


def test_a_sine_is_read_as_its_amplitude():
    """In any dimension, on any box: |c_k| = |A| at its own wave vector and 0 at others, c_k of A sin(… + φ) turning."""
    domain, counts, k = [(-1.0, 2.0), (0.0, 0.5), (3.0, 4.0)], (10, 6, 8), [(1, 2, 3), (0, 1, 0), (4, 0, 1), (1, 2, 1)]
    amplitudes, phases = [2.0, -3.0, 0.5], [0.3, 0.0, 1.0]
    data = on_box(sum_of_sines(k[:3], amplitudes, domain, phases), domain, counts, k)
    expected = np.array([-1j * a * np.exp(1j * p) for a, p in zip(amplitudes, phases, strict=True)] + [0])
    assert np.abs(data.read(data.values) - expected).max() <= BOUND
    assert data.points.shape == (480, 3) and data.points.min(0).tolist() == [-1, 0, 3]
    assert np.abs(data.points.max(0) - [2 - 0.3, 0.5 - 0.5 / 6, 4 - 1 / 8]).max() <= BOUND
    assert abs(data.size**2 - sum(a**2 for a in amplitudes)) <= BOUND
    assert data.read(np.stack([data.values, data.values])).shape == (2, 4)


@pytest.mark.parametrize("points", ["its own", "a rule of quadrature"])
def test_a_problem_on_an_interval(points):
    problem = Problem(sines([1, 3], [1.0, 0.5], (-1.0, 1.0)), (1, 2, 3), domain=(-1.0, 1.0), samples=32)
    data = samples_of(problem)
    if points != "its own":
        z, w = np.polynomial.legendre.leggauss(30)  # of degree 59, where cos(6πx) has a tail of 1e-20
        data = on_points(problem, z, w)
        assert np.array_equal(data.weights, w)
    assert np.abs(np.abs(data.read(data.values)) - [1, 0, 0.5]).max() <= BOUND
    x, w = sample(problem)
    assert points != "its own" or (np.array_equal(data.points[:, 0], x) and np.array_equal(data.weights, w))
    assert data.slopes is None and data.loss == "mass" and data.frequencies == (1, 2, 3)


def test_slopes_are_there_where_the_loss_needs_them():
    problem = Problem(sines([1], [1.0]), (1,), loss="stiffness", samples="exact")
    data = on_points(problem, [0.0, 0.25], [1.0, 1.0])
    assert np.abs(data.slopes - 2 * np.pi * np.array([1.0, 0.0])).max() <= BOUND and data.loss == "stiffness"


def test_circle_and_flower():
    circle = on_circle(3, 40, (1, 3))
    assert np.abs(np.linalg.norm(circle.points, axis=1) - 1).max() <= BOUND
    assert abs((circle.values**2).mean() - 1) <= BOUND
    assert np.abs(np.abs(circle.read(circle.values)) - [0, np.sqrt(2)]).max() <= BOUND
    assert on_circle(3, 40).frequencies == (3,)
    flower = on_curve(lambda z: np.sin(2 * np.pi * 5 * z), 4, 64, (5, 6))
    radius = np.linalg.norm(flower.points, axis=1)
    assert np.abs(radius - 1 - np.sin(8 * np.pi * np.arange(64) / 64) / 2).max() <= BOUND
    assert np.abs(np.abs(flower.read(flower.values)) - [1, 0]).max() <= BOUND
    assert np.abs(np.linalg.norm(on_curve(np.cos, 0, 9, (1,)).points, axis=1) - 1).max() <= BOUND


POINTS, VALUES = np.zeros((3, 2)), np.ones(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Samples(VALUES, VALUES), r"points: expected finite numbers \(N, d\), got an array of shape \(3,\)"),
        (lambda: Samples(POINTS + np.nan, VALUES), "points: expected finite numbers"),
        (lambda: Samples(np.zeros((0, 2)), np.zeros(0)), "points: expected finite numbers"),
        (lambda: Samples(POINTS, VALUES[:2]), r"values: expected .* with N = 3, got shape \(2,\)"),
        (lambda: Samples(POINTS, VALUES + np.inf), "values: expected finite numbers"),
        (lambda: Samples(POINTS, VALUES, VALUES[:2]), "weights: expected 3 numbers ≥ 0"),
        (lambda: Samples(POINTS, VALUES, -VALUES), "weights: expected 3 numbers ≥ 0"),
        (lambda: Samples(POINTS, VALUES, 0 * VALUES), "weights: expected 3 numbers ≥ 0, .* not all 0"),
        (lambda: Samples(POINTS, VALUES, frequencies=(1,)), r"waves: expected shape \(1, 3\)"),
        (lambda: Samples(POINTS, VALUES, loss="l1"), 'loss: expected "mass", "stiffness" or "h1", got \'l1\''),
        (lambda: Samples(POINTS, VALUES, loss="h1"), 'loss: "h1" needs one input, one output and a target without'),
        (lambda: on_box(np.sum, [(0, 1)], (4, 4), [1]), "samples: expected 1 counts, one for each dimension, got 2"),
        (lambda: on_box(np.sum, [(0, 1)], (4,), [2]), r"frequencies: 2 is at or above the sampling limit of \(4,\)"),
        (
            lambda: on_box(len, [(0, 1)] * 2, (8, 8), [1]),
            "frequencies: expected wave vectors of 2 whole numbers, got 1",
        ),
        (lambda: on_box(np.sum, [(1, 0)], (4,), [1]), "domain: expected finite ends a < b"),
        (lambda: on_circle(4, 8), r"frequencies: 4 is at or above the sampling limit of \(8,\) samples"),
        (lambda: on_curve(np.cos, 1, 8, (1, -4)), "frequencies: -4 is at or above the sampling limit"),
        (lambda: on_circle(1, 0), "n: expected distinct positive whole numbers"),
        (
            lambda: samples_of(Problem(sawtooth(), (1,), samples="exact")),
            'samples: expected a whole number, got "exact"',
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_bad_input_is_one_clear_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_nothing_need_be_read() -> None:
    data = on_box(lambda x: x[:, 0], [(0.0, 1.0)], [4], [])
    assert data.waves.shape == (0, 4) and data.read(data.values).shape == (0,)
