"""Unrolled sparse coding."""

import numpy as np


def soft(values, thresholds):
    """Gregor & LeCun 2010: sign(v) max(|v| - t, 0)."""
    return np.sign(values) * np.maximum(np.abs(values) - thresholds, 0)


def corrected(planes, sigma, analysis, steps, gains, thresholds, synthesis, window):
    """Patch by patch: the inputs, the steps, the atoms, the average with the window."""
    unit = 25 / 255
    noisy, first, last, filtered = planes
    channels, height, width = noisy.shape
    side = len(window)
    level = sigma / unit
    estimate = (last + filtered) / 2
    middle = np.array([0.5] if channels == 1 else [0.5 * np.sqrt(3), 0, 0])[:, None, None]
    inputs = [noisy - estimate, last - filtered, estimate - middle, first - estimate]
    inputs = np.stack(inputs, axis=1).reshape(-1, height, width) / unit
    rows, columns = (sorted({*range(0, n - side + 1, 2), n - side}) for n in (height, width))
    total, weight = np.zeros_like(noisy), np.zeros((height, width))
    for y in rows:
        for x in columns:
            patch = inputs[:, y : y + side, x : x + side].reshape(len(inputs), -1)
            a = sum(patch[i] @ (analysis[0, i] + level * analysis[1, i]) for i in range(len(patch)))
            t = np.maximum(thresholds[:, 0] + level * thresholds[:, 1], 0)
            z = soft(a, t[0])
            for k in range(len(steps)):
                z = soft(z @ steps[k] + gains[k] * a, t[k + 1])
            correction = sum(z[i] * synthesis[i] for i in range(len(z)))
            total[:, y : y + side, x : x + side] += np.moveaxis(correction, 2, 0)
            weight[y : y + side, x : x + side] += window
    return estimate + unit * total / weight
