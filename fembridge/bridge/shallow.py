"""Shallow networks of one input and any piecewise-polynomial activation, as features and finite-element functions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from skfem import Basis, BilinearForm
from torch import nn

from fembridge.bridge.tracing import numbers, spline_of
from fembridge.networks.activations import SplineActivation
from fembridge.problem import Array, Interval, check_domain
from fembridge.theory import grams
from fembridge.theory.features import Features
from fembridge.theory.spaces import line_element
from fembridge.theory.splines import Spline


@dataclass(frozen=True, eq=False)
class ShallowExpansion:
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


def expand_shallow(model: nn.Module, neurons: Features) -> ShallowExpansion:
    """The expansion of a shallow network on an interval, checked against it in the middle of every cell.

    Raises ValueError where the module is not its three layers in order.
    """
    outer = layers(model)[2]
    basis = grams.feature_space(neurons)
    matrix = grams.coefficients(neurons, basis)
    coefficients = matrix @ numbers(outer.weight)[0]
    if outer.bias is not None:
        coefficients = coefficients + numbers(outer.bias)[0] * _one(basis, neurons.domain)
    expansion = ShallowExpansion(basis, coefficients, matrix, neurons)
    _check_against(model, expansion)
    return expansion


def is_shallow(model: nn.Module) -> bool:
    """Whether a module consists of Linear(1, n), an activation and Linear(n, 1), in this order."""
    try:
        layers(model)
    except ValueError:
        return False
    return True


def features_of(model: nn.Module, domain: Sequence[float] = (0.0, 1.0)) -> Features:
    """The hidden features of a shallow network as numbers: its activation as a spline, inner weights and biases.
    Errors as `expand`.
    """
    inner, activation, _ = layers(model)
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point() or parameter.is_meta or not parameter.isfinite().all():
            raise ValueError(f"expand: expected finite real numbers in {name}")
    weights = numbers(inner.weight)[:, 0]
    biases = numbers(inner.bias) if inner.bias is not None else np.zeros(len(weights))
    return Features(spline_of(activation), weights, biases, check_domain(domain))


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


def _one(basis: Basis, domain: Interval) -> Array:
    """The coefficients of the constant 1."""
    constant = Spline("one", np.zeros(1), np.ones((2, 1)))
    return grams.coefficients(Features(constant, np.ones(1), np.zeros(1), domain), basis).toarray()[:, 0]


def _check_against(model: nn.Module, expansion: ShallowExpansion) -> None:
    """Raise ValueError where the module, in double precision, does not compute what its layers in order compute."""
    neurons, nodes = expansion.neurons, expansion.basis.mesh.p[0]
    x = (nodes[:-1] + nodes[1:]) / 2
    with torch.no_grad():
        measured = numbers(deepcopy(model).double().cpu()(torch.as_tensor(x)[:, None]))[:, 0]
    # Each neuron rounds its value, and w x + c by ε(|w x| + |c|), which its slope carries on.
    z = np.multiply.outer(x, neurons.weights)
    rounding = np.abs(neurons(x)) + np.abs(neurons.activation.derivative()(z + neurons.biases)) * (
        np.abs(z) + np.abs(neurons.biases)
    )
    scale = float((rounding @ np.abs(numbers(layers(model)[2].weight)[0])).max()) + float(np.abs(measured).max())
    worst = float(np.abs(expansion(x) - measured).max())
    if not worst <= 64 * np.finfo(float).eps * scale:
        raise ValueError(
            f"expand: the module does not equal its layers in order (they differ by {worst:.2g} on the domain)"
        )
