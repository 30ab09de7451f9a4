"""The one path from an image to a restored one: extract, estimate, aggregate.

The image is cut into bands of patch rows. A band is read, estimated and put together
on its own, so no more than a few bands of patches exist at a time; the bands' sums are
added in order, so the result does not depend on the number of threads.
"""

import numpy as np

from restore.imaging import bands
from restore.sparse import coding
from restore.sparse import patches as patching


def restore_image(image, patch_shape, estimate, stride=1, *, weigh=None, threads=None,
                  progress=None):  # fmt: skip
    """Estimate every patch of an image and average the overlapping estimates.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Smaller than a patch is padded by mirroring.
    patch_shape : (height, width, channels)
    estimate : callable
        ``estimate(patches) -> estimates``: patches of shape (n, patch_dim) in, theirs to
        overwrite, as many out. Runs on several threads at once.
    stride : int
        Samples between neighbouring patches.
    weigh : callable, optional
        ``weigh(patches) -> weights``: of the estimates, from the patches before; 1 by default.
    threads : int, optional
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    (height, width, channels) float32 ndarray
        NaN where all weights are 0.

    References
    ----------
    Elad & Aharon, "Image denoising via sparse and redundant representations over learned
    dictionaries", IEEE TIP 15(12), 2006, eq. 8 without its weight on the input.
    """
    height, width, _ = image.shape
    image = patching.pad(image, patch_shape)
    rows = patching.positions(image.shape[0], patch_shape[0], stride)
    columns = patching.positions(image.shape[1], patch_shape[1], stride)

    def restore_band(band):
        own_rows = rows[band]
        top, bottom = own_rows[0], own_rows[-1] + patch_shape[0]
        total = np.zeros((bottom - top, *image.shape[1:]), np.float32)
        weight = np.zeros(total.shape[:2], np.float32)
        patches = patching.extract(image, patch_shape, own_rows, columns)
        weights = weigh(patches) if weigh else np.ones(len(patches), np.float32)
        estimates = estimate(patches)
        patching.aggregate(estimates, weights, patch_shape, own_rows - top, columns, total, weight)
        return top, bottom, total, weight

    total = np.zeros_like(image)
    weight = np.zeros(image.shape[:2], np.float32)
    band_rows = max(1, bands.BAND // len(columns))
    for top, bottom, band_total, band_weight in bands.map_bands(
        restore_band, bands.slices(len(rows), band_rows), threads, progress, stage="restoring"
    ):
        total[top:bottom] += band_total
        weight[top:bottom] += band_weight
    with np.errstate(invalid="ignore"):
        total /= weight[..., None]
    return total[:height, :width]


def sparse_estimate(patches, dictionary, sparsity=None, tolerance=0.0):
    """Centre, code and reconstruct patches over a dictionary.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32 ndarray
        Overwritten.
    dictionary : Dictionary
    sparsity, tolerance
        As in `restore.sparse.coding.code`.

    Returns
    -------
    (n_patches, patch_dim) float32 ndarray
    """
    means = patching.centre(patches, dictionary.channels)
    codes = coding.code(patches, dictionary, sparsity, tolerance, threads=1)
    estimates = coding.reconstruct(codes, dictionary)
    patching.uncentre(estimates, means)
    return estimates
