"""What is kept of a training: residuals, losses and observations at chosen steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fembridge.memory import require_memory
from fembridge.networks.ensembles import Ensemble
from fembridge.problem import Array, Complex
from fembridge.samples import Samples

Observe = Callable[[nn.Module], ArrayLike]
LOSS_LIMIT = 1e280


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What training did, at T recorded steps, N points and F frequencies; step t is the state after t updates.

    steps: (T,). residuals: r = u − f at the points, (T, N), or (T, N, C) of C outputs. loss: (T,), on all points, with
    its ½. coefficients: (T, F), the readings of the residuals of one output, `Samples.read`; empty for more outputs.
    observed: (T, …), what was asked to be observed; None where nothing was. diverged: the step at which the loss, or
    that of a batch, was no longer finite or above 1e280; rows from there on are NaN. None where it stayed below.
    """

    steps: NDArray[np.int64]
    residuals: Array
    coefficients: Complex
    loss: Array
    learning_rate: float
    diverged: int | None
    observed: Array | None = None


class Recording:
    """The rows of R networks trained together, filled step by step."""

    def __init__(self, steps: NDArray[np.int64], samples: Sequence[Samples], members: int, observe: Observe | None):
        shape = members, len(steps), *samples[0].values.shape
        require_memory(8 * int(np.prod(shape)), f"the errors at {len(steps)} recorded steps")
        self.steps, self.samples, self.observe = steps, samples, observe
        self.residuals, self.loss = np.full(shape, np.nan), np.full(shape[:2], np.nan)
        self.diverged, self.all_alive = np.full(members, -1), True
        self.observed: list[Array] = []
        self.row = 0

    def alive(self, step: int, squares: Tensor, factor: float) -> bool:
        """Whether the loss of any network, a factor times its squares, is within range; when it left is kept."""
        values = squares.tolist()
        values = values if isinstance(values, list) else [values]
        if self.all_alive and all(factor * value <= LOSS_LIMIT for value in values):
            return True
        within = np.array([factor * value <= LOSS_LIMIT for value in values])
        self.diverged[~within & (self.diverged < 0)] = step
        self.all_alive = False
        return bool((self.diverged < 0).any())

    def keep(self, u: Tensor, squares: Tensor, factor: float, ensemble: Ensemble) -> None:
        """One more row. A network that has diverged is left out of it."""
        alive = self.diverged < 0
        outputs = u.detach().double().cpu().numpy().reshape(len(alive), *self.residuals.shape[2:])
        for r in np.flatnonzero(alive):
            self.residuals[r, self.row] = outputs[r] - self.samples[int(r)].values
        self.loss[alive, self.row] = factor * squares.detach().double().reshape(-1).cpu().numpy()[alive]
        if self.observe:
            self.observed.append(self._see(self.observe, ensemble, alive))
        self.row += 1

    def _see(self, observe: Observe, ensemble: Ensemble, alive: NDArray[np.bool_]) -> Array:
        seen = {int(r): np.asarray(observe(ensemble.member(int(r))), dtype=float) for r in np.flatnonzero(alive)}
        shapes = {one.shape for one in (*seen.values(), *(row[0] for row in self.observed[:1]))}
        if len(shapes) > 1:
            raise ValueError(
                f"observe: expected numbers of one shape at all steps, got {' and '.join(map(str, shapes))}"
            )
        row = np.full((len(alive), *shapes.pop()), np.nan)
        for r, one in seen.items():
            row[r] = one
        return row

    def trajectory(self, r: int, learning_rate: float) -> Trajectory:
        """What was kept of one network."""
        samples, residuals = self.samples[r], self.residuals[r]
        one = samples.values.ndim == 1
        coefficients = samples.read(residuals) if one else np.empty((len(self.steps), 0), complex)
        return Trajectory(
            steps=self.steps,
            residuals=residuals,
            coefficients=coefficients,
            loss=self.loss[r],
            learning_rate=float(learning_rate),
            diverged=None if self.diverged[r] < 0 else int(self.diverged[r]),
            observed=self._observations(r),
        )

    def _observations(self, r: int) -> Array | None:
        if not self.observed:
            return None
        rows = [row[r] for row in self.observed]
        return np.stack(rows + [np.full_like(rows[0], np.nan)] * (len(self.steps) - len(rows)))

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        arrays = {"residuals": self.residuals[:, : self.row], "loss": self.loss[:, : self.row]}
        return arrays | {"diverged": self.diverged} | ({"observed": np.stack(self.observed)} if self.observed else {})

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.row = state["loss"].shape[1]
        self.residuals[:, : self.row], self.loss[:, : self.row] = state["residuals"], state["loss"]
        self.diverged[:] = state["diverged"]
        self.all_alive = bool((self.diverged < 0).all())
        self.observed = list(state.get("observed", []))
