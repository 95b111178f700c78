"""A designed activation: what there is to say of it, checked on an assembled Gram, and trained where that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fembridge import __version__
from fembridge.theory.design.boundary import designed_features, level
from fembridge.theory.design.designs import Design

if TYPE_CHECKING:
    from fembridge.bridge.verdict import Verdict

CELLS = 256  # of the Gram that is assembled, unless the taps need more
FREQUENCIES = 17  # equispaced angles of which the answer tells symbol and rate
ROUNDING = 1e-9  # of eigenvalues and of amplitudes, relative to the largest
STEPS = 200
LEARNED = 0.01


def answer(found: Design, tolerance: float | None = None, train: bool = False) -> dict[str, Any]:
    """What `design --json` prints.

    verdict: pass where the eigenvalues of a Gram of all features on [0, 1], assembled from finite elements, lie within
    the range of the symbol, the symbol within `tolerance` of its target, where one was asked for, and training, where
    it is wanted, does what was predicted.
    """
    angles = np.pi * np.linspace(0, 1, FREQUENCIES)
    low, high = gram_range(found)
    checks = [low >= -ROUNDING, high <= ROUNDING, tolerance is None or found.deviation <= tolerance * (1 + 1e-6)]
    told: dict[str, Any] = {
        "schema_version": 1,
        "fembridge": __version__,
        "target": found.target.name,
        "degree": found.degree,
        "knots": found.activation.knots,
        "coefficients": found.taps,
        "taps": len(found.taps),
        "band": found.band,
        "condition_number": found.condition_number,
        "deviation": found.deviation,
        "least_deviation": found.best,
        "lipschitz": found.lipschitz,
        "frequencies": angles / np.pi,
        "symbol": found.symbol(angles),
        "rates": found.rates(angles),
    }
    if train:
        told["training"] = training = trained(found)
        checks.append(training["max_error"] <= ROUNDING)
    verdict: Verdict = "pass" if all(checks) else "fail"
    return {**told, "verdict": verdict}


def gram_range(found: Design) -> tuple[float, float]:
    """How far the least and the largest eigenvalue of the Gram of all features on [0, 1] stand above the ends of the
    range of the symbol and the target's mean, as parts of its top: ≥ 0 and ≤ 0.
    """
    cells = max(CELLS, 4 * (len(found.taps) + 2 * found.degree))
    eigenvalues = cells * np.linalg.eigvalsh(designed_features(found, cells).gram().toarray())
    s = found.symbol(np.pi * np.linspace(0, 1, 4001))
    mean = level(found)
    low, high = min(float(s.min()), mean), max(float(s.max()), mean)
    return (float(eigenvalues[0]) - low) / high, (float(eigenvalues[-1]) - high) / high


def trained(found: Design, cells: int = 64) -> dict[str, Any]:
    """A training of the features on `cells` cells, boundary features included, beside what was predicted of it, and the
    steps that Hat and ReLU are predicted to take.
    """
    from fembridge.bridge.designed import trial

    cells = max(cells, 4 * (len(found.taps) + 2 * found.degree))
    one, steps = trial(found, cells), np.arange(STEPS + 1)
    predicted, measured = one.amplitudes(steps)
    learned = np.where((measured <= LEARNED).any(axis=0), np.argmax(measured <= LEARNED, axis=0), np.nan)
    return {
        "cells": cells,
        "learning_rate": one.learning_rate,
        "frequencies": one.frequencies,
        "learned": LEARNED,
        "predicted_steps": one.steps_to(LEARNED),
        "measured_steps": learned,
        "predicted_steps_hat": trial("hat", cells).steps_to(LEARNED),
        "predicted_steps_relu": trial("relu", cells).steps_to(LEARNED),
        "max_error": float(np.abs(predicted - measured).max()),
    }


def lines(told: Mapping[str, Any]) -> list[str]:
    """What is said of it on the terminal."""
    knots, taps = len(told["knots"]), ", ".join(f"{c:.6g}" for c in told["coefficients"])
    found = [
        f"σ = Σ c_m B_{told['degree']}(· − m) on the knots 0 … {knots - 1}, c = {taps}",
        f"target {told['target']}: largest deviation {told['deviation']:.3g}, the least of {told['taps']} taps is "
        f"{told['least_deviation']:.3g}",
        f"condition number {told['condition_number']:.6g} · Lipschitz constant {told['lipschitz']:.4g}",
    ]
    if "training" in told:
        training = told["training"]
        found.append(f"trained on {training['cells']} cells: within {training['max_error']:.1e} of the prediction")
    return found
