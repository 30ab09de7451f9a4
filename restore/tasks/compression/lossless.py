"""Lossless coding of pictures: the payload of files of method "lossless".

A payload begins with a byte: 1 if repeated pixels are coded as such, 2 if there is a palette as
well, with its number of colours minus one in the next byte; plus 4 if red and blue are differences
from green. The rest is one stream of decisions: the palette as a row of pixels, then the picture
(`restore.kernels.repeats`). The planes are green, red, blue and alpha, or grey and alpha.
"""

import dataclasses
import functools

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import bits, mixing, predicting, repeats
from restore.kernels.mixing import Mixer
from restore.tasks.compression import container
from restore.tasks.compression.container import Header, Sections
from restore.typing import Array, Bytes, Floats, Integers

#: Number of rows coded in one call.
BAND = 64
#: Maximum number of observations that a model counts; initial weights, in 1/65536.
MEMORY, WEIGHT = 250, 65536 * 15 // 100
#: Maximum number of colours of a palette, and of bits of the hashes of surroundings and places.
COLOURS, MOST_BITS, MOST_PLACES = 256, 22, 20
#: Shares of the pixels that are equal to a neighbour. Repeats are not coded up to the first share,
#: and coded above the second; in between, a part of this many rows and columns is tried both ways.
SHARES, PART = (0.15, 0.6), (64, 256)
_ASK, _PALETTE, _DIFFERENCES = 1, 2, 4


class Exact:
    """A losslessly coded picture, which is coded when its data are first used."""

    def __init__(self, image: Array, depth: str, sections: Sections, pool: Pool | None) -> None:
        self._top = container.TOPS[depth]
        samples = np.rint(np.moveaxis(image, 2, 0) * np.float32(self._top)).astype(np.int32)
        if sections.alpha is not None:
            samples = np.concatenate([samples, sections.alpha[None].astype(np.int32)])
        self._samples, self._pool = samples, pool
        self._header = container.Header(
            image.shape[1],
            image.shape[0],
            image.shape[2],
            depth,
            method="lossless",
            alpha=sections.alpha is not None,
        )
        self._sections = dataclasses.replace(sections, alpha=None, codec=None)

    @functools.cached_property
    def data(self) -> bytes:
        """The bytes of the file."""
        payload = encode(self._samples, self._top, self._pool)
        return container.pack(self._header, self._sections, payload)

    def within(self, most: int) -> bool:
        """Whether the file has at most `most` bytes; only coded if that is possible at all."""
        return least(self._samples, self._top) <= most and len(self.data) <= most


def picture(header: Header, payload: bytes, pool: Pool | None) -> tuple[Floats, Integers | None]:
    """Decode (height, width, channels) samples and (height, width) alpha or None: integers."""
    shape = (header.channels + header.alpha, header.height, header.width)
    samples = decode(payload, shape, container.TOPS[header.depth], pool)
    colours = np.moveaxis(samples[: header.channels], 0, 2).astype(np.float32)
    return colours, samples[-1] if header.alpha else None


def encode(samples: Integers, top: int, pool: Pool | None = None) -> bytes:
    """Encode samples.

    Parameters
    ----------
    samples : (planes, height, width) int32
        Grey, or red, green and blue; then alpha, if there is any.
    top : int
        The largest possible sample, one less than a power of two.
    pool : Pool, optional
        Progress.

    Returns
    -------
    bytes
    """
    planes, differences = _best_planes(samples, top)
    tops = _tops(len(planes), top, differences)
    share = _share_repeated(planes)
    asked = share > SHARES[1]
    if SHARES[0] < share <= SHARES[1]:
        first, left = (max(side - most, 0) // 2 for side, most in zip(planes.shape[1:], PART))
        part = planes[:, first : first + PART[0], left : left + PART[1]]
        asked = len(_payload(part, tops, differences, True)) < len(
            _payload(part, tops, differences, False)
        )
    return _payload(planes, tops, differences, asked, pool)


def _payload(
    planes: Integers, tops: list[int], differences: int, asked: bool, pool: Pool | None = None
) -> bytes:
    """The payload of planes; `asked`: whether repeated pixels are coded as such."""
    palette = colours = None
    if asked:
        palette, colours = _palette(planes)
    head = [differences + (0 if not asked else _ASK if palette is None else _PALETTE)]
    if palette is not None:
        head.append(palette.shape[2] - 1)
    room = 1024 + 2 * planes.size
    while True:
        mixer = _mixer(np.zeros(room, np.uint8), 0, 0, planes[0].size)
        if palette is None or colours is None:
            _code(mixer, planes, tops, int(asked), 0, pool)
        else:
            _code(mixer, palette, tops, 0, 0)
            _code(mixer, colours, tops, 1, palette.shape[2], pool)
        used = bits.finish(mixer)
        if used <= room:
            return bytes(head) + mixer.data[:used].tobytes()
        room = used


def decode(
    payload: bytes, shape: tuple[int, int, int], top: int, pool: Pool | None = None
) -> Integers:
    """Decode a payload to samples of this (planes, height, width), the inverse of `encode`.

    Raises
    ------
    ValueError
        If the payload is not valid or ends before the picture is complete.
    """
    head = payload[:2].ljust(2, b"\0")
    mode, differences = head[0] & 3, head[0] & _DIFFERENCES
    if head[0] > 7 or mode > _PALETTE or (differences and shape[0] < 3):
        raise ValueError("the picture is coded in a way that this version does not know")
    tops = _tops(shape[0], top, differences)
    data = payload[2 if mode == _PALETTE else 1 :]
    word = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
    mixer = _mixer(np.frombuffer(data, np.uint8).copy(), word, 4, shape[1] * shape[2])
    if mode == _PALETTE:
        count = head[1] + 1
        palette = _code(mixer, np.zeros((shape[0], 1, count), np.int32), tops, 0, 0)
        indices = _code(mixer, np.zeros((1, *shape[1:]), np.int32), tops, mode, count, pool)
        planes = palette[:, 0, indices[0]]
    else:
        planes = _code(mixer, np.zeros(shape, np.int32), tops, mode, 0, pool)
    return _from_planes(planes, top, differences)


def least(samples: Integers, top: int) -> float:
    """A low estimate of the coded size in bytes, by median prediction; 0 if most pixels repeat."""
    planes, _ = _best_planes(samples, top)
    if _share_repeated(planes) > 0.5:
        return 0
    return 0.6 * sum(_cost(plane) for plane in planes) / 8


def _best_planes(samples: Integers, top: int) -> tuple[Integers, int]:
    """The planes in coding order, and `_DIFFERENCES` if red and blue are differences, else 0."""
    if len(samples) < 3:
        return samples, 0
    order = [1, 0, 2, *range(3, len(samples))]
    plain = np.ascontiguousarray(samples[order])
    less = plain.copy()
    span = _span(top)
    less[1:3] = (plain[1:3] - plain[0] + (span + 1) // 2) & span
    if sum(map(_cost, less[1:3])) < sum(map(_cost, plain[1:3])):
        return less, _DIFFERENCES
    return plain, 0


def _from_planes(planes: Integers, top: int, differences: int) -> Integers:
    """The inverse of `_best_planes`."""
    if len(planes) < 3:
        return planes
    samples = planes[[1, 0, 2, *range(3, len(planes))]]
    if differences:
        span = _span(top)
        samples[0:3:2] = (samples[0:3:2] + samples[1] - (span + 1) // 2) & span & top
    return samples


def _span(top: int) -> int:
    """The largest difference from green plus half of the range, which has at most 16 bits."""
    return min(2 * top + 1, 65535)


def _tops(count: int, top: int, differences: int) -> list[int]:
    """The largest possible sample of each plane."""
    return [_span(top) if differences and plane in (1, 2) else top for plane in range(count)]


def _cost(plane: Integers) -> float:
    """Approximate bits of a plane: of its residuals after median prediction from 3 neighbours."""
    total = 0.0
    for rows in range(0, len(plane), 256):
        part = np.pad(plane[max(rows - 1, 0) : rows + 256], ((1, 0), (1, 0)), "edge")
        west, north, corner = part[1:, :-1], part[:-1, 1:], part[:-1, :-1]
        low, high = np.minimum(west, north), np.maximum(west, north)
        error = np.abs(part[1:, 1:] - np.clip(west + north - corner, low, high))
        total += float(np.log2(1 + error + (error > 0)).sum(dtype=np.float64))
    return total


def _share_repeated(planes: Integers) -> float:
    """Share of the pixels that are equal to the left or the upper neighbour."""
    left = (planes[:, 1:, 1:] == planes[:, 1:, :-1]).all(axis=0)
    above = (planes[:, 1:, 1:] == planes[:, :-1, 1:]).all(axis=0)
    return float((left | above).mean()) if left.size else 0.0


def _palette(planes: Integers) -> tuple[Integers, Integers] | tuple[None, None]:
    """(planes, 1, colours) sorted palette and (1, height, width) indices; None if too large."""
    packed = np.zeros(planes.shape[1:], np.int64)
    for plane in planes:
        packed = packed << 16 | plane
    found, numbers = np.unique(packed, return_inverse=True)
    if len(found) > COLOURS:
        return None, None
    shifts = 16 * np.arange(len(planes))[::-1]
    palette = np.ascontiguousarray(found >> shifts[:, None, None] & 0xFFFF, np.int32)
    return palette, numbers.reshape(1, *packed.shape).astype(np.int32)


def _code(
    mixer: Mixer,
    samples: Integers,
    tops: list[int],
    mode: int,
    colours: int,
    pool: Pool | None = None,
) -> Integers:
    """Write samples, or read them; return the (planes, height, width) samples."""
    planes, height, width = samples.shape
    pad = predicting.PAD
    padded = np.zeros((planes, pad + height, width + 2 * pad), np.int32)
    padded[:, pad:, pad:-pad] = samples
    size = padded.shape[1:]
    table = 1 << min(max(int(height * width).bit_length(), 8), MOST_PLACES)
    known = predicting.Planes(
        padded,
        np.zeros((planes, 2, size[1]), np.int32),
        np.zeros((planes, 2, size[1], predicting.PREDICTORS), np.int32),
        np.zeros((planes, predicting.TAPS + 3, predicting.TAPS), np.int32),
        np.zeros((planes, predicting.BIASES), np.int32),
        np.zeros(predicting.PREDICTORS, np.int64),
        np.zeros(predicting.TAPS, np.int32),
        np.array(tops[:planes], np.int64),
    )
    pixels = repeats.Pixels(
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros((2, table), np.int32),
        np.zeros((2, table), np.uint8),
        np.zeros(repeats.ORDERS, np.int64),
        np.zeros((2, repeats.CANDIDATES), np.int64),
        np.array([mode, colours], np.int64),
    )
    for first in range(0, height, BAND):
        if not repeats.code_rows(mixer, known, pixels, first, min(first + BAND, height)):
            raise ValueError("the compressed data end before the picture is complete")
        bands.tell(pool, "coding without loss", min(first + BAND, height), height)
    return padded[:, pad:, pad:-pad]


def _mixer(data: Bytes, word: int, position: int, pixels: int) -> Mixer:
    """A coder with initial models, to write `data`, or to read it from `position` on."""
    table = 1 << min(max(int(8 * pixels).bit_length(), 12), MOST_BITS)
    first = bits.SQUASH[np.clip((np.arange(mixing.KNOTS) - 16) * 128, -2047, 2047) + 2047] << 6
    return mixing.Mixer(
        np.full(repeats.HASHED + table, 1 << 29, np.int32),
        np.full((repeats.ALL_SETS, mixing.CONTEXTS), WEIGHT, np.int32),
        data,
        np.array([0, 0xFFFFFFFF, word, position, position > 0, MEMORY], np.int64),
        np.zeros(mixing.CONTEXTS, np.int64),
        np.zeros(mixing.CONTEXTS, np.int64),
        np.tile(first.astype(np.int32), (repeats.ALL_KINDS, 1)),
    )
