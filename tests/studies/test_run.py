from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fembridge.bridge import comparison
from fembridge.networks.models import initialise
from fembridge.problem import sample
from fembridge.studies.config import Config, config_hash, load, parse, problem
from fembridge.studies.run import Run, run


def config(**tables: dict[str, Any]) -> Config:
    """A run of a tenth of a second, with some keys set."""
    table: dict[str, Any] = {
        "seed": 5,
        "problem": {"target": {"kind": "sines", "frequencies": [1, 3], "amplitudes": [1, 0.5]}, "samples": 64},
        "network": {"activation": "hat", "layers": [1, 8, 1]},
        "training": {"steps": 30, "record": 8},
        "verdict": {"tolerance": 1e-9},
    }
    for name, keys in tables.items():
        table.setdefault(name, {}).update(keys)
    return parse(table)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds; they are looked at where the run folder is."""
    monkeypatch.setattr("fembridge.output.figures.save", lambda chart, folder, name: [])


FILES = {
    "DONE",
    "config.toml",
    "env.json",
    "metrics.jsonl",
    "arrays.npz",
    "weights.safetensors",
    "verdict.json",
    "report.html",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Run]:
    stated = config(network={"activation": ["hat", "relu"], "init": "he"}, training={"repeats": 3})
    return stated, run(stated, tmp_path_factory.mktemp("runs"))


def test_the_run_folder(finished: tuple[Config, Run]) -> None:
    stated, done = finished
    assert done.folder.name == config_hash(stated)
    assert {p.name for p in done.folder.iterdir()} == FILES | {"figures"}
    figures = {f"{kind}-{label}" for kind in ("error", "heat") for label in ("hat", "relu")} | {"steps-to-learn"}
    assert {p.name for p in (done.folder / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in figures for suffix in ("svg", "pdf", "png", "csv")
    }
    assert load(done.folder / "config.toml") == stated
    environment = json.loads((done.folder / "env.json").read_text())
    assert (environment["seeds"], environment["device"], environment["dtype"]) == ([5, 6, 7], "cpu", "float64")
    assert environment["packages"]["torch"] == torch.__version__


def test_the_summary_is_what_the_folder_says(finished: tuple[Config, Run]) -> None:
    _, done = finished
    kept = json.loads((done.folder / "verdict.json").read_text())
    assert set(done.summary) == {"schema_version", "runs", "verdict", "folder"}
    assert done.summary["folder"] == str(done.folder)
    assert [one["activation"] for one in kept["runs"]] == ["hat", "relu"]
    with np.load(done.folder / "arrays.npz", allow_pickle=False) as arrays:
        for one in kept["runs"]:
            label = one["activation"]
            assert one["steps"] == arrays["steps"].tolist()
            assert one["frequencies"] == arrays["frequencies"].tolist() == [1, 3]
            shape = (3, len(one["steps"]), 2)
            for which in ("predicted", "measured"):
                assert arrays[f"{label}/{which}"].shape == shape
                np.testing.assert_array_equal(one[which], np.abs(arrays[f"{label}/{which}"]).mean(axis=0))
            assert one["max_error"] == arrays[f"{label}/error"].max() <= one["tolerance"]
            assert one["learning_rate"] == arrays[f"{label}/learning_rate"][0]
            assert one["verdict"] == "pass"
    lines = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * 3 * len(one["steps"])
    assert {(line["activation"], line["seed"]) for line in lines} == {
        (a, s) for a in ("hat", "relu") for s in (5, 6, 7)
    }
    assert set(lines[0]) == {"activation", "seed", "step", "loss", "predicted", "measured"}


def test_the_weights_are_the_trained_networks(finished: tuple[Config, Run]) -> None:
    """Loaded into a fresh network they reproduce the measured residual, and the inner weights are those of the seed."""
    stated, done = finished
    tensors = load_file(done.folder / "weights.safetensors")
    x, _ = sample(problem(stated))
    for label in ("hat", "relu"):
        for i, seed in enumerate((5, 6, 7)):
            model = initialise(label, 8, "he", (0.0, 1.0), seed)
            inner = model[0].weight.clone()
            prefix = f"{label}.{seed}."
            own = {name.removeprefix(prefix): torch.tensor(t) for name, t in tensors.items() if name.startswith(prefix)}
            model.load_state_dict(own)
            assert torch.equal(model[0].weight, inner)
            u = model(torch.tensor(x)[:, None])[:, 0].detach().numpy()
            residual = u - problem(stated).target.values(x)
            np.testing.assert_array_equal(residual, done.trained[label].residuals[i, -1])


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = run(config(), tmp_path / "a"), run(config(), tmp_path / "b")
    for name in (
        "verdict.json",
        "metrics.jsonl",
        "arrays.npz",
        "weights.safetensors",
        "config.toml",
        "figures/error-hat.svg",
    ):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


@pytest.mark.usefixtures("undrawn")
def test_one_activation_has_the_keys_at_the_top(tmp_path: Path) -> None:
    summary = run(config(), tmp_path).summary
    assert set(summary) == {
        *("schema_version", "activation", "frequencies", "steps", "predicted", "measured", "learning_rate"),
        *("stability_limit", "stable", "diverged", "max_error", "tolerance", "verdict", "folder"),
        *("theory", "drift", "drift_limit", "statistic", "reason"),
    }
    assert summary["steps"][0] == 0
    assert summary["steps"][-1] == 30
    np.testing.assert_allclose(
        summary["measured"][0], [1, 0.5], rtol=0, atol=1e-14
    )  # u = 0: the target's own amplitudes


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "tables",
    [
        {"optimizer": {"name": "heavy-ball", "momentum": 0.5}},
        {"optimizer": {"name": "nesterov"}},
        {"problem": {"samples": "exact", "loss": "h1", "domain": [[-1, 2]]}},
        {"network": {"activation": {"knots": [0, 1, 2.5], "coefficients": [1], "degree": 1}, "weight_scale": 0.7}},
        {"problem": {"target": {"kind": "sawtooth", "frequencies": [1, 5]}}},
        {"problem": {"target": {"kind": "sawtooth", "periods": 2, "frequencies": [2, 4]}, "samples": "exact"}},
    ],
    ids=str,
)
def test_prediction_and_training_agree(tables: dict[str, Any], tmp_path: Path) -> None:
    done = run(config(**tables), tmp_path)
    assert done.verdict == "pass"
    assert done.summary["max_error"] < 1e-11


@pytest.mark.usefixtures("undrawn")
def test_divergence_is_predicted_and_passes(tmp_path: Path) -> None:
    """Ten times the stable rate: both blow up, until the training stops; theory said so and was right."""
    fast = config(optimizer={"learning_rate": 1000.0}, training={"steps": 2000})
    done = run(fast, tmp_path)
    kept = json.loads((done.folder / "verdict.json").read_text())
    assert kept["verdict"] == "pass"
    assert kept["stable"] is False
    assert kept["learning_rate"] > kept["stability_limit"]
    assert 0 < kept["diverged"] < 2000
    assert kept["measured"][-1] == [None, None]
    amplitudes = np.array(kept["measured"], dtype=float)
    assert np.nanmax(amplitudes) > 1e3


@pytest.mark.usefixtures("undrawn")
def test_a_wrong_prediction_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a prediction off by 1e-6 is within a tolerance of 1e-5, and not of 1e-7."""
    right = comparison.predict

    def wrong(*args: Any, **options: Any) -> Any:
        prediction = right(*args, **options)
        return replace(prediction, coefficients=prediction.coefficients * (1 + 1e-6))

    monkeypatch.setattr(comparison, "predict", wrong)
    assert run(config(verdict={"tolerance": 1e-5}), tmp_path).verdict == "pass"
    assert run(config(verdict={"tolerance": 1e-7}), tmp_path).verdict == "fail"


@pytest.mark.usefixtures("undrawn")
def test_noise_is_inconclusive(tmp_path: Path) -> None:
    done = run(config(verdict={"tolerance": 1e-17}), tmp_path)
    assert 1e-17 < done.summary["max_error"] < 1e-14
    assert done.verdict == "inconclusive"


@pytest.mark.usefixtures("undrawn")
def test_single_precision_stands_in_the_name_and_has_its_own_noise(tmp_path: Path) -> None:
    stated = config(verdict={"tolerance": 1e-4})
    done = run(stated, tmp_path, dtype="float32")
    assert done.folder.name == f"{config_hash(stated)}-float32"
    assert 1e-12 < done.summary["max_error"] < 1e-4
    assert done.verdict == "pass"
    assert {t.dtype for t in load_file(done.folder / "weights.safetensors").values()} == {np.dtype("float32")}


@pytest.mark.parametrize("device", ["nowhere", "meta"])
def test_a_device_that_is_not_there(device: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"device: .*{device}"):
        run(config(), tmp_path / "runs", device=device)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_an_interrupt_leaves_the_older_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = run(config(), tmp_path).folder
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}

    def steps(items: Any) -> Any:
        for item in items:
            if item == 10:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        run(config(), tmp_path, progress=steps)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert (old / "DONE").exists()


@pytest.mark.usefixtures("undrawn")
def test_the_config_in_the_folder_runs_again_to_the_same_place(tmp_path: Path) -> None:
    np.save(tmp_path / "row.npy", np.sin(np.arange(20)))
    table = tomllib.loads('problem = { target = { kind = "file", path = "row.npy", frequencies = [1] } }')
    table |= {"network": {"activation": "hat", "layers": [1, 4, 1]}, "training": {"steps": 5}}
    done = run(parse(table, folder=tmp_path), tmp_path / "runs")
    again = run(load(done.folder / "config.toml"), tmp_path / "runs")
    assert again.folder == done.folder
