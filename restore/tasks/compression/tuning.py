"""What a bit is worth, block by block: for the eye, or for the PSNR."""

import numpy as np

from restore.kernels.blocks import CELL

#: Squared quantiser steps that a bit is worth: the slope of rate and distortion.
PRICE = np.float32(0.075)

#: What a picture can be coded for.
TUNES = ("eye", "psnr")

#: For the eye: by how much bits are dearer and steps finer, so that files stay as large; the
#: variance of a cell, in squared levels, from which on it hides errors, and by which power of it;
#: what a bit of the colour differences is worth beside one of the brightness.
_DEARER, _FINER, _HIDES, _POWER, _COLOUR = 2.0, 0.8, 50.0, 0.5, 0.6


def prices(planes, tune):
    """The price of a bit in each cell, in squared quantiser steps.

    Parameters
    ----------
    planes : list of (height, width) float32 ndarray
        The brightness first; in levels, sides multiples of 8.
    tune : {"eye", "psnr"}

    Returns
    -------
    (planes, rows, columns) float32 ndarray

    Notes
    -----
    An error is seen less the more goes on around it, which structural similarity (Wang, Bovik,
    Sheikh & Simoncelli 2004, eq. 13) takes for division by the variance. So where the variance v of
    the brightness in a cell is large, bits are dear,

        price ~ (1 + v / c)^0.5,

    on the geometric mean over the picture the same everywhere.
    """
    rows, columns = (side // CELL for side in planes[0].shape)
    if tune == "psnr":
        return np.full((len(planes), rows, columns), PRICE)
    cells = planes[0].reshape(rows, CELL, columns, CELL)
    hidden = (1 + cells.var(axis=(1, 3), dtype=np.float64) / _HIDES) ** _POWER
    hidden *= _DEARER * PRICE / np.exp(np.log(hidden).mean())
    hidden = np.clip(hidden, PRICE / 8, PRICE * 16)
    shares = np.array([1, _COLOUR, _COLOUR])[: len(planes), None, None]
    return (shares * hidden).astype(np.float32)


def step_share(tune):
    """How large the quantiser's step is for a quality, beside that for the PSNR."""
    return _FINER if tune == "eye" else 1.0
