"""The nearest patches."""

import numpy as np


def nearest_patches(plane, corner, side, reach, size):
    """Corners of the patches with the smallest sums of squared differences, first ones first.

    `corner` itself is among them, and repeated where too few others have a distance.
    """
    height, width = plane.shape
    here = plane[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    found = []
    for y in range(max(0, corner[0] - reach), min(height - side, corner[0] + reach) + 1):
        for x in range(max(0, corner[1] - reach), min(width - side, corner[1] + reach) + 1):
            distance = ((plane[y : y + side, x : x + side] - here) ** 2).sum(dtype=float)
            if (y, x) == tuple(corner):
                found.append((-1, y, x))
            elif not np.isnan(distance):
                found.append((distance, y, x))
    nearest = [(y, x) for _, y, x in sorted(found)[:size]]
    return nearest + [tuple(corner)] * (size - len(nearest))
