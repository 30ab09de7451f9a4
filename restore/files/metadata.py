"""Colour profiles, EXIF, XMP and PNG chunks: carried along, never the reason of a failure.

An EXIF block is a small TIFF whose maker notes point into it by position. So it is edited
in place, a few bytes at a time, and never taken apart and rebuilt.
"""

import re
import struct
import warnings
import zlib

import numpy as np

from restore.files.formats import PictureError
from restore.files.picture import Metadata, PictureWarning

ORIENTATION, EXIF_IFD, GPS_IFD, WIDTH, HEIGHT = 0x0112, 0x8769, 0x8825, 0xA002, 0xA003
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128

#: pixels per inch in the units of a resolution
PER_INCH = {"inch": 1, "cm": 2.54}

#: text tags of a TIFF's first directory that EXIF shares
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
#: chunks of a PNG that are kept as they are: how colours look, and text
_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")


def _entries(block, order, position):
    """Yield (tag, type, count, position of the value), and last (None, 0, 0, next pointer)."""
    (count,) = struct.unpack_from(order + "H", block, position)
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
        yield tag, kind, values, entry + 8
    struct.unpack_from(order + "I", block, position + 2 + 12 * count)
    yield None, 0, 0, position + 2 + 12 * count


def _start(block):
    order = {b"II": "<", b"MM": ">"}[bytes(block[:2])]
    mark, first = struct.unpack_from(order + "HI", block, 2)
    if mark != 42:
        raise PictureError("not an EXIF block")
    return order, first


def upright_exif(block):
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


def resized_exif(block, width, height):
    """An EXIF block whose pixel dimensions, where it has any, are those of the picture."""
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


def with_resolution(block, resolution):
    """An EXIF block (or None) that says the resolution, unless it says one already.

    Where nothing is known of it, as by the 72 and 96 per inch that programs write then, the
    block is as it was. Otherwise the first directory is repeated at the end, longer by the
    three tags, and everything that is pointed at stays in its place.
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


def resolution_of(block):
    """The resolution that an EXIF block says, or None."""
    found = {}
    try:
        order, first = _start(block or b"")
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


def directory_pointers(directory, order):
    """Where a packed directory says that its EXIF and GPS directories are: (tag, position)."""
    return [
        (tag, struct.unpack_from(order + "I", directory, position)[0])
        for tag, _, _, position in _entries(directory, order, 0)
        if tag in (EXIF_IFD, GPS_IFD)
    ]


def upright_xmp(packet):
    """An XMP packet that does not ask for the picture to be turned again."""
    if packet is None:
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8]", rb"\g<1>1", packet)


def upright(samples, orientation):
    """The array turned and mirrored as an EXIF orientation asks."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def stripped(metadata, profile_too=False):
    """Metadata of which only what decides how colours look is left, or not even that."""
    if profile_too:
        return Metadata(alpha_kind=metadata.alpha_kind)
    return Metadata(
        icc=metadata.icc,
        chunks=tuple(chunk for chunk in metadata.chunks if chunk[0] in _COLOUR_CHUNKS),
        alpha_kind=metadata.alpha_kind,
    )


def fits_profile(icc, channels):
    """Whether a colour profile is of the kind (grey or RGB) that the picture is."""
    return icc[16:20] == (b"GRAY" if channels == 1 else b"RGB ")


# --- PNG ------------------------------------------------------------------------------


def png_chunks(data):
    """The chunks of a PNG as (type, content), every checksum verified.

    Damaged parts that are not needed to show the picture are left out with a warning.

    Raises
    ------
    PictureError
        If a chunk is damaged, or the file ends before its end mark.
    """
    chunks, position = [], len(PNG_SIGNATURE)
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
            warnings.warn(f"damaged {name} part left out", PictureWarning, stacklevel=2)
        else:
            raise PictureError(f"the PNG is damaged: its {name} part has a wrong checksum")
        if kind == b"IEND":
            return chunks
        position = end
    raise PictureError("the PNG is truncated")


def read_png_chunks(chunks):
    """What the chunks of a PNG say: a dict of `Metadata` fields (EXIF and XMP as stored)."""
    kept, fields = [], {}
    for kind, content in chunks:
        try:
            if kind in _COLOUR_CHUNKS + _TEXT_CHUNKS and not content[:17] == _XMP_KEYWORD:
                kept.append((kind, bytes(content)))
            else:
                fields |= _read_png_chunk(kind, bytes(content))
        except (IndexError, ValueError, struct.error, zlib.error):
            name = kind.decode()
            warnings.warn(f"damaged {name} part left out", PictureWarning, stacklevel=2)
    return {**fields, "chunks": tuple(kept)}


def _read_png_chunk(kind, content):
    if kind == b"iCCP":
        inflate = zlib.decompressobj()
        return {"icc": inflate.decompress(content.split(b"\0", 1)[1][1:], 2**24)}
    if kind == b"eXIf":
        return {"exif": content}
    if kind == b"pHYs":
        across, down, metric = struct.unpack(">IIB", content)
        return {
            "resolution": (across / 100, down / 100, "cm") if metric else (across, down, "none")
        }
    if kind == b"iTXt":
        compressed, packet = content[len(_XMP_KEYWORD) + 1], content.split(b"\0", 5)[5]
        return {"xmp": zlib.decompress(packet) if compressed else packet}
    return {}


def with_png_chunks(data, metadata):
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


def bare_png(chunks):
    """A PNG of nothing but its pixels: libpng prints what it thinks of the other chunks."""
    needed = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
    return PNG_SIGNATURE + _packed(chunk for chunk in chunks if chunk[0] in needed)


def _packed(chunks):
    return b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
        for kind, content in chunks
    )
