"""How shallow ReLU networks of one input start: breakpoints, delta-slopes, curvature and roughness under random laws.

f(x) = Σ_i v_i ReLU(w_i x + b_i) with independent w, b, v, each normal or uniform of mean 0; β = −b/w and μ = w v.
Source: Sahs et al. 2020 (arXiv 2008.01772).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import iti0k0, k0, xlogy

from fembridge.problem import Array, check_whole

Law = Literal["normal", "uniform"]
Init = Literal["he", "glorot", "gaussian", "uniform", "pytorch"]


@dataclass(frozen=True)
class Start:
    """The law of one neuron's w, b and v: standard deviations of normal laws, or half-widths a of uniform ones on ±a.

    Raises ValueError on an unknown kind and numbers that are not positive.
    """

    kind: Law
    w: float
    b: float
    v: float

    def __post_init__(self) -> None:
        if self.kind not in get_args(Law):
            raise ValueError(f'kind: expected "normal" or "uniform", got {self.kind!r}')
        for name, size in (("w", self.w), ("b", self.b), ("v", self.v)):
            if not (np.isfinite(size) and size > 0):
                raise ValueError(f"{name}: expected a positive number, got {size:g}")


def start(init: Init, width: int) -> Start:
    """The law of a neuron of a network 1 → n → 1 of n = `width` neurons.

    | init                  | w and b      | v            |
    |-----------------------|--------------|--------------|
    | "he"                  | N(0, 2)      | N(0, 2/n)    |
    | "glorot"              | N(0, 2/(n+1)) | N(0, 2/(n+1)) |
    | "gaussian"            | N(0, 1)      | N(0, 1/n)    |
    | "uniform", "pytorch"  | U(±1)        | U(±1/√n)     |

    With one input PyTorch's own law ±1/√fan_in is "uniform"; it differs in the bias of the output, which bends nothing.

    Raises ValueError on an unknown init and a width below 1.

    >>> start("glorot", 7)
    Start(kind='normal', w=0.5, b=0.5, v=0.5)
    """
    n = check_whole("width", [width])[0]
    match init:
        case "he":
            return Start("normal", 2**0.5, 2**0.5, (2 / n) ** 0.5)
        case "glorot":
            return Start("normal", *[(2 / (n + 1)) ** 0.5] * 3)
        case "gaussian":
            return Start("normal", 1.0, 1.0, n**-0.5)
        case "uniform" | "pytorch":
            return Start("uniform", 1.0, 1.0, n**-0.5)
    raise ValueError(f"init: expected one of {', '.join(get_args(Init))}, got {init!r}")


def breakpoint_density(start: Start, x: ArrayLike) -> Array:
    """p_β at x (…): normal laws σ_b σ_w/[π(σ_b² + σ_w²x²)], Cauchy; uniform min(a_b/|x|, a_w)²/(4 a_b a_w).

    >>> breakpoint_density(Start("uniform", 1.0, 1.0, 1.0), [0.0, 2.0])
    array([0.25  , 0.0625])
    """
    r, w, b = np.abs(np.asarray(x, dtype=float)), start.w, start.b
    if start.kind == "normal":
        return np.asarray(b * w / (np.pi * (b**2 + w**2 * r**2)))
    return np.asarray(_largest_weight(start, r) ** 2 / (4 * b * w))


def breakpoint_cdf(start: Start, x: ArrayLike) -> Array:
    """P(β ≤ x) at x (…), with t = x/(b/w): normal laws ½ + arctan(t)/π; uniform ½ + t/4 where |t| ≤ 1, and beyond it
    1 − 1/4t, or −1/4t for t < 0.

    >>> breakpoint_cdf(Start("normal", 1.0, 1.0, 1.0), [-1.0, 0.0, 1.0])
    array([0.25, 0.5 , 0.75])
    """
    t = np.asarray(x, dtype=float) * start.w / start.b
    if start.kind == "normal":
        return np.asarray(0.5 + np.arctan(t) / np.pi)
    beyond = np.copysign(0.5 - 0.25 / np.maximum(np.abs(t), 1), t)
    return np.asarray(0.5 + np.where(np.abs(t) <= 1, t / 4, beyond))


def delta_slope_density(start: Start, x: ArrayLike) -> Array:
    """p_μ at x (…): normal laws K₀(|x|/σ_w σ_v)/(π σ_w σ_v); uniform ln(a/|x|)/2a on ±a, a = a_w a_v. Infinite at 0.

    >>> delta_slope_density(Start("uniform", 1.0, 1.0, 1.0), [np.exp(-1.0), 2.0])
    array([0.5, 0. ])
    """
    scale = start.w * start.v
    t = np.abs(np.asarray(x, dtype=float)) / scale
    if start.kind == "normal":
        return np.asarray(k0(t) / (np.pi * scale))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(1 / t, 1)) / (2 * scale))


def delta_slope_cdf(start: Start, x: ArrayLike) -> Array:
    """P(μ ≤ x) at x (…), with t = |x|/(w v): ½ ± ∫₀ᵗ K₀/π for normal laws; ½ ± t(1 − ln t)/2, t ≤ 1, for uniform ones.

    To 1e-11 for normal laws, which is as good as SciPy's integral of K₀.

    >>> delta_slope_cdf(Start("uniform", 1.0, 1.0, 1.0), [-1.0, 0.0, 1.0])
    array([0. , 0.5, 1. ])
    """
    x = np.asarray(x, dtype=float)
    t = np.abs(x) / (start.w * start.v)
    if start.kind == "normal":
        return np.asarray(0.5 + np.sign(x) * iti0k0(t)[1] / np.pi)
    t = np.minimum(t, 1)
    return np.asarray(0.5 + np.sign(x) * (t - xlogy(t, t)) / 2)


def curvature_density(start: Start, x: ArrayLike) -> Array:
    """ζ(x) = p_β(x) E[w² | β = x] = ∫ |w|³ p_w(w) p_b(−xw) dw at x (…): the curvature f'' of a network of n neurons has
    the variance n σ_v² ζ(x) a unit of length, σ_v² that of v.

    Normal laws: 2σ_w³σ_b³/[π(σ_b² + σ_w²x²)²]; uniform: min(a_w, a_b/|x|)⁴/(8 a_w a_b).

    >>> curvature_density(Start("uniform", 1.0, 1.0, 1.0), [0.0, 2.0]) * 128
    array([16.,  1.])
    """
    r, w, b = np.abs(np.asarray(x, dtype=float)), start.w, start.b
    if start.kind == "normal":
        return np.asarray(2 * w**3 * b**3 / (np.pi * (b**2 + w**2 * r**2) ** 2))
    return np.asarray(_largest_weight(start, r) ** 4 / (8 * w * b))


def roughness_moments(start: Start, width: int) -> tuple[float, float]:
    """Mean and variance of the roughness ρ₀ = Σ_i μ_i² of n = `width` neurons: n E μ² and n (E μ⁴ − (E μ²)²).

    Normal laws: n s² and 8 n s⁴, s = σ_w σ_v, so 4 and 128/n for "he", 4n/(n+1)² and 128n/(n+1)⁴ for "glorot"; uniform:
    n a²/9 and n a⁴ (1/25 − 1/81), a = a_w a_v.

    >>> [round(moment, 12) for moment in roughness_moments(start("he", 64), 64)]
    [4.0, 2.0]
    """
    n, square = check_whole("width", [width])[0], (start.w * start.v) ** 2
    mean, fourth = (1, 9) if start.kind == "normal" else (1 / 9, 1 / 25)
    return n * square * mean, n * square**2 * (fourth - mean**2)


def chord_deviation(start: Start, width: int) -> float:
    """E ½∫ (f₀ − c)² over [−1, 1], c the chord of f₀, the line through its values at ±1: the square of what an initial
    function bends.

    Seen from its chord a neuron with breakpoint β in (−1, 1) is the hat with corner μ at β, of the height |μ|(1 − β²)/2
    and the mean square a third of that squared; others are lines. Neurons are uncorrelated (E v = 0), so it is

        n σ_v²/12 ∫_{−1}^{1} ζ(x) (1 − x²)² dx,

    with ζ as in `curvature_density` and σ_v² the variance of v. With b and w of one size: n σ_v²σ_w² (4 − π)/6π for
    normal laws, n a_w² a_v²/270 for uniform ones. Derived here.

    >>> round(chord_deviation(start("pytorch", 100), 100), 12) == round(1 / 270, 12)
    True
    """
    n, variance = check_whole("width", [width])[0], start.v**2 * (1 if start.kind == "normal" else 1 / 3)
    corner = min(start.b / start.w, 1.0)  # where the density of uniform laws is not smooth
    half = quad(lambda x: float(curvature_density(start, x)) * (1 - x**2) ** 2, 0, 1, points=[corner])[0]
    return n * variance * half / 6


def _largest_weight(start: Start, r: Array) -> Array:
    """min(a_w, a_b/r): the largest |w| of a neuron with a breakpoint at ±r."""
    return start.b / np.maximum(r, start.b / start.w)
