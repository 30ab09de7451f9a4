"""The estimators keep scikit-learn's contract, and learn and code as the functions below them."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from restore.sparse import KSVD, OnlineDictionaryLearning, Rules, code, learn_dictionary
from restore.sparse.dictionary import Dictionary

BOTH = pytest.mark.parametrize("estimator", [KSVD, OnlineDictionaryLearning])


def planted(count=2000, n_atoms=16, n_features=12, used=2, seed=0):
    """Atoms of unit length, and signals of a few of them."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((n_atoms, n_features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((count, n_atoms))
    for row in codes:
        row[rng.choice(n_atoms, used, replace=False)] = rng.uniform(1, 2, used)
    return atoms, codes @ atoms


def holed(signals, missing, seed=1):
    return np.where(np.random.default_rng(seed).random(signals.shape) < missing, np.nan, signals)


@parametrize_with_checks([KSVD(max_iter=3), OnlineDictionaryLearning(max_iter=3)])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator, method", [(KSVD, "ksvd"), (OnlineDictionaryLearning, "online")]
)
def test_fit_is_learning_a_dictionary(estimator, method):
    # values within [0.5, 1): divided by 1
    signals = planted()[1]
    signals /= 1.1 * np.abs(signals).max()
    start = Dictionary(planted(seed=5)[0], (12, 1, 1))
    learned = learn_dictionary(
        signals, (12, 1, 1), 16, 2, rules=Rules(method), start=start, iterations=4
    )
    fitted = estimator(16, n_nonzero_coefs=2, max_iter=4, dict_init=start.atoms).fit(signals)
    assert np.array_equal(fitted.components_, learned.atoms)
    assert fitted.n_iter_ == 4


def test_transform_is_pursuit():
    atoms, signals = planted()
    ksvd = KSVD(16, n_nonzero_coefs=3, max_iter=1, dict_init=atoms).fit(signals)
    codes = ksvd.transform(signals)
    indices, coefficients, counts = code(
        signals, Dictionary(ksvd.components_, (12, 1, 1)), sparsity=3
    )
    for row, atoms, values, count in zip(codes, indices, coefficients, counts, strict=True):
        assert np.array_equal(np.flatnonzero(row), np.sort(atoms[:count]))
        assert np.allclose(row[atoms[:count]], values[:count], rtol=1e-5)


@pytest.mark.parametrize("missing", [0, 0.2])
def test_ksvd_finds_the_planted_atoms(missing):
    atoms, signals = planted(4000)
    noise = 0.1 * np.random.default_rng(2).standard_normal(atoms.shape)
    ksvd = KSVD(16, n_nonzero_coefs=2, max_iter=30, dict_init=atoms + noise)
    ksvd.fit(holed(signals, missing))
    assert (np.abs(atoms @ ksvd.components_.T).max(axis=1) > 0.99).mean() >= 0.9


@BOTH
def test_unknown_samples_are_told_by_the_others(estimator):
    signals = planted(4000)[1]
    known = holed(signals, 0.2)
    unknown = np.isnan(known)
    fitted = estimator(16, n_nonzero_coefs=2, max_iter=30, random_state=0).fit(known)
    told = fitted.inverse_transform(fitted.transform(known))
    left = np.sqrt(np.mean((told - signals)[unknown] ** 2))
    assert left < 0.7 * np.std(signals[unknown])


def test_holes_in_one_signal_change_no_other():
    signals = planted(100)[1]
    ksvd = KSVD(16, tol=0.01, random_state=0).fit(signals)
    with_holes = signals.copy()
    with_holes[::2, :3] = np.nan
    assert np.array_equal(ksvd.transform(signals)[1::2], ksvd.transform(with_holes)[1::2])


@pytest.mark.parametrize("missing", [0, 0.2])
def test_tol_is_the_residual_energy(missing):
    atoms, signals = planted()
    signals += 0.1 * np.random.default_rng(4).standard_normal(signals.shape)
    ksvd = KSVD(tol=14_000.0, max_iter=1, dict_init=atoms).fit(300 * signals)
    known = 300 * holed(signals, missing)
    codes = ksvd.transform(known)
    left = np.nansum((known - ksvd.inverse_transform(codes)) ** 2, axis=1)
    enough = np.isfinite(known).sum(axis=1) > (codes != 0).sum(axis=1) + 1
    assert enough.mean() > 0.9
    assert (left <= 14_001 * np.isfinite(known).mean(axis=1))[enough].all()
    assert np.median(left) > 3000  # no further than needed


@BOTH
@pytest.mark.parametrize("factor", [2.0**-60, 2.0**40])
def test_the_unit_of_the_signals_does_not_matter(estimator, factor):
    signals = holed(planted(500)[1], 0.05)
    one = estimator(16, n_nonzero_coefs=3, max_iter=3, random_state=0).fit(signals)
    other = estimator(16, n_nonzero_coefs=3, max_iter=3, random_state=0).fit(factor * signals)
    assert np.array_equal(one.components_, other.components_)
    assert np.array_equal(factor * one.transform(signals), other.transform(factor * signals))


@pytest.mark.parametrize("missing", [0, 0.1])
def test_batches_lower_the_error(missing):
    signals = planted(6000)[1]
    online = OnlineDictionaryLearning(16, n_nonzero_coefs=2, random_state=0)
    errors = []
    for batch in np.split(holed(signals, missing), 60):
        online.partial_fit(batch)
        told = online.inverse_transform(online.transform(signals))
        errors.append(np.sqrt(np.mean((told - signals) ** 2)))
    assert online.n_iter_ == 60
    assert errors[-1] < 0.5 * errors[0]
    assert np.mean(errors[-10:]) < np.mean(errors[10:20])


def test_batches_of_another_scale_weigh_by_their_energy():
    """The largest value of a batch decides what it is divided by, and nothing else."""
    signals = planted(400)[1]
    signals[0] *= 0.01
    both = []
    for peak in (1, 1 - 1e-9):
        signals[200:] *= peak * 2 ** -np.ceil(np.log2(np.abs(signals[200:]).max()))
        online = OnlineDictionaryLearning(16, n_nonzero_coefs=2, random_state=0)
        both.append(online.partial_fit(signals[:200]).partial_fit(signals[200:]).components_)
    assert np.allclose(*both, atol=1e-3)


@BOTH
def test_the_number_of_threads_changes_nothing(estimator):
    signals = holed(planted(5000)[1], 0.05)
    one, two = (
        estimator(16, n_nonzero_coefs=2, max_iter=2, random_state=0, n_jobs=n).fit(signals)
        for n in (1, 2)
    )
    assert np.array_equal(one.components_, two.components_)
    assert np.array_equal(one.transform(signals), two.transform(signals))


@pytest.mark.parametrize("n_features", [1, 5, 700])
def test_signals_may_have_any_length(n_features):
    signals = np.random.default_rng(0).standard_normal((40, n_features))
    ksvd = KSVD(min(20, n_features), n_nonzero_coefs=2, max_iter=2, random_state=0).fit(signals)
    assert ksvd.inverse_transform(ksvd.transform(signals)).shape == signals.shape


def test_it_serves_in_a_pipeline():
    signals = planted()[1]
    pipeline = make_pipeline(StandardScaler(), KSVD(16, n_nonzero_coefs=4, random_state=0))
    told = pipeline.inverse_transform(pipeline.fit_transform(signals))
    assert np.mean((told - signals) ** 2) < 0.1 * signals.var()


@BOTH
@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"n_components": 60}, "n_samples=50 should be at least n_components=60"),
        ({"n_components": 0}, "n_components=0: at least one atom"),
        ({"n_nonzero_coefs": 0}, "n_nonzero_coefs=0: a signal needs"),
        ({"tol": -1.0}, "tol=-1.0: a residual energy is not negative"),
        ({"max_iter": 0}, "max_iter=0: at least one turn"),
        ({"dict_init": np.zeros((3, 12))}, "an atom of zeros"),
        ({"dict_init": np.ones((3, 11))}, r"expected dict_init of shape \(3, 12\)"),
    ],
)
def test_bad_settings_are_told_when_fitting(estimator, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator(**settings).fit(planted(50)[1])


def test_codes_of_another_dictionary_are_refused():
    ksvd = KSVD(8, random_state=0, max_iter=1).fit(planted(50)[1])
    with pytest.raises(ValueError, match="expected codes of shape"):
        ksvd.inverse_transform(np.zeros((3, 9)))


def test_without_scikit_learn_a_sentence_says_so_and_the_rest_works():
    probe = """
import sys
sys.modules["sklearn"] = None
import restore.sparse
assert restore.sparse.code and restore.sparse.learn_dictionary
try:
    restore.sparse.KSVD
except ImportError as error:
    assert "need scikit-learn" in str(error)
else:
    raise SystemExit("imported")
"""
    subprocess.run([sys.executable, "-c", probe], check=True)
