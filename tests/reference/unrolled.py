"""Unrolled sparse coding."""

import numpy as np


def soft(values, thresholds):
    """Gregor & LeCun 2010: sign(v) max(|v| - t, 0)."""
    return np.sign(values) * np.maximum(np.abs(values) - thresholds, 0)


def grey(channels):
    """Middle grey in planes."""
    return np.array([0.5] if channels == 1 else [0.5 * np.sqrt(3), 0, 0])[:, None, None]


def corrected(planes, sigma, *weights):
    """The mean of the last two estimates, corrected by what the four inputs say."""
    noisy, first, last, filtered = planes
    estimate = (last + filtered) / 2
    inputs = [noisy - estimate, last - filtered, estimate - grey(len(noisy)), first - estimate]
    return coded(estimate, inputs, sigma, 2, *weights)


def coarse_to_fine(noisy, sigma, scales, *weights):
    """Half the size first; then what is missing from that, enlarged, in patches 4 pixels apart."""
    channels, height, width = noisy.shape
    estimate = grey(channels) + 0 * noisy
    if scales > 1:
        even = np.pad(noisy, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
        half = (even[:, ::2] + even[:, 1::2]) / 2
        half = coarse_to_fine(
            (half[..., ::2] + half[..., 1::2]) / 2, sigma / 2, scales - 1, *weights
        )
        places = [
            np.clip((np.arange(n) - 0.5) / 2, 0, m - 1)
            for n, m in zip(noisy.shape[1:], half.shape[1:])
        ]
        down = [
            np.interp(places[0], range(half.shape[1]), column)
            for column in half.transpose(0, 2, 1).reshape(-1, half.shape[1])
        ]
        tall = np.reshape(down, (channels, half.shape[2], height)).transpose(0, 2, 1)
        across = [
            np.interp(places[1], range(half.shape[2]), row)
            for row in tall.reshape(-1, half.shape[2])
        ]
        estimate = np.reshape(across, noisy.shape)
    border = len(weights[-1]) - 4
    ends = (0, 0), (border, border + -height % 4), (border, border + -width % 4)
    noisy, estimate = np.pad(noisy, ends, "reflect"), np.pad(estimate, ends, "reflect")
    inputs = [noisy - estimate, estimate - grey(channels)]
    result = coded(estimate, inputs, sigma, 4, *weights)
    return result[:, border : border + height, border : border + width]


def coded(estimate, inputs, sigma, stride, analysis, steps, gains, thresholds, synthesis, window):
    """Patch by patch: the inputs, the steps, the atoms, the average with the window."""
    unit = 25 / 255
    _, height, width = estimate.shape
    side = len(window)
    level = sigma / unit
    inputs = np.stack(inputs, axis=1).reshape(-1, height, width) / unit
    rows, columns = (sorted({*range(0, n - side + 1, stride), n - side}) for n in (height, width))
    total, weight = np.zeros_like(estimate), np.zeros((height, width))
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
