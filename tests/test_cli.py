from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fembridge
from fembridge import claims
from fembridge.__main__ import main
from fembridge.bridge.charts import Chart, Pair
from fembridge.claims import Claim, Evidence, Result
from fembridge.output.terminal import spoken
from fembridge.problem import Problem, sines
from fembridge.theory import prediction, spectra
from fembridge.theory.features import grid, on_knots

RUN = """
[problem]
target = { kind = "sines", frequencies = [1, 3], amplitudes = [1, 0.5] }
samples = 64
[network]
activation = "hat"
layers = [1, 8, 1]
[training]
steps = 20
"""


PERCEPTRON = """
[problem]
target = { kind = "sines", frequencies = [1, 2], amplitudes = [1, 0.5], phases = "random" }
samples = 16
[network]
activation = "tanh"
layers = [1, 8, 1]
init = "gaussian"
parametrisation = "ntk"
output_scale = 0.1
trained = "all"
[optimizer]
name = "gd"
[training]
steps = 5000
record = 5
repeats = 2
[verdict]
tolerance = 0.05
[quick.training]
steps = 30
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder of its own, with a few good and bad files in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEMBRIDGE_DEBUG", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what is patched in this process is not in another
    np.save("knots.npy", [0.0, 0.25, 0.5, 0.9])
    np.save("complex.npy", [0.0, 0.5 + 1j])
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    files = {
        "run.toml": RUN,
        "knots.txt": "0, 0.25\n0.5 0.9",
        "unsorted.txt": "0 0.5 0.25",
        "repeated.txt": "0 0.5 0.5",
        "outside.txt": "0 0.5 1.5",
        "end.txt": "0 0.5 1.0",
        "nan.txt": "0 nan 0.5",
        "words.txt": "zero one",
        "one.txt": "0.5",
        "empty.txt": "",
        "unknown.toml": RUN.replace("samples", "sample"),
        "adam.toml": PERCEPTRON.replace('name = "gd"', 'name = "adam"\nlearning_rate = 0.1'),
        "broken.toml": "[problem",
        "deep.toml": "x = " + "[" * 1000,
        "digits.toml": "seed = " + "1" * 5000,
        "theirs/notes.txt": "not ours",
        "broken/verdict.json": "{",
        "other/verdict.json": "{}",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fembridge.output.figures.save", lambda chart, folder, name: [])


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def answer(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """What a command prints under --json, which is strict JSON and all it prints."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert main([*argv, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=refuse)


# ---- wrong input ----

WRONG: list[tuple[str, str]] = [
    ("", "Missing command"),
    ("frobnicate", "No such command 'frobnicate'"),
    ("spectrum --frobnicate", "No such option"),
    ("spectrum extra", "unexpected extra argument"),
    ("spectrum --activation tanh", "activation: expected one of relu, relu2"),
    ("spectrum --form energy", "'energy' is not one of 'mass', 'stiffness'"),
    ("spectrum --knots 0", "at least 2, got 0"),
    ("spectrum --knots 1", "at least 2, got 1"),
    ("spectrum --knots -5", "at least 2, got -5"),
    ("spectrum --knots 99999999999999999999", "--knots: expected a whole number up to 2³¹, got "),
    ("spectrum --knots 8.5", '--knots: expected a whole number or an existing file, got "8.5"'),
    ("spectrum --knots missing.npy", '--knots: expected a whole number or an existing file, got "missing.npy"'),
    ("spectrum --knots theirs", '--knots: expected a whole number or an existing file, got "theirs"'),
    ("spectrum --knots unsorted.txt", "knots: expected strictly increasing knots, got 0.5 before 0.25 (unsorted)"),
    ("spectrum --knots repeated.txt", "knots: expected strictly increasing knots, got 0.5 before 0.5 (repeated)"),
    ("spectrum --knots outside.txt", "knots: expected knots inside the domain [0, 1), got 1.5"),
    ("spectrum --knots end.txt", "knots: expected knots inside the domain [0, 1), got 1"),
    ("spectrum --knots nan.txt", "knots: knot 1 is not finite"),
    ("spectrum --knots words.txt", "words.txt: expected numbers"),
    ("spectrum --knots complex.npy", "--knots: complex.npy: expected real numbers, got complex128"),
    ("spectrum --knots one.txt", "knots: expected"),
    ("spectrum --knots empty.txt", "knots: expected"),
    ("spectrum --domain 1 0", "domain: expected finite ends a < b, got [1, 0]"),
    ("spectrum --domain 1 1", "domain: expected finite ends a < b, got [1, 1]"),
    ("spectrum --domain 0 inf", "domain: expected finite ends a < b, got [0, inf]"),
    ("spectrum --domain 0 nan", "domain: expected finite ends a < b, got [0, nan]"),
    ("spectrum --domain 0 1e101", "domain: expected ends of size at most 1e100"),
    ("spectrum --domain 0", "--domain"),
    ("spectrum --domain zero one", "--domain"),
    ("spectrum --top 0", "--top"),
    ("spectrum --largest 0", "--largest"),
    ("spectrum --smallest 2.5", "--smallest"),
    ("spectrum --largest 65", "count: expected a whole number from 1 to 64, got 65"),
    ("spectrum --largest 2 --smallest 2", "--largest: expected without --smallest, got both"),
    ("spectrum --largest 2 --affine", "--affine: expected without --largest and --smallest"),
    ("spectrum --affine --activation hat", "affine: expected ReLUs with distinct kinks inside the domain"),
    ("spectrum --affine --method dense", "affine: expected ReLUs with distinct kinks inside the domain"),
    ("spectrum --method jacobi", "'jacobi' is not one of 'auto', 'dispersion'"),
    ("spectrum --method banded", 'method: banded does not apply to these "relu" features'),
    ("spectrum --method sturm --activation hat", "method: sturm needs ReLUs with distinct kinks inside the domain"),
    ("spectrum --method lanczos", 'method: "lanczos" is for some eigenpairs'),
    ("spectrum --method dispersion --knots knots.txt", "method: dispersion needs equispaced knots"),
    ("spectrum --method dispersion --largest 2", "method: dispersion gives no eigenvectors"),
    ("spectrum --max-memory 0", "max_memory: expected a positive number of GiB, got 0"),
    ("spectrum --max-memory nan", "max_memory: expected a positive number of GiB, got nan"),
    ("predict --max-memory -1", "max_memory: expected a positive number of GiB, got -1"),
    ("spectrum --out theirs", "theirs: expected a file, got a folder"),
    ("spectrum --out pipe", "pipe: expected a file, got a device, pipe or socket"),
    ("spectrum --out loop", "loop: cannot be written"),
    ("spectrum --out knots.txt/s.npz", "knots.txt/s.npz: cannot be written"),
    ("predict --optimizer adam", "'adam' is not one of 'gd', 'heavy-ball', 'nesterov'"),
    ("predict --frequencies 1,two", '--frequencies: expected a whole number up to 2³¹, got "two"'),
    ("predict --frequencies 1.5", '--frequencies: expected a whole number up to 2³¹, got "1.5"'),
    ("predict --frequencies 99999999999999999999", "--frequencies: expected a whole number up to 2³¹, got "),
    (f"predict --frequencies {'9' * 400}", "--frequencies: expected a whole number up to 2³¹, got "),
    (f"predict --frequencies {'9' * 5000}", "--frequencies: expected a whole number up to 2³¹, got "),
    ("predict --frequencies 0", "frequencies: expected distinct positive whole numbers up to 2³¹, got [0]"),
    ("predict --frequencies 2,2", "frequencies: expected distinct positive whole numbers up to 2³¹, got [2, 2]"),
    ("predict --frequencies 1,128", "frequencies: 128 is at or above the sampling limit 256/2"),
    ("predict --samples 16", "frequencies: 16 is at or above the sampling limit 16/2"),
    ("predict --samples 1", 'samples: expected "exact" or a whole number from 2 to 2³¹, got 1'),
    ("predict --samples many", '--samples: expected a whole number up to 2³¹, got "many"'),
    ("predict --loss h1 --samples 64", 'samples: loss "h1" compares derivatives'),
    ("predict --loss l2", "'l2' is not one of 'mass', 'stiffness', 'h1'"),
    ("predict --learning-rate fast", '--learning-rate: expected "auto" or a positive number, got "fast"'),
    ("predict --learning-rate 0", "learning_rate: expected"),
    ("predict --learning-rate nan", "learning_rate: expected"),
    ("predict --momentum 0.5", "--momentum: expected none with --optimizer gd, got 0.5"),
    ("predict --optimizer nesterov --momentum 1", "--momentum: expected a number between 0 and 1, got 1"),
    ("predict --optimizer heavy-ball --momentum nan", "--momentum: expected a number between 0 and 1, got nan"),
    ("predict --tolerance 0", "tolerance: expected a number between 0 and 1, got 0"),
    ("predict --tolerance 1", "tolerance: expected a number between 0 and 1, got 1"),
    ("predict --tolerance nan", "tolerance: expected a number between 0 and 1, got nan"),
    ("predict --weight-scale 0", "weight_scale: expected a positive number, got 0"),
    ("predict --knots unsorted.txt", "knots: expected strictly increasing knots"),
    ("run", "Missing argument 'RUN.toml'"),
    ("run missing.toml", "missing.toml: No such file or directory"),
    ("run theirs", "theirs: Is a directory"),
    ("run broken.toml", "broken.toml: expected a TOML file"),
    ("run deep.toml", "deep.toml: expected a TOML file"),
    ("run digits.toml", "digits.toml: expected a TOML file"),
    ("run loop", "loop: Too many levels of symbolic links"),
    (f"run {'a' * 300}", "aaa: File name too long"),
    ("run unknown.toml", "unknown.toml: problem.sample: unknown key: expected one of domain, target, loss, samples"),
    ("run run.toml --scale huge", "'huge' is not one of 'quick', 'full'"),
    ("run run.toml --scale quick", "run.toml: quick: expected a table [quick] of what is smaller, got nothing"),
    ("run adam.toml", 'adam.toml: verdict.statistic: expected one with optimizer.name = "adam"'),
    ("run run.toml --seed -1", "--seed"),
    ("run run.toml --seed 4294967296", "--seed"),
    ("run run.toml --dtype float16", "'float16' is not one of 'float64', 'float32'"),
    ("run run.toml --device nowhere", "device: "),
    ("run run.toml --device meta", 'device: expected one that holds numbers, got "meta"'),
    ("run run.toml --out knots.txt", "knots.txt/"),
    ("verify --only no-such-claim", 'only: no claim matches "no-such-claim"'),
    ("verify --scale huge", "'huge' is not one of 'quick', 'full'"),
    ("verify --seed -1", "--seed"),
    ("verify --seed 4294967296", "--seed"),
    ("verify --seed one", "--seed"),
    ("verify --out loop", "loop: cannot be written"),
    (f"verify --out {'a' * 300}", "aaa: cannot be written: File name too long"),
    ("verify --out theirs", "theirs: expected an empty folder or an older result"),
    ("verify --out knots.txt", "knots.txt: expected a folder, got a file"),
    ("verify --out knots.txt/deep/result", "knots.txt/deep/result: cannot be written"),
    ("report", "Missing argument 'FOLDER'"),
    ("report missing", "missing: expected a result folder"),
    ("report theirs", "theirs: expected a result folder"),
    ("report broken", "broken/verdict.json: expected JSON"),
    ("report other", "other/verdict.json: expected the key"),
]


@pytest.mark.parametrize(("command", "message"), WRONG, ids=[command[:60] for command, _ in WRONG])
def test_wrong_input_is_one_line_and_leaves_nothing(
    command: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(folder)
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fembridge: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert tree(folder) == before


def test_a_failure_is_one_line_with_a_traceback_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def fail(*_: Any) -> None:
        raise np.linalg.LinAlgError("SVD did not\nconverge")  # a ValueError, but no fault of the input

    monkeypatch.setattr(spectra, "spectrum", fail)
    before = tree(folder)
    assert main(["spectrum", "--out", "new/s.npz"]) == 4
    assert capsys.readouterr().err == "fembridge: error: SVD did not converge\n"
    monkeypatch.setenv("FEMBRIDGE_DEBUG", "1")
    assert main(["spectrum", "--out", "new/s.npz"]) == 4
    assert "Traceback" in capsys.readouterr().err
    assert tree(folder) == before


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError("too much"), ZeroDivisionError()]
)
def test_what_breaks_while_running_is_4(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(spectra, "spectrum", fail)
    assert main(["spectrum"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_warnings_are_for_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: Any) -> None:
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
        raise ValueError

    monkeypatch.setattr(spectra, "spectrum", warn)
    for debug in "01":
        monkeypatch.setenv("FEMBRIDGE_DEBUG", debug)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            main(["spectrum"])
        assert len(caught) == int(debug)


# ---- spectrum and predict ----


@pytest.mark.parametrize("form", ["mass", "stiffness"])
def test_spectrum_prints_what_theory_says(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--activation", "hat", "--knots", "12", "--domain", "-1", "2", "--form", form]
    found = answer(capsys, "spectrum", *options)
    expected = spectra.spectrum(on_knots("hat", grid(12, (-1, 2)), (-1, 2)), form)
    assert (found["schema_version"], found["fembridge"]) == (1, fembridge.__version__)
    assert (found["activation"], found["n"], found["domain"], found["form"]) == ("hat", 12, [-1, 2], form)
    assert found["eigenvalues"] == expected.eigenvalues.tolist()
    assert found["error"] == expected.error.tolist()
    assert found["error_bound"] == max(found["error"])
    assert found["method"] == expected.method
    assert found["noise_floor"] == expected.noise_floor
    assert found["condition_number"] == expected.condition_number
    assert answer(capsys, "spectrum", *options, "--top", "3")["eigenvalues"] == found["eigenvalues"][:3]


@pytest.mark.parametrize("file", ["knots.npy", "knots.txt"])
def test_knots_come_from_files(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "spectrum", "--knots", file)
    assert found["eigenvalues"] == spectra.spectrum(on_knots("relu", [0.0, 0.25, 0.5, 0.9])).eigenvalues.tolist()


def test_a_spectrum_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spectrum", "--knots", "12"]) == 0
    assert "and 2 smaller ones" in capsys.readouterr().out
    assert main(["spectrum", "--knots", "10"]) == 0
    assert "smaller" not in capsys.readouterr().out


def test_a_spectrum_is_written_under_the_name_given(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "spectrum", "--knots", "12", "--top", "2", "--out", "new/spectrum.result")
    assert os.listdir("new") == ["spectrum.result"]
    with np.load("new/spectrum.result", allow_pickle=False) as arrays:
        assert set(arrays) == {"eigenvalues", "error"}
        assert len(arrays["eigenvalues"]) == 12  # --top is about what is printed
        assert arrays["eigenvalues"][:2].tolist() == found["eigenvalues"]
        assert (np.diff(arrays["eigenvalues"]) <= 0).all()


def test_a_hundred_thousand_eigenvalues_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "spectrum", "--knots", "100000", "--out", "all.npz")
    assert found["method"].startswith("dispersion") and len(found["eigenvalues"]) == 100_000
    with np.load("all.npz") as arrays:
        assert arrays["eigenvalues"].tolist() == found["eigenvalues"]
        assert (arrays["eigenvalues"] > 0).all() and arrays["error"].max() == found["error_bound"] < 1e-13


def test_the_ends_of_a_spectrum_come_with_eigenvectors(capsys: pytest.CaptureFixture[str]) -> None:
    whole = answer(capsys, "spectrum", "--knots", "knots.txt")
    for end, part in (("largest", slice(2)), ("smallest", slice(2, 4))):
        found = answer(capsys, "spectrum", "--knots", "knots.txt", f"--{end}", "2", "--out", f"{end}.npz")
        assert found["which"] == end
        assert found["eigenvalues"] == pytest.approx(whole["eigenvalues"][part], rel=1e-13)
        with np.load(f"{end}.npz") as arrays:
            assert set(arrays) == {"eigenvalues", "error", "residuals", "eigenvectors"}
            x = arrays["eigenvectors"]
            assert np.abs(x.T @ x - np.eye(2)).max() < 1e-13
    assert main(["spectrum", "--knots", "12", "--smallest", "2"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == ["11", "12"]


def test_affine_functions_are_added_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Knots 0, ¼, ½, 0.9: the ReLU at 0 is the linear function already."""
    assert len(answer(capsys, "spectrum", "--knots", "knots.txt", "--affine")["eigenvalues"]) == 5
    Path("inside.txt").write_text("0.25 0.5")
    assert len(answer(capsys, "spectrum", "--knots", "inside.txt", "--affine")["eigenvalues"]) == 4


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("spectrum --activation relu2 --knots 500", "the dense Gram of 500 features"),
        ("predict", "the prediction for 64"),
    ],
)
def test_memory_is_bounded(command: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--max-memory", "0.0001"]) == 4
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and what in err and "GiB it may take" in err


@pytest.mark.parametrize(("optimizer", "momentum"), [("gd", None), ("heavy-ball", None), ("nesterov", "0.5")])
def test_predict_prints_what_theory_says(
    optimizer: str, momentum: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--activation",
        "hat",
        "--knots",
        "16",
        "--frequencies",
        "1,3",
        "--samples",
        "64",
        "--optimizer",
        optimizer,
    ]
    found = answer(capsys, "predict", *options, *(["--momentum", momentum] if momentum else []))
    problem = Problem(sines([1, 3], [1, 1]), (1, 3), samples=64)
    beta = {"gd": 0.0, "heavy-ball": 0.9, "nesterov": 0.5}[optimizer]
    features = on_knots("hat", grid(16))
    assert (found["fembridge"], found["momentum"]) == (fembridge.__version__, beta)
    assert (
        found["steps_to_tolerance"]
        == prediction.steps_to_tolerance(features, problem, 0.1, optimizer, "auto", beta).tolist()
    )
    expected = prediction.predict(features, problem, [0], optimizer, "auto", beta)
    assert (found["learning_rate"], found["stability_limit"]) == (expected.learning_rate, expected.stability_limit)
    assert found["stable"] is True


def test_an_unstable_rate_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["predict", "--knots", "8", "--learning-rate", "100"]
    assert main(options) == 0
    out = capsys.readouterr().out
    assert "unstable, divergence is predicted" in out
    assert "never" in out
    found = answer(capsys, *options)
    assert found["stable"] is False
    assert found["steps_to_tolerance"] == [None] * 5


def test_steps_in_words() -> None:
    assert [spoken(step) for step in (12.0, np.inf, np.nan)] == ["12", "never", "absent at the start"]


@pytest.mark.parametrize("loss", ["--loss", "--form"])
def test_derivatives_are_integrated(loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "predict", "--activation", "hat", "--knots", "8", loss, "h1")["samples"] == "exact"


# ---- run and report ----


@pytest.mark.usefixtures("undrawn")
def test_run_prints_its_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "run", "run.toml", "--seed", "7")
    assert found["schema_version"] == 1
    assert found["verdict"] == "pass"
    assert found["max_error"] <= found["tolerance"] == 1e-6
    assert found["steps"][-1] == 20
    assert np.shape(found["predicted"]) == np.shape(found["measured"]) == (len(found["steps"]), 2)
    assert Path(found["folder"]).parent == Path("results/runs")
    assert json.loads((Path(found["folder"]) / "env.json").read_text())["seeds"] == [7]
    assert "seed = 7" in (Path(found["folder"]) / "config.toml").read_text()


@pytest.mark.usefixtures("undrawn")
def test_run_of_several_activations(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text(RUN.replace('"hat"', '["hat", "relu"]'))
    found = answer(capsys, "run", "run.toml", "--out", "out")
    assert set(found) == {"schema_version", "runs", "verdict", "folder"}
    assert [one["activation"] for one in found["runs"]] == ["hat", "relu"]
    assert main(["run", "run.toml", "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert "hat" in out
    assert "relu" in out
    assert f"folder: {found['folder']}" in out


@pytest.mark.usefixtures("undrawn")
def test_the_exit_code_of_run_is_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text(RUN + "[verdict]\ntolerance = 1e-18")
    assert answer(capsys, "run", "run.toml", code=3)["verdict"] == "inconclusive"
    Path("run.toml").write_text(RUN + "[optimizer]\nlearning_rate = 100.0")
    assert main(["run", "run.toml"]) == 0
    out = capsys.readouterr().out
    assert "unstable, divergence is predicted" in out
    assert "verdict: ✓ pass" in out


@pytest.mark.usefixtures("undrawn")
def test_a_network_out_of_regime_is_inconclusive_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text(PERCEPTRON)
    found = answer(capsys, "run", "run.toml", "--scale", "quick", code=3)
    assert (found["verdict"], found["steps"][-1], found["theory"]) == ("inconclusive", 30, "linearised")
    assert found["reason"].startswith("out of regime: the kernel moved by ") and found["drift"][-1] > 0.1
    assert main(["run", "run.toml", "--scale", "quick"]) == 3
    assert f"tanh: ? inconclusive: {found['reason']}" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_a_statistic_and_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    statistic = 'repeats = 3\n[verdict]\nstatistic = "psnr"\nwithin = [-inf, 100.0]\n[quick'
    text = PERCEPTRON.replace('name = "gd"', 'name = "adam"\nlearning_rate = 0.01')
    Path("run.toml").write_text(text.replace("repeats = 2\n[verdict]\ntolerance = 0.05\n[quick", statistic))
    found = answer(capsys, "run", "run.toml", "--scale", "quick")
    assert (found["verdict"], found["predicted"]) == ("pass", None)
    low, high = found["statistic"]["interval"]
    assert low < found["statistic"]["mean"] < high < 100
    assert main(["run", "run.toml", "--scale", "quick"]) == 0
    out = capsys.readouterr().out
    assert "PSNR" in out and "mean over 3 seeds" in out and "lies within [-inf, 100]" in out


@pytest.mark.usefixtures("undrawn")
def test_what_is_gone_on_from_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.toml").write_text(PERCEPTRON)
    name = Path(answer(capsys, "run", "run.toml", "--scale", "quick", code=3)["folder"]).name
    for quiet in (["--quiet"], []):
        Path("results/runs", f"{name}.partial").mkdir()
        assert main(["run", "run.toml", "--scale", "quick", *quiet]) == 3
        said = f"fembridge: going on from the checkpoints in results/runs/{name}.partial\n"
        assert capsys.readouterr().err == ("" if quiet else said)


@pytest.mark.usefixtures("undrawn")
def test_report_writes_the_page_anew(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(answer(capsys, "run", "run.toml")["folder"])
    page = (path / "report.html").read_bytes()
    (path / "report.html").unlink()
    assert main(["report", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path / "report.html")
    assert (path / "report.html").read_bytes() == page


# ---- verify ----


def claim(name: str, error: float, known: bool = False, floor: float = 0.0) -> Claim:
    """A claim that is off by `error`, with a tolerance of 1e-3."""
    x = np.array([1.0, 2.0])
    chart = Chart(name, "x", "y", (Pair("pair", x, x, x + error),))
    evidence = Evidence(predicted=x, measured=x + error, wrong=2 * x, chart=chart, scale=1.0, noise_floor=floor)
    return Claim(
        f"test.{name}", "a test", f"{name} [bold]", "identity", 1e-3, "chosen", lambda _: evidence, known=known
    )


GOOD, BAD = claim("good", 1e-9), claim("bad", 1.0)
KNOWN, CHANGED = claim("known", 1.0, known=True), claim("changed", 0.0, known=True)
NOISE = claim("noise", 1e-2, floor=0.1)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("chosen", "code", "verdict"),
    [
        ([GOOD], 0, "pass"),
        ([GOOD, KNOWN], 0, "pass"),
        ([GOOD, BAD], 1, "fail"),
        ([GOOD, CHANGED], 1, "fail"),
        ([GOOD, NOISE], 3, "inconclusive"),
        ([NOISE, BAD], 1, "fail"),
        ([replace(NOISE, known=True)], 3, "inconclusive"),
    ],
    ids=["pass", "known", "fail", "changed", "inconclusive", "fail-first", "known-inconclusive"],
)
def test_the_exit_code_of_verify(
    chosen: list[Claim], code: int, verdict: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "select", lambda pattern: chosen)
    # The page is for its own tests: it wants the figures, which are not drawn here.
    monkeypatch.setattr("fembridge.output.report.write_report", lambda folder: folder / "report.html")
    found = answer(capsys, "verify", "--out", "out", code=code)
    assert found["verdict"] == verdict
    assert found == json.loads(Path("out/verdict.json").read_text())
    assert main(["verify", "--out", "out"]) == code
    out = capsys.readouterr().out
    for one in chosen:
        assert one.id in out
    assert "out/report.html" in out


def test_the_folder_of_verify(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "select", lambda pattern: [GOOD, KNOWN])
    found = answer(capsys, "verify", "--seed", "4")
    path = Path("results/verify")
    figures = {f"figures/test.{name}.{suffix}" for name in ("good", "known") for suffix in ("svg", "pdf", "png", "csv")}
    assert set(tree(path)) == {"DONE", "env.json", "figures", "report.html", "verdict.json"} | figures
    assert set(found) == {"schema_version", "fembridge", "seed", "verdict", "claims"}
    assert (found["schema_version"], found["fembridge"], found["seed"]) == (1, fembridge.__version__, 4)
    first = found["claims"][0]
    assert {key: first[key] for key in ("id", "kind", "tolerance", "why", "verdict", "known", "figure")} == {
        "id": "test.good",
        "kind": "identity",
        "tolerance": 1e-3,
        "why": "chosen",
        "verdict": "pass",
        "known": False,
        "figure": "figures/test.good.svg",
    }
    assert set(first) - {"id", "kind", "tolerance", "why", "verdict", "known", "figure"} == {
        *("source", "statement", "predicted", "measured", "error", "seconds")
    }
    environment = json.loads((path / "env.json").read_text())
    assert (environment["seed"], environment["scale"]) == (4, "quick")
    before = (path / "report.html").read_bytes()
    assert main(["report", str(path)]) == 0
    assert (path / "report.html").read_bytes() == before


def test_verify_is_reproducible_but_for_the_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    def verdicts(out: str) -> Any:
        found = answer(capsys, "verify", "--only", "hong2022.hat-symbol", "--out", out)
        assert len(found["claims"]) == 1
        return [one | {"seconds": None} for one in found["claims"]]

    assert verdicts("a") == verdicts("b")
    name = "figures/hong2022.hat-symbol.svg"
    assert (Path("a") / name).read_bytes() == (Path("b") / name).read_bytes()


@pytest.mark.slow
def test_two_processes_say_what_one_says(capsys: pytest.CaptureFixture[str]) -> None:
    def verdicts(jobs: str) -> Any:
        found = answer(capsys, "verify", "--only", "hong2022.*symbol*", "--jobs", jobs, "--out", jobs)
        assert len(found["claims"]) == 2
        return [one | {"seconds": None} for one in found["claims"]]

    assert verdicts("1") == verdicts("2")
    assert set(tree(Path("1"))) == set(tree(Path("2")))


# ---- interrupts ----


@pytest.mark.parametrize("older", [True, False])
def test_ctrl_c_leaves_nothing_and_loses_nothing(
    older: bool, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(claim: Claim, setting: Any) -> Result:
        raise KeyboardInterrupt

    if older:
        assert main(["verify", "--only", "hong2022.hat-symbol", "--out", "new/result", "--quiet"]) == 0
        capsys.readouterr()
    before = tree(folder)
    monkeypatch.setattr(claims, "check", interrupted)
    assert main(["verify", "--out", "new/result"]) == 130
    assert capsys.readouterr() == ("", "fembridge: error: interrupted\n")
    assert tree(folder) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("wait", [0.0, 4.0], ids=["loading", "training"])
def test_a_signal_stops_a_run_and_cleans_up(wait: float, number: signal.Signals, folder: Path) -> None:
    (folder / "run.toml").write_text(RUN.replace("steps = 20", "steps = 100000000"))
    before = tree(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "fembridge", "run", "run.toml", "--out", "runs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("runs/.*/new")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(wait)  # PyTorch is loaded inside the folder's block
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "fembridge: error: interrupted\n")
    assert tree(folder) == before


LOADING = """
import signal
signal.raise_signal(signal.SIGTERM)
loaded = True
"""


def test_an_interrupt_waits_while_a_library_loads(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = []

    def work(*_: Any) -> None:
        libraries.append(importlib.import_module("library_that_is_interrupted"))
        time.sleep(60)

    (folder / "library_that_is_interrupted.py").write_text(LOADING)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(spectra, "spectrum", work)
    assert main(["spectrum"]) == 130
    assert libraries[0].loaded
    assert capsys.readouterr() == ("", "fembridge: error: interrupted\n")


def test_an_interrupt_in_a_callback_is_not_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> None:
        thing = Problem(sines([1], [1]), (1,))
        kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        del thing
        assert kept() is None
        time.sleep(60)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    monkeypatch.setattr(spectra, "spectrum", work)
    assert main(["spectrum"]) == 130
    assert capsys.readouterr() == ("", "fembridge: error: interrupted\n")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == handlers


def test_an_interrupt_in_exec_is_an_exit_code_too() -> None:
    program = """if True:
        import signal, sys
        from fembridge.__main__ import main
        from fembridge.theory import spectra
        spectra.spectrum = lambda *_: exec("signal.raise_signal(signal.SIGTERM)")
        sys.exit(main(["spectrum"]))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "fembridge: error: interrupted\n")


# ---- the process ----


def fresh(*argv: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `code` runs after it."""
    program = f"import sys; from fembridge.__main__ import main; rc = main({list(argv)!r}); {code}; sys.exit(rc)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


HEAVY = "print({'torch', 'numpy', 'pydantic', 'skfem', 'matplotlib'} & set(sys.modules), file=sys.stderr)"


def test_the_version_loads_nothing_heavy() -> None:
    done = fresh("--version", code=HEAVY)
    assert done.stdout == f"fembridge {fembridge.__version__}\n"
    assert done.stderr == "set()\n"


@pytest.mark.parametrize("argv", [["spectrum", "--knots", "8"], ["predict", "--knots", "8"], ["info"]], ids=" ".join)
def test_theory_answers_without_torch(argv: list[str]) -> None:
    assert "torch" not in fresh(*argv, code=HEAVY).stderr


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "info")
    assert found["schema_version"] == 1
    assert found["fembridge"] == fembridge.__version__
    assert found["packages"]["numpy"] == np.__version__
    assert main(["info"]) == 0
    assert np.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["", "verify", "spectrum", "predict", "run", "report", "info"])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Usage: fembridge" in out
    assert err == ""


@pytest.mark.parametrize("command", ["predict --knots 8", "verify --only hong2022.hat-symbol", "verify --help"])
def test_an_old_terminal(command: str) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    argv = [sys.executable, "-m", "fembridge", *command.split()]
    old = subprocess.run(argv, env=environment, capture_output=True, check=True)
    assert old.stdout.isascii()
    assert old.stderr == b""


@pytest.mark.parametrize(
    ("argv", "closed", "code"), [(["--version"], [1], 0), (["info"], [1, 2], 0), (["frobnicate"], [2], 2)]
)
def test_closed_streams_are_quiet(argv: list[str], closed: list[int], code: int) -> None:
    command = [sys.executable, "-m", "fembridge", *argv]
    done = subprocess.run(
        command, capture_output=True, check=False, preexec_fn=lambda: [os.close(stream) for stream in closed]
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_reader_that_goes_away() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fembridge", "spectrum", "--json", "--knots", "800", "--activation", "hat"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 4
