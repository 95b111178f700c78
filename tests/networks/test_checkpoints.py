"""A training that stops anywhere goes on from its checkpoint to the same numbers, to the last bit, or says why not."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fembridge.networks import checkpoints
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train, train_many
from fembridge.problem import Problem, sines
from fembridge.samples import on_circle, on_points

STEPS = 30
RECORD = [0, 3, 4, 11, 20, STEPS]
CIRCLE = on_circle(2, 12)
SLOPES = on_points(Problem(sines([1], [1.0]), (1,), loss="h1", samples="exact"), np.arange(8) / 8, np.full(8, 1 / 8))
WAYS = {
    "gd": {},
    "nesterov": {"optimizer": "nesterov", "momentum": 0.9},
    "heavy-ball": {"optimizer": "heavy-ball", "momentum": 0.5},
    "sgd": {"optimizer": "sgd", "batch": 3, "momentum": 0.5},
    "adam": {"optimizer": "adam", "batch": 5},
    "adam in float32": {"optimizer": "adam", "dtype": "float32"},
    "observed": {"optimizer": "sgd", "batch": 2, "observe": lambda model: model[0].weight.detach().numpy()},
    "one diverges": {"learning_rate": [0.05, 1e8, 0.02]},
}


class Killed(BaseException):
    """What ends a training from outside."""


def until(last, error=Killed):
    """A progress that ends the training before a step."""

    def progress(steps):
        for step in steps:
            if step == last:
                raise error
            yield step

    return progress


def run(engine, **options):
    models = [perceptron("tanh", [2, 6, 1], seed=r) for r in range(3)]
    settings = {"learning_rate": 0.05, "record": RECORD, **options}
    if engine == "alone":
        rate = np.ravel(settings.pop("learning_rate"))[0]
        return models[:1], [train(models[0], CIRCLE, learning_rate=float(rate), **settings)]
    return models, train_many(models, CIRCLE, engine=engine, **settings)


def assert_same(one, other):
    for a, b in zip(one[1], other[1], strict=True):
        for field in dataclasses.fields(a):
            x, y = getattr(a, field.name), getattr(b, field.name)
            assert np.array_equal(x, y, equal_nan=True) if isinstance(x, np.ndarray) else x == y, field.name
    for a, b in zip(one[0], other[0], strict=True):
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            assert np.array_equal(p.detach().numpy(), q.detach().numpy(), equal_nan=True)


@pytest.fixture(autouse=True)
def saved_at_every_step(monkeypatch):
    monkeypatch.setattr(checkpoints, "FIRST", -1.0)
    monkeypatch.setattr(checkpoints, "LONGEST", -1.0)


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("alone", "adam"),
        ("loop", "sgd"),
        ("loop", "observed"),
        ("loop", "one diverges"),
        *(("stacked", w) for w in WAYS),
    ],
)
def test_a_training_goes_on_where_it_stopped(engine, way, tmp_path):
    options = WAYS[way]
    whole = run(engine, **options)
    path = tmp_path / "deep" / "state"
    for stop in sorted(np.random.default_rng(list(way.encode())).choice(np.arange(1, STEPS), 2, replace=False)):
        with pytest.raises(Killed):
            run(engine, **options, checkpoint=path, progress=until(stop))
    torch.manual_seed(int(time.time()))
    steps = []
    again = run(engine, **options, checkpoint=path, progress=lambda r: steps.append(r.start) or r)
    assert steps[0] == stop - 1  # saved before the step, whose progress then ended it: not from the start
    assert_same(whole, again)
    finished = run(engine, **options, checkpoint=path, progress=until(0))  # nothing is left to do
    assert_same(whole, finished)
    assert not list(path.parent.glob("*.new"))


def test_an_interruption_leaves_the_networks_and_random_numbers(tmp_path):
    models = [perceptron("tanh", [2, 6, 1], seed=r).float() for r in range(2)]
    before, state = [p.detach().clone() for m in models for p in m.parameters()], torch.get_rng_state()
    threads = torch.get_num_threads()
    for engine in ("loop", "stacked"):
        settings = {"learning_rate": 0.1, "record": [0, 9], "engine": engine, "checkpoint": tmp_path / engine}
        with pytest.raises(KeyboardInterrupt):
            train_many(models, CIRCLE, **settings, progress=until(5, KeyboardInterrupt))
        now = [p for m in models for p in m.parameters()]
        assert all(
            p.dtype == q.dtype and torch.equal(p, q) and p.grad is None for p, q in zip(before, now, strict=True)
        )
        assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
        train_many(models, CIRCLE, **settings)  # so that the same call goes on
        for p, q in zip(now, before, strict=True):
            assert p.dtype == torch.float64
            p.data = q.clone()


OTHER = {
    "a batch": {"batch": 4},
    "a rate": {"learning_rate": 0.06},
    "a momentum": {"momentum": 0.6},
    "an optimizer": {"optimizer": "adam", "momentum": 0.0},
    "a seed": {"seed": 1},
    "steps": {"record": [0, 3, STEPS + 1]},
    "fewer rows": {"record": [0, STEPS]},
    "a precision": {"dtype": "float32"},
    "what is seen": {"observe": lambda model: 0.0},
    "a start": {"model": perceptron("tanh", [2, 6, 1], seed=9)},
    "an activation": {"model": perceptron("relu", [2, 6, 1], seed=0)},
    "a factor": {"model": perceptron("tanh", [2, 6, 1], seed=0, output_scale=1 + 1e-15)},
    "what trains": {"model": perceptron("tanh", [2, 6, 1], seed=0, trained="2.*")},
    "points": {"samples": dataclasses.replace(CIRCLE, points=CIRCLE.points + 1e-15)},
    "values": {"samples": dataclasses.replace(CIRCLE, values=-CIRCLE.values)},
    "weights": {"samples": dataclasses.replace(CIRCLE, weights=2 * CIRCLE.weights)},
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_a_checkpoint_of_another_training_is_refused(change, tmp_path):
    path = tmp_path / "state"
    settings = {"learning_rate": 0.05, "record": RECORD, "optimizer": "sgd", "batch": 3, "momentum": 0.5}
    first = perceptron("tanh", [2, 6, 1], seed=0)
    train(first, CIRCLE, **settings, checkpoint=path)
    settings |= {"model": perceptron("tanh", [2, 6, 1], seed=0), "samples": CIRCLE, "checkpoint": path}
    train(**settings)
    settings |= {"model": perceptron("tanh", [2, 6, 1], seed=0)}
    start = settings | change
    with pytest.raises(ValueError, match=r"checkpoint: .* belongs to another training: remove it to start anew"):
        train(start.pop("model"), start.pop("samples"), **start)


def test_losses_of_slopes_and_who_has_which_data_count(tmp_path):
    net = lambda: perceptron("relu2", [1, 4, 1])  # noqa: E731
    settings = {"learning_rate": 0.01, "record": [0, 2], "checkpoint": tmp_path / "a"}
    train(net(), SLOPES, **settings)
    for change in ({"loss": "mass"}, {"loss": "stiffness"}, {"slopes": 2 * SLOPES.slopes}):
        with pytest.raises(ValueError, match="belongs to another training"):
            train(net(), dataclasses.replace(SLOPES, **change), **settings)
    nets = lambda: [perceptron("tanh", [2, 4, 1], seed=r) for r in range(3)]  # noqa: E731
    a, b = CIRCLE, on_circle(1, 12)
    settings |= {"engine": "stacked", "checkpoint": tmp_path / "b"}
    train_many(nets(), [a, b, a], **settings)
    with pytest.raises(ValueError, match="belongs to another training"):
        train_many(nets(), [a, b, b], **settings)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b[:3], lambda b: b"", None])
def test_a_damaged_checkpoint_is_one_clear_line(damage, tmp_path):
    path = tmp_path / "state"
    train(perceptron("tanh", [2, 6, 1]), CIRCLE, learning_rate=0.1, record=[0, 3], checkpoint=path)
    path.write_bytes(damage(path.read_bytes()) if damage else os.urandom(4096))
    model = perceptron("tanh", [2, 6, 1])
    with pytest.raises(ValueError, match=r"checkpoint: .* cannot be read .*: remove it to start anew") as caught:
        train(model, CIRCLE, learning_rate=0.1, record=[0, 3], checkpoint=path)
    assert "\n" not in str(caught.value)


def test_where_no_checkpoint_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "state"):
        with pytest.raises(ValueError, match=r"checkpoint: expected a file that can be written, got"):
            train(perceptron("tanh", [2, 6, 1]), CIRCLE, learning_rate=0.1, record=[0, 3], checkpoint=path)


SCRIPT = """
import sys
import numpy as np
from fembridge.networks import checkpoints
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train_many
from fembridge.samples import on_circle

checkpoints.FIRST = checkpoints.LONGEST = 0.02
models = [perceptron("tanh", [2, 6, 1], seed=r) for r in range(3)]
path, out = sys.argv[1:]
print("begun", flush=True)
paths = train_many(models, on_circle(2, 12), learning_rate=0.001, record=np.arange(0, 2001, 100), optimizer="adam",
                   batch=4, engine="stacked", checkpoint=path or None)
np.save(out, np.stack([p.residuals for p in paths]))
"""


@pytest.mark.slow
def test_a_process_killed_at_any_time_goes_on(tmp_path):
    def start(path, out):
        command = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / out)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])

    assert start("", "whole.npy").wait() == 0
    state, random = tmp_path / "state", np.random.default_rng(0)
    for _ in range(4):
        process = start(state, "parts.npy")
        process.stdout.readline()
        time.sleep(random.uniform(0.1, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(state, "parts.npy").wait() == 0
    assert np.array_equal(np.load(tmp_path / "whole.npy"), np.load(tmp_path / "parts.npy"))
