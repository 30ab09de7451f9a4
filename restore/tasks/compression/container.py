"""The file format: a header of a few bytes, sections, the payload, and a checksum of all bytes.

====================  =======================================================================
bytes                 meaning
====================  =======================================================================
4                     8B 4B 0D 0A
1                     version of the format: 3 if the decoded picture is corrected, else 1 for
                      method "bases" and 2 for the others
1                     flags: 1 colour, 2 sixteen bits, 4 alpha, 8 ICC profile, 16 EXIF,
                      32 XMP, 64 a codec that is not packaged, 128 that codec is embedded
1                     from version 2 on: index into `METHODS`
1-5, 1-5              width, height: 7 bits per byte, lowest first, last byte below 128
2                     big-endian: step number (12 bits), above it filter strength (4 bits)
3                     colour only: angles of the rotation, signed
2                     version 3 only: index into `correction.PACKAGED`, and the rms error,
                      from `correction.error_of`
1 or 3                method "seen" only: numbers of `seen.Seen`, for grey or colour
1 or 4                number of the packaged codec or dictionary, or the first bytes of its SHA-256
1-5 and as many       length and content of each section: alpha, ICC, EXIF, XMP, codec
...                   payload
4                     CRC-32, big-endian, of all bytes before
====================  =======================================================================

Lossless files have no step, filter, angles or codec, and their alpha is in the payload.

Before anything is allocated for the declared picture, the checksum is verified, and so is that the
payload is long enough for its pixels.
"""

from __future__ import annotations

import dataclasses
import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.imaging.arrays import as_image
from restore.kernels.blocks import SUPER
from restore.sparse.dictionary import PACKAGED as DICTIONARIES
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression.codec import PACKAGED as CODECS
from restore.tasks.compression.codec import Codec
from restore.tasks.compression.coding import STEPS
from restore.tasks.compression.correction import PACKAGED as CORRECTORS
from restore.tasks.compression.fields import Reader, expand, varint
from restore.typing import Array

if TYPE_CHECKING:
    from typing_extensions import Buffer


MAGIC = b"\x8bK\r\n"
#: Learned bases chosen block by block; codes over a dictionary; lossless; learned bases with steps
#: that vary for visual quality. Files contain the indices of methods and of the packaged names of
#: each: new ones are appended, and none is ever removed.
METHODS = ("bases", "atoms", "lossless", "seen")
#: Methods whose decoded picture may be corrected.
CORRECTED = ("bases", "seen")
NAMES = {"bases": CODECS, "atoms": DICTIONARIES, "seen": CODECS}
_COLOUR, _SIXTEEN, _ALPHA, _ICC, _EXIF, _XMP, _OTHER, _EMBEDDED = (1 << i for i in range(8))
#: Number of bytes of a codec's SHA-256 in a file.
_DIGEST = 4
#: Maximum side in pixels, and maximum bytes of a decompressed section.
_LONGEST, _MOST_BYTES = 1 << 24, 1 << 26
#: Minimum bits of a superblock: four decisions, each with a probability of at most 65512 / 65536.
_FEWEST_BITS = 4 * 0.00052
#: Minimum bits of a lossless pixel: one decision with a probability of at most 65532 / 65536.
_FEWEST_BITS_EXACT = 0.000088
#: Largest sample of each depth.
TOPS = {"8": 255, "16": 65535}


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes
    ----------
    width, height : int
    channels : int
        1 or 3.
    depth : {"8", "16"}
    number : int
        Step number, `restore.tasks.compression.coding.step_of`.
    filter : int
        Strength of the filter at the decoder, 0 to 15.
    angles : tuple of 3 int
        Of the colour rotation.
    codec : str or bytes
        The packaged name, or the first bytes of the SHA-256.
    seen : tuple of 3 int
        Of `restore.tasks.compression.seen.Seen`: detail, colour, share.
    method : {"bases", "atoms", "lossless", "seen"}
        For "lossless", step, filter, angles and codec are unused.
    alpha : bool
        Whether there is an alpha channel.
    error : int or None
        From `restore.tasks.compression.correction.error_of`; None if the decoded picture is not
        corrected.
    """

    width: int
    height: int
    channels: int
    depth: str
    number: int = 0
    filter: int = 0
    angles: tuple = (0, 0, 0)
    seen: tuple[int, int, int] = (0, 0, 0)
    codec: str | bytes = CODECS[0]
    method: str = METHODS[0]
    alpha: bool = False
    error: int | None = None


@dataclasses.dataclass(frozen=True)
class Sections:
    """The sections of a file besides the payload; None for those that are missing.

    Alpha is (height, width) unsigned integers; ICC, EXIF, XMP and an embedded codec are bytes.
    """

    alpha: Array | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    codec: bytes | None = None


def pack(header: Header, sections: Sections, payload: bytes) -> bytes:
    """The bytes of a file."""
    exact = header.method == "lossless"
    other = b"" if isinstance(header.codec, str) else header.codec[:_DIGEST]
    flags = sum(
        flag
        for flag, there in (
            (_COLOUR, header.channels == 3),
            (_SIXTEEN, header.depth == "16"),
            (_ALPHA, header.alpha),
            (_ICC, sections.icc is not None),
            (_EXIF, sections.exif is not None),
            (_XMP, sections.xmp is not None),
            (_OTHER, bool(other)),
            (_EMBEDDED, sections.codec is not None),
        )
        if there
    )
    method = METHODS.index(header.method)
    version = 3 if header.error is not None else 2 if method else 1
    parts = [MAGIC, bytes([1, flags] if version == 1 else [version, flags, method])]
    parts += [varint(header.width), varint(header.height)]
    if not exact:
        parts.append((header.filter << 12 | header.number).to_bytes(2, "big"))
        if header.channels == 3:
            parts.append(bytes(angle & 255 for angle in header.angles))
        if header.error is not None:
            parts.append(bytes([0, header.error]))
        if header.method == "seen":
            parts.append(bytes(part & 255 for part in header.seen[: header.channels]))
        names = NAMES[header.method]
        parts.append(other or bytes([names.index(header.codec)]))
    alpha = None if sections.alpha is None else _steps_of(sections.alpha)
    for section in (alpha, sections.icc, sections.exif, sections.xmp):
        if section is not None:
            packed = zlib.compress(section, 9)
            parts += [varint(len(packed)), packed]
    if sections.codec is not None:
        parts += [varint(len(sections.codec)), sections.codec]
    data = b"".join([*parts, payload])
    return data + zlib.crc32(data).to_bytes(4, "big")


def unpack(data: bytes, max_pixels: int | None = None) -> tuple[Header, Sections, bytes]:
    """Split a file into header, sections and payload.

    Parameters
    ----------
    data : bytes
    max_pixels : int, optional
        Refuse larger pictures.

    Raises
    ------
    ValueError
        If the file is not valid or the picture is too large; one sentence says why.
    """
    header, packed, payload = _read(data)
    if max_pixels is not None and header.width * header.height > max_pixels:
        raise ValueError(
            f"the picture has {header.width} x {header.height} pixels, more than "
            f"{max_pixels}: allow it with --max-pixels"
        )
    if header.method == "lossless":
        fewest = header.width * header.height * _FEWEST_BITS_EXACT
    else:
        superblocks = -(-header.width // SUPER) * -(-header.height // SUPER) * header.channels
        fewest = superblocks * _FEWEST_BITS
    if fewest > 8 * len(payload) + 64:
        raise ValueError(
            f"the file declares {header.width} x {header.height} pixels, "
            "but is too short to hold them"
        )
    alpha = None
    if packed["alpha"] is not None:
        kind = np.dtype(">u2") if header.depth == "16" else np.dtype("u1")
        expected = header.width * header.height * kind.itemsize
        alpha = np.frombuffer(expand(packed["alpha"], expected, expected), kind)
        alpha = _sums_of(alpha.reshape(header.height, header.width))
    return header, Sections(alpha=alpha, codec=packed["codec"], **_metadata(packed)), payload


def inspect(data: Buffer) -> dict[str, Any]:
    """Read the header of a compressed picture, without decoding the picture.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict
        Sizes in pixels and bytes, depth; step, filter and codec unless it is lossless.

    Raises
    ------
    ValueError
        If `data` is not a complete compressed picture.
    TypeError
        If `data` is not bytes-like.
    """
    data = bytes_of(data)
    header, packed, payload = _read(data)
    sections = {name: len(part) for name, part in packed.items() if part is not None}
    coding = {}
    if header.method != "lossless":
        name = header.codec if isinstance(header.codec, str) else f"sha256:{header.codec.hex()}"
        step = 2.0 ** ((header.number - 2048) / 128)
        coding = {"step": round(step, 4), "filter": header.filter, "codec": name}
        coding["corrected"] = header.error is not None
    return {
        "format": "ksvd",
        "version": data[4],
        "method": header.method,
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "depth": header.depth,
        "alpha": header.alpha,
        **coding,
        "bytes": len(data),
        "payload": len(payload),
        "overhead": len(data) - len(payload) - sum(sections.values()),
        "sections": sections,
        "bits_per_pixel": round(8 * len(data) / (header.width * header.height), 4),
    }


def metadata(data: Buffer) -> dict[str, bytes | None]:
    """ICC, EXIF and XMP of a compressed picture by name, bytes or None, without decoding it.

    `data` and errors as in `inspect`.
    """
    return _metadata(_read(bytes_of(data))[1])


def bytes_of(data: Buffer) -> bytes:
    """Convert any bytes-like object to bytes."""
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(
            f"expected the bytes of a compressed picture, not {type(data).__name__}: read the "
            "file first, in binary mode"
        ) from None


def stored(alpha: Array, depth: str) -> Array:
    """The alpha channel as unsigned integers of this depth."""
    if alpha.dtype.kind == "u" and alpha.dtype.itemsize * 8 == int(depth):
        return alpha
    alpha = as_image(alpha)[..., 0]
    kind = np.uint16 if depth == "16" else np.uint8
    return np.rint(np.clip(alpha, 0, 1) * np.float32(TOPS[depth])).astype(kind)


def codec_of(
    header: Header, sections: Sections, codec: Codec | Dictionary | None = None
) -> Codec | Dictionary:
    """The codec or dictionary that a file needs: packaged, embedded, or the one given.

    Raises
    ------
    ValueError
        If it is missing, or not the one the picture was coded with.
    TypeError
        If it is a codec instead of a dictionary, or vice versa.
    """
    atoms = header.method == "atoms"
    kind, word, option = (
        (Dictionary, "dictionary", "--dictionary") if atoms else (Codec, "codec", "--model")
    )
    if isinstance(header.codec, str):
        return kind.load(header.codec)
    if sections.codec is not None:
        codec = kind.load(io.BytesIO(sections.codec))
    if codec is None:
        raise ValueError(
            f"the picture was coded with the {word} of SHA-256 {header.codec.hex()}...: "
            f"give its file with {option}"
        )
    if not isinstance(codec, kind):
        raise TypeError(
            f"the picture was coded with a {word}, and this is a {type(codec).__name__}: "
            f"give the file with {option}"
        )
    if codec.digest[:_DIGEST] != header.codec:
        raise ValueError(
            f"the picture was coded with the {word} of SHA-256 {header.codec.hex()}..., "
            f"not with this one, {codec.digest[:_DIGEST].hex()}..."
        )
    return codec


def _read(data: bytes) -> tuple[Header, dict[str, Any], bytes]:
    """Header, packed sections by name, and payload: lengths are checked, nothing is expanded."""
    if data[:4] != MAGIC:
        damaged = data[:2] == MAGIC[:2] or data[1:4] == MAGIC[1:]
        raise ValueError(
            "the file is damaged: it was changed as if it were text"
            if damaged and len(data) > 4
            else "this is no compressed picture of restore"
        )
    if len(data) < 5:
        raise ValueError("the file is cut off")
    if data[4] not in (1, 2, 3):
        raise ValueError(
            f"the file has format version {data[4]}, or is damaged; this program reads "
            "versions 1 to 3"
        )
    if len(data) < 12 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise ValueError("the file is damaged or cut off: its checksum is wrong")
    reader = Reader(data[5:-4])
    flags = reader.take(1)[0]
    method = reader.take(1)[0] if data[4] > 1 else 0
    if method >= len(METHODS) or (data[4] == 3 and METHODS[method] not in CORRECTED):
        raise ValueError("the file is coded in a way that this version does not know")
    width, height = reader.varint(), reader.varint()
    if not (0 < width <= _LONGEST and 0 < height <= _LONGEST):
        raise ValueError(f"the file declares impossible sides of {width} x {height} pixels")
    channels = 3 if flags & _COLOUR else 1
    exact = METHODS[method] == "lossless"
    coding = {} if exact else _coding(reader, data[4], flags, METHODS[method], channels)
    packed = {
        name: reader.take(reader.varint()) if flags & flag else None
        for name, flag in (
            ("alpha", 0 if exact else _ALPHA),
            ("icc", _ICC),
            ("exif", _EXIF),
            ("xmp", _XMP),
            ("codec", 0 if exact else _EMBEDDED),
        )
    }
    header = Header(
        width,
        height,
        channels,
        "16" if flags & _SIXTEEN else "8",
        method=METHODS[method],
        alpha=bool(flags & _ALPHA),
        **coding,
    )
    return header, packed, reader.rest()


def _coding(reader: Reader, version: int, flags: int, method: str, channels: int) -> dict[str, Any]:
    """The fields of a `Header` on the quantiser, the colour rotation, the correction, the codec."""
    settings = int.from_bytes(reader.take(2), "big")
    angles = (0, 0, 0)
    if channels == 3:
        angles = tuple((angle + 128) % 256 - 128 for angle in reader.take(3))
    error = None
    if version == 3:
        coder, error = reader.take(2)
        if coder >= len(CORRECTORS):
            raise ValueError("the file needs a learned coder that this version does not have")
    seen = (0, 0, 0)
    if method == "seen":
        detail, *colour = reader.take(channels)
        colour, share = colour or (0, 0)
        seen = detail, colour, (share + 128) % 256 - 128
    if flags & _OTHER:
        codec = bytes(reader.take(_DIGEST))
    else:
        number, names = reader.take(1)[0], NAMES[method]
        if number >= len(names) or flags & _EMBEDDED:
            raise ValueError("the file needs a codec that this version does not have")
        codec = names[number]
    return {
        "number": settings % STEPS,
        "filter": settings // STEPS,
        "angles": angles,
        "seen": seen,
        "codec": codec,
        "error": error,
    }


def _metadata(packed: dict[str, Any]) -> dict[str, bytes | None]:
    return {
        name: packed[name] and expand(packed[name], _MOST_BYTES) for name in ("icc", "exif", "xmp")
    }


def _steps_of(alpha: Array) -> bytes:
    """The differences from pixel to pixel along each row, as big-endian bytes."""
    steps = np.diff(alpha, axis=1, prepend=alpha.dtype.type(0))
    return steps.astype(steps.dtype.newbyteorder(">")).tobytes()


def _sums_of(steps: Array) -> Array:
    return np.cumsum(steps, axis=1, dtype=steps.dtype.newbyteorder("="))
