"""Piecewise-linear networks in one, two and three dimensions as finite-element functions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from skfem import BilinearForm, Mesh, MeshQuad, MeshTri
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from fembridge.bridge.expansion import Expansion, expand
from fembridge.networks.activations import Hat, SplineActivation
from fembridge.networks.leading import top_eigenvalues
from fembridge.problem import Array, sines
from fembridge.theory import graphs
from fembridge.theory.meshes import box_mesh
from fembridge.theory.partitions import volumes
from fembridge.theory.spaces import assemble

EPS = np.finfo(float).eps
LAYERS = [(2, 64, 64, 1), (2, 128, 128, 128, 1), (2, 256, 1), (1, 64, 64, 64, 1), (3, 32, 1), (3, 16, 16, 1)]
REGIONS = {(2, 64, 64, 1): 2349, (2, 128, 128, 128, 1): 23350}  # as SplineCAM counts them at this seed and domain
SMALL = [(1, 8, 8, 1), (2, 6, 5, 1), (3, 4, 3, 1), (2, 7, 1)]


def network(layers: tuple[int, ...], activation: Callable[[], nn.Module] = nn.ReLU, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    modules = [m for a, b in pairwise(layers) for m in (nn.Linear(a, b, dtype=torch.float64), activation())]
    return nn.Sequential(*modules[:-1])


def exact(model: nn.Module, domain: object) -> Expansion:
    found = expand(model, domain)  # type: ignore[arg-type]
    assert isinstance(found, Expansion)
    return found


def box(d: int) -> list[tuple[float, float]]:
    return [(-1.0, 1.0)] * d


def values(model: nn.Module, x: Array) -> Array:
    with torch.no_grad():
        return model(torch.as_tensor(x)).numpy()[:, 0]


def points(u: Expansion, x: Array) -> Array:
    return u(x[:, 0] if x.shape[1] == 1 else x)


def gauss(mesh: Mesh, count: int) -> tuple[Array, Array]:
    """Gauss–Legendre points of the cube, collapsed into each cell, and their weights."""
    z, w = np.polynomial.legendre.leggauss(count)
    d = mesh.dim()
    s = np.stack(np.meshgrid(*[(1 + z) / 2] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weight = np.stack(np.meshgrid(*[w / 2] * d, indexing="ij"), axis=-1).reshape(-1, d).prod(axis=1)
    barycentric, rest = [], np.ones(len(s))
    for i in range(d):
        barycentric.append(rest * s[:, i])
        weight = weight * (1 - s[:, i]) ** (d - 1 - i)
        rest = rest * (1 - s[:, i])
    x = np.column_stack([*barycentric, rest]) @ mesh.p.T[mesh.t.T]
    return x.reshape(-1, d), np.outer(volumes(mesh), weight / weight.sum()).ravel()


def jacobian(model: nn.Module, x: Array) -> Array:
    at = {name: p.detach() for name, p in model.named_parameters()}

    def u(p: dict[str, Tensor], row: Tensor) -> Tensor:
        return functional_call(model, p, (row[None],))[0, 0]

    rows = vmap(jacrev(u), in_dims=(None, 0))(at, torch.as_tensor(x))
    return np.concatenate([row.reshape(len(x), -1).numpy() for row in rows.values()], axis=1)


@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_the_expansion_is_the_network(layers: tuple[int, ...]) -> None:
    model, d = network(layers), layers[0]
    u = exact(model, box(d))
    x = np.random.default_rng(1).uniform(-1, 1, (10_000, d))
    assert np.abs(points(u, x) - values(model, x)).max() < 1e-12
    mesh = u.partition.mesh
    assert abs(volumes(mesh).sum() / 2**d - 1) < 1e-12
    facets = np.sort(np.concatenate([np.delete(mesh.t.T, i, axis=1) for i in range(d + 1)]), axis=1)
    facets, cells = np.unique(facets, axis=0, return_counts=True)
    assert cells.max() <= 2
    outer = mesh.p.T[facets[cells == 1]]  # a facet of one cell lies in one side of the box
    assert ((outer == 1).all(axis=1) | (outer == -1).all(axis=1)).any(axis=1).all()
    assert u.partition.regions == REGIONS.get(layers, u.partition.regions)
    assert u.partition.snapped == 0


@pytest.mark.parametrize("activation", [nn.LeakyReLU, Hat, nn.ReLU6, lambda: SplineActivation([-1, 0, 0.5], [2.0], 1)])
@pytest.mark.parametrize("layers", SMALL, ids=str)
def test_any_linear_spline(layers: tuple[int, ...], activation: Callable[[], nn.Module]) -> None:
    model, d = network(layers, activation), layers[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # so that all knots are met
    x = np.random.default_rng(1).uniform(-1, 1, (1000, d))
    assert np.abs(points(exact(model, box(d)), x) - values(model, x)).max() < 1e-12


def test_residual_sums_and_batch_norm() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1)
            self.norm = nn.BatchNorm1d(6)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.relu(self.norm(self.first(x)))
            return self.last(h + torch.relu(self.second(h)))

    torch.manual_seed(0)
    model = Residual().double()
    model(torch.randn(50, 2, dtype=torch.float64))
    model.eval()
    u, x = exact(model, box(2)), np.random.default_rng(1).uniform(-1, 1, (1000, 2))
    assert np.abs(u(x) - values(model, x)).max() < 1e-12
    measured, weights = gauss(u.partition.mesh, 3)
    names = ("first.weight", "second.weight", "second.bias")
    held = [i for i, name in enumerate(np.repeat(*_named(model))) if name in names]
    J = jacobian(model, measured)[:, held]
    # The derivative by first.weight passes the batch-norm and the sum.
    assert np.abs(u.tangent_gram(names) - J.T @ (weights[:, None] * J)).max() < 1e-12
    with pytest.raises(ValueError, match=r"expected those of Linear layers, .*, got norm\.weight"):
        u.tangent_gram()


def _named(model: nn.Module) -> tuple[list[str], list[int]]:
    names, sizes = zip(*((name, p.numel()) for name, p in model.named_parameters()), strict=True)
    return list(names), list(sizes)


@pytest.mark.parametrize("layers", SMALL, ids=str)
def test_tangents_against_gauss_quadrature_of_jacobians(layers: tuple[int, ...]) -> None:
    """20 points on an interval, 20² on a triangle; 3³ in a tetrahedron, where 2³ are exact already."""
    model = network(layers)
    u = exact(model, box(layers[0]))
    x, weights = gauss(u.partition.mesh, 20 if layers[0] < 3 else 3)
    J = jacobian(model, x)
    measured = J.T @ (weights[:, None] * J)
    scale = np.abs(measured).max()
    gram = u.tangent_gram()
    assert np.abs(gram - measured).max() < 1e-10 * scale
    broken = u.tangents()
    assert np.abs(broken.T @ (assemble("mass", u.broken) @ broken) - measured).max() < 1e-10 * scale
    some = u.tangent_gram(["0.*", "2.bias"])
    held = np.flatnonzero(np.isin(np.repeat(*_named(model)), ["0.weight", "0.bias", "2.bias"]))
    assert np.array_equal(some, gram[np.ix_(held, held)])
    spectrum = u.ntk_spectrum()
    expected = np.linalg.eigvalsh(measured)[::-1][: len(spectrum.eigenvalues)]
    assert np.abs(spectrum.eigenvalues - expected).max() < 1e-13 * expected[0] * len(expected)
    leading = top_eigenvalues(u.gauss_newton(), k=3).values
    assert np.abs(leading - expected[:3]).max() < 1e-10 * expected[0]
    # Negative control: the Jacobian with another orientation of one layer is not within any such bound.
    wrong = J * np.where(np.repeat(*_named(model)) == "0.weight", 1.01, 1.0)
    assert np.abs(gram - wrong.T @ (weights[:, None] * wrong)).max() > 1e-4 * scale


def gradient(model: nn.Module, theta: Array, f: Callable[[Array], Array]) -> Array:
    """Of the exact loss ½∫(u − f)² at other parameters, by automatic differentiation between the kinks."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.as_tensor(theta), model.parameters())
    d = next(model.parameters()).shape[1]
    x, weights = gauss(exact(model, box(d)).partition.mesh, 7)
    error = model(torch.as_tensor(x))[:, 0] - torch.as_tensor(f(x))
    loss = 0.5 * (torch.as_tensor(weights) * error.square()).sum()
    return np.concatenate([g.numpy().ravel() for g in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.parametrize("layers", SMALL, ids=str)
def test_the_hessian_is_the_finite_difference_of_the_exact_loss(layers: tuple[int, ...]) -> None:
    model, d = network(layers, seed=1), layers[0]

    def f(x: Array) -> Array:
        return np.sin(2 * x).sum(axis=1) + x[:, -1] ** 2

    found = exact(model, box(d)).hessian((lambda x: f(x[:, None])) if d == 1 else f)
    H, theta = found.matrix, nn.utils.parameters_to_vector(model.parameters()).detach().numpy().copy()
    assert np.array_equal(H, H.T) or np.abs(H - H.T).max() < 1e-14 * np.abs(H).max()
    assert found.error < 1e-8
    # The third derivative is of the size of H; steps of 1e-5 leave 1e-10 of it, and round-off ε/1e-5.
    step, tolerance = 1e-5, 1e-7 * np.abs(H).max()
    for i in np.random.default_rng(0).permutation(len(theta))[:12]:
        shift = step * (np.arange(len(theta)) == i)
        measured = (gradient(model, theta + shift, f) - gradient(model, theta - shift, f)) / (2 * step)
        assert np.abs(measured - H[i]).max() < tolerance
    assert np.abs(found.kinks).max() > 1e3 * tolerance  # negative control: without the kinks it would not hold


def test_the_hessian_of_one_neuron_by_hand() -> None:
    """v ReLU(w x + b) against f = 0: ∂²L/∂b² = v²|active| + r(x*) v/|w| = v²|active|, as u(x*) = 0; and r = −f."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.fill_(2.0), model[0].bias.fill_(-1.0), model[2].weight.fill_(3.0)
    u = exact(model, (0.0, 1.0))
    H = u.hessian(lambda x: 5 + 0 * x, "0.bias")
    # x* = ½, r(x*) = −5, active [½, 1]: 9·½ − 5·3/2
    assert H.matrix == pytest.approx(np.array([[4.5 - 7.5]]), abs=1e-14) and H.error < 1e-14


def test_targets() -> None:
    model = network((1, 5, 1))
    u, f = exact(model, (-1.0, 1.0)), sines([1, 2], [1.0, 0.5])
    assert u.partition.regions > 2
    assert np.array_equal(u.hessian(f).matrix, u.hessian(f.values).matrix)
    nodal = u.hessian(u.coefficients)  # the network itself: no residual
    assert np.abs(nodal.matrix - u.tangent_gram()).max() < 1e-14 and nodal.error < 1e-14
    with pytest.raises(ValueError, match=r"expected a function or \d+ nodal values, got shape \(1,\)"):
        u.hessian([1.0])


@pytest.mark.parametrize("layers", SMALL, ids=str)
def test_grams_of_features(layers: tuple[int, ...]) -> None:
    u = exact(network(layers, seed=2), box(layers[0]))
    phi = np.asarray(u.features)
    for form in ("mass", "stiffness"):
        # scikit-fem's own gradients in slivers lose a part ε/h; there are none here.
        expected = phi.T @ (assemble(form, u.basis) @ phi)
        assert np.abs(u.gram(form) - expected).max() < 1e-10 * np.abs(expected).max()
    assert np.allclose(u.gram("h1"), np.asarray(u.gram()) + u.gram("stiffness"), rtol=0, atol=1e-14)

    @BilinearForm
    def weighted(v, w, at):  # type: ignore[no-untyped-def]
        return (1 + at.x[0]) * v * w

    odd = u.gram(weighted)
    x, weights = gauss(u.partition.mesh, 4)
    h = graphs.values(u.trace.graph, x, u.trace.graph.activations[-1][0])[-1]
    assert np.abs(odd - h.T @ ((weights * (1 + x[:, 0]))[:, None] * h)).max() < 1e-12 * np.abs(odd).max()


def test_on_a_mesh() -> None:
    """An L-shaped domain: seams of its mesh are no kinks, and do not count as borders of linear regions."""
    square = box_mesh(box(2), 4)
    middle = square.p[:, square.t].mean(axis=1)
    corner = MeshTri(square.p, square.t[:, ~((middle[0] > 0) & (middle[1] > 0))])
    model = network((2, 16, 1))
    u, v = exact(model, corner), exact(model, box(2))
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    x = x[~((x[:, 0] > 0) & (x[:, 1] > 0))]
    assert np.abs(u(x) - values(model, x)).max() < 1e-12
    assert abs(volumes(u.partition.mesh).sum() - 3) < 1e-12
    assert exact(model, square).partition.regions == v.partition.regions
    gram = exact(model, square).tangent_gram()
    assert np.abs(gram - v.tangent_gram()).max() < 1e-12 * np.abs(gram).max()
    with pytest.raises(ValueError, match="expected points inside the domain"):
        u(np.array([[0.5, 0.5]]))


def test_a_module_that_is_not_what_it_seems() -> None:
    model = network((2, 4, 1))
    model[1].register_forward_hook(lambda module, inputs, output: 1.01 * output)
    with pytest.raises(ValueError, match="the module does not equal its layers"):
        expand(model, box(2))


@pytest.mark.parametrize(
    ("model", "domain", "message"),
    [
        (network((2, 4, 1)), (0.0, 1.0), "expected an interval for each of the 2 inputs"),
        (network((1, 4, 4, 1)), box(2), "expected an interval for each of the 1 inputs"),
        (network((2, 4, 1)), [(0.0, 1.0), (1.0, 0.0)], "expected finite ends a < b"),
        (network((2, 4, 1)), box_mesh(box(3), 1), "expected a mesh of 2 dimensions"),
        (network((2, 4, 1)), MeshQuad(), "expected a mesh of straight simplices"),
        (network((2, 4, 2)), box(2), "expected one number as output, got 2"),
        (network((4, 4, 1)), box(4), "3 at most"),
        (network((2, 4, 1), nn.Tanh), box(2), "Tanh is not a piecewise polynomial"),
        (None, box(2), "expected a torch.nn.Module, got NoneType"),
    ],
)
def test_refusals(model: nn.Module, domain: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(model, domain)  # type: ignore[arg-type]


def test_limits() -> None:
    with pytest.raises(ValueError, match=r"at most 100 cells, got 1\d\d at neuron \d+ of activation 1 of 2"):
        expand(network((2, 64, 64, 1)), box(2), max_cells=100)
    u = exact(network((2, 4, 1)), box(2))
    for wrong, message in (("nothing", "expected a name among 0.weight"), ([], "expected a name among")):
        with pytest.raises(ValueError, match=message):
            u.tangent_gram(wrong)
    with pytest.raises(ValueError, match="expected one of 1 hidden layers, got 1"):
        u.hidden(1)
    with pytest.raises(ValueError, match=r"expected points \(…, 2\), got an array of shape \(3,\)"):
        u(np.zeros(3))
