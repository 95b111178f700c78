"""Training by SGD and Adam against recursions and gradients written out in NumPy, draws of batches included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fembridge.networks.optimizers import optimizer
from fembridge.networks.perceptrons import perceptron
from fembridge.networks.training import train
from fembridge.samples import Samples

N, STEPS, RATE = 12, 8, 0.01
X = np.random.default_rng(3).uniform(-1, 1, (N, 2))
DATA = Samples(X, np.sin(3 * X[:, 0]) + X[:, 1], np.linspace(1, 2, N) / 18)
# Each of the STEPS moves a parameter by at most RATE times what a gradient, or for Adam its quotient by a root mean
# square, is. A gradient errs by 40 ε of the sum of the sizes of its terms, of which it is 1e-4 at least (asserted);
# doubled, as a step depends on those before: 2 · 8 · 0.01 · 40 ε / 1e-4 = 1.4e-11.
BOUND, LEAST = 2e-11, 1e-4


def gradients(theta, x, f, w):
    """Of ½ Σ w (u − f)², u = v·tanh(Wx + b) + c, and of each the sum of the sizes of its terms."""
    inner, b, v, c = theta
    h = np.tanh(x @ inner.T + b)
    r = w * (h @ v[0] + c[0] - f)
    back = r[:, None] * v[0] * (1 - h**2)
    terms = [back[:, :, None] * x[:, None], back, (r[:, None] * h)[:, None], r[:, None]]
    return [t.sum(0) for t in terms], [np.abs(t).sum(0) for t in terms]


def recursion(name, momentum=0.0, batch=None, seed=0, rate=RATE, correct=True):
    """θ_0 … θ_STEPS, and the smallest part that a gradient is of its terms."""
    generator = torch.Generator().manual_seed(seed)
    theta = [p.detach().numpy().copy() for p in perceptron("tanh", [2, 5, 1], seed=1).parameters()]
    first, second = [np.zeros_like(p) for p in theta], [np.zeros_like(p) for p in theta]
    path, least = [theta], np.inf
    for t in range(1, STEPS + 1):
        drawn = np.arange(N) if batch is None else torch.randint(N, (batch,), generator=generator).numpy()
        w = DATA.weights[drawn] * (1 if batch is None else N / batch)
        every, sizes = gradients(theta, X[drawn], DATA.values[drawn], w)
        least = min(least, *(np.abs(g / s).min() for g, s in zip(every, sizes, strict=True)))
        if name == "adam":
            first = [0.9 * m + 0.1 * g for m, g in zip(first, every, strict=True)]
            second = [0.999 * m + 0.001 * g**2 for m, g in zip(second, every, strict=True)]
            a, b = (1 - 0.9**t, 1 - 0.999**t) if correct else (1, 1)
            steps = [m / a / (np.sqrt(s / b) + 1e-8) for m, s in zip(first, second, strict=True)]
        else:
            first = steps = [momentum * m + g for m, g in zip(first, every, strict=True)]
        theta = [p - rate * step for p, step in zip(theta, steps, strict=True)]
        path.append(theta)
    return path, least


def apart(one, other):
    return max(np.abs(a - b).max() for p, q in zip(one, other, strict=True) for a, b in zip(p, q, strict=True))


CASES = {
    "sgd": {"batch": 3, "seed": 5},
    "sgd with momentum": {"batch": 4, "seed": 1, "momentum": 0.7},
    "sgd on all": {"momentum": 0.5},
    "more than there are": {"batch": 2 * N, "seed": 2},
    "adam": {},
    "adam on batches": {"batch": 5, "seed": 7},
}


@pytest.mark.parametrize("name", CASES)
def test_training_is_the_recursion(name):
    kind, options = name.split()[0] if name[:4] != "more" else "sgd", CASES[name]
    seen = []
    model = perceptron("tanh", [2, 5, 1], seed=1)
    settings = {"learning_rate": RATE, "record": np.arange(STEPS + 1), "optimizer": kind, **options}
    path = train(
        model, DATA, **settings, observe=lambda m: seen.append([p.detach().numpy().copy() for p in m.parameters()]) or 0
    )
    known, least = recursion(kind, **options)
    assert least > LEAST
    assert apart(seen, known) <= BOUND
    h = np.stack([np.tanh(X @ t[0].T + t[1]) @ t[2][0] + t[3][0] for t in known]) - DATA.values
    assert np.abs(path.residuals - h).max() <= 20 * BOUND  # u is Lipschitz in 21 parameters, each of slope 1 at most
    assert np.abs(path.loss - 0.5 * h**2 @ DATA.weights).max() <= 60 * BOUND  # |r| < 3

    controls = [recursion(kind, **options, rate=RATE * (1 + 1e-5))[0]]
    controls += [recursion(kind, **{**options, "seed": 8})[0]] if "batch" in options else []
    controls += [recursion(kind, **options, correct=False)[0]] if kind == "adam" else []
    controls += [recursion(kind, **{**options, "momentum": 0.6})[0]] if "momentum" in options else []
    assert all(apart(seen, control) > 100 * BOUND for control in controls)


def test_batches_are_drawn_uniformly_and_with_replacement():
    """A step on thousands of draws is that of their mean, and within four standard errors that of all points."""
    draws, rate = 4000, 1.0
    start = perceptron("tanh", [2, 5, 1], seed=1)
    theta = [p.detach().numpy().copy() for p in start.parameters()]
    train(start, DATA, learning_rate=rate, record=[0, 1], optimizer="sgd", batch=draws, seed=11)
    step = theta[1] - start[0].bias.detach().numpy()
    each = np.stack([gradients(theta, X[[i]], DATA.values[[i]], N * DATA.weights[[i]])[0][1] for i in range(N)])
    drawn = torch.randint(N, (draws,), generator=torch.Generator().manual_seed(11)).numpy()
    assert np.abs(step - rate * each[drawn].mean(0)).max() <= 1e-12
    error = rate * each.std(0) / np.sqrt(draws)
    assert (np.abs(step - rate * each.mean(0)) <= 4 * error).all()
    assert (np.abs(step - 2 * rate * each.mean(0)) > 8 * error).any()


def test_groups_move_at_their_own_rates():
    one, two = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    descend = optimizer("gd", [(0.1, [one]), (0.2, [two])])
    (one.sum() + two.sum()).backward()
    descend.step()
    assert one.tolist() == [0.9, 0.9] and two.tolist() == [0.8, 0.8]
