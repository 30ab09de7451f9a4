"""The pursuit kernels against their literal twins, and what must hold for any input."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.sparse import coding
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import reference


def dictionary(n_atoms=40, patch_dim=16, seed=0):
    atoms = np.random.default_rng(seed).standard_normal((n_atoms, patch_dim))
    return Dictionary(atoms / np.linalg.norm(atoms, axis=1, keepdims=True), (patch_dim, 1, 1))


def signals(count=200, patch_dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((count, patch_dim)).astype(np.float32)


def rows(codes):
    """(support, coefficients) of each patch, without the padding."""
    for indices, coefficients, count in zip(*codes, strict=True):
        yield list(indices[:count]), coefficients[:count]


def assert_same(codes, literal):
    for (support, coefficients), (expected, values) in zip(rows(codes), literal, strict=True):
        assert support == expected
        assert np.allclose(coefficients, values, atol=2e-4)


@pytest.mark.parametrize("rule", ["omp", "ormp"])
@pytest.mark.parametrize("sparsity, tolerance", [(1, 0.0), (6, 0.0), (12, 0.5), (16, 3.0)])
def test_equals_the_literal_one(rule, sparsity, tolerance):
    atoms, patches = dictionary(), signals(120)
    codes = coding.code(patches, atoms, sparsity, tolerance, rule=rule)
    literal = [
        reference.pursuit.pursued(patch, atoms.atoms, sparsity, tolerance, rule=rule)
        for patch in patches
    ]
    assert_same(codes, literal)


def test_omp_equals_scikit_learns():
    from sklearn import linear_model

    atoms, patches = dictionary(64, 32), signals(300, 32)
    codes = coding.code(patches, atoms, 5, rule="omp")
    expected = linear_model.orthogonal_mp_gram(
        atoms.gram.astype(np.float64), atoms.atoms.astype(np.float64) @ patches.T, n_nonzero_coefs=5
    )
    assert np.allclose(dense(codes, 64), expected.T, atol=1e-4)


def dense(codes, n_atoms):
    full = np.zeros((len(codes.counts), n_atoms), np.float32)
    for row, (support, coefficients) in zip(full, rows(codes), strict=True):
        row[support] = coefficients
    return full


def test_the_residual_is_orthogonal_to_the_support():
    atoms, patches = dictionary(), signals()
    codes = coding.code(patches, atoms, 5)
    residuals = patches - coding.reconstruct(codes, atoms)
    overlaps = np.abs(residuals @ atoms.atoms.T)
    assert np.take_along_axis(overlaps, codes.indices, axis=1).max() < 2e-4


@pytest.mark.parametrize("tolerance", [0.01, 0.5, 4.0])
def test_the_tolerance_is_met_by_no_more_atoms_than_needed(tolerance):
    atoms, patches = dictionary(), signals()
    codes = coding.code(patches, atoms, tolerance=tolerance)
    energies = np.square(patches - coding.reconstruct(codes, atoms)).sum(axis=1)
    assert (energies <= tolerance * 1.001 + 1e-5).all()
    shorter = coding.code(patches, atoms, int(codes.counts.max()) - 1, tolerance)
    energies = np.square(patches - coding.reconstruct(shorter, atoms)).sum(axis=1)
    longest = codes.counts == codes.counts.max()
    assert (energies[longest] > tolerance).all()


def test_each_patch_may_have_a_tolerance_of_its_own():
    atoms, patches = dictionary(), signals(60)
    tolerances = np.linspace(0.1, 10, 60)
    codes = coding.code(patches, atoms, tolerance=tolerances)
    for p in (0, 20, 59):
        alone = coding.code(patches[p : p + 1], atoms, tolerance=tolerances[p])
        assert codes.counts[p] == alone.counts[0]


@pytest.mark.parametrize("rule", ["omp", "ormp"])
def test_planted_codes_are_recovered(rule):
    rng = np.random.default_rng(5)
    atoms = dictionary(256, 128, seed=4)
    support = np.array([rng.choice(256, 4, replace=False) for _ in range(300)])
    values = rng.uniform(1, 3, support.shape) * rng.choice([-1, 1], support.shape)
    patches = np.einsum("pt,ptk->pk", values, atoms.atoms[support]).astype(np.float32)
    codes = coding.code(patches, atoms, 4, rule=rule)
    assert np.array_equal(np.sort(codes.indices, axis=1), np.sort(support, axis=1))
    order, planted = np.argsort(codes.indices, axis=1), np.argsort(support, axis=1)
    assert np.allclose(
        np.take_along_axis(codes.coefficients, order, 1),
        np.take_along_axis(values, planted, 1),
        atol=1e-3,
    )


def test_equal_atoms_are_used_once_the_lowest_first():
    atoms = np.eye(8, dtype=np.float32)[[0, 0, 1, 1, 2, 3, 4, 5]]
    repeated = Dictionary(atoms, (8, 1, 1))
    codes = coding.code(np.array([[3, 2, 1, 0, 0, 0, 0, 0]], np.float32), repeated, 6)
    assert list(codes.indices[0, : codes.counts[0]]) == [0, 2, 4]
    assert np.allclose(codes.coefficients[0, :3], [3, 2, 1])


def test_the_number_of_threads_changes_nothing_and_the_neighbours_only_the_rounding():
    atoms = overcomplete_dct(100, (6, 6, 1))
    patches = signals(40_000, 36)

    def coded(part, threads):
        return coding.code(patches[part], atoms, 4, 0.1, pool=Pool(threads))

    one, four = coded(slice(None), 1), coded(slice(None), 4)
    assert all(np.array_equal(a, b) for a, b in zip(one, four, strict=True))
    part = slice(16_300, 16_500)
    # the matrix products of some libraries round a row by where it lies
    alone = coded(part, 1)
    same = np.array_equal(one.indices[part], alone.indices)
    assert same and np.allclose(one.coefficients[part], alone.coefficients, atol=1e-4)


def test_near_duplicates_among_the_atoms_do_no_harm():
    atoms = overcomplete_dct(1024, (8, 8, 1))  # coherence 0.9996
    y, x = np.mgrid[:8, :8]
    corners = np.random.default_rng(0).uniform(0, 9, (500, 2))
    patches = [np.hypot(y - v, x - u).ravel() for v, u in corners]
    patches -= np.mean(patches, axis=1, keepdims=True)
    errors = [
        np.square(patches - coding.reconstruct(coding.code(patches, atoms, sparsity), atoms))
        for sparsity in (2, 4, 8, 16)
    ]
    energies = np.array([error.sum(axis=1) for error in errors])
    assert (np.diff(energies, axis=0) <= 1e-3 * energies[:-1]).all()


@pytest.mark.parametrize("value", [0.0, 1e-20, 1e15])
def test_extreme_patches_do_no_harm(value):
    codes = coding.code(np.full((3, 16), value, np.float32), dictionary(), 5, 1e-6)
    assert np.isfinite(codes.coefficients).all()


def test_no_patches_give_no_codes():
    codes = coding.code(np.empty((0, 16), np.float32), dictionary(), 3)
    assert codes.indices.shape == (0, 3)


def test_reconstruct_equals_the_literal_one():
    atoms = dictionary()
    codes = coding.code(signals(), atoms, 7, 1.0)
    literal = reference.pursuit.reconstructed(*codes, atoms.atoms)
    assert np.allclose(coding.reconstruct(codes, atoms), literal, atol=1e-5)
