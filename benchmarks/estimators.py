"""The estimators of `restore.sparse` against those of scikit-learn, on the same signals."""

import warnings

import numpy as np

from benchmarks.harness import Table, in_turns, machine, peer
from benchmarks.training import photographs
from restore.imaging.bands import Pool
from restore.learning import dictionaries
from restore.sparse import KSVD, Dictionary, OnlineDictionaryLearning, masked

PATCH_SHAPE = (8, 8, 1)
ATOMS, SPARSITY, SIGNALS = 128, 5, 10_000
UNKNOWN = (0.0, 0.3)


def tables(run):
    """Learning and coding by estimators that are called alike."""
    name, pictures = photographs(run)
    drawn = dictionaries.draw(pictures, PATCH_SHAPE, SIGNALS, pool=Pool(run.threads))
    signals, others = (255 * part.astype(np.float64) for part in (drawn.patches, drawn.held_out))
    others = others[:4000]
    start = signals[np.random.default_rng(0).choice(len(signals), ATOMS, replace=False)]
    start /= np.linalg.norm(start, axis=1, keepdims=True)

    estimators = ours(start, run.threads)
    if peer("sklearn", "scikit-learn"):
        estimators |= of_scikit_learn(start, run.threads)
    fits = {name: lambda made=made: fitted(made, signals) for name, made in estimators.items()}
    learned, fitting = in_turns(fits, run.repetitions)
    codings = {name: lambda one=one: one.transform(others) for name, one in learned.items()}
    codes, coding = in_turns(codings, run.repetitions)
    rows = []
    for method, one in learned.items():
        own = rmse(codes[method] @ one.components_ - others)
        judged = [told_by(one.components_, others, share) for share in UNKNOWN]
        rows.append([method, fitting[method], coding[method], own, *judged])
    yield Table(
        name="estimators",
        title=f"{ATOMS} atoms from {len(signals):,} patches of 8x8 of {name}; errors of "
        f"{len(others):,} other patches with {SPARSITY} atoms each",
        columns=[
            ("estimator", ""),
            ("fit (s)", ".2f"),
            ("transform (s)", ".3f"),
            ("RMSE of its own codes (levels)", ".2f"),
            ("RMSE, its atoms coded alike", ".2f"),
            ("the same, 30 % of the samples unknown", ".2f"),
        ],
        rows=rows,
        notes=f"All start from the same atoms; {run.rounds()}.",
        machine=machine("scikit-learn", threads=run.threads),
    )


def ours(start, threads):
    """{name: estimator} of this package."""
    shared = {"n_nonzero_coefs": SPARSITY, "dict_init": start, "n_jobs": threads}
    return {
        "restore KSVD, 20 turns": KSVD(max_iter=20, **shared),
        "restore OnlineDictionaryLearning, 10 turns": OnlineDictionaryLearning(
            max_iter=10, **shared
        ),
    }


def of_scikit_learn(start, threads):
    """{name: estimator} of scikit-learn, set to make codes of as many atoms."""
    from sklearn.decomposition import DictionaryLearning, MiniBatchDictionaryLearning

    shared = {
        "n_components": ATOMS, "dict_init": start, "transform_algorithm": "omp",
        "transform_n_nonzero_coefs": SPARSITY, "random_state": 0, "n_jobs": threads,
        # the l1 penalty at which codes have about five atoms, too
        "alpha": 0.15 * 255,
    }  # fmt: skip
    return {
        "scikit-learn MiniBatchDictionaryLearning, 1 turn": MiniBatchDictionaryLearning(
            max_iter=1, batch_size=256, **shared
        ),
        "scikit-learn MiniBatchDictionaryLearning, 5 turns": MiniBatchDictionaryLearning(
            max_iter=5, batch_size=256, **shared
        ),
        "scikit-learn DictionaryLearning, 5 turns": DictionaryLearning(
            max_iter=5, fit_algorithm="cd", **shared
        ),
    }


def fitted(estimator, signals):
    """A fitted copy."""
    from sklearn.base import clone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few turns have not converged
        return clone(estimator).fit(signals)


def told_by(atoms, signals, share):
    """RMSE of signals, a share of their samples unknown, coded with the atoms of anyone."""
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    atoms = (atoms / np.where(lengths > 0, lengths, 1))[lengths[:, 0] > 0]
    dictionary = Dictionary(atoms, (atoms.shape[1], 1, 1))
    unknown = np.random.default_rng(1).random(signals.shape) < share
    known = np.where(unknown, np.nan, signals).astype(np.float32)
    codes, means = masked.code(known, dictionary, SPARSITY, constants=False)
    return rmse(masked.reconstruct(codes, means, dictionary) - signals)


def rmse(differences):
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(differences))))
