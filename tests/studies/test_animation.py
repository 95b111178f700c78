from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.studies.animation import animate, difference, film
from fembridge.studies.config import parse
from fembridge.studies.run import run
from fembridge.studies.trained import train

SINES = {"kind": "sines", "frequencies": [1, 2], "amplitudes": [1.0, 0.5]}


def table(**changes: Any) -> dict[str, Any]:
    """A run file of output weights, for which theory is exact."""
    return {
        "problem": {"target": SINES, "samples": 64},
        "network": {"activation": ["relu", "hat"], "layers": [1, 8, 1]},
        "training": {"steps": 30, "record": 4},
        **changes,
    }


def whole(optimizer: dict[str, Any], **training: Any) -> dict[str, Any]:
    """A run file of networks that are trained in full, two seeds of them."""
    return {
        "problem": {"target": {**SINES, "phases": "random"}, "samples": 64},
        "network": {"activation": "relu", "layers": [1, 8, 8, 1], "init": "he", "trained": "all"},
        "optimizer": optimizer,
        "training": {"steps": 30, "record": 4, "repeats": 2, **training},
        "verdict": {"statistic": "psnr", "within": [0.0, np.inf]},
    }


ADAM = {"name": "adam", "learning_rate": 0.01}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be drawn; the files hold nothing."""
    seen: list[Any] = []

    def save(films: Any, path: Path, fps: int, progress: Any) -> None:
        seen.append(films)
        Path(path).write_bytes(b"")

    monkeypatch.setattr("fembridge.output.films.save_film", save)
    monkeypatch.setattr("fembridge.output.figures.save", lambda chart, folder, name: [])
    return seen


def test_a_film_of_exact_theory_is_the_run_seen_closer() -> None:
    config = parse(table())
    replay = film(config, 10)
    assert [one.label for one in replay.films] == ["relu", "hat"] and replay.difference is None
    for one in replay.films:
        found = train(config, one.label)
        shared = np.isin(one.steps, found.steps)
        assert one.theory == "exact" and one.predicted is not None and shared.sum() > 2
        rows = np.searchsorted(found.steps, one.steps[shared])
        np.testing.assert_array_equal(one.measured[shared], np.abs(found.measured[0, rows]))
        np.testing.assert_array_equal(one.predicted[shared], np.abs(found.predicted[0, rows]))
        every = len(one.x) // 64
        np.testing.assert_array_equal(one.x[::every], one.points)
        np.testing.assert_allclose(one.residuals[shared, ::every], found.residuals[0, rows], atol=1e-13)
        np.testing.assert_allclose(one.target[::every], one.values, atol=1e-14)


@pytest.mark.parametrize(("optimizer", "theory"), [(ADAM, "none"), ({"name": "gd"}, "linearised")])
def test_networks_trained_in_full(optimizer: dict[str, Any], theory: str) -> None:
    changes = {"verdict": {"tolerance": 0.1}, "theory": {"refresh": [7]}} if theory == "linearised" else {}
    config = parse({**whole(optimizer), **changes})
    (one,) = film(config, 6).films
    assert one.theory == theory and (one.predicted is None) == (one.drift is None) == (theory == "none")
    assert 7 not in one.steps and len(one.steps) == len(one.frames)
    every = len(one.x) // 64
    waves = np.exp(-2j * np.pi * np.outer([1, 2], one.points)) / 32
    np.testing.assert_allclose(np.abs(one.residuals[:, ::every] @ waves.T), one.measured, atol=1e-13)
    assert {frame.bends.kind for frame in one.frames} == {"kinks"}


def test_exact_integrals_have_no_data() -> None:
    (one,) = film(
        parse(
            table(
                problem={"target": SINES, "samples": "exact", "loss": "stiffness"},
                network={"activation": "hat", "layers": [1, 8, 1]},
            )
        ),
        4,
    ).films
    assert not len(one.points) and len(one.x) == len(one.target) == 512


def test_a_film_ends_where_training_diverges() -> None:
    (one,) = film(
        parse(
            table(
                network={"activation": "relu", "layers": [1, 8, 1]},
                optimizer={"name": "gd", "learning_rate": 1e6},
                training={"steps": 200},
            )
        ),
        20,
    ).films
    assert one.diverged is not None and one.steps[-1] < one.diverged < 200
    assert np.isfinite(one.u).all() and len(one.frames) == len(one.steps)


@pytest.mark.parametrize("stated", [table(), whole(ADAM, dtype="float32")])
def test_a_folder_is_replayed_to_the_last_bit(stated: dict[str, Any], tmp_path: Path, undrawn: list[Any]) -> None:
    done, said = run(parse(stated), tmp_path), []
    found = animate(done.folder, tmp_path / "film.gif", frames=5, notice=said.append)
    assert found["checked"] and found["difference"] == 0
    assert said == [f"trained again, with the amplitudes in {done.folder} to the last bit"]
    assert len(undrawn[0]) == len(found["activations"]) and found["frames"] == 5
    other = animate(done.folder, tmp_path / "other.gif", frames=5, seed=7, notice=said.append)
    assert not other["checked"] and other["difference"] is None and len(said) == 1


def test_another_run_in_the_folder_is_told(tmp_path: Path, undrawn: list[Any]) -> None:
    folder = run(parse(table()), tmp_path).folder
    with np.load(folder / "arrays.npz") as held:
        arrays = dict(held)
    before = set(tmp_path.rglob("*"))
    for name, change, match in (
        ("hat/measured", 1.01 * arrays["hat/measured"], "expected the amplitudes of hat that config.toml gives here"),
        ("hat/measured", arrays["hat/measured"][:, :2], r"expected hat/measured of shape \(1, 4, 2\)"),
        ("steps", None, "expected the arrays of a run, steps among them"),
    ):
        kept = {key: value for key, value in {**arrays, name: change}.items() if value is not None}
        np.savez(folder / "arrays.npz", **kept)
        with pytest.raises(ValueError, match=match):
            animate(folder, tmp_path / "film.gif", frames=3)
    (folder / "arrays.npz").write_bytes(b"not arrays")
    with pytest.raises(ValueError, match="expected the arrays of a run"):
        animate(folder, tmp_path / "film.gif", frames=3)
    assert set(tmp_path.rglob("*")) == before and not undrawn
    (folder / "arrays.npz").unlink()
    assert not animate(folder, tmp_path / "film.gif", frames=3)["checked"]


def test_device_and_dtype_are_those_of_the_run(tmp_path: Path, undrawn: list[Any]) -> None:
    folder = run(parse(whole(ADAM)), tmp_path, dtype="float32").folder
    assert json.loads((folder / "env.json").read_text())["dtype"] == "float32"
    assert animate(folder, tmp_path / "film.gif", frames=3)["difference"] == 0


def test_what_diverged_alike_agrees() -> None:
    found = train(
        parse(
            table(
                network={"activation": "relu", "layers": [1, 8, 1]},
                optimizer={"name": "gd", "learning_rate": 1e6},
                training={"steps": 200, "record": 5},
            )
        ),
        "relu",
    )
    stored = {"steps": found.steps, "relu/measured": found.measured}
    assert np.isnan(found.measured).any() and difference(stored, "relu", found) == 0
    stored["relu/measured"] = np.nan_to_num(found.measured)
    with pytest.raises(ValueError, match="got inf"):
        difference(stored, "relu", found)


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    circle = {
        "problem": {"target": {"kind": "circle", "frequency": 2}, "samples": 16},
        "network": {"activation": "relu", "layers": [2, 4, 1], "init": "he", "trained": "all"},
        "verdict": {"tolerance": 0.1},
    }
    with pytest.raises(ValueError, match=r"network.layers: expected one input and one output to film, got \[2, 4, 1\]"):
        film(parse(circle), 3)
