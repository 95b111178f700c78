"""Activations against closed forms, SciPy's B-splines, and what PyTorch asks of a module."""

from __future__ import annotations

import io

import numpy as np
import pytest
import scipy.interpolate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fembridge.networks.activations import (
    NAMED,
    BSpline,
    Hat,
    SplineActivation,
    SquaredReLU,
    Step,
    activation,
    breakpoints,
    degree,
    piecewise_polynomials,
)

EPS = np.finfo(float).eps
WAVELET = {"knots": np.arange(9) / 2, "coefficients": np.array([1, -8, 23, -32, 23, -8, 1]) / 6, "degree": 1}
UNEVEN = {"knots": [-1.0, 0.5, 0.7, 2.0, 5.0, 5.5], "coefficients": [2.0, -1.0, 0.5], "degree": 2}
SPECS = [*NAMED, WAVELET, UNEVEN]
CLOSED_FORMS = {
    "relu": lambda z: np.maximum(z, 0),
    "relu2": lambda z: np.maximum(z, 0) ** 2,
    "leaky-relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "step": lambda z: np.where(z >= 0, 1.0, 0.0),
    "hat": lambda z: np.interp(z, [0, 1, 2], [0, 1, 0]),
    "bspline0": lambda z: np.where((z >= 0) & (z < 1), 1.0, 0.0),
    "bspline1": lambda z: np.interp(z, [0, 1, 2], [0, 1, 0]),
    "bspline2": lambda z: truncated_powers(z, [1, -3, 3, -1], 2) / 2,
    "bspline3": lambda z: truncated_powers(z, [1, -4, 6, -4, 1], 3) / 6,
}


def name(spec):
    return spec if isinstance(spec, str) else f"spline{spec['degree']}"


def truncated_powers(z, factors, power):
    return sum(c * np.maximum(z - m, 0) ** power for m, c in enumerate(factors)) * (z < len(factors) - 1)


def tensor(values, **options):
    return torch.tensor(np.asarray(values), dtype=torch.float64, **options)


def between_knots(module):
    """Points well inside each piece, and outside all knots."""
    tau = np.concatenate([[-3.0], breakpoints(module).numpy(), [8.0]])
    return tensor(np.concatenate([tau[:-1] + f * np.diff(tau) for f in (0.3, 0.55)]), requires_grad=True)


@pytest.mark.parametrize("key", CLOSED_FORMS)
def test_values_are_the_closed_form(key):
    z = np.linspace(-2, 6, 801)
    # the truncated powers cancel: their sum carries 10 roundings of terms up to 6·5³
    bound = 10 * EPS * 750 if key in ("bspline2", "bspline3") else 4 * EPS
    assert np.abs(activation(key)(tensor(z)).numpy() - CLOSED_FORMS[key](z)).max() <= bound


@pytest.mark.parametrize("spec", [WAVELET, UNEVEN], ids=name)
def test_a_spline_is_the_sum_of_its_b_splines(spec):
    z = np.linspace(-2, 7, 1000)
    tau, c, p = np.asarray(spec["knots"]), np.asarray(spec["coefficients"]), spec["degree"]
    expected = sum(
        c[m] * np.nan_to_num(scipy.interpolate.BSpline.basis_element(tau[m : m + p + 2], extrapolate=False)(z))
        for m in range(len(c))
    )
    # each basis function: p levels of a few roundings, divided by knot differences that amplify by at most their ratio
    bound = 20 * (p + 1) * EPS * np.abs(c).sum() * np.ptp(tau) / np.diff(tau).min()
    assert np.abs(activation(spec)(tensor(z)).numpy() - expected).max() <= bound


@pytest.mark.parametrize("p", range(5))
def test_shifted_b_splines_sum_to_one_and_recur(p):
    z = tensor(np.random.default_rng(0).uniform(p, p + 1, 200))
    assert (sum(BSpline(p)(z - m) for m in range(-p - 1, p + 2)) - 1).abs().max() <= 20 * (p + 1) * EPS
    if p:
        lower, z = BSpline(p - 1), tensor(np.linspace(-1, p + 2, 301))
        recursion = (z * lower(z) + (p + 1 - z) * lower(z - 1)) / p
        assert (BSpline(p)(z) - recursion).abs().max() <= 20 * (p + 1) * EPS


def test_another_degree_is_told_apart():
    """Negative control of the comparisons above: the bound that B_2 meets is far from met by B_3."""
    z = np.linspace(-2, 6, 801)
    assert np.abs(BSpline(3)(tensor(z)).numpy() - CLOSED_FORMS["bspline2"](z)).max() > 0.1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4), st.integers(1, 5), st.randoms(use_true_random=False))
def test_polynomial_pieces_meet_with_all_but_one_derivative(p, count, random):
    tau = np.cumsum([random.uniform(0.2, 1.0) for _ in range(p + 1 + count)])
    c = np.array([random.uniform(-1, 1) for _ in range(count)])
    left, pieces = piecewise_polynomials(tau, c, p)
    assert not pieces[:, [0, -1]].any()
    for order in range(p):
        powers = np.array([np.polynomial.polynomial.polyder(column, order) for column in pieces.T])
        ends = [np.polynomial.polynomial.polyval(t - left[i], powers[i]) for i, t in enumerate(tau)]
        # derivative `order` of a piece is of size up to (p/step)^order, each step at least 0.2
        bound = 100 * EPS * (p / 0.2) ** order * (1 + p) ** 2 / 0.2**p
        assert np.abs(np.array(ends) - powers[1:, 0]).max() <= bound


def test_the_hat_is_exact_and_is_the_first_b_spline():
    z = np.concatenate([np.linspace(0, 2, 1001), [1e-300, 2 - 2 * EPS, -1.0, 3.0]])
    exact = np.clip(np.minimum(z, 2 - z), 0, None)
    assert (Hat()(tensor(z)).numpy() == exact).all()
    assert (Hat()(tensor(z)) - BSpline(1)(tensor(z))).abs().max() <= 4 * EPS


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_gradients_are_exact_between_knots(spec):
    module = activation(spec)
    z = between_knots(module)
    assert torch.autograd.gradcheck(module, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(module, z)


@pytest.mark.parametrize(
    ("spec", "knots", "slopes"),
    [
        ("hat", [0, 1, 2], [1, -1, 0]),
        ("bspline0", [0, 1], [0, 0]),
        ("bspline1", [0, 1, 2], [1, -1, 0]),
        ("bspline2", [0, 1, 2, 3], [0, 1, -1, 0]),
        ("relu2", [0], [0]),
        ("step", [0], [0]),
        (WAVELET, WAVELET["knots"], np.diff([0, 1, -8, 23, -32, 23, -8, 1, 0], append=0) / 3),
    ],
    ids=str,
)
def test_the_slope_at_a_knot_is_the_one_to_its_right(spec, knots, slopes):
    module = activation(spec)
    z = tensor(knots, requires_grad=True)
    module(z).sum().backward()
    _, tangent = torch.func.jvp(module, (z.detach(),), (torch.ones_like(z),))
    assert z.grad is not None
    for slope in (z.grad, tangent):
        assert np.abs(slope.numpy() - slopes).max() <= 40 * EPS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_any_shape_and_dtype(spec, shape, dtype):
    module = activation(spec)
    z = torch.linspace(-1, 6, int(np.prod(shape)), dtype=dtype).reshape(shape)
    out = module(z)
    assert out.shape == shape
    assert out.dtype == dtype
    # the input is the same number in both; 30 roundings, on spline values and coefficients up to 36
    assert (out.double() - module(z.double())).abs().sum() <= 30 * torch.finfo(dtype).eps * 36 * max(1, z.numel())
    if z.ndim > 1:
        assert torch.equal(module(z.transpose(0, 1)), out.transpose(0, 1))


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_infinity_and_not_a_number(spec):
    module = activation(spec)
    z = tensor([np.nan, -np.inf, np.inf, 1e200, -1e200], requires_grad=True)
    out = module(z)
    assert out[0].isnan()
    assert not out[1:].isnan().any()
    if isinstance(module, SplineActivation | Hat):
        out[1:].sum().backward()
        assert z.grad is not None
        assert not out[1:].any()
        assert not z.grad[1:].any()


@pytest.mark.parametrize("spec", SPECS, ids=name)
def test_function_transforms_agree_with_autograd(spec):
    module = activation(spec)
    z = between_knots(module).detach()
    reversed_ = torch.autograd.functional.jacobian(module, z)
    assert torch.equal(torch.func.vmap(module)(z[:, None])[:, 0], module(z))
    assert torch.equal(torch.func.jacrev(module)(z), reversed_)
    slope = torch.func.jvp(module, (z,), (torch.ones_like(z),))[1]
    one_by_one = torch.func.vmap(torch.func.grad(module))(z)
    scale = 30 * EPS * (1 + reversed_.abs().max())
    assert (slope - reversed_.diagonal()).abs().max() <= scale
    assert (one_by_one - reversed_.diagonal()).abs().max() <= scale


@pytest.mark.slow  # the compiler takes half a minute
def test_compiles_and_differentiates_alike():
    z = tensor(np.linspace(-1, 5, 61), requires_grad=True)
    modules = nn.ModuleList([Hat(), BSpline(2), Step(), SquaredReLU()])

    def total(z):
        return sum(module(z).sum() for module in modules)

    try:
        torch.compile(lambda t: t + 1)(torch.zeros(2))
    except Exception as error:
        pytest.skip(f"no working compiler: {type(error).__name__}")
    compiled = torch.compile(total, fullgraph=True)
    # 61 terms of at most 25, and slopes of at most 10, in another order
    assert (compiled(z) - total(z)).abs() <= 4 * 61 * 25 * EPS
    slopes = [torch.autograd.grad(f(z), z)[0] for f in (compiled, total)]
    assert (slopes[0] - slopes[1]).abs().max() <= 100 * EPS


@pytest.mark.parametrize("key", ["hat", "bspline0", "bspline3"])
def test_knots_and_coefficients_are_buffers(key):
    module = activation(key)
    assert set(module.state_dict()) == {"knots", "coefficients"}
    assert not list(module.parameters())
    single = activation(key).to(torch.float32)
    assert {b.dtype for b in single.buffers()} == {torch.float32}
    assert single(torch.ones(2)).dtype == torch.float32
    assert {b.device.type for b in activation(key).to("meta").buffers()} == {"meta"}


def test_loading_a_state_reshapes_the_spline():
    first = SplineActivation([0.0, 1.0, 3.0], [2.0], 1)
    second = SplineActivation([-1.0, 0.0, 0.5], [-1.0], 1)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    z = tensor(np.linspace(-2, 4, 100))
    assert not torch.equal(first(z), second(z))
    second.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(first(z), second(z))


def test_breakpoints_and_degrees():
    expected = {"relu": 1, "relu2": 2, "leaky-relu": 1, "step": 0, "hat": 1, **{f"bspline{p}": p for p in range(4)}}
    for key, p in expected.items():
        module = activation(key)
        assert degree(module) == p
        last = p + 1 if key.startswith("bspline") else 2 if key == "hat" else 0
        assert breakpoints(module).tolist() == list(range(last + 1))
    assert breakpoints(activation(UNEVEN)).tolist() == UNEVEN["knots"]
    with pytest.raises(ValueError, match="activation: expected a piecewise polynomial, got Tanh"):
        degree(nn.Tanh())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("swish", "activation: expected one of relu, .*, or {knots, coefficients, degree}, got 'swish'"),
        ("bspline4", "got 'bspline4'"),
        (3, "got 3"),
        ({"knots": [0, 1]}, "got the keys knots"),
        (WAVELET | {"scale": 1}, "got the keys knots, coefficients, degree, scale"),
        (WAVELET | {"degree": 1.5}, "activation.degree: expected a whole number from 0 on, got 1.5"),
        (WAVELET | {"degree": True}, "activation.degree: .* got True"),
        (WAVELET | {"degree": -1}, "activation.degree: .* got -1"),
        (WAVELET | {"degree": 2}, "activation.coefficients: expected 6 for 9 knots and degree 2, got 7"),
        (WAVELET | {"degree": 8}, r"activation.knots: expected at least degree \+ 2 = 10 knots, got 9"),
        (
            UNEVEN | {"knots": [0, 1, 1, 2, 3, 4]},
            "activation.knots: expected strictly increasing knots, got 1 before 1",
        ),
        (UNEVEN | {"knots": [0, 1, 3, 2, 4, 5]}, "activation.knots: .* got 3 before 2"),
        (UNEVEN | {"knots": [0, 1, 2, 3, 4, np.nan]}, "activation.knots: expected one row of finite numbers"),
        (UNEVEN | {"coefficients": [1, 2, np.inf]}, "activation.coefficients: expected one row of finite numbers"),
        (UNEVEN | {"coefficients": [[1, 2, 3]]}, "activation.coefficients: expected one row"),
        (UNEVEN | {"coefficients": "abc"}, "activation.coefficients: expected one row of numbers, got 'abc'"),
    ],
    ids=str,
)
def test_a_bad_activation_is_one_clear_line(spec, message):
    with pytest.raises(ValueError, match=message) as caught:
        activation(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", [Hat(), BSpline(2), Step(), SquaredReLU()], ids=lambda m: type(m).__name__)
def test_whole_numbers_are_refused(module):
    with pytest.raises(ValueError, match=r"expected a floating-point tensor, got torch\.int64"):
        module(torch.arange(3))
