"""Mosaics: red filters at even rows and columns."""

import numpy as np


def tentative(m):
    """Hamilton & Adams 1997 along one row: the mean of the neighbours, corrected."""
    found = np.full(len(m), np.nan)
    for j in range(2, len(m) - 2):
        found[j] = (m[j - 1] + m[j + 1]) / 2 + (2 * m[j] - m[j - 2] - m[j + 2]) / 4
    return found


def residual_interpolated(m):
    """Kiku et al. 2014 along one row: an affine guess, its residual interpolated."""
    n = len(m)
    guide = np.full(n, np.nan)
    guide[1:-1] = (m[:-2] + m[2:]) / 2

    def bend(values, k):
        return 2 * values[k] - values[k - 2] - values[k + 2]

    def fitted(centre, start):
        """Slope and shift of the colour measured at start, start + 2, ... near the centre."""
        measured = [k for k in range(centre - 5, centre + 6) if (k - start) % 2 == 0]
        top = sum(bend(m, k) * bend(guide, k) for k in measured)
        low = sum(bend(guide, k) ** 2 + 1e-10 for k in measured)
        slope = top / low
        return slope, np.mean([m[k] for k in measured]) - slope * np.mean(
            [guide[k] for k in measured]
        )

    residual, found = np.full(n, np.nan), np.full(n, np.nan)
    for j in range(13, n - 13):
        slope, shift = np.mean([fitted(c, j) for c in range(j - 5, j + 6)], axis=0)
        residual[j] = m[j] - (slope * guide[j] + shift)
    for j in range(14, n - 14):
        slope, shift = np.mean([fitted(c, j + 1) for c in range(j - 5, j + 6)], axis=0)
        found[j] = slope * m[j] + shift + (residual[j - 1] + residual[j + 1]) / 2
    return found


def green_differences(m, along, down):
    """Green minus the other colour, from four directions weighted by their smoothness."""
    sign = np.where(np.add.outer(*map(np.arange, m.shape)) % 2, -1, 1)
    rows, columns = sign * (along - m), sign * (down - m)
    found = np.full(m.shape, np.nan)
    for i in range(5, m.shape[0] - 5):
        for j in range(5, m.shape[1] - 5):
            top = low = 0
            for vertical, step in ((0, -1), (0, 1), (1, -1), (1, 1)):
                plane = columns if vertical else rows
                rough = 0
                for ahead in range(5):
                    for aside in range(-2, 3):
                        y, x = (step * ahead, aside) if vertical else (aside, step * ahead)
                        dy, dx = (1, 0) if vertical else (0, 1)
                        rough += abs(plane[i + y + dy, j + x + dx] - plane[i + y - dy, j + x - dx])
                mean = 0
                for ahead, weight in enumerate((0.56, 0.35, 0.08, 0.01)):
                    y, x = (step * ahead, 0) if vertical else (0, step * ahead)
                    mean += weight * plane[i + y, j + x]
                top += mean / (rough**2 + 1e-10)
                low += 1 / (rough**2 + 1e-10)
            found[i, j] = top / low
    return found


def colours_from_differences(m, difference):
    """Red, green, blue: green minus the mean difference of the nearest red or blue samples."""
    height, width = m.shape
    found = np.full((3, height, width), np.nan)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            green = m[i, j] + (0 if (i + j) % 2 else difference[i, j])
            found[1, i, j] = green
            for channel, phase in ((0, 0), (2, 1)):
                near = [
                    difference[y, x]
                    for y in (i - 1, i, i + 1)
                    for x in (j - 1, j, j + 1)
                    if y % 2 == phase and x % 2 == phase
                ]
                found[channel, i, j] = green - np.mean(near)
    return found


def guided_chroma(m, green):
    """Kiku et al. 2014 in the plane: red and blue as affine functions of green, residual added."""
    found = np.full((3, *m.shape), np.nan)
    for channel, phase in ((0, 0), (2, 1)):
        own, guide = m[phase::2, phase::2], green[phase::2, phase::2]
        rows, columns = own.shape

        def bent(q):
            bend = np.full(q.shape, np.nan)
            bend[1:-1, 1:-1] = (
                4 * q[1:-1, 1:-1] - q[:-2, 1:-1] - q[2:, 1:-1] - q[1:-1, :-2] - q[1:-1, 2:]
            )
            return bend

        def boxed(q):
            sums = np.full(q.shape, np.nan)
            for i in range(2, q.shape[0] - 2):
                for j in range(2, q.shape[1] - 2):
                    sums[i, j] = q[i - 2 : i + 3, j - 2 : j + 3].mean()
            return sums

        a, b = bent(own), bent(guide)
        slope = boxed(a * b) / (boxed(b * b) + 1e-10 / 25)
        shift = boxed(own) - slope * boxed(guide)
        slope, shift = boxed(slope), boxed(shift)
        residual = own - slope * guide - shift
        for i in range(12, m.shape[0] - 12):
            for j in range(12, m.shape[1] - 12):
                ys = [(y - phase) // 2 for y in (i - 1, i, i + 1) if (y - phase) % 2 == 0]
                xs = [(x - phase) // 2 for x in (j - 1, j, j + 1) if (x - phase) % 2 == 0]
                mean = [
                    np.mean([plane[y, x] for y in ys for x in xs])
                    for plane in (slope, shift, residual)
                ]
                found[channel, i, j] = mean[0] * green[i, j] + mean[1] + mean[2]
    return found
