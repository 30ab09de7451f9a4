"""Pursuit and K-SVD over known samples: against the literal ones, and what must always hold."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.kernels import masked as kernels
from restore.sparse import coding, masked
from restore.sparse.dictionary import Dictionary
from tests import reference


def dictionary(n_atoms=40, samples=16, channels=1, seed=0):
    """Random atoms whose channels are centred; 0 channels are one that is not."""
    atoms = np.random.default_rng(seed).standard_normal((n_atoms, samples, max(1, channels)))
    if channels:
        atoms -= atoms.mean(axis=1, keepdims=True)
    atoms = atoms.reshape(n_atoms, -1)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return Dictionary(atoms, (samples, 1, max(1, channels)))


def holed(patches, missing=0.4, seed=2):
    unknown = np.random.default_rng(seed).random(patches.shape) < missing
    return np.where(unknown, np.float32(np.nan), patches.astype(np.float32))


def signals(count, patch_dim, seed=1):
    return np.random.default_rng(seed).standard_normal((count, patch_dim)).astype(np.float32)


@pytest.mark.parametrize("channels", [0, 1, 3])
@pytest.mark.parametrize("sparsity, tolerance", [(1, 0.0), (4, 0.0), (8, 0.2)])
def test_pursuit_equals_the_literal_one(channels, sparsity, tolerance):
    atoms = dictionary(samples=8 if channels == 3 else 16, channels=channels)
    patches = holed(signals(80, atoms.patch_dim) + (3 if channels else 0.5))
    codes, means = masked.code(patches, atoms, sparsity, tolerance, constants=channels > 0)
    assert means.shape == (80, channels)
    for p, patch in enumerate(patches):
        support, coefficients, constants = reference.masked.pursued_known(
            patch, np.isfinite(patch), atoms.atoms, channels, sparsity, tolerance
        )
        assert list(codes.indices[p, : codes.counts[p]]) == support
        assert np.allclose(codes.coefficients[p, : len(support)], coefficients, atol=1e-3)
        assert np.allclose(means[p], constants, atol=1e-3)


def test_with_all_samples_known_it_is_plain_pursuit():
    atoms, patches = dictionary(), signals(100, 16)
    codes, means = masked.code(patches, atoms, 4)
    centred = patches - patches.mean(axis=1, keepdims=True)
    plain = coding.code(centred, atoms, 4)
    assert np.array_equal(codes.indices, plain.indices)
    assert np.allclose(codes.coefficients, plain.coefficients, atol=1e-4)
    assert np.allclose(means, patches.mean(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_planted_codes_are_recovered_from_half_of_the_samples(channels):
    rng = np.random.default_rng(3)
    atoms = dictionary(200, 128 // channels, channels, seed=4)
    support = np.array([rng.choice(200, 3, replace=False) for _ in range(200)])
    values = rng.uniform(1, 3, support.shape) * rng.choice([-1, 1], support.shape)
    patches = np.einsum("pt,ptk->pk", values, atoms.atoms[support])
    constants = rng.random((200, 1, channels))
    patches = (patches.reshape(200, -1, channels) + constants).reshape(200, -1)
    codes, means = masked.code(holed(patches, 0.5), atoms, 3)
    assert np.array_equal(np.sort(codes.indices, axis=1), np.sort(support, axis=1))
    assert np.allclose(masked.reconstruct(codes, means, atoms), patches, atol=1e-3)
    assert np.allclose(means, constants[:, 0], atol=1e-3)


def test_what_stands_at_unknown_samples_changes_nothing():
    atoms, patches = dictionary(), holed(signals(50, 16))
    known = np.isfinite(patches)
    found = []
    for other in (np.nan, np.inf, 7.0):
        codes = [np.zeros((50, 5), kind) for kind in (np.int32, np.float32)]
        counts, means = np.zeros(50, np.int32), np.zeros((50, 1), np.float32)
        filled = np.where(known, patches, np.float32(other))
        kernels.pursue(filled, known, atoms.atoms, np.float32(0.01), *codes, counts, means)
        found.append((*codes, counts, means))
    for others in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_the_tolerance_counts_known_samples():
    atoms, patches = dictionary(60, 32), holed(signals(300, 32))
    known = np.isfinite(patches)
    codes, means = masked.code(patches, atoms, 32, 0.1)
    left = np.where(known, patches - masked.reconstruct(codes, means, atoms), 0)
    short = codes.counts < known.sum(axis=1) - 2
    assert short.sum() > 250
    assert (np.square(left).sum(axis=1) <= 0.1 * known.sum(axis=1) + 1e-4)[short].all()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hardly_any_known_samples_give_a_constant(number):
    patches = np.full((1, 16), np.nan, np.float32)
    patches[0, :number] = [0.25, 0.75][:number]
    codes, means = masked.code(patches, dictionary(), 5)
    assert codes.counts[0] == 0
    assert means[0, 0] == pytest.approx([0, 0.25, 0.5][number])


def test_a_channel_without_known_samples_takes_the_mean_of_the_others():
    atoms = dictionary(40, 16, 3)
    patches = (0.1 * signals(20, 48) + 0.5).reshape(20, 16, 3)
    patches[..., 1] = np.nan
    means = masked.code(patches.reshape(20, 48), atoms, 1, 10.0)[1]
    assert np.allclose(means[:, 1], np.nanmean(patches, axis=(1, 2)), atol=1e-5)


def test_the_number_of_threads_changes_nothing():
    atoms, patches = dictionary(), holed(signals(5000, 16))
    one, four = (masked.code(patches, atoms, 4, pool=Pool(threads)) for threads in (1, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one[0], four[0], strict=True))
    assert np.array_equal(one[1], four[1])
    learned = [masked.learn(patches, atoms, 4, iterations=2, pool=Pool(n)).atoms for n in (1, 4)]
    assert np.array_equal(*learned)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected patches of shape"):
        masked.code(signals(3, 15), dictionary())
    with pytest.raises(ValueError, match="at least 1 atom"):
        masked.code(signals(3, 16), dictionary(), 0)


# K-SVD ----------------------------------------------------------------------------------


def coded(channels):
    """Known samples of patches, their residuals, their codes, and the dictionary."""
    atoms = dictionary(30, 12, channels)
    patches = holed(signals(150, atoms.patch_dim))
    codes, means = masked.code(patches, atoms, 4, constants=channels > 0)
    known = np.isfinite(patches)
    residuals = np.where(known, patches - masked.reconstruct(codes, means, atoms), np.float32(0))
    return patches, known, residuals, codes, atoms


def full(codes, n_atoms):
    matrix = np.zeros((len(codes.counts), n_atoms))
    for row, indices, coefficients, count in zip(matrix, *codes, strict=True):
        row[indices[:count]] = coefficients[:count]
    return matrix


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_k_svd_equals_the_literal_one(channels):
    _, known, residuals, codes, dictionary = coded(channels)
    expected, values = reference.masked.updated_known_atoms(
        residuals, known, full(codes, 30), dictionary.atoms, channels, 3
    )
    atoms = dictionary.atoms.copy()
    kernels.update_atoms(residuals, known, *codes, atoms, channels, 3)
    assert np.allclose(atoms, expected, atol=1e-3)
    assert np.allclose(full(codes, 30), values, atol=1e-2)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_k_svd_never_raises_the_error_over_the_known_samples(channels):
    patches, known, residuals, codes, dictionary = coded(channels)
    atoms = dictionary.atoms.copy()
    errors = [np.square(residuals).sum()]
    for rounds in (1, 1, 3, 5):
        kernels.update_atoms(residuals, known, *codes, atoms, channels, rounds)
        errors.append(np.square(residuals).sum())
        # the residuals are still those of the codes, up to a constant for each channel
        left = np.where(known, patches - full(codes, 30) @ atoms - residuals, np.nan)
        if channels:
            assert np.nanstd(left.reshape(150, -1, channels), axis=1).max() < 1e-4
        else:
            assert np.nanmax(np.abs(left)) < 1e-4
    assert (np.diff(errors) <= 1e-5 * errors[0]).all()
    assert errors[-1] < 0.8 * errors[0]
    assert np.allclose(np.linalg.norm(atoms, axis=1), 1, atol=1e-5)
    if channels:
        assert np.abs(atoms.reshape(30, -1, channels).mean(axis=1)).max() < 1e-6
    assert (np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], 1) > 0).all()


def test_learning_finds_the_planted_atoms_behind_the_holes():
    rng = np.random.default_rng(7)
    planted = dictionary(20, 24, seed=8)
    codes = np.zeros((3000, 20))
    for row in codes:
        row[rng.choice(20, 2, replace=False)] = rng.uniform(1, 2, 2) * rng.choice([-1, 1], 2)
    patches = holed(codes @ planted.atoms + rng.random((3000, 1)), 0.3)
    noise = rng.standard_normal(planted.atoms.shape) * 0.1
    noise -= noise.mean(axis=1, keepdims=True)
    start = planted.atoms + noise
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    learned = masked.learn(patches, Dictionary(start, (24, 1, 1)), 2, iterations=20)
    likeness = np.abs(planted.atoms @ learned.atoms.T).max(axis=1)
    assert np.abs(planted.atoms @ start.T).max(axis=1).max() < 0.97
    assert (likeness > 0.99).mean() >= 0.9
