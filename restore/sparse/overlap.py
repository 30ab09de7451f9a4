"""The one path from an image to a restored one: extract, estimate, aggregate.

The image is cut into bands of patch rows. Each band is extracted, estimated and aggregated on its
own, so only a few bands of patches exist at a time; the bands' sums are added in order, so the
result does not depend on the number of threads.
"""

import functools
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.sparse import coding
from restore.sparse import patches as patching
from restore.sparse.dictionary import Dictionary, load_for
from restore.typing import Floats

Band = TypeVar("Band")


def accumulate(
    estimate: Callable[[Band], tuple[slice, Floats, Floats]],
    cut: Iterable[Band],
    total: Floats,
    weight: Floats,
    pool: Pool | None = None,
    stage: str | None = None,
) -> None:
    """Add up the overlapping estimates of all bands.

        total = sum_b sum_{p in b} w_p R_p' x_p,      weight = sum_b sum_{p in b} w_p R_p' 1

    Parameters
    ----------
    estimate : callable
        ``estimate(band) -> rows, total, weight``: a slice of rows of the image, and the sums over
        the band's patches there, shaped as those below. Runs on several threads at once.
    cut : sequence
        The bands.
    total : (..., height, width) float32 ndarray, added to
    weight : (height, width) float32 ndarray, added to
    pool : Pool, optional
        Threads and progress. The sums are taken in the order of the bands.
    stage : str, optional
    """
    for rows, band_total, band_weight in bands.map_bands(estimate, cut, pool, stage):
        total[..., rows, :] += band_total
        weight[rows] += band_weight


def divide(total: Floats, weight: Floats, pool: Pool | None = None) -> None:
    """total /= weight, band by band: (..., height, width) by (height, width)."""

    def average(rows: slice) -> None:
        total[..., rows, :] /= weight[rows]

    bands.for_each(average, bands.rows(weight.shape), pool)


def restore_image(
    image: Floats,
    patch_shape: tuple[int, ...],
    estimate: Callable[[Floats], Floats],
    stride: int = 1,
    *,
    weigh: Callable[[Floats], Floats] | None = None,
    pool: Pool | None = None,
) -> Floats:
    """Estimate every patch of an image and average the overlapping estimates.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Smaller than a patch is padded by mirroring.
    patch_shape : (height, width, channels)
    estimate : callable
        ``estimate(patches) -> estimates``: both of shape (n, patch_dim); the input may be
        overwritten. Runs on several threads at once.
    stride : int
        Samples between neighbouring patches.
    weigh : callable, optional
        ``weigh(patches) -> weights`` of the estimates, called before `estimate`; 1 by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

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

    def restore_band(band: slice) -> tuple[slice, Floats, Floats]:
        own_rows = rows[band]
        top, bottom = own_rows[0], own_rows[-1] + patch_shape[0]
        total = np.zeros((bottom - top, *image.shape[1:]), np.float32)
        weight = np.zeros(total.shape[:2], np.float32)
        patches = patching.extract(image, patch_shape, own_rows, columns)
        weights = weigh(patches) if weigh else np.ones(len(patches), np.float32)
        estimates = estimate(patches)
        patching.aggregate(estimates, weights, patch_shape, own_rows - top, columns, total, weight)
        return slice(top, bottom), np.moveaxis(total, 2, 0), weight

    total = np.zeros_like(image)
    weight = np.zeros(image.shape[:2], np.float32)
    cut = bands.slices(len(rows), max(1, bands.BAND // len(columns)))
    accumulate(restore_band, cut, np.moveaxis(total, 2, 0), weight, pool, "restoring")
    with np.errstate(invalid="ignore"):
        total /= weight[..., None]
    return total[:height, :width]


def sparse_estimate(
    patches: Floats, dictionary: Dictionary, sparsity: int | None = None, tolerance: float = 0.0
) -> Floats:
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
    codes = coding.code(patches, dictionary, sparsity, tolerance, pool=Pool(1))
    estimates = coding.reconstruct(codes, dictionary)
    patching.uncentre(estimates, means)
    return estimates


def by_dictionary(
    image: Floats,
    sigma: float,
    dictionary: Dictionary | str,
    sparsity: int | None = None,
    stride: int = 1,
    pool: Pool | None = None,
) -> Floats:
    """Code every patch with the fewest atoms that approximate it to within the noise level.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    sigma : float
        Standard deviation of the noise, in the unit of the image.
    dictionary : Dictionary or str
        Or the name of a packaged one, or a file.
    sparsity : int, optional
        Maximum number of atoms per patch; half its samples by default.
    stride : int
        Samples between neighbouring patches, at most the patch size.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray

    Raises
    ------
    ValueError
        If the stride is out of its range, or the dictionary does not fit the image.
    """
    dictionary = load_for(dictionary, image.shape[2])
    if not 1 <= stride <= min(dictionary.patch_shape[:2]):
        raise ValueError(f"stride {stride} would leave gaps between the patches or is below 1")
    estimate = functools.partial(
        sparse_estimate,
        dictionary=dictionary,
        sparsity=sparsity or dictionary.patch_dim // 2,
        tolerance=coding.noise_energy(dictionary.patch_dim, sigma),
    )
    return restore_image(image, dictionary.patch_shape, estimate, stride, pool=pool)
