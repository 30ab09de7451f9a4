"""Inpainting by groups of similar patches, each a Gaussian."""

from __future__ import annotations

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import inpainting as kernels
from restore.sparse import overlap
from restore.typing import Flags, Floats, Integers

#: Rounds of estimation and stride between the estimated patches, by quality.
QUALITIES = {"fast": (3, 5), "balanced": (6, 4)}

#: Side of a patch. If less than the share `SPARSE` of the pixels is known, it is `SPARSE_SIDE`, and
#: the number of rounds is multiplied by `MORE`. If the known pixels are noisy, it is `NOISY_SIDE`.
SIDE = 6
SPARSE = 0.35
SPARSE_SIDE = 7
MORE = 5 / 3
NOISY_SIDE = 8

#: Groups: search radius, patches in a group, and how many of these, the nearest, are estimated.
REACH = 12
GROUP = 64
SHARE = 16

#: Variance per sample that a group's covariance does not model, and the share of the noise variance
#: that it does not model.
RIDGE = 5e-5
NOISE = 0.7

#: Over-relaxation: each round removes a similar share of the error, so longer steps need fewer.
RELAXATION = 1.8

#: Rows of patches in a band.
ROWS = 8


def completed(
    estimate: Floats,
    observed: Floats,
    known: Flags,
    hole: Flags,
    sigma: float,
    quality: str,
    pool: Pool | None,
) -> Floats:
    """Estimate the patches with unknown samples from their groups, and average, in rounds.

    Parameters
    ----------
    estimate, observed : (channels, height, width) float32 ndarray
        The first estimate, and the decorrelated colours of the picture.
    known, hole : (height, width) bool ndarray
        Known pixels, and unknown ones that are left as they are.
    sigma : float
        Standard deviation of the noise in [0, 1].
    quality : {"fast", "balanced"}
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    rounds, stride = QUALITIES[quality]
    sparse = known[~hole].mean() < SPARSE
    side = NOISY_SIDE if sigma > 0 else SPARSE_SIDE if sparse else SIDE
    side = min(side, *estimate.shape[1:])
    if sparse:
        rounds = round(MORE * rounds)
    channels, height, width = estimate.shape
    ridge = np.float32(max(RIDGE, NOISE * sigma**2))
    stride = min(stride, side)
    places = _places(~known & ~hole, side, stride, everywhere=sigma > 0)
    slices = np.split(places, np.flatnonzero(np.diff(places[:, 0] // (ROWS * stride))) + 1)

    def complete_band(band: Integers) -> tuple[slice, Floats, Floats]:
        top = max(0, band[0, 0] - REACH)
        bottom = min(height, band[-1, 0] + REACH + side)
        total = np.zeros((channels, bottom - top, width), np.float32)
        weight = np.zeros((bottom - top, width), np.float32)
        grouping = kernels.Grouping(top, side, REACH, GROUP, SHARE, sigma > 0, ridge)
        kernels.complete(estimate, observed, known, band, total, weight, grouping)
        return slice(top, bottom), total, weight

    for done in range(rounds):
        total = np.zeros_like(estimate)
        weight = np.zeros((height, width), np.float32)
        overlap.accumulate(complete_band, slices, total, weight, pool)
        replaced = (weight > 0) & (~known | (sigma > 0))
        shown = np.where(replaced, total / np.maximum(weight, 1), estimate)
        step = np.float32(RELAXATION if done + 1 < rounds and sigma == 0 else 1)
        estimate = estimate + step * (shown - estimate)
        bands.tell(pool, "inpainting", done + 1, rounds)
    return estimate


def _places(wanted: Flags, side: int, stride: int, everywhere: bool) -> Integers:
    """(n, 2) corners of the patches on a grid that contain wanted pixels, or of all."""
    height, width = wanted.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = wanted.cumsum(axis=0).cumsum(axis=1)
    rows, columns = (
        np.append(np.arange(0, length - side, stride), length - side) for length in wanted.shape
    )
    bottom, right = rows + side, columns + side
    count = (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(rows, right)]
        - sums[np.ix_(bottom, columns)]
        + sums[np.ix_(rows, columns)]
    )
    y, x = np.nonzero(count > (-1 if everywhere else 0))
    return np.stack([rows[y], columns[x]], axis=1)
