"""A claim of a paper, the evidence for it, and how it is judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fembridge.bridge.charts import Chart, HeatMap, RegimeMap
from fembridge.bridge.verdict import Verdict, fitted_exponent, interval, judge, worst
from fembridge.problem import Array

Kind = Literal["identity", "order", "bound", "statistical"]
Side = Literal["within", "above"]
FALSE_ALARM = 1e-3  # of a statistical claim, all its numbers together
Scale = Literal["quick", "full"]


@dataclass(frozen=True)
class Setting:
    """How large the experiments are ("quick": seconds each; "full": the papers' sizes or more), and the seed of what
    is random.
    """

    scale: Scale = "quick"
    seed: int = 0

    def size(self, quick: Any, full: Any) -> Any:
        return full if self.scale == "full" else quick

    @property
    def random(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What theory predicted and what was measured, arrays of one shape; for the kind "order", rows belong to `x`; for
    the kind "statistical", measured has one row more for each seed: (R, M) beside predictions (M,).

    wrong: the negative control, a wrong prediction of the same shape that must be judged as fail.
    scale: what |predicted − measured| is divided by (kinds "identity" and "statistical"); the largest predicted entry
    where nothing is said, 1 for the kind "statistical".
    noise_floor: errors below it are no evidence against the prediction.
    """

    predicted: NDArray[Any]
    measured: NDArray[Any]
    wrong: NDArray[Any]
    chart: Chart | HeatMap | RegimeMap
    x: Array = field(default_factory=lambda: np.empty(0))
    scale: Array | float | None = None
    noise_floor: float = 0.0


@dataclass(frozen=True)
class Claim:
    """A statement with its source, its experiment, and a tolerance that is fixed and derived (`why`) before the
    measurement.

    identity: |predicted − measured| ≤ tolerance · scale, everywhere.
    order: the exponent of measured/predicted against x, with its 99 % confidence interval, lies within ±tolerance of
    0; and,
        where a cap is given, |measured/predicted − 1| ≤ cap at the largest x. The error is the larger of the two, in
        units of their limits, times the tolerance.
    bound: measured ≤ predicted everywhere, and it is attained to within tolerance.
    statistical: an interval over seeds for the mean of each measured number (`bridge.verdict.interval`) against
        predicted ± tolerance · scale, or, for the side "above", against all numbers above the predicted one: pass where
        it lies within, fail where it lies wholly outside, inconclusive where it reaches over an edge (too few seeds). A
        statement that is true fails with a probability of 1e-3 at most, all its numbers together.
    known: the paper's claim is known not to hold; a verdict that changes is what counts.
    """

    id: str
    source: str
    statement: str
    kind: Kind
    tolerance: float
    why: str
    experiment: Callable[[Setting], Evidence]
    cap: float | None = None
    known: bool = False
    side: Side = "within"


@dataclass(frozen=True, eq=False)
class Result:
    """A judged claim. predicted, measured: the numbers where they differ most (exponents for the kind "order")."""

    claim: Claim
    predicted: float
    measured: float
    error: float
    verdict: Verdict
    seconds: float
    evidence: Evidence


def check(claim: Claim, setting: Setting) -> Result:
    """Run the experiment of a claim, on one thread, and judge it.

    At these sizes threads wait for each other longer than they work, and sums come out the same on any number of cores.
    """
    start = time.perf_counter()
    with threadpool_limits(1):
        evidence = claim.experiment(setting)
    predicted, measured, error, verdict = verdict_on(claim, evidence, evidence.predicted)
    return Result(claim, predicted, measured, error, verdict, time.perf_counter() - start, evidence)


def verdict_on(claim: Claim, evidence: Evidence, predicted: NDArray[Any]) -> tuple[float, float, float, Verdict]:
    """Judge a prediction, right or wrong, against the measurement: (predicted, measured, error, verdict)."""
    judges = {"identity": _identity, "order": _order, "bound": _bound, "statistical": _statistical}
    return judges[claim.kind](claim, evidence, np.asarray(predicted))


def _identity(claim: Claim, evidence: Evidence, predicted: NDArray[Any]) -> tuple[float, float, float, Verdict]:
    scale = np.abs(predicted).max() if evidence.scale is None else evidence.scale
    error = np.abs(predicted - evidence.measured) / scale
    worst = np.unravel_index(int(np.nanargmax(np.where(np.isnan(error), np.inf, error))), error.shape)
    verdict = judge(float(error[worst]), claim.tolerance, evidence.noise_floor)
    return float(np.abs(predicted[worst])), float(np.abs(evidence.measured[worst])), float(error[worst]), verdict


def _order(claim: Claim, evidence: Evidence, predicted: NDArray[Any]) -> tuple[float, float, float, Verdict]:
    x, law, measured = evidence.x, predicted.reshape(len(predicted), -1), evidence.measured.reshape(len(predicted), -1)
    fits = [fitted_exponent(x, column) for column in (measured / law).T]
    worst = int(np.argmax([abs(slope) + half for slope, half in fits]))
    error = abs(fits[worst][0]) + fits[worst][1]
    expected = fitted_exponent(x, law[:, worst])[0]
    if claim.cap is not None:  # in the same units: cap and tolerance are reached together
        error = max(error, float(np.abs(measured[-1] / law[-1] - 1).max()) / claim.cap * claim.tolerance)
    return expected, expected + fits[worst][0], error, judge(error, claim.tolerance)


def _bound(claim: Claim, evidence: Evidence, predicted: NDArray[Any]) -> tuple[float, float, float, Verdict]:
    ratio = evidence.measured / predicted
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    error = float(abs(ratio[worst] - 1))
    verdict: Verdict = "fail" if ratio[worst] > 1 else judge(error, claim.tolerance)
    return float(predicted[worst]), float(evidence.measured[worst]), error, verdict


def _statistical(claim: Claim, evidence: Evidence, predicted: NDArray[Any]) -> tuple[float, float, float, Verdict]:
    measured, p = np.asarray(evidence.measured, dtype=float), np.ravel(predicted)
    measured = measured.reshape(len(measured), -1)
    low, high = interval(measured, FALSE_ALARM / len(p))
    scale = np.broadcast_to(1.0 if evidence.scale is None else evidence.scale, p.shape)
    edges = (p - claim.tolerance * scale, p + claim.tolerance * scale) if claim.side == "within" else (p, np.inf)
    verdicts: list[Verdict] = [
        "fail" if np.isnan(a) or b < least or a > most else "pass" if least <= a and b <= most else "inconclusive"
        for a, b, least, most in np.broadcast(low, high, *edges)
    ]
    errors = (np.maximum(high - p, p - low) if claim.side == "within" else np.maximum(p - low, 0)) / scale
    verdict = worst(verdicts)
    among = np.array(verdicts) == verdict
    i = int(np.argmax(np.where(among, np.where(np.isnan(errors), np.inf, errors), -1)))
    return float(p[i]), float(measured[:, i].mean()), float(errors[i]), verdict
