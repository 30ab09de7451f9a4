"""Groups of similar patches, coded over atoms learned on each group.

A group is a set of n similar patches. Its optimal atoms are its principal components: with the
group's patches, minus their mean m, as the rows of Y, they are the eigenvectors of Y'Y / n. A patch
is coded over them, every coefficient is shrunk by a gain between 0 and 1 that depends on the energy
l of its atom and on the variance s of the noise, and the patch is reconstructed. In three
equations:

    K = Y Y' / n,     M = (I + K / t)^-1,     X = m + gain(M) Y.

K has the same nonzero eigenvalues as Y'Y / n, and Y f(Y'Y) = f(Y Y') Y; it is the smaller of the
two, and both gains below are rational functions of it, so no eigenvector is ever computed. M has
the eigenvalues t / (l + t), the share of t in each energy.

`shrink` learns from the noisy patches themselves, whose energies include the noise, and has to
separate atoms of noise (l about s) from atoms of the picture (l >> t, a multiple of s):

    gain = I - M M (3 I - 2 M).

The smooth step 3 m^2 - 2 m^3 makes the decision sharper; the result is close to a weighted
threshold of singular values. `wiener` learns from the group P in an estimate of the picture, with t
= s, and its gain is the best linear one, l / (l + s):

    K = P P' / n,     X = m + Y P' M P / (n s).

References
----------
Mairal, Bach, Ponce, Sapiro & Zisserman, "Non-local sparse models for image restoration",
ICCV 2009, section 3 (similar patches share their atoms).
Dong, Shi & Li, "Nonlocal image restoration with bilateral variance estimation: a low-rank
approach", IEEE TIP 22(2), 2013; Gu, Zhang, Zuo & Feng, "Weighted nuclear norm minimization
with application to image denoising", CVPR 2014 (shrinking the group's singular values).
Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM J. Imaging
Sciences 6(3), 2013 (the covariance filter in two steps).
Palser & Manolopoulos, "Canonical purification of the density matrix in electronic-structure
theory", Phys. Rev. B 58, 1998 (the smooth step of a matrix).
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.linear import invert
from restore.kernels.similar import centre, gather, mean_at, scatter, scatter_weight
from restore.typing import Floats, Integers, Number

#: Share of a group's energy above the rounding error of float32, and an energy that counts as 0.
ROUNDING, LEAST = np.float32(1e-6), np.float32(1e-20)


@kernel
def shrink(
    plane: Floats,
    variances: Floats,
    places: Integers,
    side: int,
    threshold: Number,
    total: Floats,
    weight: Floats,
) -> None:
    """Code groups over the atoms learned on themselves: gain = I - M M (3 I - 2 M).

    Parameters
    ----------
    plane : (height, width) float32
    variances : (height, width) float32
        Variance of the noise in the patch with that top left corner; the magnitude of its mean over
        a group is used.
    places : (n_groups, size) int32
        From `restore.kernels.similar.match`.
    side : int
    threshold : float32
        t in variances of the noise.
    total : (rows, width) float32, added to
        The weighted patches, summed, for the rows that the groups touch.
    weight : (rows, width) float32, added to
        The weights, at the top left corner of their patch.
    """
    groups, size = places.shape
    dim = side * side
    group = np.empty((size, dim), np.float32)
    coded = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    share = np.empty((size, size), np.float32)
    square = np.empty((size, size), np.float32)
    gain = np.empty((size, size), np.float32)
    planes = plane.reshape(1, *plane.shape)
    sums = total.reshape(1, *total.shape)
    top = places.min() // plane.shape[1]
    for g in range(groups):
        gather(planes, places[g], side, group)
        centre(group, mean)
        _noise_share(group, threshold * abs(mean_at(variances, places[g])), share)
        np.dot(share, share, square)
        for i in range(size):
            for j in range(size):
                share[i, j] *= np.float32(2)
            share[i, i] -= np.float32(3)
        np.dot(square, share, gain)
        for i in range(size):
            gain[i, i] += np.float32(1)
        np.dot(gain, group, coded)
        confidence = _confidence(gain)
        scatter(coded, mean, confidence, places[g], side, top, sums)
        scatter_weight(confidence, places[g], 1, top, weight)


@kernel
def wiener(
    plane: Floats,
    pilot: Floats,
    variances: Floats,
    places: Integers,
    side: int,
    total: Floats,
    weight: Floats,
) -> None:
    """Code groups of `plane` over atoms learned on `pilot`: gain l / (l + s).

    Parameters
    ----------
    plane, pilot : (height, width) float32
        The noisy plane and an estimate of it.
    variances, places, side, total, weight
        As in `shrink`.
    """
    groups, size = places.shape
    dim = side * side
    shown = np.empty((size, dim), np.float32)
    group = np.empty((size, dim), np.float32)
    mean = np.empty(dim, np.float32)
    share = np.empty((size, size), np.float32)
    product = np.empty((size, size), np.float32)
    codes = np.empty((size, size), np.float32)
    planes, pilots = plane.reshape(1, *plane.shape), pilot.reshape(1, *pilot.shape)
    sums = total.reshape(1, *total.shape)
    top = places.min() // plane.shape[1]
    for g in range(groups):
        gather(pilots, places[g], side, shown)
        centre(shown, mean)
        scale = _noise_share(shown, abs(mean_at(variances, places[g])), share)
        gather(planes, places[g], side, group)
        centre(group, mean)
        np.dot(group, shown.T, product)
        np.dot(product, share, codes)
        for i in range(size):
            for j in range(size):
                codes[i, j] *= scale
                share[i, j] = -share[i, j]
            share[i, i] += np.float32(1)
        np.dot(codes, shown, group)
        confidence = _confidence(share)
        scatter(group, mean, confidence, places[g], side, top, sums)
        scatter_weight(confidence, places[g], 1, top, weight)


@kernel
def _noise_share(group: Floats, threshold: Number, share: Floats) -> Number:
    """M = (I + K / t)^-1, and the 1 / (n t) that was used, with t at least the rounding error."""
    size = group.shape[0]
    np.dot(group, group.T, share)
    energy = LEAST
    for i in range(size):
        energy += share[i, i]
    least = ROUNDING * energy
    threshold *= np.float32(size)
    scale = np.float32(1) / (threshold if threshold > least else least)
    for i in range(size):
        for j in range(size):
            share[i, j] *= scale
        share[i, i] += np.float32(1)
    invert(share)
    return scale


@kernel(reorder=True)
def _confidence(gain: Floats) -> Number:
    """Weight of a group's patches: 1 / (1 + |gain|^2), less the more of the noise passes."""
    passed = np.float32(1)
    for i in range(gain.shape[0]):
        for j in range(gain.shape[1]):
            passed += gain[i, j] * gain[i, j]
    return np.float32(1) / passed


@kernel
def window_sums(plane: Floats, side: int, direction: int, first: int, sums: Floats) -> None:
    """Sums of the windows that begin (direction 1) or end (-1) at every pixel of some rows.

        sums_ij = sum_{y, x < side} plane_{first + i + direction y, j + direction x}

    Beyond the plane everything is 0.

    Parameters
    ----------
    plane : (height, width) float32
    side, direction, first : int
    sums : (rows, width) float32, written
    """
    height, width = plane.shape
    down = np.empty(width, np.float32)
    for i in range(sums.shape[0]):
        for j in range(width):
            down[j] = plane[first + i, j]
        for k in range(1, side):
            row = first + i + direction * k
            if 0 <= row < height:
                for j in range(width):
                    down[j] += plane[row, j]
        line = sums[i]
        for j in range(width):
            line[j] = down[j]
        for k in range(1, side):
            begun, ended = (0, k) if direction > 0 else (k, 0)
            for j in range(width - k):
                line[begun + j] += down[ended + j]
