"""Which frequencies of a trained ReLU network survive a random step of its parameters."""

from __future__ import annotations

import numpy as np

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.claims.repeats import phased_sines, seeds_of
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.perturbations import perturbed
from fembridge.networks.training import train_many
from fembridge.problem import Array

SOURCE = "Rahaman et al., arXiv 1806.08734, section 3.3"
DISTANCES = (0.0, 1.0, 2.0, 4.0)


def _spectra(setting: Setting) -> tuple[Array, Array, Array]:
    """|k| (F,), and of R trained networks, over random directions and at the distances, (R, D, F): the mean of
    |ũ(k)| and of |ũ(k) − ũ*(k)|, both over |ũ*(k)|, the spectrum where training ended.

    Full: 6 × 256 neurons and 30,000 steps, ten minutes of one core a seed.
    """
    frequencies: tuple[int, ...] = setting.size((1, 2, 3, 4), tuple(range(5, 51, 5)))
    seeds, hidden = seeds_of(setting.seed, 16), setting.size((64,) * 3, (256,) * 6)
    count = setting.size(32, 200)
    samples = phased_sines(frequencies, [1.0] * len(frequencies), [(0.0, 1.0)], [count], seeds)
    models = [perceptron("relu", [1, *hidden, 1], seed=seed) for seed in seeds]
    rate, steps = setting.size(3e-3, 3e-4), setting.size(800, 30_000)
    train_many(models, samples, learning_rate=rate, record=[steps], optimizer="adam", dtype="float32")
    amplitude, change = [], []
    for model, data, seed in zip(models, samples, seeds, strict=True):
        spectra = data.read(perturbed(model, data.points, DISTANCES, directions=setting.size(20, 100), seed=seed))
        end = spectra[0, 0]
        amplitude.append(np.abs(spectra / end).mean(axis=1))
        change.append(np.abs(spectra / end - 1).mean(axis=1))
    return np.array(frequencies, dtype=float), np.stack(amplitude), np.stack(change)


def _chart(title: str, k: Array, values: Array) -> Chart:
    pairs = []
    for i, distance in enumerate(DISTANCES[1:], start=1):
        low, high = interval(values[:, i], 0.05)
        pairs.append(Pair(f"δ = {distance:g}", k, None, values[:, i].mean(axis=0), low, high))
    return Chart(title, "frequency k", "relative to the end of training", tuple(pairs))


def _amplitude(setting: Setting) -> Evidence:
    """log of the amplitude left at the lowest frequency over that at the highest, at the largest distance.

    The control expects a factor of e³ = 20.
    """
    k, amplitude, _ = _spectra(setting)
    chart = _chart("Mean amplitude after a random step of length δ", k, amplitude)
    left = np.log(amplitude[:, -1, 0] / amplitude[:, -1, -1])
    return Evidence(np.zeros(1), left[:, None], np.array([3.0]), chart)


def _change(setting: Setting) -> Evidence:
    """log of the change at the highest frequency over that at the lowest, at the smallest distance.

    The control expects a factor of e.
    """
    k, _, change = _spectra(setting)
    chart = _chart("Mean change of the spectrum by a random step of length δ", k, change)
    more = np.log(change[:, 1, -1] / change[:, 1, 0])
    return Evidence(np.zeros(1), more[:, None], np.array([1.0]), chart)


CLAIMS = [
    Claim(
        "rahaman2019.robust-amplitude",
        SOURCE,
        "After a random step of all parameters of a trained ReLU network, its spectrum has kept more amplitude at the "
        "lowest frequency than at the highest, in the mean over directions.",
        "statistical",
        1e-9,
        "The sign of a mean over seeds; the step of length 4 is about half as long as the vector of all parameters.",
        _amplitude,
        side="above",
    ),
    Claim(
        "rahaman2019.robust-change",
        SOURCE,
        "A random step of the parameters changes low frequencies less than high ones, relative to what was learned. "
        "(It changes the lowest most: the change is itself a function of a ReLU network, whose spectrum falls.)",
        "statistical",
        1e-9,
        "The sign of a mean over seeds.",
        _change,
        known=True,
        side="above",
    ),
]
