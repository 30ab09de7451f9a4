"""Formats by extension and by first bytes. Imports nothing heavy."""

from pathlib import PurePath


class PictureError(ValueError):
    """Why one file cannot be read or written, in one sentence for its owner."""


#: extension -> format; the first extension of a format is its usual one
EXTENSIONS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".bmp": "bmp",
}

#: camera raw files that are read, with rawpy, and never written: a TIFF comes out
CAMERA_RAW = (".dng", ".nef", ".arw", ".pef")

#: the depths that a format can hold, best first
DEPTHS = {
    "png": ("16", "8"),
    "jpeg": ("8",),
    "tiff": ("f32", "16", "8"),
    "webp": ("8",),
    "bmp": ("8",),
}

#: Larger pictures are refused unless asked for: a few kB can declare gigabytes.
MAX_PIXELS = 300_000_000

#: the longest side that a format can hold, where it is short
SIDES = {"jpeg": 65_500, "webp": 16_383}

#: the formats that can hold transparency
ALPHA = {"png", "tiff", "webp"}

_MAGIC = [
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
]

#: extensions of pictures that are not read, to be named where nothing else is found
FOREIGN_EXTENSIONS = (
    *(".pgm", ".ppm", ".pnm", ".pbm", ".pam", ".pfm", ".gif", ".heic", ".heif", ".avif"),
    *(".jxl", ".jp2", ".j2k", ".exr", ".hdr", ".fits", ".fit", ".psd", ".cr2", ".cr3", ".raf"),
)

# Recognised only to be refused by name.
_FOREIGN = [
    *(
        (b"P" + digit + end, "a PGM or PPM picture")
        for digit in (b"2", b"3", b"5", b"6")
        for end in (b"\n", b" ", b"\r")
    ),
    (b"GIF8", "a GIF"),
    (b"\xff\n", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"FUJIFILM", "a camera raw file"),
    (b"II*\0\x10\0\0\0CR", "a camera raw file"),
    (b"IIU\0", "a camera raw file"),
    (b"%PDF", "a PDF"),
    (b"SIMPLE", "a FITS file"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"8BPS", "a Photoshop file"),
]


def format_of_name(path):
    """The format that the extension of `path` stands for, or None."""
    return EXTENSIONS.get(PurePath(path).suffix.lower())


def format_of_bytes(head):
    """The format that the first bytes of a file stand for, whatever its name says.

    Raises
    ------
    PictureError
        If the file is empty, of a known but unsupported kind, or no picture at all.
    """
    if not head:
        raise PictureError("the file is empty")
    foreign = next((name for magic, name in _FOREIGN if head.startswith(magic)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    for magic, name in _MAGIC:
        if head.startswith(magic) and not foreign:
            return name
    if head[4:8] == b"ftyp":
        foreign = "a HEIC or AVIF picture"
    if foreign:
        raise PictureError(f"this is {foreign}, which is not supported: convert it to PNG or TIFF")
    raise PictureError("not a picture: expected PNG, JPEG, TIFF, WebP or BMP")
