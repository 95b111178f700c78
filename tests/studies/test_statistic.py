from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fembridge.bridge.verdict import interval
from fembridge.studies.statistic import FALSE_ALARM, Statistic, statistic
from fembridge.studies.tables import VerdictTable
from fembridge.studies.trained import Trained

STEPS = np.arange(0, 3001)


def learned(exponents: list[float], frequencies: tuple[Any, ...] = (1, 2, 4), pace: float = 10.0) -> Trained:
    """Networks whose error at k decays with a time of pace·|k|^p, one for each p."""
    sizes = np.array([np.linalg.norm(k) for k in frequencies])
    times = pace * sizes ** np.array(exponents)[:, None]
    measured = np.exp(-STEPS[:, None] / times[:, None]) * (0.5 + 0.5j)
    return trained(measured=measured, frequencies=frequencies)


def trained(**fields: Any) -> Trained:
    empty: dict[str, Any] = {
        "theory": "none",
        "frequencies": (),
        "steps": STEPS,
        "measured": np.empty((0, len(STEPS), 0)),
        "residuals": np.empty(0),
        "loss": np.empty(0),
        "learning_rates": np.empty(0),
        "diverged": (),
        "weights": (),
    }
    return Trained(**{**empty, **fields})


def asked(name: str, *within: float, learned: float = 0.1) -> VerdictTable:
    return VerdictTable.model_validate({"statistic": name, "within": within, "learned": learned})


def judged(exponents: list[float], *within: float, **options: Any) -> Statistic:
    return statistic(asked("exponent", *within), "any", learned(exponents, **options), np.empty(0))


SEEDS = [1.9, 2.0, 2.1, 1.95, 2.05]


def test_an_exponent_is_that_of_the_times() -> None:
    """Steps are whole: an error of one step in 23 or more changes log t by at most 1/23, the slope over two octaves by
    less than (1/23)/ln 4.
    """
    for name in ((1, 2, 4), ((1, 0), (0, -2), (0, 4))):
        found = judged(SEEDS, 0, 9, frequencies=name)
        np.testing.assert_allclose(found.values, SEEDS, rtol=0, atol=1 / 23 / np.log(4))
    low, high = interval(found.values[:, None], FALSE_ALARM)
    assert (found.low, found.high) == (low[0], high[0])


@pytest.mark.parametrize(
    ("exponents", "within", "verdict", "reason"),
    [
        (SEEDS, (1.0, 3.0), "pass", r"lies within \[1, 3\]"),
        (SEEDS, (1.0, np.inf), "pass", r"lies within \[1, inf\]"),
        (SEEDS, (-np.inf, 1.0), "fail", r"lies outside \[-inf, 1\]"),
        (SEEDS, (3.0, 4.0), "fail", r"lies outside \[3, 4\]"),
        (SEEDS, (2.0, 4.0), "inconclusive", r"reaches over an end of \[2, 4\]"),
        (SEEDS[:2], (1.0, 3.0), "inconclusive", r"^too few seeds: 2, at least 3 are needed"),
    ],
)
def test_the_interval_decides(exponents: list[float], within: Any, verdict: str, reason: str) -> None:
    found = judged(exponents, *within)
    assert found.verdict == verdict
    assert re.search(reason, found.reason)


def test_what_was_never_learned_leaves_the_upper_end_open() -> None:
    """The last steps count: the exponent is too small rather than too large, and never fails for being small."""
    slow: dict[str, Any] = {"pace": 200.0}  # k = 4 is learned after 7,000 steps and more
    found = judged(SEEDS, 3.0, 4.0, **slow)
    assert found.unlearned is not None and (found.unlearned == 1).all()
    assert found.values.max() < 1.9 and found.high == np.inf
    assert (found.verdict, judged(SEEDS, 0.0, np.inf, **slow).verdict) == ("inconclusive", "pass")
    assert judged(SEEDS, -1.0, 0.1, **slow).verdict == "fail"


def test_a_low_frequency_that_was_never_learned_leaves_the_lower_end_open() -> None:
    """k = 1 later than the last step would make the exponent smaller still, k = 4 so would make it larger, and k = 2,
    in the middle of the octaves, does not move it.
    """
    falling = [-exponent for exponent in SEEDS]
    slow = learned(falling, pace=2000.0)  # k = 1 is learned after 4,600 steps
    found = statistic(asked("exponent", -1.0, np.inf), "any", slow, np.empty(0))
    assert (found.low, found.verdict) == (-np.inf, "fail") and found.high < -1
    nothing = statistic(asked("exponent", -99, 99), "any", learned(SEEDS, pace=1e6), np.empty(0))
    assert (nothing.low, nothing.high, nothing.verdict) == (-np.inf, np.inf, "inconclusive")


def test_an_exponent_of_a_seed_that_diverged_is_inconclusive() -> None:
    found = replace(learned(SEEDS), diverged=(None, None, 2999, None, None))
    assert statistic(asked("exponent", 0, 9), "any", found, np.empty(0)).reason == "a seed diverged"


def test_a_seed_that_diverged_is_inconclusive() -> None:
    residuals = np.full((3, 2, 4), 0.1)
    residuals[1, 1] = np.nan
    found = statistic(asked("psnr", 0, 99), "any", trained(residuals=residuals), np.array([0.0, 1, 0, 1]))
    assert (found.verdict, found.reason) == ("inconclusive", "a seed diverged")


def test_signal_to_noise_accuracy_and_dip_are_those_of_the_end() -> None:
    residuals = np.array([[[1.0, 1.0], [0.1, -0.1]]] * 3)
    psnr = statistic(asked("psnr", 19.9, 20.1), "any", trained(residuals=residuals), np.array([0.0, 1.0]))
    np.testing.assert_allclose(psnr.values, 20, rtol=1e-12)
    assert psnr.verdict == "pass"
    validation = np.array([[[1.0, 0.5], [0.2, 0.9], [0.4, 0.8]]] * 3)
    of_digits = trained(validation=validation)
    assert statistic(asked("accuracy", 0.7, 1), "any", of_digits, np.empty(0)).values.tolist() == [0.8] * 3
    dip = statistic(asked("dip", 0, 0.9), "any", of_digits, np.empty(0))
    assert dip.values.tolist() == [0.5] * 3 and dip.verdict == "pass"
    assert dip.summary["interval"] == [0.5, 0.5]


def test_limits_of_each_activation() -> None:
    table = VerdictTable.model_validate({"statistic": "exponent", "within": {"relu": [1, 3], "hat": [-0.5, 0.5]}})
    found = [statistic(table, label, learned(SEEDS), np.empty(0)).verdict for label in ("relu", "hat")]
    assert found == ["pass", "fail"]
    with pytest.raises(ValueError, match="statistic: expected one, got none"):
        statistic(VerdictTable(), "relu", learned(SEEDS), np.empty(0))
