"""A run file or a run folder as a film: trained again, looked at on the way, compared with what the folder holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fembridge import __version__
from fembridge.problem import Array
from fembridge.studies.config import Config, Size, has_exact_theory, load, problem, samples
from fembridge.studies.consistency import is_on_an_interval
from fembridge.studies.folders import result_file
from fembridge.studies.trained import Progress, Trained, train

if TYPE_CHECKING:
    from fembridge.bridge.films import Film

ENDINGS = (".gif", ".mp4")
GRID = 512  # points of a film's grid, and at least eight for each period of the highest frequency
TOLERANCE = 1e-3  # of the largest amplitude at the start: less than a line is wide


@dataclass(frozen=True, eq=False)
class Replay:
    """A run file, trained once more. films: one for each activation. difference: the largest one to the amplitudes of
    the run folder, as a part of the largest at its start; None where there is no folder to compare with.
    """

    films: tuple[Film, ...]
    difference: float | None


def animate(
    source: str | Path,
    out: str | Path | None = None,
    *,
    scale: Size = "full",
    seed: int | None = None,
    frames: int = 80,
    fps: int = 10,
    progress: Callable[[str], Progress] | None = None,
    notice: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Film a run file or a finished run folder, and write `out`, a .gif or .mp4 file (results/films/NAME.gif).

    Of a run file the network of its first seed is trained, seed if it is given. A run folder is trained again as it
    was, and compared with its arrays.npz unless the seed is another. frames: about so many, log-spaced in the steps.
    progress("training"), progress("drawing"): wrappers of steps and frames.

    Returns what `animate --json` prints. Raises ValueError, before training, for an ending that is neither, .mp4
    without imageio-ffmpeg, a place that cannot be written, a folder without config.toml, and networks of several inputs
    or outputs; after it where the replay is not what the folder holds. Nothing is left behind then.
    """
    from fembridge.output.films import save_film

    source = Path(source)
    path = Path(out) if out is not None else Path("results/films") / f"{_name(source)}.gif"
    _check_ending(path)
    config, stored, where = _read(source, scale, seed)
    with result_file(path) as temporary:
        replay = film(config, frames, stored, progress=progress and progress("training"), **where)
        if notice and replay.difference is not None:
            apart = f"to {replay.difference:.1g}" if replay.difference else "to the last bit"
            notice(f"trained again, with the amplitudes in {source} {apart}")
        save_film(replay.films, temporary, fps, progress and progress("drawing"))
    first = replay.films[0]
    return {
        "schema_version": 1,
        "fembridge": __version__,
        "file": str(path),
        "seed": config.seed,
        "frames": max(len(one.steps) for one in replay.films),
        "fps": fps,
        "steps": max((one.steps for one in replay.films), key=len),
        "activations": [one.label for one in replay.films],
        "theory": first.theory,
        "frequencies": first.frequencies,
        "checked": replay.difference is not None,
        "difference": replay.difference,
    }


def film(
    config: Config,
    frames: int,
    stored: Mapping[str, Array] | None = None,
    *,
    progress: Progress | None = None,
    device: str = "cpu",
    dtype: str | None = None,
) -> Replay:
    """Train every activation of a run file, and film the network of its first seed.

    stored: arrays.npz of a run folder, with which the replay is compared at all its steps; without it, and where theory
    is exact, the first seed alone is trained.

    Raises ValueError for several inputs or outputs, and where the replay differs by more than `TOLERANCE`.
    """
    from fembridge.bridge.comparison import log_steps

    layers = config.network.layers
    if layers[0] != 1 or layers[-1] != 1:
        raise ValueError(f"network.layers: expected one input and one output to film, got {list(layers)}")
    if stored is None or has_exact_theory(config):  # else the seeds may share a learning rate and a stack
        once = config.training.model_copy(update={"repeats": 1})
        config = config.model_copy(update={"training": once})
    seen = log_steps(config.training.steps, frames)
    held = np.empty(0) if stored is None else stored["steps"]
    record = np.unique(np.concatenate([seen, config.theory.refresh, held])).astype(np.int64)
    films, differences = [], []
    for label in config.network.activations:
        made, found = _film(config, label, seen, record, progress, device, dtype or config.training.dtype)
        films.append(made)
        if stored is not None:
            differences.append(difference(stored, label, found))
    return Replay(tuple(films), max(differences) if differences else None)


def _film(
    config: Config,
    label: str,
    seen: NDArray[np.integer],
    record: NDArray[np.integer],
    progress: Progress | None,
    device: str,
    dtype: str,
) -> tuple[Film, Trained]:
    from fembridge.bridge.films import Film, watch

    domain, (x, target) = config.problem.domain[0], _target(config)
    wanted = np.isin(record, seen)
    observe, frames = watch(x, domain, wanted.tolist())
    found = train(config, label, progress=progress, device=device, dtype=dtype, record=record, observe=observe)
    rows = np.flatnonzero(wanted)[: len(frames)]  # fewer where it diverged
    points, values = _data(config)
    made = Film(
        label=label,
        domain=domain,
        steps=record[rows],
        x=x,
        target=target,
        frames=tuple(frames),
        points=points,
        values=values,
        frequencies=tuple(int(np.ravel(k)[0]) for k in found.frequencies),
        measured=np.abs(found.measured[0, rows]),
        predicted=None if found.predicted is None else np.abs(found.predicted[0, rows]),
        theory=found.theory,
        drift=None if found.drift is None else found.drift[0, rows],
        diverged=found.diverged[0],
    )
    return made, found


def _data(config: Config) -> tuple[Array, Array]:
    """Points and values of the samples; none where the loss is integrated exactly."""
    if config.problem.samples == "exact":
        return np.empty(0), np.empty(0)
    data = samples(config)
    return data.points[:, 0], data.values


def _target(config: Config) -> tuple[Array, Array]:
    """The target on a fine grid: as the samples of a finer problem."""
    target: Any = config.problem.target
    highest = max(int(np.abs(np.ravel(k)).max()) for k in target.frequencies)
    if is_on_an_interval(config):
        highest = max(highest, problem(config).target.bandlimit)
    update = {"samples": max(GRID, 8 * highest), "loss": "mass"}
    fine = samples(config.model_copy(update={"problem": config.problem.model_copy(update=update)}))
    return fine.points[:, 0], fine.values


def difference(stored: Mapping[str, Array], label: str, found: Trained) -> float:
    """The largest |c − c'| between coefficients of a replay and those of a run folder, over the largest |c(0)| there.

    Raises ValueError where it is more than `TOLERANCE`, or the folder holds something else.
    """
    name = f"{label}/measured"
    before = stored.get(name)
    measured = found.measured[:, np.searchsorted(found.steps, stored["steps"])]
    if before is None or before[: len(measured)].shape != measured.shape:
        shape = None if before is None else before.shape
        raise ValueError(f"arrays.npz: expected {name} of shape {measured.shape} as config.toml has it, got {shape}")
    before = before[: len(measured)]
    gone = ~np.isfinite(before) & ~np.isfinite(measured)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(gone, 0.0, np.abs(measured - before)) / np.abs(before[:, 0]).max()
    worst = float(np.where(np.isnan(apart), np.inf, apart).max())
    if worst > TOLERANCE:
        raise ValueError(
            f"arrays.npz: expected the amplitudes of {label} that config.toml gives here, within {TOLERANCE:g} of the "
            f"largest, got {worst:.2g}: the run is of other versions or another machine; its config.toml alone films it"
        )
    return worst


def _read(source: Path, scale: Size, seed: int | None) -> tuple[Config, Mapping[str, Array] | None, dict[str, str]]:
    """The run file, what a folder has to compare with, and where and in which numbers that was trained."""
    folder, file = source.is_dir(), source / "config.toml" if source.is_dir() else source
    if folder and not file.is_file():
        raise ValueError(f"{source}: expected a run folder, with its config.toml, got none")
    config = load(file, scale)
    other = seed is not None and seed != config.seed
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    if not folder:
        return config, None, {}
    where = _environment(source / "env.json")
    arrays = source / "arrays.npz"
    return config, None if other or not arrays.is_file() else _arrays(arrays), where


def _arrays(path: Path) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path}: expected the arrays of a run: {error}") from None
    if "steps" not in arrays:
        raise ValueError(f"{path}: expected the arrays of a run, steps among them, got {', '.join(arrays) or 'none'}")
    return arrays


def _environment(path: Path) -> dict[str, str]:
    """Device and dtype of a run, where its folder says them."""
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(found[key]) for key in ("device", "dtype") if key in found}
    except (OSError, ValueError, TypeError):
        return {}


def _name(source: Path) -> str:
    return source.resolve().name if source.is_dir() else source.stem


def _check_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        raise ValueError(f"--out: expected a file that ends in {' or '.join(ENDINGS)}, got {path}")
    if path.suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
        raise ValueError("--out: .mp4 needs imageio-ffmpeg, which is not installed: pip install 'fembridge[video]'")
