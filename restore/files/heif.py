"""AVIF, by libavif, and HEIC, by libheif where pillow-heif is installed.

The boxes ``irot`` and ``imir`` define the orientation; that of EXIF is then ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from restore.files import metadata as meta
from restore.files.boxes import XMP_TYPE, Items, box, boxes, items, with_items
from restore.files.decoded import check_size, picture_of, tolerant, warn
from restore.files.formats import PictureError
from restore.typing import Array

if TYPE_CHECKING:
    from restore.files.picture import Picture


#: EXIF orientations by turns of irot (a quarter each, to the left) and then imir (or none).
_ORIENTATIONS: dict[tuple[int, int | None], int] = {
    **{(0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6},
    **{(0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7},
    **{(0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5},
}

#: type of the items that map a picture to its HDR version (gain maps)
_GAIN_MAPS = (b"tmap", b"hdrgainmap")


def read_avif(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open AVIF file; for `restore.files.reading.read_pages`."""
    import imagecodecs

    data = file.read()
    if any(kind == b"moov" for kind, *_ in boxes(data)):
        raise PictureError("an animated AVIF: extract the frames first")
    found = items(data)
    if found.property(b"clap"):
        raise PictureError("an AVIF of which only a part is to be shown: cut it out first")
    width, height, bits = _declared(found, max_pixels)
    fields = tolerant(_fields, found, data)
    _warn_of_gain_map(found, data)
    stored = imagecodecs.avif_decode(data, numthreads=1)
    if stored.shape[:2] != (height, width):
        raise PictureError("the picture is damaged: its parts declare two sizes")
    if bits not in (8, 16):
        warn(f"{bits}-bit samples become 16-bit ones")
    yield picture_of(
        stored,
        fields,
        depth="8" if bits == 8 else "16",
        alpha=stored.ndim == 3 and stored.shape[2] in (2, 4),
        top=2**bits - 1,
        orientation=_orientation(found),
    )


def read_heic(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the picture of an open HEIC file; for `restore.files.reading.read_pages`."""
    try:
        import pillow_heif
    except ImportError:
        raise PictureError(
            "a HEIC picture: pip install 'restore-ksvd[heic]' reads it; or convert it to PNG"
        ) from None
    data = file.read()
    found = items(data)
    _declared(found, max_pixels)
    _warn_of_gain_map(found, data)
    fields = tolerant(_fields, found, data)
    pillow_heif.options.DECODE_THREADS = 1
    opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
    bits = opened.info.get("bit_depth", 8)
    if opened.mode.removesuffix(";16") not in ("L", "RGB", "RGBA"):
        raise PictureError(f"HEIC pictures of kind {opened.mode} are not supported")
    width, height = opened.size
    check_size(width, height, max_pixels)
    stored = np.asarray(opened[opened.primary_index])
    if bits != 8:
        warn(f"{bits}-bit samples become 16-bit ones")
    picture = picture_of(
        stored,
        fields,
        depth="8" if stored.dtype == np.uint8 else "16",
        alpha=opened.mode.startswith("RGBA"),
        top=255 if stored.dtype == np.uint8 else (2**bits - 1) << (16 - bits),
        orientation=1,  # libheif has rotated it already
    )
    metadata = picture.metadata.replace(orientation=_orientation(found))
    yield picture.replace(metadata=metadata)


def _declared(found: Items, max_pixels: int) -> tuple[int, int, int]:
    """Width, height and bits of the main picture; a PictureError if they are too large."""
    sizes, depths = found.property(b"ispe"), found.property(b"pixi")
    if not sizes or len(sizes[0]) < 12:
        raise PictureError("the picture is damaged: it does not say how large it is")
    width, height = (int.from_bytes(sizes[0][at : at + 4], "big") for at in (4, 8))
    check_size(width, height, max_pixels)
    bits = depths[0][5] if depths and len(depths[0]) > 5 else 0
    # for a picture in tiles, the tiles have the decoder configuration
    own = found.property(b"av1C")
    parts = [part for parts in found.properties.values() for part in parts]
    for configuration in own or [content for kind, content in parts if kind == b"av1C"]:
        bits = 12 if configuration[2] & 0x20 else 10 if configuration[2] & 0x40 else 8
    return width, height, bits or 8


def _orientation(found: Items) -> int:
    turns = [content[0] & 3 for content in found.property(b"irot") if content]
    mirrors = [content[0] & 1 for content in found.property(b"imir") if content]
    return _ORIENTATIONS[turns[0] if turns else 0, mirrors[0] if mirrors else None]


def _warn_of_gain_map(found: Items, data: bytes) -> None:
    kinds = [*found.kinds.values()]
    urns = [
        content for own in found.properties.values() for kind, content in own if kind == b"auxC"
    ]
    if any(name in text for name in _GAIN_MAPS for text in (*kinds, *urns)):
        warn("the HDR gain map is left out: the result is the picture for ordinary screens")


def _fields(found: Items, data: bytes) -> dict[str, Any]:
    from restore.files.png import METADATA_LIMIT

    fields: dict[str, Any] = {}
    for content in found.property(b"colr"):
        if content[:4] in (b"prof", b"rICC"):
            fields["icc"] = content[4:]
        elif content[:4] == b"nclx":
            primaries, transfer = (int.from_bytes(content[at : at + 2], "big") for at in (4, 6))
            fields["chunks"] = meta.cicp_chunks(primaries, transfer)
    if "icc" in fields:
        fields.pop("chunks", None)
    block = found.content(b"Exif", data, METADATA_LIMIT)
    if block:
        fields["exif"] = block[4 + int.from_bytes(block[:4], "big") :]
        fields["resolution"] = meta.resolution_of(fields["exif"].removeprefix(b"Exif\0\0"))
    fields["xmp"] = found.content(XMP_TYPE, data, METADATA_LIMIT)
    return fields


def encode_avif(stored: Array, picture: Picture) -> bytes:
    """The bytes of an AVIF file, without loss at 8 bits and at 12."""
    import imagecodecs

    bits = 8 if picture.depth == "8" else 12
    if bits == 12:
        stored = ((stored.astype(np.uint32) * 4095 + 32767) // 65535).astype(np.uint16)
    metadata = picture.metadata
    encoded = imagecodecs.avif_encode(stored, level=100, speed=8, bitspersample=bits, numthreads=1)
    data = bytes(encoded)
    if not metadata.icc:
        # the colours in the box take precedence over those in the stream
        start = data.index(b"colrnclx") + 8
        told = b"".join(part.to_bytes(2, "big") for part in meta.cicp_of(metadata) or (1, 13))
        data = data[:start] + told + data[start + 4 :]
    exif = meta.with_resolution(metadata.exif, metadata.resolution)
    further = [(b"Exif", bytes(4) + exif)] if exif else []
    further += [(XMP_TYPE, metadata.xmp)] if metadata.xmp else []
    profile = [box(b"colr", b"prof", metadata.icc)] if metadata.icc else []
    return with_items(data, further, profile) if further or profile else data
