"""PBM, PGM, PPM and PFM: a line of text and the samples, as researchers exchange pictures.

References
----------
The netpbm manual, pages pbm(5), pgm(5) and ppm(5). P. Debevec's PFM: rows from the bottom, and
a scale whose sign tells the order of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from restore.files.decoded import check_size, picture_of, warn
from restore.files.formats import PictureError
from restore.typing import Array

if TYPE_CHECKING:
    from restore.files.picture import Picture


_NUMBER = re.compile(rb"(?:\s|#[^\n]*\n)*(\d{1,9})(?=[\s#])")
_PFM = re.compile(
    rb"P[Ff]\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?\d{1,20}\.?\d{0,20}(?:[eE][-+]?\d{1,3})?)\s"
)
_COMMENT = re.compile(rb"#[^\n]*")


def read_pnm(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open file; for `restore.files.reading.read_pages`."""
    data = file.read()
    yield _floats(data, max_pixels) if data[1:2] in b"fF" else _integers(data, max_pixels)


def _integers(data: bytes, max_pixels: int) -> Picture:
    kind = data[1] - ord("0")
    bitmap = kind in (1, 4)
    position, header = 2, []
    for _ in range(2 if bitmap else 3):
        found = _NUMBER.match(data, position)
        if not found:
            raise PictureError("the picture is damaged: its header makes no sense")
        header.append(int(found[1]))
        position = found.end()
    width, height, top = (*header, 1)[:3]
    check_size(width, height, max_pixels)
    if not 1 <= top <= 65535:
        raise PictureError(f"the picture is damaged: its highest level is {top}")
    shape = (height, width, 3) if kind in (3, 6) else (height, width)
    body = memoryview(data)[position + 1 :]
    if kind == 4:
        packed = _samples(body, np.uint8, (height, (width + 7) // 8))
        stored = np.unpackbits(packed, axis=1)[:, :width]
    elif kind < 4:
        stored = _written_out(bytes(body), shape, bitmap)
    else:
        stored = _samples(body, ">u2" if top > 255 else np.uint8, shape)
    if bitmap:
        return picture_of((1 - stored) * np.uint8(255), {}, depth="8", alpha=False)
    depth = "8" if top < 256 else "16"
    if top not in (255, 65535):
        warn(f"{top + 1} levels become those of {depth} bits")
    return picture_of(np.minimum(stored, top), {}, depth=depth, alpha=False, top=top)


def _floats(data: bytes, max_pixels: int) -> Picture:
    found = _PFM.match(data)
    if not found:
        raise PictureError("the picture is damaged: its header makes no sense")
    width, height, scale = int(found[1]), int(found[2]), float(found[3])
    check_size(width, height, max_pixels)
    if abs(scale) not in (0, 1):
        warn(f"the scale of {abs(scale):g} in the PFM is left out")
    shape = (height, width, 3) if data[1:2] == b"F" else (height, width)
    stored = _samples(memoryview(data)[found.end() :], "<f4" if scale < 0 else ">f4", shape)
    return picture_of(stored[::-1].astype(np.float32), {}, depth="f32", alpha=False)


def _samples(body: memoryview, kind: DTypeLike, shape: tuple[int, ...]) -> Array:
    size = np.dtype(kind).itemsize * int(np.prod(shape))
    if len(body) < size:
        raise PictureError("the picture is truncated")
    return np.frombuffer(body[:size], kind).reshape(shape)


def _written_out(body: bytes, shape: tuple[int, ...], bitmap: bool) -> Array:
    """The samples of a file that has them as text."""
    body = _COMMENT.sub(b"", body)
    count = int(np.prod(shape))
    if len(body) < count:
        raise PictureError("the picture is truncated")
    words = [*b"".join(body.split())] if bitmap else body.split(maxsplit=count)[:count]
    if len(words) < count:
        raise PictureError("the picture is truncated")
    if bitmap:
        stored = np.array(words[:count], np.int64) - ord("0")
    else:
        if not all(word.isdigit() and len(word) < 6 for word in words):
            raise PictureError("the picture is damaged: its samples are no numbers")
        stored = np.array([int(word) for word in words], np.int64)
    if stored.min() < 0 or stored.max() > (1 if bitmap else 65535):
        raise PictureError("the picture is damaged: it has levels that there are not")
    return stored.reshape(shape).astype(np.uint8 if bitmap else np.uint16)


def encode_pnm(stored: Array, picture: Picture) -> bytes:
    """The bytes of a PGM, PPM or PFM file."""
    height, width = stored.shape[:2]
    colour = stored.ndim == 3
    if picture.depth == "f32":
        header = f"P{'F' if colour else 'f'}\n{width} {height}\n-1.0\n"
        return header.encode() + stored[::-1].astype("<f4").tobytes()
    top = np.iinfo(stored.dtype).max
    header = f"P{6 if colour else 5}\n{width} {height}\n{top}\n"
    return header.encode() + stored.astype(stored.dtype.newbyteorder(">")).tobytes()
