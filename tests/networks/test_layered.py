"""The layer products on their own: against loops over the data written out in NumPy, at the edges of tiles and chunks.

The networks are as small as those of test_curvature.py, and so is the bound: 1000 ε of the largest entry.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fembridge.networks import layered
from fembridge.networks.activations import Hat, SquaredReLU, Step

N = 11
NAMES = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
CHOICES = [NAMES, NAMES[::2], NAMES[1::2], NAMES[2:4], NAMES[5:], NAMES[3:5]]


class Unknown(nn.ReLU):
    """An activation whose forward may be anything."""


def network(sigma=nn.Tanh, outputs=2):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(nn.Linear(2, 4), sigma(), nn.Linear(4, 3), sigma(), nn.Linear(3, outputs)).double()
        return model, torch.randn(N, 2, dtype=torch.float64), torch.randn(N, outputs, dtype=torch.float64)


def jacobian_by_hand(model, x, names):
    """J of a tanh network, one datum and one output at a time, from the chain rule in NumPy."""
    state = {name: p.detach().numpy() for name, p in model.named_parameters()}
    rows = []
    for datum in x.numpy():
        h = [datum]
        for i in (0, 2):
            h.append(np.tanh(state[f"{i}.weight"] @ h[-1] + state[f"{i}.bias"]))
        for c in range(len(state["4.bias"])):
            b, row = np.eye(len(state["4.bias"]))[c], {}
            for k, i in ((2, 4), (1, 2), (0, 0)):
                row |= {f"{i}.weight": np.outer(b, h[k]).ravel(), f"{i}.bias": b}
                b = (state[f"{i}.weight"].T @ b) * (1 - h[k] ** 2)
            rows.append(np.concatenate([row[name] for name in names]))
    return np.array(rows)


def close(a, b):
    return a.shape == b.shape and np.abs(a - b).max() <= 1000 * np.finfo(float).eps * np.abs(b).max()


def size(model, names):
    return sum(p.numel() for name, p in model.named_parameters() if name in names)


@pytest.mark.parametrize("names", CHOICES, ids=lambda names: "+".join(names))
@pytest.mark.parametrize("tile", [1, 4, 10, 22, 512])
def test_jacobian_and_kernel(names, tile, monkeypatch):
    monkeypatch.setattr(layered, "TILE", tile)
    model, x, _ = network()
    u, layers = layered.sweep(model, x, names)
    expected = jacobian_by_hand(model, x, names)
    b = layered.sensitivities(layers)
    j = layered.jacobian(layers, b, size(model, names))
    assert np.array_equal(u.numpy(), model(x).detach().numpy())
    assert close(j @ np.eye(j.shape[1]), expected)
    assert close(j.H @ np.eye(j.shape[0]), expected.T)
    kernel = layered.kernel(layers, b)
    assert close(kernel, expected @ expected.T) and np.array_equal(kernel, kernel.T)


@pytest.mark.parametrize("names", CHOICES, ids=lambda names: "+".join(names))
@pytest.mark.parametrize("chunk", [1, 4, 11, 512])
def test_hessian_is_the_derivative_of_the_gradient(names, chunk, monkeypatch):
    """By central differences of Jᵀr/N: their error is h² of a third derivative, and ε/h; a shifted target is seen."""
    monkeypatch.setattr(layered, "CHUNK", chunk)
    model, x, f = network()
    p, step = size(model, names), 1e-5

    def gradient(v):
        moved, start = network()[0], 0
        for name, t in moved.named_parameters():
            if name in names:
                t.data += torch.from_numpy(v[start : start + t.numel()]).view_as(t)
                start += t.numel()
        residual = moved(x).detach().numpy() - f.numpy()
        return jacobian_by_hand(moved, x, names).T @ residual.ravel() / N

    difference = np.array([gradient(v) - gradient(-v) for v in step * np.eye(p)]) / (2 * step)
    h = layered.hessian(model, x, f, names, p) @ np.eye(p)
    assert close(h, h.T)
    assert np.abs(h - difference).max() <= 1e-8
    shifted = layered.hessian(model, x, f + 1e-4, names, p) @ np.eye(p)
    assert names == NAMES[5:] or np.abs(shifted - difference).max() > 1e-8


def test_only_the_layers_that_matter_are_kept():
    model, x, _ = network(nn.ReLU)
    assert [len(layered.sweep(model, x, names)[1]) for names in (NAMES, NAMES[2:], NAMES[4:])] == [3, 2, 1]
    _, (first, _, last) = layered.sweep(model, x, NAMES, bends=True)
    assert first.bend is None and last.slope is None
    assert layered.sweep(network(SquaredReLU)[0], x, NAMES, bends=True)[1][0].bend is not None
    assert not layered.sweep(network(Step)[0], x, NAMES)[1][0].slope.any()


def test_flops_are_those_of_the_matrix_products():
    model, x, _ = network(outputs=1)
    assembly, product = layered.kernel_flops(layered.sweep(model, x, NAMES)[1])
    assert assembly == N**2 * (2 + 4 + 4 + 3 + 3 + 1)  # half of 2 N² k for each Gram matrix of rank k
    assert product == 4 * N * (8 + 4 + 12 + 3 + 3 + 1)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.Sequential(nn.Linear(2, 2), Hat(), nn.Sequential(nn.Linear(2, 3), nn.GELU())), None),
        (nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(2, 2), nn.LeakyReLU()), None),
        (nn.Linear(2, 2), "Linear is not a Sequential"),
        (nn.Sequential(nn.ReLU()), "there is no Linear layer"),
        (nn.Sequential(nn.Linear(2, 2), nn.Flatten()), "Flatten is neither Linear nor elementwise"),
        (nn.Sequential(nn.Linear(2, 2), nn.PReLU()), "PReLU is neither Linear nor elementwise"),
        (nn.Sequential(nn.Linear(2, 2), Unknown()), "Unknown is neither Linear nor elementwise"),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))), "there is no Linear layer"),
        (nn.Sequential(*[nn.Linear(2, 2)] * 2), "layers share parameters"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_supported(model, reason):
    assert layered.unsupported(model) == reason


def test_a_datum_of_several_rows():
    model = nn.Sequential(nn.Linear(2, 2)).double()
    with pytest.raises(ValueError, match=r"one row for each datum at the first Linear layer, got \(3, 4, 2\)"):
        layered.sweep(model, torch.ones(3, 4, 2, dtype=torch.float64), ("0.weight",))
