"""TIFF: all pages, depths and layouts of pictures, with limits against hostile files."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from restore.files import metadata as meta
from restore.files.decoded import check_size, picture_of, said_on_stderr, tolerant, warn
from restore.files.formats import PictureError
from restore.files.raw import read_raw
from restore.typing import Array

if TYPE_CHECKING:
    from restore.files.picture import Picture


#: TIFF tags kept as they are: IPTC, Photoshop, geographic position, ImageJ
_KEPT_TAGS = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113, 50838, 50839)

#: TIFF compressions of fax machines
_FAX = (2, 3, 4)

#: Compressions for which the directory states the decoded size; and the largest possible ratio to
#: the file size, if there is one.
_TOLD_THE_SIZE = {
    **dict.fromkeys((1, *_FAX, 34925, 34926, 50000, 50013)),
    **{5: 2048, 8: 1032, 32773: 64, 32946: 1032},
}

#: Compressions whose segments are pictures that state their own size.
_PICTURES = (6, 7, 33003, 33004, 33005, 33007, 34712, 34892, 34927, 34933, 50001)

#: Maximum number of pages of one file; for each a directory is read.
MAX_PAGES = 100_000

#: Maximum number of pixels of a tile that is larger than its picture.
_TILE = 2**24

logging.getLogger("tifffile").setLevel(
    logging.CRITICAL
)  # its findings are reported in our own sentence


def count_pages(file: BinaryIO) -> int:
    """Number of directories in the chain of an open TIFF file.

    Raises
    ------
    PictureError
        If they form a cycle, in which tifffile would loop, or are more than `MAX_PAGES`.
    """
    size = file.seek(0, os.SEEK_END)
    visited: set[int] = set()

    def unpacked(code: str, position: int) -> int:
        file.seek(position)
        return struct.unpack(order + code, file.read(struct.calcsize(code)))[0]

    with contextlib.suppress(struct.error, OverflowError, OSError):  # the reader says what is wrong
        order = "<" if _bytes_at(file, 0, 2) == b"II" else ">"
        big = unpacked("H", 2) == 43
        pointer, number, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
        place = unpacked(pointer, 8 if big else 4)
        while 0 < place < size:
            if place in visited:
                raise PictureError("the TIFF is damaged: its pages lead back to an earlier one")
            if len(visited) == MAX_PAGES:
                raise PictureError(f"the TIFF has more than {MAX_PAGES:,} pages: split it")
            visited.add(place)
            entries = unpacked(number, place)
            place = unpacked(pointer, place + struct.calcsize(number) + entry * entries)
    file.seek(0)
    return len(visited)


def count_pictures(file: BinaryIO) -> int:
    """Number of pictures in an open TIFF file: its pages, or one for a camera raw file."""
    import tifffile

    count = count_pages(file)
    if count > 1:
        with contextlib.suppress(Exception):  # the reader says what is wrong
            with tifffile.TiffFile(file) as tiff:
                count = 1 if _is_camera_raw(tiff.pages[0]) else count
        file.seek(0)
    return count


def _bytes_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def read_tiff(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    """Yield the pages of an open TIFF file; for `restore.files.reading.read_pages`."""
    import tifffile

    count_pages(file)
    with tifffile.TiffFile(file) as tiff:
        size = file.seek(0, os.SEEK_END)
        count = len(tiff.pages)
        if count == 0:
            raise PictureError("the TIFF is damaged: it has no pages")
        if page is not None and not 1 <= page <= count:
            raise PictureError(f"there is no page {page}: this file has {count}")
        first: Any = tiff.pages[0]
        if _is_camera_raw(first):
            fields = tolerant(_tiff_exif, tiff, first, True)
            yield from read_raw(file, page, max_pixels, first.tags, fields)
            return
        if tiff.is_imagej or tiff.is_shaped:
            stored = sum(tiff.pages[number].size for number in range(count))
            if sum(series.size for series in tiff.series) > stored:
                raise PictureError(
                    "a stack whose pages have no headers: save it as an ordinary multi-page TIFF"
                )
        numbers = range(count) if page is None else [page - 1]
        for number in numbers:
            _check_page(_full_page(tiff, number), file, size, max_pixels)
        for number in numbers:
            yield _read_tiff_page(tiff, file, number, single=page is not None)


def _full_page(tiff: Any, number: int) -> Any:
    import tifffile

    page = tiff.pages[number]
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()


def _is_camera_raw(page: Any) -> bool:
    """Whether the first page of a TIFF is a preview and the picture is in a sub-directory."""
    tags = page.tags
    preview = 330 in tags and bool(tags.valueof(254, 0) & 1)
    return (preview or 50706 in tags) and tags.valueof(262) != 32803


def _check_page(page: Any, file: BinaryIO, size: int, max_pixels: int) -> None:
    check_size(page.imagewidth, page.imagelength, max_pixels)
    if page.imagedepth != 1:
        raise PictureError("a TIFF volume: store it as one page per slice")
    photometric = int(page.photometric)
    refused = {5: "a CMYK picture", 8: "a CIELab picture", 9: "an ICCLab picture"}
    if photometric in refused:
        raise PictureError(f"{refused[photometric]}: convert it to RGB first")
    if photometric not in (0, 1, 2, 3, 4, 6, 32803):
        raise PictureError(f"TIFF pictures of kind {page.photometric.name} are not supported")
    if photometric == 6 and int(page.compression) not in (6, 7, 33007, 34892):
        raise PictureError("an uncompressed YCbCr TIFF: convert it to RGB first")
    if page.dtype is None or page.dtype.kind not in "buf":
        kind = "unknown" if page.dtype is None else page.dtype.name
        raise PictureError(f"{kind} samples are not supported: use 8 or 16 bits, or float")
    if page.dtype.kind == "u" and page.dtype.itemsize > 2:
        raise PictureError(f"{page.dtype.name} samples are not supported: use 16 bits or float")
    # tifffile fills missing data with zeros: a truncated picture must not look complete
    wanted = page.samplesperpixel if page.planarconfig == 2 else 1
    segments = list(zip(page.dataoffsets, page.databytecounts))
    if not segments or len(segments) < wanted:
        raise PictureError("the TIFF is damaged: it has no pixels")
    if any(offset + length > size or not length for offset, length in segments):
        raise PictureError("the TIFF is truncated")
    _check_memory(page, file, segments)


def _check_memory(page: Any, file: BinaryIO, segments: Any) -> None:
    """Refuse a page whose decoder would be asked for more than its picture takes."""
    if page.samplesperpixel > 4:
        raise PictureError(f"{page.samplesperpixel} channels are not a grey or RGB picture")
    pixels = page.imagewidth * page.imagelength
    if page.is_tiled:
        tile = page.tilewidth * page.tilelength
        if tile > max(pixels, _TILE):
            raise PictureError("the TIFF is damaged: its tiles are larger than its picture")
        pixels = max(pixels, tile)
    compression = int(page.compression)
    stored = sum(page.databytecounts)
    raw = page.imagewidth * page.imagelength * page.samplesperpixel * page.bitspersample // 8
    if compression == 1 and stored < raw:
        raise PictureError("the TIFF is truncated")
    if raw > stored * (_TOLD_THE_SIZE.get(compression) or raw):
        raise PictureError("the TIFF is damaged: it holds fewer pixels than it declares")
    if compression in _PICTURES:
        header = page.jpegheader or b""
        for offset, length in segments:
            if _own_pixels(header + _bytes_at(file, offset, length)) > pixels:
                raise PictureError("the TIFF is damaged: its parts are larger than its picture")
    elif compression not in _TOLD_THE_SIZE:
        name = getattr(page.compression, "name", str(compression))
        raise PictureError(f"TIFF compression {name} is not supported: save it with deflate")


def _own_pixels(segment: bytes) -> int:
    """The number of pixels declared by a picture file embedded in a TIFF."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(segment), formats=("JPEG", "JPEG2000", "WEBP", "PNG")) as image:
        return image.width * image.height


def _read_fax(file: BinaryIO, number: int) -> Array:
    """A page in a fax compression, which not every tifffile reads; black is 0."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(file, formats=["TIFF"]) as image:
        image.seek(number)
        with said_on_stderr() as words:
            stored = np.asarray(image.convert("L")) > 127
    if words:
        warn("the fax picture is damaged: lines that cannot be read are guessed")
    return stored


def _read_tiff_page(tiff: Any, file: BinaryIO, number: int, single: bool) -> Picture:
    page = _full_page(tiff, number)
    fax = int(page.compression) in _FAX
    # one worker: jobs and threads are counted elsewhere
    stored = _read_fax(file, number) if fax else page.asarray(maxworkers=1)
    if page.axes.startswith("S") and stored.ndim == 3:
        stored = np.moveaxis(stored, 0, -1)
    photometric, bits = int(page.photometric), page.bitspersample
    if stored.dtype == bool:
        stored = stored.astype(np.uint8)
    if photometric == 3:
        warn("a palette picture becomes a full-colour one")
        # programs store a colour of 8 bits as v, 256 v or 257 v
        colours = page.colormap if page.colormap.max() < 256 else page.colormap >> 8
        stored, bits = np.moveaxis(colours, 0, -1).astype(np.uint8)[stored], 8
    if stored.dtype.kind == "f":
        depth, top = "f32", 1
        if stored.dtype.itemsize == 8:
            warn("64-bit floats become 32-bit ones")
    else:
        depth, top = ("8" if bits <= 8 else "16"), 2**bits - 1
        if bits not in (1, 8, 16):
            warn(f"{bits}-bit samples become {depth}-bit ones")
    fields = tolerant(_tiff_fields, page) | tolerant(_tiff_exif, tiff, page, single)
    alpha = len(page.extrasamples) > 0
    if alpha:
        # photo editors and scanners often leave the kind of a further channel unsaid
        kinds = {1: "assocalpha", 2: "unassalpha"}
        fields["alpha_kind"] = kinds.get(int(page.extrasamples[0]), "unspecified")
    orientation = page.tags.valueof(274, 1)
    picture = picture_of(
        stored,
        fields,
        depth=depth,
        alpha=alpha,
        top=top,
        orientation=orientation if orientation in range(1, 9) else 1,
    )
    if photometric == 0 and not fax and depth != "f32":
        picture = picture.replace(samples=1 - picture.samples)
    return picture


def _tiff_fields(page: Any) -> dict[str, Any]:
    tags = page.tags
    fields = {"icc": page.tags.valueof(34675), "xmp": tags.valueof(700)}
    if isinstance(fields["xmp"], str):
        fields["xmp"] = fields["xmp"].encode()
    if 282 in tags and 283 in tags:
        across, down = (tags[code].value[0] / max(1, tags[code].value[1]) for code in (282, 283))
        unit = {1: "none", 2: "inch", 3: "cm"}[int(tags.valueof(296, 2))]
        if across > 0 and down > 0:
            fields["resolution"] = (across, down, unit)
    fields["tags"] = tuple(
        (code, int(tags[code].dtype), tags[code].count, tags[code].value, True)
        for code in _KEPT_TAGS
        if code in tags
    )
    pattern = bytes(tags.valueof(33422, b""))
    sides = tags.valueof(33421, (2, 2))
    square = len(sides) == 2 and sides[0] == sides[1] and len(pattern) == sides[0] ** 2
    if square and len(pattern) > 1 and max(pattern) < 3:
        fields["pattern"] = "".join("RGB"[colour] for colour in pattern)
    return fields


def _tiff_exif(tiff: Any, page: Any, single: bool) -> dict[str, Any]:
    """The EXIF block of a TIFF page, whose directory also holds everything else."""
    from PIL import Image

    whole, kept = Image.Exif(), Image.Exif()
    whole.endian, whole.bigtiff = tiff.byteorder, tiff.is_bigtiff
    whole.load_from_fp(tiff.filehandle, page.offset)
    for tag in meta.TEXT_TAGS:
        if tag in whole and not (single and tag == 270 and _describes_pages(whole[tag])):
            kept[tag] = whole[tag]
    for tag in (meta.EXIF_IFD, meta.GPS_IFD):
        if tag in whole:
            kept[tag] = whole.get_ifd(tag)
    return {"exif": kept.tobytes()} if len(kept) else {}


def _describes_pages(description: object) -> bool:
    """Whether programs read this description as the layout of all pages."""
    return str(description).startswith(("ImageJ=", '{"shape"', "<?xml", "<OME"))
