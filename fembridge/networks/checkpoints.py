"""Checkpoints: the whole state of a training in one file, from which it goes on to the last bit."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fembridge.networks.ensembles import Ensemble
from fembridge.networks.recording import Recording

FIRST, LONGEST = 0.5, 30.0  # seconds between two checkpoints: doubled from the first to the longest


class Checkpoint:
    """A file that holds parameters, the optimizer's state, random generators and recorded rows.

    Written whole beside its place and then moved there, so that it is never half a file.
    """

    def __init__(
        self,
        path: str | Path | None,
        ensemble: Ensemble,
        optimizer: torch.optim.Optimizer,
        generators: Sequence[torch.Generator],
        recording: Recording,
        batch: int | None = None,
    ):
        self.path = None if path is None else Path(path)
        self.ensemble, self.optimizer, self.generators, self.recording = ensemble, optimizer, generators, recording
        self.pause, self.next = FIRST, time.monotonic() + FIRST
        self.fingerprint = ""
        if self.path is not None:
            _writable(self.path)
            self.fingerprint = _fingerprint(ensemble, optimizer, generators, recording, batch)

    def restore(self) -> int:
        """The step to go on from: that of the file where there is one, else 0.

        Raises ValueError where the file cannot be read, or belongs to another training.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            with safe_open(self.path, "pt") as file:
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                about = file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise ValueError(f"checkpoint: {self.path} cannot be read ({error}): remove it to start anew") from None
        if about.get("fingerprint") != self.fingerprint:
            raise ValueError(f"checkpoint: {self.path} belongs to another training: remove it to start anew")
        with torch.no_grad():
            for i, p in enumerate(self.ensemble.parameters):
                p.copy_(state[f"parameter.{i}"])
        for i, generator in enumerate(self.generators):
            generator.set_state(state[f"generator.{i}"])
        own: dict[int, dict[str, Any]] = {}
        for name in (name for name in state if name.startswith("optimizer.")):
            _, i, key = name.split(".")
            own.setdefault(int(i), {})[key] = state[name]
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": own})
        rows = {
            name.removeprefix("recording."): t.numpy() for name, t in state.items() if name.startswith("recording.")
        }
        self.recording.restore(rows)
        return int(about["step"])

    def at(self, step: int) -> None:
        """Save the state before a step, where it is time."""
        if self.path is not None and time.monotonic() >= self.next:
            self.save(step)
            self.pause = min(2 * self.pause, LONGEST)
            self.next = time.monotonic() + self.pause

    def save(self, step: int) -> None:
        """Write the file."""
        if self.path is None:
            return
        state = {f"parameter.{i}": p.detach() for i, p in enumerate(self.ensemble.parameters)}
        state |= {f"generator.{i}": generator.get_state() for i, generator in enumerate(self.generators)}
        for i, own in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{i}.{key}": t for key, t in own.items() if isinstance(t, Tensor)}
        state |= {f"recording.{key}": torch.from_numpy(rows) for key, rows in self.recording.state().items()}
        new = self.path.with_name(self.path.name + ".new")
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
        save_file(tensors, new, {"step": str(step), "fingerprint": self.fingerprint})
        os.replace(new, self.path)


def _writable(path: Path) -> None:
    """Make the folder of a checkpoint. Raises ValueError where no file can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise IsADirectoryError(path) if path.is_dir() else PermissionError(path.parent)
    except OSError as error:
        raise ValueError(
            f"checkpoint: expected a file that can be written, got {path} ({type(error).__name__})"
        ) from None


def _fingerprint(
    ensemble: Ensemble,
    optimizer: torch.optim.Optimizer,
    generators: Sequence[torch.Generator],
    recording: Recording,
    batch: int | None,
) -> str:
    """A hash of everything that decides what a training does: networks, where they start, their data, their steps."""
    own = list(dict.fromkeys(recording.samples))
    settings = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    words = [settings, type(optimizer), batch, recording.observe is not None, own[0].loss]
    words += [[own.index(s) for s in recording.samples], *map(repr, ensemble.models)]
    arrays = [recording.steps, *(g.get_state().numpy() for g in generators)]
    arrays += [t.detach().cpu().numpy() for t in ensemble.parameters]
    for model in ensemble.models:
        fixed = (p for p in model.parameters() if not p.requires_grad)
        arrays += [t.detach().cpu().numpy() for t in (*fixed, *model.buffers())]
    for s in own:
        arrays += [s.points, s.values, s.weights, np.zeros(0) if s.slopes is None else np.asarray(s.slopes)]
    found = hashlib.sha256(repr(words).encode())
    for array in arrays:
        found.update(repr((array.dtype, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
