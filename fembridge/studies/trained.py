"""What a run computes: each activation predicted, where there is a theory, and trained with each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fembridge.problem import Array, Complex
from fembridge.samples import Frequency
from fembridge.studies.config import Config, has_exact_theory, problem, samples
from fembridge.studies.tables import OF_VALIDATION
from fembridge.studies.targets import Digits

if TYPE_CHECKING:
    from fembridge.bridge.comparison import Comparison
    from fembridge.bridge.verdict import Verdict
    from fembridge.samples import Samples

Theory = Literal["exact", "linearised", "none"]
Progress = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, eq=False)
class Trained:
    """One activation with R seeds, at T recorded steps, N points and F frequencies.

    predicted, measured: coefficients of the error u − f, (R, T, F). error: (R, T, F), their distance relative to the
    start. residuals: (R, T, N) or (R, T, N, C). loss: (R, T). predicted_steps: (R, F), steps to learn. drift: (R, T),
    of the kernel. validation: (R, T, 2), loss and accuracy on images that are not trained with. weights: of each seed.
    noise_floor: as a part of the size of the target. verdict, reason: by the tolerance; None where there is no theory.
    """

    theory: Theory
    frequencies: tuple[Frequency, ...]
    steps: NDArray[np.integer]
    measured: Complex
    residuals: Array
    loss: Array
    learning_rates: Array
    diverged: tuple[int | None, ...]
    weights: tuple[Mapping[str, Array], ...]
    predicted: Complex | None = None
    error: Array | None = None
    stability_limit: float | None = None
    stable: bool | None = None
    predicted_steps: Array | None = None
    drift: Array | None = None
    validation: Array | None = None
    noise_floor: float | None = None
    verdict: Verdict | None = None
    reason: str = ""

    @property
    def sizes(self) -> Array:
        """|k| of each frequency, (F,)."""
        return np.array([float(np.linalg.norm(k)) for k in self.frequencies])


def train(
    config: Config,
    label: str,
    *,
    progress: Progress | None = None,
    device: str = "cpu",
    dtype: str = "float64",
    checkpoint: Path | None = None,
    record: NDArray[np.integer] | None = None,
    observe: Callable[[Any], Any] | None = None,
) -> Trained:
    """Predict, train and compare one activation with every seed of a run file.

    record: all the steps to keep, instead of the run file's. observe: called with each network at each of them.

    Raises ValueError where the configuration asks for what theory or network cannot do.
    """
    from fembridge.bridge.comparison import log_steps

    steps = log_steps(config.training.steps, config.training.record) if record is None else record
    options = {"steps": steps, "observe": observe, "progress": progress, "device": device}
    if has_exact_theory(config):
        return _exact(config, label, dtype, options)
    return _perceptrons(config, label, {**options, "dtype": dtype, "checkpoint": checkpoint})


def seeds(config: Config) -> range:
    """The seeds of the networks of a run file."""
    return range(config.seed, config.seed + config.training.repeats)


def _exact(config: Config, label: str, dtype: str, options: Mapping[str, Any]) -> Trained:
    """Output weights of shallow networks on an interval: theory knows every step."""
    from fembridge.bridge.verdict import worst

    found = [_compared(config, label, seed, dtype, options) for seed in seeds(config)]
    compared = [one for one, _, _ in found]
    first = compared[0]
    return Trained(
        theory="exact",
        frequencies=first.frequencies,
        steps=first.steps,
        measured=np.stack([one.measured for one in compared]),
        residuals=np.stack([one.trajectory.residuals for one in compared]),
        loss=np.stack([one.trajectory.loss for one in compared]),
        learning_rates=np.array([one.prediction.learning_rate for one in compared]),
        diverged=tuple(one.trajectory.diverged for one in compared),
        weights=tuple(weights for _, weights, _ in found),
        predicted=np.stack([one.predicted for one in compared]),
        error=np.stack([one.error for one in compared]),
        stability_limit=first.prediction.stability_limit,
        stable=first.prediction.stable,
        predicted_steps=np.stack([steps for _, _, steps in found]),
        noise_floor=first.noise_floor,
        verdict=worst(one.judge(config.verdict.tolerance) for one in compared),
    )


def _compared(
    config: Config, label: str, seed: int, dtype: str, options: Mapping[str, Any]
) -> tuple[Comparison, dict[str, Array], Array]:
    """One seed: its comparison, its trained weights, the predicted steps to learn."""
    from fembridge.bridge.comparison import compare, output_weights
    from fembridge.bridge.shallow import features_of
    from fembridge.networks.models import initialise
    from fembridge.theory.prediction import steps_to_tolerance

    stated, network = problem(config), config.network
    optimizer: dict[str, Any] = {
        "optimizer": config.optimizer.name,
        "learning_rate": config.optimizer.learning_rate,
        "momentum": config.optimizer.momentum or 0.0,
    }
    activation, scale = network.activations[label], network.scale(label)
    model = initialise(activation, network.layers[1], network.init, stated.domain, seed, scale)
    if dtype == "float32":
        model.float()  # theory, too, is to see the rounded numbers
    features, start = features_of(model, stated.domain), output_weights(model)
    steps = steps_to_tolerance(features, stated, config.verdict.learned, **optimizer, initial=start)
    compared = compare(stated, model, **optimizer, **options, dtype=next(model.parameters()).dtype)
    return compared, _state(model), steps


def _perceptrons(config: Config, label: str, options: Mapping[str, Any]) -> Trained:
    """Networks of any depth, whatever of them is trained: theory is linearised, or there is none."""
    from fembridge.networks.perceptrons import perceptron

    network = config.network
    assert network.init != "grid"  # `check` has seen to it
    models = [
        perceptron(
            network.activations[label],
            network.layers,
            init=network.init,
            seed=seed,
            weight_scale=network.scale(label),
            parametrisation=network.parametrisation,
            output_scale=network.output_scale,
            trained=network.globs,
        )
        for seed in seeds(config)
    ]
    every: dict[str, Any] = {
        **options,
        "optimizer": config.optimizer.name,
        "learning_rate": config.optimizer.learning_rate,
        "momentum": config.optimizer.momentum or 0.0,
        "batch": config.optimizer.batch,
        "seeds": list(seeds(config)),
    }
    alone = config.optimizer.name == "adam" or config.verdict.statistic in OF_VALIDATION
    run = _measured if alone else _linearised
    return run(config, models, samples(config), every)


def _measured(config: Config, models: Sequence[Any], data: Samples, options: Mapping[str, Any]) -> Trained:
    """Training alone: nothing is predicted."""
    from fembridge.bridge.validation import validation
    from fembridge.networks.training import train_many

    target = config.problem.target
    seen = validation(target.validation(config.seed)) if isinstance(target, Digits) else None
    given = dict(options)
    record, observe = given.pop("steps"), given.pop("observe")
    paths = train_many(models, data, record=record, observe=seen or observe, **given)
    return Trained(
        theory="none",
        **_measurements(data, paths, models),
        validation=np.stack([np.asarray(path.observed) for path in paths]) if seen else None,
        reason="measured only",
    )


def _linearised(config: Config, models: Sequence[Any], data: Samples, options: Mapping[str, Any]) -> Trained:
    """Training beside the tangent kernel's prediction."""
    from fembridge.bridge.learning import first_below
    from fembridge.bridge.linearised import compare_linearised

    theory = config.theory
    found = compare_linearised(models, data, refresh=theory.refresh, **options)
    first, tolerance, learned = found.predictions[0], config.verdict.tolerance, config.verdict.learned
    every = [first_below(found.steps, np.abs(one.coefficients), learned) for one in found.predictions]
    return Trained(
        theory="linearised",
        **_measurements(data, found.trajectories, models),
        predicted=found.predicted,
        error=found.error,
        stability_limit=first.stability_limit,
        stable=first.stable,
        predicted_steps=np.stack(every),
        drift=found.drift,
        verdict=found.judge(tolerance, theory.drift_limit),
        reason=found.reason(tolerance, theory.drift_limit),
    )


def _measurements(data: Samples, paths: Sequence[Any], models: Sequence[Any]) -> dict[str, Any]:
    """What trajectories say, however they were predicted."""
    many = data.values.ndim > 1  # of several outputs nothing is read at frequencies
    return {
        "frequencies": () if many else data.frequencies,
        "steps": paths[0].steps,
        "measured": np.stack([path.coefficients for path in paths]),
        "residuals": np.stack([path.residuals for path in paths]),
        "loss": np.stack([path.loss for path in paths]),
        "learning_rates": np.array([path.learning_rate for path in paths]),
        "diverged": tuple(path.diverged for path in paths),
        "weights": tuple(_state(model) for model in models),
    }


def _state(model: Any) -> dict[str, Array]:
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
