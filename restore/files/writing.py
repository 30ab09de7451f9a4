"""Pictures to files: with the requested depth, and the layout and metadata of the input."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from restore.files import metadata as meta
from restore.files.formats import FORMATS, Format, PictureError
from restore.files.heif import encode_avif
from restore.files.jp2 import encode_jp2
from restore.files.jxl import encode_jxl
from restore.files.picture import Metadata, Picture, PictureWarning, to_depth
from restore.files.png import with_png_chunks
from restore.files.pnm import encode_pnm
from restore.files.raw import write_dng
from restore.typing import Array

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


JPEG_QUALITY = 95

#: Encoders from stored samples and their picture to the bytes of a file.
_ENCODERS = {
    "avif": encode_avif,
    "jxl": encode_jxl,
    "jp2": encode_jp2,
    **dict.fromkeys(("pgm", "ppm", "pfm"), encode_pnm),
}


def write_pages(
    file: BinaryIO,
    pages: Iterable[Picture],
    name: str,
    *,
    count: int = 1,
    depth: str | None = None,
    strict: bool = False,
    pool: Pool | None = None,
) -> None:
    """Encode pictures into an open binary file.

    Parameters
    ----------
    file : binary file
        Writable, readable and seekable; see `restore.files.safe.whole_file`.
    pages : iterable of Picture
        Several only for TIFF. Taken one by one.
    name : str
        A key of `restore.files.formats.FORMATS`.
    count : int
        How many pages there will be, at least.
    depth : {"8", "16", "f32"}, optional
        By default that of each picture, or the best that the format can hold.
    strict : bool
        Refuse to lose depth to the format instead of warning.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Raises
    ------
    PictureError
        If the format cannot hold the pictures: one sentence saying what to do.
    """
    if name == "tiff":
        _write_tiff(file, (_prepared(page, name, depth, strict) for page in pages), count, pool)
        return
    pages = iter(pages)
    page = next(pages)
    if next(pages, None) is not None:
        raise PictureError(
            f"{FORMATS[name].words} cannot hold several pages: use --format tif, or choose one "
            "with --page"
        )
    page = _prepared(page, name, depth, strict)
    if name == "dng":
        _write_dng(file, page, pool)
    elif name == "png":
        _write_png(file, page, pool)
    elif name in _ENCODERS:
        file.write(_ENCODERS[name](_stored(page, pool), page))
    else:
        _write_with_pillow(file, page, name, pool)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, PictureWarning, stacklevel=3)


def check(picture: Picture, name: str, depth: str | None = None, strict: bool = False) -> None:
    """Raise a PictureError if the format cannot hold the picture, before any work is done."""
    format = FORMATS[name]
    wanted = depth or picture.depth
    if name == "dng" and picture.metadata.camera is None:
        raise PictureError("a DNG is made of camera raw files only: choose another --format")
    if (wanted not in format.depths and (strict or depth)) or (strict and _cut(format, wanted)):
        raise PictureError(
            f"{format.words} has no {_words(wanted)} samples: choose another --format or --depth"
        )
    if format.longest and max(picture.samples.shape) > format.longest:
        raise PictureError(
            f"{format.words} holds at most {format.longest} pixels a side: choose another --format"
        )
    if picture.alpha is not None and not format.alpha:
        raise PictureError(
            f"{format.words} cannot hold transparency: use --format png, or flatten it first"
        )
    if picture.samples.shape[2] not in format.channels:
        raise PictureError(f"{format.words} holds grey pictures only: use --format ppm")
    transfer = meta.hdr_transfer(picture.metadata)
    if transfer and not format.cicp:
        raise PictureError(
            f"{format.words} does not keep the colours of HDR pictures ({transfer}): use "
            "--format png"
        )
    if strict and _lost_colours(picture, format):
        raise PictureError(f"{_lost_colours(picture, format)}: choose another --format")


def _cut(format: Format, depth: str) -> bool:
    """Whether the depth loses bits in the format."""
    return depth == "16" and format.bits < 16


def _lost_colours(picture: Picture, format: Format) -> str | None:
    """What the format cannot state about the colours, in words, or None."""
    if picture.metadata.icc:
        return None if format.profile else f"{format.words} is written without colour profiles"
    if meta.cicp_of(picture.metadata) and not format.cicp:
        return f"{format.words} is written without the primaries that the file told"
    return None


def depth_in(name: str, depth: str) -> str:
    """The depth that a format stores for a requested `depth`."""
    depths = FORMATS[name].depths
    return depth if depth in depths else depths[0]


def _prepared(picture: Picture, name: str, depth: str | None, strict: bool) -> Picture:
    """The picture as the format can hold it, with a warning for every loss."""
    check(picture, name, depth, strict)
    wanted = depth or picture.depth
    best = depth_in(name, wanted)
    format = FORMATS[name]
    if best != wanted:
        _warn(f"{format.words} has no {_words(wanted)} samples: written with {_words(best)} ones")
    if _cut(format, best):
        _warn(f"{format.words} has at most {format.bits} bits: written with as many")
    if lost := _lost_colours(picture, format):
        _warn(f"{lost}: it is left out")
    metadata = picture.metadata
    if metadata.icc and not meta.fits_profile(metadata.icc, picture.samples.shape[2]):
        _warn("the colour profile does not fit the channels: left out")
        metadata = metadata.replace(icc=None)
    if metadata.exif:
        height, width = picture.samples.shape[:2]
        metadata = metadata.replace(exif=meta.resized_exif(metadata.exif, width, height))
    if best != "f32" and not np.isfinite(picture.samples).all():
        _warn(f"samples that are not finite cannot be stored with {_words(best)}")
    samples = picture.samples
    if metadata.alpha_kind == "assocalpha" and name != "tiff" and picture.alpha is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            samples = np.nan_to_num(samples / picture.alpha[..., None], posinf=0)
    return picture.replace(samples=samples, depth=best, metadata=metadata)


def _words(depth: str) -> str:
    return {"8": "8-bit", "16": "16-bit", "f32": "float"}[depth]


def _stored(picture: Picture, pool: Pool | None) -> Array:
    """Samples, and alpha as the last channel, as they go to disk; grey has two axes."""
    samples = picture.samples
    if picture.alpha is not None:
        samples = np.concatenate([samples, picture.alpha[..., None]], axis=2)
    stored = to_depth(samples, picture.depth, pool)
    return stored[..., 0] if stored.shape[2] == 1 else stored


def _write_png(file: BinaryIO, picture: Picture, pool: Pool | None) -> None:
    import imagecodecs

    # of filtered photographs runs alone are as small as all matches are, in a third of the time,
    # and one filter as small as the best of five for each row, in two thirds of that
    data = imagecodecs.png_encode(
        _stored(picture, pool),
        strategy=imagecodecs.PNG.STRATEGY.RLE,
        filter=imagecodecs.PNG.FILTER.PAETH,
    )
    file.write(with_png_chunks(bytes(data), picture.metadata))


def _write_with_pillow(file: BinaryIO, picture: Picture, name: str, pool: Pool | None) -> None:
    from PIL import Image

    metadata = picture.metadata
    options: dict[str, Any] = {}
    if metadata.resolution and metadata.resolution[2] != "none":
        across, down, unit = metadata.resolution
        factor = 2.54 if unit == "cm" else 1
        options["dpi"] = (round(across * factor), round(down * factor))
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    if metadata.exif:
        options["exif"] = b"Exif\0\0" + metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if name == "jpeg":
        for block in ("exif", "xmp"):
            if len(options.get(block, b"")) > 65_000:
                _warn(f"the {block.upper()} block is too long for JPEG: left out")
                del options[block]
        options |= {"quality": JPEG_QUALITY, "subsampling": 0}
    elif name == "webp":
        options |= {"lossless": True, "exact": True}
    Image.fromarray(_stored(picture, pool)).save(file, name.upper(), **options)


def _write_tiff(file: BinaryIO, pages: Iterator[Picture], count: int, pool: Pool | None) -> None:
    import tifffile

    first = next(pages)
    size = count * first.samples.nbytes * (1 if first.alpha is None else 2)
    big, exifs = size > 2**32 - 2**25, []
    with tifffile.TiffWriter(file, bigtiff=big, byteorder="<") as tiff:
        for page in (picture for some in ([first], pages) for picture in some):
            exif = _loaded_exif(page.metadata.exif)
            exifs.append(exif)
            stored = _stored(page, pool)
            grey = page.samples.shape[2] == 1
            integer = page.depth != "f32"
            tiff.write(
                stored,
                photometric="minisblack" if grey else "rgb",
                planarconfig=None if stored.ndim == 2 else "contig",
                extrasamples=None if page.alpha is None else [page.metadata.alpha_kind],
                compression="zlib",
                predictor=2 if integer else None,
                rowsperstrip=max(1, 2**20 // stored[0].nbytes),
                metadata=None,
                software=False,
                maxworkers=1,  # jobs and threads are counted elsewhere
                extratags=_extra_tags(page.metadata, exif),
                **_tiff_resolution(page.metadata),
            )
    if any(_directories(exif) for exif in exifs):
        if big:
            _warn("the EXIF of a TIFF beyond 4 GB is left out")
        else:
            _append_exif(file, exifs)


def _write_dng(file: BinaryIO, page: Picture, pool: Pool | None) -> None:
    exif = _loaded_exif(page.metadata.exif)
    write_dng(file, _stored(page, pool), page, _extra_tags(page.metadata, exif))
    if _directories(exif):
        _append_exif(file, [exif])


def _tiff_resolution(metadata: Metadata) -> dict[str, Any]:
    if not metadata.resolution:
        return {}
    across, down, unit = metadata.resolution
    return {
        "resolution": (across, down),
        "resolutionunit": {"none": 1, "inch": 2, "cm": 3}[unit],
    }


def _loaded_exif(block: bytes | None) -> Any:
    """An EXIF block split into the parts that a TIFF can hold, in our byte order."""
    from PIL import Image

    exif = Image.Exif()
    exif.endian = "<"
    if not block:
        return exif
    try:
        stored = Image.Exif()
        stored.load(b"Exif\0\0" + block)
        for tag in meta.TEXT_TAGS:
            if tag in stored:
                exif[tag] = stored[tag]
        for tag in (meta.EXIF_IFD, meta.GPS_IFD):
            if tag in stored:
                exif[tag] = stored.get_ifd(tag)
        exif.tobytes()
    except Exception as error:  # unreadable maker data must not fail the picture
        _warn(f"EXIF left out: {error}")
        exif = Image.Exif()
        exif.endian = "<"
    return exif


def _directories(exif: Any) -> list[int]:
    return [tag for tag in (meta.EXIF_IFD, meta.GPS_IFD) if tag in exif]


def _extra_tags(metadata: Metadata, exif: Any) -> list[Any]:
    tags = list(metadata.tags)
    for tag in meta.TEXT_TAGS:
        if tag in exif:
            text = str(exif[tag]).encode("utf-8", "surrogateescape")
            tags.append((tag, 2, len(text) + 1, text + b"\0", True))
    if metadata.icc:
        tags.append((34675, 7, len(metadata.icc), metadata.icc, True))
    if metadata.xmp:
        tags.append((700, 1, len(metadata.xmp), metadata.xmp, True))
    return tags


def _append_exif(file: BinaryIO, exifs: list[Any]) -> None:
    """Give each page of a TIFF its EXIF and GPS directories, which tifffile does not write.

    A page's directory is written again at the end of the file, with the two further entries, and
    the link to it is updated.
    """

    def read(code: str, position: int) -> Any:
        file.seek(position)
        return struct.unpack(code, file.read(struct.calcsize(code)))[0]

    def append(block: bytes) -> int:
        end = file.seek(0, 2)
        file.write(bytes(end % 2) + block)
        return end + end % 2

    link = 4
    for exif in exifs:
        start = read("<I", link)
        count = read("<H", start)
        following = read("<I", start + 2 + 12 * count)
        if _directories(exif):
            file.seek(start + 2)
            entries = [file.read(12) for _ in range(count)]
            end = file.seek(0, 2)
            block = exif.tobytes(end + end % 2)[len(b"Exif\0\0") + 8 :]
            append(block)
            for tag, place in meta.directory_pointers(block, "<"):
                entries.append(struct.pack("<HHII", tag, 4, 1, place))
            entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
            count = len(entries)
            start = append(struct.pack("<H", count) + b"".join(entries) + bytes(4))
            for position, place in ((link, start), (start + 2 + 12 * count, following)):
                file.seek(position)
                file.write(struct.pack("<I", place))
        link = start + 2 + 12 * count
