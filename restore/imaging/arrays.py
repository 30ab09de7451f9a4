"""The one door for arrays: what a picture is inside the package."""

import numpy as np


def as_image(array):
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
        # up to 16 bits float32 holds both numbers: the quotient is the float32 nearest to it
        kind = np.float32 if array.dtype.itemsize <= 2 else np.float64
        quotient = np.divide(array, kind(np.iinfo(array.dtype).max), dtype=kind, order="C")
        return quotient.astype(np.float32, copy=False)
    advice = ": convert to uint8 or uint16, or divide to floats in [0, 1]"
    raise TypeError(
        f"expected an array of booleans, unsigned integers or floats, got {array.dtype}"
        + advice * (array.dtype.kind == "i")
    )
