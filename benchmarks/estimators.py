"""The estimators of `restore.sparse` against those of other packages, on the same signals."""

import copy
import time
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
    if peer("dictlearn"):
        estimators |= of_dictlearn(start)
    if peer("spams", "spams-bin"):
        estimators |= of_spams(start, run.threads)
    for made in estimators.values():  # compiles
        fitted(made, signals[:1000]).transform(others)
    fits = {name: lambda made=made: fitted(made, signals) for name, made in estimators.items()}
    learned, fitting = in_turns(fits, run.repetitions, time.process_time)
    codings = {name: lambda one=one: one.transform(others) for name, one in learned.items()}
    codes, coding = in_turns(codings, run.repetitions, time.process_time)
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
        notes=f"All start from the same atoms; seconds of the processor, {run.rounds()}.",
        machine=machine("scikit-learn", "dictlearn", "spams-bin", threads=run.threads),
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


def of_dictlearn(start):
    """{name: estimator} of dictlearn, which is written for one thread."""
    from dictlearn import DictionaryLearning, MiniBatchDictionaryLearning

    shared = {
        "n_components": ATOMS, "dict_init": start, "n_nonzero_coefs": SPARSITY,
        "transform_algorithm": "batch_omp", "random_state": 0,
    }  # fmt: skip
    return {
        "dictlearn DictionaryLearning, AK-SVD, 20 turns": DictionaryLearning(max_iter=20, **shared),
        "dictlearn DictionaryLearning, K-SVD, 20 turns": DictionaryLearning(
            fit_algorithm="ksvd", max_iter=20, **shared
        ),
        "dictlearn MiniBatchDictionaryLearning, 10 turns": MiniBatchDictionaryLearning(
            max_iter=10, batch_size=256, **shared
        ),
    }


def of_spams(start, threads):
    """{name: estimator} of SPAMS."""
    return {
        "SPAMS trainDL, OMP, 20 turns": Spams(start, threads, 20, mode=3, lambda1=SPARSITY),
        # the l1 penalty at which codes have about five atoms, too
        "SPAMS trainDL, l1, 20 turns": Spams(start, threads, 20, mode=2, lambda1=0.15 * 255),
    }


class Spams:
    """The functions of SPAMS, called like an estimator."""

    BATCH = 512

    def __init__(self, start, threads, turns, **penalty):
        self.components_, self.threads, self.turns, self.penalty = start, threads, turns, penalty

    def fit(self, signals):
        """Learn online; a turn is as many batches as all signals make."""
        atoms = peer("spams").trainDL(
            np.asfortranarray(signals.T), D=np.asfortranarray(self.components_.T),
            iter=self.turns * len(signals) // self.BATCH, batchsize=self.BATCH,
            numThreads=self.threads, verbose=False, **self.penalty,
        )  # fmt: skip
        self.components_ = np.ascontiguousarray(atoms.T)
        return self

    def transform(self, signals):
        """Codes by orthogonal matching pursuit."""
        codes = peer("spams").omp(
            np.asfortranarray(signals.T), D=np.asfortranarray(self.components_.T), L=SPARSITY,
            numThreads=self.threads,
        )  # fmt: skip
        return codes.T.toarray()


def fitted(estimator, signals):
    """A fitted copy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few turns have not converged
        return copy.deepcopy(estimator).fit(signals)


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
