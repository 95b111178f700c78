"""A network as a finite-element function, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from skfem import Basis, BilinearForm, ElementLineP1
from torch import nn

from fembridge.networks.activations import Hat, SplineActivation, SquaredReLU, Step
from fembridge.problem import Array, Interval, check_domain
from fembridge.theory import grams, splines
from fembridge.theory.features import Features
from fembridge.theory.spaces import line_element
from fembridge.theory.splines import Spline


@dataclass(frozen=True, eq=False)
class Expansion:
    """A shallow network on an interval, u = Σ_i coefficients[i] ψ_i, in P_p on the mesh cut at its breakpoints.

    basis: the scikit-fem basis ψ. coefficients: (dofs,), nodal values for p ≤ 2 (for p ≥ 3 scikit-fem's hierarchical
    ones).
    features: (dofs, n) sparse, column j is hidden neuron j. Exact up to round-off.
    """

    basis: Basis
    coefficients: Array
    features: csr_array
    neurons: Features

    def gram(self, form: str | BilinearForm = "mass", intorder: int | None = None) -> Array | csr_array:
        """a(φ_i, φ_j) of the hidden features over the domain: "mass" ∫uv, "stiffness" ∫u'v', "h1", or a scikit-fem
        form.
        """
        return grams.gram(self.neurons, form, intorder)

    def __call__(self, x: ArrayLike) -> Array:
        """u(x), elementwise. Raises ValueError for a point outside the domain."""
        points = np.asarray(x, dtype=float)
        nodes = self.basis.mesh.p[0]
        if not ((points >= nodes[0]) & (points <= nodes[-1])).all():
            raise ValueError(f"expansion: expected points inside [{nodes[0]:g}, {nodes[-1]:g}]")
        flat = points.ravel()
        cell = np.clip(np.searchsorted(nodes, flat, side="right") - 1, 0, len(nodes) - 2)
        local = (flat - nodes[cell]) / (nodes[cell + 1] - nodes[cell])
        element = line_element(self.basis.elem.maxdeg)
        shape = np.array([element.lbasis(local[None, :], i)[0] * np.ones_like(local) for i in range(self.basis.Nbfun)])
        return np.asarray(
            (self.coefficients[self.basis.element_dofs[:, cell]] * shape).sum(axis=0).reshape(points.shape)
        )


def expand(model: nn.Module, domain: Sequence[float] = (0.0, 1.0)) -> Expansion:
    """The finite-element function that a shallow network R → R is: Linear(1, n), activation, Linear(n, 1).

    Hong et al. 2022, arXiv 2208.04924. The result is checked against the network in the middle of every cell.

    Raises ValueError for another architecture, an activation that is not piecewise polynomial, or a zero inner weight.

    >>> net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    >>> u = expand(net, (-1.0, 1.0))
    >>> x = np.linspace(-1, 1, 5)
    >>> bool(np.allclose(u(x), net(torch.tensor(x)[:, None])[:, 0].detach(), rtol=0, atol=1e-14))
    True
    """
    outer = layers(model)[2]
    neurons = features_of(model, domain)
    basis = grams.feature_space(neurons)
    matrix = grams.coefficients(neurons, basis)
    coefficients = matrix @ _numbers(outer.weight)[0]
    if outer.bias is not None:
        coefficients = coefficients + _numbers(outer.bias)[0] * _one(basis, neurons.domain)
    expansion = Expansion(basis, coefficients, matrix, neurons)
    _check_against(model, expansion)
    return expansion


def features_of(model: nn.Module, domain: Sequence[float] = (0.0, 1.0)) -> Features:
    """The hidden features of a shallow network as numbers: its activation as a spline, inner weights and biases.
    Errors as `expand`.
    """
    inner, activation, _ = layers(model)
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point() or parameter.is_meta or not parameter.isfinite().all():
            raise ValueError(f"expand: expected finite real numbers in {name}")
    weights = _numbers(inner.weight)[:, 0]
    biases = _numbers(inner.bias) if inner.bias is not None else np.zeros(len(weights))
    return Features(spline_of(activation), weights, biases, check_domain(domain))


def spline_of(activation: nn.Module) -> Spline:
    """The piecewise polynomial that an activation module is. Raises ValueError where it is none."""
    if isinstance(activation, SplineActivation):
        coefficients = _numbers(activation.coefficients)
        return splines.spline(_numbers(activation.knots), coefficients, activation.degree)
    if isinstance(activation, nn.LeakyReLU):
        return splines.leaky_relu(activation.negative_slope)
    if isinstance(activation, nn.Hardtanh):  # ReLU6 is one
        low, high = float(activation.min_val), float(activation.max_val)
        return Spline("hardtanh", np.array([low, high]), np.array([[low, 0.0], [low, 1.0], [high, 0.0]]))
    names = {nn.ReLU: "relu", Hat: "hat", SquaredReLU: "relu2", Step: "step"}
    for kind, name in names.items():
        if isinstance(activation, kind):
            return splines.named(name)
    raise ValueError(
        f"expand: {type(activation).__name__} is not a piecewise polynomial that fembridge knows; "
        f"expected ReLU, LeakyReLU, "
        "ReLU6, Hardtanh, SquaredReLU, Step, Hat, BSpline or SplineActivation"
    )


def network_from(basis: Basis, coefficients: ArrayLike) -> nn.Sequential:
    """The ReLU network that equals a continuous piecewise-linear function: u(x) = u(x_0) + Σ_j v_j (x − x_j)₊, v = E S
    (u − u(x_0)).

    One neuron for each cell of the mesh (Hong et al. 2022, arXiv 2208.04924). float64.

    Raises ValueError for a basis that is not P1 on an interval, or a wrong number of coefficients.

    >>> from fembridge.theory.meshes import interval_mesh
    >>> from fembridge.theory.spaces import space
    >>> net = network_from(space(interval_mesh(np.array([0.0, 0.5, 1.0])), 1), [0.0, 1.0, 0.0])
    >>> net(torch.tensor([[0.25], [0.75]], dtype=torch.float64)).ravel().tolist()
    [0.5, 0.5]
    """
    u = np.asarray(coefficients, dtype=float)
    if not isinstance(basis.elem, ElementLineP1) or basis.mesh.dim() != 1:
        raise ValueError(
            f"network_from: expected a P1 basis on an interval, got {type(basis.elem).__name__} in {basis.mesh.dim()}-D"
        )
    if u.shape != (basis.N,) or not np.isfinite(u).all():
        raise ValueError(f"network_from: expected {basis.N} finite coefficients, got an array of shape {u.shape}")
    order = np.argsort(basis.mesh.p[0])
    nodes, values = basis.mesh.p[0][order], u[basis.nodal_dofs[0]][order]
    n = len(nodes) - 1
    model = nn.Sequential(nn.Linear(1, n), nn.ReLU(), nn.Linear(n, 1)).double()
    jumps = grams.nodal_to_relu(nodes[:-1], nodes[-1]) @ (values[1:] - values[0])
    parameters = (np.ones((n, 1)), -nodes[:-1], jumps[None, :], values[:1])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), parameters, strict=True):
            parameter.copy_(torch.as_tensor(value))
    return model


def layers(model: nn.Module) -> tuple[nn.Linear, nn.Module, nn.Linear]:
    """Linear(1, n), activation, Linear(n, 1): the layers of a shallow network. Raises ValueError for anything else."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"expand: expected a torch.nn.Module, got {type(model).__name__}")
    leaves = [m for m in model.modules() if isinstance(m, SplineActivation) or not list(m.children())]
    found = ", ".join(str(m) for m in leaves) or type(model).__name__
    match leaves:
        case [nn.Linear(in_features=1) as inner, activation, nn.Linear(out_features=1) as outer]:
            if inner.out_features == outer.in_features and not isinstance(activation, nn.Linear):
                return inner, activation, outer
    raise ValueError(f"expand: expected a shallow network Linear(1, n), activation, Linear(n, 1), got {found}")


def _numbers(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()


def _one(basis: Basis, domain: Interval) -> Array:
    """The coefficients of the constant 1."""
    constant = Spline("one", np.zeros(1), np.ones((2, 1)))
    return grams.coefficients(Features(constant, np.ones(1), np.zeros(1), domain), basis).toarray()[:, 0]


def _check_against(model: nn.Module, expansion: Expansion) -> None:
    """Raise ValueError where the module, in double precision, does not compute what its layers in order compute."""
    neurons, nodes = expansion.neurons, expansion.basis.mesh.p[0]
    x = (nodes[:-1] + nodes[1:]) / 2
    with torch.no_grad():
        measured = _numbers(deepcopy(model).double().cpu()(torch.as_tensor(x)[:, None]))[:, 0]
    # Each neuron rounds its value, and w x + c by ε(|w x| + |c|), which its slope carries on.
    z = np.multiply.outer(x, neurons.weights)
    rounding = np.abs(neurons(x)) + np.abs(neurons.activation.derivative()(z + neurons.biases)) * (
        np.abs(z) + np.abs(neurons.biases)
    )
    scale = float((rounding @ np.abs(_numbers(layers(model)[2].weight)[0])).max()) + float(np.abs(measured).max())
    worst = float(np.abs(expansion(x) - measured).max())
    if not worst <= 64 * np.finfo(float).eps * scale:
        raise ValueError(
            f"expand: the module does not equal its layers in order (they differ by {worst:.2g} on the domain)"
        )
