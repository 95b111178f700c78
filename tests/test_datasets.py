"""Real data as samples."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fembridge.datasets import digits, on_grid, photograph, radial_noise, terrain_grid
from fembridge.problem import terrain
from fembridge.samples import Samples, on_box


def test_terrain_is_all_of_the_elevations() -> None:
    data = terrain_grid()
    assert data.points.shape == (344 * 403, 2) and len(np.unique(data.points, axis=0)) == 344 * 403
    assert abs(data.values.mean()) < 1e-15 and np.abs(data.values).max() == 1
    assert data.weights.sum() == pytest.approx(1, abs=1e-12)
    row, x = data.values.reshape(344, 403)[172], np.linspace(0, 1, 403)
    bent = row - np.linspace(row[0], row[-1], 403)  # the target in one dimension, but for its scale
    assert np.corrcoef(bent, terrain(172).values(x))[0, 1] == pytest.approx(1, abs=1e-12)


def test_steps_keep_points_of_the_finer_grid() -> None:
    fine, coarse = terrain_grid(1), terrain_grid(5)
    kept = fine.values.reshape(344, 403)[::5, ::5].ravel()
    assert coarse.values.shape == kept.shape
    assert np.corrcoef(kept, coarse.values)[0, 1] == pytest.approx(1, abs=1e-12)


def test_grids_are_read_as_boxes_are() -> None:
    grid = on_grid(np.random.default_rng(0).standard_normal((12, 10)))
    box = on_box(lambda x: grid.values, [(0, 1), (0, 1)], (12, 10), grid.frequencies)
    assert np.allclose(grid.points, box.points, atol=1e-15) and np.allclose(grid.waves, box.waves, atol=1e-15)
    assert grid.frequencies == ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 2), (4, 0), (0, 4), (4, 4))


def test_photograph_is_grey_from_0_to_1() -> None:
    data = photograph("china", step=8)
    assert data.points.shape == (54 * 80, 2) and 0 <= data.values.min() < 0.1 and 0.9 < data.values.max() <= 1
    assert data.values.reshape(54, 80)[:10].mean() > data.values.reshape(54, 80)[-10:].mean()  # the sky is on top


@pytest.mark.parametrize(("name", "inputs", "total"), [("digits", 64, 1797), ("mnist", 784, 5000)])
def test_digits_are_split_without_overlap(name: str, inputs: int, total: int) -> None:
    training, validation = digits(name, count=1000, seed=3)  # type: ignore[arg-type]
    assert training.points.shape == (1000, inputs) and validation.points.shape == (total - 1000, inputs)
    both = np.concatenate([training.points, validation.points])
    assert both.min() == 0 and both.max() == 1
    assert len(np.unique(both, axis=0)) > 0.99 * total  # MNIST holds a few digits twice
    assert (training.values.sum(axis=1) == 1).all() and training.values.shape == (1000, 10)
    assert (training.values.mean(axis=0) > 0.05).all()  # all classes are there


def test_digits_of_a_seed() -> None:
    first, again, other = (digits("digits", (3, 8), 100, seed)[0] for seed in (0, 0, 1))
    assert (first.points == again.points).all() and not (first.points == other.points).all()
    assert set(first.values.tolist()) == {-1.0, 1.0}
    swapped = digits("digits", (8, 3), 100, 0)[0]
    assert (swapped.values == -first.values).all()
    three = digits("digits", (1, 7, 4), 100)[0].values
    assert three.shape == (100, 3)


def test_digits_are_told_apart_by_their_nearest_mean() -> None:
    training, validation = digits("mnist", (3, 8), 500)
    means = [training.points[training.values == sign].mean(axis=0) for sign in (-1.0, 1.0)]
    distance = [np.linalg.norm(validation.points - mean, axis=1) for mean in means]
    assert ((distance[0] > distance[1]) == (validation.values > 0)).mean() > 0.8


def test_radial_noise_has_its_frequency_and_power() -> None:
    x = np.linspace(0, 1, 1000, endpoint=False)[:, None] * [[0.6, 0.8]]
    clean = Samples(x, np.ones(1000))
    noise = radial_noise(clean, 5, 0.5).values - 1
    assert np.abs(np.fft.rfft(noise) / 500)[5] == pytest.approx(0.5, abs=1e-12)
    assert noise @ noise / 1000 == pytest.approx(0.125, abs=1e-12)
    assert (clean.values == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: terrain_grid(0), "step: expected a whole number from 1 to 343, got 0"),
        (lambda: terrain_grid(True), "step: expected"),
        (lambda: photograph("dog"), 'photograph: expected "china" or "flower", got \'dog\''),  # type: ignore[arg-type]
        (lambda: digits("svhn"), 'digits: expected "digits" or "mnist", got \'svhn\''),  # type: ignore[arg-type]
        (lambda: digits("digits", (3,)), r"classes: expected two or more distinct digits from 0 to 9, got \[3\]"),
        (lambda: digits("digits", (3, 3)), "classes: expected two or more"),
        (lambda: digits("digits", (3, 10)), "classes: expected two or more"),
        (lambda: digits("digits", count=1797), "count: expected a whole number from 1 to 1796, got 1797"),
        (lambda: radial_noise(Samples(np.ones((2, 1)), np.ones((2, 2))), 1, 1), "values: expected one output"),
    ],
)
def test_refusals(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"^datasets: scikit-learn is not installed: pip install 'fembridge\[data\]'$"):
        photograph("flower")
