"""JPEG 2000 by OpenJPEG, in its file format or bare.

References
----------
ISO/IEC 15444-1: Annex A.5.1 (the sizes in a codestream), Annex I (the file format). EXIF and XMP
are in boxes of the kinds that ExifTool and Adobe's programs write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from restore.files import metadata as meta
from restore.files.boxes import box, boxes
from restore.files.decoded import check_size, picture_of, tolerant, warn
from restore.files.formats import PictureError

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.typing import Array


_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_EXIF = b"JpgTiffExif->JP2"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

#: Maximum number of tiles of one picture; each takes memory.
_MOST_TILES = 65_535

#: enumerated colour spaces: sRGB and grey
_SRGB, _GREY = 16, 17


def read_jp2(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open file; for `restore.files.reading.read_pages`."""
    import imagecodecs

    data = file.read()
    found, kinds = {}, {}
    stream = data
    if data.startswith(_SIGNATURE):
        found = {kind: data[start:stop] for kind, start, stop in _tolerant_boxes(data)}
        header = found.get(b"jp2h", b"")
        kinds = {kind: header[start:stop] for kind, start, stop in boxes(header)}
        stream = found.get(b"jp2c", b"")
    width, height, components, bits = _sizes(stream)
    check_size(width, height, max_pixels)
    if b"pclr" in kinds:
        raise PictureError("a JPEG 2000 picture with a palette: convert it to PNG first")
    if not stream.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise PictureError("the picture is truncated")
    alpha, alpha_kind = _alpha(kinds.get(b"cdef", b""), components)
    fields = tolerant(_fields, data, kinds) | {"alpha_kind": alpha_kind}
    colours = kinds.get(b"colr", b"")
    if colours[:1] == b"\1":
        (number,) = struct.unpack_from(">I", colours, 3)
        if number not in (_SRGB, _GREY):
            raise PictureError("JPEG 2000 pictures are read in grey and sRGB: convert it first")
    stored = imagecodecs.jpeg2k_decode(stream, numthreads=1)
    if stored.shape[:2] != (height, width):
        raise PictureError("the picture is damaged: its parts declare two sizes")
    if bits not in (8, 16):
        warn(f"{bits}-bit samples become {8 if bits < 8 else 16}-bit ones")
    depth = "8" if bits <= 8 else "16"
    yield picture_of(stored, fields, depth=depth, alpha=alpha, top=2**bits - 1)


def _tolerant_boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """The boxes of a file; the last may be truncated."""
    try:
        return boxes(data)
    except PictureError:
        raise PictureError("the picture is damaged or truncated") from None


def _sizes(stream: bytes) -> tuple[int, int, int, int]:
    """Width, height, components and bits of a codestream, all components alike."""
    try:
        mark, size, _, right, bottom, left, top = struct.unpack_from(">IHHIIII", stream)
        across, down, first, second, components = struct.unpack_from(">IIIIH", stream, 24)
        parts = [struct.unpack_from("BBB", stream, 42 + 3 * number) for number in range(components)]
    except struct.error as error:
        raise PictureError("the picture is truncated") from error
    if mark != 0xFF4FFF51 or size != 38 + 3 * components or not 1 <= components <= 4:
        raise PictureError(f"a JPEG 2000 picture of {components} channels, or a damaged one")
    bits, *steps = parts[0]
    if any(part != (bits, 1, 1) for part in parts):
        raise PictureError("channels of different sizes or depths: convert the picture to PNG")
    if bits > 15:
        raise PictureError("signed samples, or more than 16 bits, are not supported")
    if not (left < right and top < bottom and across and down):
        raise PictureError("the picture is damaged: its sizes make no sense")
    if -(-(right - first) // across) * -(-(bottom - second) // down) > _MOST_TILES:
        raise PictureError("the picture is damaged: it has too many tiles")
    return right - left, bottom - top, components, bits + 1


def _alpha(definitions: bytes, components: int) -> tuple[bool, str]:
    """Whether the last channel is alpha, and of which kind."""
    if components not in (2, 4):
        return False, "unassalpha"
    for number in range(len(definitions) // 6):
        channel, kind, _ = struct.unpack_from(">HHH", definitions, 2 + 6 * number)
        if channel == components - 1:
            return True, {1: "unassalpha", 2: "assocalpha"}.get(kind, "unspecified")
    return True, "unspecified"


def _fields(data: bytes, kinds: dict[bytes, bytes]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    colours = kinds.get(b"colr", b"")
    if colours[:1] == b"\2":
        fields["icc"] = colours[3:]
    for kind, start, stop in boxes(data) if data.startswith(_SIGNATURE) else ():
        if kind == b"uuid" and data[start : start + 16] == _EXIF:
            fields["exif"] = data[start + 16 : stop]
            fields["resolution"] = meta.resolution_of(fields["exif"].removeprefix(b"Exif\0\0"))
        elif kind == b"uuid" and data[start : start + 16] == _XMP:
            fields["xmp"] = data[start + 16 : stop]
    return fields


def encode_jp2(stored: Array, picture: Picture) -> bytes:
    """The bytes of a JP2 file, without loss."""
    import imagecodecs

    stream = imagecodecs.jpeg2k_encode(
        stored, level=0, codecformat="j2k", reversible=True, numthreads=1
    )
    metadata = picture.metadata
    height, width = stored.shape[:2]
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    bits = (8 if picture.depth == "8" else 16) - 1
    colours = picture.samples.shape[2]
    header = [box(b"ihdr", struct.pack(">IIHBBBB", height, width, channels, bits, 7, 0, 0))]
    if metadata.icc:
        header.append(box(b"colr", b"\2\0\0", metadata.icc))
    else:
        number = _SRGB if colours == 3 else _GREY
        header.append(box(b"colr", b"\1\0\0", struct.pack(">I", number)))
    if picture.alpha is not None:
        own = [(channel, 0, channel + 1) for channel in range(colours)] + [(colours, 1, 0)]
        packed = b"".join(struct.pack(">HHH", *definition) for definition in own)
        header.append(box(b"cdef", struct.pack(">H", channels), packed))
    parts = [_SIGNATURE, box(b"ftyp", b"jp2 \0\0\0\0jp2 "), box(b"jp2h", *header)]
    exif = meta.with_resolution(metadata.exif, metadata.resolution)
    if exif:
        parts.append(box(b"uuid", _EXIF, exif))
    if metadata.xmp:
        parts.append(box(b"uuid", _XMP, metadata.xmp))
    return b"".join([*parts, box(b"jp2c", bytes(stream))])
