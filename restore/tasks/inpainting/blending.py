"""Poisson blending: removes the seams between pixels that were copied from different places.

Neighbouring pixels copied from different places may differ in brightness, as in a plain sky that is
brighter at one of the places. The gradients at these places do fit. The picture that has these
gradients, in the sense of least squares, and agrees with the known pixels around the hole is the
solution of Poisson's equation (Perez, Gangnet & Blake, "Poisson image editing", ACM Transactions on
Graphics 22(3), 2003). Large differences are edges between objects: they have low weights and stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import linalg

from restore.imaging import bands
from restore.typing import Array, Flags, Floats, Integers

#: Misfit of a gradient, in [0, 1], at which its weight is one half; larger ones are edges.
EDGE = 0.05

#: Local activity at which misfits are halved, because texture hides seams; and the side of the
#: window in which activity is measured.
BUSY, AROUND = 0.025, 7

#: Relative tolerance of the conjugate gradients.
LEFT = 1e-4

#: Weight of the squared correction itself: pixels surrounded by edges are not corrected.
STAY = 1e-6


def blended(image: Floats, hole: Flags, origins: Integers) -> Floats:
    """Fill a hole with copies of the pixels at given origins, blended without seams.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Only samples outside the hole are used.
    hole : (height, width) bool ndarray
    origins : (height, width, 2) int ndarray
        Row and column of the known pixel that each pixel is a copy of; for known pixels their own.

    Returns
    -------
    (height, width, channels) float32 ndarray

    Notes
    -----
    Let f be the copies. The correction u is 0 outside the hole and minimises
    sum_pq w_pq (u_q - u_p - d_pq)^2 over neighbours p and q. The misfit d_pq is the correction that
    the gradient f_q - f_p needs to agree with the gradients at the origins; it is reduced in
    textured areas. The weights are w_pq = 1 / (1 + (max |d_pq| / EDGE)^4).
    """
    filled = image[origins[..., 0], origins[..., 1]]
    numbers = np.full(hole.shape, -1)
    numbers[hole] = np.arange(np.count_nonzero(hole))
    busy = _activity(image, hole)[origins[..., 0], origins[..., 1]]
    ends, misfits = [], []
    for axis in (0, 1):
        one, other = _neighbours(numbers, axis)
        within = np.maximum(one, other) >= 0
        hidden = 1 + (np.maximum(*_neighbours(busy, axis)) / BUSY) ** 4
        ends.append(np.stack([one[within], other[within]]))
        misfits.append((_misfits(image, filled, hole, origins, axis) / hidden[..., None])[within])
    ends, misfits = np.concatenate(ends, axis=1), np.concatenate(misfits)
    roots = 1 / np.sqrt(1 + (np.abs(misfits).max(axis=1) / EDGE) ** 4)
    change = _differences(ends, roots, int(np.count_nonzero(hole)))
    normal = change.T @ change + STAY * sparse.identity(change.shape[1])
    with bands.one_blas_thread:
        for channel in range(image.shape[2]):
            wanted = change.T @ (roots * misfits[:, channel])
            correction, _ = linalg.cg(normal, wanted, rtol=LEFT, maxiter=4 * sum(hole.shape))
            filled[hole, channel] += correction.astype(np.float32)
    return filled


def _neighbours(values: Array, axis: int) -> tuple[Array, Array]:
    """The values of all pixels but the last, and of all but the first, along an axis."""
    size = values.shape[axis]
    return np.take(values, range(size - 1), axis), np.take(values, range(1, size), axis)


def _differences(ends: Integers, roots: Floats, count: int) -> Any:
    """The matrix of the weighted differences of all pairs of pixels; -1 marks a known pixel."""
    pairs = np.arange(len(roots))
    parts = [(sign * roots[end >= 0], pairs[end >= 0], end[end >= 0])
             for sign, end in zip((-1, 1), ends, strict=True)]  # fmt: skip
    values, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), (len(roots), count))


def _activity(image: Floats, hole: Flags) -> Floats:
    """Mean absolute gradient of the known pixels around each pixel."""
    total, count = np.zeros(hole.shape), np.zeros(hole.shape)
    for axis in (0, 1):
        change = np.abs(np.diff(image, axis=axis)).max(axis=2)
        known = ~np.logical_or(*_neighbours(hole, axis))
        inner = tuple(slice(0, n) for n in known.shape)
        total[inner] += np.where(known, change, 0)
        count[inner] += known
    total, count = (ndimage.uniform_filter(part, AROUND) for part in (total, count))
    return total / np.maximum(count, 1e-3)


def _misfits(image: Floats, filled: Floats, hole: Flags, origins: Integers, axis: int) -> Floats:
    """The correction that the gradient of each pixel along the axis needs to fit its origins.

    A gradient fits if it lies in the interval spanned by 0 and the gradients at both origins.
    """
    size = hole.shape[axis]
    step = np.eye(2, dtype=int)[axis]
    actual = np.diff(filled, axis=axis)
    low, high = np.zeros_like(actual), np.zeros_like(actual)
    for start, sign in ((0, 1), (1, -1)):
        here = np.take(origins, range(start, size - 1 + start), axis)
        there = here + sign * step
        known = (there[..., axis] >= 0) & (there[..., axis] < size)
        there = np.where(known[..., None], there, here)
        known &= ~hole[there[..., 0], there[..., 1]]
        change = sign * (image[there[..., 0], there[..., 1]] - image[here[..., 0], here[..., 1]])
        change[~known] = 0
        np.minimum(low, change, out=low)
        np.maximum(high, change, out=high)
    return np.clip(actual, low, high) - actual
