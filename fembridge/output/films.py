"""Films of learning as files: animated GIF, or MP4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fembridge.bridge.films import Film
from fembridge.output.stage import Stage

Progress = Callable[[Iterable[Any]], Iterable[Any]]

LAST = 2.0  # seconds for which the last frame stays
COLOURS = 96  # of a GIF's palette


def save_film(films: Sequence[Film], path: str | Path, fps: int = 10, progress: Progress | None = None) -> Path:
    """Draw films side by side, with one clock, into a .gif or .mp4 file; the last frame stays for two seconds.

    Raises ValueError for another ending, no film or no frames a second; OSError where the file cannot be written.
    """
    path = Path(path)
    if not films or fps < 1:
        raise ValueError(f"film: expected one at least and 1 frame a second or more, got {len(films)} and {fps}")
    if path.suffix not in (".gif", ".mp4"):
        raise ValueError(f"film: expected a .gif or .mp4 file, got {path}")
    stage = Stage(films)
    write = _write_gif if path.suffix == ".gif" else _write_mp4
    write(stage, path, fps, progress or iter)
    return path


def _write_gif(stage: Stage, path: Path, fps: int, progress: Progress) -> None:
    """One palette for all frames, so that from one to the next nothing changes but what moves."""
    few = np.vstack([stage.image(i) for i in {0, stage.count // 2, stage.count - 1}])
    common = _with_white(Image.fromarray(few).quantize(COLOURS, Image.Quantize.FASTOCTREE))
    frames = (
        Image.fromarray(stage.image(i)).quantize(palette=common, dither=Image.Dither.NONE)
        for i in progress(range(stage.count))
    )
    durations = [*[round(1000 / fps)] * (stage.count - 1), round(1000 * LAST)]
    next(frames).save(path, save_all=True, append_images=frames, duration=durations, loop=0, format="GIF")


def _with_white(image: Image.Image) -> Image.Image:
    """The nearest colour to white is white: a quantised background is a little off."""
    colours = np.reshape(image.getpalette() or [], (-1, 3))
    colours[np.argmax(colours.sum(axis=1))] = 255
    image.putpalette(colours.ravel().tolist())
    return image


def _write_mp4(stage: Stage, path: Path, fps: int, progress: Progress) -> None:
    import imageio_ffmpeg

    height, width, _ = stage.image(0).shape
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=fps, macro_block_size=2, quality=8, ffmpeg_log_level="error"
    )
    try:
        writer.send(None)
        last = [stage.count - 1] * round(fps * LAST - 1)
        for i in chain(progress(range(stage.count)), last):
            writer.send(stage.image(i))
    finally:
        writer.close()
