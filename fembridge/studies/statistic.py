"""A number of each seed, for what has no closed form, and its interval over the seeds against limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fembridge.problem import Array
from fembridge.studies.tables import VerdictTable
from fembridge.studies.trained import Trained

if TYPE_CHECKING:
    from fembridge.bridge.verdict import Verdict

SEEDS = 3  # fewer say nothing of how much they differ
FALSE_ALARM = 1e-3  # probability with which the interval misses the mean


@dataclass(frozen=True, eq=False)
class Statistic:
    """values: (R,), of each seed. low, high: ends of the interval of their mean.

    unlearned: (R,), how many frequencies were never learned and count as learned at the last step. High ones among
    them make an exponent too small, so that its interval has no upper end then; low ones make it too large.
    """

    name: str
    values: Array
    low: float
    high: float
    within: tuple[float, float]
    verdict: Verdict
    reason: str
    unlearned: Array | None = None

    @property
    def summary(self) -> Mapping[str, Any]:
        """What verdict.json says of it."""
        return {
            "name": self.name,
            "values": self.values,
            "mean": float(np.mean(self.values)),
            "interval": [self.low, self.high],
            "within": self.within,
            "unlearned": self.unlearned,
        }


def statistic(table: VerdictTable, label: str, trained: Trained, values: Array) -> Statistic:
    """The statistic that a run file asks for of one activation. values: those of the target, (N,).

    pass where the interval of the mean over seeds lies within the limits; fail where it lies wholly outside; else
    inconclusive, as it is with fewer than three seeds.

    Raises ValueError where the run file asks for none.
    """
    from fembridge.bridge.verdict import interval

    within = table.limits(label)
    if table.statistic is None or within is None:
        raise ValueError("statistic: expected one, got none")
    each = _values(table, trained, values)
    low, high = (float(end[0]) for end in interval(each[:, None], FALSE_ALARM))
    unlearned = None
    if table.statistic == "exponent":
        never = _never_learned(table, trained)
        unlearned = never.sum(axis=1)
        low, high = _opened(low, high, np.any(never, axis=0), trained.sizes)
    if any(step is not None for step in trained.diverged):
        low = high = np.nan
    verdict, reason = _judge(low, high, within, len(each))
    return Statistic(table.statistic, each, low, high, within, verdict, reason, unlearned)


def _never_learned(table: VerdictTable, trained: Trained) -> NDArray[np.bool_]:
    """Which frequencies each seed never learned, (R, F)."""
    from fembridge.bridge.learning import first_below

    amplitudes = np.abs(trained.measured)
    return np.stack([np.isnan(first_below(trained.steps, each, table.learned)) for each in amplitudes])


def _opened(low: float, high: float, never: NDArray[np.bool_], sizes: Array) -> tuple[float, float]:
    """The interval of an exponent, open at the end at which later steps to learn, never (F,), would move it.

    The slope Σ (x − x̄) y / Σ (x − x̄)² rises with y, the logarithm of the steps, where x = log|k| > x̄, and falls below.
    """
    weight = np.log(sizes) - np.log(sizes).mean()
    return -np.inf if (never & (weight < 0)).any() else low, np.inf if (never & (weight > 0)).any() else high


def _judge(low: float, high: float, within: tuple[float, float], seeds: int) -> tuple[Verdict, str]:
    limits = f"[{within[0]:.4g}, {within[1]:.4g}]"
    if seeds < SEEDS:
        return "inconclusive", f"too few seeds: {seeds}, at least {SEEDS} are needed"
    shown = f"the interval over seeds, [{low:.4g}, {high:.4g}],"
    if np.isnan([low, high]).any():
        return "inconclusive", "a seed diverged"
    if within[0] <= low and high <= within[1]:
        return "pass", f"{shown} lies within {limits}"
    if high < within[0] or within[1] < low:
        return "fail", f"{shown} lies outside {limits}"
    return "inconclusive", f"{shown} reaches over an end of {limits}"


def _values(table: VerdictTable, trained: Trained, values: Array) -> Array:
    """One number for each seed, (R,)."""
    from fembridge.bridge.learning import learning_exponent, psnr

    if table.statistic == "psnr":
        return np.array([psnr(residuals, values)[-1] for residuals in trained.residuals])
    if table.statistic == "exponent":
        amplitudes = np.abs(trained.measured)
        fits = [learning_exponent(trained.steps, each, trained.sizes, table.learned) for each in amplitudes]
        return np.array([exponent for exponent, _ in fits])
    assert trained.validation is not None  # the run file is of digits
    loss, accuracy = trained.validation[:, :, 0], trained.validation[:, :, 1]
    return accuracy[:, -1] if table.statistic == "accuracy" else loss.min(axis=1) / loss[:, -1]
