"""JPEG XL by libjxl: the header is parsed here, since the decoder returns only samples.

References
----------
ISO/IEC 18181-1:2022, Annexes B (fields) and D (image metadata); 18181-2 (the file format).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from restore.files import metadata as meta
from restore.files.boxes import box, boxes
from restore.files.decoded import check_size, picture_of, tolerant, warn
from restore.files.formats import PictureError

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.typing import Array


_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"

#: shapes that a header names instead of a width
_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))

#: primaries and transfers that code points (ITU-T H.273) tell as well
_PRIMARIES = {1: 1, 9: 9, 11: 12}
_TRANSFERS = (1, 8, 13, 16, 18)
_LINEAR, _SRGB = 8, 13


class _Bits:
    """Numbers in a codestream, the lowest bit of a byte first."""

    def __init__(self, data: bytes) -> None:
        self.number = int.from_bytes(data[:4096], "little")
        self.place, self.stop = 0, 8 * min(len(data), 4096)

    def bits(self, count: int) -> int:
        self.place += count
        if self.place > self.stop:
            raise PictureError("the picture is truncated")
        value = self.number & ((1 << count) - 1)
        self.number >>= count
        return value

    def flag(self) -> bool:
        return bool(self.bits(1))

    def choice(self, *ways: tuple[int, int]) -> int:
        """One of four (bits, offset), by two bits that say which."""
        count, offset = ways[self.bits(2)]
        return self.bits(count) + offset

    def name(self) -> int:
        """A number that encodes an item of a list."""
        return self.choice((0, 0), (0, 1), (4, 2), (6, 18))


def _side(read: _Bits, small: bool) -> int:
    return 8 * (read.bits(5) + 1) if small else read.choice(*_SIZES)


def _size(read: _Bits) -> tuple[int, int]:
    small = read.flag()
    height = _side(read, small)
    ratio = _RATIOS[read.bits(3)]
    width = height * ratio[0] // ratio[1] if ratio else _side(read, small)
    return width, height


def _depth(read: _Bits) -> tuple[int, bool]:
    """Bits of a sample, and whether it is a float."""
    if read.flag():
        bits = read.choice((0, 32), (0, 16), (0, 24), (6, 1))
        read.bits(4)
        return bits, True
    return read.choice((0, 8), (0, 10), (0, 12), (6, 1)), False


def _extra_channels(read: _Bits) -> list[bool]:
    """The kinds of alpha there are: True where the colours are multiplied by it."""
    found = []
    for _ in range(read.choice((0, 0), (0, 1), (4, 2), (12, 1))):
        kind, associated = 0, False
        if not read.flag():
            kind = read.name()
            _depth(read)
            read.choice((0, 0), (0, 3), (0, 4), (3, 1))
            for _ in range(read.choice((0, 0), (4, 0), (5, 16), (10, 48))):
                read.bits(8)
            associated = kind == 0 and read.flag()
        if kind != 0:
            raise PictureError("a JPEG XL picture with channels beside colours and alpha")
        found.append(associated)
    return found


def _colours(read: _Bits) -> tuple[bool, tuple[int, int] | None, int | None]:
    """Grey or not, the code points of primaries and transfer or None, and where the last is."""
    if read.flag():
        return False, None, None
    profile, space = read.flag(), read.name()
    unknown = PictureError(
        "a JPEG XL picture with a colour profile that cannot be taken out of it: convert it to PNG "
        "with djxl"
    )
    if profile or space > 1:
        raise unknown
    white, primaries = read.name(), 1
    if white != 1:
        raise unknown
    if space == 0:
        primaries = _PRIMARIES.get(read.name())
    if read.flag():
        raise unknown
    place, transfer = read.place, read.name()
    if primaries is None or transfer not in _TRANSFERS:
        raise unknown
    return space == 1, (primaries, transfer), place


def _header(stream: bytes) -> dict[str, Any]:
    """The header of a codestream: a dict."""
    read = _Bits(stream[2:])
    found = {"orientation": 1, "bits": 8, "float": False, "alpha": [], "grey": False, "cicp": None}
    found["size"] = _size(read)
    if read.flag():
        return found
    if read.flag():
        found["orientation"] = 1 + read.bits(3)
        if read.flag():
            _size(read)
        if read.flag():
            raise PictureError("a JPEG XL picture with a preview: convert it to PNG with djxl")
        if read.flag():
            raise PictureError("an animated JPEG XL: extract the frames first")
    found["bits"], found["float"] = _depth(read)
    read.flag()
    found["alpha"] = _extra_channels(read)
    read.flag()
    found["grey"], found["cicp"], found["transfer_at"] = _colours(read)
    return found


def _codestream(data: bytes, found: list[tuple[bytes, int, int]]) -> bytes:
    """The codestream: the file itself, or the content of some of its boxes."""
    if found:
        parts = [data[start:stop] for kind, start, stop in found if kind == b"jxlc"]
        parts += [data[start + 4 : stop] for kind, start, stop in found if kind == b"jxlp"]
        data = b"".join(parts)
    if data[:2] != b"\xff\n":
        raise PictureError("the picture is damaged: it has no JPEG XL codestream")
    return data


def read_jxl(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open file; for `restore.files.reading.read_pages`."""
    import imagecodecs

    data = file.read()
    found = boxes(data) if data.startswith(_SIGNATURE) else []
    stream = _codestream(data, found)
    header = _header(stream)
    width, height = header["size"]
    check_size(width, height, max_pixels)
    if len(header["alpha"]) > 1:
        raise PictureError("a JPEG XL picture with several channels of transparency")
    fields = tolerant(_fields, data, found)
    if any(kind == b"jhgm" for kind, *_ in found):
        warn("the HDR gain map is left out: the result is the picture for ordinary screens")
    if header["cicp"]:
        fields["chunks"] = meta.cicp_chunks(*header["cicp"])
    if True in header["alpha"]:
        fields["alpha_kind"] = "assocalpha"
    stored = imagecodecs.jpegxl_decode(stream, keeporientation=True, numthreads=1)
    if stored.shape[:2] != (height, width):
        raise PictureError("the picture is damaged: its parts declare two sizes")
    yield _picture(stored, header, fields)


def _picture(stored: Array, header: dict[str, Any], fields: dict[str, Any]) -> Picture:
    bits = header["bits"]
    depth = "f32" if header["float"] else "8" if bits <= 8 else "16"
    if depth != "f32" and stored.dtype.kind != "u" or bits > 16 and depth != "f32":
        raise PictureError("JPEG XL samples of more than 16 bits: convert the picture to PNG")
    if depth != "f32" and bits not in (8, 16):
        warn(f"{bits}-bit samples become {depth}-bit ones")
    alpha = bool(header["alpha"])
    return picture_of(
        stored,
        fields,
        depth=depth,
        alpha=alpha,
        top=1 if depth == "f32" else 2**bits - 1,
        orientation=header["orientation"],
    )


def _fields(data: bytes, found: list[tuple[bytes, int, int]]) -> dict[str, Any]:
    from restore.files.png import METADATA_LIMIT

    fields: dict[str, Any] = {}
    for kind, start, stop in found:
        content = data[start:stop]
        if kind == b"brob":
            import imagecodecs

            kind = content[:4]
            if kind in (b"Exif", b"xml "):
                content = bytes(imagecodecs.brotli_decode(content[4:], out=METADATA_LIMIT))
        if kind == b"Exif":
            fields["exif"] = content[4 + int.from_bytes(content[:4], "big") :]
            fields["resolution"] = meta.resolution_of(fields["exif"].removeprefix(b"Exif\0\0"))
        elif kind == b"xml ":
            fields["xmp"] = content
    return fields


def _in_srgb(data: bytes | bytearray) -> bytes:
    """Mark a file as sRGB: imagecodecs marks files of more than 8 bits as linear.

    The four bits of one value are replaced by those of the other, at the position where a reader
    finds them.
    """
    data = bytes(data)
    start = next(start for kind, start, _ in boxes(data) if kind == b"jxlc")
    found = _header(data[start:])
    if found["cicp"] != (1, _LINEAR):
        return data
    name = found["transfer_at"] + 2
    changed = bytearray(data)
    for bit in range(4):
        at, mask = start + 2 + (name + bit) // 8, 1 << (name + bit) % 8
        changed[at] = changed[at] & ~mask | (mask if (_SRGB - 2) >> bit & 1 else 0)
    return bytes(changed)


def encode_jxl(stored: Array, picture: Picture) -> bytes:
    """The bytes of a JPEG XL file, without loss, in sRGB."""
    import imagecodecs

    # effort 3: for photographs a few percent larger than with the usual 7, in a tenth of the time
    data = _in_srgb(
        imagecodecs.jpegxl_encode(stored, lossless=True, effort=3, usecontainer=True, numthreads=1)
    )
    metadata = picture.metadata
    exif = meta.with_resolution(metadata.exif, metadata.resolution)
    if exif:
        data += box(b"Exif", bytes(4), exif)
    if metadata.xmp:
        data += box(b"xml ", metadata.xmp)
    return data
