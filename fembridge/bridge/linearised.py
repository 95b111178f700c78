"""Networks trained in full beside their linearisation: the tangent kernel at the start predicts, training measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from torch import nn

from fembridge.bridge.comparison import log_steps, relative_error, starting_amplitudes
from fembridge.bridge.linearisations import Linearisation, linearise
from fembridge.bridge.verdict import Verdict, judge
from fembridge.networks.kernels import fixed_kernel, tangent_kernel
from fembridge.networks.recording import Observe
from fembridge.networks.training import Engine, Optimizer, Progress, Trajectory, train_many
from fembridge.problem import Array, Complex
from fembridge.samples import Frequency, Samples
from fembridge.theory.linearised import KernelPrediction
from fembridge.theory.stochastic import Moments

DRIFT_LIMIT = 0.1
FALSE_ALARM = 1e-3  # of the band of a stochastic prediction, all steps and frequencies together


@dataclass(frozen=True, eq=False)
class Linearised:
    """R trainings, and what the tangent kernel K_0 of each predicts, at T steps and F frequencies.

    predictions: one for each training, of its mean under "sgd"; none where there is no closed form, which `unpredicted`
    says. moments: under "sgd", mean and variance. drift: (R, T), |K_t − K_0|_F/|K_0|_F, 0 where only a last layer
    trains, which leaves K as it is; None where nothing is predicted.
    error: (R, T, F), |predicted − measured| relative to the start, as in `Comparison`; where nothing is read at
    frequencies, (R, T, 1), of the whole error, in its weighted norm. size: of the target, `Samples.size`.
    """

    steps: NDArray[np.int64]
    frequencies: tuple[Frequency, ...]
    trajectories: tuple[Trajectory, ...]
    size: float
    learning_rate: float
    unpredicted: str = ""
    predictions: tuple[KernelPrediction, ...] = ()
    moments: tuple[Moments, ...] = ()
    drift: Array | None = None
    error: Array | None = None

    @property
    def prediction(self) -> KernelPrediction | None:
        """That of the first training."""
        return self.predictions[0] if self.predictions else None

    @property
    def measured(self) -> Complex:
        """Coefficients of the error (R, T, F)."""
        return np.stack([trajectory.coefficients for trajectory in self.trajectories])

    @property
    def predicted(self) -> Complex | None:
        """The same, predicted."""
        return np.stack([p.coefficients for p in self.predictions]) if self.predictions else None

    @property
    def band(self) -> Array | None:
        """Under "sgd" how far the mean over the R trainings may be from its prediction by chance, (T, F): z √(Σ var)/R.

        z is that of a normal variable on a line, which leaves the disc least often; 1e-3 for all entries together.
        """
        if not self.moments:
            return None
        variance = np.stack([m.variance for m in self.moments])
        z = norm.isf(FALSE_ALARM / 2 / max(variance[0].size, 1))
        return np.asarray(z * np.sqrt(variance.sum(axis=0)) / len(variance))

    @property
    def max_drift(self) -> float:
        """The largest drift that was measured, nan where there is none."""
        return float(np.nanmax(self.drift)) if self.drift is not None and np.isfinite(self.drift).any() else np.nan

    @property
    def max_error(self) -> float:
        """The largest error; under "sgd" that of the mean over the trainings, as far as it is outside the band."""
        if self.error is None:
            return np.nan
        band = self.band
        if band is None:
            return float(self.error.max(initial=0.0))
        predicted = np.asarray(self.predicted)
        scale = np.stack([np.maximum(starting_amplitudes(p, self.size), np.abs(p)) for p in predicted]).max(axis=0)
        with np.errstate(invalid="ignore"):
            outside = np.maximum(np.abs((self.measured - predicted).mean(axis=0)) - band, 0) / scale
        return float(np.where(np.isnan(outside), np.inf, outside).max(initial=0.0))

    def judge(self, tolerance: float, drift_limit: float = DRIFT_LIMIT) -> Verdict:
        """pass where all errors are within the tolerance, inconclusive where nothing is predicted or the kernel drifts.

        Raises ValueError unless tolerance and limit are positive.
        """
        return self._judged(tolerance, drift_limit)[0]

    def reason(self, tolerance: float, drift_limit: float = DRIFT_LIMIT) -> str:
        """Why the verdict is what it is."""
        return self._judged(tolerance, drift_limit)[1]

    def _judged(self, tolerance: float, drift_limit: float) -> tuple[Verdict, str]:
        for name, limit in (("tolerance", tolerance), ("drift_limit", drift_limit)):
            if not limit > 0:
                raise ValueError(f"{name}: expected a positive number, got {limit:g}")
        if self.unpredicted:
            return "inconclusive", self.unpredicted
        if self.max_drift > drift_limit:
            return "inconclusive", f"out of regime: the kernel moved by {self.max_drift:.2g}, more than {drift_limit:g}"
        if not all(m.stable for m in self.moments):
            return "inconclusive", f"the variance grows without bound at the learning rate {self.learning_rate:.3g}"
        verdict = judge(self.max_error, tolerance)
        where = "within" if verdict == "pass" else "more than"
        return (
            verdict,
            f"the error is {self.max_error:.2g}, {where} {tolerance:g}; the kernel moved by {self.max_drift:.2g}",
        )


def compare_linearised(
    models: Sequence[nn.Module],
    samples: Samples | Sequence[Samples],
    *,
    steps: int | NDArray[np.integer],
    record: int = 40,
    optimizer: Optimizer = "gd",
    learning_rate: float | Literal["auto"] = "auto",
    momentum: float = 0.0,
    batch: int | None = None,
    seeds: Sequence[int] | None = None,
    refresh: Sequence[int] = (),
    observe: Observe | None = None,
    engine: Engine = "auto",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float64",
) -> Linearised:
    """Predict the training of networks by their tangent kernels at the start, train them, and set the two side by side.

    The prediction sees numbers: u and K at the samples, over the parameters that require a gradient. The drift of the
    kernel is measured at every recorded step. steps: their number, or all the steps to record. refresh: steps at which
    the prediction takes the kernel anew from the network as it was trained ("gd" alone). observe(model) is called at
    every recorded step; what it returns is not kept.
    learning_rate "auto": the least `Linearisation.rate`, 1/λ_max where there are no batches, for all networks.
    "adam", and "sgd" with momentum, have no closed form here: they are measured only.

    Raises ValueError as `predict_kernel` and `train_many`, for losses of derivatives, for batches of data of several
    outputs or unequal weights, and for a number that "auto" cannot find; MemoryError where kernels would not fit.
    """
    every = [samples] * len(models) if isinstance(samples, Samples) else list(samples)
    at = log_steps(int(steps), record) if np.ndim(steps) == 0 else np.asarray(steps)
    at = np.unique(np.concatenate([at, np.asarray(refresh, dtype=at.dtype)]))
    why = _unpredicted(optimizer, momentum, batch)
    _check(every, optimizer, batch, refresh, why, learning_rate)
    linear = [] if why else linearise(models, every, len(at) + 1 if len(refresh) else 1)
    known = batch if optimizer == "sgd" else None
    eta = min(own.rate(known) for own in linear) if learning_rate == "auto" else float(learning_rate)
    still = bool(linear) and all(fixed_kernel(model) for model in models) and not len(refresh)
    trajectories = train_many(
        models,
        samples if isinstance(samples, Samples) else every,
        learning_rate=eta,
        record=at,
        optimizer=optimizer,
        momentum=momentum,
        batch=batch,
        seeds=seeds,
        observe=observe if why or still else _drift(models, every, linear, len(refresh) > 0, observe),
        engine=engine,
        checkpoint=checkpoint,
        progress=progress,
        device=device,
        dtype=dtype,
    )
    found = Linearised(at, every[0].frequencies, tuple(trajectories), max(data.size for data in every), eta, why)
    if why:
        return found
    seen = [np.zeros((len(at), 1)) if still else np.asarray(path.observed) for path in trajectories]
    if len(refresh):
        predictions = _refreshed(linear, at, refresh, seen, eta)
    else:
        predictions = _shared(linear, lambda own: own.predict(at, optimizer.replace("sgd", "gd"), eta, momentum))
    moments = _shared(linear, lambda own: own.moments(at, known, eta)) if known else []
    kind = getattr(torch, str(dtype).removeprefix("torch."))
    errors = [_error(*parts, kind) for parts in zip(predictions, trajectories, linear, every, strict=True)]
    drift = np.stack([rows_of[:, 0] for rows_of in seen])
    return replace(found, predictions=tuple(predictions), moments=tuple(moments), drift=drift, error=np.stack(errors))


def _drift(
    models: Sequence[nn.Module],
    samples: Sequence[Samples],
    linear: Sequence[Linearisation],
    whole: bool,
    also: Observe | None,
) -> Observe:
    """What is observed: |K_t − K_0|_F/|K_0|_F, and the whole of K_t after it where kernels will be taken anew."""
    starts = {id(model): (data, own.kernel) for model, data, own in zip(models, samples, linear, strict=True)}

    def observe(model: nn.Module) -> ArrayLike:
        if also:
            also(model)
        data, start = starts[id(model)]
        now = tangent_kernel(model, data.points)
        moved = np.linalg.norm(now - start) / np.linalg.norm(start)
        return np.append(moved, now) if whole else [moved]

    return observe


def _refreshed(
    linear: Sequence[Linearisation], at: NDArray[np.int64], refresh: Sequence[int], seen: Sequence[Array], eta: float
) -> list[KernelPrediction]:
    """Predictions with the kernels that were observed at the steps `refresh`: see `_drift`."""
    rows, n = np.searchsorted(at, refresh), len(linear[0].residual)
    kernels = [rows_of[rows, 1:].reshape(-1, n, n) for rows_of in seen]
    return [own.refreshed(at, refresh, K, eta) for own, K in zip(linear, kernels, strict=True)]


def _shared(linear: Sequence[Linearisation], make: Callable[[Linearisation], Any]) -> list[Any]:
    """Something of each; made once for those that are one object."""
    found: list[Any] = []
    for r, own in enumerate(linear):
        found.append(found[-1] if r and own is linear[r - 1] else make(own))
    return found


def _unpredicted(optimizer: str, momentum: float, batch: int | None) -> str:
    if optimizer == "adam":
        return "adam has no closed form: measured only"
    return "sgd with momentum has no closed form here: measured only" if optimizer == "sgd" and momentum else ""


def _check(
    samples: Sequence[Samples], optimizer: str, batch: int | None, refresh: Sequence[int], why: str, rate: Any
) -> None:
    if why and rate == "auto":
        raise ValueError(f'learning_rate: expected a positive number for "{optimizer}", got "auto"')
    if len(refresh) and optimizer != "gd":
        raise ValueError(f'refresh: expected none for "{optimizer}": kernels are taken anew for "gd" alone')
    for data in () if why else samples:
        if data.loss != "mass":
            raise ValueError(f'loss: expected "mass", which tangent kernels predict, got "{data.loss}"')
        if batch is not None and (data.values.ndim > 1 or np.ptp(data.weights) > 1e-12 * data.weights.max()):
            raise ValueError("batch: expected none for data of several outputs or unequal weights, got one")


def _error(
    prediction: KernelPrediction, trajectory: Trajectory, linear: Linearisation, samples: Samples, dtype: torch.dtype
) -> Array:
    if len(linear.waves):
        size, diverges = samples.size, not prediction.stable
        return relative_error(prediction.coefficients, trajectory.coefficients, size, diverges, dtype)
    measured, w = trajectory.residuals.reshape(len(trajectory.steps), -1), linear.weights
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.sqrt((prediction.residuals - measured) ** 2 @ w / (linear.residual**2 @ w))
    return np.where(np.isnan(distance), np.inf, distance)[:, None]
