"""Samples as a PNG, packed in bands of rows on several threads.

What libpng does row by row on one thread, it does of bands that know nothing of each other: the
filter of a row looks at the row above, which is there, and the packed bands end at whole bytes,
so that one after the other they are one stream (RFC 1951, section 3.2.4).
"""

import struct
import zlib

import numpy as np

from restore import bands
from restore.files.metadata import PNG_SIGNATURE, packed

#: Bytes of a band, before it is packed.
BAND = 1 << 19

#: channels -> colour type
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def encode(stored, threads=None):
    """A PNG of nothing but its pixels.

    Parameters
    ----------
    stored : (height, width[, channels]) uint8 or uint16 ndarray
        1 to 4 channels, of which the second and the fourth are alpha.
    threads : int, optional
        The bytes are the same for any number.

    Returns
    -------
    bytes

    References
    ----------
    W3C, "Portable Network Graphics (PNG) specification (third edition)", sections 9 and 10.
    """
    stored = np.atleast_3d(stored)
    height, width, channels = stored.shape
    depth = 8 * stored.itemsize

    def pack(band):
        # with the row above, of zeros above the first
        above = max(0, band.start - 1)
        rows = stored[above : band.stop].astype(f">u{stored.itemsize}").view(np.uint8)
        rows = rows.reshape(len(rows), -1)
        if band.start == 0:
            rows = np.concatenate([np.zeros_like(rows[:1]), rows])
        lines = filtered(rows, channels * stored.itemsize)
        # of filtered photographs runs alone are as small as quickly found matches are
        packer = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
        end = zlib.Z_FINISH if band.stop == height else zlib.Z_SYNC_FLUSH
        return packer.compress(lines) + packer.flush(end), zlib.adler32(lines), lines.size

    header = struct.pack(">IIBBBBB", width, height, depth, _COLOURS[channels], 0, 0, 0)
    chunks, checksum = [(b"IHDR", header), (b"IDAT", b"\x78\x01")], 1
    rows = max(1, BAND // stored[0].nbytes)
    for data, own, size in bands.map_bands(pack, bands.slices(height, rows), threads):
        chunks.append((b"IDAT", data))
        checksum = _joined(checksum, own, size)
    chunks += [(b"IDAT", struct.pack(">I", checksum)), (b"IEND", b"")]
    return PNG_SIGNATURE + packed(chunks)


def filtered(rows, step):
    """Rows of bytes, all but the first, each less what its filter foretells of it.

    Of the five filters a row takes the one that leaves the least, as libpng chooses.

    Parameters
    ----------
    rows : (n + 1, width) uint8 ndarray
    step : int
        Bytes of a pixel.

    Returns
    -------
    (n, 1 + width) uint8 ndarray
        The number of the filter, and what it leaves.
    """
    here, up = rows[1:], rows[:-1]
    left, corner = np.zeros_like(here), np.zeros_like(here)
    left[:, step:], corner[:, step:] = here[:, :-step], up[:, :-step]
    mean = (left & up) + ((left ^ up) >> 1)  # rounded down, and in 8 bits
    lines = np.empty((len(here), 1 + here.shape[1]), np.uint8)
    least = None
    for number, foretold in enumerate((None, left, up, mean, _paeth(left, up, corner))):
        rest = here if foretold is None else here - foretold
        size = np.abs(rest.view(np.int8)).view(np.uint8).sum(axis=1, dtype=np.int64)
        better = np.full(len(here), True) if least is None else size < least
        lines[better, 0] = number
        lines[better, 1:] = rest[better]
        least = size if least is None else np.minimum(size, least)
    return lines


def _paeth(left, up, corner):
    """Of the three neighbours the one nearest to left + up - corner, in this order."""
    across, down = up.astype(np.int16) - corner, left.astype(np.int16) - corner
    both = np.abs(across + down)
    np.abs(across, out=across)
    np.abs(down, out=down)
    nearest = _either(down <= both, up, corner)
    return _either((across <= down) & (across <= both), left, nearest)


def _either(condition, one, other):
    """``np.where`` of bytes, five times as fast."""
    return other ^ ((one ^ other) & -condition.view(np.uint8))


def _joined(checksum, own, size):
    """Adler-32 of what two stretches are together, the second of `size` bytes."""
    low, high = checksum & 0xFFFF, checksum >> 16
    high = (high + (own >> 16) + size * (low - 1)) % 65521
    low = (low + (own & 0xFFFF) - 1) % 65521
    return high << 16 | low
