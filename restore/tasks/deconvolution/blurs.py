"""Blur kernels of a lens, of motion, or from a file."""

import numpy as np

from restore.typing import Array, Floats

#: Largest side of a kernel.
LARGEST = 255

#: Standard deviations after which a Gaussian is cut off.
REACH = 4

#: Sample points per axis in each pixel of a disc, and per pixel of a line.
FINE, STEPS = 16, 64


def gaussian(sigma: float) -> Floats:
    """A Gaussian of standard deviation `sigma`, in pixels: (side, side) float32, of sum 1."""
    reach = _reach(REACH * sigma, f"a Gaussian of {sigma:g} pixels")
    offsets = np.arange(-reach, reach + 1)
    profile = np.exp(-0.5 * (offsets / sigma) ** 2)
    return _normalised(np.outer(profile, profile))


def defocus(radius: float) -> Floats:
    """A disc, the kernel of a defocused lens: (side, side) float32, of sum 1.

    Every pixel is weighted by the share of its area that lies in the disc.
    """
    reach = _reach(radius, f"a disc of {radius:g} pixels")
    places = np.arange(-reach * FINE, (reach + 1) * FINE) / FINE + 0.5 / FINE - 0.5
    inside = places[:, None] ** 2 + places**2 <= radius**2
    side = 2 * reach + 1
    return _normalised(inside.reshape(side, FINE, side, FINE).mean(axis=(1, 3)))


def motion(length: float, angle: float) -> Floats:
    """A straight line, the kernel of uniform motion: (rows, columns) float32, of sum 1.

    Parameters
    ----------
    length : float
        In pixels, with both ends.
    angle : float
        In degrees, anticlockwise from the right.
    """
    half = max(length - 1, 0) / 2
    reach = _reach(half, f"a motion of {length:g} pixels")
    along = np.linspace(-half, half, int(STEPS * length) + 1)
    turn = np.deg2rad(angle)
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3))
    rows, columns = reach + 1 - along * np.sin(turn), reach + 1 + along * np.cos(turn)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = rows - top, columns - left
    for row, weight in ((0, 1 - down), (1, down)):
        for column, other in ((0, 1 - right), (1, right)):
            np.add.at(kernel, (top + row, left + column), weight * other)
    return _normalised(_trimmed(kernel))


def of_picture(samples: Array) -> Floats:
    """The kernel in a picture of a point.

    Parameters
    ----------
    samples : (height, width) or (height, width, channels) ndarray
        Levels, not negative; sides are made odd, with the point in the middle.

    Returns
    -------
    (rows, columns) float32 ndarray
        Of sum 1, centred, without empty borders.

    Raises
    ------
    ValueError
        If it is empty, negative, or too large.
    """
    kernel = np.asarray(samples, np.float64)
    if kernel.ndim == 3:
        kernel = kernel.mean(axis=2)
    if kernel.ndim != 2 or not np.isfinite(kernel).all() or kernel.min() < 0 or kernel.sum() <= 0:
        raise ValueError("a kernel has levels of 0 and more, and not only 0, in two dimensions")
    kernel = np.pad(kernel, [(0, 1 - n % 2) for n in kernel.shape])
    kernel = _trimmed(kernel)
    if max(kernel.shape) > LARGEST:
        raise ValueError(
            f"a kernel of {kernel.shape[1]} x {kernel.shape[0]} pixels is larger than {LARGEST}"
        )
    return _normalised(kernel)


def _reach(distance: float, words: str) -> int:
    """Number of pixels on each side of the middle one that something of this width touches."""
    if not 0 <= distance <= LARGEST // 2:
        raise ValueError(f"{words} is not between 0 and {LARGEST // 2}, the largest kernel")
    return int(np.ceil(distance))


def _trimmed(kernel: Floats) -> Floats:
    """The kernel without the outer rows and columns that are empty on both sides."""
    rows, columns = (np.flatnonzero(kernel.any(axis=axis)) for axis in (1, 0))
    cut = [min(used[0], n - 1 - used[-1]) for used, n in zip((rows, columns), kernel.shape)]
    return kernel[cut[0] : kernel.shape[0] - cut[0], cut[1] : kernel.shape[1] - cut[1]]


def _normalised(kernel: Floats) -> Floats:
    return (kernel / kernel.sum()).astype(np.float32)
