"""Dictionary learning as estimators of scikit-learn, which is needed only for this module.

    X ~ A D,   A sparse,   D = components_,

one signal per row, of any length. NaN marks an unknown sample: codes are found from the known
samples of a signal alone, and `inverse_transform` then predicts the unknown ones.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging.bands import Pool
from restore.sparse import atom_updates, coding, dictionary_learning, masked
from restore.sparse.atom_updates import Sums
from restore.sparse.coding import Codes
from restore.sparse.dictionary import Dictionary
from restore.typing import Flags, Floats

if TYPE_CHECKING:
    from typing_extensions import Self


try:
    from joblib import effective_n_jobs
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "the estimators need scikit-learn 1.6 or newer: pip install 'restore-ksvd[sklearn]'; "
        "restore.sparse.learn_dictionary and restore.sparse.code do without"
    ) from error

#: Before batch t of `partial_fit` the sums are multiplied by (1 - 1/t) to this power, so that codes
#: over early atoms are forgotten (Mairal et al. 2010, section 3.4.2).
FORGETTING = 10


class _DictionaryEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Everything that the estimators share, except how the atoms are learned."""

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_nonzero_coefs: int | None = None,
        tol: float | None = None,
        max_iter: int = 20,
        dict_init: ArrayLike | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.n_nonzero_coefs = n_nonzero_coefs
        self.tol = tol
        self.max_iter = max_iter
        self.dict_init = dict_init
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Learn the atoms from signals.

        Parameters
        ----------
        X : (n_samples, n_features) array_like
            NaN where unknown.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        self
        """
        if self.max_iter < 1:
            raise ValueError(f"max_iter={self.max_iter}: at least one turn is needed")
        signals, scale = self._signals(X, reset=True)
        dictionary = self._learned(signals, self._first(signals), self._stop(scale))
        self.components_ = dictionary.atoms.astype(np.float64)
        self.n_iter_ = self.max_iter
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """The sparse codes of signals, by orthogonal matching pursuit.

        Parameters
        ----------
        X : (n_samples, n_features) array_like
            NaN where unknown.

        Returns
        -------
        (n_samples, n_components) ndarray
            Float64, or float32 where `X` is.
        """
        check_is_fitted(self)
        signals, scale = self._signals(X, reset=False)
        codes = self._coded(signals, self._dictionary(), self._stop(scale))
        full = np.zeros((len(signals), len(self.components_)), _float_type(X))
        used = np.arange(codes.indices.shape[1]) < codes.counts[:, None]
        rows = np.nonzero(used)[0]
        full[rows, codes.indices[used]] = codes.coefficients[used] * scale
        return full

    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Reconstruct all samples of signals from their codes.

        Parameters
        ----------
        X : (n_samples, n_components) array_like
            What `transform` returns.

        Returns
        -------
        (n_samples, n_features) ndarray
        """
        check_is_fitted(self)
        codes = np.asarray(X)
        if codes.ndim != 2 or codes.shape[1] != len(self.components_):
            raise ValueError(
                f"expected codes of shape (n, {len(self.components_)}), got {codes.shape}"
            )
        return codes @ self.components_.astype(_float_type(codes))

    def _signals(self, X: ArrayLike, reset: bool) -> tuple[Floats, float]:
        """(float32 signals, what they were divided by).

        The divisor is a power of two, so that division is exact, and keeps squares within float32.
        """
        X = validate_data(
            self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", reset=reset
        )
        largest = np.max(np.abs(X), where=np.isfinite(X), initial=0)
        scale = np.ldexp(1.0, np.frexp(largest)[1]) if largest > 0 else 1.0
        return np.ascontiguousarray(X / scale, np.float32), scale

    def _stop(self, scale: float) -> tuple[int, float]:
        """Stopping rule: (maximum of atoms, residual energy) for signals divided by `scale`."""
        sparsity, tol = self.n_nonzero_coefs, self.tol
        if sparsity is not None and sparsity < 1:
            raise ValueError(f"n_nonzero_coefs={sparsity}: a signal needs at least one atom")
        if tol is not None and not tol >= 0:
            raise ValueError(f"tol={tol}: a residual energy is not negative")
        if sparsity is None and tol is None:
            sparsity = max(1, self.n_features_in_ // 10)
        most = self.n_features_in_ if sparsity is None else min(sparsity, self.n_features_in_)
        return most, 0.0 if tol is None else tol / scale**2

    def _coded(self, signals: Floats, dictionary: Dictionary, stop: tuple[int, float]) -> Codes:
        sparsity, energy = stop
        holed = np.asarray(np.isnan(signals).any(axis=1))
        whole = np.where(holed[:, None], np.float32(0), signals)
        codes = coding.code(whole, dictionary, sparsity, energy, pool=self._pool())
        if holed.any():
            energy /= signals.shape[1]  # for each known sample
            of_known, _ = masked.code(
                signals[holed], dictionary, sparsity, energy, constants=False, pool=self._pool()
            )
            for all_rows, rows in zip(codes, of_known):
                all_rows[holed] = rows
        return codes

    def _first(self, signals: Floats) -> Dictionary:
        """The initial atoms: those given, else signals drawn at random."""
        n_features = signals.shape[1]
        if self.dict_init is not None:
            atoms = np.asarray(self.dict_init, np.float64)
            wanted = len(atoms) if self.n_components is None else self.n_components
            if atoms.shape != (wanted, n_features):
                raise ValueError(
                    f"expected dict_init of shape ({wanted}, {n_features}), got {atoms.shape}"
                )
            lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
            if not (np.isfinite(lengths) & (lengths > 0)).all():
                raise ValueError("dict_init holds NaN, infinity or an atom of zeros")
            return Dictionary(atoms / lengths, (n_features, 1, 1))
        n_atoms = n_features if self.n_components is None else self.n_components
        if n_atoms < 1:
            raise ValueError(f"n_components={n_atoms}: at least one atom is needed")
        if len(signals) < n_atoms:
            raise ValueError(
                f"n_samples={len(signals)} should be at least n_components={n_atoms}: give more "
                "signals, or fewer atoms"
            )
        unknown = np.isnan(signals)
        counts = np.maximum(1, len(signals) - unknown.sum(axis=0))
        means = np.where(unknown, 0, signals).sum(axis=0) / counts
        seed = check_random_state(self.random_state).randint(1 << 31)
        return dictionary_learning.first_dictionary(
            np.where(unknown, means, signals), (n_features, 1, 1), n_atoms, "data", seed
        )

    def _dictionary(self) -> Dictionary:
        return Dictionary(self.components_, (self.n_features_in_, 1, 1))

    def _pool(self) -> Pool:
        return Pool(effective_n_jobs(self.n_jobs))


class KSVD(_DictionaryEstimator):  # numpydoc ignore=PR02
    """Dictionary learning by K-SVD.

    Alternates two steps: all signals are coded by orthogonal matching pursuit, then all atoms are
    updated. If samples are unknown, atoms are updated one by one from the known ones.

    Parameters
    ----------
    n_components : int, optional
        Number of atoms; by default the number of samples of a signal.
    n_nonzero_coefs : int, optional
        Maximum number of atoms per signal; if `tol` is not given, a tenth of its samples by
        default.
    tol : float, optional
        Residual energy (sum of squares) of a signal at which it needs no more atoms; for a signal
        with unknown samples it is reduced to the share of known ones.
    max_iter : int
        Turns.
    dict_init : (n_components, n_features) array_like, optional
        Initial atoms, rescaled to unit length; signals drawn at random by default.
    n_jobs : int, optional
        Threads; 1 by default, -1 for all processors. The result is the same for any number.
    random_state : int, numpy.random.RandomState or None
        For drawing the initial atoms.

    Attributes
    ----------
    components_ : (n_components, n_features) float64 ndarray
        Atoms, of unit length; the largest component of each is positive.
    n_iter_ : int
        Turns done.
    n_features_in_ : int
        Samples of a signal.

    See Also
    --------
    OnlineDictionaryLearning : Updates the atoms after every batch of signals.
    restore.learn_dictionary : Without scikit-learn.

    Notes
    -----
    Minimises ``|X - A D|^2`` over the known samples, with at most `n_nonzero_coefs` atoms per
    signal. Signals are not centred; if their means are far from zero, subtract them, or give a
    constant atom. Computation is in single precision.

    References
    ----------
    .. [1] Aharon, Elad & Bruckstein, "K-SVD: an algorithm for designing overcomplete dictionaries
       for sparse representation", IEEE TSP 54(11), 2006, :doi:`10.1109/TSP.2006.881199`.
    .. [2] Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE TIP
       17(1), 2008, :doi:`10.1109/TIP.2007.911828` (unknown samples).

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import KSVD
    >>> rng = np.random.default_rng(0)
    >>> codes = rng.standard_normal((500, 8)) * (rng.random((500, 8)) < 0.2)
    >>> X = codes @ rng.standard_normal((8, 12))
    >>> X[rng.random(X.shape) < 0.1] = np.nan
    >>> ksvd = KSVD(n_components=8, n_nonzero_coefs=3, random_state=0).fit(X)
    >>> filled = ksvd.inverse_transform(ksvd.transform(X))
    >>> filled.shape, bool(np.isfinite(filled).all())
    ((500, 12), True)
    """

    def _learned(self, signals: Floats, first: Dictionary, stop: tuple[int, float]) -> Dictionary:
        sparsity, energy = stop
        if np.isnan(signals).any():
            return masked.learn(
                signals, first, sparsity, energy / signals.shape[1], iterations=self.max_iter,
                constants=False, pool=self._pool(),
            )  # fmt: skip
        turns = dictionary_learning.iterate(
            signals, first, sparsity, energy, self.max_iter, self._pool()
        )
        *_, last = turns
        return last.dictionary


class OnlineDictionaryLearning(_DictionaryEstimator):  # numpydoc ignore=PR02
    """Dictionary learning from batches of signals.

    The atoms are updated after every batch, from weighted sums over the batches so far, the latest
    with the largest weight. Unknown samples are replaced by their prediction from the current
    atoms.

    Parameters
    ----------
    n_components, n_nonzero_coefs, tol
        As for `KSVD`.
    max_iter : int
        Number of passes of `fit` over all signals.
    dict_init, n_jobs, random_state
        As for `KSVD`.

    Attributes
    ----------
    components_ : (n_components, n_features) float64 ndarray
        Atoms, of unit length; the largest component of each is positive.
    n_iter_ : int
        Number of passes of `fit` over its signals, or of batches given to `partial_fit`.
    n_features_in_ : int
        Samples of a signal.

    See Also
    --------
    KSVD : Updates the atoms after all signals.

    Notes
    -----
    `fit` takes batches of 2,048 signals, in the order in which they are given, and at the end of
    each pass replaces unused atoms. `partial_fit` replaces none.

    References
    ----------
    .. [1] Mairal, Bach, Ponce & Sapiro, "Online learning for matrix factorization and sparse
       coding", JMLR 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import OnlineDictionaryLearning
    >>> rng = np.random.default_rng(0)
    >>> atoms = rng.standard_normal((8, 12))
    >>> online = OnlineDictionaryLearning(n_components=8, n_nonzero_coefs=2, random_state=0)
    >>> for batch in range(20):
    ...     codes = rng.standard_normal((200, 8)) * (rng.random((200, 8)) < 0.2)
    ...     online = online.partial_fit(codes @ atoms)
    >>> online.components_.shape, online.n_iter_
    ((8, 12), 20)
    """

    _memory: list[Floats] | None

    def partial_fit(self, X: ArrayLike, y: None = None) -> Self:
        """Update the atoms once, from a batch of signals.

        Parameters
        ----------
        X : (n_samples, n_features) array_like
            NaN where unknown. The first batch has at least `n_components` signals, unless
            `dict_init` is given.
        y : None
            Ignored; there for pipelines.

        Returns
        -------
        self
        """
        begun = hasattr(self, "components_")
        signals, scale = self._signals(X, reset=not begun)
        dictionary = self._dictionary() if begun else self._first(signals)
        if not begun or self._memory is None:
            self._memory, self._unit, self._batches = [], scale, 0
        sums = self._sums(signals, dictionary, self._stop(scale))
        squared = (
            scale / self._unit
        ) ** 2  # undo the scaling of the batch, so that all batches have equal weight
        sums = sums._replace(gram=sums.gram * squared, slope=sums.slope * squared)
        self._batches += 1
        for sum_before in self._memory:
            sum_before *= (1 - 1 / self._batches) ** FORGETTING
        dictionary = atom_updates.updated(dictionary, sums, "online", self._memory)
        self.components_ = dictionary.atoms.astype(np.float64)
        self.n_iter_ = self.n_iter_ + 1 if begun else 1
        return self

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        super().fit(X, y)
        self._memory = None  # partial_fit continues from these atoms
        return self

    fit.__doc__ = _DictionaryEstimator.fit.__doc__

    def _learned(self, signals: Floats, first: Dictionary, stop: tuple[int, float]) -> Dictionary:
        dictionary, known = first, ~np.isnan(signals)
        for _ in range(self.max_iter):
            told = signals
            if not known.all():
                told = self._filled(signals, known, dictionary, stop)
            turn = dictionary_learning.learn_turn(
                dictionary_learning.batches(told, "online"), dictionary, *stop, self._pool(),
                rules=dictionary_learning.Rules("online"),
            )  # fmt: skip
            dictionary = turn.dictionary
        return dictionary

    def _sums(self, signals: Floats, dictionary: Dictionary, stop: tuple[int, float]) -> Sums:
        known = ~np.isnan(signals)
        if not known.all():
            signals = self._filled(signals, known, dictionary, stop)
        sparsity, energy = stop
        code = functools.partial(coding.code, sparsity=sparsity, tolerance=energy, pool=Pool(1))
        return atom_updates.summed_here(signals, dictionary, code, pool=self._pool())

    def _filled(
        self, signals: Floats, known: Flags, dictionary: Dictionary, stop: tuple[int, float]
    ) -> Floats:
        codes = self._coded(signals, dictionary, stop)
        return np.where(known, signals, coding.reconstruct(codes, dictionary))


def _float_type(values: Any) -> type[np.floating[Any]]:
    """The type of the results: float32 for float32 input, else float64."""
    return np.float32 if getattr(values, "dtype", None) == np.float32 else np.float64
