"""Inpainting by groups of similar patches, each a Gaussian."""

from __future__ import annotations

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import inpainting as kernels
from restore.sparse import overlap, patches
from restore.typing import Flags, Floats, Integers

#: Settings of `ROUNDS`.
QUALITIES = ("fast", "balanced")

#: Share of known pixels below which there are more rounds.
SPARSE = 0.35

#: Side and stride of the patches in each round: by whether the known pixels are noisy, whether
#: there are few of them, and quality. Patches of two sides in turns correct each other's errors.
ROUNDS = {
    (False, False): {
        "fast": ((6, 5), (8, 6), (6, 4)),
        "balanced": ((6, 4), (8, 5), (6, 4), (8, 5), (6, 3)),
    },
    (False, True): {
        "fast": ((7, 5), (7, 5), (9, 6), (7, 5), (6, 4)),
        "balanced": (*4 * ((7, 4),), (9, 5), (7, 4), (9, 5), (6, 3)),
    },
    (True, False): {"fast": 3 * ((8, 5),), "balanced": 6 * ((8, 4),)},
    (True, True): {"fast": 5 * ((8, 5),), "balanced": 10 * ((8, 4),)},
}

#: Groups: search radius, patches in a group, and how many of these, the nearest, are estimated.
REACH = 12
GROUP = 64
SHARE = 16

#: Variance per sample that a group's covariance does not model, and the share of the noise variance
#: that it does not model.
RIDGE = 5e-5
NOISE = 0.7

#: Over-relaxation: each round removes a similar share of the error, so longer steps need fewer.
RELAXATION = 1.8

#: Rows of patches in a band.
ROWS = 8


def completed(
    estimate: Floats,
    observed: Floats,
    known: Flags,
    hole: Flags,
    sigma: float,
    quality: str,
    pool: Pool | None,
) -> tuple[Floats, Floats, Floats]:
    """Estimate the patches with unknown samples from their groups, and average, in rounds.

    Parameters
    ----------
    estimate, observed : (channels, height, width) float32 ndarray
        The first estimate, and the decorrelated colours of the picture.
    known, hole : (height, width) bool ndarray
        Known pixels, and unknown ones that are left as they are.
    sigma : float
        Standard deviation of the noise in [0, 1].
    quality : {"fast", "balanced"}
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    first, before, last : (channels, height, width) float32 ndarray
        The averages of the first round, of the last but one, and of the last.
    """
    noisy = sigma > 0
    rounds = ROUNDS[noisy, bool(known[~hole].mean() < SPARSE)][quality]
    ridge = np.float32(max(RIDGE, NOISE * sigma**2))
    first = last = estimate
    for done, (side, stride) in enumerate(rounds, 1):
        shown = _averaged(estimate, observed, known, hole, (side, stride), noisy, ridge, pool)
        estimate = _relaxed(estimate, shown, np.float32(1 if noisy else RELAXATION), pool)
        first = shown if done == 1 else first
        before, last = last, shown
        bands.tell(pool, "inpainting", done, len(rounds))
    return first, before, last


def _averaged(
    estimate: Floats,
    observed: Floats,
    known: Flags,
    hole: Flags,
    grid: tuple[int, int],
    noisy: bool,
    ridge: np.float32,
    pool: Pool | None,
) -> Floats:
    """One round: the average of the estimated patches where there are any, else the estimate.

    `grid` is the side and the stride of the patches; only unknown pixels change unless `noisy`.
    """
    channels, height, width = estimate.shape
    side = min(grid[0], height, width)
    stride = min(grid[1], side)
    rows, columns = (patches.positions(length, side, stride) for length in known.shape)

    def complete_band(band: slice) -> tuple[slice, Floats, Floats]:
        own = rows[band]
        within = slice(own[0], own[-1] + side)
        wanted = ~known[within] & ~hole[within]
        places = _places(wanted, side, own - own[0], columns, everywhere=noisy)
        places[:, 0] += own[0]
        top = max(0, own[0] - REACH)
        bottom = min(height, own[-1] + REACH + side) if len(places) else top
        total = np.zeros((channels, bottom - top, width), np.float32)
        weight = np.zeros((bottom - top, width), np.float32)
        grouping = kernels.Grouping(top, side, REACH, GROUP, SHARE, noisy, ridge)
        kernels.complete(estimate, observed, known, places, total, weight, grouping)
        return slice(top, bottom), total, weight

    total, weight = np.zeros_like(estimate), np.zeros((height, width), np.float32)
    overlap.accumulate(complete_band, bands.slices(len(rows), ROWS), total, weight, pool)

    def divide(band: slice) -> None:
        own = np.s_[:, band]
        replaced = (weight[band] > 0) & (noisy | ~known[band])
        mean = total[own] / np.maximum(weight[band], 1)
        total[own] = np.where(replaced, mean, estimate[own])

    bands.for_each(divide, bands.rows(known.shape), pool)
    return total


def _relaxed(estimate: Floats, shown: Floats, step: np.float32, pool: Pool | None) -> Floats:
    """estimate + step (shown - estimate)."""
    result = np.empty_like(estimate)

    def move(band: slice) -> None:
        own = np.s_[:, band]
        result[own] = estimate[own] + step * (shown[own] - estimate[own])

    bands.for_each(move, bands.rows(estimate.shape[1:]), pool)
    return result


def _places(
    wanted: Flags, side: int, rows: Integers, columns: Integers, everywhere: bool
) -> Integers:
    """(n, 2) those of the corners rows x columns whose patch has wanted pixels, or all."""
    height, width = wanted.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = wanted.cumsum(axis=0).cumsum(axis=1)
    bottom, right = rows + side, columns + side
    count = (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(rows, right)]
        - sums[np.ix_(bottom, columns)]
        + sums[np.ix_(rows, columns)]
    )
    y, x = np.nonzero(count > (-1 if everywhere else 0))
    return np.stack([rows[y], columns[x]], axis=1)
