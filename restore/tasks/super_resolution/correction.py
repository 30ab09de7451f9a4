"""A filter from one way of making pictures small to another.

A cascade is learned for pictures made small in one way. A picture y that was sharpened afterwards,
or made small by area means, with a wider blur or by dropping pixels, is corrected first, by the
symmetric filter of 7 x 7 taps whose result is nearest, on average over photographs, to the small
picture that the model assumes. It undoes sharpening, sharpens blur, and smooths the aliasing of
dropped pixels as far as it is weaker than the picture.
"""

import functools

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.tasks.super_resolution.degradation import kernel_of
from restore.typing import Floats

#: (Side - 1) / 2 of the filters.
REACH = 3

#: Correlation of neighbouring pixels of a large photograph, their variance, and the variance of
#: rounding the small picture to 8 bits.
CORRELATION, VARIANCE, ROUNDING = 0.95, 0.05, 1 / (12 * 255**2)

#: Standard deviation, in small pixels, of the blur that sharpening subtracts.
UNSHARP = 1.0

#: Frequencies along an axis, in one period of the small picture.
_FREQUENCIES = 32


def _offsets() -> Floats:
    """(9, 7, 7): sums of the eight mirror images of a tap minus as many times the middle tap."""
    found = []
    down, across = np.abs(np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1])
    for far in range(1, REACH + 1):
        for near in range(far + 1):
            alike = (np.maximum(down, across) == far) & (np.minimum(down, across) == near)
            kernel = alike.astype(np.float64)
            kernel[REACH, REACH] = -alike.sum()
            found.append(kernel)
    return np.array(found)


#: Basis of the filters besides the identity.
OFFSETS = _offsets()


@functools.cache
def correction(degradation: str, assumed: str, scale: int) -> Floats | None:
    """The filter that approximately turns one small picture into the other.

    Parameters
    ----------
    degradation : str
        How the picture was made small: as for `degradation.kernel_of`, or ``"sharpened:A"``, by
        area and then sharpened by A times the difference to its Gaussian blur, or ``"nearest"``:
        one of `scale` x `scale` pixels is kept.
    assumed : str
        How the model assumes that it was made small: as for `degradation.kernel_of`.
    scale : int

    Returns
    -------
    (7, 7) float64 ndarray or None
        None if both are the same.

    Raises
    ------
    ValueError
        If there is no such degradation.

    Notes
    -----
    The filter minimises E |g * y - b|^2, with y = S K x of the large picture x, b = S B x, S
    taking every `scale`-th pixel, and an isotropic autocorrelation of x that falls by `CORRELATION`
    per pixel: the Wiener filter restricted to this number of taps.

    References
    ----------
    Wiener, "Extrapolation, interpolation, and smoothing of stationary time series", 1949.
    """
    given, wished = (_response(name, scale) for name in (degradation, assumed))
    if degradation == assumed:
        return None
    side = _FREQUENCIES * scale
    away = np.minimum(np.arange(side), side - np.arange(side))
    power = np.fft.fft2(VARIANCE * CORRELATION ** np.hypot(away[:, None], away)).real

    def folded(spectrum: Floats) -> Floats:
        both = _FREQUENCIES, scale
        return spectrum.reshape(*both[::-1], *both[::-1]).sum(axis=(0, 2)) / scale**2

    own = folded(given**2 * power) + ROUNDING
    shared = folded(given * wished * power)
    taps = np.arange(-REACH, REACH + 1)
    waves = np.cos(2 * np.pi * np.outer(np.fft.fftfreq(_FREQUENCIES), taps))
    parts = (waves @ OFFSETS @ waves.T).reshape(len(OFFSETS), -1)
    coefficients = np.linalg.solve((parts * own.ravel()) @ parts.T, parts @ (shared - own).ravel())
    kernel = np.tensordot(coefficients, OFFSETS, 1)
    kernel[REACH, REACH] += 1
    return kernel


def _response(degradation: str, scale: int) -> Floats:
    """(side, side): the response of shrinking at each frequency of the large picture."""
    side = _FREQUENCIES * scale
    frequencies = np.fft.fftfreq(side)
    name, _, amount = degradation.partition(":")
    if name == "nearest" and not amount:
        return np.ones((side, side))
    if name != "sharpened":
        return np.multiply.outer(*2 * [_transform(degradation, scale, frequencies)])
    try:
        amount = float(amount)
    except ValueError:
        amount = 0.0
    if not 0 < amount <= 5:
        raise ValueError(
            "the degradation is sharpened:A with A above 0 and up to 5, as 0.5 for what programs "
            f"call 50 %, not {degradation}"
        )
    area = _transform("area", scale, frequencies)
    blur = _transform(f"gaussian:{UNSHARP}", 1, scale * frequencies)
    return np.multiply.outer(area, area) * (1 + amount - amount * np.multiply.outer(blur, blur))


def _transform(degradation: str, scale: int, frequencies: Floats) -> Floats:
    """The response along one axis: the transform of a symmetric kernel of large pixels."""
    kernel, radius = kernel_of(degradation, scale)
    reach = int(np.ceil(radius * scale)) + 1
    places = np.arange(-reach, reach + 1) + (0.5 if scale % 2 == 0 else 0.0)
    weights = kernel(places / scale)
    return np.cos(2 * np.pi * np.outer(frequencies, places)) @ (weights / weights.sum())


def apply_correction(image: Floats, kernel: Floats, pool: Pool | None = None) -> Floats:
    """(height, width, channels) float32 `image` under a symmetric filter, its border mirrored."""
    from scipy import ndimage  # slow to import, and rarely needed

    kernel = kernel.astype(np.float32)
    result = np.empty_like(image)

    def filter_one(channel: int) -> None:
        result[..., channel] = ndimage.correlate(image[..., channel], kernel, mode="reflect")

    bands.for_each(filter_one, range(image.shape[2]), pool)
    return result
