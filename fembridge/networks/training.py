"""Training one network, step by step with `torch.optim`, and recording the error at chosen steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.func import jvp
from torch.nn.functional import mse_loss

from fembridge.problem import Array, Problem

Optimizer = Literal["gd", "heavy-ball", "nesterov"]
Progress = Callable[[Iterable[int]], Iterable[int]]
LOSS_LIMIT = 1e280


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What training did, at T recorded steps, N points and F frequencies; step t is the state after t updates.

    steps: (T,). residuals: (T, N), r = u − f at the points. loss: (T,), in the problem's form, with its ½.
    coefficients: (T, F), c_k = 2 Σ_q ŵ_q r_q exp(−2πi k (x_q−a)/(b−a)), ŵ = w/Σw: r = A sin(2πk·) has |c_k| = |A|.
    diverged: the step at which the loss was no longer finite or above 1e280; rows from there on are NaN. None where
    it stayed finite.
    """

    steps: NDArray[np.int64]
    residuals: Array
    coefficients: NDArray[np.complex128]
    loss: Array
    learning_rate: float
    diverged: int | None


def train(
    model: nn.Module,
    problem: Problem,
    *,
    points: ArrayLike,
    weights: ArrayLike,
    learning_rate: float,
    record: ArrayLike,
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Trajectory:
    """Minimise L = ½ Σ_q w_q r_q² over whatever parameters of the model require a gradient.

    r = u − f for the loss "mass", u' − f' for "stiffness", and "h1" adds the two; w_q = 1/N at samples, quadrature
    weights for ∫. points, weights: (N,) each. record: the steps to keep, ascending; the last is the number of steps.
    The updates are those of `torch.optim.SGD`, g = ∇L:

        gd          θ ← θ − η g
        heavy-ball  m ← β m + g,  θ ← θ − η m
        nesterov    m ← β m + g,  θ ← θ − η (g + β m)

    The model is moved to `device` and `dtype` and trained in place. progress wraps the steps, as `tqdm` would.

    Raises ValueError on a bad argument, on a model without trainable parameters or not of one input and one output.

    >>> from fembridge.networks.models import shallow
    >>> from fembridge.problem import sample, sines
    >>> problem = Problem(sines([1], [1.0]), (1,), samples=4)
    >>> x, w = sample(problem)
    >>> one = shallow(nn.ReLU(), [1.0], [0.0])  # one neuron: u = v x, L'' = mean x² = 7/32
    >>> path = train(one, problem, points=x, weights=w, learning_rate=32 / 7, record=[0, 1])
    >>> round(float(path.loss[0]), 12), round(one[2].weight.item(), 12)  # at once the optimum, mean(xf)/mean(x²)
    (0.25, -0.571428571429)
    """
    x, w, steps = _check_points(problem, points, weights, record)
    _place(model, device, dtype)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("model: expected a parameter to train, got none that requires a gradient")
    descend = _optimizer(optimizer, parameters, learning_rate, momentum)
    objective = _objective(model, problem, x, w, parameters[0])

    f, kept, last = problem.target.values(x), set(steps.tolist()), int(steps[-1])
    residuals, loss = np.full((len(steps), len(x)), np.nan), np.full(len(steps), np.nan)
    row, diverged = 0, None
    with _threads_for(len(x) * sum(p.numel() for p in parameters)):
        for step in (progress or iter)(range(last + 1)):
            u, objective_value = objective()
            value = objective_value.item()
            if not value <= LOSS_LIMIT:
                diverged = step
                break
            if step in kept:
                residuals[row], loss[row] = u.detach().double().cpu().numpy()[:, 0] - f, value
                row += 1
            if step < last:
                for p in parameters:
                    p.grad = None  # what optimizer.zero_grad() does, without its bookkeeping
                objective_value.backward()
                descend.step()
    return Trajectory(steps, residuals, _coefficients(problem, x, w, residuals), loss, float(learning_rate), diverged)


@contextmanager
def _threads_for(work: int) -> Iterator[None]:
    """One thread for steps of fewer than a million products: handing them out costs more than it saves."""
    threads = torch.get_num_threads()
    if work < 2**20:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _objective(
    model: nn.Module, problem: Problem, x: Array, w: Array, like: Tensor
) -> Callable[[], tuple[Tensor, Tensor]]:
    """A function that runs the model and returns u (N, 1) and the loss.

    √(w/2) stands inside the square, so that a loss is one product and one fused sum of squares.
    """

    def column(values: Array) -> Tensor:
        if not np.isfinite(values).all():
            raise ValueError(f'target: expected finite values at the points, got others from "{problem.target.name}"')
        return torch.from_numpy(values).to(like)[:, None]

    inputs, root = column(x), column(np.sqrt(w / 2))
    target = root * column(problem.target.values(x))
    _check_output(model, inputs)
    if problem.loss == "mass":

        def mass() -> tuple[Tensor, Tensor]:
            u = model(inputs)
            return u, mse_loss(root * u, target, reduction="sum")

        objective = mass
    else:
        if problem.target.slopes is None:
            raise ValueError(f'loss: "{problem.loss}" needs a target without jumps, got "{problem.target.name}"')
        if any(getattr(module, "degree", 1) == 0 for module in model.modules()):
            raise ValueError(f'loss: "{problem.loss}" needs a continuous activation, got a piecewise-constant one')
        slope, ones = root * column(problem.target.slopes(x)), torch.ones_like(inputs)

        def energy() -> tuple[Tensor, Tensor]:
            u, du = jvp(model, (inputs,), (ones,))[:2]
            loss = mse_loss(root * du, slope, reduction="sum")
            return u, loss if problem.loss == "stiffness" else loss + mse_loss(root * u, target, reduction="sum")

        objective = energy
    return objective


def _check_output(model: nn.Module, inputs: Tensor) -> None:
    try:
        with torch.no_grad():
            shape = tuple(model(inputs).shape)
    except RuntimeError as error:
        raise ValueError(f"model: expected one input, of shape (N, 1): {str(error).splitlines()[0]}") from None
    if shape != tuple(inputs.shape):
        raise ValueError(f"model: expected one output, of shape {tuple(inputs.shape)}, got {shape}")


def _optimizer(name: str, parameters: list[nn.Parameter], learning_rate: float, momentum: float) -> torch.optim.SGD:
    if name not in get_args(Optimizer):
        raise ValueError(f"optimizer: expected one of {', '.join(get_args(Optimizer))}, got {name!r}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate: expected a positive number, got {learning_rate:g}")
    if name == "gd" and momentum != 0:
        raise ValueError(f'momentum: expected 0 for "gd", got {momentum:g}')
    if name != "gd" and not 0 < momentum < 1:
        raise ValueError(f'momentum: expected a number between 0 and 1 for "{name}", got {momentum:g}')
    return torch.optim.SGD(parameters, float(learning_rate), momentum, nesterov=name == "nesterov", foreach=False)


def _check_points(
    problem: Problem, points: ArrayLike, weights: ArrayLike, record: ArrayLike
) -> tuple[Array, Array, NDArray[np.int64]]:
    x, w, steps = np.asarray(points, dtype=float), np.asarray(weights, dtype=float), np.asarray(record)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"points: expected one row of finite numbers, got an array of shape {x.shape}")
    if w.shape != x.shape or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        came = np.array2string(w, threshold=6, edgeitems=2)
        raise ValueError(f"weights: expected {len(x)} numbers ≥ 0, one for each point and not all 0, got {came}")
    whole = steps.ndim == 1 and len(steps) and np.issubdtype(steps.dtype, np.integer)
    if not whole or steps[0] < 0 or not (np.diff(steps) > 0).all():
        raise ValueError(f"record: expected ascending whole numbers from 0 on, got {steps.tolist()}")
    return x, w, steps.astype(np.int64)


def _place(model: nn.Module, device: str | torch.device, dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    try:
        place: Any = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {str(device)!r} cannot be used here: {str(error).splitlines()[0]}") from None
    model.to(device=place, dtype=dtype)


def _coefficients(problem: Problem, x: Array, w: Array, residuals: Array) -> NDArray[np.complex128]:
    a, b = problem.domain
    waves = np.exp(-2j * np.pi * np.multiply.outer((x - a) / (b - a), problem.frequencies))
    out: NDArray[np.complex128] = 2 * residuals @ (w[:, None] / w.sum() * waves)
    return out
