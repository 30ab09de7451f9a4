"""Sparse coding of patches over a dictionary: the only interface to its kernels."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import nonnegative as of_parts
from restore.kernels import pursuit as kernels
from restore.kernels import shrinkage
from restore.sparse.dictionary import Dictionary
from restore.typing import Floats, Integers

#: Patches coded in one call of the kernel: small, so that there are many more calls than threads.
BAND = 4096


class Codes(NamedTuple):
    """Sparse codes, one padded row per patch.

    Attributes
    ----------
    indices : (n_patches, sparsity) int32 ndarray
        Atoms in the order in which they were chosen; 0 beyond the count.
    coefficients : (n_patches, sparsity) float32 ndarray
        0 beyond the count.
    counts : (n_patches,) int32 ndarray
        Atoms used.

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import Dictionary, code
    >>> code([[0, 3, 0, -2]], Dictionary(np.eye(4), (4, 1, 1)), tolerance=5).counts
    array([1], dtype=int32)
    """

    indices: Integers
    coefficients: Floats
    counts: Integers


def code(
    patches: ArrayLike,
    dictionary: Dictionary,
    sparsity: int | None = None,
    tolerance: ArrayLike = 0.0,
    *,
    rule: Literal["ormp", "omp"] = "ormp",
    nonnegative: bool = False,
    pool: Pool | None = None,
) -> Codes:
    """Approximate each patch by a few atoms (orthogonal matching pursuit).

    Atoms are added until the residual energy is at most `tolerance` or `sparsity` atoms
    are used, whichever comes first.

    Parameters
    ----------
    patches : (n_patches, patch_dim) array_like
        Centred patches, if the dictionary is one of centred patches.
    dictionary : Dictionary
    sparsity : int, optional
        Maximum number of atoms per patch; `patch_dim` by default.
    tolerance : float or (n_patches,) array_like
        Residual energy (sum of squares) at which to stop.
    rule : {"ormp", "omp"}
        How the next atom is chosen: by the resulting residual, or by its correlation.
    nonnegative : bool
        Use only positive coefficients; atoms are chosen by their correlation.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Codes

    Raises
    ------
    ValueError
        If shapes do not fit each other, or patches hold NaN or infinity.

    See Also
    --------
    code_l1 : By an l1 penalty.
    reconstruct : Reconstruct patches from codes.

    References
    ----------
    Rubinstein, Zibulevsky & Elad, Technion CS-2008-08; Bruckstein, Elad & Zibulevsky, "On the
    uniqueness of nonnegative sparse solutions to underdetermined systems of equations", IEEE TIT
    54(11), 2008, :doi:`10.1109/TIT.2008.929920`.

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import Dictionary, code
    >>> dictionary = Dictionary(np.eye(4), (4, 1, 1))
    >>> codes = code([[0, 3, 0, -2]], dictionary, sparsity=2)
    >>> codes.indices, codes.coefficients
    (array([[1, 3]], dtype=int32), array([[ 3., -2.]], dtype=float32))
    >>> code([[0, 3, 0, -2]], dictionary, sparsity=1, nonnegative=True).coefficients
    array([[3.]], dtype=float32)
    """
    signals = _checked(patches, dictionary)
    if rule not in ("ormp", "omp"):
        raise ValueError(f"expected rule 'ormp' or 'omp', got {rule!r}")
    sparsity = dictionary.patch_dim if sparsity is None else sparsity
    if sparsity < 1:
        raise ValueError(f"expected a sparsity of at least 1 atom, got {sparsity}")
    sparsity = min(sparsity, dictionary.n_atoms)
    tolerances = np.full(len(signals), tolerance, np.float32)
    codes = Codes(
        np.zeros((len(signals), sparsity), np.int32),
        np.zeros((len(signals), sparsity), np.float32),
        np.zeros(len(signals), np.int32),
    )

    def code_band(band: slice) -> None:
        given = signals[band], dictionary.atoms_t, dictionary.gram, tolerances[band]
        written = codes.indices[band], codes.coefficients[band], codes.counts[band]
        if nonnegative:
            finite = of_parts.pursue_nonnegative(*given, *written)
        else:
            finite = kernels.pursue(*given, rule == "ormp", *written)
        if not (finite or np.isfinite(signals[band]).all()):
            raise ValueError("patches hold NaN or infinity")

    for _ in bands.map_bands(code_band, bands.slices(len(signals), BAND), pool, "coding"):
        pass
    return codes


def code_l1(
    patches: ArrayLike,
    dictionary: Dictionary,
    penalty: float,
    *,
    iterations: int = 2000,
    nonnegative: bool = False,
    pool: Pool | None = None,
) -> Codes:
    """Approximate each patch x by a D, minimising ``|x - a D|^2 / 2 + penalty |a|_1``.

    Basis pursuit denoising, or the lasso. Iterated until no coefficient changes by more than
    a hundred thousandth of the largest.

    Parameters
    ----------
    patches : (n_patches, patch_dim) array_like
    dictionary : Dictionary
    penalty : float
        In the unit of the patches.
    iterations : int
        At most.
    nonnegative : bool
        Use only positive coefficients.
    pool
        As in `code`.

    Returns
    -------
    Codes
        As wide as the code with most atoms; atoms in ascending order.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or patches hold NaN or infinity.

    References
    ----------
    Beck & Teboulle, SIAM J. Imaging Sciences 2(1), 2009, :doi:`10.1137/080716542`; Hoyer,
    "Non-negative sparse coding", IEEE NNSP 2002, :doi:`10.1109/NNSP.2002.1030067`.

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import Dictionary, code_l1
    >>> dictionary = Dictionary(np.eye(4), (4, 1, 1))
    >>> code_l1([[0, 3, 0, -2]], dictionary, penalty=0.5).coefficients
    array([[ 2.5, -1.5]], dtype=float32)
    """
    signals = _checked(patches, dictionary)
    if not penalty >= 0:
        raise ValueError(f"expected a penalty that is not negative, got {penalty}")
    if not np.isfinite(signals).all():
        raise ValueError("patches hold NaN or infinity")
    with bands.one_blas_thread:
        step = 1 / np.linalg.eigvalsh(dictionary.gram.astype(np.float64))[-1]

    def code_band(band: slice) -> Codes:
        full = np.empty((len(signals[band]), dictionary.n_atoms), np.float32)
        shrinkage.shrink(
            signals[band], dictionary.atoms_t, dictionary.gram, np.float32(penalty),
            np.float32(step), iterations, nonnegative, full,
        )  # fmt: skip
        return _sparse(full)

    parts = list(bands.map_bands(code_band, bands.slices(len(signals)), pool, "coding"))
    width = max([part.indices.shape[1] for part in parts], default=0)
    parts.append(_sparse(np.zeros((0, width), np.float32)))
    indices, coefficients = (
        np.concatenate([np.pad(part[i], [(0, 0), (0, width - part[i].shape[1])]) for part in parts])
        for i in range(2)
    )
    return Codes(indices, coefficients, np.concatenate([part.counts for part in parts]))


def _sparse(full: NDArray[np.float32]) -> Codes:
    """Codes of full rows of coefficients."""
    used = full != 0
    counts = used.sum(axis=1, dtype=np.int32)
    order = np.argsort(~used, axis=1, kind="stable")[:, : counts.max(initial=0)]
    coefficients = np.take_along_axis(full, order, axis=1)
    return Codes(np.where(coefficients != 0, order, 0).astype(np.int32), coefficients, counts)


def _checked(values: ArrayLike, dictionary: Dictionary) -> NDArray[np.float32]:
    patches = np.ascontiguousarray(values, dtype=np.float32)
    if patches.ndim != 2 or patches.shape[1] != dictionary.patch_dim:
        raise ValueError(
            f"expected patches of shape (n, {dictionary.patch_dim}), got {patches.shape}"
        )
    return patches


def reconstruct(codes: Codes, dictionary: Dictionary) -> NDArray[np.float32]:
    """Reconstruct patches from `codes`.

    Parameters
    ----------
    codes : Codes
    dictionary : Dictionary

    Returns
    -------
    (n_patches, patch_dim) float32 ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from restore.sparse import Dictionary, code, reconstruct
    >>> dictionary = Dictionary(np.eye(4), (4, 1, 1))
    >>> reconstruct(code([[0, 3, 0, -2]], dictionary, sparsity=1), dictionary)
    array([[0., 3., 0., 0.]], dtype=float32)
    """
    patches = np.empty((len(codes.counts), dictionary.patch_dim), np.float32)
    kernels.reconstruct(*codes, dictionary.atoms, patches)
    return patches


def noise_energy(patch_dim: int, sigma: float) -> float:
    """Residual energy of a patch that holds only noise.

    The energy of `patch_dim` samples of white noise is ``patch_dim * sigma**2`` on
    average; the gain of 1.1 on its root for 64 samples (Elad & Aharon's 1.15 for
    uncentred patches) falls with the relative spread of the energy, by the root of `patch_dim`.
    """
    return patch_dim * ((1 + 0.8 / np.sqrt(patch_dim)) * sigma) ** 2
