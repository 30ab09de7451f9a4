"""Anchored regressions."""

import numpy as np


def turned(window, pose):
    """One of the eight rotations and reflections: mirrored across, down, then transposed."""
    if pose & 1:
        window = window[:, ::-1]
    if pose & 2:
        window = window[::-1]
    if pose & 4:
        window = window.T
    return window


def turned_windows(plane, moments, step, side, rows, columns):
    """Each window without its mean, in the pose of its moments; and which pose that was."""
    windows, turns = [], []
    for i in range(rows):
        for j in range(columns):
            window = plane[i * step : i * step + side, j * step : j * step + side]
            window = window.astype(np.float64) - window.mean(dtype=np.float64)
            across, down, centre = (moments.reshape(3, side, side) * window).sum(axis=(1, 2))
            turn = 0
            if centre < 0:
                window, across, down, turn = -window, -across, -down, 8
            turn += (across < 0) + 2 * (down < 0) + 4 * (abs(down) > abs(across))
            windows.append(turned(window, turn & 7).ravel())
            turns.append(turn)
    return np.array(windows), np.array(turns)


def turned_patches(plane, turns, step, side, columns):
    """The patches of a lattice in given poses."""
    patches = []
    for n, turn in enumerate(turns):
        top, left = n // columns * step, n % columns * step
        patch = turned(plane[top : top + side, left : left + side], turn & 7)
        patches.append((-1 if turn & 8 else 1) * patch.ravel())
    return np.array(patches)


def anchored(features, compared, anchors, regressions, sharpness):
    """A+ (Timofte 2014), equation 5, with the two nearest anchors, blended by a softmax."""
    outputs = []
    for feature, row in zip(features, compared):
        scores = -0.5 * ((anchors - row) ** 2).sum(axis=1)
        order = np.argsort(-scores, kind="stable")[:2]
        shares = np.exp(sharpness * (scores[order] - scores[order[0]]))
        shares /= shares.sum()
        outputs.append(sum(w * feature @ regressions[k] for w, k in zip(shares, order)))
    return np.array(outputs)
