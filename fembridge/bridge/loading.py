"""Networks from outside: a factory in someone's module, or weights in a file. Nothing is ever unpickled."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from itertools import pairwise
from os import PathLike, getcwd
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fembridge.bridge.tracing import numbers
from fembridge.memory import require_memory
from fembridge.networks.activations import activation as activation_of
from fembridge.networks.affine import linear

SUFFIXES = (".safetensors", ".pt", ".pth")


def from_factory(spec: str) -> nn.Module:
    """The module, in eval mode, that a spec "module:factory" names: what a function without arguments returns, or an
    `nn.Module` itself. The module is looked up in the current directory first; what it prints goes to stderr.

    Raises ValueError, in one line, where it cannot be imported, has no such name, raises, or gives something else.
    """
    if "" in spec.partition(":"):
        raise ValueError(f'network: expected MODULE:FACTORY, such as nets:make, got "{spec:.200}"')
    found = imported(spec, lambda one: one if isinstance(one, nn.Module) or not callable(one) else one())
    if not isinstance(found, nn.Module):
        raise ValueError(f"{spec}: expected a torch.nn.Module or a function that returns one, got {_kind(found)}")
    return found.eval()


def imported(spec: str, made: Callable[[Any], Any]) -> Any:
    """What `made` makes of the object that MODULE:NAME names.

    Raises ValueError where it cannot be imported, or made.
    """
    module, _, name = spec.partition(":")
    with their_code():
        try:
            return made(getattr(import_module(module), name))
        except (Exception, SystemExit) as error:
            raise ValueError(f"{spec}: {type(error).__name__}: {error}") from error


def from_weights(path: str | PathLike[str], sizes: Sequence[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers of these sizes, an activation between any two, in float64, with the weights of a state dict.

    path: .safetensors, or .pt and .pth as `torch.save` writes them, which are read by `torch.load(weights_only=True)`:
    no code in them is run. The layers are the matrices "*.weight" in natural order of their names (2 before 10), each
    with its "*.bias" where there is one. Besides these, a file may hold the tables (knots, coefficients) of the
    activation.

    Raises ValueError, in one line, for a file that cannot be read, tensors that are missing, of other shapes, not
    finite or too many, and an unknown activation.
    """
    sigma = activation_of(activation)
    tensors = read_tensors(path)
    names = sorted((name for name in tensors if _last(name) == "weight" and tensors[name].ndim == 2), key=_natural)
    expected = [(n, m) for m, n in pairwise(sizes)]
    shapes = [tuple(tensors[name].shape) for name in names]
    if shapes != expected:
        found = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True)) or "none"
        wanted = ", ".join(map(str, expected))
        raise ValueError(f"{path}: expected weights {wanted} for layers {','.join(map(str, sizes))}, got {found}")
    require_memory(8.0 * sum(m * n + n for m, n in pairwise(sizes)), "the network")
    biases = [f"{name.removesuffix('weight')}bias" for name in names]
    _check_rest(path, {name: tensor for name, tensor in tensors.items() if name not in {*names, *biases}}, sigma)
    layers = [_linear(path, name, tensors[name], tensors.get(bias)) for name, bias in zip(names, biases, strict=True)]
    hidden = [module for layer in layers for module in (layer, activation_of(activation))]
    return nn.Sequential(*hidden[:-1])


def read_tensors(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises ValueError where there is none, and where it holds anything else."""
    path = Path(path)
    if path.suffix not in SUFFIXES or not path.is_file():
        raise ValueError(f"{path}: expected an existing file {', '.join(SUFFIXES)}")
    safe = path.suffix == ".safetensors"
    try:
        found = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        why = error if safe else "it is broken, or holds other objects, which are not unpickled"
        raise ValueError(f"{path}: expected tensors: {why}") from error
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: expected a state dict, names with tensors, got {_kind(found)}")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{path}: expected a state dict, names with tensors, got {name!r} with {_kind(tensor)}")
        if tensor.layout is not torch.strided or tensor.is_meta or not tensor.is_floating_point():
            raise ValueError(f"{path}: expected dense real numbers in {name}, got {tensor.dtype} ({tensor.layout})")
    return dict(found)


def save_weights(model: nn.Module, path: str | PathLike[str]) -> None:
    """Write the state dict of a module as .safetensors; tensors that share their memory are written one by one."""
    save_file({name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
               for name, tensor in model.state_dict().items()}, path)  # fmt: skip


@contextmanager
def their_code() -> Iterator[None]:
    """The current directory is searched for modules, and stdout, which is for results, is closed to prints."""
    here = getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _linear(path: object, name: str, weight: Tensor, bias: Tensor | None) -> nn.Linear:
    if bias is not None and tuple(bias.shape) != weight.shape[:1]:
        raise ValueError(f"{path}: expected a bias ({len(weight)},) of {name}, got {tuple(bias.shape)}")
    for part in (weight, bias):
        if part is not None and not part.isfinite().all():
            raise ValueError(f"{path}: expected finite numbers in {name} and its bias")
    return linear(numbers(weight), None if bias is None else numbers(bias)).requires_grad_(False)


def _check_rest(path: object, rest: Mapping[str, Tensor], sigma: nn.Module) -> None:
    """Raise ValueError for a tensor that is no table of the activation."""
    tables = sigma.state_dict()
    for name, tensor in rest.items():
        table = tables.get(_last(name))
        if table is None:
            raise ValueError(f"{path}: expected weights and biases of Linear layers alone, got {name} too")
        if not torch.equal(tensor.double(), table):
            raise ValueError(f"{path}: {name} is not that of the activation {type(sigma).__name__}")


def _natural(name: str) -> str:
    """A key that orders numbers in names by size.

    >>> sorted(["10.weight", "2.weight"], key=_natural)
    ['2.weight', '10.weight']
    """
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
