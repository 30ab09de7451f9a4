"""Inpainting: unknown pixels are estimated from groups of similar patches.

Interpolation gives a first estimate. Then, in several rounds, every patch with unknown samples is
estimated again: the patches of the current estimate that are similar to it form a group, the mean
and the covariance of the group predict its unknown samples from its known ones, and the
overlapping estimates are averaged. The eigenvectors of the covariance are the few atoms over which
the patches of a group are sparse.

Yu, Sapiro & Mallat, "Solving inverse problems with piecewise linear estimators: from
Gaussian mixture models to structured sparsity", IEEE TIP 21(5), 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from restore.imaging import jpeg
from restore.imaging.arrays import Working, as_image, working
from restore.imaging.bands import Pool
from restore.imaging.colour import from_planes, to_planes
from restore.sparse.dictionary import Dictionary, load_for
from restore.sparse.operators import Mask
from restore.tasks.inpainting import damage, defects
from restore.tasks.inpainting.correcting import Estimates, corrected
from restore.tasks.inpainting.dictionary import by_dictionary
from restore.tasks.inpainting.grouping import QUALITIES, completed
from restore.tasks.inpainting.holes import fill_holes
from restore.tasks.inpainting.interpolation import interpolate
from restore.typing import Flags, Floats

#: A disc of unknown pixels with this radius is a hole, which groups of patches cannot fill.
HOLE_RADIUS = 5.0

#: Kinds of damage that can be detected.
DEFECTS = (*damage.KINDS, "dead-pixels")

#: Minimum prediction error of a dead pixel: in errors at undamaged pixels nearby, and absolute.
DEAD, LEAST_DEFECT = 6.0, 8 / 255

#: Shifts, in rows and columns, from the candidates to the undamaged pixels they are compared with.
SHIFTS = ((0, 29), (31, 0), (-23, -19))

#: Share of unknown pixels from which on they are corrected. Fewer are the lines and specks of
#: prints, where the learned coder loses 0.05 dB beside grain; under text it gains 0.25.
CORRECTED = 0.08

#: Radius around damage in which the chroma of a JPEG file is affected, in chroma samples.
AROUND = 1.5


def inpaint(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    sigma: float = 0.0,
    quality: str = "balanced",
    dictionary: str | Dictionary | None = None,
    seed: int = 0,
    pool: Pool | None = None,
) -> Floats:
    """Fill the masked pixels of a picture.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: unsigned integers span their whole range, floats may have any
        (`restore.imaging.arrays.working`). Samples under the mask are ignored and may be NaN.
    mask : (height, width) array_like
        Nonzero where the picture is to be filled.
    sigma : float
        Standard deviation of noise to remove from the known pixels, in the unit of the image, of
        integers in that of [0, 1]. If 0, the known pixels are returned unchanged.
    quality : {"fast", "balanced"}
        Rounds and overlap of the patches; ``"fast"`` takes about a third of the time.
        With a dictionary: overlap of the patches and iterations of learning.
    dictionary : {"learn", "grey", "colour"}, str or Dictionary, optional
        Code each patch on its own over this dictionary instead, using its known samples:
        ``"learn"`` starts from the packaged one and fits it to the known samples of this
        picture; otherwise a packaged name, a file, or a dictionary. Holes wider than a patch
        are still filled with texture.
    seed : int
        For the random search that fills holes, and for drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    float32 ndarray of the shape of `image`
        In the unit of `image`, of integers in [0, 1]. If `sigma` is 0, clipped to the range of the
        known samples.

    Raises
    ------
    TypeError
        If the image or the mask is not an array of numbers with these axes.
    ValueError
        If the mask has another size or covers the whole picture, the image has NaN, infinite or
        huge samples outside the mask, an argument is out of its range, or the dictionary does not
        fit the picture.

    See Also
    --------
    find_defects : Detects scratches, hairs, dust and dead pixels.

    References
    ----------
    `restore.kernels.inpainting` for groups. For dictionaries: Mairal, Elad & Sapiro, "Sparse
    representation for color image restoration", IEEE TIP 17(1), 2008,
    :doi:`10.1109/TIP.2007.911828`.

    Examples
    --------
    Half of the pixels are unknown; the others are returned unchanged.

    >>> import numpy as np
    >>> from skimage import data, metrics
    >>> from restore import inpaint
    >>> picture = data.astronaut()[:96, 160:256] / 255
    >>> mask = np.random.default_rng(0).random(picture.shape[:2]) < 0.5
    >>> filled = inpaint(picture, mask, quality="fast")
    >>> bool(metrics.peak_signal_noise_ratio(picture, filled, data_range=1) > 32)
    True
    >>> bool((filled[~mask] == picture[~mask].astype(np.float32)).all())
    True
    """
    array = np.asarray(image)
    image = as_image(array)
    known = _known(image, mask)
    work = _working(image, known)
    atoms = None if dictionary is None else load_for(dictionary, image.shape[2])
    if not 0 <= sigma <= work.unit:
        what = "a [0, 1] image" if work.unit == 1 else "the samples"
        raise ValueError(
            f"sigma {sigma:g} is not between 0 and {work.unit:g} (the range of {what})"
        )
    if quality not in QUALITIES:
        raise ValueError(f"expected quality {', '.join(QUALITIES)}, got {quality!r}")
    if known.all() and sigma == 0:
        return image.reshape(array.shape)
    sigma = float(work.sigma(sigma))
    observed = Mask(known).forward(work.image)
    hole = _holes(known)
    planes = to_planes(observed, pool)
    estimate = interpolate(planes, known, pool)
    unfinished = sigma > 0 or (known | hole).sum() < known.size
    if unfinished and atoms is None:
        rounds = completed(estimate, planes, known, hole, sigma, quality, pool)
        unknown = ~known & ~hole
        if quality == "balanced" and sigma == 0 and unknown.mean() >= CORRECTED:
            estimate = corrected(Estimates(estimate, *rounds), unknown, pool)
        else:
            *_, estimate = rounds
    filled = from_planes(estimate, pool)
    if unfinished and atoms is not None:
        learn = dictionary == "learn"
        coded = by_dictionary(work.image, known, sigma, atoms, learn, quality, seed, pool)
        np.copyto(filled, coded, where=np.isfinite(coded))
    if hole.any():
        filled = fill_holes(filled, hole, seed, pool)
    filled = work.back(filled)
    if sigma == 0:
        np.clip(filled, image[known].min(), image[known].max(), out=filled)
        filled[known] = image[known]
    return filled.reshape(array.shape)


def find_defects(image: ArrayLike, kind: str, *, pool: Pool | None = None) -> Flags:
    """Detect scratches, hairs and dust with a network, or dead pixels by their prediction error.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        As for `inpaint`, without NaN.
    kind : {"scratches", "hairs", "dust", "dead-pixels"}
        Nearly straight lines; curled lines; specks and blots of up to 30 pixels; single pixels.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width) bool ndarray
        A mask for `inpaint`.

    Raises
    ------
    ValueError
        If the kind is unknown, or the image has NaN, infinite or huge samples.

    See Also
    --------
    inpaint : Fills the detected pixels.

    Examples
    --------
    >>> from skimage import data
    >>> from restore import find_defects
    >>> picture = data.camera()[:120, :160] / 255
    >>> picture[20:100, 78:80] = 0.95
    >>> mask = find_defects(picture, "scratches")
    >>> bool(mask[20:100, 78:80].mean() > 0.8)
    True
    """
    return find_all_defects(image, (kind,), pool=pool)[kind]


def find_all_defects(
    image: ArrayLike, kinds: Sequence[str], *, pool: Pool | None = None
) -> dict[str, Flags]:
    """Detect several kinds of damage with one run of the network.

    Parameters
    ----------
    image : array_like
        As for `find_defects`.
    kinds : sequence of str
    pool : Pool, optional
        As for `find_defects`.

    Returns
    -------
    dict of str to (height, width) bool ndarray
        The result of `find_defects` for each kind.

    Raises
    ------
    ValueError
        As `find_defects`.
    """
    for kind in kinds:
        if kind not in DEFECTS:
            raise ValueError(f"expected one of {', '.join(DEFECTS)}, got {kind!r}")
    work = working(as_image(image))
    if not work.known.all():
        raise ValueError("the picture has NaN, infinite or huge samples: fill them first")
    seen = {}
    if set(kinds) & set(damage.KINDS):
        seen = damage.find(work.image, pool=pool)
    return {kind: seen[kind] if kind in seen else _dead_pixels(work.image, pool) for kind in kinds}


def _dead_pixels(image: Floats, pool: Pool | None) -> Flags:
    """(height, width) bool: single pixels far from the value that similar patches predict."""
    found = defects.dead_pixels(image)
    if not found.any() or found.all():
        return np.zeros_like(found)
    # the prediction error of undamaged pixels, measured on about as many of them
    control = np.zeros_like(found)
    for shift in SHIFTS:
        control |= np.roll(found, shift, axis=(0, 1))
    control &= ~grow_mask(found, 3)
    predicted = inpaint(image, found | control, quality="fast", pool=pool)
    errors = np.abs(image - predicted).max(axis=2)
    limit = np.maximum(DEAD * _around(errors, control), LEAST_DEFECT)
    labels, count = ndimage.label(found, np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    error, limit = (ndimage.mean(values, labels, numbers) for values in (errors, limit))
    return np.concatenate([[False], error > limit])[labels]


def _around(errors: Floats, control: Flags) -> Floats:
    """Local mean of the errors at the control pixels."""
    weight = ndimage.gaussian_filter(control.astype(np.float32), 16, truncate=3)
    total = ndimage.gaussian_filter(np.where(control, errors, np.float32(0)), 16, truncate=3)
    mean = errors[control].mean() if control.any() else 0
    # far from all control pixels, their mean over the picture
    return (total + 1e-3 * mean) / (weight + 1e-3)


def inpaint_print(
    image: ArrayLike, mask: ArrayLike, sampling: tuple[int, int], **settings: Any
) -> Floats:
    """Fill the masked pixels of a JPEG file, and the chroma around them.

    Where chroma is subsampled, damage also changes the chroma of the pixels around it.

    Parameters
    ----------
    image, mask
        As for `inpaint`; the image has three channels.
    sampling : (int, int)
        Rows and columns of pixels that share a chroma sample.
    **settings
        As for `inpaint`.

    Returns
    -------
    float32 ndarray of the shape of `image`
    """
    filled = inpaint(image, mask, **settings)
    wide = grow_mask(np.asarray(mask) != 0, AROUND * max(sampling))
    if max(sampling) == 1 or wide.all():
        return filled
    colours = jpeg.to_planes(inpaint(filled, wide, **settings))
    colours[0] = jpeg.to_planes(filled)[0]
    filled[wide] = jpeg.from_planes(colours)[wide]
    return filled


def grow_mask(mask: Flags, pixels: float) -> Flags:
    """Grow a mask by a radius.

    Parameters
    ----------
    mask : (height, width) bool ndarray
    pixels : float
        Radius, between the centres of pixels.

    Returns
    -------
    (height, width) bool ndarray
    """
    if pixels == 0 or not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= pixels


def _known(image: Floats, mask: ArrayLike) -> Flags:
    """(height, width) bool: where the picture is known. Raises if the mask does not fit."""
    mask = np.asarray(mask)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or mask.dtype.kind not in "buif":
        raise TypeError(
            "expected a mask of shape (height, width), nonzero where the picture is filled, got "
            f"{mask.dtype} of shape {mask.shape}"
        )
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"the mask is {' x '.join(map(str, mask.shape[::-1]))} and the picture "
            f"{image.shape[1]} x {image.shape[0]} pixels: make them the same size"
        )
    known = mask == 0
    if not known.any():
        raise ValueError("the mask covers the whole picture: no known pixel is left to fill from")
    return known


def _working(image: Floats, known: Flags) -> Working:
    """The image on the working scale. Raises if samples outside the mask are not usable."""
    work = working(image, known)
    bad = int(np.count_nonzero(known & ~work.known))
    if bad:
        raise ValueError(
            f"{bad} pixels outside the mask are NaN, infinite or huge: mask them too, to fill them"
        )
    return work


def _holes(known: Flags) -> Flags:
    """(height, width) bool: unknown pixels in discs larger than randomly missing pixels leave.

    If the same share of the pixels is known at random, discs of radius
    sqrt(log(pixels) / (pi share)) without a known pixel are rare.
    """
    chance = np.sqrt(np.log(known.size) / (np.pi * known.mean()))
    radius = max(HOLE_RADIUS, 1.5 * chance)
    # such a disc contains a square, which is quicker to look for
    side = 2 * int(radius / np.sqrt(2)) + 1
    if not ndimage.minimum_filter(~known, side).any():
        return np.zeros_like(known)
    core = ndimage.distance_transform_edt(np.pad(~known, 1, mode="edge"))[1:-1, 1:-1] > radius
    return ~known & grow_mask(core, radius)
