"""Which colour is measured where: patterns that repeat, as strings row by row."""

import math

import numpy as np


def period(pattern):
    """Rows, and columns, after which a pattern repeats."""
    return math.isqrt(len(pattern))


def planes(pattern):
    """The places of each letter of a pattern, as slices of a mosaic."""
    side = period(pattern)
    return [np.s_[row::side, column::side] for row in range(side) for column in range(side)]
