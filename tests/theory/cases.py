"""One table of ReLU cases for every method of the spectra: knots, weights and domain; form; with 1 and x − a or not."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from fembridge.theory.features import Features, grid
from fembridge.theory.splines import named
from tests.theory import oracle


@dataclass(frozen=True, eq=False)
class Case:
    """ReLUs w_j (x − b_j)₊ = σ(w_j x + c_j), in any order of neurons."""

    name: str
    features: Features
    form: str = "mass"
    affine: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.form}" + ("-affine" if self.affine else "")

    def exact_knots(self) -> tuple[list[Decimal], np.ndarray]:
        """The kinks −c/w of the features as they are given, to 60 digits, sorted, and their weights."""
        f = self.features
        with localcontext() as context:
            context.prec = oracle.DIGITS
            kinks = [-Decimal(float(c)) / Decimal(float(w)) for w, c in zip(f.weights, f.biases, strict=True)]
        order = sorted(range(len(kinks)), key=kinks.__getitem__)
        return [kinks[i] for i in order], f.weights[order]

    def equispaced_knots(self) -> list[Decimal]:
        """a + j(b−a)/n without rounding: what the dispersion relation takes equispaced knots to be."""
        with localcontext() as context:
            context.prec = oracle.DIGITS
            (a, b), n = map(Decimal, self.features.domain), len(self.features)
            return [a + (b - a) * j / n for j in range(n)]

    def pencil(self, equispaced: bool = False) -> tuple[oracle.Bands, oracle.Bands]:
        """The exact pencil: of mass and h1 with the constant; its stiffness is zero, and left out."""
        knots, weights = self.exact_knots()
        if equispaced:
            knots = self.equispaced_knots()
        (a, b), w = self.features.domain, list(weights)
        if self.affine and knots[0] > Decimal(float(a)):
            knots, w = [Decimal(float(a)), *knots], [1.0, *w]
        return oracle.pencil(knots, b, w, self.form, self.affine and self.form != "stiffness")


def relus(knots: np.ndarray, domain: tuple[float, float] = (0.0, 1.0), weights: np.ndarray | float = 1.0) -> Features:
    w = np.broadcast_to(weights, len(knots)).astype(float)
    return Features(named("relu"), w, -w * knots, domain)


def random_knots(n: int, seed: int = 0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).random(n))


def clusters(n: int, size: int, apart: float = 1e-9) -> np.ndarray:
    """n random knots, the first half of them `size` times, `apart` from each other."""
    knots = random_knots(n, 5)
    return np.sort(np.concatenate([knots, *(knots[: n // 2] + k * apart for k in range(1, size))]))


def alternating(n: int, ratio: float = 1e-6) -> np.ndarray:
    """Steps 1, ratio, 1, ratio, … of [0, 1): neighbours graded by `ratio`."""
    steps = np.where(np.arange(n) % 2, ratio, 1.0)
    return np.cumsum(steps)[:-1] / steps.sum()


def geometric(n: int, smallest: float = 1e-12) -> np.ndarray:
    """0, smallest, …, smallest^(2/n), smallest^(1/n): each a constant factor from the next."""
    return np.append(0.0, smallest ** (np.arange(n, 0, -1) / n))


def orders(n: int, span: float) -> np.ndarray:
    """Weights that are powers of two, so that kinks are not rounded, over 10^−span … 10^span."""
    return 2.0 ** np.round(np.random.default_rng(7).uniform(-span, span, n) / np.log10(2))


SHUFFLED = np.random.default_rng(3).permutation(30)

FEATURES = {
    "one": relus(np.array([0.25])),
    "one-at-the-left-end": relus(np.array([0.0])),
    "two": relus(grid(2)),
    "three": relus(np.array([0.1, 0.5, 0.8])),
    "three-equispaced": relus(grid(3)),
    "equispaced": relus(grid(40)),
    "equispaced-far": relus(grid(33, (100.0, 100.01)), (100.0, 100.01)),
    "random": relus(random_knots(60)),
    "random-from-the-left-end": relus(np.append(0.0, random_knots(30, 1))),
    "shuffled": relus(random_knots(30)[SHUFFLED]),
    "alternating": relus(alternating(50)),
    "geometric": relus(geometric(40)),
    "pairs": relus(clusters(30, 2)),
    "triples": relus(clusters(24, 3)),
    "pairs-at-round-off": relus(clusters(20, 2, 1e-15)),
    "weights": relus(random_knots(40, 2), weights=orders(40, 6)),
    "rounded-kinks": relus(random_knots(40, 4), weights=np.random.default_rng(4).uniform(0.3, 3, 40)),
    "rounded-pairs": relus(clusters(20, 2), weights=0.3),
    "around-the-origin": relus(8 * random_knots(40) - 3, (-3.0, 5.0)),
    "far-from-the-origin": relus(100 + 0.01 * random_knots(40), (100.0, 100.01)),
    "short": relus(1e-3 * random_knots(40), (0.0, 1e-3)),
    "long": relus(1e4 * random_knots(40), (0.0, 1e4)),
    "long-equispaced": relus(grid(24, (0.0, 1e4)), (0.0, 1e4)),
    # With h1 and the constant: two eigenvalues 5e-8 apart, whose bounds are those of a nearly double root.
    "nearly-double": relus(5.7e-14 * np.array([0.0, 0.99978, 1 - 5.4e-9]), (0.0, 5.7e-14)),
    "twin-halves": relus(np.concatenate([random_knots(15) / 2, (1 + random_knots(15)) / 2])),
}
CASES = [
    Case(name, f, form, affine)
    for name, f in FEATURES.items()
    for form in oracle.ALPHA_BETA
    for affine in (False, True)
]

ROUNDED = ("rounded-kinks", "rounded-pairs")  # kinks −c/w that are not floats: their bounds say what that costs

LARGER = [
    Case("random-300", relus(random_knots(300, 1))),
    Case("equispaced-300", relus(grid(300))),
    Case("pairs-300", relus(clusters(200, 2))),
    Case("alternating-300", relus(alternating(300))),
    Case("geometric-300", relus(geometric(300)), "h1", affine=True),
]
THOUSAND = [
    Case("random-1000", relus(random_knots(1000))),
    Case("pairs-1000", relus(clusters(667, 2))),
    Case("triples-1000", relus(clusters(500, 3)), "h1"),
    Case("alternating-1000", relus(alternating(1000))),
    Case("geometric-1000", relus(geometric(1000))),
    Case("random-affine-1000", relus(random_knots(1000)), affine=True),
]
