"""Learning: against the papers' steps taken literally, and planted dictionaries found."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.kernels import learning as kernels
from restore.sparse import atom_updates, coding, dictionary_learning
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from restore.sparse.dictionary_learning import Rules
from tests import reference


def unit(atoms):
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def planted(n_atoms=50, patch_dim=20, count=1500, sparsity=3, snr=None, seed=0):
    """Aharon, Elad & Bruckstein 2006, section V-A: random atoms, sparse signals, noise."""
    rng = np.random.default_rng(seed)
    atoms = unit(rng.standard_normal((n_atoms, patch_dim)))
    codes = np.zeros((count, n_atoms))
    for row in codes:
        row[rng.choice(n_atoms, sparsity, replace=False)] = rng.standard_normal(sparsity)
    signals = codes @ atoms
    if snr is not None:
        noise = rng.standard_normal(signals.shape)
        signals += noise * np.linalg.norm(signals) / np.linalg.norm(noise) * 10 ** (-snr / 20)
    return atoms, signals.astype(np.float32)


def found(atoms, dictionary):
    """How many of the planted atoms have a learned one with 1 - |<d, d'>| < 0.01."""
    return int((np.abs(atoms @ dictionary.atoms.T).max(axis=1) > 0.99).sum())


def full(codes, n_atoms):
    matrix = np.zeros((len(codes.counts), n_atoms))
    for row, indices, coefficients, count in zip(matrix, *codes, strict=True):
        row[indices[:count]] = coefficients[:count]
    return matrix


def test_k_svd_equals_the_literal_one():
    _, signals = planted(count=400)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, "data")
    codes = full(coding.code(signals, start, 4), 30)
    turn = next(dictionary_learning.iterate(signals, start, 4))
    expected = reference.learning.updated_atoms(
        signals, codes, start.atoms, overshoot=atom_updates.OVERSHOOT
    )
    overlaps = np.sum(expected * turn.dictionary.atoms, 1)
    assert np.abs(overlaps).min() > 1 - 1e-6
    residuals = signals - codes @ start.atoms
    assert turn.rmse == pytest.approx(np.sqrt(np.square(residuals).mean()), rel=1e-5)
    assert turn.sparsity == pytest.approx((codes != 0).sum() / 400)
    assert np.array_equal(turn.uses, (codes != 0).sum(axis=0))


def test_k_svd_lowers_the_error_of_fixed_codes():
    _, signals = planted(count=400)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, "data")
    codes = full(coding.code(signals, start, 8), 30)
    gram, slope = codes.T @ codes, codes.T @ (signals - codes @ start.atoms)
    before, after = (
        np.square(signals - codes @ (start.atoms + step)).sum()
        for step in (0, atom_updates._ksvd(gram, slope))
    )
    assert after < before


def test_mod_is_the_least_squares_fit():
    _, signals = planted(count=400)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, "data")
    codes = full(coding.code(signals, start, 4), 30)
    fitted = unit(np.linalg.lstsq(codes, signals, rcond=None)[0])
    turn = next(dictionary_learning.iterate(signals, start, 4, rules=Rules("mod")))
    assert np.abs(np.sum(fitted * turn.dictionary.atoms, 1)).min() > 1 - 1e-5


def test_one_atom_a_patch_is_gain_shape_vector_quantisation(monkeypatch):
    _, signals = planted(count=400)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, "data")
    nearest = np.abs(signals @ start.atoms.T).argmax(axis=1)
    monkeypatch.setattr(atom_updates, "OVERSHOOT", 1)
    turn = next(dictionary_learning.iterate(signals, start, 1))
    for j in np.flatnonzero(turn.uses):
        members = signals[nearest == j]
        mean = (members @ start.atoms[j]) @ members
        assert abs(mean @ turn.dictionary.atoms[j]) > (1 - 1e-5) * np.linalg.norm(mean)


def test_the_online_descent_equals_the_literal_one():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((200, 12)) * (rng.random((200, 12)) < 0.3)
    signals, atoms = rng.standard_normal((200, 20)), unit(rng.standard_normal((12, 20)))
    gram, cross = codes.T @ codes, codes.T @ signals
    expected = reference.learning.descended_atoms(gram, cross, atoms)
    kernels.descend(gram, cross, atoms, False)
    assert np.allclose(atoms, expected, atol=1e-10)


def test_the_approximate_update_is_nearly_the_exact_one():
    _, signals = planted(count=400)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, "data")
    codes = full(coding.code(signals, start, 4), 30)

    def error(atoms):
        refit = coding.code(signals, Dictionary(atoms, (20, 1, 1)), 4)
        return np.square(signals - full(refit, 30) @ atoms).sum()

    before = error(start.atoms)
    exact = error(reference.learning.updated_atoms(signals, codes, start.atoms, exact=True))
    approximate = error(reference.learning.updated_atoms(signals, codes, start.atoms))
    assert exact < before
    assert before - approximate > 0.8 * (before - exact)


@pytest.mark.parametrize("method", atom_updates.METHODS)
def test_atoms_with_no_users_stay_until_they_are_replaced(method, monkeypatch):
    _, signals = planted(count=100)
    atoms = np.concatenate(
        [unit(np.random.default_rng(3).standard_normal((5, 20))), np.eye(20)[:1]]
    )
    signals[:, 0] = 0
    monkeypatch.setattr(atom_updates, "replaced", lambda dictionary, *_: (dictionary, 0))
    turn = next(
        dictionary_learning.iterate(signals, Dictionary(atoms, (20, 1, 1)), 1, rules=Rules(method))
    )
    assert turn.uses[5] == 0 and np.allclose(turn.dictionary.atoms[5], atoms[5], atol=1e-6)


@pytest.mark.parametrize("snr, at_least", [(None, 45), (30, 45), (20, 45)])
def test_a_planted_dictionary_is_found(snr, at_least):
    atoms, signals = planted(snr=snr)
    learned = dictionary_learning.learn_dictionary(
        signals, (20, 1, 1), 50, sparsity=3, start="data", iterations=80
    )
    assert found(atoms, learned) >= at_least


@pytest.mark.parametrize("method", atom_updates.METHODS)
def test_the_error_falls(method):
    _, signals = planted(snr=20, count=5000)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 50, "data")
    turns = list(dictionary_learning.iterate(signals, start, 3, iterations=25, rules=Rules(method)))
    errors = [turn.rmse for turn in turns]
    assert errors[-1] < 0.6 * errors[0]
    assert (np.diff(errors) < 0.05 * errors[0]).all()


@pytest.mark.parametrize("rule", ["omp", "ormp", "fista"])
def test_the_error_falls_with_any_coder(rule):
    _, signals = planted(snr=20)
    learned = dictionary_learning.learn_dictionary(
        signals, (20, 1, 1), 50, 3, 0.05, rules=Rules(coder=rule), start="data", iterations=4
    )
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 50, "data")

    def error(dictionary):
        codes = coding.code(signals, dictionary, 3)
        return np.square(signals - coding.reconstruct(codes, dictionary)).sum()

    assert error(learned) < 0.8 * error(start)


def test_a_tolerance_is_reached_by_fewer_and_fewer_atoms():
    _, signals = planted(snr=30)
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 50, "data")
    turns = list(dictionary_learning.iterate(signals, start, tolerance=0.2, iterations=20))
    assert turns[-1].sparsity < 0.9 * turns[0].sparsity


@pytest.mark.parametrize("method", atom_updates.METHODS)
def test_threads_change_nothing(method):
    signals = np.random.default_rng(0).standard_normal((20_000, 16)).astype(np.float32)

    def learn(threads):
        return dictionary_learning.learn_dictionary(
            signals,
            (4, 4, 1),
            32,
            sparsity=3,
            iterations=3,
            rules=Rules(method),
            pool=Pool(threads),
        ).atoms.tobytes()

    assert len({learn(threads) for threads in (1, 2, 4)}) == 1


def test_going_on_from_where_another_run_stopped_gives_the_same():
    _, signals = planted()
    start = dictionary_learning.first_dictionary(signals, (20, 1, 1), 50, "data")
    *_, whole = dictionary_learning.iterate(signals, start, 3, iterations=7)
    *_, first = dictionary_learning.iterate(signals, start, 3, iterations=4)
    *_, second = dictionary_learning.iterate(signals, first.dictionary, 3, iterations=3)
    assert np.array_equal(whole.dictionary.atoms, second.dictionary.atoms)


def test_unused_and_double_atoms_are_replaced():
    _, signals = planted()
    atoms = unit(np.random.default_rng(3).standard_normal((30, 20)))
    atoms[7] = atoms[3]
    start = Dictionary(atoms, (20, 1, 1))
    turn = next(dictionary_learning.iterate(signals, start, 3))
    assert turn.replaced >= 1
    assert turn.dictionary.coherence() < 0.9999


def test_the_sign_is_fixed():
    _, signals = planted()
    atoms = dictionary_learning.learn_dictionary(
        signals, (20, 1, 1), 30, sparsity=3, iterations=2
    ).atoms
    assert (np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_starts():
    _, signals = planted(count=100)
    signals[:10] = 0
    dct = dictionary_learning.first_dictionary(signals, (20, 1, 1), 16, "dct")
    assert np.array_equal(dct.atoms, overcomplete_dct(16, (20, 1, 1)).atoms)
    grown = dictionary_learning.first_dictionary(signals, (20, 1, 1), 30, dct, seed=4)
    assert np.array_equal(grown.atoms[:16], dct.atoms) and grown.n_atoms == 30
    assert np.array_equal(
        dictionary_learning.first_dictionary(signals, (20, 1, 1), 9, dct).atoms, dct.atoms[:9]
    )
    data = dictionary_learning.first_dictionary(signals, (20, 1, 1), 90, "data")
    assert np.abs(unit(signals[10:]) @ data.atoms.T).max(axis=0).min() > 0.9999


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"sparsity": None}, "give a sparsity"),
        ({"n_atoms": 101}, "too few for 101 atoms"),
        ({"n_atoms": 101, "start": "data"}, "too few for 101 atoms"),
        ({"start": "svd"}, "expected start"),
        ({"rules": Rules("svd")}, "expected method"),
        ({"rules": Rules(coder="lars")}, "expected rule"),
        ({"rules": Rules(coder="fista")}, "needs a tolerance"),
        ({"start": overcomplete_dct(9, (3, 3, 1))}, r"\(3, 3, 1\), not \(20, 1, 1\)"),
        ({"patch_shape": (8, 8, 1)}, "are not"),
        ({"patch_shape": (4, 5)}, r"expected a patch shape \(height, width, 1 or 3\)"),
        ({"n_atoms": -3}, "n_atoms is 1 or more, not -3"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(arguments, sentence):
    _, signals = planted(count=100)
    asked = {"patch_shape": (20, 1, 1), "n_atoms": 30, "sparsity": 3, **arguments}
    with pytest.raises(ValueError, match=sentence):
        dictionary_learning.learn_dictionary(signals, **asked)


def test_progress_is_told():
    told = []
    _, signals = planted(count=100)
    dictionary_learning.learn_dictionary(
        signals,
        (20, 1, 1),
        30,
        2,
        iterations=3,
        pool=Pool(progress=lambda *step: told.append(step)),
    )
    assert told == [("learning", 1, 3), ("learning", 2, 3), ("learning", 3, 3)]


def test_progress_is_told_within_a_turn(monkeypatch):
    monkeypatch.setattr(atom_updates, "BAND", 40)
    told = []
    _, signals = planted(count=100)
    pool = Pool(progress=lambda *step: told.append(step))
    dictionary_learning.learn_dictionary(signals, (20, 1, 1), 30, 2, iterations=2, pool=pool)
    assert told == [("learning", done, 6) for done in range(1, 7)]
