"""Local noise level of camera noise, estimated by a small network.

Camera noise has passed demosaicing, white balance, a tone curve, sharpening and JPEG: it is coarser
than the pixels, stronger where the curve is steep, and hard to tell from fine texture. Features are
measured on the flattest blocks of each class of brightness, frequency by frequency; a network of
two hidden layers, learned on simulated cameras, predicts the noise level of the class.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import scipy  # whose submodules are imported by their users

from restore.imaging import archive, bands
from restore.imaging.bands import Pool
from restore.imaging.network import Network
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.imaging.jpeg import Coding


#: Side of the blocks, their maximum number, and the least distance between them.
SIDE, _MOST, _STEP = 8, 60_000, 3

#: Cosine frequencies u + v of each ring.
_RINGS = ((1, 2), (3, 4), (5, 6), (7, 9), (10, 14))

#: Number of classes of brightness, minimum number of blocks in each, and the shares of them, the
#: flattest ones, that are measured.
_CLASSES, _BLOCKS, _SHARES = 8, 150, (0.04, 0.2)

#: Number of features of a class at one size, and the index of that which, at half size, is the
#: standard deviation over blocks of the logarithm of the energy at the higher frequencies. Noise
#: has 0.3 to 0.5, texture more: up to the first value it counts fully as noise, from the second on
#: not at all. This guards against textures unknown to the network.
_MEASURED = len(_SHARES) * 4 * len(_RINGS) + 3 * len(_RINGS) + 2
_SPREAD = _MEASURED + 4 * len(_RINGS) + 3 * len(_RINGS) + 3
_EVEN = (0.45, 0.6)

#: Energy that counts as zero, in squared samples of [0, 1].
_NONE = (0.1 / 255) ** 2

#: The weakest noise in the network's learning, as a standard deviation: anything below counts as no
#: noise.
WEAKEST = 0.4 / 255

KIND = "noise map"


@functools.cache
def packaged() -> Network:
    """The network that comes with the package."""
    return Network.load(archive.packaged_path("noise-map"), KIND, (None, 3))


def noise_levels(
    planes: Floats,
    coding: Coding | None = None,
    *,
    network: Network | None = None,
    pool: Pool | None = None,
) -> tuple[Floats, Floats]:
    """Standard deviation of the noise by brightness.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
        From `restore.imaging.jpeg.to_planes`.
    coding : Coding, optional
        The quantisation of the JPEG file.
    network : Network, optional
        The packaged one by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    brightness : (n_classes,) float32 ndarray
        Mean of the first plane in each class, rising.
    levels : (n_classes, channels) float32 ndarray
        Standard deviation of the noise in each plane; 0 if there is none.
    """
    features, brightness = measured(planes, coding, pool=pool)
    levels = np.exp((network or packaged())(features))[:, : len(planes)]
    levels *= np.interp(features[:, _SPREAD], _EVEN, (1, 0)).mean()
    # neighbouring classes have similar noise
    padded = np.pad(levels, ((1, 1), (0, 0)), mode="edge")
    levels = np.cbrt(padded[:-2] * padded[1:-1] * padded[2:])
    levels[levels < 1.5 * WEAKEST] = 0
    return brightness, levels


def spread(planes: Floats, brightness: Floats, levels: Floats) -> Floats:
    """Levels by brightness as a map of variances: (channels, height, width) float32."""
    channels, height, width = planes.shape
    smooth = scipy.ndimage.uniform_filter(planes[0], SIDE, mode="nearest")
    variances = np.empty_like(planes)
    for plane in range(channels):
        variances[plane] = np.interp(smooth, brightness, levels[:, plane] ** 2)
    return variances


def measured(
    planes: Floats, coding: Coding | None = None, *, pool: Pool | None = None
) -> tuple[Floats, Floats]:
    """Features (n_classes, n_features) of each class of brightness, and its brightness.

    They are measured at full size and at half size, at which coarse noise shows.
    """
    height, width = (max(n // 2, 1) for n in planes.shape[1:])
    even = np.pad(planes, [(0, 0), *((0, max(0, 2 - n)) for n in planes.shape[1:])], mode="edge")
    even = even[:, : 2 * height, : 2 * width]
    half = even.reshape(len(planes), height, 2, width, 2).mean(axis=(2, 4))
    measurements = [_blocks(part, step, pool) for part, step in ((planes, _STEP), (half, 2))]
    fewest = min(len(means) for _, means in measurements)
    n_classes = max(1, min(_CLASSES, fewest // _BLOCKS))
    found = []
    for energies, means in measurements:
        classes = np.array_split(np.argsort(means, kind="stable"), n_classes)
        found.append(np.array([_features(energies[c], means[c]) for c in classes], np.float32))
    brightness = found[0][:, -2].copy()
    found = np.concatenate(found, axis=1)
    least = np.sort(found, axis=0)[: max(1, n_classes // 3)].mean(axis=0)
    common = np.concatenate([least, found.mean(axis=0), _file(coding), [len(planes) == 3]])
    common = np.broadcast_to(common.astype(np.float32), (n_classes, len(common)))
    return np.concatenate([found, common], axis=1), brightness


def _features(energies: Floats, means: Floats) -> Floats:
    """Features of the blocks of a class, from energies (n, 3, rings) and means (n,)."""
    flatness = np.argsort(energies[:, 0, :3].sum(axis=1), kind="stable")
    features = []
    for share in _SHARES:
        chosen = flatness[: max(8, int(share * len(means)))]
        features.append(np.log(energies[chosen].mean(axis=0) + _NONE).ravel())
        # the energy of noise varies less from block to block than that of texture
        features.append(np.log(energies[chosen, 0] + _NONE).std(axis=0))
    features.append(np.log(np.median(energies, axis=0) + _NONE).ravel())
    return np.concatenate([*features, [means.mean(), means.std()]])


def _file(coding: Coding | None) -> Floats:
    """Quantiser steps of a JPEG file, ring by ring; without a file, half a level."""
    steps = np.full((2, len(_RINGS)), 0.5)
    rings = _ring_numbers().reshape(SIDE, SIDE)
    for number, table in enumerate(coding.tables[:2] if coding else ()):
        table = np.array(table, float).reshape(SIDE, SIDE)
        steps[number] = [table[rings == ring].mean() for ring in range(len(_RINGS))]
    return np.concatenate([np.log(steps).ravel(), [np.prod(coding.sampling) if coding else 0]])


@functools.cache
def _ring_numbers() -> Integers:
    """The ring of each of the 64 frequencies; -1 for the mean."""
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    rings = np.full(SIDE * SIDE, -1)
    for number, (first, last) in enumerate(_RINGS):
        rings[(frequency >= first) & (frequency <= last)] = number
    return rings


def _blocks(planes: Floats, step: int, pool: Pool | None) -> tuple[Floats, Floats]:
    """Mean square in each ring of each plane (n, 3, rings), and mean of the first plane (n,)."""
    channels, height, width = planes.shape
    step = max(step, int(np.ceil(np.sqrt(height * width / _MOST))))
    rows, columns = (np.arange(0, max(1, n - SIDE + 1), step) for n in (height, width))
    if min(height, width) < SIDE:
        planes = np.pad(
            planes, [(0, 0), *((0, max(0, SIDE - n)) for n in planes.shape[1:])], "edge"
        )
    windows = np.lib.stride_tricks.sliding_window_view(planes, (SIDE, SIDE), (1, 2))
    transform = scipy.fft.dct(np.eye(SIDE), axis=0, norm="ortho")
    basis = np.kron(transform, transform).T.astype(np.float32)
    rings = np.float32(_ring_numbers()[:, None] == np.arange(len(_RINGS)))
    rings /= rings.sum(axis=0)
    energies = np.zeros((len(rows), len(columns), 3, len(_RINGS)), np.float32)
    means = np.zeros((len(rows), len(columns)), np.float32)
    usable = np.zeros(means.shape, bool)

    def look(band: slice) -> None:
        for channel in range(channels):
            blocks = windows[channel, rows[band]][:, columns].reshape(-1, SIDE * SIDE)
            spectra = blocks @ basis
            shape = (-1, len(columns))
            energies[band, :, channel] = (np.square(spectra) @ rings).reshape(*shape, len(_RINGS))
            if channel == 0:
                means[band] = (spectra[:, 0] / SIDE).reshape(shape)
                # noise is clipped at black and white
                top = np.float32(np.sqrt(channels))
                clipped = (blocks < 0.004 * top) | (blocks > 0.996 * top)
                usable[band] = (clipped.mean(axis=1) < 0.1).reshape(shape)

    bands.for_each(look, bands.slices(len(rows), max(1, 16_384 // len(columns))), pool)
    if np.count_nonzero(usable) < 16:
        usable[:] = True
    return energies[usable], means[usable]
