"""Groups of similar patches: matching, gathering as rows of a matrix, and scattering.

A patch is identified by its place, ``row * width + column`` of its top left corner. These are the
building blocks of all kernels on groups.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers, Number

#: One more than the bits of infinity, the largest possible distance.
NO_DISTANCE = np.int32(0x7F800001)


@kernel
def match(
    guide: Floats, rows: Integers, columns: Integers, side: int, reach: int, places: Integers
) -> None:
    """The patches nearest to each reference patch: smallest sum of squared differences.

    Parameters
    ----------
    guide : (height, width) float32
    rows, columns : (n,) int64
        Top left corners of the reference patches: all pairs of a row and a column.
    side, reach : int
        Side of a patch, and the largest shift searched.
    places : (rows * columns, size) int32, written
        The nearest patches, including the reference; among equally near ones the first. Patches
        whose distance is NaN are left out; the reference is repeated if too few remain.
    """
    window = np.empty((2 * reach + 1) ** 2, np.float32)
    distances = np.empty(places.shape[1], np.float32)
    for r in range(rows.shape[0]):
        for c in range(columns.shape[0]):
            found = places[r * columns.shape[0] + c]
            nearest(guide, rows[r], columns[c], side, reach, window, found, distances)


@kernel
def nearest(
    guide: Floats,
    row: int,
    column: int,
    side: int,
    reach: int,
    window: Floats,
    places: Integers,
    distances: Floats,
) -> None:
    """As `match`, for one reference patch; `distances` of the patches found are written, too.

    `window` is scratch for the distances of all patches within reach.
    """
    height, width = guide.shape
    top, bottom = max(0, row - reach), min(height - side, row + reach)
    left, right = max(0, column - reach), min(width - side, column + reach)
    across = right - left + 1
    count = (bottom - top + 1) * across
    for v in range(top, bottom + 1):
        line = window[(v - top) * across : (v - top + 1) * across]
        line[:] = np.float32(0)
        for y in range(side):
            patch_row = guide[row + y, column : column + side]
            _add_squares(guide[v + y, left : right + side], patch_row, line)
    own = (row - top) * across + column - left
    _smallest(window[:count], own, places)
    window[own] = np.float32(0)
    for k in range(places.shape[0]):
        distances[k] = window[places[k]]
        v = places[k] // across
        places[k] = (top + v) * width + left + places[k] - v * across


@kernel(reorder=True)
def _add_squares(line: Floats, patch_row: Floats, distances: Floats) -> None:
    """distances_k += sum_x (patch_row_x - line_{k + x})^2, three x at a time."""
    count = distances.shape[0]
    x = 0
    while x + 3 <= patch_row.shape[0]:
        first, second, third = patch_row[x], patch_row[x + 1], patch_row[x + 2]
        shifted = line[x : x + count + 2]
        for k in range(count):
            a, b, c = first - shifted[k], second - shifted[k + 1], third - shifted[k + 2]
            distances[k] += a * a + b * b + c * c
        x += 3
    while x < patch_row.shape[0]:
        first = patch_row[x]
        shifted = line[x : x + count]
        for k in range(count):
            a = first - shifted[k]
            distances[k] += a * a
        x += 1


@kernel
def _smallest(distances: Floats, own: int, chosen: Integers) -> None:
    """Indices of the smallest distances, `own` among them, as many as fit into `chosen`.

    The bits of non-negative floats have the same order as the floats: the limit between near and
    far is found by bisection, in which counting vectorises. The bits of NaN are not ordered, and
    may be negative: they are replaced by `NO_DISTANCE`, and never chosen.
    """
    bits = distances.view(np.int32)
    size = chosen.shape[0]
    below, limit = np.int32(-1), np.int32(0)
    for k in range(bits.shape[0]):
        bits[k] = bits[k] if 0 <= bits[k] < NO_DISTANCE else NO_DISTANCE
    bits[own] = -1
    for k in range(bits.shape[0]):
        limit = bits[k] if bits[k] > limit else limit
    while limit - below > 1:
        middle = below + (limit - below) // np.int32(2)
        count = np.int32(0)
        for k in range(bits.shape[0]):
            count += np.int32(bits[k] <= middle)
        if count < size:
            below = middle
        else:
            limit = middle
        if count == size:
            break
    taken = 0
    for k in range(bits.shape[0]):
        if bits[k] < limit and taken < size:
            chosen[taken] = k
            taken += 1
    for k in range(bits.shape[0]):
        if bits[k] == limit and limit < NO_DISTANCE and taken < size:
            chosen[taken] = k
            taken += 1
    for k in range(taken, size):
        chosen[k] = own


@kernel
def gather(planes: Floats, places: Integers, side: int, group: Floats) -> None:
    """The patches at `places` of (channels, height, width) planes as rows, channel by channel.

    Indices are unsigned here and in `scatter`: numba then makes no check for negative ones, and
    whole lines move at once.
    """
    height, width = planes.shape[1:]
    samples = planes.reshape(planes.size)
    for k in range(places.shape[0]):
        patch = group[k]
        at = np.uint64(0)
        for c in range(planes.shape[0]):
            start = np.uint64(c * height * width + places[k])
            for _ in range(side):
                for x in range(np.uint64(side)):
                    patch[at + x] = samples[start + x]
                at += np.uint64(side)
                start += np.uint64(width)


@kernel
def centre(group: Floats, mean: Floats) -> None:
    """Subtract the mean of the patches of a group from each, and write it."""
    size, dim = group.shape
    mean[:] = np.float32(0)
    for k in range(size):
        for j in range(dim):
            mean[j] += group[k, j]
    for j in range(dim):
        mean[j] /= np.float32(size)
    for k in range(size):
        for j in range(dim):
            group[k, j] -= mean[j]


@kernel
def scatter(
    centred: Floats,
    mean: Floats,
    confidence: Number,
    places: Integers,
    side: int,
    top: int,
    total: Floats,
) -> None:
    """Add the patches at `places`, times `confidence`, to (channels, rows, width) sums.

    `top` is the row of the picture at the first row of `total`.
    """
    height, width = total.shape[1:]
    sums = total.reshape(total.size)
    for k in range(places.shape[0]):
        patch = centred[k]
        at = np.uint64(0)
        for c in range(total.shape[0]):
            start = np.uint64((c * height - top) * width + places[k])
            for _ in range(side):
                for x in range(np.uint64(side)):
                    sums[start + x] += confidence * (patch[at + x] + mean[at + x])
                at += np.uint64(side)
                start += np.uint64(width)


@kernel
def scatter_weight(
    confidence: Number, places: Integers, side: int, top: int, weight: Floats
) -> None:
    """Add `confidence` to (rows, width) sums, for every sample of the patches at `places`."""
    width = weight.shape[1]
    for k in range(places.shape[0]):
        row, column = places[k] // width - top, places[k] % width
        for y in range(side):
            for x in range(side):
                weight[row + y, column + x] += confidence


@kernel
def mean_at(plane: Floats, places: Integers) -> Number:
    """Mean of a plane over the corners of a group's patches."""
    width = plane.shape[1]
    total = np.float32(0)
    for k in range(places.shape[0]):
        total += plane[places[k] // width, places[k] % width]
    return total / np.float32(places.shape[0])
