"""Leading eigenpairs with all their copies: diagonal operators of known multiplicities, and neurons that are alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

from fembridge.memory import memory_limit
from fembridge.networks import lanczos
from fembridge.networks.curvature import Curvature, dense, hessian
from fembridge.networks.lanczos import Lanczos
from fembridge.networks.leading import top_eigenvalues
from fembridge.networks.models import initialise

N = 1000
LEVELS = {9.0: 1, 7.0: 3, 5.0: 12, 3.0: 40}
ROUNDOFF = N * np.finfo(float).eps


def diagonal(seed=1):
    """Eigenvalues 9, 7, 5 and 3, so often, and the rest in (−2, 2), in no order."""
    rng = np.random.default_rng(seed)
    copies = [np.full(count, level) for level, count in LEVELS.items()]
    return rng.permutation(np.concatenate([*copies, rng.uniform(-2, 2, N - 56)]))


def given(d):
    operator = LinearOperator((N, N), matvec=lambda v: d * v.ravel(), rmatvec=lambda v: d * v.ravel(), dtype=float)
    return Curvature(operator, "given", ())


@pytest.mark.parametrize("k", [1, 2, 4, 5, 10, 16, 17, 30, 56, 60])
@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
def test_every_copy_of_a_multiple_eigenvalue(k, which):
    d = diagonal()
    sign = -1 if which == "smallest" else 1
    pairs = top_eigenvalues(given(sign * d), k, which)
    exact = np.sort(np.abs(d) if which == "magnitude" else d)[::-1][:k]
    found = np.sort(np.abs(pairs.values) if which == "magnitude" else sign * pairs.values)[::-1]
    # an eigenvalue errs by its residual at the most, 1e-10 of it; the vectors are those of distinct copies
    assert pairs.checked and np.abs(found - exact).max() <= 1e-10 * 9
    assert np.abs(pairs.vectors.T @ pairs.vectors - np.eye(k)).max() <= ROUNDOFF
    assert (pairs.residuals <= 1e-10 * np.abs(pairs.values) + ROUNDOFF).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_search_from_another_start_and_no_other_answer(seed):
    d = diagonal(seed)
    search = Lanczos(lambda x: d[:, None] * x, N, 20, 100, both=False)
    search.random = np.random.default_rng(seed)
    assert search.solve(1e-8, 300)
    assert np.allclose(search.values, np.sort(d)[::-1][:20], rtol=1e-8, atol=0)


def test_copies_of_both_signs():
    d = diagonal()
    d[d == 3.0] *= np.where(np.arange(40) % 2, -1, 1)
    pairs = top_eigenvalues(given(d), 30, "magnitude")
    assert pairs.checked and np.allclose(np.sort(np.abs(pairs.values))[::-1], np.sort(np.abs(d))[::-1][:30], rtol=1e-9)


def test_an_eigenvalue_of_all_but_the_same_size():
    """Copies that differ by 1e-6, of which the least wanted is left out."""
    d = diagonal()
    d[d == 5.0] -= 1e-6 * np.arange(12)
    pairs = top_eigenvalues(given(d), 10)
    assert pairs.checked and np.allclose(pairs.values, np.sort(d)[::-1][:10], rtol=1e-10, atol=0)


def test_a_multiple_of_the_identity():
    pairs = top_eigenvalues(given(np.full(N, -2.0)), 5)
    assert np.allclose(pairs.values, -2, rtol=1e-14) and pairs.residuals.max() <= ROUNDOFF


def he_network(seed, width=200):
    """A shallow ReLU network at data in (0, 1): the 60 to 80 neurons without a kink there, and not zero, are alike."""
    x = torch.as_tensor(np.random.default_rng(0).uniform(0, 1, (600, 1)))
    return hessian(initialise("relu", width, "he", (-1.0, 1.0), seed=seed), x, torch.sin(2 * torch.pi * x))


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
@pytest.mark.parametrize(("seed", "k"), [(0, 10), (0, 45), (1, 25), (2, 10), (2, 70)])
def test_neurons_without_a_kink_in_the_data(seed, k, which):
    h = he_network(seed=seed)
    every = np.linalg.eigvalsh(dense(h))
    order = np.argsort({"largest": -every, "smallest": every, "magnitude": -np.abs(every)}[which], kind="stable")
    pairs = top_eigenvalues(h, k, which)
    exact = every[order[:k]]
    bound = pairs.residuals.max() + len(every) * np.finfo(float).eps * np.abs(every).max()
    assert pairs.method.startswith("Lanczos on 60") and pairs.checked
    key = np.abs if which == "magnitude" else np.asarray
    assert np.abs(np.sort(key(pairs.values)) - np.sort(key(exact))).max() <= bound


def test_negative_control_one_vector_misses_copies():
    """Lanczos from one vector, residuals as small: of the copies on either operator it has too few."""
    h = he_network(seed=2)
    for a, k in ((h.operator, 10), (given(diagonal()).operator, 10)):
        start = np.random.default_rng(0).standard_normal(a.shape[0])
        values, vectors = eigsh(a, k, which="LA", tol=1e-10, v0=start)
        assert np.linalg.norm(a @ vectors - vectors * values, axis=0).max() <= 1e-8
        exact = top_eigenvalues(Curvature(aslinearoperator(a), "given", ()), k).values
        assert np.abs(np.sort(values)[::-1] - exact).max() > 1e-3


def test_a_check_without_room_says_so():
    """Where the last of the pairs is one of many copies, a check has to converge: that takes more than STEPS = 3."""
    d = diagonal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanczos, "STEPS", 3)
        pairs = top_eigenvalues(given(d), 4)
    assert not pairs.checked and pairs.residuals.max() <= 1e-9


def test_too_little_memory():
    with memory_limit(1e-4), pytest.raises(MemoryError, match="10 eigenvectors of 1000 rows needs"):
        top_eigenvalues(given(diagonal()), 10)


def test_no_convergence():
    with pytest.raises(RuntimeError, match=r"\d+ of 10 eigenvalues converged to 1e-10 in 1 restarts: allow more"):
        top_eigenvalues(given(np.random.default_rng(0).uniform(0, 1, N)), 10, restarts=1)


def test_a_product_in_single_precision():
    """The search goes as far as round-off allows, which it sees by how far the operator is from symmetric."""
    rng = np.random.default_rng(0)
    r = rng.standard_normal((N, N)).astype(np.float32)
    a = r @ np.diag(np.exp(-np.arange(N) / 50).astype(np.float32)) @ r.T / N
    operator = LinearOperator((N, N), matvec=lambda v: (a @ v.ravel().astype(np.float32)).astype(float), dtype=float)
    pairs = top_eigenvalues(Curvature(operator, "given", ()), 10)
    exact = np.linalg.eigvalsh(a.astype(float))[::-1][:10]
    assert pairs.checked and 1e-9 < pairs.residuals.max() <= 1e-5 * exact[0]
    assert np.abs(pairs.values - exact).max() <= pairs.residuals.max() + 1e-6 * exact[0]
