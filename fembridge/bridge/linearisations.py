"""A network at its start in the numbers that theory needs: its tangent kernel and its error at data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fembridge.memory import require_memory
from fembridge.networks.kernels import tangent_kernel
from fembridge.networks.outputs import outputs
from fembridge.problem import Array, Complex
from fembridge.samples import Samples
from fembridge.theory.linearised import KernelPrediction, predict_kernel, predict_refreshed
from fembridge.theory.stochastic import Moments, sgd_moments


@dataclass(frozen=True, eq=False)
class Linearisation:
    """kernel K (n, n) over the parameters that train, residual r_0 = u − f and weights w (n,), waves (F, n).

    n = N·C numbers of C outputs at N data, datum by datum; of several outputs none is read at frequencies.
    """

    kernel: Array
    residual: Array
    weights: Array
    waves: Complex

    def rate(self, batch: int | None = None) -> float:
        """1/λ_max of W^{1/2} K W^{1/2}; for batches of b of N data 1/((1 − 1/b) λ_max + max_i K_ii/b).

        A step on a batch takes e = θ − θ* to (1 − ηH_b) e with E H_b = H = JᵀJ/N and E H_b² = (1 − 1/b) H² +
        Σ_i K_ii J_iᵀJ_i/(bN) ≤ H/rate, so that E|e'|² ≤ |e|² − η(2 − η/rate) eᵀHe: stable up to twice this rate.
        """
        root = np.sqrt(self.weights)
        top = float(np.linalg.eigvalsh(root[:, None] * self.kernel * root)[-1])
        return 1 / (top if batch is None else (1 - 1 / batch) * top + float(np.diag(self.kernel).max()) / batch)

    def predict(
        self, steps: NDArray[np.int64], optimizer: str, learning_rate: float, momentum: float
    ) -> KernelPrediction:
        """The training of the linearised network."""
        start = self.residual, self.weights, self.waves
        return predict_kernel(self.kernel, *start, steps, optimizer, learning_rate, momentum)

    def refreshed(
        self, steps: NDArray[np.int64], at: Sequence[int], kernels: Array, learning_rate: float
    ) -> KernelPrediction:
        """The same where kernels (S, n, n) replace the first one from the steps `at` on, but for those not finite."""
        known = [(0, self.kernel), *((s, K) for s, K in zip(at, kernels, strict=True) if np.isfinite(K).all())]
        every, starts = np.stack([K for _, K in known]), [s for s, _ in known]
        return predict_refreshed(every, starts, self.residual, self.weights, self.waves, steps, learning_rate)

    def moments(self, steps: NDArray[np.int64], batch: int, learning_rate: float) -> Moments:
        """Mean and variance of the coefficients under batches."""
        return sgd_moments(self.kernel, self.residual, self.waves, batch, steps, learning_rate)


def linearise(models: Sequence[nn.Module], samples: Sequence[Samples], copies: int = 1) -> list[Linearisation]:
    """The networks at their samples; those that follow each other with the same numbers share one object.

    copies: how many kernels of each will be held, for the estimate of memory.

    Raises ValueError as `networks.kernels.tangent_kernel`; MemoryError where the kernels would not fit.
    """
    n = max(data.values.size for data in samples)
    require_memory(8.0 * len(models) * copies * n**2, f"tangent kernels of {len(models)} networks at {n} values")
    found: list[Linearisation] = []
    for r, (model, data) in enumerate(zip(models, samples, strict=True)):
        same = r and data is samples[r - 1] and _same(model, models[r - 1])
        found.append(found[-1] if same else _linearise(model, data))
    return found


def _linearise(model: nn.Module, samples: Samples) -> Linearisation:
    residual = (outputs(model, samples) - samples.values).ravel()
    weights = np.repeat(samples.weights, len(residual) // len(samples))
    waves = samples.waves if samples.values.ndim == 1 else np.empty((0, len(residual)), complex)
    return Linearisation(tangent_kernel(model, samples.points), residual, weights, waves)


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=False)
    return repr(one) == repr(other) and all(p.requires_grad == q.requires_grad and torch.equal(p, q) for p, q in pairs)
