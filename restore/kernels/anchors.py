"""Anchored regression: normalised windows, regressions of the nearest anchors, patches.

Timofte, De Smet, Van Gool, "A+: Adjusted anchored neighborhood regression for fast
super-resolution", ACCV 2014. The windows are brought into a canonical pose first, so that an anchor
serves a pattern and all its rotations, reflections and negatives.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers, Number


@kernel(reorder=True)
def turned_windows(
    plane: Floats,
    poses: Integers,
    moments: Floats,
    step: int,
    side: int,
    columns: int,
    windows: Floats,
    turns: Integers,
) -> None:
    """The windows of a lattice, without their mean, each in its canonical pose.

    The pose has a positive moment against moments[2] (else the window is negated), and
    moments m0 >= |m1| ... >= 0 against moments[0] and [1] (else it is mirrored or
    transposed): one of sixteen symmetries, which aligns similar patterns.

    Parameters
    ----------
    plane : (height, width) float32 array
        Window (i, j) starts at (i * step, j * step).
    poses : (8, side**2) int32 array
        Sample k of a window in pose p is sample poses[p, k] of the plane's window.
    moments : (3, side**2) float32 array
    step, side, columns : int
        Stride of the windows, their side, and their number per row.
    windows : (n_windows, side**2) float32 array
        Filled, row by row of the lattice.
    turns : (n_windows,) int8 array
        Filled with the pose, plus 8 where negated.
    """
    dim = side * side
    samples = np.empty(dim, np.float32)
    for n in range(len(windows)):
        top = n // columns * step
        left = n % columns * step
        mean = np.float32(0)
        for i in range(side):
            for j in range(side):
                value = plane[top + i, left + j]
                samples[i * side + j] = value
                mean += value
        mean /= np.float32(dim)
        horizontal = np.float32(0)
        vertical = np.float32(0)
        centre = np.float32(0)
        for k in range(dim):
            value = samples[k] - mean
            samples[k] = value
            horizontal += moments[0, k] * value
            vertical += moments[1, k] * value
            centre += moments[2, k] * value
        sign = np.float32(1)
        turn = 0
        if centre < 0:
            sign = np.float32(-1)
            horizontal = -horizontal
            vertical = -vertical
            turn = 8
        if horizontal < 0:
            turn |= 1
        if vertical < 0:
            turn |= 2
        if abs(vertical) > abs(horizontal):
            turn |= 4
        turns[n] = turn
        pose = turn & 7
        for k in range(dim):
            windows[n, k] = sign * samples[poses[pose, k]]


@kernel
def _place(n: int, columns: int, step: int, turn: int) -> tuple[int, int, Number, int]:
    """Top left corner of patch n, and the sign and the pose of its turn."""
    sign = np.float32(-1 if turn & 8 else 1)
    return n // columns * step, n % columns * step, sign, turn & 7


@kernel
def turned_patches(
    plane: Floats,
    poses: Integers,
    turns: Integers,
    step: int,
    side: int,
    columns: int,
    patches: Floats,
) -> None:
    """The patches of a lattice, turned as `turned_windows` turned their windows.

    Parameters
    ----------
    plane : (height, width) float32 array
        Patch (i, j) starts at (i * step, j * step).
    poses : (8, side**2) int32 array
    turns : (n_patches,) int8 array
    step, side, columns : int
    patches : (n_patches, side**2) float32 array
        Filled.
    """
    for n in range(len(patches)):
        top, left, sign, pose = _place(n, columns, step, turns[n])
        for k in range(side * side):
            source = poses[pose, k]
            patches[n, k] = sign * plane[top + source // side, left + source % side]


@kernel
def add_turned_patches(
    patches: Floats,
    poses: Integers,
    turns: Integers,
    step: int,
    side: int,
    columns: int,
    plane: Floats,
) -> None:
    """Turn patches back and add them at their positions: the adjoint of `turned_patches`.

    Parameters
    ----------
    patches : (n_patches, side**2) float32 array
    poses, turns, step, side, columns
        As for `turned_patches`.
    plane : (height, width) float32 array
        Added to.
    """
    for n in range(len(patches)):
        top, left, sign, pose = _place(n, columns, step, turns[n])
        for k in range(side * side):
            target = poses[pose, k]
            plane[top + target // side, left + target % side] += sign * patches[n, k]


@kernel(reorder=True)
def normalise_rows(rows: Floats, floor: Number) -> None:
    """Divide each row by its norm plus `floor`: directions, not contrasts, are compared.

    Parameters
    ----------
    rows : (n_rows, dim) float32 array
        Changed in place.
    floor : float
    """
    for n in range(len(rows)):
        energy = np.float32(0)
        for k in range(rows.shape[1]):
            energy += rows[n, k] * rows[n, k]
        factor = np.float32(1) / (np.sqrt(energy) + np.float32(floor))
        for k in range(rows.shape[1]):
            rows[n, k] *= factor


@kernel
def two_best_columns(scores: Floats, sharpness: Number, nearest: Integers, shares: Floats) -> None:
    """The two anchors nearest to each row, and the weight of the first in the prediction.

    With scores s_k = f.a_k - |a_k|**2 / 2 the highest is the nearest anchor (A+, section 3);
    the shares are a softmax of the two: 1 / (1 + exp(-sharpness (s_1 - s_2))). Ties go to
    the lowest column; of one column both are the same.

    Parameters
    ----------
    scores : (n_rows, n_anchors) float32 array
        Positive: their bits are compared as integers, which is four times as fast. The
        highest of each row is set to zero.
    sharpness : float
    nearest : (n_rows, 2) int32 array
        Filled.
    shares : (n_rows,) float32 array
        Filled, with 0.5 to 1.
    """
    count = np.int32(scores.shape[1])
    for n in range(len(scores)):
        row = scores[n].view(np.int32)
        for place in range(2):
            best = row[0]
            for k in range(count):
                value = row[k]
                best = value if value > best else best
            first = count
            for k in range(count):
                here = np.int32(k) if row[k] == best else count
                first = here if here < first else first
            nearest[n, place] = first
            if place == 0:
                shares[n] = scores[n, first]
                row[first] = 0
        behind = shares[n] - scores[n, nearest[n, 1]]
        shares[n] = np.float32(1) / (np.float32(1) + np.exp(-np.float32(sharpness) * behind))


@kernel(reorder=True)
def apply_regressions(
    features: Floats, nearest: Integers, shares: Floats, regressions: Floats, outputs: Floats
) -> None:
    """outputs[n] = features[n] (w R_k + (1 - w) R_l) with k, l = nearest[n], w = shares[n].

    Anchored regression (A+, equation 5), blended over the border between two anchors.

    Parameters
    ----------
    features : (n_rows, n_features) float32 array
    nearest : (n_rows, 2) int32 array
    shares : (n_rows,) float32 array
    regressions : (n_anchors, n_features, n_outputs) float32 array
    outputs : (n_rows, n_outputs) float32 array
        Filled.
    """
    for n in range(len(features)):
        first = regressions[nearest[n, 0]]
        second = regressions[nearest[n, 1]]
        share = shares[n]
        for k in range(outputs.shape[1]):
            outputs[n, k] = 0
        for j in range(features.shape[1]):
            one = features[n, j] * share
            other = features[n, j] - one
            for k in range(outputs.shape[1]):
                outputs[n, k] += one * first[j, k] + other * second[j, k]
