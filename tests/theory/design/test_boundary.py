import numpy as np
import pytest

from fembridge.theory.design.boundary import designed_features, mass
from fembridge.theory.design.designs import design


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 4, 7])
def test_the_finite_gram_has_no_larger_condition_than_the_symbol(degree: int, taps: int) -> None:
    """And it is that of all of the space: as many features as B-splines, and independent."""
    found = design("flat", degree, taps)
    every = designed_features(found, 96)
    assert every.matrix.shape == (96 + degree, 96 + degree)
    eigenvalues = np.linalg.eigvalsh(every.gram().toarray())
    assert 0.98 * found.condition_number < eigenvalues[-1] / eigenvalues[0] <= found.condition_number * (1 + 1e-9)


def test_a_thousand_features_of_seven_taps() -> None:
    found = design("flat", taps=7)
    eigenvalues = np.linalg.eigvalsh(designed_features(found, 1000).gram().toarray())
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(5043 / 5041, abs=1e-6)


def test_features_cut_at_the_ends_have_no_such_bound() -> None:
    """The control: the same activation with the B-splines of the ends themselves as boundary features."""
    found = design("flat", taps=7)
    every = designed_features(found, 96)
    plain = every.matrix.toarray()
    left, right = every.boundary
    plain[:left], plain[-right:] = np.eye(len(plain))[:left], np.eye(len(plain))[-right:]
    eigenvalues = np.linalg.eigvalsh(plain @ mass(1, 96).toarray() @ plain.T)
    assert eigenvalues[-1] / eigenvalues[0] > 1.5


def test_boundary_features_of_a_long_interval_are_those_of_a_shorter_one() -> None:
    found = design("flat", 2, taps=5)
    every = designed_features(found, 1500)
    left, right = every.boundary
    G = every.gram()
    cross = abs(G[:left, left:]).max(), abs(G[-right:, :-right]).max()
    assert max(cross) < 1e-12 * abs(G).max()


def test_features_that_decay_too_slowly_are_refused_on_a_long_interval() -> None:
    """0.999 to the power of 512: a symbol of ratio 10⁶ has zeros so near to the circle."""
    narrow = design(lambda x: 1e-6 + np.exp(-(((x - 0.5) / 0.01) ** 2)), taps=20)
    with pytest.raises(ValueError, match="decay too slowly: expected at most 1024 cells"):
        designed_features(narrow, 1500)


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="cells: expected at least 18"):
        designed_features(design("flat", taps=7), 10)
