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

from restore.imaging import bands
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

#: Factor on the variance of noise in pictures that are no JPEG files, where it is found too low. In
#: JPEG files the expected error of their quantisation is added instead.
UNCODED = np.float32(1.4)

#: Share of the variance that remains after the coder.
LEFT = np.float32(0.2)

#: Energy above which an atom counts as signal, in these variances.
THRESHOLD = 2.4

#: Variance below which noise is invisible, and is not removed.
LEAST = (0.03 / 255) ** 2

#: Noise, as a standard deviation of samples in [0, 1], at which the coders were learned.
LEARNED = (1 / 255, 50 / 255)

#: Strips of a large picture start at multiples of these rows, and have as many around them: groups,
#: patches, and the blocks of JPEG then lie where they lie in the whole picture.
ALIGNED = 96


def restore_mapped(
    noisy: Floats,
    variances: Floats,
    coder: Coder,
    *,
    project: Callable[[slice, Floats], Floats] | None = None,
    smooth: bool = False,
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
        Projects rows of the planes, given after their slice, into the known bounds of the picture.
    smooth : bool
        Code the result once more over atoms that its groups share, for a small remaining noise: the
        coder works on one patch at a time, and what it leaves differs between similar patches.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    channels, height, width = noisy.shape
    strength = _strength(variances)
    restored = np.empty_like(noisy)
    for rows in strips(noisy.shape):
        wide, inner = bands.widened(rows, ALIGNED, height)
        bound = functools.partial(project, wide) if project else _unbound
        seen, spread = noisy[:, wide], variances[:, wide]
        inputs = coder_inputs(seen, spread, project=bound, strength=strength, pool=pool)
        part = bound(unrolled.correct(*inputs, coder, learned=LEARNED, pool=pool))
        if smooth:
            part = bound(_smoothed(part, spread, pool))
        restored[:, rows] = part[:, inner]
    return restored


def strips(shape: tuple[int, ...]) -> list[slice]:
    """The rows of planes (channels, height, width) that are restored together."""
    channels, height, width = shape
    return bands.strips(height, channels * width, ALIGNED)


def stages(shape: tuple[int, ...], smooth: bool = False) -> list[tuple[str, float]]:
    """The stages of the work on planes (channels, height, width), and about their shares of it."""
    channels = shape[0]
    find, code = ("grouping", 4.0), ("coding", 8.0)
    codes = channels * [code]
    found = [("restoring", 1.0), find, *codes, find, *codes, ("correcting", 7.0 * channels)]
    return len(strips(shape)) * [*found, *([find, *codes] if smooth else [])]


def coder_inputs(
    noisy: Floats,
    variances: Floats,
    *,
    project: Callable[[Floats], Floats] | None = None,
    strength: tuple[float, float] | None = None,
    pool: Pool | None = None,
) -> tuple[Floats, Kinds, Number]:
    """The inputs of the coder: the first three arguments of `unrolled.correct`.

    `strength` is that of the noise of the whole picture, if these are rows of one.
    """
    project = project or _unbound
    level, scale = strength or _strength(variances)
    find = functools.partial(groups.find, grouping=GROUPING, pool=pool)
    code = functools.partial(groups.code, side=GROUPING.side, pool=pool)
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


def _strength(variances: Floats) -> tuple[float, float]:
    """The standard deviation that the first estimate assumes, and that of all planes."""
    return float(np.sqrt(FIRST * variances[0].mean())), float(np.sqrt(variances.mean()))


def _unbound(planes: Floats) -> Floats:
    """The projection of a picture of which nothing is known."""
    return planes


def _smoothed(planes: Floats, variances: Floats, pool: Pool | None) -> Floats:
    """Restored planes coded once more by their groups."""
    places = groups.find(planes[0], GROUPING, pool=pool)
    code = functools.partial(groups.code, places=places, side=GROUPING.side, pool=pool)
    return np.stack(
        [
            code(plane, LEFT * variance, threshold=THRESHOLD)
            for plane, variance in zip(planes, variances, strict=True)
        ]
    )
