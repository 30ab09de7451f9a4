"""Correction of an enlarged plane by its similar patches and a learned coder.

A cascade sees some pixels around each. What similar patches elsewhere in the picture have in common
tells its errors from detail, as it tells noise: the plane is restored as a noisy one, and learned
sparse coding corrects the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restore.imaging.bands import Pool
from restore.sparse import patches, unrolled, white
from restore.sparse.unrolled import Kinds
from restore.tasks.super_resolution.cascade import SCALES
from restore.typing import Floats

#: Standard deviation of the errors of a cascade, for each unit of its scale.
LEVEL = 2 / 255


def correct_plane(
    enlarged: Floats, interpolated: Floats, scale: int, pool: Pool | None = None
) -> Floats:
    """Correct a plane that was enlarged by a cascade.

    Parameters
    ----------
    enlarged, interpolated : (height, width) float32 ndarray
        By the cascade, and by cubic interpolation.
    scale : int
        Of the cascade.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width) float32 ndarray
    """
    inputs = coder_inputs(enlarged, interpolated, scale, pool)
    coder = unrolled.packaged("enlarge")
    learned = LEVEL * SCALES[0], LEVEL * SCALES[-1]
    corrected = unrolled.correct(*inputs, coder, learned=learned, pool=pool)
    height, width = enlarged.shape
    return corrected[0, :height, :width]


def coder_inputs(
    enlarged: Floats, interpolated: Floats, scale: int, pool: Pool | None = None
) -> tuple[Floats, Kinds, float]:
    """The first three arguments of `unrolled.correct`; parameters as for `correct_plane`."""
    side = white.GROUPING.side
    plane, start = (
        patches.pad(part[..., None], (side, side, 1)).transpose(2, 0, 1)
        for part in (enlarged, interpolated)
    )
    level = LEVEL * scale
    variances = np.full(1, level**2, np.float32)
    estimate, kinds = white.coder_inputs(plane, level, variances, pool, guide=plane[0], passes=0)

    def with_start(rows: slice) -> Sequence[Floats]:
        return [*kinds(rows), start[:, rows] - estimate[:, rows]]

    return estimate, with_start, level
