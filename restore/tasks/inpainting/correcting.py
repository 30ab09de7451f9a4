"""Correction of the filled pixels by learned sparse coding.

The coder sees a patch as the groups filled it, how the last rounds and the interpolation differed
from that, and which pixels are unknown. Only these change, and no more than the groups are
uncertain: a texture that they have found to the last detail is new to the coder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.imaging.colour import AXES
from restore.sparse import unrolled
from restore.sparse.unrolled import Coder, Kinds
from restore.typing import Flags, Floats

#: Input of the coder at unknown pixels; 0 at the others.
UNKNOWN = 0.1

#: Largest correction, root mean square around a pixel, in changes of the last round.
LARGEST_CHANGE = 2.0

#: Pixels around each over which the changes are averaged.
REACH = 4

#: Side of the tiles that are corrected, and the margin that they depend on; both even.
TILE, MARGIN = 256, 12


class Estimates(NamedTuple):
    """Estimates of a picture, each (channels, height, width) float32.

    By interpolation, and by the first, the last but one, and the last round of the groups.
    """

    interpolated: Floats
    first: Floats
    before: Floats
    last: Floats


def corrected(found: Estimates, unknown: Flags, pool: Pool | None = None) -> Floats:
    """The last estimate with its unknown pixels corrected, every plane by the same coder.

    Parameters
    ----------
    found : Estimates
    unknown : (height, width) bool ndarray
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    coder = unrolled.packaged("inpaint")
    result = found.last.copy()
    height, width = unknown.shape
    if min(height, width) < coder.side:
        return result
    level = level_of(unknown)
    # the coder was learned on grey pictures, whose white is 1
    scale = np.float32(AXES[len(result)][0].sum())
    grey = np.float32(0.5) * scale
    tiles = [
        (top, left)
        for top in range(0, height, TILE)
        for left in range(0, width, TILE)
        if unknown[top : top + TILE, left : left + TILE].any()
    ]

    def correct(band: slice) -> None:
        for top, left in tiles[band]:
            high, low = max(0, top - MARGIN), max(0, left - MARGIN)
            # no tile at the border is smaller than a patch
            high, low = min(high, height - coder.side), min(low, width - coder.side)
            window = np.s_[high : top + TILE + MARGIN, low : left + TILE + MARGIN]
            tile = np.s_[top : top + TILE, left : left + TILE]
            inside = np.s_[top - high : top - high + TILE, left - low : left - low + TILE]
            for plane in range(len(result)):
                own = (slice(plane, plane + 1), *window)
                offset = grey if plane else 0  # a difference of colours is 0 on average
                parts = Estimates(*((estimate[own] + offset) / scale for estimate in found))
                improved = scale * _limited(parts, unknown[window], level, coder) - offset
                np.copyto(result[plane][tile], improved[inside], where=unknown[tile])

    bands.for_each(correct, bands.slices(len(tiles), 1), pool)
    return result


def _limited(found: Estimates, unknown: Flags, level: float, coder: Coder) -> Floats:
    """The last estimate of one plane with the correction, reduced where it is large."""
    last = found.last[0]
    change = unrolled.correct(*coder_inputs(found, unknown), level, coder)[0] - last
    size = 2 * REACH + 1
    changed, uncertain = (
        ndimage.uniform_filter(np.where(unknown, difference**2, np.float32(0)), size)
        for difference in (change, found.before[0] - last)
    )
    # running sums may end a little below 0
    share = np.sqrt(np.maximum(uncertain, 0) / np.maximum(changed, np.float32(1e-12)))
    return last + np.minimum(1, np.float32(LARGEST_CHANGE) * share) * change


def coder_inputs(found: Estimates, unknown: Flags) -> tuple[Floats, Kinds]:
    """The first two arguments of `unrolled.correct`; parameters as for `corrected`."""
    flags = np.broadcast_to(np.float32(UNKNOWN) * unknown, found.last.shape)

    def kinds(rows: slice) -> Sequence[Floats]:
        own = np.s_[:, rows]
        last = found.last[own]
        others = (found.before, found.first, found.interpolated)
        apart, early, start = (estimate[own] - last for estimate in others)
        return [flags[own], apart, last, early, start]

    return found.last, kinds


def level_of(unknown: Flags) -> float:
    """What the coder takes for the level of the noise: more, the more pixels are unknown."""
    return float(unrolled.UNIT * (0.5 + unknown.mean()))
