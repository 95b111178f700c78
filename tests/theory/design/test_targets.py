from pathlib import Path

import numpy as np
import pytest

from fembridge.theory.design.targets import target

X = np.linspace(0, 1, 101)


def test_forms_have_the_values_that_they_name() -> None:
    assert (target("flat")(np.pi * X) == 1).all()
    power = target("power:-4,0.01")(np.pi * X)
    assert power[80] / power[40] == pytest.approx(2**-4, rel=1e-2)  # 1 + (x/corner)² against (x/corner)²: 6e-4 · 4
    low, high, middle = (target(name)(np.pi * X) for name in ("low-pass:0.5", "high-pass:0.5", "band-pass:0.3,0.6"))
    assert low[0] > 0.99 > 0.0101 > low[-1] >= 0.01
    assert np.allclose(low[::-1], high)
    assert middle[45] > 0.7 > 0.02 > middle[0] > middle[-1]  # of two slopes, each of width 0.1
    assert np.allclose(target(lambda x: 1 + x)(np.pi * X), 1 + X, rtol=1e-15)


def test_arrays_and_files_are_met_at_their_points(tmp_path: Path) -> None:
    numbers = np.array([1.0, 3.0, 2.0, 0.5])
    np.savetxt(tmp_path / "t.csv", numbers, delimiter=",")
    for spec in (numbers, tmp_path / "t.csv", str(tmp_path / "t.csv")):
        assert np.allclose(target(spec)(np.pi * np.linspace(0, 1, 4)), numbers, rtol=1e-14)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("round", "target: expected flat, power"),
        ("power", "target: expected flat, power"),
        ("power:x", "target: expected flat, power"),
        ("power:-2,0.1,3", "target: expected flat, power"),
        ("power:99", "size at most 20"),
        ("power:-2,2", "a corner in"),
        ("low-pass:1.5", "cuts in"),
        ("band-pass:0.6,0.3", "ascending"),
        ("low-pass:nan", "cuts in"),
        ([1.0], "at least two"),
        ([1.0, 0.0], "positive numbers"),
        ([1.0, -2.0], "positive numbers"),
        ([1.0, np.nan], "finite numbers"),
        ([[1.0, 2.0]], "one row"),
        (["a", "b"], "real numbers"),
    ],
)
def test_what_is_no_target_is_refused(spec: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target(spec)  # type: ignore[arg-type]
