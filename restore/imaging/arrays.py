"""Input of arrays: the format of pictures inside the package, and the scale of the tasks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.typing import Array, Flags, Floats, Level


def as_image(array: ArrayLike) -> Floats:
    """Return `array` as a float32 image with three axes.

    Parameters
    ----------
    array : (height, width) or (height, width, channels) array_like
        scikit-image's conventions: unsigned integers span their whole range,
        booleans are 0 and 1, floats are taken as they are (nominal range [0, 1]).

    Returns
    -------
    (height, width, channels) float32 ndarray
        C order; channels is 1 or 3.

    Raises
    ------
    ValueError
        If the array is empty, has other axes, or other channels than 1 or 3.
    TypeError
        If the values are neither booleans, unsigned integers nor real floats.
    """
    array = np.asarray(array)
    if array.dtype.kind in "OSU":  # None, a path
        raise TypeError("expected an image as an array of numbers: read the file first")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(
            "expected an image of shape (height, width) or (height, width, 1 or 3), "
            f"got an array of shape {array.shape}"
        )
    if array.dtype == bool or array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind == "u":
        # up to 16 bits float32 holds both numbers exactly, and the quotient is correctly rounded
        kind = np.float32 if array.dtype.itemsize <= 2 else np.float64
        quotient = np.divide(array, kind(np.iinfo(array.dtype).max), dtype=kind, order="C")
        return quotient.astype(np.float32, copy=False)
    advice = ": convert to uint8 or uint16, or divide to floats in [0, 1]"
    raise TypeError(
        f"expected an array of booleans, unsigned integers or floats, got {array.dtype}"
        + advice * (array.dtype.kind == "i")
    )


# The range that tasks work in -----------------------------------------------------------------

#: The range of a picture is the 99th percentile of the magnitudes that are below this multiple of
#: the median. Up to this range it counts as a picture in [0, 1] with noise beyond it.
_OUTLYING, _UNIT_RANGE = 64, 2.0

#: White of floats that are counts of 8 or 16 bits, and the range, relative to it, of such pictures.
#: Any other range becomes the unit itself.
_WHITES, _DARKEST = (255.0, 65535.0), 1 / 16

#: Samples beyond this, scaled or not, are not part of the picture, but mark missing data or
#: overflow. float32 holds the squares of all others.
_HUGE, _HUGEST = 1e6, 1e18

#: Approximate number of samples for the percentile.
_LOOKED_AT = 1 << 20

#: Noise below this share of the range is negligible: perhaps a wrong unit.
_FAINT = 0.25 / 255


class PictureWarning(UserWarning):
    """A warning about one picture; the picture does not fail."""


@dataclass(frozen=True)
class Working:
    """An image on the scale that tasks work on: approximately [0, 1].

    Attributes
    ----------
    image : (height, width, channels) float32 ndarray
        The samples divided by `unit`; NaN where they are infinite or huge.
    known : (height, width) bool ndarray
        False where a sample of the pixel is NaN, infinite or huge.
    unit : float
    """

    image: np.ndarray
    known: np.ndarray
    unit: float

    def filled(self, image: Floats | None = None) -> Floats:
        """The image, or another of its size, with unknown pixels replaced by the nearest known."""
        image = self.image if image is None else image
        if self.known.all():
            return image
        from scipy import ndimage  # slow to import, and rarely needed

        nearest = ndimage.distance_transform_edt(
            ~self.known, return_distances=False, return_indices=True
        )
        return image[tuple(nearest)]

    @overload
    def sigma(self, sigma: float) -> float: ...
    @overload
    def sigma(self, sigma: Floats) -> Floats: ...
    def sigma(self, sigma: Level) -> Level:
        """Convert a standard deviation from the unit of the image to the working scale."""
        if self.unit != 1 and 0 < np.max(sigma) < _FAINT * self.unit:
            level = float(np.max(sigma))
            warnings.warn(
                f"sigma {level:g} is next to nothing beside samples that reach {self.unit:g}: it "
                f"is in their unit, in which {level * self.unit:g} is what {level:g} is in [0, 1]",
                PictureWarning,
                stacklevel=3,
            )
        return np.asarray(sigma) / self.unit if self.unit != 1 else sigma

    def back(self, result: Floats) -> Floats:
        """Convert a result to the scale of the image, in place.

        Raises
        ------
        ValueError
            If it holds NaN or infinity.
        """
        if self.unit != 1:
            result *= np.float32(self.unit)
        check_finite(result)
        return result


def check_finite(result: Floats) -> None:
    """Refuse a result that holds NaN or infinity, which is no picture."""
    bad = result.size - int(np.count_nonzero(np.isfinite(result)))
    if bad:
        raise ValueError(
            f"the result would hold {bad} samples that are NaN or infinite: the picture's samples "
            "or the model are too large for float32"
        )


def working(image: Floats, where: Flags | None = None) -> Working:
    """Bring an image to the scale that tasks work on.

    Pictures within about [0, 1] stay as they are. Floats with a larger range are divided by the
    white of 8 or 16 bits if that is near their range, and otherwise by the range itself, without a
    few outliers: a picture multiplied by 255 or 65535 gives the same result multiplied by that.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Of `as_image`.
    where : (height, width) bool ndarray, optional
        Pixels to use; others may hold anything.

    Returns
    -------
    Working
    """
    if -_UNIT_RANGE <= image.min() and image.max() <= _UNIT_RANGE:  # False of NaN
        return Working(image, np.ones(image.shape[:2], bool), 1.0)
    unit = _unit(image, where)
    known = np.abs(image) <= min(_HUGE * unit, _HUGEST)
    return Working(
        np.where(known, image / np.float32(unit), np.float32(np.nan)),
        np.asarray(known.all(axis=2)),
        unit,
    )


def _unit(image: Floats, where: Flags | None) -> float:
    """The value that becomes 1 on the working scale: see `working`."""
    step = max(1, int(np.sqrt(image.size / _LOOKED_AT)))
    seen = image[::step, ::step]
    sizes = np.abs(seen if where is None else seen[where[::step, ::step]])
    sizes = sizes[(sizes > 0) & (sizes <= _HUGEST)]
    if not sizes.size:
        return 1.0
    reached = float(np.percentile(sizes[sizes <= _OUTLYING * np.median(sizes)], 99))
    if reached <= _UNIT_RANGE:
        return 1.0
    for white in _WHITES:
        if _DARKEST * white <= reached <= _UNIT_RANGE * white:
            return white
    return reached


def copied(view: Array, pool: Pool | None = None) -> Array:
    """A contiguous copy of an array, such as a transposed one, made in slices of its first axis."""
    copy = np.empty(view.shape, view.dtype)

    def take(part: slice) -> None:
        copy[part] = view[part]

    bands.for_each(take, bands.rows(view.shape), pool)
    return copy
