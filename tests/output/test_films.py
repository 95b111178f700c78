from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fembridge.bridge.films import Bends, Film, Frame
from fembridge.output.films import save_film
from fembridge.output.stage import NEURONS, Stage


def a_film(label: str = "relu", frames: int = 3, neurons: int = 6, **changes: Any) -> Film:
    x, t = np.arange(64) / 64, np.arange(frames)
    f, place = np.sin(2 * np.pi * x), np.linspace(-0.2, 1.3, neurons)
    side = np.where(np.arange(neurons) % 2, 1.0, -1.0)
    every = [Frame(f * s / frames, Bends("neurons", place + 0.01 * s, side * (s + 1.0), side)) for s in t]
    errors = np.exp(-np.outer(t, [1.0, 0.5]))
    film = Film(label, (0.0, 1.0), t, x, f, tuple(every), x[::4], f[::4], (1, 2), errors, errors, "exact")
    return replace(film, **changes)


@cache
def a_stage() -> Stage:
    return Stage([a_film()])


def test_a_frame_is_what_a_new_figure_would_show() -> None:
    frames = [a_stage().image(i) for i in (0, 2, 1)]
    assert all(frame.shape[0] % 2 == frame.shape[1] % 2 == 0 for frame in frames)
    np.testing.assert_array_equal(frames[2], Stage([a_film()]).image(1))
    assert all((frames[i] != frames[j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))


def test_the_axes_hold_all_frames() -> None:
    film = a_film()
    top, middle, below, bottom, *_ = a_stage().figure.axes
    assert top.get_ylim()[0] < film.u.min() and film.u.max() < top.get_ylim()[1]
    every = [frame.bends for frame in film.frames]
    inside = np.concatenate([one.heights[(one.positions >= 0) & (one.positions <= 1)] for one in every])
    assert middle.get_ylim()[0] < inside.min() and inside.max() < middle.get_ylim()[1]
    assert np.abs(film.residuals).max() < below.get_ylim()[1]
    assert bottom.get_ylim()[0] < film.measured.min() and film.steps[-1] < bottom.get_xlim()[1]


def test_what_is_unusual_is_drawn_and_said() -> None:
    """Drift; one in three neurons; a film that ends before the other, diverged, without breakpoints, theory or data."""
    usual, short = a_film(neurons=3 * NEURONS, drift=np.array([0.0, 0.5, 0.25])), a_film("hat", frames=2)
    none = Bends("kinks", np.empty(0), np.empty(0), np.empty(0))
    frames = (replace(short.frames[0], bends=none), Frame(1e250 * short.target, none))
    measured, nothing = short.measured * [[1], [1e250]], np.empty(0)
    gone = replace(short, frames=frames, measured=measured, predicted=None, points=nothing, values=nothing, diverged=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stage = Stage([usual, gone])
        stage.image(2)
    said = {artist.get_text() for artist in stage.moving if hasattr(artist, "get_text")}
    before, after = usual.frames[2].bends.outside((0.0, 1.0))
    assert {"step 2", "kernel moved by 0.25", "diverged at step 2", f"◂ {before} more", f"{after} more ▸"} <= said
    assert stage.figure.axes[1].get_title(loc="center") == "one in 3 neurons"
    assert np.abs(stage.figure.axes[0].get_ylim()).max() < 10


def test_a_gif_has_every_frame(tmp_path: Path) -> None:
    path = save_film([a_film()], tmp_path / "film.gif", fps=5)
    with Image.open(path) as film:
        durations = []
        for i in range(film.n_frames):
            film.seek(i)
            durations.append(film.info["duration"])
        last = np.asarray(film.convert("RGB"), dtype=float)
    assert durations == [200, 200, 2000]
    shown = a_stage().image(2)
    assert last.shape == shown.shape and np.abs(last - shown).mean() < 2 and (last[0, 0] == 255).all()
    assert path.stat().st_size < 2e5


@pytest.mark.slow
def test_an_mp4_plays(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = save_film([a_film()], tmp_path / "film.mp4", fps=5)
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == 3 + 9 and seconds == pytest.approx(frames / 5, abs=0.2)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    for films, name, fps, match in (
        ([], "film.gif", 10, "film: expected one at least and 1 frame a second or more, got 0 and 10"),
        ([a_film()], "film.gif", 0, "got 1 and 0"),
        ([a_film()], "film.avi", 10, "film: expected a .gif or .mp4 file, got"),
    ):
        with pytest.raises(ValueError, match=match):
            save_film(films, tmp_path / name, fps)
    assert not list(tmp_path.iterdir())
