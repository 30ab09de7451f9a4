"""Inpainting: interpolation from the nearest known samples, and groups of similar patches.

A group is a set of similar patches, modelled as a Gaussian with their mean m and covariance C.
Given the known samples x_K of a patch, its expected value is

    m + C_:K (C_KK + r I)^-1 (x_K - m_K).

References
----------
Matheron, "The intrinsic random functions and their applications", Advances in Applied
Probability 5, 1973 (kriging).
Yu, Sapiro & Mallat, "Solving inverse problems with piecewise linear estimators: from
Gaussian mixture models to structured sparsity", IEEE TIP 21(5), 2012, equations 7-10.
Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013 (one Gaussian per group of similar patches).
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.lanes import padded
from restore.kernels.linear import condition, factorise, solve
from restore.kernels.similar import centre, gather, nearest, scatter, scatter_weight
from restore.typing import Flags, Floats, Integers, Number

#: Minimum ridge, as a share of the trace of a covariance: above the rounding errors of float32.
ROUNDING = np.float32(1e-6)


@kernel
def interpolate(
    planes: Floats,
    known: Flags,
    offsets: Integers,
    covariance: Floats,
    filled: Floats,
    top: int,
    most: int,
) -> None:
    """Ordinary kriging of every unknown pixel from the nearest known ones.

    The weights l minimise the expected squared error for a random field with covariance c and
    unknown mean. With A_ij = c(p_i - p_j) and b_i = c(p_i - p),

        l = A^-1 (b + 1 (1 - 1'A^-1 b) / (1'A^-1 1))     (Matheron 1973).

    Parameters
    ----------
    planes : (channels, height, width) float32
    known : (height, width) bool
    offsets : (n, 2) int64, offsets in rows and columns that are searched, the nearest first
    covariance : (side, side) float32, by distance in rows and in columns
    filled : (channels, rows, width) float32, written at unknown pixels with a known one at any
        of the offsets
    top : int, the first row to fill
    most : int, maximum number of known samples used
    """
    channels, rows, width = filled.shape
    height = planes.shape[1]
    factor = np.empty((most, most), np.float32)
    near = np.empty((most, 2), np.int64)
    ones = np.empty(most, np.float32)
    weights = np.empty(most, np.float32)
    for row in range(rows):
        y = row + top
        for x in range(width):
            if known[y, x]:
                continue
            count = 0
            for k in range(offsets.shape[0]):
                v, u = y + offsets[k, 0], x + offsets[k, 1]
                if 0 <= v < height and 0 <= u < width and known[v, u]:
                    near[count, 0], near[count, 1] = offsets[k, 0], offsets[k, 1]
                    count += 1
                    if count == most:
                        break
            if count == 0:
                continue
            for i in range(count):
                for j in range(i + 1):
                    factor[i, j] = covariance[
                        abs(near[i, 0] - near[j, 0]), abs(near[i, 1] - near[j, 1])
                    ]
                weights[i] = covariance[abs(near[i, 0]), abs(near[i, 1])]
                ones[i] = np.float32(1)
            factorise(factor, count)
            solve(factor, count, weights)
            solve(factor, count, ones)
            lacking, total = np.float32(1), np.float32(0)
            for i in range(count):
                lacking -= weights[i]
                total += ones[i]
            for c in range(channels):
                value = np.float32(0)
                for i in range(count):
                    weight = weights[i] + ones[i] * (lacking / total)
                    value += weight * planes[c, y + near[i, 0], x + near[i, 1]]
                filled[c, row, x] = value


class Grouping(NamedTuple):
    """The settings of `complete`."""

    top: int
    """First row of the picture in `total`."""
    side: int
    """Rows and columns of a patch."""
    reach: int
    """Search radius for similar patches, in pixels."""
    size: int
    """Patches in a group."""
    share: int
    """Number of patches of a group that are estimated, the nearest ones."""
    whole: bool
    """Whether completely known patches are estimated, too."""
    ridge: np.float32
    """r: variance that the covariance does not model, including the noise. At least `ROUNDING`
    times the trace of the covariance is used."""


@kernel
def complete(
    estimate: Floats,
    observed: Floats,
    known: Flags,
    places: Integers,
    total: Floats,
    weight: Floats,
    grouping: Grouping,
) -> None:
    """Estimate patches from their known samples and the mean and covariance of their group.

    For every place, the patches of `estimate` nearest to the one there form a group, and the
    `share` nearest of them are estimated (see the module) and added to `total`. Distances are
    measured on the first channel; every channel has its own mean and covariance, so the channels
    should be decorrelated. Unless `grouping.whole`, only the estimates of unknown samples are of
    use.

    Parameters
    ----------
    estimate : (channels, height, width) float32, the whole picture as estimated so far
    observed : (channels, height, width) float32, ignored where unknown
    known : (height, width) bool
    places : (n, 2) int64, top left corners of patches
    total : (channels, rows, width) float32, added to
    weight : (rows, width) float32, added to: the number of patches
    grouping : Grouping
    """
    channels, height, width = estimate.shape
    top, side, reach, size, share, whole, ridge = grouping
    dim = side * side
    window = np.empty((2 * reach + 1) ** 2, np.float32)
    distances = np.empty(size, np.float32)
    found = np.empty(size, np.int64)
    members = np.empty(share, np.int64)
    group = np.empty((size, dim), np.float32)
    centred = np.empty((share, dim), np.float32)
    mean = np.empty(dim, np.float32)
    covariance = np.empty((dim, dim), np.float32)
    factor = np.empty((dim, dim), np.float32)
    rows = np.zeros((dim, padded(dim)), np.float32)
    vector = np.zeros(padded(dim), np.float32)
    samples = np.empty(dim, np.int64)
    for p in range(places.shape[0]):
        row, column = places[p]
        count = min(size, _within(row, height - side, reach) * _within(column, width - side, reach))
        nearest(estimate[0], row, column, side, reach, window, found[:count], distances[:count])
        order = np.argsort(distances[:count], kind="mergesort")
        for c in range(channels):
            gather(estimate[c : c + 1], found[:count], side, group[:count])
            centre(group[:count], mean)
            np.dot(group[:count].T, group[:count], covariance)
            trace = np.float32(0)
            for i in range(dim):
                for j in range(dim):
                    covariance[i, j] *= np.float32(1) / np.float32(count)
                trace += covariance[i, i]
            least = ROUNDING * trace
            added = ridge if ridge > least else least
            estimated = 0
            for chosen in order[:share]:
                y, x = found[chosen] // width, found[chosen] % width
                patch, n_known, k = centred[estimated], 0, 0
                for v in range(y, y + side):
                    for u in range(x, x + side):
                        patch[k] = np.float32(0)
                        if known[v, u]:
                            samples[n_known], patch[k] = k, observed[c, v, u] - mean[k]
                            n_known += 1
                        k += 1
                if n_known == dim and not whole:
                    continue
                if whole:
                    _expect_all(covariance, added, samples[:n_known], factor, vector, patch)
                else:
                    _expect(covariance, added, samples[:n_known], rows, vector, patch)
                members[estimated] = found[chosen]
                estimated += 1
            whose = members[:estimated]
            scatter(centred, mean, np.float32(1), whose, side, top, total[c : c + 1])
            if c == 0:
                scatter_weight(np.float32(1), whose, side, top, weight)


@kernel
def _expect(
    covariance: Floats,
    added: Number,
    samples: Integers,
    rows: Floats,
    vector: Floats,
    patch: Floats,
) -> None:
    """z_U := C_UK (C_KK + r I)^-1 z_K of a patch that is 0 in U; `samples` are K."""
    for i in samples:
        row, line = rows[i], covariance[i]
        for k in range(patch.shape[0]):
            row[k] = line[k]
        row[i] += added
    for k in range(patch.shape[0]):
        vector[k] = patch[k]
    condition(rows, samples, vector)
    for k in range(patch.shape[0]):
        patch[k] = -vector[k]


@kernel(reorder=True)
def _expect_all(
    covariance: Floats,
    added: Number,
    samples: Integers,
    factor: Floats,
    vector: Floats,
    patch: Floats,
) -> None:
    """z := C_:K (C_KK + r I)^-1 z_K of a patch z; `samples` are K."""
    count = samples.shape[0]
    for i in range(count):
        line = covariance[samples[i]]
        for j in range(i + 1):
            factor[i, j] = line[samples[j]]
        factor[i, i] += added
        vector[i] = patch[samples[i]]
    factorise(factor, count)
    solve(factor, count, vector)
    patch[:] = np.float32(0)
    for i in range(count):
        line = covariance[samples[i]]
        for k in range(patch.shape[0]):
            patch[k] += vector[i] * line[k]


@kernel
def _within(place: int, last: int, reach: int) -> int:
    """Number of places from 0 to `last` within `reach` of `place`."""
    return min(last, place + reach) - max(0, place - reach) + 1
