"""Resizing."""

import numpy as np


def resized(plane, height, width):
    """Keys 1981: each sample a normalised sum over all samples of the mirrored plane."""

    def kernel(distance):
        distance = abs(distance)
        if distance <= 1:
            return 1.5 * distance**3 - 2.5 * distance**2 + 1
        if distance < 2:
            return -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        return 0.0

    def along_first_axis(plane, new):
        old = len(plane)
        stretch = min(new / old, 1.0)
        result = np.zeros((new, plane.shape[1]))
        for i in range(new):
            centre = (i + 0.5) * old / new - 0.5
            total = 0.0
            for position in range(-4 * old, 5 * old):
                weight = kernel((centre - position) * stretch)
                source = position % (2 * old)
                source = min(source, 2 * old - 1 - source)
                result[i] += weight * plane[source]
                total += weight
            result[i] /= total
        return result

    return along_first_axis(along_first_axis(plane, height).T, width).T
