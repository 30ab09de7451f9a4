"""Noise whose strength differs from place to place: that of JPEG files and of cameras.

The noise is given as a map of its variance. Groups of similar patches are coded twice, first
over atoms that they show themselves, then over those that the first estimate shows; where a
file bounds the picture, each estimate is brought back into these bounds. A learned coder, which
sees the map beside the estimates, corrects the last one.
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


#: The groups that a picture is restored from. The weights were learned a pixel closer together.
GROUPING = groups.Grouping(side=8, size=50, stride=6)

#: Variance that the noise of JPEG and of cameras has for a group of patches, in variances of a
#: sample: it is not white, and stronger where a patch has its largest atoms. For the first
#: coding, which finds atoms, and for the second, which has them.
FIRST, SECOND = 2.2, 1.1

#: Variance that serves against the noise of cameras, in that which is told of it: what is left does
#: more harm than what is taken of texture.
SERVES = np.float32(2)

#: Share of the variance that the coder leaves.
LEFT = np.float32(0.2)

#: Energy that makes an atom the picture's, in these variances.
THRESHOLD = 2.4

#: Variance below which noise cannot be seen, and is not taken out.
LEAST = (0.03 / 255) ** 2

#: Noise, as a standard deviation of samples in [0, 1], that the coders were taught with.
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
        Along axes on the scale of orthonormal ones; groups are found on the first.
    variances : (channels, height, width) float32 ndarray
        Of the noise, all above 0.
    coder : Coder
    project : function, optional
        Brings planes back to where the picture is known to be.
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
    """Code restored planes once more over atoms that their groups share, as if little were left.

    The coder sees one patch at a time; what it left of the noise differs between patches that
    look alike. Parameters and what comes back are as in `restore_mapped`.
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
    """What the coder corrects and is shown: the first three arguments of `unrolled.correct`."""
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
