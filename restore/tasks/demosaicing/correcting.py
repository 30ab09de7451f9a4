"""Correction of demosaiced colours by learned sparse coding."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.imaging.colour import from_planes, to_planes
from restore.sparse import unrolled
from restore.sparse.unrolled import Coder
from restore.typing import Floats


def corrected_by(
    coder: Coder, found: list[Floats], top: int, left: int, pool: Pool | None
) -> Floats:
    """The last two estimates, averaged and corrected by learned sparse coding.

    Patches start at the first red sample, as in learning; samples before it are kept. No colour
    changes by more than the previous steps have changed one nearby.

    Parameters
    ----------
    coder : restore.sparse.unrolled.Coder
    found : list of (height, width, 3) float32 ndarray
        From `restore.tasks.demosaicing.estimates`; emptied on the way, to save memory on large
        pictures, and the last one is overwritten by the result.
    top, left : int
        Place of the first red sample.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, 3) float32 ndarray
    """
    colour = found[-1]
    window = tuple(
        slice(first, first + (length - first) // 2 * 2)
        for first, length in zip((top, left), colour.shape)
    )
    if min(side.stop - side.start for side in window) < coder.side:
        return colour
    inside = colour[window]
    most = np.empty(inside.shape[:2], np.float32)

    def limit(rows: slice) -> None:
        wide, own = bands.widened(rows, coder.side, len(most))
        changed = np.abs(found[1][window][wide] - inside[wide]).max(axis=2)
        most[rows] = ndimage.maximum_filter(changed, coder.side + 1)[own]

    bands.for_each(limit, bands.rows(most.shape), pool)
    learned, early, before, last = (to_planes(found.pop(0)[window], pool) for _ in range(4))
    inputs = unrolled.mean_and_kinds(learned, zip(early, last, before), pool)
    del learned, early, before, last
    corrected = unrolled.correct(*inputs, unrolled.UNIT, coder, pool=pool)
    del inputs
    corrected = from_planes(corrected, pool)

    def change(rows: slice) -> None:
        bound = most[rows, :, None]
        inside[rows] += np.clip(corrected[rows] - inside[rows], -bound, bound)

    bands.for_each(change, bands.rows(most.shape), pool)
    return colour
