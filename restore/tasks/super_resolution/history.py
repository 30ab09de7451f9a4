"""Estimating how a picture was made small, from the picture.

Every way of making pictures small affects the statistics of neighbouring pixels: sharpening, blur,
aliasing. They are measured where the picture has most detail; a network of two hidden layers,
learned on photographs made small in all these ways, gives the probability of each.
"""

import functools

import numpy as np

from restore.imaging import archive
from restore.imaging.network import Network
from restore.tasks.super_resolution.correction import OFFSETS, REACH, correction
from restore.typing import Floats

#: The ways that are distinguished, as for `correction`.
WAYS = (
    "bicubic", "area", "gaussian:0.8", "gaussian:1.2", "gaussian:1.8",
    "sharpened:0.25", "sharpened:0.5", "sharpened:1", "sharpened:1.7", "nearest",
)  # fmt: skip

#: Prior: image programs interpolate, so the first way is this many times as frequent as in
#: learning.
_USUAL = 3.0

#: Share of the pixels, those with most local detail, that are measured; samples of a spectrum.
_SHARE, _LENGTH = 0.3, 16

#: Side of the windows in which detail is measured.
_SIDE = 5

#: Energy that counts as zero, in squared samples of [0, 1]: that of rounding.
_NONE = 1 / (12 * 255**2)

#: Pictures with a shorter side have too few pixels for an estimate; of larger ones this many rows
#: and columns in the middle are measured, which bounds the memory.
_LEAST, _MOST = 72, 768

KIND = "history of small pictures"


@functools.cache
def packaged() -> Network:
    """The network that comes with the package."""
    return Network.load(archive.packaged_path("history"), KIND, (None, len(WAYS)))


def likely_correction(
    plane: Floats, scale: int, network: Network | None = None
) -> tuple[Floats | None, dict[str, float]]:
    """The filter that is best on average over how a picture may have been made small.

    Parameters
    ----------
    plane : (height, width) float32 ndarray
        The brightness of the small picture, in [0, 1].
    scale : int
        How many times it is to be enlarged.
    network : Network, optional
        The packaged one by default.

    Returns
    -------
    kernel : (7, 7) float64 ndarray or None
        None if there is probably nothing to correct, or the picture is too small for an estimate.
    chances : dict
        The probability of each of `WAYS`.

    Notes
    -----
    With g_w the Wiener filter for way w (`correction`) and P(w) its probability, the filter of
    least mean squared error over the ways is sum_w P(w) g_w. A picture that looks blurred may be
    soft in itself, and sharpening that does more harm than leaving a blur: for blurs g_w is the
    identity.
    """
    if min(plane.shape) < _LEAST:
        return None, {}
    outputs = (network or packaged())(features(plane, scale)[None])[0].astype(np.float64)
    chances = np.exp(outputs - outputs.max())
    chances[0] *= _USUAL
    chances /= chances.sum()
    told = dict(zip(WAYS, map(float, chances), strict=True))
    left = np.array([way == WAYS[0] or way.startswith("gaussian") for way in WAYS])
    if chances[left].sum() >= chances[~left].max():
        return None, told
    identity = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    identity[REACH, REACH] = 1
    kernel = np.zeros_like(identity)
    for way, chance, alone in zip(WAYS, chances, left, strict=True):
        kernel += chance * (identity if alone else correction(way, WAYS[0], scale))
    return kernel, told


def features(plane: Floats, scale: int) -> Floats:
    """Inputs of the network: (n_features,) float32."""
    middle = tuple(
        slice(max(0, n - _MOST) // 2, max(0, n - _MOST) // 2 + _MOST) for n in plane.shape
    )
    plane = plane[middle].astype(np.float64)
    variance = _means(np.square(plane)) - np.square(_means(plane))
    local = np.sqrt(np.maximum(variance, 0))
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    busy = local[inner] >= np.quantile(local[inner], 1 - _SHARE)
    return np.concatenate([
        _predicted(plane, busy), _differences(plane, busy), _spectrum(plane, local),
        [np.log(scale), np.log(local.mean() + 0.01)],
    ]).astype(np.float32)  # fmt: skip


def _means(plane: Floats) -> Floats:
    """Means over windows of `_SIDE`, the plane mirrored beyond its border.

    As scipy.ndimage.uniform_filter, whose import takes longer than the rest of a small picture.
    """
    for _ in range(2):
        ends = np.pad(plane, ((0, 0), (_SIDE // 2, _SIDE // 2)), "symmetric")
        sums = np.pad(ends.cumsum(axis=1), ((0, 0), (1, 0)))
        plane = ((sums[:, _SIDE:] - sums[:, :-_SIDE]) / _SIDE).T
    return plane


def _predicted(plane: Floats, busy: Floats) -> Floats:
    """Symmetric coefficients that predict a pixel from those around it, and the error.

    The least squares of x = sum_k a_k (mean of the pixels at places k), over the pixels with
    detail.
    """
    rows, columns = np.nonzero(busy)
    corners = rows * plane.shape[1] + columns
    sums = np.zeros((len(corners), len(OFFSETS)), order="F")  # each neighbour, less x
    total = squares = 0.0
    for y, x in np.ndindex(OFFSETS.shape[1:]):
        values = plane.take(corners + (y * plane.shape[1] + x))
        for k in np.flatnonzero(OFFSETS[:, y, x]):
            sums[:, k] += OFFSETS[k, y, x] * values
        total += values.sum()
        squares += values @ values
    count = len(corners) * OFFSETS[0].size
    variance = squares / count - (total / count) ** 2
    # all but one: the last follows, since they sum to 1
    middle = sums[:, :1] / -OFFSETS[0, REACH, REACH]
    others = sums[:, 1:] / -OFFSETS[1:, REACH, REACH] - middle
    normal = others.T @ others + 1e-9 * len(others) * np.eye(others.shape[1])
    found = np.linalg.solve(normal, -others.T @ middle[:, 0])
    error = np.mean((middle[:, 0] + others @ found) ** 2)
    return np.concatenate([found, [np.log((error + _NONE) / (variance + _NONE))]])


def _differences(plane: Floats, busy: Floats) -> Floats:
    """Mean squares of differences of rising order, each relative to the one before."""
    inner, energies = np.s_[REACH:-REACH, REACH:-REACH], []
    powers, kurtoses = [plane, plane], []
    for _ in range(4):
        powers = [np.diff(part, axis=axis, append=part.take([-1], axis))
                  for axis, part in enumerate(powers)]  # fmt: skip
        squares = np.square(np.concatenate([part[inner][busy] for part in powers]))
        energy = np.mean(squares) + _NONE
        energies.append(energy)
        kurtoses.append(np.log(np.mean(np.square(squares)) + _NONE**2) - 2 * np.log(energy))
    return np.concatenate([np.diff(np.log(energies)), kurtoses])


def _spectrum(plane: Floats, local: Floats) -> Floats:
    """Logarithms of the mean power of rows and columns, the busier ones, by frequency."""
    window, found = np.hanning(_LENGTH), []
    for part, busy in ((plane, local), (plane.T, local.T)):
        lines = np.lib.stride_tricks.sliding_window_view(part, _LENGTH, axis=1)[:, ::4]
        weight = np.lib.stride_tricks.sliding_window_view(busy, _LENGTH, axis=1)[:, ::4].mean(2)
        chosen = lines[weight >= np.quantile(weight, 1 - _SHARE)]
        chosen = (chosen - chosen.mean(axis=1, keepdims=True)) * window
        found.append(np.square(np.abs(np.fft.rfft(chosen, axis=1)))[:, 1:].mean(axis=0))
    power = np.log(np.mean(found, axis=0) / _LENGTH + _NONE)
    return np.diff(power)
