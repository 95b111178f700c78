"""Jacobians and curvatures of shallow spline networks in linear time, against automatic differentiation of the module.

Every comparison is made twice: as the operators choose between running sums and single entries, and with running sums
for everything.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, hessian, jacrev

from fembridge.memory import memory_limit
from fembridge.networks import piecewise
from fembridge.networks.activations import NAMED, Hat, activation, breakpoints
from fembridge.networks.models import on_knots, shallow
from fembridge.networks.piecewise import jacobian, residual_curvature
from fembridge.networks.shallow import supported

EPS = np.finfo(float).eps
# what running sums may lose of a piece to monomials, and the constants of a spline's pieces in their own coordinate
ROUNDOFF = 32 * EPS * piecewise.AMPLIFICATION
TAU = [-1.5, -1.0, 0.25, 1.0, 3.0, 3.5]
SPLINES = {
    f"spline{p}": {"knots": TAU, "coefficients": [1.0, -2.0, 0.5, 3.0, -1.0][: 5 - p], "degree": p} for p in range(4)
}
SIGMA = {**{name: name for name in NAMED}, **SPLINES}


def network(spec, w, c, v, inner_bias=True, outer_bias=True):
    inner = nn.Linear(1, len(w), bias=inner_bias, dtype=torch.float64)
    outer = nn.Linear(len(w), 1, bias=outer_bias, dtype=torch.float64)
    with torch.no_grad():
        inner.weight.copy_(torch.tensor(w, dtype=torch.float64)[:, None])
        outer.weight.copy_(torch.tensor(v, dtype=torch.float64)[None])
        if inner_bias:
            inner.bias.copy_(torch.tensor(c, dtype=torch.float64))
    return nn.Sequential(inner, activation(spec), outer)


def case(spec, steepness, n, samples, seed=0):
    """A network with zeros −c/w about the data, one neuron constant, and data unsorted, repeated and on kinks."""
    rng = np.random.default_rng(seed)
    w = rng.choice([-1.0, 1.0], n) * 10 ** rng.uniform(0, np.log10(steepness), n)
    c = -w * rng.uniform(-0.2, 1.2, n)
    w[n // 2], c[n // 2] = 0.0, 0.75
    model = network(spec, w, c, rng.normal(size=n))
    tau = breakpoints(model[1]).numpy()
    with np.errstate(divide="ignore"):
        kinks = ((tau[:, None] - c) / w).ravel()
    kinks = kinks[np.abs(kinks) < 2]
    free = rng.uniform(0, 1, samples - samples // 2)
    x = np.concatenate([rng.choice(kinks, samples // 2), free])
    x[: samples // 8] = x[-(samples // 8) or len(x) :]
    return model, rng.permutation(x)


def dense(model, x):
    """∂f(x_i)/∂θ by reverse mode through the module itself."""
    parameters = dict(model.named_parameters())
    rows = jacrev(lambda p: functional_call(model, p, (torch.as_tensor(x)[:, None],))[:, 0])(parameters)
    return torch.cat([rows[name].reshape(len(x), -1) for name in parameters], 1).detach().numpy()


def dense_curvature(model, x, r):
    """Σ r_i ∇²f(x_i) by forward over reverse mode."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    sizes = [p.numel() for p in parameters.values()]
    column, weights = torch.as_tensor(x)[:, None], torch.as_tensor(r)

    def total(flat):
        parts = [part.reshape(p.shape) for part, p in zip(flat.split(sizes), parameters.values(), strict=True)]
        return weights @ functional_call(model, dict(zip(parameters, parts, strict=True)), (column,))[:, 0]

    return hessian(total)(torch.cat([p.ravel() for p in parameters.values()])).numpy()


def tolerance(model, x):
    """Of each column of J, and of Σ r ∇²f for |r| ≤ 1 in units of N: round-off of the pieces, and of z itself."""
    inner, sigma, outer = model
    w = inner.weight.detach().numpy()[:, 0]
    c = np.zeros_like(w) if inner.bias is None else inner.bias.detach().numpy()
    v, reach = np.abs(outer.weight.detach().numpy()[0]), np.abs(x).max()
    z = torch.as_tensor(np.multiply.outer(x, w) + c).requires_grad_()
    derivatives = [sigma(z)]
    for _ in range(3):
        last = derivatives[-1]
        derivatives.append(torch.autograd.grad(last.sum(), z, create_graph=True)[0] if last.requires_grad else 0 * z)
    s0, s1, s2, s3 = (d.detach().abs().max().item() for d in derivatives)
    dz = 4 * EPS * (np.abs(w) * reach + np.abs(c))
    value, slope, bend = ROUNDOFF * s0 + s1 * dz, ROUNDOFF * s1 + s2 * dz, ROUNDOFF * s2 + s3 * dz
    columns = [v * slope * reach, *([v * slope] if inner.bias is not None else []), value]
    columns = np.concatenate([*columns, *([[EPS]] if outer.bias is not None else [])])
    return columns, float((np.maximum(v * bend, slope)).max() * max(reach, 1) ** 2)


@pytest.fixture(params=["chosen", "running sums"])
def _method(request, monkeypatch):
    if request.param == "running sums":
        monkeypatch.setattr(piecewise, "PAIRS", 0)


def check(model, x, seed=0):
    """J by columns and by rows, and products with one vector and with many."""
    rng = np.random.default_rng(seed)
    J, D, (tol, _) = jacobian(model, x), dense(model, x), tolerance(model, x)
    assert J.shape == D.shape and J.dtype == np.float64
    assert (np.abs(J @ np.eye(J.shape[1]) - D) <= tol).all()
    assert (np.abs(J.rmatmat(np.eye(len(x))).T - D) <= len(x) * tol).all()  # running sums along the data
    u, g = rng.uniform(-1, 1, (J.shape[1], 3)), rng.uniform(-1, 1, (len(x), 3))
    sums = len(D) + len(D.T)  # of so many numbers, by the operator and by the dense product
    forward = np.abs(u).T @ (tol * sums + 2 * sums * EPS * np.abs(D).max(axis=0))
    backward = np.abs(g).sum(axis=0) * (tol * sums + 2 * sums * EPS * np.abs(D).max(axis=0))[:, None]
    assert (np.abs(J @ u - D @ u) <= forward).all()
    assert (np.abs(J.rmatmat(g) - D.T @ g) <= backward).all()
    assert (np.abs(J @ u[:, 0] - D @ u[:, 0]) <= forward[0]).all()
    assert (np.abs(J.rmatvec(g[:, 0]) - D.T @ g[:, 0]) <= backward[:, 0]).all()
    assert np.abs(np.vdot(g, J @ u) - np.vdot(J.rmatmat(g), u)) <= (np.abs(g).sum(axis=0) * forward).sum()


@pytest.mark.usefixtures("_method")
@pytest.mark.parametrize("steepness", [3.0, 1e3, 1e5], ids="{:g}".format)
@pytest.mark.parametrize("spec", SIGMA.values(), ids=SIGMA)
def test_jacobian_is_that_of_automatic_differentiation(spec, steepness):
    check(*case(spec, steepness, n=30, samples=64))


@pytest.mark.usefixtures("_method")
@pytest.mark.parametrize("spec", SIGMA.values(), ids=SIGMA)
def test_curvature_is_that_of_automatic_differentiation(spec):
    for steepness in (3.0, 1e3):
        model, x = case(spec, steepness, n=9, samples=40)
        r = np.random.default_rng(1).uniform(-1, 1, len(x))
        H, expected = residual_curvature(model, x, r), dense_curvature(model, x, r)
        tol = len(x) * tolerance(model, x)[1]
        assert np.abs(H - expected).max() <= tol
        assert (H != H.T).nnz == 0
        assert H.nnz <= 8 * 9
        # negative control
        assert np.abs(residual_curvature(model, x, r + 1e-3) - expected).max() > tol or not expected.any()


@pytest.mark.usefixtures("_method")
@pytest.mark.parametrize("spec", ["relu", "bspline2"])
@pytest.mark.parametrize("inner_bias", [True, False])
@pytest.mark.parametrize("outer_bias", [True, False])
@pytest.mark.parametrize(("n", "samples"), [(1, 1), (1, 7), (5, 1), (5, 7)])
def test_with_and_without_biases_down_to_one_neuron_and_one_sample(spec, inner_bias, outer_bias, n, samples):
    rng = np.random.default_rng(n + samples)
    w, c, v = rng.normal(size=(3, n)) * 2
    model, x = network(spec, w, c, v, inner_bias, outer_bias), rng.normal(size=samples)
    check(model, x)
    r = rng.uniform(-1, 1, samples)
    H = residual_curvature(model, x, r)
    assert np.abs(H - dense_curvature(model, x, r)).max() <= samples * tolerance(model, x)[1]


@pytest.mark.usefixtures("_method")
@pytest.mark.parametrize("spec", SIGMA.values(), ids=SIGMA)
def test_all_data_at_one_point(spec):
    model, _ = case(spec, 1e3, n=20, samples=20)
    zero = -model[0].bias.detach().numpy()[3] / model[0].weight.detach().numpy()[3, 0]
    check(model, np.full(30, zero))


@settings(max_examples=100, deadline=None)
@given(
    spec=st.sampled_from(list(SIGMA)),
    numbers=st.lists(st.tuples(st.integers(-8, 8), st.integers(-16, 16)), min_size=1, max_size=6),
    points=st.lists(st.integers(-16, 16), min_size=1, max_size=12),
    sums=st.booleans(),
)
def test_on_kinks_the_derivative_is_the_modules(spec, numbers, points, sums):
    """Halves and quarters: z is exact, and often a knot, where a sample on the wrong side is an error of order one."""
    w, c = (np.array(row) for row in zip(*numbers, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piecewise, "PAIRS", 0 if sums else piecewise.PAIRS)
        check(network(SIGMA[spec], w / 4, c / 4, np.ones(len(w))), np.array(points) / 2)


@pytest.mark.parametrize("spec", ["relu", "hat", "relu2", "bspline3"])
@pytest.mark.parametrize("steepness", [3.0, 1e4])
def test_many_neurons_and_samples(spec, steepness):
    model, x = case(spec, steepness, n=400, samples=3000)
    inner, sigma, outer = model
    z = inner(torch.as_tensor(x)[:, None]).detach().requires_grad_()
    value = sigma(z)
    slope = outer.weight[0].detach() * torch.autograd.grad(value.sum(), z)[0]
    D = torch.cat([slope * torch.as_tensor(x)[:, None], slope, value, torch.ones(len(x), 1)], 1).detach().numpy()
    J, tol = jacobian(model, x), tolerance(model, x)[0]
    rng = np.random.default_rng(0)
    u, g = rng.uniform(-1, 1, (J.shape[1], 2)), rng.uniform(-1, 1, (len(x), 2))
    # running sums of k roundings at random lose √k of them, and the factor of ROUNDOFF is the worst of all pieces
    assert (np.abs(J @ u - D @ u) <= np.abs(u).T @ tol).all()
    assert (np.abs(J.rmatmat(g) - D.T @ g) <= np.abs(g).sum(axis=0) * tol[:, None]).all()


@pytest.mark.parametrize("name", ["0.weight", "0.bias", "2.weight"])
def test_another_parameter_is_another_jacobian(name):
    """Negative control: a change in the seventh digit is far outside the tolerances."""
    model, x = case("bspline2", 3.0, n=30, samples=64)
    expected, tol = dense(model, x), tolerance(model, x)[0]
    with torch.no_grad():
        model.get_parameter(name).mul_(1 + 1e-7)
    assert (np.abs(jacobian(model, x) @ np.eye(91) - expected) > tol).any()


def test_a_sample_beside_the_kink_is_another_sample():
    """Negative control: the least step across a kink changes σ' by its jump."""
    model = network("relu", [3.0], [-0.3], [1.0], outer_bias=False)
    beside = np.nextafter(0.1, [0.0, 1.0])
    slopes = jacobian(model, [beside[0], 0.1, beside[1]]) @ np.array([0.0, 1.0, 0.0])
    assert (slopes == dense(model, np.array([beside[0], 0.1, beside[1]]))[:, 1]).all()
    assert slopes[0] == 0 and slopes[2] == 1


def test_a_float32_model_is_its_numbers_in_float64():
    model, x = case("bspline2", 3.0, n=5, samples=9)
    single = model.to(torch.float32)
    first = jacobian(single, x) @ np.eye(16)
    assert first.dtype == np.float64
    assert (first == jacobian(single.to(torch.float64), x) @ np.eye(16)).all()


def test_the_operator_does_not_follow_the_model():
    model, x = case("relu", 3.0, n=5, samples=9)
    J = jacobian(model, x)
    before = J @ np.ones(16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    assert (J @ np.ones(16) == before).all()


def test_points_may_be_a_tensor_and_rows_keep_their_order():
    model, x = case("hat", 3.0, n=5, samples=9)
    u = np.ones(16)
    backwards = jacobian(model, torch.as_tensor(x[::-1].copy())) @ u
    assert np.allclose(backwards[::-1], jacobian(model, x) @ u, rtol=0, atol=1e-13)


def test_a_jacobian_too_large_is_refused():
    model, x = case("hat", 3.0, n=50, samples=100)
    with memory_limit(1e-6), pytest.raises(MemoryError, match="the Jacobian needs"):
        jacobian(model, x)


def tied():
    model = nn.Sequential(nn.Linear(1, 1), Hat(), nn.Linear(1, 1))
    model[2].weight = model[0].weight
    return model


GRID = on_knots("hat", np.arange(4) / 4, (0.0, 1.0))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (GRID, True),
        (nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 1)), True),
        (nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)), False),
        (nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), False),
        (nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 2)), False),
        (nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(4, 1)), False),
        (nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)), False),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(1, 3)), nn.ReLU(), nn.Linear(3, 1)), False),
        (tied(), False),
        (nn.Linear(1, 1), False),
    ],
    ids=lambda value: "" if isinstance(value, nn.Module) else str(value),
)
def test_what_is_supported(model, answer):
    assert supported(model) is answer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jacobian(nn.Linear(1, 1), [0.0]), r"model: expected Sequential\(Linear\(1, n\), a piecewise"),
        (lambda: jacobian(shallow(nn.Tanh(), [1.0], [0.0]), [0.0]), "model: expected Sequential"),
        (lambda: jacobian(GRID, []), r"x: expected one row of finite numbers, got an array of shape \(0,\)"),
        (lambda: jacobian(GRID, [[0.0]]), r"x: expected one row of finite numbers, got an array of shape \(1, 1\)"),
        (lambda: jacobian(GRID, [0.0, np.nan]), "x: expected one row of finite numbers"),
        (lambda: jacobian(GRID, [-1e308, 1e308]), "x: expected points at which w x"),
        (lambda: jacobian(network("relu2", [1e200], [0.0], [1.0]), [0, 1]), "model: expected derivatives within"),
        (lambda: jacobian(network("relu", [np.inf], [0.0], [1.0]), [0.0]), "model: expected finite parameters"),
        (lambda: residual_curvature(GRID, [0.0, 0.5], [1.0]), "r: expected one number for each of the 2 points, got 1"),
        (lambda: residual_curvature(GRID, [0.0], [np.inf]), "r: expected one row of finite numbers"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
