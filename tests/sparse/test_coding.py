"""The door to the pursuit kernels: what it lets in, and what it says to the rest."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.sparse import coding
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import reference

ATOMS = overcomplete_dct(16, (4, 4, 1))
PATCHES = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.float64, list, np.asfortranarray])
def test_any_array_like_is_taken(kind):
    patches = PATCHES.tolist() if kind is list else kind(PATCHES)
    expected = coding.code(PATCHES, ATOMS, 3)
    codes = coding.code(patches, ATOMS, 3)
    assert all(np.array_equal(a, b) for a, b in zip(codes, expected, strict=True))


def test_the_padding_is_zero():
    codes = coding.code(PATCHES, ATOMS, 8, 4.0)
    beyond = np.arange(8) >= codes.counts[:, None]
    assert beyond.any()
    assert not codes.indices[beyond].any() and not codes.coefficients[beyond].any()


def test_sparsity_is_the_patch_dim_by_default_and_at_most_the_number_of_atoms():
    assert coding.code(PATCHES, ATOMS).indices.shape == (20, 16)
    assert coding.code(PATCHES, overcomplete_dct(4, (4, 4, 1)), 9).indices.shape == (20, 4)


def test_progress_is_told():
    told = []
    coding.code(PATCHES, ATOMS, 2, pool=Pool(progress=lambda *step: told.append(step)))
    assert told == [("coding", 1, 1)]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"patches": PATCHES[:, :9]}, r"expected patches of shape \(n, 16\), got \(20, 9\)"),
        ({"patches": PATCHES[0]}, "expected patches of shape"),
        ({"rule": "mp"}, "expected rule 'ormp' or 'omp'"),
        ({"sparsity": -1}, "at least 1 atom"),
        ({"sparsity": 0}, "at least 1 atom"),
        ({"patches": np.full_like(PATCHES, np.nan)}, "NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        coding.code(**{"patches": PATCHES, "dictionary": ATOMS, "sparsity": 2, **arguments})


def test_l1_codes_equal_the_literal_ones():
    atoms = np.random.default_rng(3).standard_normal((24, 16))
    atoms = Dictionary(atoms / np.linalg.norm(atoms, axis=1, keepdims=True), (4, 4, 1))
    patches = PATCHES[:8]
    literal = [
        reference.shrinkage.shrunk(patch, atoms.atoms.astype(float), 0.3) for patch in patches
    ]
    codes = coding.code_l1(patches, atoms, 0.3, iterations=20_000)
    full = np.zeros((8, 24))
    for row, indices, values, count in zip(full, *codes, strict=True):
        row[indices[:count]] = values[:count]
    assert np.allclose(full, literal, atol=1e-3)


def test_l1_codes_equal_scikit_learns_lasso():
    from sklearn import linear_model

    lasso = linear_model.Lasso(0.2 / 16, fit_intercept=False, tol=1e-8, max_iter=100_000)
    dictionary = overcomplete_dct(36, (4, 4, 1))
    codes = coding.code_l1(PATCHES, dictionary, 0.2)
    expected = lasso.fit(dictionary.atoms.T.astype(float), PATCHES.T.astype(float)).coef_
    assert np.allclose(
        coding.reconstruct(codes, dictionary), expected @ dictionary.atoms, atol=2e-3
    )

    def cost(approximation, sizes):
        return np.square(PATCHES - approximation).sum(1) / 2 + 0.2 * sizes

    ours = cost(coding.reconstruct(codes, dictionary), np.abs(codes.coefficients).sum(1))
    assert np.allclose(ours, cost(expected @ dictionary.atoms, np.abs(expected).sum(1)), rtol=1e-4)


def test_l1_codes_have_no_padding_inside_and_no_dependence_on_threads():
    patches = np.random.default_rng(1).standard_normal((20_000, 16)).astype(np.float32)
    one, four = (coding.code_l1(patches, ATOMS, 0.8, pool=Pool(n)) for n in (1, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, four, strict=True))
    used = np.arange(one.indices.shape[1]) < one.counts[:, None]
    assert np.array_equal(one.coefficients != 0, used) and not one.indices[~used].any()


def test_no_patches_and_a_large_penalty_give_empty_l1_codes():
    assert coding.code_l1(PATCHES[:0], ATOMS, 1.0).indices.shape == (0, 0)
    assert not coding.code_l1(PATCHES, ATOMS, 1e3).counts.any()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"patches": PATCHES[:, :9]}, "expected patches of shape"),
        ({"penalty": -1}, "not negative"),
        ({"penalty": np.nan}, "not negative"),
        ({"patches": np.full_like(PATCHES, np.inf)}, "NaN or infinity"),
    ],
)
def test_what_does_not_fit_l1_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        coding.code_l1(**{"patches": PATCHES, "dictionary": ATOMS, "penalty": 0.1, **arguments})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_sample_that_is_no_number_is_found(value):
    patches = np.ones((5000, ATOMS.patch_dim), np.float32)
    patches[4321, 7] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        coding.code(patches, ATOMS, 2)
    patches[4321, 7] = 1e30  # its square is beyond float32, and yet it is one
    coding.code(patches, ATOMS, 2)
