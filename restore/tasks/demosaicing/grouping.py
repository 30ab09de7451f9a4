"""Demosaicing by groups of similar patches.

The learned stages use a few samples around each; similar patches from further away add information.
Where one of them hides a colour, others show it. Each group is modelled as a Gaussian, and gives
the expected colours of its patches given the measured samples.
"""

import math

import numpy as np
from scipy import ndimage

from restore.imaging import bands
from restore.imaging.arrays import copied
from restore.imaging.bands import Pool
from restore.imaging.colour import to_planes
from restore.kernels import completion
from restore.kernels.completion import SIDE
from restore.sparse import groups, overlap
from restore.typing import Floats, Integers

#: Patches in a group, and the radius in pixels in which they are searched.
SIZE, REACH = 60, 20

#: Variance of the error of the learned stages' estimate: this factor times the mean square, in
#: windows of that side, of the change by the later stages, and a share of that of the mosaic. The
#: factor is six times the one that fits pictures best, since the Gaussians include the errors, too.
DOUBT, DOUBT_SIDE, LEAST_DOUBT = 60.0, 7, 0.5

#: Share of it that a Gaussian is assumed not to include.
PRIOR = 0.03

#: Rounds; in each, the Gaussians are those of the estimate of the round before.
ROUNDS = 3


def completed(
    mosaic: Floats,
    error: float,
    sites: list[tuple[int, tuple[int, int]]],
    colour: Floats,
    change: Floats,
    stride: int,
    doubt: float = DOUBT,
    rounds: int = ROUNDS,
    *,
    pool: Pool | None = None,
) -> tuple[Floats, Floats]:
    """The colours of a mosaic by groups of similar patches, after each of the last two rounds.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
    error : float
        Variance of its noise, or of its rounding; not 0.
    sites : list of (channel, (row, column))
        Of the samples of the repeating pattern.
    colour : (height, width, 3) float32 ndarray
        Its colours by learned stages.
    change : (height, width, 3) float32 ndarray
        The change by the stages after the first: large where the estimate is uncertain.
    stride : int
        Pixels between the patches that the groups are found for.
    doubt : float
        Factor of the uncertainty: see `DOUBT`.
    rounds : int
    pool
        As in `demosaic`.

    Returns
    -------
    before, last : (height, width, 3) float32 ndarrays
        `colour` if the picture is smaller than a patch.
    """
    if min(mosaic.shape) < SIDE:
        return colour, colour
    period = math.isqrt(len(sites))
    colours = np.empty((period, period), np.int64)
    for channel, site in sites:
        colours[site] = channel
    grouping = groups.Grouping(SIDE, SIZE, REACH, stride)
    places = groups.find(to_planes(colour, pool)[0], grouping, pool=pool)
    estimate = copied(colour.transpose(2, 0, 1), pool)
    variances = np.empty_like(estimate)

    def average(channel: int) -> None:
        squares = np.square(change[..., channel])
        ndimage.uniform_filter(squares, DOUBT_SIDE, output=variances[channel])

    bands.for_each(average, range(3), pool)
    for plane in variances:
        plane[:] = groups.window_means(plane, SIDE, pool=pool)
    variances *= np.float32(doubt)
    variances += np.float32(LEAST_DOUBT * error)
    before = shown = estimate
    width = mosaic.shape[1]
    measured = completion.Mosaic(
        mosaic, np.float32(error), colours, estimate, variances, np.float32(PRIOR)
    )

    def complete_band(band: Integers) -> tuple[slice, Floats, Floats]:
        top, bottom = band.min() // width, band.max() // width + SIDE
        total = np.zeros((3, bottom - top, width), np.float32)
        weight = np.zeros(total.shape[1:], np.float32)
        completion.complete(shown, measured, band, top, total, weight)
        return slice(top, bottom), total, weight

    for number in range(rounds):
        total, weight = np.zeros_like(estimate), np.zeros_like(mosaic)
        part = bands.part(pool, number, rounds)
        overlap.accumulate(complete_band, places, total, weight, part, "completing")
        overlap.divide(total, weight, pool)
        before, shown = shown, total
    last = copied(shown.transpose(1, 2, 0), pool)
    return copied(before.transpose(1, 2, 0), pool), last
