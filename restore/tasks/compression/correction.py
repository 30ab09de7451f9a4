"""The learned correction of decoded planes, which a file may ask for.

The filter of the decoder works block by block. What it leaves of the quantisation error is reduced
twice more: groups of similar patches of the first plane are coded over their own atoms, with that
error as the noise; and a learned coder, which sees all planes at once, corrects what is left. The
error is the one thing that a decoder cannot know: the file tells the rms error of the first plane,
and the steps say where it is larger.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from restore.imaging.bands import Pool
from restore.imaging.colour import AXES
from restore.kernels.blocks import CELL, EIGHTHS
from restore.sparse import groups, unrolled
from restore.sparse.unrolled import Kinds
from restore.tasks.compression.smoothing import Steps, smooth
from restore.typing import Floats, Number

#: Coders that come with the package. Files contain their index: never reorder them.
PACKAGED = ("codec-correction",)

#: How patches of the first plane are grouped.
GROUPING = groups.Grouping(side=8, size=50, stride=7)

#: Variance that is assumed of a group, in variances of the error, and the energy of an atom that
#: counts as signal, in these: the error is not white, but weaker along the smaller atoms.
SHARE, THRESHOLD = 0.75, 2.4

#: Pixels between the patches of the coder; weakest and strongest rms error, in [0, 1], that it was
#: learned at.
STRIDE, LEARNED = 4, (0.5 / 255, 40 / 255)

#: The number for an rms error as large as the step; one more is an eighth of an octave more.
_EQUAL_TO_STEP = 128

#: Levels of 255 of a grey picture are multiplied by this: then it is like a luma.
_GREY = np.float32(np.sqrt(3))


def error_of(wanted: Floats, shown: Floats, step: Number) -> int:
    """The number in the file for the rms error of the decoded first plane, 0 to 255."""
    error = float(np.sqrt(np.square(shown - wanted).mean(dtype=np.float64)))
    return int(np.clip(np.rint(8 * np.log2(max(error, 1e-9) / step)) + _EQUAL_TO_STEP, 0, 255))


def finished(
    shown: list[Floats], strength: int, steps: Steps, error: int | None, pool: Pool | None = None
) -> list[Floats]:
    """Decoded planes as they are shown: filtered, and corrected if `error` is a number."""
    smoothed = smooth(shown, strength, steps, pool)
    return smoothed if error is None else correct(shown, smoothed, steps, error, pool)


def correct(
    shown: list[Floats], smoothed: list[Floats], steps: Steps, error: int, pool: Pool | None = None
) -> list[Floats]:
    """Correct decoded planes.

    Parameters
    ----------
    shown : list of (height, width) float32
        Levels about 0, as decoded; one plane or three.
    smoothed : list of (height, width) float32
        The same after the filter.
    steps : Steps
    error : int
        From `error_of`.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    list of (height, width) float32
    """
    inputs = coder_inputs(shown, smoothed, steps, error, pool)
    coder = unrolled.packaged(PACKAGED[0])
    corrected = unrolled.correct(*inputs, coder, stride=STRIDE, learned=LEARNED, pool=pool)
    return from_unit(corrected, len(shown))


def coder_inputs(
    shown: list[Floats], smoothed: list[Floats], steps: Steps, error: int, pool: Pool | None = None
) -> tuple[Floats, Kinds, Number]:
    """The first three arguments of `unrolled.correct`; parameters as of `correct`."""
    seen, estimate = to_unit(shown), to_unit(smoothed)
    filtered = estimate[0].copy()
    gain = _GREY if len(shown) == 1 else np.float32(1)
    sigma = gain * steps.step * np.float32(2.0 ** ((error - _EQUAL_TO_STEP) / 8) / 255)
    coarser = EIGHTHS[steps.coarser.astype(np.int64) + 64]
    coarser /= np.sqrt(np.square(coarser).mean())
    errors = sigma * np.repeat(np.repeat(coarser, CELL, axis=0), CELL, axis=1)
    places = groups.find(filtered, GROUPING, pool=pool)
    estimate[0] = groups.code(
        seen[0],
        np.float32(SHARE) * np.square(errors),
        places,
        GROUPING.side,
        threshold=THRESHOLD,
        pool=pool,
    )

    def kinds(rows: slice) -> Sequence[Floats]:
        own = np.s_[:, rows]
        before = np.zeros_like(estimate[own])
        before[0] = filtered[rows] - estimate[0, rows]
        varied = np.broadcast_to(errors[rows] - sigma, before.shape)
        return [seen[own] - estimate[own], before, estimate[own], varied]

    return estimate, kinds, sigma


def to_unit(planes: list[Floats]) -> Floats:
    """Planes as the coder takes them, (3, height, width): of a grey picture, two are empty."""
    unit = np.zeros((3, *planes[0].shape), np.float32)
    for plane, levels in zip(unit, planes):
        np.multiply(levels, np.float32(1 / 255), out=plane)
    if len(planes) == 1:
        unit *= _GREY
    unit += _middles()
    return unit


def from_unit(unit: Floats, channels: int) -> list[Floats]:
    """The inverse of `to_unit`."""
    levels = (unit - _middles()) * np.float32(255)
    return [levels[0] / _GREY] if channels == 1 else list(levels)


@functools.cache
def _middles() -> Floats:
    """The middle grey in the axes of the coder."""
    return np.float32(0.5) * AXES[3].sum(axis=1)[:, None, None]
