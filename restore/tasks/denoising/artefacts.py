"""Removing JPEG artefacts: blocking, ringing, colour stains.

The file's quantisation tables give the expected error of the decoded picture at each place, and
bounds on the true coefficients (`restore.imaging.jpeg`). Groups of similar patches are coded with
that error as the noise, a coder learned on JPEG pictures corrects the result, and both results are
projected into the bounds.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import jpeg
from restore.imaging.arrays import as_image
from restore.imaging.jpeg import Coding
from restore.sparse import unrolled
from restore.sparse.unrolled import Coder
from restore.tasks.denoising import mapped
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Error, as a standard deviation of samples in [0, 1], that is invisible.
UNSEEN = 0.3 / 255


@dataclasses.dataclass(frozen=True)
class Artefacts:
    """What is known of the JPEG file that a picture was.

    Attributes
    ----------
    coding : Coding
        Its tables and sampling.
    place : (int, int)
        Row and column of the corner of its first block.
    sigma : float
        Expected root mean squared error, in [0, 1].
    quality : int or None
        If the coding was estimated from the picture.
    """

    coding: jpeg.Coding
    place: tuple = (0, 0)
    sigma: float = 0.0
    quality: int | None = None


def dejpeg(
    image: ArrayLike,
    coding: Coding | Artefacts | None = None,
    *,
    quality_was: int | None = None,
    model: Coder | None = None,
    pool: Pool | None = None,
) -> tuple[Floats, Artefacts]:
    """Remove the artefacts of JPEG.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        As it was decoded. Integers span their whole range, floats are in [0, 1].
    coding : Coding or Artefacts, optional
        What the file says, or the result of `known`; estimated from the picture by default.
    quality_was : int, optional
        Quality, 1 to 100, at which the picture was once saved, if the coding is not known.
    model : Coder, optional
        Instead of the packaged coder.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    restored : float32 ndarray of the shape of `image`
        In [0, 1]; not clipped.
    artefacts : Artefacts
        What is known or was estimated.

    Raises
    ------
    ValueError
        If there is no coding and no trace of JPEG in the picture, or the coding does not fit it.

    References
    ----------
    `restore.imaging.jpeg` for what is known; `restore.kernels.groups` and
    `restore.sparse.unrolled` for the two steps. Zhang, Xiong, Fan, Ma & Gao, "CONCOLOR:
    constrained non-convex low-rank model for image deblocking", IEEE TIP 25(3), 2016 (groups with
    an estimate of the error, and the bounds).
    """
    array = np.asarray(image)
    samples = as_image(array)
    channels = samples.shape[2]
    planes = jpeg.to_planes(samples)
    artefacts = coding if isinstance(coding, Artefacts) else _known(planes, coding, quality_was)
    if len(artefacts.coding.tables) != channels:
        raise ValueError(
            f"tables of {len(artefacts.coding.tables)} components do not fit {channels} channels"
        )
    restored, sigma = _restored(planes, artefacts, model, pool)
    restored = jpeg.from_planes(restored).reshape(array.shape)
    return restored, dataclasses.replace(artefacts, sigma=sigma)


def known(
    image: ArrayLike, coding: jpeg.Coding | None = None, quality_was: int | None = None
) -> Artefacts:
    """What is known of the JPEG file that a picture was.

    Parameters, errors as in `dejpeg`.

    Returns
    -------
    Artefacts
    """
    return _known(jpeg.to_planes(as_image(image)), coding, quality_was)


def _known(planes: Floats, coding: Coding | None, quality_was: int | None) -> Artefacts:
    """The coding that is given or estimated."""
    if coding is not None:
        return Artefacts(coding)
    found = jpeg.history(planes)
    if quality_was is not None:
        sampling, place = found[1:] if found else ((1, 1) if len(planes) == 1 else (2, 2), (0, 0))
        coding = jpeg.Coding(jpeg.tables(quality_was, len(planes)), sampling)
        return Artefacts(coding, place, quality=quality_was)
    if found is None:
        raise ValueError(
            "no trace of JPEG in this picture: say --quality-was, or take restore denoise"
        )
    quality, sampling, place = found
    return Artefacts(
        jpeg.Coding(jpeg.tables(quality, len(planes)), sampling), place, quality=quality
    )


def _restored(
    planes: Floats, artefacts: Artefacts, model: Coder | None, pool: Pool | None
) -> tuple[Floats, float]:
    """The planes restored, and the expected error of those given."""
    channels, height, width = planes.shape
    coding = artefacts.coding
    # blocks begin at the corner again
    sides = [8 * side for side in (coding.sampling if channels == 3 else (1, 1))]
    before = [-place % side for place, side in zip(artefacts.place, sides)]
    widths = [
        (first, max(0, mapped.GROUPING.side - n - first))
        for first, n in zip(before, planes.shape[1:])
    ]
    padded = np.pad(planes, [(0, 0), *widths], mode="edge")
    variances = coding.error(padded, pool=pool)
    sigma = float(np.sqrt(variances.sum(axis=0).mean() / channels))
    if sigma < UNSEEN:
        return planes, sigma
    np.maximum(variances, mapped.LEAST, out=variances)
    coder = model or unrolled.packaged("dejpeg-grey" if channels == 1 else "dejpeg-colour")

    def project(rows: slice, estimate: Floats) -> Floats:
        return coding.project(estimate, padded[:, rows], pool=pool)

    restored = mapped.restore_mapped(
        padded, variances, coder, project=project, smooth=True, pool=pool
    )
    top, left = before
    return restored[:, top : top + height, left : left + width], sigma
