"""Runs of networks of any depth, whatever of them is trained: predicted by their tangent kernel, or measured alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.numpy import load_file

import fembridge
from fembridge.bridge import linearised
from fembridge.bridge.charts import Chart, HeatMap, Image
from fembridge.networks.perceptrons import perceptron
from fembridge.studies.charts import charts
from fembridge.studies.config import Config, config_hash, load, parse, samples
from fembridge.studies.run import run
from fembridge.studies.trained import train


def table(**tables: dict[str, Any]) -> dict[str, Any]:
    """Wide networks that are trained in full for a few steps, with some keys set."""
    made: dict[str, Any] = {
        "seed": 3,
        "problem": {"target": {"kind": "sines", "frequencies": [1, 3], "amplitudes": [1, 0.5]}, "samples": 16},
        "network": {"activation": "tanh", "layers": [1, 256, 1], "init": "gaussian", "trained": "all"},
        "training": {"steps": 20, "record": 6, "repeats": 3},
        "verdict": {"tolerance": 0.05},
    }
    made["network"]["parametrisation"] = "ntk"
    for name, keys in tables.items():
        made[name] = keys if name == "verdict" else {**made.get(name, {}), **keys}
    return made


ADAM = {"name": "adam", "learning_rate": 0.01}
PLANE = {
    "domain": [[0, 1], [0, 1]],
    "target": {"kind": "sines", "frequencies": [[1, 0], [2, 2]], "amplitudes": [1, 1]},
    "samples": [6, 8],
}
FLAT = {"problem": PLANE, "network": {"layers": [2, 16, 8, 1]}, "optimizer": ADAM}
ANY = {"statistic": "psnr", "within": [-100.0, float("inf")]}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds; which there are is looked at by itself."""
    monkeypatch.setattr("fembridge.output.figures.save", lambda chart, folder, name: [])


def test_a_wide_network_passes_and_its_folder_says_how(tmp_path: Path) -> None:
    stated = parse(table())
    done = run(stated, tmp_path)
    assert done.folder.name == config_hash(stated)
    assert [path.name for path in tmp_path.iterdir()] == [done.folder.name]  # no checkpoints are left
    kept = json.loads((done.folder / "verdict.json").read_text())
    assert (kept["theory"], kept["verdict"], kept["statistic"]) == ("linearised", "pass", None)
    assert kept["max_error"] <= kept["tolerance"] == 0.05
    assert 0 < kept["drift"][-1] < kept["drift_limit"] == 0.1
    assert kept["reason"].startswith("the error is 0.0")
    with np.load(done.folder / "arrays.npz") as arrays:
        shape = (3, len(arrays["steps"]), 2)
        for name in ("predicted", "measured", "error"):
            assert arrays[f"tanh/{name}"].shape == shape
        assert arrays["tanh/drift"].shape == shape[:2] and arrays["tanh/steps_to_learn"].shape == (3, 2)
        np.testing.assert_array_equal(kept["measured"], np.abs(arrays["tanh/measured"]).mean(axis=0))
        last = arrays["tanh/residuals"]
    data, tensors = samples(stated), load_file(done.folder / "weights.safetensors")
    for r, seed in enumerate((3, 4, 5)):
        model = perceptron("tanh", [1, 256, 1], parametrisation="ntk", init="gaussian", seed=seed)
        own = {k.removeprefix(f"tanh.{seed}."): torch.tensor(t) for k, t in tensors.items() if f".{seed}." in k}
        model.load_state_dict(own)
        u = model(torch.tensor(data.points))[:, 0].detach().numpy()
        np.testing.assert_allclose(u - data.values, last[r], rtol=0, atol=1e-12)  # stacked or one by one: rounding


def test_a_wrong_prediction_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a training at half the predicted rate."""
    right = linearised.train_many

    def wrong(*args: Any, **options: Any) -> Any:
        return right(*args, **options | {"learning_rate": options["learning_rate"] / 2})

    monkeypatch.setattr(linearised, "train_many", wrong)
    done = run(parse(table()), tmp_path)
    assert done.summary["drift"].max() < 0.1 and done.summary["max_error"] > 0.05
    assert done.verdict == "fail"


def test_few_neurons_with_a_small_output_are_out_of_regime(tmp_path: Path) -> None:
    done = run(parse(table(network={"layers": [1, 8, 1], "output_scale": 0.1})), tmp_path)
    assert done.verdict == "inconclusive"
    assert done.summary["reason"].startswith("out of regime: the kernel moved by ")
    assert done.summary["drift"].max() > 0.1


def test_a_last_layer_alone_is_predicted_to_rounding(tmp_path: Path) -> None:
    """Linear in what is trained: gradient descent through two hidden layers in the plane leaves only rounding, some
    20 steps of 1e-16 each on numbers of size 1.
    """
    output: dict[str, Any] = {"layers": [2, 16, 16, 1], "trained": "output", "activation": ["relu", "hat"]}
    output |= {"weight_scale": {"relu": 2.0, "hat": 1.0}, "parametrisation": "standard"}
    done = run(parse(table(problem=PLANE, network=output, verdict={"tolerance": 1e-12})), tmp_path)
    weights = [done.trained[label].weights[0]["0.weight"] for label in ("relu", "hat")]
    np.testing.assert_array_equal(weights[0], 2 * weights[1])
    assert [one["verdict"] for one in done.summary["runs"]] == ["pass", "pass"]
    assert done.summary["runs"][0]["frequencies"] == ((1, 0), (2, 2))


def test_adam_is_measured_alone(tmp_path: Path) -> None:
    stated = parse(table(**FLAT, verdict=ANY))
    done = run(stated, tmp_path)
    kept = json.loads((done.folder / "verdict.json").read_text())
    assert (kept["theory"], kept["verdict"], kept["predicted"], kept["max_error"]) == ("none", "pass", None, None)
    assert kept["statistic"]["name"] == "psnr" and len(kept["statistic"]["values"]) == 3
    assert kept["statistic"]["within"] == [-100, None]  # JSON has no infinity
    assert kept["reason"].startswith("the interval over seeds, [")
    assert kept["frequencies"] == [[1, 0], [2, 2]]
    lines = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * len(kept["steps"]) and lines[0]["predicted"] is None
    assert "wanted −100 to —" in (done.folder / "report.html").read_text()
    two = parse(table(**FLAT, training={"repeats": 2}, verdict=ANY))
    assert run(two, tmp_path).summary["reason"].startswith("too few seeds: 2")


def figures(stated: Config) -> dict[str, Any]:
    trained = {label: train(stated, label) for label in stated.network.activations}
    return charts(stated, trained, samples(stated))


def test_the_figures_of_a_linearised_run() -> None:
    found = figures(parse(table()))
    assert set(found) == {"error-tanh", "heat-tanh", "spectrum-tanh", "loss", "drift"}
    error, spectrum = found["error-tanh"], found["spectrum-tanh"]
    assert isinstance(error, Chart) and isinstance(spectrum, HeatMap)
    for pair in error.pairs:
        assert pair.low is not None and pair.high is not None and pair.predicted is not None
        assert (pair.low <= pair.measured).all() and (pair.measured <= pair.high).all()
    assert spectrum.predicted is not None and spectrum.scale == "linear" and spectrum.repeats == 3
    assert 0 not in found["drift"].pairs[0].x  # where it is 0


def test_the_figures_of_an_image() -> None:
    found = figures(parse(table(**FLAT, training={"repeats": 1}, verdict=ANY)))
    assert set(found) == {"error-tanh", "heat-tanh", "spectrum-tanh", "image-tanh", "loss", "psnr"}
    image = found["image-tanh"]
    assert isinstance(image, Image) and [name for name, _ in image.panels] == ["target", "tanh"]
    x, y = np.arange(6)[:, None] / 6, np.arange(8) / 8
    expected = np.sin(2 * np.pi * x) + np.sin(4 * np.pi * (x + y))
    np.testing.assert_allclose(image.panels[0][1], expected, rtol=0, atol=1e-14)
    assert found["heat-tanh"].predicted is None and found["loss"].pairs[0].low is None


def test_digits_are_validated_on_others() -> None:
    pytest.importorskip("sklearn")
    stated = parse(
        table(
            problem={"target": {"kind": "digits", "classes": [0, 1], "count": 100}, "samples": 256},
            network={"activation": "relu", "layers": [64, 16, 1], "parametrisation": "standard", "init": "he"},
            optimizer={**ADAM, "batch": 20},
            training={"steps": 200},
            verdict={"statistic": "accuracy", "within": [0.9, 1.0]},
        )
    )
    found = figures(stated)
    assert set(found) == {"loss", "validation-loss", "accuracy"}
    assert found["accuracy"].pairs[0].measured[0] < 0.9 < found["accuracy"].pairs[0].measured[-1]


def test_single_precision_of_the_run_file_is_in_its_hash_and_not_in_the_name(tmp_path: Path) -> None:
    stated = parse(table(training={"dtype": "float32"}))
    done = run(stated, tmp_path)
    assert done.folder.name == config_hash(stated) != config_hash(parse(table()))
    assert {t.dtype for t in load_file(done.folder / "weights.safetensors").values()} == {np.dtype("float32")}
    assert run(stated, tmp_path, dtype="float64").folder.name == f"{config_hash(stated)}-float64"


# ---- cut off ----

KILLED = """
from fembridge.__main__ import main
from fembridge.networks import checkpoints
checkpoints.FIRST = 0.0  # seconds: one before every step
main(["run", "run.toml", "--out", "killed", "--quiet"])
"""


def equal(first: Path, second: Path) -> bool:
    with np.load(first / "arrays.npz") as a, np.load(second / "arrays.npz") as b:
        return set(a) == set(b) and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


@pytest.mark.slow  # two processes load PyTorch, and one has to be killed in the middle
def test_a_run_that_was_killed_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    long = table(**FLAT, training={"steps": 200, "repeats": 2}, verdict=ANY)
    stated = parse(long)
    (tmp_path / "run.toml").write_text(tomli_w.dumps(long))
    assert load(tmp_path / "run.toml") == stated
    out = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": str(Path(fembridge.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 120
    while not list(out.glob("*.partial/*.safetensors")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / config_hash(stated)).exists()
    said: list[str] = []
    done = run(stated, out, notice=said.append)
    assert said == [f"going on from the checkpoints in {out / config_hash(stated)}.partial"]
    assert not list(out.glob("*.partial"))
    assert equal(done.folder, run(stated, tmp_path / "undisturbed", notice=said.append).folder)
    assert len(said) == 1


def test_an_interrupt_keeps_the_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fembridge.networks.checkpoints.FIRST", 0.0)
    stated = parse(table(**FLAT, verdict=ANY))

    def steps(items: Any) -> Any:
        for item in items:
            if item == 10:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        run(stated, tmp_path / "a", progress=steps)
    (partial,) = (tmp_path / "a").iterdir()
    assert partial.name == f"{config_hash(stated)}.partial" and list(partial.iterdir())
    seen: list[int] = []

    def watched(items: Any) -> Any:
        for item in items:
            seen.append(item)
            yield item

    done = run(stated, tmp_path / "a", progress=watched)
    assert min(seen) > 0
    assert equal(done.folder, run(stated, tmp_path / "b").folder)
