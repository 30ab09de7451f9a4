"""Colour profiles, EXIF, XMP and PNG chunks: carried along, never a reason to fail.

An EXIF block is a small TIFF whose maker notes point into it by position. So it is edited
in place, a few bytes at a time, and never taken apart and rebuilt.
"""

import re
import struct
from collections.abc import Iterator

import numpy as np

from restore.files.formats import PictureError
from restore.files.picture import Metadata, Resolution
from restore.typing import Array

ORIENTATION, EXIF_IFD, GPS_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0x8825, 0xA002, 0xA003
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128

#: pixels per inch in the units of a resolution
PER_INCH = {"inch": 1, "cm": 2.54}

#: text tags of a TIFF's first directory that EXIF shares
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432)

#: chunks of a PNG that define its colours
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")

#: code points (ITU-T H.273) of primaries and transfers: what is as good as sRGB, and HDR
_ORDINARY = {(primaries, transfer) for primaries in (1, 2) for transfer in (1, 2, 6, 13)}
_HDR = {16: "PQ", 18: "HLG"}


def _entries(
    block: bytes | bytearray, order: str, position: int
) -> Iterator[tuple[int | None, int, int, int]]:
    """Yield (tag, type, count, position of the value), and last (None, 0, 0, next pointer)."""
    (count,) = struct.unpack_from(order + "H", block, position)
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
        yield tag, kind, values, entry + 8
    struct.unpack_from(order + "I", block, position + 2 + 12 * count)
    yield None, 0, 0, position + 2 + 12 * count


def _start(block: bytes | bytearray) -> tuple[str, int]:
    order = {b"II": "<", b"MM": ">"}[bytes(block[:2])]
    mark, first = struct.unpack_from(order + "HI", block, 2)
    if mark != 42:
        raise PictureError("not an EXIF block")
    return order, first


def upright_exif(block: bytes) -> tuple[int, bytes]:
    """The orientation of an EXIF block, and the block of the upright picture.

    Returns
    -------
    orientation : int
        1 to 8; 1 where the block says nothing.
    block : bytes
        With orientation 1 and without the thumbnail, which would now be stale.

    Raises
    ------
    PictureError
        If the block is broken.
    """
    block = bytearray(re.sub(rb"^(Exif\0\0)+", b"", block))
    orientation = 1
    try:
        order, first = _start(block)
        for tag, kind, _, position in _entries(block, order, first):
            if tag == ORIENTATION:
                code = {3: "H", 4: "I"}[kind]
                (orientation,) = struct.unpack_from(order + code, block, position)
                struct.pack_into(order + code, block, position, 1)
            elif tag is None:
                struct.pack_into(order + "I", block, position, 0)
    except (KeyError, struct.error) as error:
        raise PictureError("broken EXIF block") from error
    return orientation if 1 <= orientation <= 8 else 1, bytes(block)


def resized_exif(block: bytes, width: int, height: int) -> bytes:
    """An EXIF block with its pixel dimensions, if any, set to those of the picture."""
    block = bytearray(block)
    try:
        order, first = _start(block)
        for tag, _, _, position in list(_entries(block, order, first)):
            if tag != EXIF_IFD:
                continue
            (inner,) = struct.unpack_from(order + "I", block, position)
            for name, kind, _, place in list(_entries(block, order, inner)):
                code = {3: "H", 4: "I"}.get(kind)
                if name in (WIDTH, HEIGHT) and code:
                    side = width if name == WIDTH else height
                    struct.pack_into(order + code, block, place, side)
    except (KeyError, ValueError, struct.error):
        pass  # a maker's oddity further down: the rest of the block is still good
    return bytes(block)


def with_resolution(block: bytes | None, resolution: Resolution | None) -> bytes | None:
    """An EXIF block (or None) with the resolution added, unless it has one already.

    If the resolution is unknown, or one of the 72 and 96 per inch that programs write by default,
    the block is unchanged. Otherwise the first directory is copied to the end, extended by the
    three tags, and everything that it points to stays in place.
    """
    across, down, unit = resolution or (0, 0, "none")
    if unit == "none" or {round(side * PER_INCH[unit]) for side in (across, down)} <= {72, 96}:
        return block
    block = bytearray(block or b"MM\0*\0\0\0\x08" + bytes(6))
    try:
        order, first = _start(block)
        entries = {
            tag: bytes(block[position - 8 : position + 4])
            for tag, _, _, position in _entries(block, order, first)
            if tag is not None
        }
    except (KeyError, ValueError, struct.error):
        return bytes(block)
    if X_RESOLUTION in entries or Y_RESOLUTION in entries:
        return bytes(block)
    block += bytes(len(block) % 2)
    for tag, side in ((X_RESOLUTION, across), (Y_RESOLUTION, down)):
        entries[tag] = struct.pack(order + "HHII", tag, 5, 1, len(block))
        block += struct.pack(order + "II", min(2**32 - 1, round(10_000 * side)), 10_000)
    code = {"inch": 2, "cm": 3}[unit]
    entries[RESOLUTION_UNIT] = struct.pack(order + "HHIHH", RESOLUTION_UNIT, 3, 1, code, 0)
    struct.pack_into(order + "I", block, 4, len(block))
    directory = b"".join(entries[tag] for tag in sorted(entries))
    return bytes(block + struct.pack(order + "H", len(entries)) + directory + bytes(4))


def resolution_of(block: bytes | None) -> Resolution | None:
    """The resolution stated by an EXIF block, or None."""
    found = {}
    try:
        block = block or b""
        order, first = _start(block)
        for tag, kind, _, position in _entries(block, order, first):
            if tag in (X_RESOLUTION, Y_RESOLUTION) and kind == 5:
                (place,) = struct.unpack_from(order + "I", block, position)
                count, share = struct.unpack_from(order + "II", block, place)
                found[tag] = count / share
            elif tag == RESOLUTION_UNIT and kind == 3:
                (found[tag],) = struct.unpack_from(order + "H", block, position)
    except (KeyError, ValueError, ZeroDivisionError, struct.error):
        return None
    unit = {2: "inch", 3: "cm"}.get(found.get(RESOLUTION_UNIT, 2), "none")
    across, down = found.get(X_RESOLUTION, 0), found.get(Y_RESOLUTION, 0)
    return (across, down, unit) if across > 0 and down > 0 else None


def directory_pointers(directory: bytes, order: str) -> list[tuple[int, int]]:
    """The positions of the EXIF and GPS directories of a packed directory: (tag, position)."""
    return [
        (tag, struct.unpack_from(order + "I", directory, position)[0])
        for tag, _, _, position in _entries(directory, order, 0)
        if tag in (EXIF_IFD, GPS_IFD)
    ]


def upright_xmp(packet: bytes | None) -> bytes | None:
    """An XMP packet without an orientation that would rotate the picture again."""
    if packet is None:
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8]", rb"\g<1>1", packet)


def upright(samples: Array, orientation: int) -> Array:
    """The array rotated and mirrored by an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def turned_back(samples: Array, orientation: int) -> Array:
    """The inverse of `upright`: the array as stored in the file."""
    return upright(samples, {6: 8, 8: 6}.get(orientation, orientation))


def stripped(metadata: Metadata, profile_too: bool = False) -> Metadata:
    """Metadata reduced to what defines the colours, or to nothing."""
    needed = {name: getattr(metadata, name) for name in ("alpha_kind", "pattern", "camera")}
    if profile_too:
        return Metadata(**needed)
    return Metadata(
        icc=metadata.icc,
        chunks=tuple(chunk for chunk in metadata.chunks if chunk[0] in COLOUR_CHUNKS),
        **needed,
    )


def cicp_chunks(primaries: int, transfer: int) -> tuple[tuple[bytes, bytes], ...]:
    """The PNG chunk that states colours by code points; none for sRGB."""
    if (primaries, transfer) in _ORDINARY:
        return ()
    return ((b"cICP", bytes([primaries & 255, transfer & 255, 0, 1])),)


def cicp_of(metadata: Metadata) -> tuple[int, int] | None:
    """The code points (primaries, transfer) of the colours, or None for sRGB."""
    content = dict(metadata.chunks).get(b"cICP", b"")
    points = tuple(content[:2])
    return None if len(content) != 4 or points in _ORDINARY else points


def hdr_transfer(metadata: Metadata) -> str | None:
    """The name of the transfer function of an HDR picture, or None."""
    points = cicp_of(metadata)
    return _HDR.get(points[1]) if points else None


def fits_profile(icc: bytes, channels: int) -> bool:
    """Whether a colour profile is of the kind (grey or RGB) that the picture is."""
    return icc[16:20] == (b"GRAY" if channels == 1 else b"RGB ")
