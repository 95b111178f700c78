import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from fembridge.theory.univariate import initial
from fembridge.theory.univariate.initial import Start, start

STARTS = [Start("normal", 1.5, 0.5, 2.0), Start("uniform", 1.5, 0.5, 2.0), Start("uniform", 0.5, 1.5, 0.3)]
LAWS = [
    (initial.breakpoint_density, initial.breakpoint_cdf),
    (initial.delta_slope_density, initial.delta_slope_cdf),
]


@pytest.mark.parametrize("law", STARTS)
def test_distributions_are_integrals_of_their_densities(law: Start) -> None:
    for density, cdf in LAWS:
        assert abs(cdf(law, 0.0) - 0.5) == 0 and abs(cdf(law, 1e9) - 1) < 1e-9 and cdf(law, -1e9) < 1e-9
        for a, b in ((0.0, 0.2), (0.2, 0.7), (0.7, 5.0), (-0.3, 0.1)):
            kinks = [t for t in (0.0, law.b / law.w, law.w * law.v) if a < t < b]
            mass = quad(lambda x, p=density: float(p(law, x)), a, b, points=kinks or None, limit=200)[0]
            assert abs(cdf(law, b) - cdf(law, a) - mass) < 1e-9


@pytest.mark.parametrize("law", STARTS)
def test_samples_of_each_law(law: Start) -> None:
    """n draws are within √(ln(2/α)/2n) of their distribution (Massart), but for α = 1e-6."""
    n, random = 200_000, np.random.default_rng(0)
    unit = random.standard_normal((3, n)) if law.kind == "normal" else random.uniform(-1, 1, (3, n))
    w, b, v = unit * np.array([[law.w], [law.b], [law.v]])
    limit = np.sqrt(np.log(2 / 1e-6) / (2 * n))
    for draws, (_, cdf) in zip((-b / w, w * v), LAWS, strict=True):
        assert stats.kstest(draws, lambda x, cdf=cdf: cdf(law, x)).statistic < limit
    below = np.array([np.mean(w**2 * (-b / w < x)) for x in (-0.5, 0.2, 1.0)])  # E[w²; β < x] = ∫ ζ
    mass = [quad(lambda x: float(initial.curvature_density(law, x)), -np.inf, x)[0] for x in (-0.5, 0.2, 1.0)]
    assert np.abs(below - mass).max() < 6 * np.std(w**2) / np.sqrt(n)


def test_roughness_of_the_papers() -> None:
    for n in (1, 8, 100):
        assert np.allclose(initial.roughness_moments(start("he", n), n), (4, 128 / n), rtol=1e-14)
        glorot = (4 * n / (n + 1) ** 2, 128 * n / (n + 1) ** 4)
        assert np.allclose(initial.roughness_moments(start("glorot", n), n), glorot, rtol=1e-14)


@pytest.mark.parametrize("law", STARTS)
def test_roughness_is_that_of_its_density(law: Start) -> None:
    top = law.w * law.v * (1 if law.kind == "uniform" else 40)
    square, fourth = (
        2 * quad(lambda x, k=k: x**k * float(initial.delta_slope_density(law, x)), 0, top)[0] for k in (2, 4)
    )
    assert np.allclose(initial.roughness_moments(law, 5), (5 * square, 5 * (fourth - square**2)), rtol=1e-7)


def test_chord_deviation_in_closed_form() -> None:
    n = 50
    for init, factor in (("he", 4), ("glorot", 4 * n / (n + 1) ** 2), ("gaussian", 1.0)):
        expected = factor * (4 - np.pi) / (6 * np.pi)
        assert initial.chord_deviation(start(init, n), n) == pytest.approx(expected, rel=1e-12)
    for law, m in ((Start("uniform", 1.0, 2.0, 3.0), 16 / 15), (Start("uniform", 2.0, 1.0, 3.0), None)):
        r = law.b / law.w
        tail = 2 * r**4 * (1 / (3 * r**3) - 1 / 3 - 2 / r + 2 + 1 - r) if m is None else 0
        head = m or 2 * (r - 2 * r**3 / 3 + r**5 / 5)
        zeta = law.w**3 / (8 * law.b)
        assert initial.chord_deviation(law, n) == pytest.approx(n * 3 / 12 * zeta * (head + tail), rel=1e-12)


def test_refusals() -> None:
    with pytest.raises(ValueError, match='kind: expected "normal" or "uniform"'):
        Start("cauchy", 1.0, 1.0, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="b: expected a positive number, got 0"):
        Start("normal", 1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="init: expected one of he, glorot"):
        start("orthogonal", 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width"):
        start("he", 0)
