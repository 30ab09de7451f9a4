"""The strength of noise from place to place, as a small network reads it off a picture.

The noise of a camera has been through demosaicing, white balance, a tone curve, sharpening and
JPEG: it is coarser than the pixels, stronger where the curve is steep, and no formula tells it
from fine texture. What differs is measured on the flattest blocks of each class of brightness,
frequency by frequency; a network of two hidden layers, taught on simulated cameras, says from that
how strong the noise of the class is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import scipy  # whose parts are loaded by what uses them

from restore.imaging import archive, bands
from restore.imaging.bands import Pool
from restore.imaging.network import Network
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.imaging.jpeg import Coding


#: Side of the blocks, most of them that are looked at, and the least distance between them.
SIDE, _MOST, _STEP = 8, 60_000, 3

#: Cosine frequencies u + v of each ring.
_RINGS = ((1, 2), (3, 4), (5, 6), (7, 9), (10, 14))

#: Classes of brightness, blocks that one has at least, and the shares of them, the flattest ones,
#: that are measured.
_CLASSES, _BLOCKS, _SHARES = 8, 150, (0.04, 0.2)

#: What is measured in a class at one size, and which of it, at half the size, is the standard
#: deviation of the logarithm of the energy, from block to block, at the higher frequencies. Noise
#: has 0.3 to 0.5, texture more: up to the first of these it is taken for noise, and not at all
#: from the second on. There are textures that the network does not know.
_MEASURED = len(_SHARES) * 4 * len(_RINGS) + 3 * len(_RINGS) + 2
_SPREAD = _MEASURED + 4 * len(_RINGS) + 3 * len(_RINGS) + 3
_EVEN = (0.45, 0.6)

#: Energy that counts as none, in [0, 1] samples squared.
_NONE = (0.1 / 255) ** 2

#: The weakest noise that the network was taught to tell, as a standard deviation: below it there
#: is none.
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
        What a JPEG file said.
    network : Network, optional
        The packaged one by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    brightness : (n_classes,) float32 ndarray
        Mean of the first plane in each class, rising.
    levels : (n_classes, channels) float32 ndarray
        Standard deviation of the noise in each plane; 0 where there is none.
    """
    features, brightness = measured(planes, coding, pool=pool)
    levels = np.exp((network or packaged())(features))[:, : len(planes)]
    levels *= np.interp(features[:, _SPREAD], _EVEN, (1, 0)).mean()
    # neighbouring classes share their noise
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

    They are measured at full and at half size, where coarse noise shows.
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
    """What is measured on the blocks of a class: energies (n, 3, rings) and means (n,)."""
    flatness = np.argsort(energies[:, 0, :3].sum(axis=1), kind="stable")
    features = []
    for share in _SHARES:
        chosen = flatness[: max(8, int(share * len(means)))]
        features.append(np.log(energies[chosen].mean(axis=0) + _NONE).ravel())
        # that of noise differs less from block to block than that of texture
        features.append(np.log(energies[chosen, 0] + _NONE).std(axis=0))
    features.append(np.log(np.median(energies, axis=0) + _NONE).ravel())
    return np.concatenate([*features, [means.mean(), means.std()]])


def _file(coding: Coding | None) -> Floats:
    """What a JPEG file's tables say, ring by ring; of no file, of steps of half a level."""
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
                # black and white cut the noise off
                top = np.float32(np.sqrt(channels))
                clipped = (blocks < 0.004 * top) | (blocks > 0.996 * top)
                usable[band] = (clipped.mean(axis=1) < 0.1).reshape(shape)

    bands.for_each(look, bands.slices(len(rows), max(1, 16_384 // len(columns))), pool)
    if np.count_nonzero(usable) < 16:
        usable[:] = True
    return energies[usable], means[usable]
