"""Curvature against dense automatic differentiation: one table of networks, every method that applies to each.

An entry of J, J Jᵀ, JᵀJ/N or the Hessian of these networks is a sum of products along at most four layers of at most
ten neurons, over at most a dozen data: fewer than 1000 roundings, each of ε times a partial sum, which is of the size
of the largest entry. So two right answers agree to 1000 ε of the largest entry, in whichever precision.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import aslinearoperator
from torch import nn
from torch.autograd.functional import jacobian
from torch.func import functional_call

from fembridge.memory import memory_limit
from fembridge.networks.activations import BSpline, Hat, SplineActivation, SquaredReLU
from fembridge.networks.curvature import Curvature, dense, gauss_newton, hessian, ntk
from fembridge.networks.leading import top_eigenvalues
from fembridge.networks.perceptrons import perceptron

N = 12


class Residual(nn.Module):
    """No Sequential: a skip connection, a normalisation, and a weight used twice."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.outer = nn.Linear(4, 2)

    def forward(self, x):
        h = x + torch.tanh(self.inner(x))
        return self.outer(self.norm(h + self.inner(h)))


def frozen(model):
    model[0].requires_grad_(False)
    return model


def wavelet():
    return SplineActivation([-2, -1, 0.5, 1, 3], [1.0, -2.0], degree=2)


def convolution():
    return nn.Sequential(nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4, 2))


def normalised():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)).eval()


def tied():
    middle = nn.Linear(3, 3)
    return nn.Sequential(middle, nn.Tanh(), middle, nn.Linear(3, 1))


FAST, ANY = ("layers", "general"), ("general",)
SPLINE = ("piecewise", *FAST)
# name: a network, the shape of a datum, the parameters, the methods that apply with the one of "auto" in front
CASES = {
    "relu": (lambda: mlp(nn.ReLU(), 1, 6, 5, 1), (1,), "*", FAST),
    "relu, two outputs": (lambda: mlp(nn.ReLU(), 3, 5, 2), (3,), "*", FAST),
    "tanh": (lambda: mlp(nn.Tanh(), 2, 4, 4, 3), (2,), "*", FAST),
    "hat": (lambda: mlp(Hat(), 1, 6, 4, 1), (1,), "*", FAST),
    "quadratic spline": (lambda: mlp(BSpline(2), 2, 5, 4, 1), (2,), "*", FAST),
    "smooth output": (lambda: nn.Sequential(*mlp(nn.GELU(), 2, 4, 2), nn.Softplus()), (2,), "*", FAST),
    "in place": (lambda: mlp(nn.ReLU(inplace=True), 1, 4, 4, 1), (1,), "*", FAST),
    "no bias": (lambda: mlp(nn.Tanh(), 2, 4, 4, 1, bias=False), (2,), "*", FAST),
    "flatten, nested": (lambda: nn.Sequential(nn.Flatten(), mlp(nn.SiLU(), 4, 3, 2)), (2, 2), "*", FAST),
    "weights": (lambda: mlp(nn.Tanh(), 2, 4, 3, 1), (2,), "*.weight", FAST),
    "biases": (lambda: mlp(nn.Tanh(), 2, 4, 3, 1), (2,), "*.bias", FAST),
    "first layer": (lambda: mlp(nn.Tanh(), 2, 4, 3, 1), (2,), "0.*", FAST),
    "middle and last": (lambda: mlp(nn.Tanh(), 2, 4, 3, 1), (2,), ("2.weight", "4.b*"), FAST),
    "frozen": (lambda: frozen(mlp(nn.ReLU(), 1, 5, 5, 1)), (1,), "*", FAST),
    "float32": (lambda: mlp(nn.Tanh(), 2, 4, 3, 2).float(), (2,), "*", FAST),
    "scaled": (lambda: perceptron("tanh", [2, 4, 3, 1], parametrisation="ntk"), (2,), "*", FAST),
    "scaled, two outputs": (lambda: perceptron("relu2", [2, 4, 3, 2], init="he", output_scale=0.3), (2,), "*", FAST),
    "scaled weights": (lambda: perceptron("hat", [1, 6, 1], parametrisation="ntk"), (1,), "[02].weight", FAST),
    "shallow relu": (lambda: mlp(nn.ReLU(), 1, 8, 1), (1,), "*", SPLINE),
    "shallow hat": (lambda: mlp(Hat(), 1, 8, 1), (1,), ("0.weight", "2.*"), SPLINE),
    "shallow spline": (lambda: mlp(wavelet(), 1, 8, 1), (1,), "*", SPLINE),
    "shallow squared": (lambda: frozen(mlp(SquaredReLU(), 1, 8, 1, bias=False)), (1,), "*", SPLINE),
    "shallow float32": (lambda: mlp(nn.ReLU(), 1, 8, 1).float(), (1,), "*", FAST),
    "convolution": (convolution, (1, 4), "*", ANY),
    "residual": (Residual, (4,), "*", ANY),
    "batch normalisation": (normalised, (3,), "*", ANY),
    "tied": (tied, (3,), "*", ANY),
}
RUNS = [(name, method) for name, (*_, methods) in CASES.items() for method in ("auto", *methods)]


def mlp(sigma, *widths, bias=True):
    modules = []
    for m, n in itertools.pairwise(widths):
        modules += [nn.Linear(m, n, bias=bias), sigma]
    return nn.Sequential(*modules[:-1])


def case(name):
    """The network, its data, targets and parameters, all from one seed."""
    build, shape, parameters, methods = CASES[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build()
        model = model if "float32" in name else model.double()
        dtype = next(model.parameters()).dtype
        x = torch.randn(N, *shape, dtype=dtype)
        return model, x, torch.randn_like(model(x)).detach(), parameters, methods


def oracle(model, x, f, names):
    """J and the Hessian, dense, row by row: batched, LayerNorm's second derivatives come out wrong (torch 2.13)."""
    everything = {name: p.detach() for name, p in model.named_parameters()}
    chosen = {name: everything[name] for name in names}
    theta = torch.cat([p.flatten() for p in chosen.values()])

    def u(v):
        parts = v.split([p.numel() for p in chosen.values()])
        free = {name: part.view_as(chosen[name]) for name, part in zip(chosen, parts, strict=True)}
        return functional_call(model, {**everything, **free}, (x,), tie_weights=False)

    def loss(v):
        return (u(v) - f).square().sum() / (2 * len(x))

    second = torch.autograd.functional.hessian(loss, theta)
    return jacobian(lambda v: u(v).flatten(), theta).double().numpy(), second.double().numpy()


def agree(a, b, dtype):
    return a.shape == b.shape and np.abs(a - b).max() <= 1000 * torch.finfo(dtype).eps * np.abs(b).max()


@pytest.mark.parametrize(("name", "method"), RUNS)
def test_every_method_gives_the_matrices_of_automatic_differentiation(name, method):
    model, x, f, parameters, methods = case(name)
    before = {key: t.clone() for key, t in model.state_dict().items()}
    g, k, h = (
        gauss_newton(model, x, parameters, method),
        ntk(model, x, parameters, method),
        hessian(model, x, f, parameters, method),
    )
    j, second = oracle(model, x, f, g.names)
    expected = (g, j.T @ j / N), (k, j @ j.T), (h, second)
    words = {"piecewise": "sums along the sorted data", "layers": "layer products", "general": "torch.func"}
    for curvature, matrix in expected:
        assert curvature.method == words[methods[0] if method == "auto" else method]
        assert agree(dense(curvature), matrix, x.dtype)
        assert agree(curvature.operator @ np.eye(len(matrix)), matrix, x.dtype)
    assert all(torch.equal(t, before[key]) for key, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", ["tanh", "shallow hat", "convolution"])
def test_negative_control(name):
    model, x, f, parameters, _ = case(name)
    right = hessian(model, x, f, parameters)
    j, second = oracle(model, x, f, right.names)
    assert not agree(dense(right), j.T @ j / N, x.dtype)
    assert not agree(dense(hessian(model, x, f + 1e-9, parameters)), second, x.dtype)
    assert not agree(dense(ntk(model, x.flip(0), parameters)), j @ j.T, x.dtype)
    assert not agree(dense(gauss_newton(model, x[1:], parameters)), j.T @ j / N, x.dtype)


@pytest.mark.parametrize(("name", "method"), [run for run in RUNS if run[1] != "auto" and "float32" not in run[0]])
def test_the_transpose_is_the_transpose(name, method):
    model, x, f, parameters, _ = case(name)
    rng = np.random.default_rng(0)
    root = gauss_newton(model, x, parameters, method).root
    v, g = rng.standard_normal(root.shape[1]), rng.standard_normal(root.shape[0])
    r = np.abs(root @ np.eye(len(v)))
    assert abs(g @ (root @ v) - (root.H @ g) @ v) <= 1000 * np.finfo(float).eps * np.abs(g) @ r @ np.abs(v)
    h = hessian(model, x, f, parameters, method).operator
    w = rng.standard_normal(len(v))
    bound = 1000 * np.finfo(float).eps * np.linalg.norm(h @ np.eye(len(v))) * np.linalg.norm(v) * np.linalg.norm(w)
    assert abs(w @ (h @ v) - v @ (h @ w)) <= bound


@pytest.mark.parametrize("name", ["tanh", "relu, two outputs"])
def test_curvlinops_agrees(name):
    peer = pytest.importorskip("curvlinops")
    model, x, f, *_ = case(name)
    data, parameters = [(x, f)], list(model.parameters())
    identity = torch.eye(sum(p.numel() for p in parameters), dtype=x.dtype)
    ours = gauss_newton(model, x), hessian(model, x, f)
    for curvature, operator in zip(ours, (peer.GGNLinearOperator, peer.HessianLinearOperator), strict=True):
        theirs = operator(model, nn.MSELoss(), parameters, data) @ identity  # the mean of (u − f)² over all outputs
        assert agree(dense(curvature), theirs.detach().numpy() * f.shape[1] / 2, x.dtype)


def larger(seed=0, width=20, n=400):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = mlp(nn.Tanh(), 1, width, width, 1).double()
    x = torch.linspace(-2, 2, n, dtype=torch.float64)
    return model, x, torch.sin(3 * x)


@pytest.mark.parametrize(
    ("width", "n", "side"), [(20, 400, 400), (20, 600, 481), (20, 100, 100), (8, 400, 97)], ids=str
)
@pytest.mark.parametrize("method", ["layers", "general"])
def test_gauss_newton_and_kernel_share_eigenvalues(width, n, side, method):
    model, x, _ = larger(width=width, n=n)
    g, k = gauss_newton(model, x, method=method), ntk(model, x, method=method)
    exact = np.linalg.eigvalsh(dense(g))[::-1][:6]
    for pairs, scale, a in ((top_eigenvalues(g, 6), 1, g), (top_eigenvalues(k, 6), n, k)):
        check(pairs, exact * scale, a)
        assert pairs.method.startswith(f"{'LAPACK' if side <= 300 else 'Lanczos'} on {side} × {side}")


def check(pairs, exact, curvature):
    """Each value within its residual of an eigenvalue, and the residuals what they say, to round-off n ε ‖A‖."""
    roundoff = len(pairs.vectors) * np.finfo(float).eps * np.abs(exact).max()
    assert (np.diff(pairs.values) <= 0).all()
    assert (np.abs(pairs.values - exact) <= pairs.residuals + roundoff).all()
    assert (pairs.residuals <= 1e-10 * np.abs(pairs.values) + roundoff).all()
    direct = np.linalg.norm(curvature.operator @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
    assert (np.abs(direct - pairs.residuals) <= roundoff).all()
    assert np.allclose(np.linalg.norm(pairs.vectors, axis=0), 1, rtol=0, atol=roundoff + 1e-14)


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
@pytest.mark.parametrize("width", [8, 20])
def test_ends_of_the_hessian(which, width):
    model, x, f = larger(width=width)
    h = hessian(model, x, f)
    every = np.linalg.eigvalsh(dense(h))
    order = np.argsort({"largest": -every, "smallest": every, "magnitude": -np.abs(every)}[which])
    pairs = top_eigenvalues(h, 5, which)
    check(pairs, np.sort(every[order[:5]])[::-1], h)
    again = top_eigenvalues(h, 5, which)
    assert np.array_equal(pairs.values, again.values) and np.array_equal(pairs.vectors, again.vectors)


@pytest.mark.parametrize("copies", [2, 150])
def test_more_eigenvalues_than_the_rank(copies):
    model, x, _ = larger(n=3)
    pairs = top_eigenvalues(gauss_newton(model, x.repeat(copies)), 5)  # of rank 3
    assert (pairs.values[:3] > 1e-4).all() and np.abs(pairs.values[3:]).max() < 1e-12
    assert pairs.residuals.max() < 1e-12 and np.allclose(pairs.vectors.T @ pairs.vectors, np.eye(5), atol=1e-9)


def test_a_matrix_of_zeros():
    model = mlp(nn.ReLU(), 1, 200, 1).double()
    nn.init.zeros_(model[2].weight)
    pairs = top_eigenvalues(gauss_newton(model, np.linspace(0, 1, 500), "0.*"), 2)
    assert not pairs.values.any() and not pairs.residuals.any()


def test_a_solver_that_did_not_converge_says_so():
    model, x, f = larger()
    with pytest.raises(RuntimeError, match=r"\d of 10 eigenvalues converged to 1e-14 in 1 restarts"):
        top_eigenvalues(hessian(model, x, f), 10, "magnitude", tolerance=1e-14, restarts=1)


def test_little_memory():
    model, x, f = larger(width=40)
    whole = hessian(model, x, f), gauss_newton(model, x)
    v = np.random.default_rng(0).standard_normal(1761)
    with memory_limit(1e-3):
        parts = hessian(model, x, f), gauss_newton(model, x)
        for small, large in zip(parts, whole, strict=True):
            assert "torch.func, " in small.method and "data at a time" in small.method
            expected = large.operator @ v
            assert np.abs(small.operator @ v - expected).max() <= 400 * 1e-15 * np.abs(expected).max()
            with pytest.raises(MemoryError, match="a dense matrix of 1761 rows needs"):
                dense(small)
        with pytest.raises(MemoryError, match="100 eigenvectors of 1761 rows"):
            top_eigenvalues(parts[0], 100)
        with pytest.raises(ValueError, match="would not fit"):
            hessian(model, x, f, method="layers")
    with memory_limit(1e-6), pytest.raises(MemoryError, match="a single datum"):
        hessian(model, x, f)


def test_a_kernel_that_would_not_fit_is_not_assembled():
    model, x, _ = larger(width=20, n=450)
    g = gauss_newton(model, x)
    assembled = top_eigenvalues(g, 3)
    with memory_limit(2e-3):
        free = top_eigenvalues(g, 3)
    assert np.allclose(free.values, assembled.values, rtol=1e-10, atol=0)


def test_arguments():
    model, x, f, *_ = case("tanh")
    bad = x.clone()
    bad[3, 1] = torch.nan
    errors = [
        (lambda: gauss_newton(model, bad), "x: expected finite"),
        (lambda: gauss_newton(model, x[:0]), "x: expected finite numbers, one row or more"),
        (lambda: gauss_newton(model, x[:, :1]), "model: does not take data of shape"),
        (lambda: gauss_newton(model, x, "5.*"), "expected a glob that matches one of 0.weight, 0.bias, .* got '5"),
        (lambda: gauss_newton(model, x, ("0.*", "bias")), "got 'bias'"),
        (lambda: gauss_newton(model, x, ()), "expected a glob"),
        (lambda: gauss_newton(model, x, method="fast"), "method: expected one of auto, piecewise"),
        (lambda: gauss_newton(model, x, method="piecewise"), "not a shallow spline network"),
        (lambda: ntk(convolution().double(), torch.randn(3, 1, 4), method="layers"), "Conv1d is neither"),
        (lambda: gauss_newton(mlp(nn.ReLU(), 1, 2, 1), [0.5], method="piecewise"), "not in float64"),
        (lambda: hessian(model, x, f[1:]), "f: expected 3 for each of 12 data"),
        (lambda: hessian(model, x, f[:, 0]), "f: expected 3 for each of 12 data"),
        (lambda: hessian(model, x, f * torch.inf), "f: expected finite"),
        (lambda: gauss_newton(normalised().train(), x), "BatchNorm1d is random or mixes the data"),
        (lambda: gauss_newton(nn.Sequential(nn.Linear(2, 1), nn.Dropout()), x), "Dropout is random"),
        (lambda: gauss_newton(nn.Sequential(nn.ReLU()), x), "model: expected parameters"),
        (lambda: top_eigenvalues(gauss_newton(model, x), 0), "k: expected a whole number from 1 to 47"),
        (lambda: top_eigenvalues(gauss_newton(model, x), 48), "k: expected"),
        (lambda: top_eigenvalues(gauss_newton(model, x), which="LA"), "which: expected one of largest"),
        (lambda: top_eigenvalues(gauss_newton(model, x), tolerance=0), "tolerance, restarts"),
    ]
    for call, message in errors:
        with pytest.raises(ValueError, match=message):
            call()


def test_hooks_are_run():
    model, x, *_ = case("relu")
    plain = dense(gauss_newton(model, x))
    model[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    hooked = gauss_newton(model, x)
    assert hooked.method == "torch.func" and not np.allclose(dense(hooked), plain)


def test_numpy_and_rows_of_data():
    model, x, f, *_ = case("relu")
    a = dense(hessian(model, x, f))
    assert np.array_equal(a, dense(hessian(model, x[:, 0].numpy(), f[:, 0].tolist())))


def test_whole_numbers_reach_an_embedding():
    model = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 1)).double()
    g = gauss_newton(model, torch.tensor([0, 3, 3]), "0.*")
    assert g.operator.shape == (10, 10) and np.linalg.matrix_rank(dense(g)) == 2


def test_any_symmetric_operator():
    a = np.diag(np.arange(1.0, 501))
    pairs = top_eigenvalues(Curvature(aslinearoperator(a), "given", ()), 3)
    assert np.allclose(pairs.values, [500, 499, 498], rtol=1e-12, atol=0)
