"""The deblocking filter of the decoder, and the choice of its strength by the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from restore.imaging.bands import Pool, map_bands
from restore.kernels import blocks, deblocking
from restore.typing import Floats, Number

#: Number of strengths that a file can specify; threshold of strength 1, in quantisation steps.
STRENGTHS, _UNIT = 16, np.float32(0.07)
#: Rows in a band; rows and distance of the bands that are used to choose the strength.
_ROWS, _SAMPLED, _APART = 64, 32, 128
#: Strengths tried first.
_FIRST = (3, 5, 7, 10)


class Steps(NamedTuple):
    """The quantisation step and its variation.

    Attributes
    ----------
    step : float32
        In levels of 255.
    coarser : (rows, columns) int8 ndarray
        Increase of the step of each cell, in eighths of octaves.
    weights : list of (8, 8) float32 ndarray
        For each plane: factors on the step, by frequency.
    """

    step: Number
    coarser: np.ndarray
    weights: list


def smooth(
    planes: list[Floats], strength: int, steps: Steps, pool: Pool | None = None
) -> list[Floats]:
    """Filter planes as the decoder does.

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
    bands = [(plane, slice(top, top + _ROWS)) for plane in range(len(planes)) for top in tops]
    out = [np.empty_like(plane) for plane in planes]
    for (plane, rows), smoothed in zip(bands, _filtered(planes, bands, strength, steps, pool)):
        out[plane][rows] = smoothed
    return out


def best_strength(
    wanted: list[Floats], planes: list[Floats], steps: Steps, pool: Pool | None = None
) -> int:
    """The strength that brings `planes` nearest to `wanted`, measured on a quarter of the rows."""
    tops = range(0, len(planes[0]), _APART)
    bands = [(plane, slice(top, top + _SAMPLED)) for plane in range(len(planes)) for top in tops]

    def error(strength: int) -> float:
        total = 0.0
        shown = (
            _filtered(planes, bands, strength, steps, pool)
            if strength
            else (planes[plane][rows] for plane, rows in bands)
        )
        for (plane, rows), smoothed in zip(bands, shown):
            rest = smoothed - wanted[plane][rows]
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
        plane, rows = place
        out = np.empty_like(planes[plane][rows])
        deblocking.smooth(padded[plane], out, rows.start, thresholds, steps.weights[plane])
        return out

    return map_bands(band, bands, pool)
