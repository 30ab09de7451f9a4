"""Groups of similar patches."""

import itertools

import numpy as np


def window_sums(plane, side, direction):
    """Sums of the windows that begin (1) or end (-1) at each pixel; 0 beyond the plane."""
    height, width = plane.shape
    sums = np.zeros((height, width))
    for i, j, y, x in itertools.product(range(height), range(width), range(side), range(side)):
        row, column = i + direction * y, j + direction * x
        if 0 <= row < height and 0 <= column < width:
            sums[i, j] += plane[row, column]
    return sums


def coded_groups(plane, pilot, variances, places, side, threshold):
    """Groups coded over their principal components, each with its gain, and averaged."""
    plane = plane.astype(float)
    total, weight = np.zeros_like(plane), np.zeros_like(plane)
    for group in places:
        corners = [divmod(int(place), plane.shape[1]) for place in group]

        def patches(source, corners=corners):
            return np.array([source[y : y + side, x : x + side].ravel() for y, x in corners])

        noise = patches(variances.astype(float)).mean()
        shown = patches(plane if pilot is None else pilot.astype(float))
        shown = shown - shown.mean(axis=0)
        energies, atoms = np.linalg.eigh(shown.T @ shown / len(shown))
        if pilot is None:
            step = energies / (energies + threshold * noise)
            gains = 3 * step**2 - 2 * step**3
        else:
            gains = energies / (energies + noise)
        noisy = patches(plane)
        mean = noisy.mean(axis=0)
        codes = (noisy - mean) @ atoms
        estimates = mean + (codes * gains) @ atoms.T
        confidence = 1 / (1 + (gains**2).sum())
        for (y, x), estimate in zip(corners, estimates, strict=True):
            total[y : y + side, x : x + side] += confidence * estimate.reshape(side, side)
            weight[y : y + side, x : x + side] += confidence
    return total / weight
