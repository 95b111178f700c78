"""What a run says in numbers: verdict.json, the lines of metrics.jsonl, the arrays of arrays.npz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fembridge.problem import Array, Complex
from fembridge.studies.config import Config
from fembridge.studies.statistic import Statistic
from fembridge.studies.trained import Trained, seeds


def summarise(config: Config, label: str, found: Trained, statistic: Statistic | None) -> dict[str, Any]:
    """What verdict.json says of one activation.

    Of several seeds: mean amplitudes and drift, learning rate and stability of the first, the worst error and verdict.
    """
    return {
        "schema_version": 1,
        "activation": label,
        "theory": found.theory,
        "frequencies": found.frequencies,
        "steps": found.steps,
        "predicted": None if found.predicted is None else amplitudes(found.predicted),
        "measured": amplitudes(found.measured),
        "learning_rate": found.learning_rates[0],
        "stability_limit": found.stability_limit,
        "stable": found.stable,
        "diverged": found.diverged[0],
        "max_error": None if found.error is None or not found.error.size else found.error.max(),
        "tolerance": None if statistic else config.verdict.tolerance,
        "drift": None if found.drift is None else found.drift.mean(axis=0),
        "drift_limit": None if found.drift is None else config.theory.drift_limit,
        "statistic": statistic and statistic.summary,
        "verdict": statistic.verdict if statistic else found.verdict,
        "reason": statistic.reason if statistic else found.reason,
    }


def amplitudes(coefficients: Complex) -> Array:
    """Means over the seeds of |c|, (R, T, F) → (T, F)."""
    return np.asarray(np.abs(coefficients).mean(axis=0))


def metrics(config: Config, trained: Mapping[str, Trained]) -> Iterable[dict[str, Any]]:
    """One line for each activation, seed and recorded step."""
    for label, found in trained.items():
        for r, seed in enumerate(seeds(config)):
            for i, step in enumerate(found.steps):
                line = {
                    "activation": label,
                    "seed": seed,
                    "step": step,
                    "loss": found.loss[r, i],
                    "predicted": None if found.predicted is None else np.abs(found.predicted[r, i]),
                    "measured": np.abs(found.measured[r, i]),
                }
                if found.drift is not None:
                    line["drift"] = found.drift[r, i]
                if found.validation is not None:
                    line["validation_loss"], line["accuracy"] = found.validation[r, i]
                yield line


def arrays(trained: Mapping[str, Trained], statistics: Mapping[str, Statistic]) -> dict[str, Any]:
    """What arrays.npz holds: steps (T,), frequencies (F,) or (F, d), and for each activation, with R seeds,

    label/measured (R, T, F) complex, label/loss (R, T), label/learning_rate (R,); where there is a theory
    label/predicted (R, T, F) complex, label/error (R, T, F), label/steps_to_learn (R, F), label/drift (R, T); of digits
    label/validation (R, T, 2), loss and accuracy; of a statistic label/statistic (R,); and of networks that are not
    trained in their output weights alone label/residuals at the last step (R, N).
    """
    first = next(iter(trained.values()))
    every: dict[str, Any] = {"steps": first.steps, "frequencies": np.asarray(first.frequencies)}
    for label, found in trained.items():
        own = {
            "predicted": found.predicted,
            "measured": found.measured,
            "error": found.error,
            "loss": found.loss,
            "learning_rate": found.learning_rates,
            "steps_to_learn": found.predicted_steps,
            "drift": found.drift,
            "validation": found.validation,
            "statistic": statistics[label].values if label in statistics else None,
            "residuals": None if found.theory == "exact" else found.residuals[:, -1],
        }
        every |= {f"{label}/{name}": array for name, array in own.items() if array is not None}
    return every
