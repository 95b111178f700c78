"""Terrain and a photograph as functions of the plane: what of them ReLU and hat networks learn, octave by octave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.bands import octaves
from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.learning import learning_exponent, psnr
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import HALF, UNBIASED, WHY, seeds_of
from fembridge.datasets import photograph, terrain_grid
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.problem import Array
from fembridge.samples import Samples

Data = Literal["terrain", "photograph"]
SOURCE = "Hong, Siegel, Tan, Xu, arXiv 2208.04924, section 5, on real data in two dimensions"
NARROW = 4.0  # weight scale over K, as in one dimension: a hat rises over 1/|w|, half a period 1/2K where |w| = 2K
ACROSS = (
    "Weights uniform on ±4K/√2 have |w| = 0.54 · 4K = 2.2 K in the mean, and such hats resolve frequencies up to K."
)


@dataclass(frozen=True, eq=False)
class _Fits:
    """Peak signal to noise ratios (3, R, T) in decibels, and amplitudes (3, R, T, B) of errors in octaves over those
    of the target, of networks named `labels`. lower: the octaves' lower ends (B,). resolved: K.
    """

    labels: tuple[str, ...]
    steps: NDArray[np.int64]
    psnr: Array
    lower: Array
    left: Array
    resolved: float


def _data(name: Data, scale: str) -> Samples:
    if name == "terrain":
        return terrain_grid(14 if scale == "quick" else 1)
    return photograph("china", 20 if scale == "quick" else 1)


def _shape(data: Samples) -> tuple[int, ...]:
    return tuple(len(np.unique(x)) for x in data.points.T)


@cache
def _fits(setting: Setting, name: Data) -> _Fits:
    """Hats as narrow as half a period of K, ReLUs of the same weights, and ReLUs of PyTorch's own.

    Layers, draws and batches of a seed are the same for all; frequencies go up to 11 (quick).
    """
    # full: all 344 × 403 or 427 × 640 points, 10,000 batches of 4096: minutes on a GPU, half a day on one core
    hidden, batch, last, count = setting.size(([32, 32], 64, 250, 16), ([256] * 3, 4096, 10_000, 6))
    resolved, data, seeds = setting.size(4.0, 32.0), _data(name, setting.scale), seeds_of(setting.seed, count)
    steps = np.unique(np.concatenate([[0], np.geomspace(1, last, setting.size(40, 30)).astype(int)]))
    of_target, ratios, left, shape = octaves(data.values, _shape(data))[1], [], [], _shape(data)
    for spec, scale in (("hat", NARROW * resolved), ("relu", NARROW * resolved), ("relu", 1.0)):
        paths = train_many(
            [perceptron(spec, [2, *hidden, 1], seed=seed, weight_scale=scale) for seed in seeds],
            data,
            learning_rate=setting.size(1e-2, 1e-3),
            record=steps,
            optimizer="adam",
            batch=batch,
            seeds=seeds,
            dtype="float32",
        )
        ratios.append([psnr(path.residuals, data.values) for path in paths])
        left.append([np.sqrt(octaves(path.residuals, shape)[1][:, 1:] / of_target[1:]) for path in paths])
    labels = ("hats as narrow as 1/2K", "ReLUs of the same weights", "ReLUs of PyTorch's weights")
    lower = octaves(data.values, shape)[0][1:]
    return _Fits(labels, steps, np.array(ratios), lower, np.array(left), resolved)


def _curves(fits: _Fits, x: Array, rows: Array) -> tuple[Pair, ...]:
    """Means over seeds of rows (3, R, X) with their intervals, against x (X,)."""
    ends = [interval(own, 0.05) for own in rows]
    return tuple(
        Pair(label, x, None, own.mean(axis=0), low, high)
        for label, own, (low, high) in zip(fits.labels, rows, ends, strict=True)
    )


def _bands(name: Data, fits: _Fits) -> Chart:
    pairs = _curves(fits, fits.lower, fits.left[:, :, -1])
    title = f"{name}: what {fits.steps[-1]} steps of Adam leave, K = {fits.resolved:g}"
    return Chart(title, "octave from frequency k", "error amplitude / target's", pairs)


def _psnr(setting: Setting, name: Data) -> Evidence:
    """Decibels of hats less those of ReLUs of the same weights, and of PyTorch's own, in the end, for each seed; wrong:
    20, a tenth of the error.
    """
    fits = _fits(setting, name)
    gain = (fits.psnr[0] - fits.psnr[1:])[:, :, -1].T
    pairs = _curves(fits, fits.steps[1:].astype(float), fits.psnr[:, :, 1:])
    chart = Chart(f"{name}, by Adam", "step", "peak signal to noise ratio, dB", pairs, yscale="linear")
    return Evidence(np.zeros(2), gain, np.full(2, 20.0), chart)


def _exponents(setting: Setting, name: Data, network: int, predicted: float, wrong: float) -> Evidence:
    """p of steps to half the target's amplitude ∝ k^p, over the octaves up to K, for each seed. What is never learned
    counts as learned at the last step.
    """
    fits = _fits(setting, name)
    resolved = fits.lower < fits.resolved
    amplitudes = fits.left[network][:, :, resolved].copy()
    amplitudes[:, 0] = 1  # of the target, not of a network's own that may be larger than it at the start
    p = [learning_exponent(fits.steps, own, fits.lower[resolved], HALF)[0] for own in amplitudes]
    return Evidence(np.array([predicted]), np.array(p)[:, None], np.array([wrong]), _bands(name, fits))


def _claims(name: Data) -> list[Claim]:
    return [
        Claim(
            f"images.{name}-psnr",
            SOURCE,
            f"After equally many steps of Adam a network of hats as narrow as the detail is nearer to the {name} than "
            "one of ReLUs, of the same weights or of PyTorch's own. (Small networks, briefly trained; of 3 × 256, "
            "after 10,000 steps, ReLUs of PyTorch's weights are nearer.)",
            "statistical",
            1e-9,
            "The sign of a difference, over seeds; layers, draws and batches of a seed are the same.",
            partial(_psnr, name=name),
            side="above",
        ),
        Claim(
            f"images.{name}-bias-relu",
            SOURCE,
            f"A ReLU network of PyTorch's weights learns the {name} from low to high frequency: steps to half of each "
            "octave grow with its frequency.",
            "statistical",
            1e-9,
            WHY,
            partial(_exponents, name=name, network=2, predicted=UNBIASED, wrong=3.0),
            side="above",
        ),
        Claim(
            f"images.{name}-bias-hat",
            SOURCE,
            f"Hats as narrow as half a period of K learn all octaves of the {name} up to K in equally many steps. "
            "(Steps grow, nearly as those of ReLUs.)",
            "statistical",
            UNBIASED,
            f"{WHY} {ACROSS}",
            partial(_exponents, name=name, network=0, predicted=0.0, wrong=-2.0),
            known=True,
        ),
    ]


CLAIMS = [*_claims("terrain"), *_claims("photograph")]
