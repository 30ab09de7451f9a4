"""Smoothing of block borders."""

import numpy as np


def smoothed(plane, thresholds, frequencies=1.0):
    """Coifman & Donoho 1995 on eight grids of 8 x 8 blocks: threshold, weigh, average.

    `thresholds` of each cell of 8 x 8 pixels, that of a block where its middle lies, times
    `frequencies` (8, 8).
    """
    height, width = plane.shape
    padded = np.pad(plane.astype(np.float64), 8, "symmetric")
    rows = np.arange(8)
    dct = np.cos(np.pi * rows[:, None] * (2 * rows + 1) / 16) / 2
    dct[0] /= np.sqrt(2)
    total, weights = np.zeros((2, *padded.shape))
    for dy, dx in ((0, 0), (2, 2), (4, 4), (6, 6), (1, 5), (5, 1), (3, 7), (7, 3)):
        for y in range(dy, padded.shape[0] - 7, 8):
            for x in range(dx, padded.shape[1] - 7, 8):
                codes = dct @ padded[y : y + 8, x : x + 8] @ dct.T
                cell = [
                    min(max(at - 4, 0) // 8, count - 1)
                    for at, count in zip((y, x), thresholds.shape)
                ]
                threshold = thresholds[tuple(cell)] * frequencies
                gains = ((np.abs(codes) / threshold - 0.8) / 0.4).clip(0, 1)
                gains[0, 0] = 1
                weight = 1 / gains.sum()
                total[y : y + 8, x : x + 8] += weight * (dct.T @ (gains * codes) @ dct)
                weights[y : y + 8, x : x + 8] += weight
    return (total / weights)[8 : 8 + height, 8 : 8 + width]
