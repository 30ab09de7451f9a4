"""The expected error of a restored picture, estimated by a small network.

Its inputs are the difference to a second, cheaper estimate, the local activity, the residual, the
noise level and the local share of measured samples. The network was learned on photographs that
were degraded and restored, and has one output per task.
"""

import functools

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from restore.imaging import archive, bands
from restore.imaging.arrays import as_image, working
from restore.imaging.bands import Pool
from restore.imaging.network import Network
from restore.typing import Floats

#: The outputs of the network.
TASKS = ("denoise", "inpaint", "demosaic", "deblur", "sense", "sense-blocks")

#: Sides of the windows over which estimates are compared, activity is measured, the residual is
#: averaged, and measured samples are counted; and the radius of the largest.
DIFFERENCES, ACTIVITIES, AVERAGED, COUNTED = (1, 3, 7, 21), (3, 7), (5,), (3, 7, 21)
REACH = 10

#: Added before taking logarithms: less than the error of rounding to 8 bits.
FLOOR = 0.2 / 255

#: The range of the reported error.
LEAST, GREATEST = 0.02 / 255, 1.0

KIND, FEATURES = "uncertainty", 14


@functools.cache
def packaged() -> Network:
    """The network that comes with the package."""
    return Network.load(archive.packaged_path("uncertainty"), KIND, (FEATURES, len(TASKS)))


def estimate_error(
    task: str, restored: ArrayLike, other: ArrayLike, *, sigma: ArrayLike = 0.0,
    observed: ArrayLike | None = None, known: ArrayLike | None = None,
    network: Network | None = None, pool: Pool | None = None,
) -> Floats:  # fmt: skip
    """Estimate the error of a restored picture, sample by sample.

    Parameters
    ----------
    task : {"denoise", "inpaint", "demosaic", "deblur", "sense", "sense-blocks"}
        The task that the picture was restored by, in its default quality; ``"sense"`` from samples
        of its Fourier transform, ``"sense-blocks"`` from projections of blocks.
    restored : (height, width) or (height, width, 1 or 3) array_like
        With `restore.imaging.arrays.working`'s conventions.
    other : array_like of the shape of `restored`
        The result of a cheaper method: ``quality="fast"`` for the first three, and the packaged
        dictionary (``"grey"`` or ``"colour"``) for the others.
    sigma : float or array_like that broadcasts to (height, width, channels)
        Standard deviation of the noise of the measurements, in the unit of the picture.
    observed : array_like of the shape of `restored`, optional
        The noisy or the blurred picture, for ``"denoise"`` and ``"deblur"``.
    known : (height, width) or (height, width, channels) bool array_like or float, optional
        Which samples were measured, for ``"inpaint"`` and ``"demosaic"``; for ``"sense"`` and
        ``"sense-blocks"`` what `restore.tasks.sensing.determined` says.
    network : Network, optional
        The packaged one by default.
    pool : Pool, optional
        Threads. The result is the same for any number of threads.

    Returns
    -------
    float32 ndarray of the shape of `restored`
        Meant to exceed about 68 % of all errors, and twice the value 95 %. 0 at samples that were
        measured without noise, and at those that are NaN, infinite or huge.

    Raises
    ------
    ValueError
        If there is no such task, shapes differ, or sigma is negative.

    References
    ----------
    Koenker & Bassett, "Regression quantiles", Econometrica 46(1), 1978, :doi:`10.2307/1913643`.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage import data
    >>> from restore import denoise, estimate_error
    >>> picture = data.camera()[100:164, 200:264] / 255
    >>> noisy = picture + 0.1 * np.random.default_rng(0).standard_normal(picture.shape)
    >>> restored, other = denoise(noisy, 0.1), denoise(noisy, 0.1, "fast")
    >>> error = estimate_error("denoise", restored, other, sigma=0.1, observed=noisy)
    >>> bool(0.5 < (abs(restored - picture) < error).mean() < 0.85)
    True
    """
    if task not in TASKS:
        raise ValueError(f"expected one of {', '.join(TASKS)}, got {task!r}")
    shape = np.shape(restored)
    image = as_image(restored)
    work = working(image if observed is None else as_image(observed))
    images = {"restored": image, "other": as_image(other)}
    if observed is not None:
        images["observed"] = as_image(observed)
    for name, one in images.items():
        if one.shape != image.shape:
            raise ValueError(f"{name} has shape {one.shape}, the restored picture {image.shape}")
    images = {name: work.filled(one / np.float32(work.unit)) for name, one in images.items()}
    sigma = np.asarray(sigma, np.float32) / np.float32(work.unit)
    if not (sigma >= 0).all():
        raise ValueError("sigma is negative or NaN")
    share = np.asarray(np.float32(1) if known is None else known)
    exact = share.dtype == bool
    if share.ndim == 2:
        share = share[..., None]
    sigma, share = (np.broadcast_to(part, image.shape) for part in (sigma, share))
    network, column = network or packaged(), TASKS.index(task)
    error = np.empty(image.shape, np.float32)

    def tell(rows: slice) -> None:
        outer = slice(max(0, rows.start - REACH), rows.stop + REACH)
        parts = {name: one[outer] for name, one in images.items()}
        inner = slice(rows.start - outer.start, rows.stop - outer.start)
        seen = features(**parts, sigma=sigma[outer], share=share[outer])[inner]
        told = network(seen.reshape(-1, FEATURES))[:, column]
        error[rows] = np.clip(np.exp(told), LEAST, GREATEST).reshape(error[rows].shape)

    bands.for_each(tell, bands.slices(len(image), max(16, 65536 // image[0].size)), pool)
    if exact:
        error[share & (sigma == 0)] = 0
    error[~work.known] = 0
    return (error * np.float32(work.unit)).reshape(shape)


def features(
    restored: Floats, other: Floats, sigma: Floats, share: Floats, observed: Floats | None = None
) -> Floats:
    """The inputs of the network for each sample.

    Parameters
    ----------
    restored, other, sigma, share, observed : (height, width, channels) ndarray
        `share` is 1 where a sample was measured. Pictures in [0, 1].

    Returns
    -------
    (height, width, channels, n_features) float32 ndarray
    """
    difference = other - restored
    taken = np.zeros_like(restored) if observed is None else observed - restored
    seen = [_root(_mean(difference**2, side)) for side in DIFFERENCES]
    for side in ACTIVITIES:
        seen.append(_root(_mean(restored**2, side) - _mean(restored, side) ** 2))
    seen += [np.abs(_mean(taken, side)) for side in AVERAGED]
    seen += [_root(_mean(taken**2, ACTIVITIES[-1])), sigma]
    seen = [np.log(part + np.float32(FLOOR)) for part in seen]
    share = share.astype(np.float32)
    seen += [share, *(_mean(share, side) for side in COUNTED)]
    colours = np.full_like(restored, restored.shape[2] == 3)
    return np.stack([*seen, colours], axis=-1, dtype=np.float32)


def _root(energy: Floats) -> Floats:
    """The square root, with values that rounding made negative set to 0."""
    return np.sqrt(np.maximum(energy, 0))


def _mean(planes: Floats, side: int) -> Floats:
    """The mean over a square around each sample."""
    if side == 1:
        return planes
    return ndimage.uniform_filter(planes, (side, side, 1), mode="nearest")
