"""One run file from start to end: predict, train, compare, and write the run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fembridge.bridge.charts import Chart, HeatMap, Pair
from fembridge.problem import Array
from fembridge.studies.config import Config, config_hash, dump, problem
from fembridge.studies.environment import environment
from fembridge.studies.folders import result_folder, strict_json, write_json

if TYPE_CHECKING:
    from fembridge.bridge.comparison import Comparison
    from fembridge.bridge.verdict import Verdict

LEARNED = 0.1  # a frequency counts as learned when its error is this part of its start


@dataclass(frozen=True, eq=False)
class Trained:
    """One activation, one entry for each seed: comparisons, trained weights, and predicted steps to `LEARNED` (F,)."""

    comparisons: tuple[Comparison, ...]
    weights: tuple[Mapping[str, Array], ...]
    steps_to_learn: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. trained: by the label of the activation; summary: what `run --json` prints."""

    folder: Path
    trained: Mapping[str, Trained]
    verdict: Verdict
    summary: Mapping[str, Any]


def run(
    config: Config,
    out: str | Path = "results/runs",
    *,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
    device: str = "cpu",
    dtype: str = "float64",
) -> Run:
    """Predict and train each activation with each seed, judge the agreement, and write `out`/<hash of the run file>.

    The folder (device and dtype stand in its name where they are not cpu and float64) appears at the end, as a whole.

    Raises ValueError where the configuration asks for what theory or network cannot do, or `out` cannot be written.
    """
    from fembridge.bridge.verdict import worst

    if device.startswith("meta"):  # PyTorch's device of shapes alone
        raise ValueError(f'device: expected one that holds numbers, got "{device}"')
    special = [choice for choice, usual in ((device, "cpu"), (dtype, "float64")) if choice != usual]
    path = Path(out) / "-".join([config_hash(config), *special])
    with result_folder(path) as folder:
        trained = {
            label: _train(config, activation, progress, device, dtype)
            for label, activation in config.network.activations.items()
        }
        runs = [_summary(config, label, found) for label, found in trained.items()]
        verdict = worst(one["verdict"] for one in runs)
        summary = runs[0] if len(runs) == 1 else {"schema_version": 1, "runs": runs, "verdict": verdict}
        _write(folder, config, trained, summary, {"device": device, "dtype": dtype})
    return Run(path, trained, verdict, {**summary, "folder": str(path)})


def _train(config: Config, activation: Any, progress: Any, device: str, dtype: str) -> Trained:
    from fembridge.bridge.comparison import compare, output_weights
    from fembridge.bridge.shallow import features_of
    from fembridge.networks.models import initialise
    from fembridge.theory.prediction import steps_to_tolerance

    stated, network, training = problem(config), config.network, config.training
    optimizer: dict[str, Any] = {
        "optimizer": config.optimizer.name,
        "learning_rate": config.optimizer.learning_rate,
        "momentum": config.optimizer.momentum or 0.0,
    }
    comparisons, weights, steps_to_learn = [], [], []
    for seed in _seeds(config):
        model = initialise(activation, network.layers[1], network.init, stated.domain, seed, network.weight_scale)
        if dtype == "float32":
            model.float()  # theory, too, is to see the rounded numbers
        features, start = features_of(model, stated.domain), output_weights(model)
        steps_to_learn.append(steps_to_tolerance(features, stated, LEARNED, **optimizer, initial=start))
        compared = compare(
            stated,
            model,
            steps=training.steps,
            record=training.record,
            **optimizer,
            progress=progress,
            device=device,
            dtype=next(model.parameters()).dtype,
        )
        comparisons.append(compared)
        weights.append({name: value.detach().cpu().numpy() for name, value in model.state_dict().items()})
    return Trained(tuple(comparisons), tuple(weights), tuple(steps_to_learn))


def _seeds(config: Config) -> range:
    return range(config.seed, config.seed + config.training.repeats)


def _amplitudes(found: Trained) -> tuple[Array, Array]:
    """Predicted and measured error amplitudes (T, F), means over the seeds."""
    predicted = np.mean([np.abs(one.predicted) for one in found.comparisons], axis=0)
    return predicted, np.mean([np.abs(one.measured) for one in found.comparisons], axis=0)


def _summary(config: Config, label: str, found: Trained) -> dict[str, Any]:
    """What verdict.json says of one activation.

    Of several seeds: mean amplitudes, learning rate and stability of the first, the worst error and verdict.
    """
    from fembridge.bridge.verdict import worst

    first, tolerance = found.comparisons[0], config.verdict.tolerance
    predicted, measured = _amplitudes(found)
    return {
        "schema_version": 1,
        "activation": label,
        "frequencies": first.frequencies,
        "steps": first.steps,
        "predicted": predicted,
        "measured": measured,
        "learning_rate": first.prediction.learning_rate,
        "stability_limit": first.prediction.stability_limit,
        "stable": first.prediction.stable,
        "diverged": first.trajectory.diverged,
        "max_error": max(one.max_error for one in found.comparisons),
        "tolerance": tolerance,
        "verdict": worst(one.judge(tolerance) for one in found.comparisons),
    }


# ---- what a run looks like ----


def charts(trained: Mapping[str, Trained]) -> dict[str, Chart | HeatMap]:
    """Figures by file name: the error of each frequency along training, and the steps to learn it."""
    every: dict[str, Chart | HeatMap] = {}
    for label, found in trained.items():
        predicted, measured = _amplitudes(found)
        first = found.comparisons[0]
        steps, frequencies = np.asarray(first.steps, dtype=float), np.asarray(first.frequencies, dtype=float)
        every[f"error-{label}"] = Chart(
            title=f"{label}: error of each frequency",
            xlabel="step",
            ylabel="amplitude of the error",
            pairs=tuple(Pair(f"k = {k:g}", steps, predicted[:, i], measured[:, i]) for i, k in enumerate(frequencies)),
            noise_floor=first.noise_floor * float(predicted[0].max()),
        )
        relative = [_relative(predicted, predicted[0]), _relative(measured, predicted[0])]
        every[f"heat-{label}"] = HeatMap(f"{label}: error relative to its start", steps, frequencies, *relative)
    every["steps-to-learn"] = Chart(
        title=f"Steps until the error is {LEARNED:.0%} of its start",
        xlabel="frequency",
        ylabel="steps",
        pairs=tuple(_learning(label, found) for label, found in trained.items()),
    )
    return every


def _relative(amplitudes: Array, start: Array) -> Array:
    return amplitudes / np.where(start > 0, start, np.nan)


def _learning(label: str, found: Trained) -> Pair:
    frequencies = np.asarray(found.comparisons[0].frequencies, dtype=float)
    predicted = np.mean(found.steps_to_learn, axis=0)
    measured = np.mean([first_below(one.steps, np.abs(one.measured)) for one in found.comparisons], axis=0)
    return Pair(label, frequencies, np.where(np.isfinite(predicted), predicted, np.nan), measured)


def first_below(steps: NDArray[Any], amplitudes: Array, part: float = LEARNED) -> Array:
    """The first step at which each column of amplitudes (T, F) is at most `part` of its first row, nan where none is.

    Between recorded steps the amplitude is taken to decay exponentially.

    >>> first_below(np.array([0, 1, 4]), np.array([[1.0], [0.5], [0.5 / 16]]), 0.25)
    array([2.])
    """
    goal = part * amplitudes[0]
    below = amplitudes <= goal
    i = np.maximum(np.argmax(below, axis=0), 1)
    columns = np.arange(amplitudes.shape[1])
    before, after = amplitudes[i - 1, columns], amplitudes[i, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.log(before / goal) / np.log(before / after)
    step = np.ceil(steps[i - 1] + fraction * (steps[i] - steps[i - 1]))
    return np.where(below.any(axis=0), step, np.nan)


# ---- the run folder ----


def _write(
    folder: Path,
    config: Config,
    trained: Mapping[str, Trained],
    summary: Mapping[str, Any],
    where: Mapping[str, str],
) -> None:
    from safetensors.numpy import save_file

    from fembridge.output.figures import save
    from fembridge.output.report import write_report

    seeds = _seeds(config)
    (folder / "config.toml").write_text(dump(config), encoding="utf-8")
    write_json(folder / "env.json", {**environment(), **where, "seeds": list(seeds)})
    metrics = "".join(f"{strict_json(line)}\n" for line in _metrics(trained, seeds))
    (folder / "metrics.jsonl").write_text(metrics, encoding="utf-8")
    with (folder / "arrays.npz").open("wb") as stream:
        np.savez(stream, **_arrays(trained))
    weights = {
        f"{label}.{seed}.{name}": value
        for label, found in trained.items()
        for seed, tensors in zip(seeds, found.weights, strict=True)
        for name, value in tensors.items()
    }
    save_file(weights, folder / "weights.safetensors")
    for name, chart in charts(trained).items():
        save(chart, folder / "figures", name)
    write_json(folder / "verdict.json", summary)
    write_report(folder)


def _metrics(trained: Mapping[str, Trained], seeds: Iterable[int]) -> Iterable[dict[str, Any]]:
    """One line for each activation, seed and recorded step."""
    for label, found in trained.items():
        for seed, one in zip(seeds, found.comparisons, strict=True):
            for i, step in enumerate(one.steps):
                yield {
                    "activation": label,
                    "seed": seed,
                    "step": step,
                    "loss": one.trajectory.loss[i],
                    "predicted": np.abs(one.predicted[i]),
                    "measured": np.abs(one.measured[i]),
                }


def _arrays(trained: Mapping[str, Trained]) -> dict[str, Any]:
    """What arrays.npz holds: steps (T,), frequencies (F,), and for each activation, with R seeds,

    label/predicted and label/measured (R, T, F) complex, label/error (R, T, F), label/loss (R, T),
    label/learning_rate (R,), label/steps_to_learn (R, F).
    """
    first = next(iter(trained.values())).comparisons[0]
    arrays = {"steps": first.steps, "frequencies": np.asarray(first.frequencies)}
    for label, found in trained.items():
        every = found.comparisons
        arrays[f"{label}/predicted"] = np.stack([one.predicted for one in every])
        arrays[f"{label}/measured"] = np.stack([one.measured for one in every])
        arrays[f"{label}/error"] = np.stack([one.error for one in every])
        arrays[f"{label}/loss"] = np.stack([one.trajectory.loss for one in every])
        arrays[f"{label}/learning_rate"] = np.array([one.prediction.learning_rate for one in every])
        arrays[f"{label}/steps_to_learn"] = np.stack(found.steps_to_learn)
    return arrays
