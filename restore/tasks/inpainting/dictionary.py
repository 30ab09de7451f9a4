"""Inpainting over a dictionary: every patch is coded by its known samples alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from restore.imaging.bands import Pool
from restore.sparse import coding, masked, overlap
from restore.sparse import patches as patching
from restore.typing import Flags, Floats

if TYPE_CHECKING:
    from restore.sparse.dictionary import Dictionary


#: Samples between neighbouring patches, and iterations of learning, by quality.
QUALITIES = {"fast": (2, 10), "balanced": (1, 20)}

#: Number of patches that a dictionary is learned on.
PATCHES = 30_000

#: Root mean square residual of a patch over its known samples: larger during learning, so that
#: atoms represent what many patches have in common, and smaller when filling.
LEARNING, FILLING = 12 / 255, 2 / 255


def by_dictionary(
    image: Floats,
    known: Flags,
    sigma: float,
    dictionary: Dictionary,
    learn: bool,
    quality: str,
    seed: int = 0,
    pool: Pool | None = None,
) -> Floats:
    """Estimate a picture from its known pixels with a dictionary.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Only known samples are used.
    known : (height, width) bool ndarray
    sigma : float
        Standard deviation of the noise of the known samples.
    dictionary : Dictionary
    learn : bool
        Fit the dictionary to the known samples of this picture first.
    quality : {"fast", "balanced"}
    seed : int
        For drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        NaN where no patch contains a known pixel.
    """
    stride, iterations = QUALITIES[quality]
    stride = min(stride, *dictionary.patch_shape[:2])
    observed = np.where(known[..., None], image, np.float32(np.nan))
    noise = coding.noise_energy(dictionary.patch_dim, sigma) / dictionary.patch_dim
    sparsity = dictionary.patch_dim // 4
    if learn:
        patches = patching.sample(observed, dictionary.patch_shape, PATCHES, seed)
        dictionary = masked.learn(
            patches, dictionary, sparsity, max(LEARNING**2, noise), iterations=iterations,
            pool=pool,
        )  # fmt: skip

    def estimate(patches: Floats) -> Floats:
        codes, means = masked.code(
            patches, dictionary, sparsity, max(FILLING**2, noise), pool=Pool(1)
        )
        return masked.reconstruct(codes, means, dictionary)

    return overlap.restore_image(
        observed, dictionary.patch_shape, estimate, stride, weigh=_any_known, pool=pool,
    )  # fmt: skip


def _any_known(patches: Floats) -> Floats:
    """1 for patches with a known sample, else 0."""
    return np.asarray(np.isfinite(patches).any(axis=1), np.float32)
