"""JPEG quantisation: the expected error of a decoded picture, and bounds on the original.

A JPEG file states its quantisation tables, and every DCT coefficient of the original picture lies
within half a step of the stored one. `Coding.project` projects an estimate into these intervals.
`Coding.error` estimates the local error of the decoded picture by the change when it is quantised
again on shifted grids with the same tables.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # whose submodules are imported by their users
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.typing import Floats, Number

#: Side of the blocks of JPEG.
SIDE = 8

#: Blocks processed at a time.
_BLOCKS = 4096

#: Offsets of the shifted grids.
_SHIFTS = ((4, 4), (4, 0), (0, 4), (2, 6))

#: The squared error of the decoded picture, relative to the change by quantising it again. The mean
#: over photographs of qualities 10 to 90 is 1.0 to 1.35, with a spread of 15 %.
_AGAIN = 1.3

#: Luminance and the two differences of colours as JFIF defines them, from RGB.
FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)

#: Norm of the error in RGB caused by an error of 1 in each of them: multiplied by it, planes are on
#: the scale of orthonormal ones.
WEIGHTS = np.linalg.norm(np.linalg.inv(FROM_RGB), axis=0)


@dataclass(frozen=True)
class Coding:
    """How a JPEG file was coded.

    Attributes
    ----------
    tables : tuple of tuple of int
        The 64 quantiser steps of each component, row by row, in 8-bit levels.
    sampling : tuple of (int, int)
        Rows and columns of pixels that share one sample of the colour differences.
    """

    tables: tuple
    sampling: tuple = (1, 1)

    def __post_init__(self) -> None:
        if len(self.tables) not in (1, 3) or any(len(table) != 64 for table in self.tables):
            raise ValueError("a JPEG picture has one or three tables of 64 steps")
        if not all(1 <= step <= 65535 for table in self.tables for step in table):
            raise ValueError("the steps of a JPEG table lie between 1 and 65535")
        if not all(side in (1, 2, 4) for side in self.sampling):
            raise ValueError(f"colours sampled by {self.sampling} are not supported")

    def components(self) -> Iterator[tuple[int, Number, Floats, int, int]]:
        """(number, zero level, (8, 8) steps on the scale of planes, rows, columns per sample)."""
        for number, table in enumerate(self.tables):
            weight = WEIGHTS[number] if len(self.tables) == 3 else 1.0
            steps = np.float32(weight / 255) * np.array(table, np.float32).reshape(SIDE, SIDE)
            zero = np.float32(0 if number else weight * 128 / 255)
            yield number, zero, steps, *(self.sampling if number else (1, 1))

    def decoded(self, image: Floats) -> Floats:
        """Simulate saving and decoding an image with this coding.

        Parameters
        ----------
        image : (height, width, channels) float32 ndarray
            In [0, 1].

        Returns
        -------
        (height, width, channels) float32 ndarray
            Multiples of 1/255.

        References
        ----------
        ITU-T T.81, annex A, for the quantisation; subsampled chroma is enlarged linearly, as by
        common decoders.
        """
        planes = to_planes(image)
        height, width = image.shape[:2]
        for number, zero, steps, down, across in self.components():
            sides = SIDE * down, SIDE * across
            padding = [(0, -n % side) for n, side in zip((height, width), sides)]
            samples = _means(np.pad(planes[number] - zero, padding, mode="edge"), down, across)
            coefficients = _blocks(samples) @ _basis() / steps.ravel()
            blocks = np.rint(coefficients) * steps.ravel() @ _basis().T
            cells = blocks.reshape(-1, samples.shape[1] // SIDE, SIDE, SIDE).swapaxes(1, 2)
            enlarged = _enlarged(cells.reshape(samples.shape), down, across)
            planes[number] = enlarged[:height, :width] + zero
        return np.rint(255 * np.clip(from_planes(planes), 0, 1)) / np.float32(255)

    def error(self, planes: Floats, *, pool: Pool | None = None) -> Floats:
        """Expected squared error of a decoded picture at each pixel.

        Parameters
        ----------
        planes : (channels, height, width) float32 ndarray
            From `to_planes`, of the decoded picture.
        pool : Pool, optional
            Threads and progress. The result is the same for any number of threads.

        Returns
        -------
        (channels, height, width) float32 ndarray
            Smooth over a few blocks.

        References
        ----------
        Nosratinia, "Enhancement of JPEG-compressed images by re-application of JPEG", Journal
        of VLSI Signal Processing 27, 2001, for quantising again on shifted grids.
        """
        errors = np.empty_like(planes)
        for number, zero, steps, *sampling in self.components():
            samples = _stored(planes[number] - zero, *sampling)
            changes = (_changed(samples, steps, shift, pool) for shift in _SHIFTS)
            cells = functools.reduce(np.add, changes)
            smooth = scipy.ndimage.gaussian_filter(cells / len(_SHIFTS), 1.0, mode="nearest")
            errors[number] = _spread(_AGAIN * smooth, sampling, planes.shape[1:])
        return errors

    def project(self, planes: Floats, decoded: Floats, *, pool: Pool | None = None) -> Floats:
        """The picture nearest to `planes` whose coefficients lie in the intervals of the file.

        Parameters
        ----------
        planes : (channels, height, width) float32 ndarray
            An estimate of the picture.
        decoded : (channels, height, width) float32 ndarray
            The decoded picture. Its coefficients are rounded to whole steps, which undoes the
            rounding and clipping of the decoder. Blocks cut by the border are not bounded.
        pool : Pool, optional
            Threads and progress. The result is the same for any number of threads.

        Returns
        -------
        (channels, height, width) float32 ndarray

        References
        ----------
        Zakhor, "Iterative procedures for reduction of blocking effects in transform image
        coding", IEEE Transactions on Circuits and Systems for Video Technology 2(1), 1992.
        """
        result = planes.copy()
        for number, zero, steps, down, across in self.components():
            shape = [n // side * side for n, side in zip(planes.shape[1:], (down, across))]
            whole = np.s_[: shape[0], : shape[1]]
            estimate = _means(planes[number][whole] - zero, down, across)
            stored = _stored(decoded[number] - zero, down, across)
            moved = _moved(estimate, stored[: len(estimate), : estimate.shape[1]], steps, pool)
            result[number][whole] += moved.repeat(down, 0).repeat(across, 1)
        return result


def to_planes(image: Floats) -> Floats:
    """The planes that JPEG codes, on the scale of orthonormal ones.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Channels is 1 or 3.

    Returns
    -------
    (channels, height, width) float32 ndarray
    """
    return np.einsum("kc,ijc->kij", axes(image.shape[2]), image, order="C")


def from_planes(planes: Floats) -> Floats:
    """The inverse of `to_planes`, up to rounding."""
    inverse = np.linalg.inv(axes(len(planes)).astype(float)).astype(np.float32)
    return np.einsum("ck,kij->ijc", inverse, planes, order="C")


def axes(channels: int) -> Floats:
    """The axes of `to_planes`, one row per plane, by the number of channels."""
    if channels == 1:
        return np.ones((1, 1), np.float32)
    return (WEIGHTS[:, None] * FROM_RGB).astype(np.float32)


def _means(plane: Floats, down: int, across: int) -> Floats:
    """Means of cells of this many rows and columns, which divide the sides."""
    if (down, across) == (1, 1):
        return plane
    height, width = plane.shape
    return plane.reshape(height // down, down, width // across, across).mean(axis=(1, 3))


def _stored(plane: Floats, down: int, across: int) -> Floats:
    """The stored samples of a component, from the decoded ones.

    Common decoders enlarge by linear interpolation between the centres of the samples, along one
    axis after the other. The mean of the two pixels of a sample is then (c[-1] + 6 c[0] + c[1]) /
    8, which the cosine transform undoes exactly, mirrored borders included.
    """
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % down), (0, -width % across)), mode="edge")
    samples = _means(plane, down, across)
    for axis, side in enumerate((down, across)):
        if side == 2:
            count = samples.shape[axis]
            response = 0.75 + 0.25 * np.cos(np.pi * np.arange(count) / count)
            response = np.float32(response).reshape((-1, 1) if axis == 0 else (1, -1))
            spectrum = scipy.fft.dct(samples, axis=axis) / response
            samples = scipy.fft.idct(spectrum, axis=axis)
    return samples


def _enlarged(samples: Floats, down: int, across: int) -> Floats:
    """The plane that a decoder makes from the samples of a component."""
    for axis, side in enumerate((down, across)):
        if side == 2:
            before = np.take(samples, [0, *range(samples.shape[axis] - 1)], axis)
            after = np.take(samples, [*range(1, samples.shape[axis]), -1], axis)
            pair = np.stack([3 * samples + before, 3 * samples + after], axis + 1) / np.float32(4)
            shape = [2 * n if along == axis else n for along, n in enumerate(samples.shape)]
            samples = pair.reshape(shape)
        else:
            samples = samples.repeat(side, axis)
    return samples


@functools.cache
def _basis() -> Floats:
    """(64, 64): the orthonormal cosines of a block, row by row, as columns."""
    transform = scipy.fft.dct(np.eye(SIDE), axis=0, norm="ortho")
    return np.kron(transform, transform).T.astype(np.float32)


def _blocks(plane: Floats) -> Floats:
    """The whole blocks of a plane as rows, block row by block row."""
    down, across = (n // SIDE for n in plane.shape)
    cells = plane[: down * SIDE, : across * SIDE].reshape(down, SIDE, across, SIDE)
    return cells.swapaxes(1, 2).reshape(down * across, SIDE * SIDE)


def _changed(plane: Floats, steps: Floats, shift: tuple[int, int], pool: Pool | None) -> Floats:
    """Mean squared change of each block by quantising on a grid that begins at `shift`."""
    padding = [((SIDE - first) % SIDE, -(n - first) % SIDE) for n, first in zip(plane.shape, shift)]
    padded = np.pad(plane, padding, mode="edge")
    changes = np.empty_like(padded)

    def quantise(rows: slice) -> None:
        blocks = _blocks(padded[rows])
        coefficients = blocks @ _basis()
        coefficients /= steps.ravel()
        coefficients -= np.rint(coefficients)
        coefficients *= steps.ravel()
        blocks = np.square(coefficients @ _basis().T)
        cells = blocks.reshape(-1, padded.shape[1] // SIDE, SIDE, SIDE).swapaxes(1, 2)
        changes[rows] = cells.reshape(-1, padded.shape[1])

    bands.for_each(quantise, _block_rows(padded.shape), pool)
    (top, _), (left, _) = padding
    inner = changes[top : top + plane.shape[0], left : left + plane.shape[1]]
    inner = np.pad(inner, [(0, -n % SIDE) for n in plane.shape], mode="edge")
    return _means(inner, SIDE, SIDE)


def _moved(estimate: Floats, stored: Floats, steps: Floats, pool: Pool | None) -> Floats:
    """The change that brings coefficients of `estimate` into the intervals of `stored`."""
    moved = np.zeros_like(estimate)
    steps = steps.ravel()

    def move(rows: slice) -> None:
        wanted = _blocks(estimate[rows]) @ _basis()
        known = _blocks(stored[rows]) @ _basis()
        if not known.size:
            return
        middle = np.rint(known / steps) * steps
        change = (np.clip(wanted, middle - steps / 2, middle + steps / 2) - wanted) @ _basis().T
        across = estimate.shape[1] // SIDE
        cells = change.reshape(-1, across, SIDE, SIDE).swapaxes(1, 2)
        moved[rows.start : rows.start + cells.shape[0] * SIDE, : across * SIDE] = cells.reshape(
            -1, across * SIDE
        )

    bands.for_each(move, _block_rows(estimate.shape), pool)
    return moved


def _block_rows(shape: tuple[int, ...]) -> list[slice]:
    """Bands of whole rows of blocks."""
    rows = SIDE * max(1, _BLOCKS * SIDE // max(shape[1], 1))
    return bands.slices(shape[0], rows)


def _spread(cells: Floats, sampling: Sequence[int], shape: tuple[int, ...]) -> Floats:
    """Values of blocks as a plane, by linear interpolation between the blocks' centres."""
    lines = []
    for count, side, length in zip(cells.shape, sampling, shape):
        place = (np.arange(length) + 0.5) / (SIDE * side) - 0.5
        lines.append(np.clip(place, 0, count - 1))
    rows, columns = lines
    result = np.empty(shape, np.float32)
    left = np.minimum(columns.astype(int), max(cells.shape[1] - 2, 0))
    right = np.minimum(left + 1, cells.shape[1] - 1)
    share = (columns - left).astype(np.float32)
    across = cells[:, left] * (1 - share) + cells[:, right] * share
    top = np.minimum(rows.astype(int), max(cells.shape[0] - 2, 0))
    bottom = np.minimum(top + 1, cells.shape[0] - 1)
    share = (rows - top).astype(np.float32)[:, None]
    result[:] = across[top] * (1 - share) + across[bottom] * share
    return result


# Pictures that were JPEG files before -----------------------------------------------------

#: Coefficients used: those of the lowest frequencies u + v, except the mean.
_LOWEST = 6

#: Number of blocks used, and the least number of informative coefficients.
_SAMPLE, _FEWEST = 4000, 60

#: Mean of cos(2 pi c / step) over coefficients c from which a step is accepted: 1 if they are
#: multiples of it, 0 if they are arbitrary.
_ACCEPTED = 0.6

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_COLOUR = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *32 * (99,),
)  # fmt: skip


def tables(quality: int, channels: int) -> tuple[tuple[int, ...], ...]:
    """The tables of a quality, 1 to 100, as the Independent JPEG Group's library scales them.

    References
    ----------
    ITU-T T.81, annex K.1, for the tables.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG quality is 1 to 100, not {quality}")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled = [
        tuple(min(max((percent * step + 50) // 100, 1), 255) for step in table)
        for table in (_LUMINANCE, _COLOUR)
    ]
    return (scaled[0],) if channels == 1 else (scaled[0], scaled[1], scaled[1])


def history(planes: Floats) -> tuple[int, tuple[int, int], tuple[int, int]] | None:
    """Estimate the last JPEG coding of a picture that is no longer a JPEG file.

    Coefficients of a coded picture are multiples of the steps, in blocks at one of 8x8 offsets: any
    of them, if the picture was cropped afterwards.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
        From `to_planes`.

    Returns
    -------
    (quality, sampling, (row, column)) or None
        Quality of `tables`, sampling, and corner of the first whole block of all components; None
        without any trace of JPEG.

    References
    ----------
    Fan & de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer
    estimation", IEEE Transactions on Image Processing 12(2), 2003.
    """
    light = planes[0] - np.float32((WEIGHTS[0] if len(planes) == 3 else 1) * 128 / 255)
    light = light * np.float32(255 / (WEIGHTS[0] if len(planes) == 3 else 1))
    if min(light.shape) < 3 * SIDE:
        return None
    high = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel() >= SIDE
    best, place = -1.0, (0, 0)
    for row in range(SIDE):
        for column in range(SIDE):
            found = _sample(light[row:, column:])
            share = float(np.mean(np.abs(found[:, high]) < 0.6))
            if share > best + 1e-9:
                best, place = share, (row, column)
    quality = _quality(_sample(light[place[0] :, place[1] :]), 0)
    if quality is None:
        return None
    if len(planes) == 1:
        return quality, (1, 1), place
    scale = np.float32(255 / WEIGHTS[1])
    scores = {}
    for sampling in ((2, 2), (1, 1), (1, 2)):
        for shift in np.ndindex(sampling):
            row, column = (p + SIDE * s for p, s in zip(place, shift))
            samples = _stored(scale * planes[1][row:, column:], *sampling)
            scores[sampling, (row, column)] = _score(_sample(samples), tables(quality, 3)[1])
    # with hardly any coefficients left, assume the usual setting of cameras and the web
    (sampling, place), _ = max(scores.items(), key=lambda item: max(item[1] or 0, _ACCEPTED))
    return quality, sampling, place


def _sample(plane: Floats) -> Floats:
    """Coefficients (blocks, 64) of some blocks of a plane that begins with a whole block."""
    blocks = _blocks(plane)
    chosen = blocks[:: max(1, len(blocks) // _SAMPLE)]
    with bands.one_blas_thread:
        return chosen @ _basis()


def _score(coefficients: Floats, table: ArrayLike) -> float | None:
    """Mean of cos(2 pi c / step) over c not near 0; None if there are too few."""
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    steps = np.array(table, np.float32)
    chosen = (frequency > 0) & (frequency <= _LOWEST) & (steps >= 3)
    ratios = coefficients[:, chosen] / steps[chosen]
    ratios = ratios[np.abs(ratios) > 0.6]
    if ratios.size < _FEWEST:
        return None
    return float(np.cos(2 * np.pi * ratios).mean())


def _quality(coefficients: Floats, component: int) -> int | None:
    """The quality whose steps divide the coefficients, the lowest of equal ones."""
    scores = {}
    for quality in range(1, 96):
        score = _score(coefficients, tables(quality, 3)[component])
        if score is not None:
            scores[quality] = score
    best = max(scores.values(), default=0.0)
    if best < _ACCEPTED:
        return None
    return min(quality for quality, score in scores.items() if score > best - 0.01)
