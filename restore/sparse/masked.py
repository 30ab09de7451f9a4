"""Coding and dictionary learning for patches with unknown samples.

NaN marks an unknown sample. Codes are found from the known samples alone, and the atoms then
predict the unknown ones.
"""

import numpy as np
from numpy.typing import NDArray

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import masked as kernels
from restore.sparse import coding
from restore.sparse import patches as patching
from restore.sparse.dictionary import Dictionary

#: Patches coded in one call of the kernel.
BAND = 2048

#: Iterations of alternating least squares for each atom (Mairal, Elad & Sapiro 2008, section IV-B).
ROUNDS = 3


def code(
    patches: NDArray[np.float32],
    dictionary: Dictionary,
    sparsity: int | None = None,
    tolerance: float = 0.0,
    *,
    constants: bool = True,
    pool: Pool | None = None,
) -> tuple[coding.Codes, NDArray[np.float32]]:
    """Approximate the known samples of each patch by few atoms and a constant for each channel.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32 ndarray
        NaN where unknown; not centred.
    dictionary : Dictionary
    sparsity : int, optional
        Maximum number of atoms per patch; half of `patch_dim` by default.
    tolerance : float
        Residual energy per known sample at which to stop.
    constants : bool
        Without them the atoms alone approximate the samples.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    codes : restore.sparse.coding.Codes
    means : (n_patches, channels) float32 ndarray
        The constants; ``(n_patches, 0)`` without them.

    Raises
    ------
    ValueError
        If the patches do not fit the dictionary, or the sparsity is below 1.

    References
    ----------
    Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE TIP 17(1),
    2008, section IV.
    """
    if patches.ndim != 2 or patches.shape[1] != dictionary.patch_dim:
        raise ValueError(
            f"expected patches of shape (n, {dictionary.patch_dim}), got {patches.shape}"
        )
    sparsity = dictionary.patch_dim // 2 if sparsity is None else sparsity
    if sparsity < 1:
        raise ValueError(f"expected a sparsity of at least 1 atom, got {sparsity}")
    count, sparsity = len(patches), min(sparsity, dictionary.n_atoms)
    codes = coding.Codes(
        np.zeros((count, sparsity), np.int32),
        np.zeros((count, sparsity), np.float32),
        np.zeros(count, np.int32),
    )
    means = np.empty((count, dictionary.channels if constants else 0), np.float32)

    def code_band(band: slice) -> None:
        kernels.pursue(
            patches[band], np.isfinite(patches[band]), dictionary.atoms, np.float32(tolerance),
            codes.indices[band], codes.coefficients[band], codes.counts[band], means[band],
        )  # fmt: skip

    bands.for_each(code_band, bands.slices(count, BAND), pool)
    return codes, means


def reconstruct(
    codes: coding.Codes, means: NDArray[np.float32], dictionary: Dictionary
) -> NDArray[np.float32]:
    """Reconstruct all samples of patches from `codes` and constants.

    Returns
    -------
    (n_patches, patch_dim) float32 ndarray
    """
    patches = coding.reconstruct(codes, dictionary)
    if means.shape[1] > 0:
        patching.uncentre(patches, means)
    return patches


def learn(
    patches: NDArray[np.float32],
    dictionary: Dictionary,
    sparsity: int | None = None,
    tolerance: float = 0.0,
    *,
    iterations: int = 15,
    constants: bool = True,
    pool: Pool | None = None,
) -> Dictionary:
    """Fit a dictionary to patches of which some samples are unknown, by masked K-SVD.

    Unused atoms stay as they are.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32 ndarray
        NaN where unknown; not centred.
    dictionary : Dictionary
        To start from.
    sparsity, tolerance
        As in `code`.
    iterations : int
    constants : bool
        As in `code`.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Dictionary

    References
    ----------
    Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE TIP 17(1),
    2008, equation 14.
    """
    known = np.isfinite(patches)
    for done in range(1, iterations + 1):
        codes, means = code(
            patches, dictionary, sparsity, tolerance, constants=constants, pool=pool
        )
        residuals = np.where(known, patches - reconstruct(codes, means, dictionary), np.float32(0))
        atoms = dictionary.atoms.copy()
        kernels.update_atoms(residuals, known, *codes, atoms, means.shape[1], ROUNDS)
        dictionary = Dictionary(atoms, dictionary.patch_shape, dictionary.provenance)
        bands.tell(pool, "learning", done, iterations)
    return dictionary
