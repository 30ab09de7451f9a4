"""Groups of similar colour patches of a mosaic, each group modelled as a Gaussian.

The Gaussian of a group has a mean m and a covariance C over the colours of all samples of a patch.
A patch is estimated from two observations: an earlier estimate o of all its samples, whose errors
have the variances v, and the samples y that the mosaic measured, with errors of variance e. With

    C = Z' Z / n + p diag(v),

where Z are the patches of the group in the best estimate so far, minus their mean, and p is the
share of the error variance that is missing in Z, the expected patch is computed in two steps, as in
a Kalman filter. The first step is the same for all patches of the group,

    x = m + C (C + diag(v))^-1 (o - m),      P = C - C (C + diag(v))^-1 C
                                               = diag(v) - diag(v) (C + diag(v))^-1 diag(v),

and the second is the same for all patches with the same measured colours, the samples M,

    x + P_:M (P_MM + e I)^-1 (y - x_M).

References
----------
Yu, Sapiro & Mallat, "Solving inverse problems with piecewise linear estimators: from
Gaussian mixture models to structured sparsity", IEEE TIP 21(5), 2012, equations 7-10.
Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013 (one Gaussian per group of similar patches).
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.linear import invert
from restore.kernels.similar import centre, gather, mean_at, scatter, scatter_weight
from restore.typing import Floats, Integers

#: Side of a patch: a constant, so that loops over its rows are unrolled.
SIDE = 4


class Mosaic(NamedTuple):
    """The measured samples, and an earlier estimate of all colours with its error variances."""

    samples: np.ndarray
    """(height, width) float32, y."""
    error: np.float32
    """e, above 0."""
    colours: np.ndarray
    """(period, period) int64: index of the measured colour, by row and column modulo the period."""
    estimate: np.ndarray
    """(3, height, width) float32, o."""
    variances: np.ndarray
    """(3, height, width) float32, v by the top left corner of a patch, above 0: for each colour its
    mean over a group is used."""
    prior: np.float32
    """p."""


@kernel
def complete(
    shown: Floats,
    mosaic: Mosaic,
    places: Integers,
    top: int,
    total: Floats,
    weight: Floats,
) -> None:
    """Estimate all patches of all groups and add them up, weighted by 1 / trace(P).

    Parameters
    ----------
    shown : (3, height, width) float32
        The best estimate so far, from which the Gaussians are computed.
    mosaic : Mosaic
    places : (n_groups, size) int32
        As `restore.kernels.similar.match` gives them, for patches of `SIDE`.
    top : int
        The first row of `total`.
    total : (3, rows, width) float32, added to
    weight : (rows, width) float32, added to
        The weights.
    """
    measured, error, colours, estimate, variances, prior = mosaic
    size = places.shape[1]
    width = shown.shape[2]
    area = SIDE * SIDE
    dim = 3 * area
    group = np.empty((size, dim), np.float32)
    coded = np.empty((size, dim), np.float32)
    known = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    spread = np.empty(dim, np.float32)
    covariance = np.empty((dim, dim), np.float32)
    inner = np.empty((area, area), np.float32)
    lines = np.empty((area, dim), np.float32)
    gains = np.empty((area, dim), np.float32)
    members = np.empty(size, np.int64)
    residuals = np.empty((size, area), np.float32)
    corrections = np.empty((size, dim), np.float32)
    period = colours.shape[0]
    samples = np.empty((period * period, area), np.int64)
    for phase in range(period * period):
        for k in range(area):
            y, x = phase // period + k // SIDE, phase % period + k % SIDE
            samples[phase, k] = colours[y % period, x % period] * area + k
    for g in range(places.shape[0]):
        group_places = places[g]
        gather(shown, group_places, SIDE, group)
        centre(group, mean)
        gather(estimate, group_places, SIDE, known)
        for k in range(size):
            for i in range(dim):
                known[k, i] -= mean[i]
        for c in range(variances.shape[0]):
            spread[c * area : (c + 1) * area] = mean_at(variances[c], group_places)
        np.dot(group.T, group, covariance)
        for i in range(dim):
            for j in range(dim):
                covariance[i, j] *= np.float32(1) / np.float32(size)
            covariance[i, i] += (np.float32(1) + prior) * spread[i]
        invert(covariance)
        np.dot(known, covariance, coded)
        for k in range(size):
            for i in range(dim):
                coded[k, i] = known[k, i] - spread[i] * coded[k, i]
        left = np.float32(0)
        for i in range(dim):
            for j in range(dim):
                covariance[i, j] *= -spread[i] * spread[j]
            covariance[i, i] += spread[i]
            left += covariance[i, i]
        for phase in range(period * period):
            own, count = samples[phase], 0
            for k in range(size):
                row, column = group_places[k] // width, group_places[k] % width
                if row % period * period + column % period == phase:
                    patch, i = coded[k], 0
                    for y in range(SIDE):
                        line = measured[row + y, column : column + SIDE]
                        for x in range(SIDE):
                            residuals[count, i] = line[x] - mean[own[i]] - patch[own[i]]
                            i += 1
                    members[count] = k
                    count += 1
            if count == 0:
                continue
            for i in range(area):
                lines[i] = covariance[own[i]]
                for j in range(area):
                    inner[i, j] = lines[i, own[j]]
                inner[i, i] += error
            invert(inner)
            np.dot(inner, lines, gains)
            np.dot(residuals[:count], gains, corrections[:count])
            for k in range(count):
                for i in range(dim):
                    coded[members[k], i] += corrections[k, i]
        scatter(coded, mean, np.float32(1) / left, group_places, SIDE, top, total)
        scatter_weight(np.float32(1) / left, group_places, SIDE, top, weight)
