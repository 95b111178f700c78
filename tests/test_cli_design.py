"""The verb `design`: what it prints, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from fembridge.__main__ import main

KEYS = {"schema_version", "degree", "knots", "coefficients", "taps", "condition_number", "rates", "verdict"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rising.csv").write_text("1, 2, 5, 10")
    Path("zero.csv").write_text("1, 0, 2")
    Path("words.csv").write_text("one, two")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main(["design", *argv, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_the_flat_design_as_json_and_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--target", "flat", "--degree", "1", "--taps", "5")
    assert set(found) >= KEYS and found["verdict"] == "pass" and found["taps"] == len(found["coefficients"]) == 5
    assert found["condition_number"] == pytest.approx(363 / 361, rel=1e-9)
    assert main(["design", "--taps", "5"]) == 0
    out = capsys.readouterr().out
    assert "condition number 1.00554" in out and "✓ pass" in out


def test_a_file_is_a_target_and_an_answer_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--target", "rising.csv", "--out", "new/design.json")
    assert found["deviation"] <= 0.01 and found["symbol"][-1] == pytest.approx(10, rel=0.01)
    assert json.loads(Path("new/design.json").read_text()) == found


def test_a_tolerance_that_so_many_taps_miss_is_a_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "--taps", "2", "--tolerance", "0.1", code=1)["verdict"] == "fail"
    assert answer(capsys, "--taps", "2", "--tolerance", "0.2")["verdict"] == "pass"


def test_it_is_trained_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    training = answer(capsys, "--taps", "7", "--verify")["training"]
    assert training["max_error"] < 1e-9 and set(training["measured_steps"]) == {1.0}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--target zero.csv", "target: expected positive numbers"),
        ("--target words.csv", "target: words.csv: expected numbers"),
        ("--target missing.csv", "missing.csv: No such file"),
        ("--target round", "target: expected flat, power"),
        ("--target power:x", "target: expected flat, power"),
        ("--taps 4 --symmetric", "taps: expected an odd number"),
        ("--taps 1 --zero-mean --band 0.1 1", "taps: expected at least 2"),
        ("--zero-mean --taps 3", "zero_mean: a symbol that vanishes"),
        ("--taps 0", "taps: expected a whole number"),
        ("--taps 3 --support 5", "support: expected either"),
        ("--lipschitz -1 --taps 3", "lipschitz: expected a positive"),
        ("--band 0.5 0.2 --taps 3", "band: expected"),
        ("--tolerance 0", "tolerance: expected a positive"),
        ("--degree 4", "Invalid value for '--degree'"),
        ("--target power:-8,0.01 --tolerance 1e-6", "tolerance: 64 taps"),
        ("--taps 3 --out .", "expected a file"),
    ],
)
def test_what_cannot_be_designed_is_one_line(argv: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert main(["design", *argv.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
    assert sorted(Path().rglob("*")) == before
