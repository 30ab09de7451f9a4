"""Dictionaries: what they promise, and where they come from."""

import numpy as np
import pytest

from restore.sparse.dictionary import Dictionary, overcomplete_dct


@pytest.mark.parametrize("patch_shape", [(8, 8, 1), (8, 8, 3), (5, 9, 1), (4, 4, 3)])
@pytest.mark.parametrize("n_atoms", [16, 100, 256])
def test_cosines_are_unit_atoms_of_centred_patches(n_atoms, patch_shape):
    dictionary = overcomplete_dct(n_atoms, patch_shape)
    assert dictionary.n_atoms == n_atoms and dictionary.patch_shape == patch_shape
    means = dictionary.atoms.reshape(n_atoms, -1, patch_shape[2]).mean(axis=1)
    constant = np.ptp(dictionary.atoms.reshape(n_atoms, -1, patch_shape[2]), axis=1).max(1) < 1e-6
    assert np.abs(means[~constant]).max() < 1e-6
    assert constant.sum() == (1 if patch_shape[2] == 1 else 3)
    assert np.linalg.matrix_rank(dictionary.atoms) == min(n_atoms, dictionary.patch_dim)


@pytest.mark.parametrize("name, channels", [("grey", 1), ("colour", 3)])
def test_the_packaged_ones_are_good_starts(name, channels):
    dictionary = Dictionary.load(name)
    assert dictionary.patch_shape == (8, 8, channels) and dictionary.n_atoms == 256
    assert dictionary.coherence() < 0.999
    largest = np.take_along_axis(
        dictionary.atoms, np.abs(dictionary.atoms).argmax(axis=1)[:, None], axis=1
    )
    assert (largest > 0).all()
    assert dictionary.provenance["method"]


def test_gram_and_coherence():
    dictionary = Dictionary(np.array([[1, 0], [0, 1], [0.6, 0.8]]), (2, 1, 1))
    assert np.allclose(dictionary.gram, [[1, 0, 0.6], [0, 1, 0.8], [0.6, 0.8, 1]])
    assert dictionary.coherence() == pytest.approx(0.8)
    assert Dictionary(np.eye(2)[:1], (2, 1, 1)).coherence() == 0
    assert np.array_equal(dictionary.atoms_t, dictionary.atoms.T)


def test_atoms_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        overcomplete_dct(16, (4, 4, 1)).atoms[0] = 0


def test_making_one_leaves_the_given_array_as_it_was():
    atoms = np.eye(4, dtype=np.float32)
    Dictionary(atoms, (2, 2, 1))
    atoms[0, 0] = 0.5


@pytest.mark.parametrize(
    "atoms, patch_shape, sentence",
    [
        (np.eye(4), (2, 2), "patch shape"),
        (np.eye(4), (2, 1, 2), "patch shape"),
        (np.eye(4), (4, 4, 1), "do not fit"),
        (np.eye(4)[0], (2, 2, 1), "n_atoms, patch_dim"),
        (np.empty((0, 4)), (2, 2, 1), "n_atoms, patch_dim"),
        (2 * np.eye(4), (2, 2, 1), "unit norm"),
        (np.zeros((4, 4)), (2, 2, 1), "unit norm"),
        (np.full((4, 4), np.nan), (2, 2, 1), "NaN"),
    ],
)
def test_what_is_no_dictionary_is_refused(atoms, patch_shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        Dictionary(atoms, patch_shape)


def test_an_array_is_no_file_of_a_dictionary():
    with pytest.raises(TypeError, match="expected the name or the file"):
        Dictionary.load(np.eye(4))


def test_a_dictionary_that_is_not_there_is_told_with_the_packaged_names():
    with pytest.raises(FileNotFoundError, match="no dictionary nosuch.*grey, colour"):
        Dictionary.load("nosuch")


@pytest.mark.parametrize("said", [None, "many", [1.0, None], [1.0, -2.0], [1.0, float("nan")], [3]])
def test_errors_that_a_file_does_not_say_in_numbers_are_none(said):
    assert Dictionary(np.eye(4), (2, 2, 1), {"rmse_by_turn": said}).errors is None
    assert Dictionary(np.eye(4), (2, 2, 1), {"rmse_by_turn": [3.0, 2.5]}).errors == [3.0, 2.5]
