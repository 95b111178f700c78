"""Fourier transforms of activations, and the weights of frequencies that follow from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import j0, ndtri

from fembridge.bridge.charts import Chart, Pair
from fembridge.bridge.verdict import interval
from fembridge.claims.claim import Claim, Evidence, Setting
from fembridge.networks.activations import Spec, activation
from fembridge.networks.outputs import outputs
from fembridge.networks.readouts import hidden
from fembridge.networks.ridges import ridges
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.theory.radon.seminorms import (
    Scales,
    half_normal,
    log_uniform,
    packet_coefficient,
    scaled_power,
    uniform,
)
from fembridge.theory.radon.transforms import numerical_power, power_spectrum

SOURCE = "Sahs, Pyle, Anselmi, Patel 2025 (arXiv 2503.10587)"
TABLE: dict[str, tuple[float, ...]] = {  # activations, and where they are not smooth
    "step": (0,),
    "relu": (0,),
    "relu2": (0,),
    "hat": (0, 1, 2),
    "bspline2": (0, 1, 2, 3),
    "bspline3": (0, 1, 2, 3, 4),
    "tanh": (),
    "sigmoid": (),
    "softplus": (20,),  # PyTorch gives z itself beyond 20
    "gelu": (),
    "gaussian": (),
    "seagull": (),
}
DRAWN = ("step", "relu", "relu2", "hat", "tanh", "gaussian", "seagull")
FLOOR, SOFTPLUS = 1e-15, 5e-3  # of |σ̂|², and of ω|σ̂| where a jump of log(1 + e^{−20}) = 2.06e−9 adds to it
PERIODS = 8.0  # ωτ of wave packets
REACH = {"tanh": (-20.0, 20.0), "hat": (0.0, 2.0)}  # outside, features are constant (and 0 at the left)
CHUNK = 400_000  # values of features at once: they stay in the cache


def module_function(spec: Spec) -> Callable[[Array], Array]:
    """An activation module as a function of arrays (N,)."""
    module = activation(spec)
    return lambda z: outputs(module, Samples(z[:, None], np.zeros(len(z))))


def _table(setting: Setting) -> Evidence:
    """Every activation of the table at frequencies 0.3 … 12; the control is the transform of its derivative."""
    omega = np.geomspace(0.3, 12, setting.size(30, 200))
    predicted, measured, wrong, pairs = [], [], [], []
    for name, breaks in TABLE.items():
        law = power_spectrum(name, omega)
        seen = (law >= FLOOR) & ((name != "softplus") | (omega**2 * law >= SOFTPLUS**2))
        found = numerical_power(module_function(name), omega[seen], breaks).values
        predicted.append(law[seen])
        measured.append(found)
        wrong.append(omega[seen] ** 2 * law[seen])
        pairs.append(Pair(name, omega[seen], law[seen], found))
    p, m, w = (np.concatenate(part) for part in (predicted, measured, wrong))
    pairs = [pair for pair in pairs if pair.label in DRAWN]
    title = "Power spectra of activations: closed forms and PyTorch modules"
    return Evidence(p, m, w, Chart(title, "frequency ω", "|σ̂(ω)|²", tuple(pairs)), scale=p)


def strata(n: int, random: np.random.Generator) -> Array:
    """One uniform number in each of n equal parts of [0, 1], in random order."""
    return (random.permutation(n) + random.uniform(size=n)) / n


def packets(
    name: str, r: Array, omega: float, width: float, dimension: int, density: float, random: np.random.Generator
) -> Array:
    """V⟨g_j, φ⟩²/⟨φ, φ⟩ (n,) of random features g = σ(r_j(ξ·x − γ)), measured on the module, with the wave packet
    Λ(ω|x|) e^{−|x|²/2τ²}, Λ = cos or J₀: their mean is its Rayleigh coefficient.

    Offsets are stratified on intervals of length V that reach to where features are polynomials on the packet, which is
    cut off at 6τ. Sums over a grid of `density` points in each wave converge exponentially where nothing jumps; a kink
    adds aliases of it.
    """
    half, n = 6 * width, len(r)
    axis = np.linspace(-half, half, int(np.ceil(2 * half * omega * density / (2 * np.pi))))
    x = np.stack(np.meshgrid(*[axis] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    distance, cell = np.linalg.norm(x, axis=1), (axis[1] - axis[0]) ** dimension
    phi = (np.cos if dimension == 1 else j0)(omega * distance) * np.exp(-((distance / width) ** 2) / 2)
    xi = random.standard_normal((n, dimension))
    xi /= np.linalg.norm(xi, axis=1, keepdims=True)
    low, high = REACH.get(name, (0.0, 0.0))
    length = 2 * half + (high - low) / r
    gamma = -half - high / r + length * strata(n, random)
    coefficients = [
        cell * phi @ hidden(ridges(activation(name), r[j, None] * xi[j], -r[j] * gamma[j], np.zeros(len(j))), x).numpy()
        for j in np.array_split(np.arange(n), 1 + n * len(x) // CHUNK)
    ]
    return length * np.concatenate(coefficients) ** 2 / (cell * phi @ phi)


LAWS: dict[str, tuple[Scales | float, Callable[[Array], Array]]] = {  # and their quantiles
    "r = 2": (2.0, lambda u: np.full_like(u, 2.0)),
    "uniform on [½, 2]": (uniform(0.5, 2.0), lambda u: 0.5 + 1.5 * u),
    "log-uniform on [½, 2]": (log_uniform(0.5, 2.0), lambda u: 2 ** (2 * u - 1)),
    "|normal|": (half_normal(1.0), lambda u: ndtri((1 + u) / 2)),
}


CASES = [("hat", 1, law) for law in LAWS] + [("relu", 1, "|normal|")]  # activation, dimension, law
CASES += [("tanh", 1, "uniform on [½, 2]"), ("hat", 2, "log-uniform on [½, 2]")]


def _scales(setting: Setting) -> Evidence:
    """Mean coefficients of features of each law of scales at some frequencies; the control gives them all r = 1."""
    omega, sets, random = (1.0, 1.5, 2.2, 3.2), setting.size(24, 96), setting.random
    predicted, measured, wrong, pairs = [], [], [], []
    for name, d, label in CASES:
        (scales, quantile), (n, density) = LAWS[label], (4096, 10.0) if d == 1 else (512, 6.0)

        def law(r: Scales | float, name: str = name, d: int = d) -> list[float]:
            return [packet_coefficient(lambda s: scaled_power(name, s, r), w, PERIODS / w, d) for w in omega]

        draws = np.empty((sets, len(omega)))
        for i, f in np.ndindex(draws.shape):
            r = quantile(strata(n, random))
            draws[i, f] = packets(name, r, omega[f], PERIODS / omega[f], d, density, random).mean()
        predicted.append(law(scales))
        measured.append(draws)
        wrong.append(law(1.0))
        pairs.append(
            Pair(
                f"{name}, d = {d}, {label}",
                np.array(omega),
                np.array(predicted[-1]),
                draws.mean(axis=0),
                *interval(draws, 0.05),
            )
        )
    p = np.concatenate(predicted)
    title = "How features σ(r(ξ·x − γ)) of random scales r weigh frequencies"
    chart = Chart(title, "frequency ω", "⟨φ, Kφ⟩/⟨φ, φ⟩, φ a wave packet", tuple(pairs))
    return Evidence(p, np.concatenate(measured, axis=1), np.concatenate(wrong), chart, scale=p)


CLAIMS = [
    Claim(
        "sahs2025.seminorm-table",
        f"{SOURCE}, the weight |ω|^{{d−1}}/|σ̂(|ω|)|²; B-splines, sigmoid, softplus and GELU added",
        "Power spectra |σ̂(ω)|² of activations, step, ReLU, ReLU², Hat, B-splines, tanh, sigmoid, softplus, GELU, "
        "Gaussian and seagull, are those of the table of closed forms.",
        "identity",
        1e-6,
        "Relative, where |σ̂|² ≥ 1e-15: sums of 1e3 values of size up to 30 leave 1e-14 of the amplitude, and 2e-14/|σ̂| "
        "is 6e-7 there. PyTorch's softplus jumps by 2.06e-9 at z = 20, which moves |σ̂|² by 4.1e-9/(ω|σ̂|): 8e-7 where "
        "ω|σ̂| ≥ 5e-3, up to ω = 2.2, and above 1e-6 beyond.",
        _table,
    ),
    Claim(
        "sahs2025.weight-scales",
        f"{SOURCE}, with random weight scales",
        "Features σ(r(ξ·x − γ)) with scales r of any law weigh frequencies E_r[|σ̂(|ω|/r)|²/r²]/|ω|^{d−1}.",
        "statistical",
        0.15,
        "Relative to each. For ReLU the laws differ by E r², 4, 1.75, 1.35 and 1: by 30 % or more, of which this is "
        "half. On a grid of 10 points to a wave, 6 in two dimensions, kinks add aliases of a power (1/9)⁴, (1/5)⁴.",
        _scales,
    ),
]
