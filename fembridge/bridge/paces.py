"""How fast networks of one activation learn each frequency: tangent kernels on the circle, and trainings on [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fembridge.bridge.learning import LEARNED, first_below
from fembridge.bridge.subjects import Subject
from fembridge.networks.models import shallow
from fembridge.networks.outputs import outputs
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.tangents import features
from fembridge.networks.training import train, train_many
from fembridge.problem import Array, Problem, sines
from fembridge.samples import Samples, on_circle, samples_of
from fembridge.theory.features import Features
from fembridge.theory.linearised import predict_kernel
from fembridge.theory.prediction import least_squares, of_features, solve, steps_of
from fembridge.theory.rings import tangent_rayleigh

UNIT = (0.0, 1.0)
RECORDS = 150  # steps that are kept of a training
LATEST = 1e9  # steps that are predicted of a linearised network


@dataclass(frozen=True, eq=False)
class Ring:
    """Rayleigh coefficients ρ_k = e*Ke/N² of the tangent kernel on the circle, k = 1 … K.

    predicted: (K,), the mean over initial weights. measured: (R, K), of R networks. parts: "all parameters" or
    "output weights".
    """

    part: str
    weight_scale: float
    predicted: Array
    measured: Array


@dataclass(frozen=True, eq=False)
class Pace:
    """Gradient descent on Σ_k sin 2πkx: the error at F frequencies, relative to its start, and the steps to a tenth.

    errors: predicted and measured, (R, T, F) each, of R networks at T steps; nan after the `last` step of training.
    predicted, measured: steps (R, F) until a tenth is left; inf for never, nan where that is not within the last step.
    drift: of the tangent kernel, |K_t − K_0|/|K_0| at the end, 0 where it cannot move.
    """

    frequencies: tuple[int, ...]
    steps: NDArray[np.int64]
    errors: tuple[Array, Array]
    predicted: Array
    measured: Array
    last: int
    drift: float
    learning_rate: float

    @property
    def difference(self) -> float:
        """The largest difference of predicted and measured errors, both relative to the start."""
        return float(np.nanmax(np.abs(self.errors[0] - self.errors[1])))


def random_network(subject: Subject, layers: Sequence[int], seed: int, weight_scale: float, ntk: bool) -> nn.Sequential:
    """PyTorch's initialisation, all parameters trained, with this activation."""
    kind = "ntk" if ntk else "standard"
    model = perceptron("relu", layers, seed=seed, weight_scale=weight_scale, parametrisation=kind)  # type: ignore[arg-type]
    model[1] = subject.module
    return model


def jacobian(model: nn.Module, points: Array) -> dict[str, Array]:
    """∂u/∂θ at points (N, d) by automatic differentiation, one datum at a time: (N, P) of each parameter that trains.

    >>> {name: j.shape for name, j in jacobian(perceptron("relu", [2, 3, 1]), np.ones((5, 2))).items()}
    {'0.weight': (5, 6), '0.bias': (5, 3), '2.weight': (5, 3), '2.bias': (5, 1)}
    """
    moving = {name: p for name, p in model.named_parameters() if p.requires_grad}
    u = model(torch.from_numpy(points))[:, 0]
    rows = [torch.autograd.grad(one, list(moving.values()), retain_graph=True, allow_unused=True) for one in u]
    zeros = [torch.zeros_like(p) for p in moving.values()]
    columns = [[zero if g is None else g for g, zero in zip(row, zeros, strict=True)] for row in rows]
    return {
        name: torch.stack([row[i] for row in columns]).reshape(len(points), -1).numpy() for i, name in enumerate(moving)
    }


def ring(subject: Subject, width: int, seeds: Sequence[int], count: int, weight_scale: float, output: bool) -> Ring:
    """The tangent kernel of shallow networks of two inputs at `count` points of the circle, by all parameters or by the
    output weights alone, in the scaling in which it has a limit.
    """
    k = np.arange(1, count // 4 + 1)
    by_output, by_inner = tangent_rayleigh(subject.sigma, subject.slope, count, weight_scale)
    points, measured = on_circle(1, count).points, []
    for seed in seeds:
        parts = jacobian(random_network(subject, [2, width, 1], seed, weight_scale, True), points)
        chosen = [J for name, J in parts.items() if name == "2.weight" or not output]
        waves = [np.abs(np.fft.fft(J, axis=0)[k] / count) ** 2 for J in chosen]
        measured.append(sum(wave.sum(axis=1) for wave in waves))
    predicted = by_output if output else by_output + by_inner
    return Ring("output weights" if output else "all parameters", weight_scale, predicted[k], np.array(measured))


def flattest(subject: Subject, count: int, scales: Sequence[float]) -> float:
    """The weight scale whose tangent kernel is predicted to fall least over the k that are looked at."""

    def fall(scale: float) -> float:
        output, inner = tangent_rayleigh(subject.sigma, subject.slope, count, scale)
        rho = (output + inner)[1 : count // 4 + 1]
        return float(rho.max() / max(rho.min(), np.finfo(float).tiny))

    return min(scales, key=fall)


def waves(frequencies: Sequence[int], samples: int) -> Problem:
    """Σ_k sin 2πkx on [0, 1] at equispaced samples."""
    k = tuple(frequencies)
    return Problem(sines(k, [1.0] * len(k), UNIT), k, UNIT, "mass", samples)


def output_pace(subject: Subject, n: int, problem: Problem, last: int) -> Pace:
    """The output weights of the n features σ(n x − j), j = 0 … n−1, from 0, at the rate 1/λ_max."""
    w, b = np.full(n, float(n)), -np.arange(n, dtype=float)
    data, model = samples_of(problem), shallow(subject.module, w, b)
    x = data.points[:, 0]
    if subject.spline:
        system = least_squares(Features(subject.spline, w, b, UNIT), problem)
    else:
        system = of_features(subject.sigma(np.multiply.outer(x, w) + b), data.values, data.weights, data.waves)
    law = steps_of(system, LEARNED)[None]
    steps, trained = _schedule(law, last)
    rate = len(x) / float(np.linalg.svd(features(model, x).detach().numpy(), compute_uv=False)[0]) ** 2
    path = train(model, data, learning_rate=rate, record=trained)
    error = np.abs(solve(system, problem.frequencies, steps).coefficients)
    return _pace(problem, steps, trained, error[None], np.abs(path.coefficients)[None], law, 0.0, rate)


def full_pace(subject: Subject, width: int, seeds: Sequence[int], problem: Problem, last: int) -> Pace:
    """All parameters of shallow networks with PyTorch's initialisation, at the least of their rates 1/λ_max; predicted
    by their tangent kernels at the start.
    """
    data = samples_of(problem)
    models = [random_network(subject, [1, width, 1], seed, 1.0, False) for seed in seeds]
    kernels = [_kernel(model, data) for model in models]
    starts = [outputs(model, data) - data.values for model in models]
    rate = min(len(data) / float(np.linalg.eigvalsh(K)[-1]) for K in kernels)

    def errors(at: NDArray[np.int64]) -> Array:
        linear = [
            predict_kernel(K, r, data.weights, data.waves, at, learning_rate=rate)
            for K, r in zip(kernels, starts, strict=True)
        ]
        return np.abs([one.coefficients for one in linear])

    grid = np.unique(np.concatenate([[0], np.geomspace(1, LATEST, 1200).round()])).astype(np.int64)
    law = np.array([first_below(grid, one) for one in errors(grid)])
    law = np.where(np.isnan(law), np.inf, law)
    steps, trained = _schedule(law, last)
    paths = train_many(models, data, learning_rate=rate, record=trained)
    measured = np.abs([path.coefficients for path in paths])
    drift = [np.linalg.norm(_kernel(m, data) - K) / np.linalg.norm(K) for m, K in zip(models, kernels, strict=True)]
    return _pace(problem, steps, trained, errors(steps), measured, law, float(np.max(drift)), rate)


def _pace(
    problem: Problem,
    steps: NDArray[np.int64],
    trained: NDArray[np.int64],
    predicted: Array,
    measured: Array,
    law: Array,
    drift: float,
    rate: float,
) -> Pace:
    learned = np.array([first_below(trained, one) for one in measured])
    whole = np.full(predicted.shape, np.nan)
    whole[:, np.searchsorted(steps, trained)] = measured / measured[:, :1]
    errors = predicted / predicted[:, :1], whole
    return Pace(problem.frequencies, steps, errors, law, learned, int(trained[-1]), drift, rate)


def _kernel(model: nn.Module, data: Samples) -> Array:
    J = np.concatenate(list(jacobian(model, data.points).values()), axis=1)
    return np.asarray(J @ J.T)


def _schedule(law: Array, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps to predict, to three times the latest that is wanted, and those of them that are trained, up to `last`."""
    known = np.isfinite(law)
    wanted = max(10.0, 3 * float(law[known].max(initial=0.0)))
    end = int(min(last, wanted)) if known.all() else last
    trained = np.unique(np.concatenate([[0], np.geomspace(1, end, RECORDS).round()])).astype(np.int64)
    beyond = np.geomspace(end, max(end, min(LATEST, wanted)), RECORDS).round().astype(np.int64)
    return np.unique(np.concatenate([trained, beyond])), trained
