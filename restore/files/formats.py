"""Capabilities of formats, and detection by extension and first bytes. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restore.typing import AnyPath


class PictureError(ValueError):
    """Why one file cannot be read or written, in one sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Format:
    """What files of one format hold.

    Attributes
    ----------
    words : str
        Its name in a sentence.
    extensions : tuple of str
        The first is the usual one.
    depths : tuple of str
        That can be written, best first; empty for read-only formats, for which a PNG is written.
    bits : int
        Bits per sample of the depth ``"16"``.
    alpha : bool
        Whether it holds transparency.
    profile : bool
        Whether it holds an ICC profile.
    cicp : bool
        Whether it can state colours by code points (ITU-T H.273), including PQ and HLG.
    channels : tuple of int
        Possible numbers of channels without alpha.
    longest : int or None
        The longest side in pixels, if that is a limit in practice.
    """

    words: str
    extensions: tuple
    depths: tuple = ()
    bits: int = 16
    alpha: bool = False
    profile: bool = True
    cicp: bool = False
    channels: tuple = (1, 3)
    longest: int | None = None


FORMATS = {
    "png": Format("PNG", (".png",), ("16", "8"), alpha=True, cicp=True),
    "jpeg": Format("JPEG", (".jpg", ".jpeg"), ("8",), longest=65_500),
    "tiff": Format("TIFF", (".tif", ".tiff"), ("f32", "16", "8"), alpha=True),
    "webp": Format("WebP", (".webp",), ("8",), alpha=True, longest=16_383),
    "bmp": Format("BMP", (".bmp",), ("8",), profile=False),
    "avif": Format("AVIF", (".avif",), ("16", "8"), bits=12, alpha=True, cicp=True, longest=65_535),
    "jxl": Format("JPEG XL", (".jxl",), ("f32", "16", "8"), alpha=True, profile=False),
    "jp2": Format("JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpf"), ("16", "8"), alpha=True),
    "pgm": Format("PGM", (".pgm",), ("16", "8"), profile=False, channels=(1,)),
    "ppm": Format("PPM", (".ppm", ".pnm"), ("16", "8"), profile=False),
    "pfm": Format("PFM", (".pfm",), ("f32",), profile=False),
    "gif": Format("GIF", (".gif",)),
    "heic": Format("HEIC", (".heic", ".heif", ".hif")),
    "dng": Format("DNG", (".dng",), ("16",), channels=(3,)),
    "raw": Format(
        "camera raw",
        (".nef", ".arw", ".pef", ".cr2", ".cr3", ".raf", ".rw2", ".orf", ".nrw", ".srw"),
    ),
}

#: extension -> format, for writable formats
EXTENSIONS = {
    extension: name
    for name, format in FORMATS.items()
    if format.depths
    for extension in format.extensions
}

#: camera raw files, which are read with rawpy: a TIFF is written unless another format is given
CAMERA_RAW = (*FORMATS["dng"].extensions, *FORMATS["raw"].extensions)

#: extensions of pictures in a folder
READ_EXTENSIONS = (
    *(extension for format in FORMATS.values() for extension in format.extensions),
    ".pbm",
)

#: Larger pictures are refused by default: a few kB can declare gigabytes.
MAX_PIXELS = 300_000_000

_MAGIC = [
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"II*\0\x10\0\0\0CR", "raw"),
    *((magic, "raw") for magic in (b"IIU\0", b"IIRO", b"IIRS", b"MMOR")),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
    (b"\xff\n", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    *((b"P" + digit, "pgm") for digit in (b"1", b"2", b"4", b"5")),
    *((b"P" + digit, "ppm") for digit in (b"3", b"6")),
    (b"PF", "pfm"),
    (b"Pf", "pfm"),
]

#: what follows the first two bytes of PGM and the like
_AFTER_MAGIC = (b" ", b"\t", b"\r", b"\n", b"#")

#: brands of ISO media files with pictures
_BRANDS = {
    b"crx ": "raw",
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heic"
    ),
}

#: extensions of unsupported pictures, named in the message if nothing else is found
FOREIGN_EXTENSIONS = (*(".pam", ".exr", ".hdr", ".fits", ".fit", ".psd"),)

# Detected only to be refused by name.
_FOREIGN = [
    (b"P7\n", "a PAM picture"),
    (b"%PDF", "a PDF"),
    (b"SIMPLE", "a FITS file"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"8BPS", "a Photoshop file"),
]


def format_of_name(path: AnyPath) -> str | None:
    """The format to write for the extension of `path`, or None."""
    return EXTENSIONS.get(PurePath(path).suffix.lower())


def written_format(name: str | None) -> str:
    """The default output format for a file of this format (or None)."""
    return name if name and FORMATS[name].depths else "png"


def output_extension(extension: str, coloured: bool = False) -> str:
    """The extension of the output, `coloured` or not, for a file with this extension."""
    folded = extension.lower()
    if folded in CAMERA_RAW:
        return ".tif"
    if folded in (".pgm", ".pbm"):
        return ".ppm" if coloured else ".pgm"
    format = next((format for format in FORMATS.values() if folded in format.extensions), None)
    return extension if format is None or format.depths else ".png"


def format_of_bytes(head: bytes) -> str:
    """The format of a file by its first bytes, whatever its name.

    Raises
    ------
    PictureError
        If the file is empty, of a known but unsupported kind, or no picture at all.
    """
    if not head:
        raise PictureError("the file is empty")
    foreign = next((name for magic, name in _FOREIGN if head.startswith(magic)), None)
    if foreign:
        raise PictureError(f"this is {foreign}, which is not supported: convert it to PNG or TIFF")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return _BRANDS[head[8:12]]
    for magic, name in _MAGIC:
        if head.startswith(magic) and (head[:1] != b"P" or head[2:3] in _AFTER_MAGIC):
            return name
    raise PictureError(
        "not a picture: expected one of " + ", ".join(format.words for format in FORMATS.values())
    )
