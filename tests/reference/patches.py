"""Patches."""

import numpy as np


def extracted(image, patch_shape, rows, columns):
    """Elad & Aharon 2006, eq. 4: R_p x for every place, samples in the order y, x, channel."""
    height, width, _ = patch_shape
    return np.array([image[y : y + height, x : x + width].ravel() for y in rows for x in columns])


def aggregated(patches, weights, patch_shape, rows, columns, shape):
    """sum_p R_p^T w_p x_p and sum_p R_p^T w_p."""
    height, width, _ = patch_shape
    total, weight = np.zeros(shape), np.zeros(shape[:2])
    places = [(y, x) for y in rows for x in columns]
    for (y, x), patch, w in zip(places, patches, weights, strict=True):
        total[y : y + height, x : x + width] += w * patch.reshape(patch_shape)
        weight[y : y + height, x : x + width] += w
    return total, weight


def centred(patches, channels):
    """Every channel of every patch less its mean, and the means."""
    planes = patches.reshape(len(patches), -1, channels)
    means = planes.mean(axis=1)
    return (planes - means[:, None]).reshape(patches.shape), means
