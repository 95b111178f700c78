"""An activation as both witnesses know it: a module that is measured, and numbers or a formula that predict."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from fembridge.bridge.loading import imported, their_code
from fembridge.networks.activations import NAMED, activation
from fembridge.networks.smooth import SMOOTH
from fembridge.problem import Array
from fembridge.theory.smooth import smooth
from fembridge.theory.splines import Spline, named

Function = Callable[[Array], Array]
Kind = Literal["piecewise polynomial", "smooth", "module"]
TABLE = ("knots", "coefficients", "degree")
NAMES = (*NAMED, *SMOOTH)
TRIED = 20.0  # where a module of one's own must be finite
FARTHEST = 32.0  # of a knot: shifts by 1 of a wider spline are hundreds of times the same
HALVES = np.arange(-8, 8.5, 0.5)  # where quadrature expects it to bend, as nobody says where it does


class Elementwise(nn.Module):
    """σ of someone else, without the parameters that it may have: they are not trained.

    >>> Elementwise(torch.abs)(torch.tensor([-2.0]))
    tensor([2.])
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.hidden = [function]  # in a list, so that it is no child, whose parameters would be found

    def forward(self, z: Tensor) -> Tensor:
        """σ(z), elementwise."""
        out: Tensor = self.hidden[0](z)
        return out


@dataclass(frozen=True, eq=False)
class Subject:
    """An activation: `module` is measured; `sigma` and `slope`, σ and σ', predict.

    Those are closed forms, but for a module of one's own, of which there are only the numbers that it gives.
    spline: the piecewise polynomial, None for others. breakpoints: where σ is not smooth, as far as known.
    """

    name: str
    kind: Kind
    module: nn.Module
    sigma: Function
    slope: Function
    spline: Spline | None
    breakpoints: Array

    @property
    def compact(self) -> bool:
        return self.spline is not None and self.spline.compact


def subject(spec: str | Mapping[str, Any]) -> Subject:
    """The activation of a name, of a table {knots, coefficients, degree}, which may hold more, of a file of one (.toml
    or .json), or of MODULE:NAME, code that is imported.

    Raises ValueError, in one line, for anything else, a table that is no spline, and code that cannot be imported or
    does not act on each number by itself.

    >>> subject("hat").spline.support
    (0.0, 2.0)
    """
    if not isinstance(spec, str):
        return of_table({key: spec[key] for key in TABLE}, "design")
    if spec in NAMES:
        return of_name(spec)
    if Path(spec).suffix in (".toml", ".json"):
        return of_table(read_table(spec), Path(spec).stem)
    if ":" in spec:
        return of_function(function(spec), spec)
    raise ValueError(
        f"activation: expected one of {', '.join(NAMES)}, a .toml or .json file or MODULE:NAME, got {spec!r:.80}"
    )


def of_name(name: str) -> Subject:
    """A named activation of this package."""
    if name in SMOOTH:
        return Subject(name, "smooth", activation(name), *smooth(name), None, np.empty(0))
    return _spline(name, activation(name), named(name))


def of_table(table: Mapping[str, Any], name: str) -> Subject:
    """A spline {knots, coefficients, degree}. Raises ValueError where it is none, is zero, or reaches beyond ±32."""
    found = _spline(name, activation(table), named(table))
    left, right = found.breakpoints[[0, -1]]
    if not found.spline or max(-left, right) > FARTHEST or not np.any(found.spline.pieces):
        raise ValueError(
            f"{name}: expected a spline that is not zero, with knots in [−{FARTHEST:g}, {FARTHEST:g}], got knots from "
            f"{left:g} to {right:g}"
        )
    return found


def of_function(function: Callable[[Tensor], Tensor], name: str) -> Subject:
    """A module or a function of tensors that acts on each number by itself.

    Raises ValueError where it does not, or gives what is not finite on [−20, 20].
    """
    module = Elementwise(function)
    if isinstance(function, nn.Module):
        function.double().eval().requires_grad_(False)
    _check_elementwise(module, name)
    return Subject(name, "module", module, lambda z: values(module, z), lambda z: slopes(module, z), None, HALVES)


def values(module: nn.Module, z: Array) -> Array:
    """σ(z), of the module.

    >>> values(nn.ReLU(), np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    with torch.no_grad():
        return np.array(module(torch.from_numpy(np.array(z, dtype=float))).numpy())


def slopes(module: nn.Module, z: Array) -> Array:
    """σ'(z), of the module, by automatic differentiation.

    >>> slopes(nn.ReLU(), np.array([-1.0, 2.0]))
    array([0., 1.])
    """
    at = torch.from_numpy(np.array(z, dtype=float)).requires_grad_(True)
    total = module(at).sum()
    if not total.requires_grad:  # a step, written as a comparison
        return np.zeros(np.shape(z))
    (slope,) = torch.autograd.grad(total, at, materialize_grads=True)
    return np.asarray(slope.numpy())


def read_table(path: str) -> dict[str, Any]:
    """The keys knots, coefficients, degree of a TOML or JSON file. Raises ValueError where they are not there."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'no text in UTF-8'}") from None
    try:
        found = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected {file.suffix[1:].upper()}: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or not set(TABLE) <= set(found):
        keys = ", ".join(map(str, found))[:80] if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{path}: expected the keys {', '.join(TABLE)}, got {keys or 'none'}")
    return {key: found[key] for key in TABLE}


def function(spec: str) -> Callable[[Tensor], Tensor]:
    """What MODULE:NAME names: a module, an instance of a class of modules, or a function.

    Raises ValueError, in one line, where it cannot be imported or is none of these.
    """
    if "" in spec.partition(":"):
        raise ValueError(f'activation: expected MODULE:NAME, such as nets:Swish, got "{spec:.80}"')
    try:
        found = imported(spec, lambda one: one() if isinstance(one, type) and issubclass(one, nn.Module) else one)
    except ValueError as error:
        raise ValueError(_one_line(str(error))) from error
    if not callable(found):
        raise ValueError(f"{spec}: expected a module or a function of tensors, got {type(found).__name__}")
    return cast("Callable[[Tensor], Tensor]", found)


def _spline(name: str, module: nn.Module, spline: Spline) -> Subject:
    slope = spline.derivative()
    return Subject(name, "piecewise polynomial", module, spline, slope, spline, spline.knots)


def _check_elementwise(module: nn.Module, name: str) -> None:
    z = torch.linspace(-TRIED, TRIED, 402, dtype=torch.float64).reshape(3, 134)
    kept = z.clone()
    with their_code():
        try:
            whole, again, turned, part = module(z), module(z), module(z.T), module(z[1, 5:9])
        except Exception as error:
            raise ValueError(_one_line(f"{name}: {type(error).__name__}: {error}")) from error
    if not isinstance(whole, Tensor) or whole.shape != z.shape or whole.dtype != z.dtype:
        came = f"{tuple(whole.shape)} {whole.dtype}" if isinstance(whole, Tensor) else type(whole).__name__
        raise ValueError(
            f"{name}: expected an answer of the shape and dtype of its input, (3, 134) float64, got {came}"
        )
    if not torch.equal(z, kept):
        raise ValueError(f"{name}: expected a function that leaves its input as it is, got one that changes it")
    if not whole.isfinite().all():
        at = float(z[~whole.isfinite()][0])
        raise ValueError(f"{name}: expected finite values on [−{TRIED:g}, {TRIED:g}], got others, as at {at:g}")
    if float(whole.max()) == float(whole.min()):
        raise ValueError(f"{name}: expected an activation that is not constant, got {float(whole.max()):g} everywhere")
    alone = [torch.equal(whole, again), torch.allclose(whole.T, turned), torch.allclose(whole[1, 5:9], part)]
    if not all(alone):
        raise ValueError(
            f"{name}: expected an activation, which acts on each number by itself and always gives the same"
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
