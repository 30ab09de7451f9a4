"""Learned stages of demosaicing: features choose a regression, which corrects an estimate.

The kernels work on strips as those of `restore.kernels.mosaic` do: sample (0, 0) lies under a
red filter of the pattern RGGB, and sample (i, j) is green where i + j is odd.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.mosaic import TINY
from restore.typing import Floats, Integers

#: Added to denominators that are sums of many samples.
SMALL = np.float32(1e-5)


@kernel
def missing_colours(colour: Floats, missing: Floats) -> None:
    """Of full colour (3, h, w) only the two planes that were not measured, (2, h, w).

    At red and blue samples: green, then the opposite colour; at green samples: the colour
    measured along the row, then the one measured along the column. The measured samples
    are in the mosaic.
    """
    height, width = colour.shape[1:]
    for i in range(height):
        row = 2 * (i & 1)
        for j in range(width):
            missing[0, i, j] = colour[row if (i + j) & 1 else 1, i, j]
            missing[1, i, j] = colour[2 - row, i, j]


@kernel
def full_colour(mosaic: Floats, missing: Floats, colour: Floats) -> None:
    """The inverse of `missing_colours`: the planes red, green, blue."""
    height, width = mosaic.shape
    for i in range(height):
        row = 2 * (i & 1)
        for j in range(width):
            if (i + j) & 1:
                colour[row, i, j] = missing[0, i, j]
                colour[1, i, j] = mosaic[i, j]
            else:
                colour[row, i, j] = mosaic[i, j]
                colour[1, i, j] = missing[0, i, j]
            colour[2 - row, i, j] = missing[1, i, j]


@kernel
def _box(values: Floats, radius: int, columns: Floats, sums: Floats) -> None:
    """Sums of `values` over squares of side 2 radius + 1; `columns` is scratch."""
    height, width = values.shape
    for i in range(radius, height - radius):
        total = columns[i]
        middle = values[i]
        for j in range(width):
            total[j] = middle[j]
        for k in range(1, radius + 1):
            above = values[i - k]
            below = values[i + k]
            for j in range(width):
                total[j] += above[j] + below[j]
        out = sums[i]
        for j in range(radius, width - radius):
            out[j] = total[j]
        for k in range(1, radius + 1):
            for j in range(radius, width - radius):
                out[j] += total[j - k] + total[j + k]


@kernel
def direction_features(mosaic: Floats, along: Floats, down: Floats, features: Floats) -> None:
    """Three features of the directional differences of a strip.

    |across - down| of the two tentative estimates; the ratio and the minimum of the variation of
    the differences along rows and along columns, over 5 x 5 samples.
    """
    height, width = mosaic.shape
    rows = np.zeros((height, width), np.float32)
    columns = np.zeros((height, width), np.float32)
    scratch = np.zeros((height, width), np.float32)
    sums = np.zeros((2, height, width), np.float32)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            # the sign of a difference alternates, so neighbours two apart share it
            rows[i, j] = abs(
                (along[i, j + 1] - mosaic[i, j + 1]) - (along[i, j - 1] - mosaic[i, j - 1])
            )
            columns[i, j] = abs(
                (down[i + 1, j] - mosaic[i + 1, j]) - (down[i - 1, j] - mosaic[i - 1, j])
            )
    _box(rows, 2, scratch, sums[0])
    _box(columns, 2, scratch, sums[1])
    for i in range(height):
        for j in range(width):
            features[0, i, j] = abs(along[i, j] - down[i, j])
            across, upright = sums[0, i, j], sums[1, i, j]
            features[1, i, j] = (across + SMALL) / (upright + SMALL)
            features[2, i, j] = across if across < upright else upright


@kernel
def _cell_sums(mosaic: Floats, missing: Floats, other: Floats, sums: Floats, radius: int) -> None:
    """Sums over squares of 2 x 2 cells, (8, cells, cells).

    The squared distance of two estimates, the squared gradient of green, then for red and
    for blue the energies of the second differences of the colour and of green where it is
    measured, and their product.
    """
    rows, columns = mosaic.shape[0] // 2, mosaic.shape[1] // 2
    terms = np.zeros((8, rows, columns), np.float32)
    scratch = np.zeros((rows, columns), np.float32)
    four = np.float32(4)
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            y, x = 2 * i, 2 * j
            distance = np.float32(0)
            for a in range(2):
                for b in range(2):
                    for e in range(2):
                        d = missing[e, y + a, x + b] - other[e, y + a, x + b]
                        distance += d * d
            terms[0, i, j] = distance
            # green: measured at (0, 1) and (1, 0) of the cell, estimated at the others
            a = mosaic[y, x + 1] - mosaic[y, x - 1]
            b = mosaic[y + 1, x] - mosaic[y - 1, x]
            c = mosaic[y + 1, x + 2] - mosaic[y + 1, x]
            d = mosaic[y + 2, x + 1] - mosaic[y, x + 1]
            terms[1, i, j] = (a * a + b * b) + (c * c + d * d)
            for phase in range(2):
                u, v = y + phase, x + phase
                own = four * mosaic[u, v] - (
                    (mosaic[u - 2, v] + mosaic[u + 2, v]) + (mosaic[u, v - 2] + mosaic[u, v + 2])
                )
                green = four * missing[0, u, v] - (
                    (missing[0, u - 2, v] + missing[0, u + 2, v])
                    + (missing[0, u, v - 2] + missing[0, u, v + 2])
                )
                terms[2 + 3 * phase, i, j] = own * own
                terms[3 + 3 * phase, i, j] = green * green
                terms[4 + 3 * phase, i, j] = own * green
    for k in range(8):
        _box(terms[k], radius, scratch, sums[k])


@kernel
def region_features(mosaic: Floats, missing: Floats, other: Floats, features: Floats) -> None:
    """Nine features of the surroundings, the same for all stages, at every sample of a strip.

    Over 17 x 17 cells: the distance of two estimates, the gradient of green, and how well
    green explains the second differences of the row's colour and of the other one, as
    squared correlation and as error; over 5 x 5 cells: the two colours' mean distance from
    green, and the mean of green.
    """
    height, width = mosaic.shape
    rows, columns = height // 2, width // 2
    sums = np.zeros((8, rows, columns), np.float32)
    _cell_sums(mosaic, missing, other, sums, 8)
    scratch = np.zeros((rows, columns), np.float32)
    levels = np.zeros((3, rows, columns), np.float32)
    means = np.zeros((3, rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            y, x = 2 * i, 2 * j
            levels[0, i, j] = mosaic[y, x] - missing[0, y, x]
            levels[1, i, j] = missing[0, y, x]
            levels[2, i, j] = mosaic[y + 1, x + 1] - missing[0, y + 1, x + 1]
    for k in range(3):
        _box(levels[k], 2, scratch, means[k])
    for i in range(2 * rows):
        row = i & 1
        for j in range(2 * columns):
            u, v = i >> 1, j >> 1
            features[0, i, j] = sums[0, u, v]
            features[1, i, j] = sums[1, u, v]
            for k in range(2):  # the row's colour, the other
                phase = (row + k) & 1
                own, green, both = (
                    sums[2 + 3 * phase, u, v],
                    sums[3 + 3 * phase, u, v],
                    sums[4 + 3 * phase, u, v],
                )
                features[2 + k, i, j] = both * abs(both) / (own * green + TINY)
                features[4 + k, i, j] = (own + green - both - both) / (green + SMALL)
                features[6 + k, i, j] = means[2 * phase, u, v]
            features[8, i, j] = means[1, u, v]


@kernel
def local_features(mosaic: Floats, missing: Floats, other: Floats, features: Floats) -> None:
    """Thirteen features of the current estimate at every sample of a strip.

    Of green over 5 x 5 samples: direction (two numbers) and energy of the gradient; the
    distance of two estimates over 3 x 3 samples, for each missing colour; over 5 x 5 cells
    that distance, its ratio to the gradient, and how well green explains the second
    differences of the row's colour and of the other one: squared correlation, gain, error.
    """
    height, width = mosaic.shape
    rows, columns = height // 2, width // 2
    green = np.zeros((height, width), np.float32)
    terms = np.zeros((5, height, width), np.float32)
    sums = np.zeros((5, height, width), np.float32)
    scratch = np.zeros((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            green[i, j] = mosaic[i, j] if (i + j) & 1 else missing[0, i, j]
            terms[3, i, j] = abs(missing[0, i, j] - other[0, i, j])
            terms[4, i, j] = abs(missing[1, i, j] - other[1, i, j])
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            a = green[i, j + 1] - green[i, j - 1]
            b = green[i + 1, j] - green[i - 1, j]
            terms[0, i, j] = a * a
            terms[1, i, j] = b * b
            terms[2, i, j] = a * b
    for k in range(5):
        _box(terms[k], 2 if k < 3 else 1, scratch, sums[k])
    cells = np.zeros((8, rows, columns), np.float32)
    _cell_sums(mosaic, missing, other, cells, 2)
    for i in range(2 * rows):
        row = i & 1
        for j in range(2 * columns):
            u, v = i >> 1, j >> 1
            a, b, c = sums[0, i, j], sums[1, i, j], sums[2, i, j]
            features[0, i, j] = (a + SMALL) / (b + SMALL)
            features[1, i, j] = c / (a + b + SMALL)
            features[2, i, j] = a + b
            features[3, i, j] = sums[3, i, j]
            features[4, i, j] = sums[4, i, j]
            features[5, i, j] = cells[0, u, v]
            features[6, i, j] = cells[0, u, v] / (a + b + SMALL)
            for k in range(2):
                phase = (row + k) & 1
                own, guide, both = (
                    cells[2 + 3 * phase, u, v],
                    cells[3 + 3 * phase, u, v],
                    cells[4 + 3 * phase, u, v],
                )
                features[7 + k, i, j] = both * abs(both) / (own * guide + TINY)
                features[9 + k, i, j] = (own + SMALL) / (guide + SMALL)
                features[11 + k, i, j] = (own + guide - both - both) / (guide + SMALL)


@kernel
def local_means(mosaic: Floats, missing: Floats, colour: Floats, means: Floats) -> None:
    """Binomial means over 5 x 5 samples of the row's colour, green and the other, (3, h, w)."""
    height, width = mosaic.shape
    four = np.float32(4)
    six = np.float32(6)
    scale = np.float32(1 / 256)
    full_colour(mosaic, missing, colour)
    columns = np.zeros(width, np.float32)
    for channel in range(3):
        plane = colour[channel]
        for i in range(2, height - 2):
            for j in range(width):
                columns[j] = (
                    six * plane[i, j]
                    + four * (plane[i - 1, j] + plane[i + 1, j])
                    + (plane[i - 2, j] + plane[i + 2, j])
                )
            out = means[channel if i & 1 == 0 else 2 - channel, i]
            for j in range(2, width - 2):
                out[j] = scale * (
                    six * columns[j]
                    + four * (columns[j - 1] + columns[j + 1])
                    + (columns[j - 2] + columns[j + 2])
                )


@kernel
def flattened(nodes: Floats) -> tuple[Integers, Floats, Integers, Integers, int]:
    """Trees to descend without branches: features, thresholds, children, leaves, and the depth.

    A leaf is its own child: nothing exceeds its threshold, NaN.
    """
    features = np.zeros(len(nodes), np.uint32)
    thresholds = np.full(len(nodes), np.nan, np.float32)
    children = np.zeros(len(nodes), np.uint32)
    numbers = np.zeros(len(nodes), np.uint32)
    depths = np.zeros(len(nodes), np.int64)
    deepest = 0
    for n in range(len(nodes)):  # children come after parents
        if nodes[n, 0] < 0:
            children[n] = n
            numbers[n] = int(nodes[n, 2])
            deepest = max(deepest, depths[n])
        else:
            features[n] = int(nodes[n, 0])
            thresholds[n] = nodes[n, 1]
            children[n] = int(nodes[n, 2])
            depths[children[n]] = depths[children[n] + 1] = depths[n] + 1
    return features, thresholds, children, numbers, deepest


@kernel
def choose(features: Floats, trees: tuple, i: int, leaves: Integers) -> None:
    """The leaves of a row of samples, each in the tree of its kind: 0 at red and blue, 1 at green.

    A node is (feature, threshold, first child), the second child is next to the first; a
    leaf is (-1, 0, number). The trees' roots are the nodes 0 and 1; `trees` is from `flattened`.
    All samples descend together, so that the processor waits neither for branches nor for loads.
    """
    own, thresholds, children, numbers, depth = trees
    for j in range(len(leaves)):
        leaves[j] = (i + j) & 1
    for _ in range(depth):
        for j in range(len(leaves)):
            node = leaves[j]
            leaves[j] = children[node] + np.uint32(features[own[node], i, j] >= thresholds[node])
    for j in range(len(leaves)):
        leaves[j] = numbers[leaves[j]]


@kernel
def _runs(planes: Floats, radii: Integers) -> Integers:
    """The windows in runs of four samples, (runs, 2).

    Where each starts in the raveled planes, relative to the sample, and among the inputs.
    """
    height, width = planes.shape[1:]
    count = 0
    for radius in radii:
        count += (2 * radius + 1) * ((2 * radius + 4) // 4)
    runs = np.zeros((count, 2), np.int64)
    run, start = 0, 0
    for k in range(len(radii)):
        radius = radii[k]
        for y in range(-radius, radius + 1):
            for x in range(0, 2 * radius + 1, 4):
                runs[run, 0] = (k * height + y) * width + x - radius
                runs[run, 1] = start + x
                run += 1
            start += 2 * radius + 1
    return runs


@kernel
def gather(samples: Floats, place: int, runs: Integers, inputs: Floats) -> None:
    """The windows around a sample of the raveled planes, one after the other.

    What a run has beyond its window, at most three samples, the next run overwrites, and after the
    last one the caller, with the local means. Unsigned indices spare numba the check for negative
    ones, and so four samples move at once.
    """
    for run in range(len(runs)):
        a = np.uint64(place + runs[run, 0])
        n = np.uint64(runs[run, 1])
        first, second = samples[a], samples[a + np.uint64(1)]
        third, fourth = samples[a + np.uint64(2)], samples[a + np.uint64(3)]
        inputs[n], inputs[n + np.uint64(1)] = first, second
        inputs[n + np.uint64(2)], inputs[n + np.uint64(3)] = third, fourth


@kernel(reorder=True)
def regress(
    planes: Floats,
    means: Floats,
    features: Floats,
    nodes: Floats,
    weights: Floats,
    radii: Integers,
    margin: int,
    estimate: Floats,
) -> None:
    """Correct the estimates of a strip by the regression that its features choose.

    ``estimate = current + W x``: x are the windows of the mosaic and of the estimates
    around the sample (Timofte, De Smet & Van Gool 2014, anchored regression, with a tree in
    the place of the anchors). The first three planes are current; W has two rows, for the missing
    colours, or three, if the measured one is noisy.
    """
    height, width = planes.shape[1:]
    leaves, outputs, count = weights.shape
    inputs = np.zeros(count, np.float32)
    chosen = np.zeros(width, np.uint32)
    trees = flattened(nodes)
    runs = _runs(planes, radii)
    samples = planes.ravel()
    for i in range(margin, height - margin):
        choose(features, trees, i, chosen)
        for j in range(margin, width - margin):
            leaf = chosen[j]
            gather(samples, i * width + j, runs, inputs)
            for k in range(3):
                inputs[count - 3 + k] = means[k, i, j]
            for k in range(3 - outputs, 3):
                row = k - 3 + outputs
                correction = np.float32(0)
                for n in range(count):
                    correction += weights[leaf, row, n] * inputs[n]
                estimate[k, i - margin, j - margin] = planes[k, i, j] + correction


@kernel
def gather_many(
    planes: Floats,
    means: Floats,
    radii: Integers,
    rows: Integers,
    columns: Integers,
    inputs: Floats,
) -> None:
    """`gather` and the local means for each of many samples, (samples, inputs)."""
    samples = planes.ravel()
    runs = _runs(planes, radii)
    count = inputs.shape[1]
    for s in range(len(rows)):
        gather(samples, rows[s] * planes.shape[2] + columns[s], runs, inputs[s])
        for k in range(3):
            inputs[s, count - 3 + k] = means[k, rows[s], columns[s]]


@kernel
def choose_many(features: Floats, nodes: Floats, kind: int, leaves: Integers) -> None:
    """`choose` for each row of features (samples, features), all samples of one kind."""
    for s in range(len(features)):
        node = kind
        while nodes[node, 0] >= 0:
            k = int(nodes[node, 0])
            child = int(nodes[node, 2])
            node = child if features[s, k] < nodes[node, 1] else child + 1
        leaves[s] = int(nodes[node, 2])
