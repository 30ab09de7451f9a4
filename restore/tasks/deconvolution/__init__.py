"""Deblurring with a known kernel: y = k * x + n, with unknown content beyond the frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from restore.imaging import bands
from restore.imaging.arrays import PictureWarning, as_image, working
from restore.imaging.bands import Pool
from restore.imaging.colour import luminance
from restore.imaging.noise import estimate_noise
from restore.sparse.operators import Blur, Observed
from restore.sparse.solve import FIRST, LAST, Turn, solve
from restore.tasks.deconvolution import blurs
from restore.tasks.deconvolution.estimation import unexplained
from restore.typing import Flags, Floats

if TYPE_CHECKING:
    from restore.sparse.dictionary import Dictionary


__all__ = ["deblur"]

#: Samples of at least this level are white: anything brighter was clipped.
SATURATED = 1 - 0.5 / 255

#: Number of clipped samples from which a picture counts as saturated.
FEWEST = 4

#: Place between the first and the last level of noise, in logarithms, below which groups of patches
#: are used: the last three of eight turns. A fourth gains 0.04 to 0.06 dB for a quarter more time.
GROUPS_BELOW = 4.5 / 7


def deblur(
    image: ArrayLike,
    kernel: ArrayLike,
    sigma: float | None = None,
    *,
    strength: float = 1.0,
    dictionary: str | Dictionary | None = None,
    each_turn: Callable[[Turn], object] | None = None,
    pool: Pool | None = None,
) -> Floats:
    """Take a known blur away.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: unsigned integers span their whole range, floats may have any
        (`restore.imaging.arrays.working`). Samples that are NaN, infinite or huge are left out and
        come back as they were; white samples only constrain the result to be bright.
    kernel : (rows, columns) array_like
        The blur kernel (point spread function), with odd sides and centred; not negative, of any
        sum.
    sigma : float, optional
        Standard deviation of noise in the unit of the image, of integers in that of [0, 1];
        estimated where it is not given.
    strength : float
        Assume this many times as much noise: above 1 the result is smoother, below 1 sharper.
    dictionary : {"learn", "grey", "colour"}, str or Dictionary, optional
        Instead of groups of similar patches, patches that are sparse over this dictionary, as
        `restore.solve` takes it.
    each_turn : callable, optional
        Called with the level of noise and the residual of each turn, in the unit of the image:
        `restore.sparse.solve.Turn`.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    float32 ndarray of the shape of `image`
        In the unit of `image`, of integers in [0, 1]; not clipped.

    Raises
    ------
    ValueError
        If an argument is out of its range, the kernel is no kernel, or larger than the picture.
    TypeError
        If `image` is no array of numbers.

    See Also
    --------
    solve : The same for any linear measurement.

    Notes
    -----
    The scene continues beyond the frame: the unknown picture is larger by the kernel, and only the
    samples in the frame were measured. Detail at frequencies that the kernel would have erased, as
    in a picture that was never blurred, is treated as noise, with a `PictureWarning`: deblurring
    would amplify it into a maze pattern.

    References
    ----------
    Almeida & Figueiredo, "Deconvolving images with unknown boundaries using the alternating
    direction method of multipliers", IEEE TIP 22(8), 2013, :doi:`10.1109/TIP.2013.2258354`, for
    the frame; `restore.solve` for the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> from skimage import data, metrics
    >>> from restore import deblur
    >>> picture = data.camera()[100:164, 200:264] / 255
    >>> kernel = np.full((1, 7), 1 / 7)
    >>> blurred = ndimage.convolve(picture, kernel)
    >>> blurred += np.random.default_rng(0).normal(0, 0.01, picture.shape)
    >>> sharp = deblur(blurred, kernel, 0.01)
    >>> before, after = (
    ...     metrics.peak_signal_noise_ratio(picture, found, data_range=1)
    ...     for found in (blurred, sharp)
    ... )
    >>> bool(after > before + 3)
    True
    """
    array = np.asarray(image)
    observed = as_image(array)
    kernel = blurs.of_picture(np.asarray(kernel))
    if not strength >= 0:
        raise ValueError(f"strength is 0 or more, not {strength:g}")
    if any(side > size for side, size in zip(kernel.shape, observed.shape[:2])):
        raise ValueError(
            f"the kernel of {kernel.shape[1]} x {kernel.shape[0]} pixels is larger than the picture"
        )
    work = working(observed)
    if not work.known.any():
        return observed.reshape(array.shape)
    if sigma is None:
        sigma = float(np.sqrt(np.mean(np.square(white_noise(observed, pool)))))
    if not 0 <= sigma <= work.unit:
        raise ValueError(f"sigma {sigma:g} is not between 0 and {work.unit:g}")
    sigma = strength * float(work.sigma(sigma))
    margins = [(n // 2, n - 1 - n // 2) for n in kernel.shape]
    filled = work.filled()
    known = measured_well(filled) & work.known[..., None]
    detail = unexplained(luminance(filled), kernel, sigma, known.all(axis=2))
    if detail > sigma:
        warnings.warn(
            "the picture shows detail that this blur would have erased, which is taken for noise: "
            "is the blur narrower, or none?",
            PictureWarning,
            stacklevel=2,
        )
        sigma = float(np.hypot(sigma, detail))
    start = np.pad(filled, [*margins, (0, 0)], mode="reflect")
    operator = Blur(kernel, start.shape[:2])
    if not known.all():
        operator = Observed(operator, known)
        filled = np.where(known, filled, np.float32(0))
    prior = "groups" if dictionary is None else dictionary
    middle = FIRST * (max(sigma, LAST) / FIRST) ** GROUPS_BELOW

    def tell(turn: Turn) -> None:
        if each_turn:
            each_turn(
                turn._replace(level=turn.level * work.unit, residual=turn.residual * work.unit)
            )

    threads = (pool and pool.threads) or bands.usable_cpus()
    with fft.set_workers(threads):
        found = solve(
            filled,
            operator,
            prior,
            sigma,
            start=start,
            levels=(FIRST, middle, LAST),
            each_turn=tell,
            pool=pool,
        )
    (top, _), (left, _) = margins
    restored = work.back(found[top : top + filled.shape[0], left : left + filled.shape[1]].copy())
    restored[~work.known] = observed[~work.known]
    return restored.reshape(array.shape)


def white_noise(image: ArrayLike, pool: Pool | None = None) -> Floats:
    """(channels,) standard deviations of the noise of a blurred picture, in its unit."""
    return estimate_noise(image, None, "white", pool=pool).sigma


def measured_well(image: Floats) -> Flags:
    """(height, width, channels) bool: False where a [0, 1] picture was clipped at white."""
    cut_off = image >= SATURATED
    return ~cut_off if cut_off.sum() >= FEWEST else np.ones_like(cut_off)
