"""Codes and atoms that are not negative."""

import numpy as np
import pytest

import restore
from restore.imaging.bands import Pool
from restore.sparse import coding, dictionary_learning
from restore.sparse.dictionary import Dictionary
from tests import reference
from tests.kernels.test_pursuit import assert_same, dense, dictionary, rows, signals


@pytest.mark.parametrize("sparsity, tolerance", [(1, 0.0), (5, 0.0), (16, 3.0)])
@pytest.mark.parametrize("positive", [False, True])
def test_equals_the_literal_one(sparsity, tolerance, positive):
    atoms, patches = dictionary(), signals(120)
    if positive:  # atoms that lie close to each other: more of them leave again
        atoms, patches = dictionary_learning.without_negative(atoms), np.abs(patches)
    codes = coding.code(patches, atoms, sparsity, tolerance, nonnegative=True)
    literal = [
        reference.nonnegative.pursued(patch, atoms.atoms, sparsity, tolerance) for patch in patches
    ]
    assert_same(codes, literal)


def test_what_must_hold_for_any_input():
    atoms, patches = dictionary(), signals(700)
    codes = coding.code(patches, atoms, nonnegative=True, pool=Pool(1))
    again = coding.code(patches, atoms, nonnegative=True, pool=Pool(4))
    assert all((one == four).all() for one, four in zip(codes, again))
    residuals = patches - coding.reconstruct(codes, atoms)
    for (support, values), residual in zip(rows(codes), residuals):
        # the conditions of Karush, Kuhn and Tucker
        assert len(set(support)) == len(support) and (values > 0).all()
        assert np.abs(atoms.atoms[support] @ residual).max(initial=0) < 1e-4
    with pytest.raises(ValueError, match="NaN"):
        coding.code(np.full((3, 16), np.nan), atoms, nonnegative=True)
    assert coding.code(np.empty((0, 16)), atoms, nonnegative=True).counts.shape == (0,)
    assert (coding.code(np.zeros((2, 16)), atoms, nonnegative=True).counts == 0).all()
    doubled = Dictionary(np.concatenate([atoms.atoms, atoms.atoms]), atoms.patch_shape)
    full = dense(coding.code(patches, doubled, 8, nonnegative=True), 80)
    assert np.isfinite(full).all() and not (full[:, :40] * full[:, 40:]).any()


def test_l1_codes_equal_the_literal_ones():
    atoms, patches = dictionary(), signals(12)
    codes = coding.code_l1(patches, atoms, 0.2, iterations=20000, nonnegative=True)
    for found, patch in zip(dense(codes, 40), patches):
        expected = reference.nonnegative.shrunk(patch, atoms.atoms.astype(np.float64), 0.2)
        assert np.allclose(found, expected, atol=2e-3)
    assert (codes.coefficients >= 0).all()


def parts(count=900, seed=0):
    """Signals of few bumps out of twelve, and the bumps."""
    random = np.random.default_rng(seed)
    places = np.arange(24)
    bumps = np.exp(-0.5 * ((places - 2 * np.arange(12)[:, None]) / 1.5) ** 2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    codes = random.random((count, 12)) * (random.random((count, 12)) < 0.15)
    return np.float32(codes @ bumps + 0.005 * random.standard_normal((count, 24))), bumps


def test_one_turn_of_learning_equals_the_literal_one():
    patches, _ = parts()
    start = dictionary_learning.first_dictionary(np.abs(patches), (24, 1, 1), 12, "data")
    rules = restore.Rules(nonnegative=True)
    turn = next(dictionary_learning.iterate(patches, start, 3, rules=rules))
    codes = coding.code(patches, start, 3, nonnegative=True)
    literal = reference.nonnegative.updated_atoms(patches, dense(codes, 12), start.atoms)
    kept = turn.uses > 0
    assert turn.replaced < 6
    same = np.isclose(turn.dictionary.atoms, literal, atol=1e-4).all(axis=1)
    assert same[kept].sum() >= kept.sum() - turn.replaced


def test_the_parts_that_signals_are_made_of_are_found():
    patches, bumps = parts()
    learned = restore.learn_dictionary(
        patches, (24, 1, 1), 12, 4, start="data", rules=restore.Rules(nonnegative=True),
        iterations=30,
    )  # fmt: skip
    assert (learned.atoms >= 0).all()
    assert np.mean((bumps @ learned.atoms.T).max(axis=1) > 0.95) >= 0.75


def test_wrong_arguments():
    patches, _ = parts(100)
    with pytest.raises(ValueError, match="updated by ksvd, not mod"):
        restore.learn_dictionary(
            patches, (24, 1, 1), 12, 3, rules=restore.Rules("mod", nonnegative=True)
        )
    below = Dictionary(-np.eye(4), (4, 1, 1))
    with pytest.raises(ValueError, match="no sample above 0"):
        dictionary_learning.without_negative(below)
