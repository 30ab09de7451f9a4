"""Denoising by sparse coding over a dictionary learned on the noisy picture itself.

Elad & Aharon, "Image denoising via sparse and redundant representations over learned
dictionaries", IEEE TIP 15(12), 2006; in colour, Mairal, Elad & Sapiro, "Sparse
representation for color image restoration", IEEE TIP 17(1), 2008.
"""

import functools

import numpy as np
from scipy import ndimage

from restore import ksvd, pipeline
from restore import patches as patching
from restore.dictionary import Dictionary
from restore.images import as_image
from restore.noise import estimate_sigma

#: Patches that a dictionary is learned on, and turns of learning.
LEARNING_PATCHES = 30_000
ITERATIONS = 8

#: Noise of more than this (in [0, 1]) leaves nothing to restore.
LARGEST_SIGMA = 1.0


def denoise(image, sigma=None, dictionary="learn", *, n_atoms=None, patch_size=None,
            sparsity=None, iterations=ITERATIONS, stride=1, seed=0, threads=None,
            progress=None):  # fmt: skip
    """Remove white noise from a picture.

    Every patch is replaced by the combination of fewest atoms that comes as close to it
    as the noise level says, and the overlapping patches are averaged.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: unsigned integers span their whole range, floats are
        nominally in [0, 1] and are not clipped. NaN samples are left out and come back.
    sigma : float, optional
        Standard deviation of the noise in the unit of [0, 1] images; estimated where not
        given. 0 returns the image.
    dictionary : {"learn", "grey", "colour"}, str or Dictionary
        ``"learn"`` starts from the packaged dictionary and fits it to this very picture;
        otherwise a packaged name, a file, or a dictionary.
    n_atoms, patch_size : int, optional
        For ``"learn"``: other than the packaged dictionary's 256 atoms of 8x8 samples.
    sparsity : int, optional
        Most atoms a patch may use; half its samples by default.
    iterations : int
        Turns of learning.
    stride : int
        Samples between neighbouring patches, at most the patch size.
    seed : int
        Of the draw of patches to learn on.
    threads : int, optional
        All usable processors by default; the result is the same for any number.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    float32 ndarray of the shape of `image`
        In the nominal range [0, 1], not clipped.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the dictionary does not fit the picture.

    References
    ----------
    Elad & Aharon 2006; Mairal, Elad & Sapiro 2008.
    """
    array = np.asarray(image)
    image = as_image(array)
    known = np.isfinite(image).all(axis=2)
    if sigma is None:
        sigma = float(np.sqrt(np.mean(estimate_sigma(image) ** 2)))
    if not 0 <= sigma <= LARGEST_SIGMA:
        raise ValueError(
            f"sigma {sigma:g} is not between 0 and {LARGEST_SIGMA:g} (the range of a [0, 1] image)"
        )
    if sigma == 0 or not known.any():
        return image.reshape(array.shape)
    filled = _fill(image, known)
    if isinstance(dictionary, str) and dictionary == "learn":
        dictionary = _learn(
            filled, known, sigma, n_atoms, patch_size, iterations, seed, threads, progress
        )
    elif n_atoms or patch_size:
        raise ValueError("atoms and patch size are those of the given dictionary; leave them out")
    elif not isinstance(dictionary, Dictionary):
        dictionary = Dictionary.load(dictionary)
    if dictionary.channels != image.shape[2]:
        raise ValueError(
            f"the dictionary's patches have {dictionary.channels} channels and the picture "
            f"{image.shape[2]}"
        )
    if not 1 <= stride <= min(dictionary.patch_shape[:2]):
        raise ValueError(f"stride {stride} would leave gaps between the patches or is below 1")
    estimate = functools.partial(
        pipeline.sparse_estimate,
        dictionary=dictionary,
        sparsity=sparsity or dictionary.patch_dim // 2,
        tolerance=noise_energy(dictionary.patch_dim, sigma),
    )
    restored = pipeline.restore_image(
        filled, dictionary.patch_shape, estimate, stride, threads=threads, progress=progress
    )
    restored[~known] = image[~known]
    return restored.reshape(array.shape)


def noise_energy(patch_dim, sigma):
    """Residual energy at which a patch holds nothing but noise.

    The energy of `patch_dim` samples of white noise is ``patch_dim * sigma**2`` on
    average; the gain of 1.1 on its root for 64 samples (Elad & Aharon's 1.15 for
    uncentred patches) narrows as the spread of the energy does, with the root of
    `patch_dim`.
    """
    return patch_dim * ((1 + 0.8 / np.sqrt(patch_dim)) * sigma) ** 2


def _fill(image, known):
    """The image with unknown pixels replaced by their nearest known ones."""
    if known.all():
        return image
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return image[tuple(nearest)]


def _learn(image, known, sigma, n_atoms, patch_size, iterations, seed, threads, progress):
    """The packaged dictionary, or another start, fitted to this picture's patches."""
    channels = image.shape[2]
    packaged = Dictionary.load("grey" if channels == 1 else "colour")
    patch_shape = (patch_size, patch_size, channels) if patch_size else packaged.patch_shape
    tolerance = noise_energy(int(np.prod(patch_shape)), sigma)
    n_atoms = n_atoms or packaged.n_atoms
    patches = patching.sample(image, patch_shape, LEARNING_PATCHES, seed, known)
    patching.centre(patches, channels)
    # Patches that are noise alone have empty codes and teach nothing.
    patches = patches[np.einsum("pk,pk->p", patches, patches) > tolerance]
    start = packaged if patch_shape == packaged.patch_shape else "dct"
    if len(patches) < n_atoms:
        return ksvd.first_dictionary(patches, patch_shape, n_atoms, start, seed)
    return ksvd.learn_dictionary(
        patches, patch_shape, n_atoms, tolerance=tolerance, sparsity=patches.shape[1] // 2,
        start=start, iterations=iterations, seed=seed, threads=threads, progress=progress,
    )  # fmt: skip
