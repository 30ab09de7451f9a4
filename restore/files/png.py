"""PNG: chunks, metadata and pixels, by libpng, since Pillow cuts 16-bit colour to 8 bits."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from restore.files.decoded import check_size, picture_of, tolerant, warn
from restore.files.formats import PictureError
from restore.files.metadata import COLOUR_CHUNKS
from restore.typing import Array

if TYPE_CHECKING:
    from restore.files.picture import Metadata, Picture


#: Its type and its content.
Chunk = tuple[bytes, bytes | memoryview]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")

#: Maximum decompressed bytes of a colour profile or XMP: a thousandth of them can declare as much.
METADATA_LIMIT = 2**24

#: colour type -> channels, bits per sample
_COLOURS = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}

#: The passes of an interlaced picture: first row and column, and the steps to the next.
_PASSES = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)

logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)  # errors of libpng


def read_png(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open PNG file; for `restore.files.reading.read_pages`."""
    yield _decoded(file.read(), max_pixels)


def _decoded(data: bytes, max_pixels: int) -> Picture:
    import imagecodecs

    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(width, height, max_pixels)
    chunks = png_chunks(data)
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise PictureError("the PNG is damaged: it does not begin with its header")
    if b"acTL" in kinds:
        raise PictureError("an animated PNG: extract the frames first")
    bits, colour, method, filters, interlace = chunks[0][1][8:]
    channels, depths = _COLOURS.get(colour, (0, ()))
    if bits not in depths or method or filters or interlace > 1:
        raise PictureError("the PNG is damaged: its header makes no sense")
    packed = sum(len(content) for kind, content in chunks if kind == b"IDAT")
    if (packed + 64) * 1032 < height * ((width * channels * bits + 7) // 8):
        raise PictureError("the PNG is damaged: it holds fewer pixels than it declares")
    fields = tolerant(_fields, chunks)
    if interlace:
        stored = _decoded_passes(chunks, width, height, channels * bits)
    else:
        stored = imagecodecs.png_decode(bare_png(chunks))
    if stored.shape[:2] != (height, width):
        raise PictureError("the PNG is damaged")
    if colour == 3:
        warn("a palette picture becomes a full-colour one")
    alpha = stored.ndim == 3 and stored.shape[2] in (2, 4)
    return picture_of(stored, fields, depth="16" if bits == 16 else "8", alpha=alpha)


def _decoded_passes(chunks: list[Chunk], width: int, height: int, pixel_bits: int) -> Array:
    """The samples of an interlaced picture, each pass decoded as a separate PNG.

    libpng prints a warning for each picture that it is to assemble itself.
    """
    import imagecodecs

    sizes = [
        (len(range(top, height, down)), len(range(left, width, across)))
        for top, left, down, across in _PASSES
    ]
    lengths = [
        rows * (1 + (columns * pixel_bits + 7) // 8) if columns else 0 for rows, columns in sizes
    ]
    inflate = zlib.decompressobj()
    packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
    rows = inflate.decompress(packed, sum(lengths))
    if len(rows) < sum(lengths):
        raise PictureError("the PNG is truncated")
    stored, position = None, 0
    for (top, left, down, across), (lines, columns), length in zip(_PASSES, sizes, lengths):
        if not length:
            continue
        header = struct.pack(">II", columns, lines) + bytes(chunks[0][1][8:12]) + b"\0"
        alone = [(b"IHDR", header), *(chunk for chunk in chunks if chunk[0] in (b"PLTE", b"tRNS"))]
        alone += [(b"IDAT", zlib.compress(rows[position : position + length], 1)), (b"IEND", b"")]
        position += length
        part = imagecodecs.png_decode(bare_png(alone))
        if stored is None:
            stored = np.zeros((height, width, *part.shape[2:]), part.dtype)
        stored[top::down, left::across] = part
    assert stored is not None  # the first pass has a pixel of every picture
    return stored


def png_chunks(data: bytes) -> list[Chunk]:
    """The chunks of a PNG as (type, content), every checksum verified.

    Damaged parts that are not needed to show the picture are left out with a warning.

    Raises
    ------
    PictureError
        If a chunk is damaged, or the file ends before its end mark.
    """
    chunks: list[Chunk] = []
    position = len(PNG_SIGNATURE)
    view = memoryview(data)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        name = kind.decode() if kind.isalpha() else "unnamed"
        if zlib.crc32(view[position + 4 : end - 4]) == checksum:
            chunks.append((kind, view[position + 8 : end - 4]))
        elif kind[0] & 0x20:  # a lower-case letter: the picture can be shown without it
            warn(f"damaged {name} part left out")
        else:
            raise PictureError(f"the PNG is damaged: its {name} part has a wrong checksum")
        if kind == b"IEND":
            return chunks
        position = end
    raise PictureError("the PNG is truncated")


def _fields(chunks: list[Chunk]) -> dict[str, Any]:
    """The metadata in the chunks of a PNG: a dict of `Metadata` fields (EXIF and XMP as stored)."""
    kept = []
    fields: dict[str, Any] = {}
    for kind, content in chunks:
        try:
            if kind in COLOUR_CHUNKS + _TEXT_CHUNKS and not content[:17] == _XMP_KEYWORD:
                kept.append((kind, bytes(content)))
            else:
                fields |= _field(kind, bytes(content))
        except PictureError as error:
            warn(f"{kind.decode()} part left out: {error}")
        except (IndexError, ValueError, struct.error, zlib.error):
            warn(f"damaged {kind.decode()} part left out")
    return {**fields, "chunks": tuple(kept)}


def _field(kind: bytes, content: bytes) -> dict[str, Any]:
    if kind == b"iCCP":
        return {"icc": _expanded(content.split(b"\0", 1)[1][1:])}
    if kind == b"eXIf":
        return {"exif": content}
    if kind == b"pHYs":
        across, down, metric = struct.unpack(">IIB", content)
        return {
            "resolution": (across / 100, down / 100, "cm") if metric else (across, down, "none")
        }
    if kind == b"iTXt":
        # after the keyword: whether it is compressed, how, the language and the translated
        # keyword, each with a NUL at its end, and the text
        rest = content[len(_XMP_KEYWORD) + 1 :]
        _, _, packet = rest[2:].split(b"\0", 2)
        return {"xmp": _expanded(packet) if rest[0] else packet}
    return {}


def _expanded(packed: bytes) -> bytes:
    inflate = zlib.decompressobj()
    content = inflate.decompress(packed, METADATA_LIMIT)
    if not inflate.eof:
        if inflate.unconsumed_tail:
            raise PictureError(f"it expands to more than {METADATA_LIMIT >> 20} MB")
        raise zlib.error("truncated")
    return content


def with_png_chunks(data: bytes, metadata: Metadata) -> bytes:
    """An encoded PNG with the metadata put in before its first pixels."""
    chunks = list(metadata.chunks)
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.resolution:
        across, down, unit = metadata.resolution
        per_metre = {"cm": 100, "inch": 100 / 2.54, "none": 1}[unit]
        sides = [min(2**31 - 1, round(side * per_metre)) for side in (across, down)]
        chunks.append((b"pHYs", struct.pack(">IIB", *sides, unit != "none")))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append((b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    header = len(PNG_SIGNATURE) + 12 + 13
    return data[:header] + _packed(chunks) + data[header:]


def bare_png(chunks: list[Chunk]) -> bytes:
    """A PNG with only its pixels: libpng prints warnings about other chunks."""
    needed = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
    return PNG_SIGNATURE + _packed(chunk for chunk in chunks if chunk[0] in needed)


def _packed(chunks: Iterable[Chunk]) -> bytes:
    return b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
        for kind, content in chunks
    )
