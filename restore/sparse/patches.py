"""Patches of an image: their positions, extraction, centring and aggregation."""

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from restore.kernels import patches as kernels
from restore.typing import Flags, Floats, Integers

Kind = TypeVar("Kind", bound=np.generic)


def positions(length: int, size: int, stride: int = 1) -> Integers:
    """Starts of patches of `size` samples along an axis, the last one always included.

    Parameters
    ----------
    length, size, stride : int
        Samples; ``length >= size``.

    Returns
    -------
    (n,) int64 ndarray
    """
    starts = np.arange(0, length - size + 1, stride, dtype=np.int64)
    if starts[-1] != length - size:
        starts = np.append(starts, length - size)
    return starts


def extract(
    image: Floats, patch_shape: tuple[int, ...], rows: Integers, columns: Integers
) -> Floats:
    """Extract the patches whose top left corners are `rows` x `columns`.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    patch_shape : (height, width, channels)
    rows, columns : (n,) int64 ndarray

    Returns
    -------
    (rows * columns, patch_dim) float32 ndarray
        Row by row; samples in the order y, x, channel.
    """
    patches = np.empty((len(rows), len(columns), *patch_shape), np.float32)
    kernels.extract(image, np.asarray(rows), np.asarray(columns), patches)
    return patches.reshape(len(rows) * len(columns), -1)


def centre(patches: Floats, channels: int) -> Floats:
    """Subtract each patch's mean, channel by channel, in place.

    Returns
    -------
    (n_patches, channels) float32 ndarray
        The means, for `uncentre`.
    """
    means = np.empty((len(patches), channels), np.float32)
    kernels.centre(patches.reshape(len(patches), patches.shape[1] // channels, channels), means)
    return means


def uncentre(patches: Floats, means: Floats) -> None:
    """Add the means back, in place."""
    patches.reshape(len(patches), -1, means.shape[1])[...] += means[:, None, :]


def aggregate(
    patches: Floats,
    weights: Floats,
    patch_shape: tuple[int, ...],
    rows: Integers,
    columns: Integers,
    total: Floats,
    weight: Floats,
) -> None:
    """Add weighted patches to `total` and their weights to `weight`, both in place.

    Parameters
    ----------
    patches : (rows * columns, patch_dim) float32 ndarray
    weights : (rows * columns,) float32 ndarray
    patch_shape : (height, width, channels)
    rows, columns : (n,) int64 ndarray
        Top left corners within `total`.
    total : (height, width, channels) float32 ndarray
    weight : (height, width) float32 ndarray
    """
    grid = (len(rows), len(columns))
    kernels.aggregate(
        patches.reshape(*grid, *patch_shape), weights.reshape(grid), rows, columns, total, weight
    )


def sample(
    image: Floats,
    patch_shape: tuple[int, ...],
    count: int,
    seed: int | np.random.Generator = 0,
    known: Flags | None = None,
) -> Floats:
    """Draw patches at random positions, or take all if there are no more than `count`.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Smaller than a patch is padded by mirroring.
    patch_shape : (height, width, channels)
    count : int
    seed : int or numpy.random.Generator
    known : (height, width) bool ndarray, optional
        Patches that touch an unknown pixel are dropped.

    Returns
    -------
    (at most count, patch_dim) float32 ndarray
    """
    image = pad(image, patch_shape)
    rows, columns = (n - size + 1 for n, size in zip(image.shape, patch_shape[:2], strict=False))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(rows * columns, min(count, rows * columns), replace=False))
    if known is not None and not known.all():
        whole = sliding_window_view(pad(known[..., None], patch_shape), (*patch_shape[:2], 1))
        drawn = drawn[whole.all(axis=(2, 3, 4, 5)).ravel()[drawn]]
    windows = sliding_window_view(image, patch_shape)[:, :, 0]
    return windows[drawn // columns, drawn % columns].reshape(len(drawn), -1)


def pad(image: NDArray[Kind], patch_shape: tuple[int, ...]) -> NDArray[Kind]:
    """Mirror an image smaller than a patch at its bottom and right edge, up to a patch."""
    missing = [max(0, size - n) for size, n in zip(patch_shape[:2], image.shape, strict=False)]
    if not any(missing):
        return image  # not a copy, to save memory on large pictures
    return np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric")
