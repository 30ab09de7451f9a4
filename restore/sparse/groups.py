"""Restoring an image group by group: similar patches share their atoms.

The steps are the same as for single patches, extract, code, aggregate, but each group of similar
patches is extracted together and coded over atoms learned on that group (`restore.kernels.groups`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import groups as kernels
from restore.kernels import similar
from restore.sparse import overlap, patches
from restore.typing import Floats, Integers

#: Rows of reference patches per band, and the minimum number of bands for a small picture: many
#: more than threads, to balance their load.
BAND_ROWS, BANDS = 8, 40


@dataclass(frozen=True)
class Grouping:
    """How groups of patches are formed."""

    side: int = 6
    """Rows and columns of a patch."""
    size: int = 40
    """Patches in a group."""
    reach: int = 18
    """Pixels around a reference patch in which similar ones are looked for."""
    stride: int = 3
    """Pixels between reference patches."""

    def fit(self, shape: tuple[int, ...]) -> Grouping:
        """The same with groups that have enough patches at a corner of a plane of `shape`."""
        across = [min(n - self.side, self.reach) + 1 for n in shape]
        return Grouping(self.side, min(self.size, across[0] * across[1]), self.reach, self.stride)


def find(guide: Floats, grouping: Grouping, *, pool: Pool | None = None) -> list[Integers]:
    """Group similar patches.

    Parameters
    ----------
    guide : (height, width) float32 ndarray
        No smaller than a patch.
    grouping : Grouping

    Returns
    -------
    list of (n_groups, size) int32 ndarray
        Band by band ``row * width + column`` of the top left corners of a group's
        patches; what `code` takes.
    """
    grouping = grouping.fit(guide.shape)
    rows, columns = (patches.positions(n, grouping.side, grouping.stride) for n in guide.shape)

    def find_band(band: slice) -> Integers:
        places = np.empty((len(rows[band]) * len(columns), grouping.size), np.int32)
        similar.match(guide, rows[band], columns, grouping.side, grouping.reach, places)
        return places

    cut = bands.slices(len(rows), max(1, min(BAND_ROWS, len(rows) // BANDS)))
    return list(bands.map_bands(find_band, cut, pool, "grouping"))


def code(
    plane: Floats,
    variances: Floats,
    places: list[Integers],
    side: int,
    *,
    pilot: Floats | None = None,
    threshold: float = 1.0,
    pool: Pool | None = None,
) -> Floats:
    """Code groups of patches over atoms learned on each, and average the overlapping patches.

    Parameters
    ----------
    plane : (height, width) float32 ndarray
    variances : (height, width) float32 ndarray
        Variance of the noise at each pixel.
    places : list of (n_groups, size) int32 ndarray
        From `find`.
    side : int
        Rows and columns of a patch.
    pilot : (height, width) float32 ndarray, optional
        An estimate to learn the atoms on. Without it they are learned on `plane` itself.
    threshold : float
        Without `pilot`: variance above which an atom counts as signal, as a multiple of the noise
        variance.

    Returns
    -------
    (height, width) float32 ndarray
    """
    width = plane.shape[1]
    variances = window_means(variances, side, pool=pool)

    def code_band(band: Integers) -> tuple[slice, Floats, Floats]:
        top, bottom = band.min() // width, band.max() // width + side
        total = np.zeros((bottom - top, width), np.float32)
        weight = np.zeros_like(total)
        if pilot is None:
            level = np.float32(threshold)
            kernels.shrink(plane, variances, band, side, level, total, weight)
        else:
            kernels.wiener(plane, pilot, variances, band, side, total, weight)
        return slice(top, bottom), total, weight

    total, weight = np.zeros_like(plane), np.zeros_like(plane)
    overlap.accumulate(code_band, places, total, weight, pool, "coding")

    def average(rows: slice) -> None:
        # The weights lie at the patches' corners; every pixel of a patch has its patch's weight.
        total[rows] /= _window_sums(weight, side, -1, rows)

    bands.for_each(average, bands.rows(plane.shape), pool)
    return total


def window_means(plane: Floats, side: int, *, pool: Pool | None = None) -> Floats:
    """Mean of the `side` x `side` window with its top left corner at each pixel.

    Pixels beyond the bottom and right edge count as zero: no patch begins there.
    """
    means = np.empty_like(plane)

    def take(rows: slice) -> None:
        means[rows] = _window_sums(plane, side, 1, rows) / np.float32(side * side)

    bands.for_each(take, bands.rows(plane.shape), pool)
    return means


def _window_sums(plane: Floats, side: int, direction: int, rows: slice) -> Floats:
    sums = np.empty_like(plane[rows])
    kernels.window_sums(plane, side, direction, rows.start, sums)
    return sums
