"""Decorrelated colour planes, and the luminance of a picture."""

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.typing import Floats

#: Orthonormal axes, one per row, by the number of channels: luminance and two colour differences
#: (Ohta, Kanade & Sakai, "Color information for region segmentation", Computer Graphics and
#: Image Processing 13, 1980: nearly the principal axes of natural pictures). Grey stays grey.
AXES = {
    1: np.ones((1, 1), np.float32),
    3: (np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])).astype(
        np.float32
    ),
}

#: Weights of red, green and blue in the luminance (ITU-R BT.601).
GREY = np.array([0.299, 0.587, 0.114], np.float32)


# einsum rather than matrix products: the same to the bit for any number of BLAS threads


def to_planes(image: Floats, pool: Pool | None = None) -> Floats:
    """The decorrelated planes of an image, each contiguous.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Channels is 1 or 3. White noise of one level in all channels keeps that level in all planes.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray
        C order; the first is `sqrt(channels)` times the mean of the channels. Of a grey image, a
        view.
    """
    if image.shape[2] == 1:
        return np.ascontiguousarray(image.transpose(2, 0, 1))
    axes = AXES[image.shape[2]]
    planes = np.empty((3, *image.shape[:2]), np.result_type(image, axes))

    def mix(band: slice) -> None:
        np.einsum("kc,ijc->kij", axes, image[band], out=planes[:, band])

    bands.for_each(mix, bands.rows(image.shape), pool)
    return planes


def from_planes(planes: Floats, pool: Pool | None = None) -> Floats:
    """The inverse of `to_planes`, up to rounding.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
    pool
        As in `to_planes`.

    Returns
    -------
    (height, width, channels) float32 ndarray
        C order. Of a single plane, a view.
    """
    if len(planes) == 1:
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    axes = AXES[len(planes)]
    image = np.empty((*planes.shape[1:], 3), np.result_type(planes, axes))

    def mix(band: slice) -> None:
        np.einsum("kc,kij->ijc", axes, planes[:, band], out=image[band])

    bands.for_each(mix, bands.rows(image.shape), pool)
    return image


def luminance(image: Floats, pool: Pool | None = None) -> Floats:
    """The luminance of an image.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Channels is 1 or 3.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width) float32 ndarray
        C order.
    """
    if image.shape[2] == 1:
        return np.ascontiguousarray(image[..., 0])
    grey = np.empty(image.shape[:2], np.result_type(image, GREY))

    def weigh(band: slice) -> None:
        np.matmul(image[band], GREY, out=grey[band])

    bands.for_each(weigh, bands.rows(image.shape), pool)
    return grey
