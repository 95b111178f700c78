"""Bringing a trained shallow ReLU network to rest: to a critical point of its loss, or onto a kink of it, to round-off.

The loss L = ½ Σ_q ω_q (u(x_q) − f_q)² has a kink where a breakpoint β = −b/w lies on a datum: σ' jumps there. Descent
ends either where ∇L = 0, between such kinks, or on them, where L falls to neither side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from fembridge.networks.models import hidden_layer
from fembridge.problem import Array
from fembridge.samples import Samples

EPS = float(np.finfo(float).eps)
STEPS = 300  # of Levenberg and Marquardt between two changes of what is pinned
CHANGES = 40  # of what is pinned
NEAR = 1e-6  # of the width of the data: a breakpoint that stalls as near as this to a datum is pinned to it

Status = Literal["critical", "pinned", "moving"]
Pins = dict[int, int]  # neuron: datum


@dataclass(frozen=True, eq=False)
class Rest:
    """Where a network came to rest.

    status: "critical", ∇L = 0 to round-off; "pinned", breakpoints lie on data, L falls to neither side of any, and is
    stationary in all other directions; "moving", neither was reached.
    gradient: ‖∇L‖, of a pinned network along the directions that leave the pinned breakpoints where they are.
    roundoff: what rounding makes of it, ε ‖|J|ᵀ(|J||θ| + |f|)‖, with √ω_q in J and f.
    steps: second-order steps. clearance: least |x_q − β_i| of the breakpoints not pinned, relative to max x − min x.
    neurons, data: (K,) each, which breakpoint is pinned to which datum. shares: (K,) the part τ, from 0 to 1, to which
    its datum x_n counts as active: Σ_{active q ≠ n} ω_q ε_q (1, x_q) + τ ω_n ε_n (1, x_n) = 0, with ε = u − f.
    """

    status: Status
    gradient: float
    roundoff: float
    steps: int
    clearance: float
    neurons: NDArray[np.intp]
    data: NDArray[np.intp]
    shares: Array


def stationary(model: nn.Module, samples: Samples) -> Rest:
    """Minimise L on, in place, from where the model stands, by steps of Levenberg and Marquardt on what it trains.

    Call `train` first: from far away second-order steps may end anywhere. A step minimises ‖r + J d‖² + λ‖d‖², with λ
    in proportion to ‖∇L‖ and adapted to what it gains. Where none gains and breakpoints lie on data, they are held
    there, b = −w x_n, as long as L falls to neither side.

    Source: J. Nocedal and S. J. Wright, Numerical Optimization (2006), section 10.3.

    Raises ValueError unless the model is Linear(1, n), ReLU, Linear(n, 1) with inner biases, in float64, and trains
    something, inner weights and biases both or neither; and for a loss other than "mass".

    >>> from fembridge.networks.models import shallow
    >>> line = shallow(nn.ReLU(), [1.0, -1.0], [2.0, 2.0], [0.1, 0.1]).requires_grad_(True)
    >>> x = np.array([[-1.0], [0.0], [1.0]])
    >>> stationary(line, Samples(x, np.array([0.0, 3.0, 3.0]))).status    # least squares: 2 + 3x/2
    'critical'
    >>> line(torch.as_tensor(x)).detach().numpy()[:, 0].round(12)
    array([0.5, 2. , 3.5])
    """
    problem, theta = _problem(model, samples)
    pins, steps = Pins(), 0
    for _ in range(CHANGES):
        theta, used, settled = _descend(problem, theta, pins)
        steps += used
        loose = [i for i, n in pins.items() if not _held(problem, theta, i, n)]
        near = {} if settled else {i: n for i, n in _nearest(problem, theta).items() if i not in pins}
        if not loose and not near:
            break
        pins = {i: n for i, n in (pins | near).items() if i not in loose}
    _write(model, theta)
    status: Status = "moving" if not settled or loose else "pinned" if pins else "critical"
    B, at = _directions(problem, pins), _evaluate(problem, theta)
    return Rest(
        status,
        float(np.linalg.norm(B.T @ at.jacobian.T @ at.residual)),
        _roundoff(problem, theta, at, B),
        steps,
        _clearance(problem, theta, pins),
        np.array(list(pins), dtype=np.intp),
        np.array(list(pins.values()), dtype=np.intp),
        np.array([_share(problem, theta, i, n) for i, n in pins.items()]),
    )


class _Problem(NamedTuple):
    """A network as a function of all its parameters θ = (w, b, v, …), and the data, with √ω in `root`."""

    model: nn.Module
    names: Sequence[str]
    shapes: Sequence[torch.Size]
    trained: NDArray[np.bool_]
    width: int
    x: Tensor
    f: Array
    root: Array


class _Values(NamedTuple):
    """√ω (u − f) (N,) and its derivatives (N, P)."""

    residual: Array
    jacobian: Array


def _problem(model: nn.Module, samples: Samples) -> tuple[_Problem, Array]:
    inner, sigma = hidden_layer(model)
    parameters = dict(model.named_parameters())
    if not isinstance(sigma, nn.ReLU) or any(p.dtype != torch.float64 for p in parameters.values()):
        raise ValueError(f"model: expected ReLU and parameters in float64, got {type(sigma).__name__}")
    if inner.weight.requires_grad != inner.bias.requires_grad or not any(p.requires_grad for p in parameters.values()):
        raise ValueError("model: expected inner weights and biases to train, both or neither, and something to train")
    if samples.loss != "mass" or samples.values.size != len(samples):
        raise ValueError(f'samples: expected one output and the loss "mass", got "{samples.loss}"')
    trained = np.concatenate([np.full(p.numel(), p.requires_grad) for p in parameters.values()])
    theta = np.concatenate([p.detach().numpy().ravel() for p in parameters.values()])
    shapes = [p.shape for p in parameters.values()]
    x, f = torch.as_tensor(samples.points), samples.values.ravel()
    return _Problem(model, list(parameters), shapes, trained, inner.out_features, x, f, np.sqrt(samples.weights)), theta


def _named(problem: _Problem, theta: Array) -> dict[str, Tensor]:
    parts = torch.as_tensor(theta).split([shape.numel() for shape in problem.shapes])
    return {name: part.view(shape) for name, part, shape in zip(problem.names, parts, problem.shapes, strict=True)}


def _residual(problem: _Problem, theta: Array) -> Array:
    with torch.no_grad():
        u = functional_call(problem.model, _named(problem, theta), (problem.x,))[:, 0].numpy()
    return np.asarray(problem.root * (u - problem.f))


def _evaluate(problem: _Problem, theta: Array) -> _Values:
    def u(values: dict[str, Tensor]) -> Tensor:
        out: Tensor = functional_call(problem.model, values, (problem.x,))[:, 0]
        return out

    parts = jacrev(u)(_named(problem, theta))
    J = torch.cat([part.detach().reshape(len(problem.f), -1) for part in parts.values()], dim=1).numpy()
    return _Values(_residual(problem, theta), problem.root[:, None] * J)


def _directions(problem: _Problem, pins: Pins) -> Array:
    """B (P, F), the directions left: of a pinned neuron w and b = −w x_n move as one."""
    B, n = np.eye(len(problem.trained)), problem.width
    for neuron, datum in pins.items():
        B[n + neuron, neuron] = -float(problem.x[datum, 0])
    keep = problem.trained.copy()
    keep[[n + neuron for neuron in pins]] = False
    return B[:, keep]


def _roundoff(problem: _Problem, theta: Array, at: _Values, B: Array) -> float:
    J = np.abs(at.jacobian)
    return EPS * float(np.linalg.norm(np.abs(B).T @ J.T @ (J @ np.abs(theta) + problem.root * np.abs(problem.f))))


def _descend(problem: _Problem, theta: Array, pins: Pins) -> tuple[Array, int, bool]:
    """Steps until ‖∇L‖ is at round-off, none gains, or STEPS are taken: θ, their number, whether it was the first."""
    B, n, theta = _directions(problem, pins), problem.width, theta.copy()
    for neuron, datum in pins.items():
        theta[n + neuron] = -theta[neuron] * float(problem.x[datum, 0])
    at, damping = _evaluate(problem, theta), 1.0
    for step in range(STEPS):
        gradient = float(np.linalg.norm(B.T @ at.jacobian.T @ at.residual))
        if gradient <= _roundoff(problem, theta, at, B):
            return theta, step, True
        found = _step(problem, theta, at, B, damping, gradient)
        if found is None:
            return theta, step, False
        theta, at, damping = found
    return theta, STEPS, False


def _step(
    problem: _Problem, theta: Array, at: _Values, B: Array, damping: float, gradient: float
) -> tuple[Array, _Values, float] | None:
    """The first step, λ = damping · ‖∇L‖ growing, that gains 1e-4 of what r + J d promises; None where none does.

    Where the loss no longer tells, as its changes are rounded away, the gradient must shrink.
    """
    U, s, V = np.linalg.svd(at.jacobian @ B, full_matrices=False)
    before, against = at.residual @ at.residual, U.T @ at.residual
    while damping * gradient < 1e9 * s[0] ** 2:
        lam = damping * gradient
        step = -s / (s**2 + lam) * against
        promised = before - np.sum((at.residual + U @ (s * step)) ** 2)
        moved = theta + B @ (V.T @ step)
        r = _residual(problem, moved)
        gained = before - r @ r
        if gained > 1e-4 * promised:
            return moved, _evaluate(problem, moved), max(damping / 8, 1e-12)
        if abs(gained) < 1e-13 * before:
            after = _evaluate(problem, moved)
            if np.linalg.norm(B.T @ after.jacobian.T @ after.residual) < 0.9 * gradient:
                return moved, after, max(damping / 8, 1e-12)
        damping *= 4
    return None


def _breakpoints(problem: _Problem, theta: Array) -> Array:
    n = problem.width
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-theta[n : 2 * n] / theta[:n])


def _distances(problem: _Problem, theta: Array) -> Array:
    """|x_q − β_i| (N, n) relative to the width of the data."""
    x = problem.x.numpy()
    return np.asarray(np.abs(x - _breakpoints(problem, theta)) / max(float(np.ptp(x)), np.finfo(float).tiny))


def _nearest(problem: _Problem, theta: Array) -> Pins:
    """The breakpoints on data, to within NEAR."""
    if not problem.trained[0]:
        return {}
    distance = _distances(problem, theta)
    return {int(i): int(distance[:, i].argmin()) for i in np.flatnonzero((distance < NEAR).any(axis=0))}


def _clearance(problem: _Problem, theta: Array, pins: Pins) -> float:
    free = [i for i in range(problem.width) if i not in pins]
    return float(_distances(problem, theta)[:, free].min(initial=np.inf))


def _share(problem: _Problem, theta: Array, neuron: int, datum: int) -> float:
    """τ = −Σ_{active q ≠ n} ω_q ε_q / (ω_n ε_n)."""
    active = theta[neuron] * (problem.x.numpy()[:, 0] - _breakpoints(problem, theta)[neuron]) > 0
    active[datum] = False
    weighted = problem.root * _residual(problem, theta)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(-weighted[active].sum() / weighted[datum])


def _held(problem: _Problem, theta: Array, neuron: int, datum: int) -> bool:
    """Whether L falls to neither side: v ε_n > 0, and 0 is between the slopes without and with the datum."""
    output = theta[2 * problem.width + neuron]
    uphill = output * _residual(problem, theta)[datum] > 0
    return bool(uphill and -NEAR <= _share(problem, theta, neuron, datum) <= 1 + NEAR)


def _write(model: nn.Module, theta: Array) -> None:
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.as_tensor(theta), model.parameters())
