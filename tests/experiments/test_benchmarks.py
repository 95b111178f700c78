"""The benchmark harness: what it measures, what it says of sides that fail, and the references that judge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.benchmarks.__main__ import app, exponent, measured
from experiments.benchmarks.harness import PEERS, Side, _reason, measure_case, worst_scaled
from experiments.benchmarks.spectra import by_dispersion, by_inertia, sample, uniform_knots
from experiments.benchmarks.tables import BEGIN, END, write_docs
from experiments.benchmarks.worker import LEAST, MOST, counted
from tests.experiments.cases import CASES, MIB

SUBJECT = "tests.experiments.cases"


def test_every_side_is_measured_or_says_why_not(tmp_path: Path) -> None:
    said: list[str] = []
    result = measured(SUBJECT, CASES[0], (3,), 60, said.append)
    sides = {side["side"]: side for side in result["sizes"][0]["sides"]}
    assert said[0] == "cases/ones, n = 3: ours" and said[-1] == "cases/ones, n = 3: reference"
    assert LEAST <= len(sides["ours"]["seconds"]) <= MOST
    assert sides["ours"]["error"] == pytest.approx(0.25)  # the nan of the reference is passed over
    assert 120 * MIB < sides["allocating"]["peak"] < 160 * MIB
    assert sides["ours"]["peak"] < 16 * MIB
    assert {name: side["failure"] for name, side in sides.items()} == {
        "ours": None,
        "allocating": None,
        "crashing": "MemoryError: 3 is too much",
        "killed": "ended by signal 9",
        "missing": "ModuleNotFoundError: No module named 'no_such_module'",
        "small": "not run above 2",
    }
    assert result["sizes"][0]["note"] == ""  # it needs the results of all sides
    page = tmp_path / "page.md"
    page.write_text(f"before {BEGIN} old\n\n### another\n\n| kept |\n\n{END} after", encoding="utf-8")
    found = {"environment": {"processor": "P", "threads": 1, "packages": {}}, "cases": [result]}
    for _ in range(2):
        write_docs(found, page)
        text = page.read_text(encoding="utf-8")
        assert text.startswith("before") and text.endswith("after") and "old" not in text
        assert text.count("### another\n\n| kept |\n\n###") == 1
        assert "| crashing | n = 3 | MemoryError: 3 is too much |" in text
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(ValueError, match="expected the markers"):
        write_docs(found, page)


def test_a_side_that_takes_too_long_is_stopped() -> None:
    (ours,), _ = measure_case(SUBJECT, CASES[1], 3, 0.5, lambda _: None)
    assert ours.failure == "not done in 0.5 s"


@pytest.mark.parametrize("module", PEERS)
def test_a_missing_peer_is_named_with_its_package(module: str) -> None:
    side = Side("peer", lambda _: lambda: None, needs=module)
    said = _reason(side, f"Traceback …\nModuleNotFoundError: No module named '{module}'\n")
    assert said == f"{module} is not installed: pip install {PEERS[module]}"


def test_slow_work_is_counted_once() -> None:
    assert counted(pytest.fail, first=100.0) == [100.0]


def test_exponent() -> None:
    sizes = [10, 100, 1000, 10_000]
    slope, low, high = exponent(sizes, [1.1e-3, 0.9e-1, 1.1e1, 0.9e3]) or (0, 0, 0)
    assert low < 2 < high and abs(slope - 2) < 0.05 and 0 < high - low < 0.5
    assert exponent(sizes[:2], [1.0, 2.0]) is None


def test_worst_scaled() -> None:
    assert worst_scaled(np.array([1.0, 0.5, 3.0]), np.array([1.0, 0.0, np.nan])) == 0.5


def test_references_of_uniform_knots_agree() -> None:
    """The dispersion relation in 40 digits, and counts of eigenvalues in 60."""
    features, known = uniform_knots(40), sample(40, 21)
    by_waves = by_dispersion(features)[known]
    error = by_waves / by_inertia(features, known, by_waves * (1 + 1e-9)) - 1
    assert np.abs(error).max() < 1e-15


@pytest.mark.slow
def test_every_case_runs(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    answer = CliRunner().invoke(app, ["--quick", "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["schema_version"] == 1 and len(results["cases"]) > 10
    for case in results["cases"]:
        ours = case["sizes"][0]["sides"][0]
        assert ours["failure"] is None, (case["title"], ours["failure"])
        assert ours["error"] is not None and ours["error"] < 1e-6, (case["title"], ours["error"])
