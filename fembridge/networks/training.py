"""Training networks step by step with `torch.optim`, one or many at once, and recording the error at chosen steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fembridge.networks.checkpoints import Checkpoint
from fembridge.networks.ensembles import Ensemble, alike, single, stack
from fembridge.networks.graphs import captured
from fembridge.networks.objectives import Objective, objective
from fembridge.networks.optimizers import Optimizer
from fembridge.networks.optimizers import optimizer as torch_optimizer
from fembridge.networks.recording import LOSS_LIMIT, Observe, Recording, Trajectory
from fembridge.samples import Samples

__all__ = ["LOSS_LIMIT", "Engine", "Optimizer", "Trajectory", "train", "train_many"]

Engine = Literal["auto", "loop", "stacked"]
Progress = Callable[[Iterable[int]], Iterable[int]]
GRAPH_FROM = 100  # steps from which a CUDA graph is worth its capture
STACKED_UP_TO = 3 * 2**17  # numbers of a step of a whole stack, beyond which it leaves the cache and gains nothing


def train(
    model: nn.Module,
    samples: Samples,
    *,
    learning_rate: float,
    record: ArrayLike,
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
    batch: int | None = None,
    seed: int = 0,
    observe: Observe | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float64",
) -> Trajectory:
    """Minimise L = ½ Σ_q w_q ‖r_q‖² over whatever parameters of the model require a gradient, by `torch.optim`.

    r = u − f for the loss "mass", u' − f' for "stiffness", and "h1" adds the two. record: the steps to keep,
    ascending; the last is the number of steps. optimizer: see `optimizers.optimizer`.
    batch: for "sgd" and "adam", that many points a step, drawn independently and uniformly, with replacement, by a
    generator of `seed`; the gradient is that of ½ mean (N w_i ‖r_i‖²) over them, whose expectation is L's.
    observe(model): numbers, kept at each recorded step. checkpoint: a file that holds the whole state from time to
    time, and from which training goes on where it exists: the same trajectory, to the last bit.
    progress wraps the steps, as `tqdm` would. The model is moved to `device` and `dtype` and trained in place; an error
    or an interruption leaves it as it was.

    Raises ValueError on a bad argument, on a model without trainable parameters, one that the data do not fit or one
    that is random, and on a checkpoint of another training; MemoryError where the residuals to be kept do not fit.

    >>> from fembridge.networks.models import shallow
    >>> from fembridge.problem import Problem, sines
    >>> from fembridge.samples import samples_of
    >>> data = samples_of(Problem(sines([1], [1.0]), (1,), samples=4))
    >>> one = shallow(nn.ReLU(), [1.0], [0.0])  # one neuron: u = v x, L'' = mean x² = 7/32
    >>> path = train(one, data, learning_rate=32 / 7, record=[0, 1])
    >>> round(float(path.loss[0]), 12), round(one[2].weight.item(), 12)  # at once the optimum, mean(xf)/mean(x²)
    (0.25, -0.571428571429)
    """
    schedule = _schedule(record, optimizer, momentum, batch, [seed])
    with _placed([model], device, dtype):
        recording = _descend(single(model, learning_rate), [samples], schedule, observe, checkpoint, progress)
    return recording.trajectory(0, learning_rate)


def train_many(
    models: Sequence[nn.Module],
    samples: Samples | Sequence[Samples],
    *,
    learning_rate: float | Sequence[float],
    record: ArrayLike,
    optimizer: Optimizer = "gd",
    momentum: float = 0.0,
    batch: int | None = None,
    seeds: Sequence[int] | None = None,
    observe: Observe | None = None,
    engine: Engine = "auto",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float64",
) -> list[Trajectory]:
    """R networks, each as `train` would train it: on the same samples or its own, at one learning rate or its own.

    seeds: of the batches; 0, 1, … where nothing is said. engine: "loop" trains one after the other, "stacked" all at
    once, as one network whose tensors have one dimension more (`torch.func`), which asks for one structure and samples
    of one shape; "auto" stacks on a GPU, and on a CPU what is so small that calls, not products, take the time.
    The trajectories are the same but for rounding.

    Raises ValueError as `train` does, and where numbers of models, samples, rates and seeds do not match.

    >>> from fembridge.networks.perceptrons import perceptron
    >>> from fembridge.samples import on_circle
    >>> nets = [perceptron("relu", [2, 8, 1], seed=r) for r in range(3)]
    >>> paths = train_many(nets, on_circle(2, 16), learning_rate=0.1, record=[0, 10])
    >>> [path.loss[1] < path.loss[0] for path in paths]
    [np.True_, np.True_, np.True_]
    """
    count = len(models)
    every = _one_for_each("samples", [samples] * count if isinstance(samples, Samples) else samples, count)
    rates = _one_for_each(
        "learning_rate", [learning_rate] * count if np.ndim(learning_rate) == 0 else learning_rate, count
    )
    own = _one_for_each("seeds", range(count) if seeds is None else seeds, count)
    schedule = _schedule(record, optimizer, momentum, batch, own)
    if engine not in get_args(Engine):
        raise ValueError(f"engine: expected one of {', '.join(get_args(Engine))}, got {engine!r}")
    if len({id(p) for model in models for p in model.parameters()}) < sum(len(list(m.parameters())) for m in models):
        raise ValueError("models: expected networks of their own parameters, got some that share theirs")
    with _placed(models, device, dtype):
        if count > 1 and (engine == "stacked" or (engine == "auto" and _worth_stacking(models, every, batch, device))):
            ensemble = stack(models, rates)
            recording = _descend(ensemble, every, schedule, observe, checkpoint, progress)
            for r in range(count):
                ensemble.member(r)  # writes its parameters into the model
            return [recording.trajectory(r, rate) for r, rate in enumerate(rates)]
        paths = []
        for r, (model, data, rate) in enumerate(zip(models, every, rates, strict=True)):
            alone = replace(schedule, seeds=schedule.seeds[r : r + 1])
            file = None if checkpoint is None else f"{checkpoint}.{r}"
            paths.append(_descend(single(model, rate), [data], alone, observe, file, progress).trajectory(0, rate))
        return paths


@dataclass(frozen=True)
class _Schedule:
    """What is done to an ensemble, and when its state is kept."""

    steps: NDArray[np.int64]
    optimizer: Optimizer
    momentum: float
    batch: int | None
    seeds: tuple[int, ...]


def _schedule(
    record: ArrayLike, optimizer: Optimizer, momentum: float, batch: int | None, seeds: Sequence[int]
) -> _Schedule:
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
            raise ValueError(f"seed: expected a whole number from 0 on, got {seed!r}")
    return _Schedule(
        _check_record(record), optimizer, momentum, _check_batch(optimizer, batch), tuple(int(seed) for seed in seeds)
    )


def _descend(
    ensemble: Ensemble,
    samples: Sequence[Samples],
    schedule: _Schedule,
    observe: Observe | None,
    checkpoint: str | Path | None,
    progress: Progress | None,
) -> Recording:
    """Train all members of an ensemble together; one of them that diverges leaves the others alone."""
    descend = torch_optimizer(schedule.optimizer, ensemble.groups, schedule.momentum)
    goal = objective(ensemble, samples)
    generators = [torch.Generator().manual_seed(seed) for seed in schedule.seeds]
    recording = Recording(schedule.steps, samples, ensemble.size, observe)
    saved = Checkpoint(checkpoint, ensemble, descend, generators, recording, schedule.batch)
    parameters, batch = ensemble.parameters, schedule.batch
    kept, last = set(schedule.steps.tolist()), int(schedule.steps[-1])
    with _threads_for(ensemble.work * (batch or len(samples[0]))):
        first = saved.restore()
        whole = partial(_whole, goal, parameters, descend)
        # what is observed is a module before its update, which a graph has made already
        at_once = parameters[0].is_cuda and batch is None and observe is None and last - first >= GRAPH_FROM
        replay = captured(whole, parameters, descend) if at_once else None
        for step in (progress or iter)(range(first, last + 1)):
            saved.at(step)
            factor = goal.factor
            if batch is None or step in kept:
                with torch.set_grad_enabled(batch is None and step < last):
                    u, squares = replay() if replay and step < last else goal.all()
                if not recording.alive(step, squares, factor):
                    break
                if step in kept:
                    recording.keep(u, squares, factor, ensemble)
            if step == last:
                break
            if batch is not None:
                squares, factor = goal.batch(batch, generators), goal.factor * len(samples[0]) / batch
                if not recording.alive(step, squares, factor):
                    break
            if replay is None:
                _update(squares, factor, parameters, descend)
    saved.save(last + 1)
    return recording


def _update(squares: Tensor, factor: float, parameters: Sequence[Tensor], descend: torch.optim.Optimizer) -> None:
    for p in parameters:
        p.grad = None  # what optimizer.zero_grad() does, without its bookkeeping
    squares.backward(torch.full_like(squares, factor))
    descend.step()


def _whole(goal: Objective, parameters: Sequence[Tensor], descend: torch.optim.Optimizer) -> tuple[Tensor, ...]:
    """A step on all points: outputs and squares before it, and the update."""
    u, squares = goal.all()
    _update(squares, goal.factor, parameters, descend)
    return u, squares


@contextmanager
def _threads_for(work: int) -> Iterator[None]:
    """One thread for steps of few products: handing them out costs more than it saves on a busy machine."""
    threads = torch.get_num_threads()
    if work < 2**22:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _worth_stacking(
    models: Sequence[nn.Module], samples: Sequence[Samples], batch: int | None, device: str | torch.device
) -> bool:
    """A rule, not a stopwatch: which engine it is must not depend on what else the machine does."""
    if not all(alike(models[0], model) for model in models[1:]):
        return False
    if len({(s.points.shape, s.values.shape, s.loss) for s in samples}) > 1:
        return False
    if torch.device(device).type != "cpu":
        return True
    parameters, points = list(models[0].parameters()), batch or len(samples[0])
    outputs = sum(len(p) for p in parameters if p.ndim > 1)  # of all layers
    return len(models) * (points * outputs + sum(p.numel() for p in parameters)) <= STACKED_UP_TO


def _one_for_each(name: str, given: Any, count: int) -> list[Any]:
    if not count or len(given) != count:
        raise ValueError(f"{name}: expected one for each of {count} models, got {len(given)}")
    return list(given)


def _check_batch(optimizer: str, batch: int | None) -> int | None:
    if batch is None:
        return None
    if optimizer not in ("sgd", "adam"):
        raise ValueError(f'batch: expected none for "{optimizer}", which takes all points, got {batch!r}')
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise ValueError(f"batch: expected a whole number from 1 on, got {batch!r}")
    return int(batch)


def _check_record(record: ArrayLike) -> NDArray[np.int64]:
    steps = np.asarray(record)
    whole = steps.ndim == 1 and len(steps) and np.issubdtype(steps.dtype, np.integer)
    if not whole or steps[0] < 0 or not (np.diff(steps) > 0).all():
        raise ValueError(f"record: expected ascending whole numbers from 0 on, got {steps.tolist()}")
    return steps.astype(np.int64)


@contextmanager
def _placed(models: Sequence[nn.Module], device: str | torch.device, dtype: str | torch.dtype) -> Iterator[None]:
    """Models on a device and in a dtype; as they were before, where an error or an interruption ends the block."""
    kind = {"float32": torch.float32, "float64": torch.float64}.get(str(dtype).removeprefix("torch."))
    if kind is None:
        raise ValueError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
    try:
        place: Any = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {str(device)!r} cannot be used here: {str(error).splitlines()[0]}") from None
    if place.type == "meta":
        raise ValueError(f"device: expected one that holds numbers, got {str(device)!r}")
    modules = [module for model in models for module in model.modules()]
    buffers = [dict(module._buffers) for module in modules]
    before = [(p, p.detach().clone()) for model in models for p in model.parameters()]
    try:
        for model in models:
            model.to(device=place, dtype=kind)
        yield
    except BaseException:
        for module, own in zip(modules, buffers, strict=True):
            module._buffers.update(own)
        for p, values in before:
            p.grad, p.data = None, values
        raise
    for p, _ in before:
        p.grad = None
