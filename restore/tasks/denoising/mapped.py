"""Noise whose strength differs from place to place: that of JPEG files and of cameras.

The noise is given as a map of its variance. Groups of similar patches are coded twice, first over
atoms learned on the noisy patches, then over those learned on the first estimate; if a file bounds
the picture, each estimate is projected into these bounds. A learned coder, with the map and the
estimates as inputs, corrects the last one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from restore.sparse import groups, overlap, unrolled
from restore.sparse.unrolled import Coder, Kinds
from restore.typing import Floats, Number

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: The groups that a picture is restored from. The weights were learned with a stride one pixel
#: smaller.
GROUPING = groups.Grouping(side=8, size=50, stride=6)

#: Variance of JPEG and camera noise in a group of patches, in variances of a sample: it is not
#: white, but stronger along the largest atoms of a patch. For the first coding, which learns atoms
#: from it, and for the second, which already has them.
FIRST, SECOND = 2.2, 1.1

#: Factor on the variance of camera noise that gives the best results: remaining noise does more
#: harm than lost texture.
SERVES = np.float32(2)

#: Share of the variance that remains after the coder.
LEFT = np.float32(0.2)

#: Energy above which an atom counts as signal, in these variances.
THRESHOLD = 2.4

#: Variance below which noise is invisible, and is not removed.
LEAST = (0.03 / 255) ** 2

#: Noise, as a standard deviation of samples in [0, 1], at which the coders were learned.
LEARNED = (1 / 255, 50 / 255)


def restore_mapped(
    noisy: Floats,
    variances: Floats,
    coder: Coder,
    *,
    project: Callable[[Floats], Floats] | None = None,
    pool: Pool | None = None,
) -> Floats:
    """Restore planes whose noise has known variances.

    Parameters
    ----------
    noisy : (channels, height, width) float32 ndarray
        In colour axes scaled like orthonormal ones; groups are found on the first plane.
    variances : (channels, height, width) float32 ndarray
        Of the noise, all positive.
    coder : Coder
    project : function, optional
        Projects planes into the known bounds of the picture.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    estimate, kinds, sigma = coder_inputs(noisy, variances, project=project, pool=pool)
    restored = unrolled.correct(estimate, kinds, sigma, coder, learned=LEARNED, pool=pool)
    return restored if project is None else project(restored)


def smoothed(planes: Floats, variances: Floats, *, pool: Pool | None = None) -> Floats:
    """Code restored planes once more over atoms that their groups share, for a small remaining
    noise.

    The coder works on one patch at a time; the noise that it leaves differs between similar
    patches. Parameters and results are as in `restore_mapped`.
    """
    places = groups.find(planes[0], GROUPING, pool=pool)
    return np.stack(
        [
            groups.code(
                plane, LEFT * variance, places, GROUPING.side, threshold=THRESHOLD, pool=pool
            )
            for plane, variance in zip(planes, variances, strict=True)
        ]
    )


def coder_inputs(
    noisy: Floats,
    variances: Floats,
    *,
    project: Callable[[Floats], Floats] | None = None,
    pool: Pool | None = None,
) -> tuple[Floats, Kinds, Number]:
    """The inputs of the coder: the first three arguments of `unrolled.correct`."""
    project = project or (lambda planes: planes)
    find = functools.partial(groups.find, grouping=GROUPING, pool=pool)
    code = functools.partial(groups.code, side=GROUPING.side, pool=pool)
    level = float(np.sqrt(FIRST * variances[0].mean()))
    pilot = overlap.by_dictionary(noisy[0][..., None], level, "grey", None, 2, pool)
    places = find(np.ascontiguousarray(pilot[..., 0]))
    first = np.stack(
        [
            code(plane, FIRST * variance, places, threshold=THRESHOLD)
            for plane, variance in zip(noisy, variances, strict=True)
        ]
    )
    shown = project(first)
    places = find(shown[0])
    filtered = np.stack(
        [
            code(plane, SECOND * variance, places, pilot=estimate)
            for plane, variance, estimate in zip(noisy, variances, shown, strict=True)
        ]
    )
    del shown
    estimate = project(filtered)
    scale = float(np.sqrt(variances.mean()))

    def kinds(rows: slice) -> Sequence[Floats]:
        own = np.s_[:, rows]
        return [
            noisy[own] - estimate[own],
            first[own] - filtered[own],
            estimate[own],
            filtered[own] - estimate[own],
            np.sqrt(variances[own]) - scale,
        ]

    return estimate, kinds, scale
