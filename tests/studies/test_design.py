import numpy as np
import pytest

from fembridge.studies.design import answer, gram_range, lines
from fembridge.theory.design.designs import design


@pytest.mark.parametrize(
    "found",
    [design("flat", taps=3), design("flat", 3, taps=2), design("flat", taps=4, zero_mean=True, band=(0.2, 1))],
    ids=["linear", "cubic", "zero-mean"],
)
def test_an_answer_is_checked_on_an_assembled_gram(found) -> None:  # type: ignore[no-untyped-def]
    low, high = gram_range(found)
    assert 0 <= low < 1e-2 and -1e-2 < high <= 0
    told = answer(found)
    assert told["verdict"] == "pass" and told["taps"] == len(told["coefficients"])
    assert len(told["knots"]) == told["taps"] + told["degree"] + 1
    assert f"{told['condition_number']:.6g}" in lines(told)[2]


def test_training_is_told_where_it_is_wanted() -> None:
    told = answer(design("flat", taps=7), train=True)
    assert told["verdict"] == "pass" and told["training"]["max_error"] < 1e-12
    assert (told["training"]["measured_steps"] == told["training"]["predicted_steps"]).all()
    assert (told["training"]["predicted_steps_relu"] > 1e6).all()
    assert "trained on 64 cells" in lines(told)[-1]


def test_a_tolerance_that_is_not_met_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = design("flat", taps=2)
    assert answer(found, tolerance=0.2)["verdict"] == "pass"
    assert answer(found, tolerance=0.1)["verdict"] == "fail"


def test_a_gram_beyond_the_symbol_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: boundary features one per cent too large are caught."""
    from fembridge.theory.design import boundary

    right = boundary.level
    monkeypatch.setattr(boundary, "level", lambda found: 1.01 * right(found))
    assert answer(design("flat", taps=7))["verdict"] == "fail"
    assert np.isfinite(gram_range(design("flat", taps=7))).all()
