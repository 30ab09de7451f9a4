"""The filter at the decoder, and the strength the encoder asks it for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from restore.imaging.bands import Pool, map_bands
from restore.kernels import blocks, deblocking
from restore.typing import Floats, Number

#: Strengths that a file can ask for; the threshold of one, in steps of the quantiser.
STRENGTHS, _UNIT = 16, np.float32(0.07)
#: Rows filtered at a time, and of how many bands one is looked at to find the strength.
_ROWS, _SAMPLED = 64, 4
#: Strengths tried first.
_FIRST = (3, 5, 7, 10)


class Steps(NamedTuple):
    """How large the quantiser's step is where.

    Attributes
    ----------
    step : float32
        In levels.
    coarser : (rows, columns) int8 ndarray
        By how many eighths of octaves that of each cell is larger.
    weights : list of (8, 8) float32 ndarray
        Of each plane: by which that of each frequency is multiplied.
    """

    step: Number
    coarser: np.ndarray
    weights: list


def smooth(
    planes: list[Floats], strength: int, steps: Steps, pool: Pool | None = None
) -> list[Floats]:
    """Planes as the decoder shows them.

    Parameters
    ----------
    planes : list of (height, width) float32
    strength : int
        0 to 15; 0 changes nothing.
    steps : Steps
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    list of (height, width) float32
    """
    if not strength:
        return planes
    tops = range(0, len(planes[0]), _ROWS)
    bands = [(plane, top) for plane in range(len(planes)) for top in tops]
    out = [np.empty_like(plane) for plane in planes]
    for (plane, top), rows in zip(bands, _filtered(planes, bands, strength, steps, pool)):
        out[plane][top : top + _ROWS] = rows
    return out


def best_strength(
    wanted: list[Floats], planes: list[Floats], steps: Steps, pool: Pool | None = None
) -> int:
    """The strength that brings `planes` nearest to `wanted`, judged by every fourth band."""
    tops = range(0, len(planes[0]), _ROWS * (_SAMPLED if len(planes[0]) >= 8 * _ROWS else 1))
    bands = [(plane, top) for plane in range(len(planes)) for top in tops]

    def error(strength: int) -> float:
        total = 0.0
        shown = (
            _filtered(planes, bands, strength, steps, pool)
            if strength
            else (planes[plane][top : top + _ROWS] for plane, top in bands)
        )
        for (plane, top), rows in zip(bands, shown):
            rest = rows - wanted[plane][top : top + _ROWS]
            total += float(np.square(rest).sum(dtype=np.float64))
        return total

    errors = {strength: error(strength) for strength in (0, *_FIRST)}
    while True:
        best = min(errors, key=lambda strength: errors[strength])
        beside = [
            strength
            for strength in (best - 1, best + 1)
            if 0 < strength < STRENGTHS and strength not in errors
        ]
        if not beside:
            return best
        errors |= {strength: error(strength) for strength in beside}


def _filtered(
    planes: list[Floats], bands: list[Any], strength: int, steps: Steps, pool: Pool | None
) -> Iterator[Floats]:
    padded = [np.pad(plane, deblocking.SIDE, "symmetric") for plane in planes]
    thresholds = np.float32(strength) * _UNIT * steps.step
    thresholds = thresholds * blocks.EIGHTHS[steps.coarser.astype(np.int64) + 64]

    def band(place: Any) -> Floats:
        plane, top = place
        out = np.empty((min(_ROWS, len(planes[plane]) - top), planes[plane].shape[1]), np.float32)
        deblocking.smooth(padded[plane], out, top, thresholds, steps.weights[plane])
        return out

    return map_bands(band, bands, pool)
