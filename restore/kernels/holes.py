"""Holes wider than a patch: every patch of the hole is matched with one of the known picture.

The filled picture minimises the distance of each patch that touches the hole to the nearest patch
of the known part, by alternating matching and averaging.

References
----------
Wexler, Shechtman & Irani, "Space-time completion of video", IEEE TPAMI 29(3), 2007.
Barnes et al., "PatchMatch: a randomized correspondence algorithm for structural image
editing", SIGGRAPH 2009.
Newson et al., "Non-local patch-based image inpainting", IPOL 7, 2017.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Flags, Floats, Integers, Number


@kernel(reorder=True)
def _distance(
    image: Floats, y: int, x: int, v: int, u: int, half: int, limit: Number, locality: Floats
) -> Number:
    """Cost of a match: squared difference of the patches at (y, x) and (v, u), plus locality cost.

    If the cost reaches `limit`, any number of at least `limit` is returned. `locality` is the cost
    of an infinite distance between the centres, and the squared distance that costs half as much.
    """
    square = np.float32((y - v) * (y - v) + (x - u) * (x - u))
    total = locality[0] * square / (square + locality[1])
    channels = image.shape[2]
    for dy in range(-half, half + 1):
        one = image[y + dy, x - half : x + half + 1]
        other = image[v + dy, u - half : u + half + 1]
        for dx in range(2 * half + 1):
            for c in range(channels):
                difference = one[dx, c] - other[dx, c]
                total += difference * difference
        if total >= limit:
            break
    return total


@kernel
def measure(
    image: Floats, targets: Integers, matches: Integers, costs: Floats, locality: Floats, half: int
) -> None:
    """Compute the costs of all matches again, after the image has changed.

        costs = |P_target - P_match|^2 + locality cost

    Parameters
    ----------
    image : (height, width, channels) float32
    targets : (n, 2) int64, centres of the patches that touch the hole
    matches : (height, width, 2) int32, centres of their matches
    costs : (height, width) float32, written
    locality : (2,) float32, see `_distance`
    half : int, (side - 1) / 2 of a patch
    """
    for t in range(targets.shape[0]):
        y, x = targets[t]
        costs[y, x] = _distance(
            image, y, x, matches[y, x, 0], matches[y, x, 1], half, np.float32(np.inf), locality
        )


@kernel
def improve(
    image: Floats,
    source: Flags,
    targets: Integers,
    matches: Integers,
    costs: Floats,
    locality: Floats,
    half: int,
    seed: int,
) -> None:
    """One sweep of PatchMatch: propagate the matches of neighbours, then search at random.

    Barnes et al. 2009, sections 3.2 and 3.3. Random candidates are drawn from windows around the
    current match whose radius halves from the whole picture to one pixel.

    Parameters
    ----------
    image : (height, width, channels) float32
    source : (height, width) bool, centres of completely known patches
    targets, matches, costs, locality, half
        As for `measure`; matches and costs are updated.
    seed : int, for the random search; if odd, the sweep runs from the last target to the first
    """
    height, width, _ = image.shape
    backward = seed % 2 == 1
    step = -1 if backward else 1
    n_targets = targets.shape[0]
    state = np.uint64(seed * 2 + 1)
    for i in range(n_targets):
        t = n_targets - 1 - i if backward else i
        y, x = targets[t]
        best, v, u = costs[y, x], matches[y, x, 0], matches[y, x, 1]
        for axis in range(2):
            near_y, near_x = (y - step, x) if axis == 0 else (y, x - step)
            if not (0 <= near_y < height and 0 <= near_x < width) or costs[near_y, near_x] < 0:
                continue
            to_y = matches[near_y, near_x, 0] + y - near_y
            to_x = matches[near_y, near_x, 1] + x - near_x
            if not (0 <= to_y < height and 0 <= to_x < width) or not source[to_y, to_x]:
                continue
            cost = _distance(image, y, x, to_y, to_x, half, best, locality)
            if cost < best:
                best, v, u = cost, to_y, to_x
        reach = max(height, width)
        while reach > 0:
            # a linear congruential generator; its high bits are the random ones
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            first = np.int64(state >> np.uint64(33))
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            second = np.int64(state >> np.uint64(33))
            low_y, high_y = max(half, v - reach), min(height - half, v + reach + 1)
            low_x, high_x = max(half, u - reach), min(width - half, u + reach + 1)
            to_y = low_y + first % (high_y - low_y)
            to_x = low_x + second % (high_x - low_x)
            if source[to_y, to_x]:
                cost = _distance(image, y, x, to_y, to_x, half, best, locality)
                if cost < best:
                    best, v, u = cost, to_y, to_x
            reach //= 2
        costs[y, x], matches[y, x, 0], matches[y, x, 1] = best, v, u


@kernel
def vote(
    image: Floats, pixels: Integers, matches: Integers, costs: Floats, values: Floats, half: int
) -> None:
    """Average the values that the matches of all patches over a pixel predict for it.

    A patch of cost e has the weight exp(-e / 2 s^2), where s^2 is the third quartile of the costs
    of the patches over the pixel (Newson et al. 2017, section 2.3).

    Parameters
    ----------
    image : (height, width, channels) float32
    pixels : (n, 2) int64
    matches, costs
        As for `measure`; costs are negative where there is no patch.
    values : (n, channels) float32, written
    half : int
        As for `measure`.
    """
    height, width, channels = image.shape
    side = 2 * half + 1
    over = np.empty(side * side, np.float32)
    from_y = np.empty(side * side, np.int64)
    from_x = np.empty(side * side, np.int64)
    for p in range(pixels.shape[0]):
        y, x = pixels[p]
        count, least = 0, np.float32(np.inf)
        for v in range(max(0, y - half), min(height, y + half + 1)):
            for u in range(max(0, x - half), min(width, x + half + 1)):
                if costs[v, u] < 0:
                    continue
                over[count] = costs[v, u]
                from_y[count] = matches[v, u, 0] + y - v
                from_x[count] = matches[v, u, 1] + x - u
                least = min(least, over[count])
                count += 1
        spread = np.sort(over[:count])[3 * count // 4] + np.float32(1e-6)
        total = np.float32(0)
        values[p] = np.float32(0)
        for k in range(count):
            weight = np.exp(np.float32(-0.5) * (over[k] - least) / spread)
            total += weight
            for c in range(channels):
                values[p, c] += weight * image[from_y[k], from_x[k], c]
        for c in range(channels):
            values[p, c] /= total


@kernel
def trace(pixels: Integers, matches: Integers, costs: Floats, origins: Integers, half: int) -> None:
    """Find the origin of each pixel in the match of the patch over it that has the lowest cost.

    Among patches of equal cost the first is taken.

    Parameters
    ----------
    pixels : (n, 2) int64
    matches, costs
        As for `vote`.
    origins : (height, width, 2) int64, written at the pixels
    half : int
        As for `measure`.
    """
    height, width = costs.shape
    for p in range(pixels.shape[0]):
        y, x = pixels[p]
        least = np.float32(np.inf)
        for v in range(max(0, y - half), min(height, y + half + 1)):
            for u in range(max(0, x - half), min(width, x + half + 1)):
                if 0 <= costs[v, u] < least:
                    least = costs[v, u]
                    origins[y, x, 0] = matches[v, u, 0] + y - v
                    origins[y, x, 1] = matches[v, u, 1] + x - u


@kernel
def peel(
    image: Floats,
    source: Flags,
    known: Flags,
    pixels: Integers,
    matches: Integers,
    locality: Floats,
    half: int,
    reach: int,
) -> None:
    """Match the patches at the rim of a hole, comparing their known pixels only.

    Parameters
    ----------
    image : (height, width, channels) float32
    source : (height, width) bool, centres of completely known patches
    known : (height, width) bool, pixels that have a value so far
    pixels : (n, 2) int64, centres of the patches to match
    matches : (height, width, 2) int32, written at pixels with a source within reach
    locality, half
        As for `measure`.
    reach : int, search radius in rows and columns
    """
    height, width, channels = image.shape
    for p in range(pixels.shape[0]):
        y, x = pixels[p]
        best = np.float32(np.inf)
        for v in range(max(half, y - reach), min(height - half, y + reach + 1)):
            for u in range(max(half, x - reach), min(width - half, x + reach + 1)):
                if not source[v, u]:
                    continue
                square = np.float32((y - v) * (y - v) + (x - u) * (x - u))
                cost = locality[0] * square / (square + locality[1])
                for dy in range(max(-half, -y), min(half, height - 1 - y) + 1):
                    for dx in range(max(-half, -x), min(half, width - 1 - x) + 1):
                        if known[y + dy, x + dx]:
                            for c in range(channels):
                                difference = image[y + dy, x + dx, c] - image[v + dy, u + dx, c]
                                cost += difference * difference
                    if cost >= best:
                        break
                if cost < best:
                    best = cost
                    matches[y, x, 0], matches[y, x, 1] = v, u
