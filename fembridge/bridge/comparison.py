"""Predicted and measured training on the same axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fembridge.bridge.shallow import features_of, layers
from fembridge.bridge.verdict import Verdict, judge, worst
from fembridge.networks.activations import degree
from fembridge.networks.models import kinks
from fembridge.networks.recording import Observe
from fembridge.networks.tangents import features as hidden_features
from fembridge.networks.training import LOSS_LIMIT, Optimizer, Trajectory, train
from fembridge.problem import Array, Complex, Problem, quadrature, sample
from fembridge.samples import on_points
from fembridge.theory.features import Features
from fembridge.theory.prediction import ABSENT, Prediction, predict


@dataclass(frozen=True, eq=False)
class Comparison:
    """Coefficients of the error u − f per frequency, predicted by theory and measured in training, at the same steps.

    error: (T, F), |predicted − measured| (as complex numbers: phase counts) over the larger of the amplitude at the
    start (of the largest one for a frequency that is absent there) and the predicted one; 0 where both have left the
    range of numbers, inf where only one has.
    noise_floor: what rounding may amount to, as a part of the size of the target; an estimate, see `noise_floor`.
    """

    prediction: Prediction
    trajectory: Trajectory
    error: Array
    noise_floor: float
    points: Array
    weights: Array

    @property
    def steps(self) -> NDArray[np.integer]:
        return self.prediction.steps

    @property
    def frequencies(self) -> tuple[int, ...]:
        return self.prediction.frequencies

    @property
    def predicted(self) -> Complex:
        return self.prediction.coefficients

    @property
    def measured(self) -> Complex:
        return self.trajectory.coefficients

    @property
    def max_error(self) -> float:
        return float(self.error.max())

    def judge(self, tolerance: float) -> Verdict:
        """pass where every amplitude is within tolerance; inconclusive where only noise is above it.

        Raises ValueError unless the tolerance is positive.
        """
        if not tolerance > 0:
            raise ValueError(f"tolerance: expected a positive number, got {tolerance:g}")
        start = starting_amplitudes(self.predicted, self.prediction.size)
        floor = self.noise_floor * self.prediction.size / start
        return worst(judge(float(e), tolerance, float(f)) for e, f in zip(self.error.max(axis=0), floor, strict=True))


def log_steps(steps: int, count: int) -> NDArray[np.int64]:
    """About `count` whole steps from 0 to `steps`, equally spaced on a log axis.

    >>> log_steps(100, 5).tolist()
    [0, 1, 5, 22, 100]
    """
    spaced = np.round(np.geomspace(1, max(steps, 1), max(count - 1, 1)))
    return np.unique(np.concatenate([[0], spaced[spaced <= steps], [steps]])).astype(np.int64)


def integration_points(problem: Problem, model: nn.Module) -> tuple[Array, Array]:
    """Samples and their weights; for exact integration Gauss points between the network's own kinks."""
    if problem.samples != "exact":
        return sample(problem)
    return quadrature(problem, kinks(model, problem.domain), degree(layers(model)[1]))


def compare(
    problem: Problem,
    model: nn.Module,
    *,
    steps: int | NDArray[np.integer],
    record: int = 40,
    optimizer: Optimizer = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    observe: Observe | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Comparison:
    """Predict the training of a shallow network's output weights, train it, and set the two side by side.

    The prediction sees numbers (inner weights, biases, initial output weights); training sees the module, the points
    and, of the prediction, the learning rate alone. steps: their number, or all the steps to record. observe: as in
    `train`.

    Raises ValueError as `predict`, `expand` and `train`.
    """
    at = log_steps(int(steps), record) if np.ndim(steps) == 0 else np.asarray(steps)
    features = features_of(model, problem.domain)
    _check_trained(model)
    initial = output_weights(model)
    prediction = predict(features, problem, at, optimizer, learning_rate, momentum, initial)
    points, weights = integration_points(problem, model)
    trajectory = train(
        model,
        on_points(problem, points, weights),
        optimizer=optimizer,
        learning_rate=prediction.learning_rate,
        momentum=momentum,
        record=at,
        observe=observe,
        progress=progress,
        device=device,
        dtype=dtype,
    )
    error = relative_error(
        prediction.coefficients, trajectory.coefficients, prediction.size, not prediction.stable, dtype
    )
    output = np.maximum(np.abs(initial), np.abs(output_weights(model)))
    floor = noise_floor(features, points, output, int(at[-1]), dtype) / max(prediction.size, np.finfo(float).tiny)
    return Comparison(prediction, trajectory, error, floor, points, weights)


def _check_trained(model: nn.Module) -> None:
    """Raise ValueError unless the output weights, and nothing else, are trained."""
    output = layers(model)[2]
    bias: torch.Tensor | None = output.bias
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if bias is not None or len(trained) != 1 or not output.weight.requires_grad:
        raise ValueError(
            "compare: expected a network without output bias whose output weights alone are trained, got one "
            f"{'with' if bias is not None else 'without'} output bias that trains {', '.join(trained) or 'nothing'}"
        )


def output_weights(model: nn.Module) -> Array:
    """A copy of the weights of the last layer, (n,)."""
    return np.array(layers(model)[2].weight[0].detach().cpu().double().numpy())


def noise_floor(features: Features, points: Array, output: Array, steps: int, dtype: torch.dtype) -> float:
    """ε max_x Σ_j |v_j| ((1 + √T)|φ_j(x)| + |φ_j'(x)| (|x| + |c_j/w_j|)): an estimate of what rounding amounts to.

    T steps each round the output weights v by ε, in random directions, and w_j x + c_j is rounded before it enters the
    activation. Steps that contract forget earlier roundings, so the truth is often far below it.
    """
    z = np.multiply.outer(points, features.weights) + features.biases
    reach = np.abs(np.multiply.outer(points, features.weights)) + np.abs(features.biases)
    sigma = features.activation
    value = np.abs(sigma(z)) * (1 + np.sqrt(steps))
    if sigma.degree:
        value += np.abs(sigma.derivative()(z)) * reach
    finite = np.where(np.isfinite(output), output, 0)
    with np.errstate(over="ignore"):  # of weights that have diverged
        return float(torch.finfo(dtype).eps * (value @ finite).max())


def relative_error(
    predicted: Complex,
    measured: Complex,
    size: float = 0.0,
    diverges: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Array:
    """|predicted − measured| / max(|predicted(0)|, |predicted|), rows are steps; see `Comparison.error`.

    Rows that were not measured because the loss left the range of `dtype` agree with a prediction that `diverges` and
    is that large too.
    """
    overflow = min(LOSS_LIMIT, torch.finfo(dtype).max) ** 0.4
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        scale = np.maximum(starting_amplitudes(predicted, size), np.abs(predicted))
        error = np.abs(predicted - measured) / scale
        huge = ~(np.abs(predicted).max(axis=1, keepdims=True) < overflow)
        gone = ~np.isfinite(measured) & huge & diverges
    return np.where(gone, 0.0, np.where(np.isnan(error), np.inf, error))


def starting_amplitudes(predicted: Complex, size: float = 0.0) -> Array:
    """|c_k(0)|; for a frequency that is absent at the start, the size of the target or the largest |c_k(0)|."""
    start = np.abs(predicted[0])
    largest = max(size, start.max(), np.finfo(float).tiny)
    return np.where(start > ABSENT * largest, start, largest)


def measured_modes(comparison: Comparison, model: nn.Module) -> Array:
    """α_i(t) = Σ_q w_q e_t(x_q) v_i(x_q): the measured residuals in the predicted eigenfunctions (loss "mass"), shape
    (T, r).
    """
    phi = hidden_features(model, comparison.points).detach().numpy()
    return np.asarray(
        (comparison.trajectory.residuals * comparison.weights) @ (phi @ comparison.prediction.eigenfunctions)
    )
