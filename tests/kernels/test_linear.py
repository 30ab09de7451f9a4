import numpy as np
import pytest

from restore.kernels import linear
from restore.kernels.lanes import padded


def covariance(dim, least, seed=0):
    """A random covariance with eigenvalues from `least` to 1, and zeros up to whole lanes."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.normal(size=(dim, dim)))
    rows = np.zeros((dim, padded(dim)), np.float32)
    rows[:, :dim] = basis * np.geomspace(least, 1, dim) @ basis.T
    return rows


@pytest.mark.parametrize("dim", [1, 3, 4, 16, 50, 64, 65, 130])
def test_inverse(dim):
    matrix = np.ascontiguousarray(covariance(dim, 0.01)[:, :dim])
    expected = np.linalg.inv(matrix.astype(np.float64))
    linear.invert(matrix)
    assert np.allclose(matrix, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("dim", [1, 5, 36, 64, 81])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_expected_values_given_some_samples(dim, share):
    random = np.random.default_rng(1)
    known = random.permutation(dim) < round(share * dim)
    rows, vector = covariance(dim, 1e-4), np.zeros(padded(dim), np.float32)
    whole = rows[:, :dim].astype(np.float64)
    vector[:dim][known] = random.normal(size=known.sum())
    expected = whole[:, known] @ np.linalg.solve(whole[np.ix_(known, known)], vector[:dim][known])
    linear.condition(rows, np.flatnonzero(known), vector)
    assert np.allclose(vector[:dim][~known], -expected[~known], atol=1e-3)
    assert not vector[dim:].any()


def test_rounding_errors_do_not_grow_with_an_asymmetry():
    """A product that ought to be symmetric is so only up to rounding."""
    random = np.random.default_rng(2)
    scales = np.where(np.arange(36) < 3, 1, 1e-4)  # a few strong atoms, as edges have
    for _ in range(20):
        patches = random.normal(size=(40, 36)) * scales
        products = (patches @ patches.T / np.square(patches).sum() * 1e6).astype(np.float32)
        matrix = products + np.eye(40, dtype=np.float32)
        matrix *= 1 + np.float32(1e-7) * random.normal(size=matrix.shape).astype(np.float32)
        expected = np.linalg.inv((matrix.astype(np.float64) + matrix.T) / 2)
        linear.invert(matrix)
        assert np.allclose(matrix, expected, atol=0.03)
