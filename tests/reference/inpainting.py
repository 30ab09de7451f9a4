"""Inpainting of samples."""

import numpy as np


def kriged(plane, known, y, x, radius, most, power):
    """Matheron 1973: the pixel from the nearest known ones, by the bordered system."""
    places = [
        (v, u)
        for v in range(max(0, y - radius), min(plane.shape[0], y + radius + 1))
        for u in range(max(0, x - radius), min(plane.shape[1], x + radius + 1))
        if known[v, u]
    ]
    places.sort(key=lambda place: (place[0] - y) ** 2 + (place[1] - x) ** 2)
    places = places[:most]
    matrix = np.zeros((len(places) + 1, len(places) + 1))
    right = np.ones(len(places) + 1)
    for i, (v, u) in enumerate(places):
        for j, (w, t) in enumerate(places):
            matrix[i, j] = -(np.hypot(v - w, u - t) ** power)
        matrix[i, -1] = matrix[-1, i] = 1
        right[i] = -(np.hypot(v - y, u - x) ** power)
    weights = np.linalg.solve(matrix, right)[:-1]
    return sum(weight * plane[place] for weight, place in zip(weights, places))


def completed(estimate, observed, known, places, side, reach, size, share, ridge):
    """Yu, Sapiro & Mallat 2012, one Gaussian per group: sums of patches, and their number."""
    channels, height, width = estimate.shape
    total = np.zeros((channels, height, width))
    weight = np.zeros((height, width))
    for y, x in places:
        wanted = estimate[0, y : y + side, x : x + side]
        found = []
        for v in range(max(0, y - reach), min(height - side, y + reach) + 1):
            for u in range(max(0, x - reach), min(width - side, x + reach) + 1):
                patch = estimate[0, v : v + side, u : u + side]
                found.append((np.sum((patch - wanted) ** 2), v, u))
        found = sorted(found)[:size]
        for c in range(channels):
            group = np.array(
                [estimate[c, v : v + side, u : u + side].ravel() for _, v, u in found], float
            )
            mean = group.mean(axis=0)
            covariance = (group - mean).T @ (group - mean) / len(group)
            added = max(ridge, 1e-6 * np.trace(covariance))
            for _, v, u in found[:share]:
                here = known[v : v + side, u : u + side].ravel()
                samples = observed[c, v : v + side, u : u + side].ravel()
                inverse = np.linalg.inv(
                    covariance[np.ix_(here, here)] + added * np.eye(np.count_nonzero(here))
                )
                patch = mean + covariance[:, here] @ inverse @ (samples - mean)[here]
                total[c, v : v + side, u : u + side] += patch.reshape(side, side)
                if c == 0:
                    weight[v : v + side, u : u + side] += 1
    return total, weight
