"""The door to the pursuit kernels: what it lets in, and what it says to the rest."""

import numpy as np
import pytest

from restore import coding
from restore.dictionary import overcomplete_dct

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
    coding.code(PATCHES, ATOMS, 2, progress=lambda *step: told.append(step))
    assert told == [("coding", 1, 1)]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"patches": PATCHES[:, :9]}, r"expected patches of shape \(n, 16\), got \(20, 9\)"),
        ({"patches": PATCHES[0]}, "expected patches of shape"),
        ({"rule": "mp"}, "expected rule 'ormp' or 'omp'"),
        ({"sparsity": -1}, "at least 1 atom"),
        ({"sparsity": 0}, "at least 1 atom"),
        ({"weights": PATCHES[:3]}, "weights of shape"),
        ({"weights": -np.ones_like(PATCHES)}, "not negative"),
        ({"weights": np.full_like(PATCHES, np.nan)}, "finite"),
        ({"patches": np.full_like(PATCHES, np.nan)}, "weights of 0"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        coding.code(**{"patches": PATCHES, "dictionary": ATOMS, "sparsity": 2, **arguments})
