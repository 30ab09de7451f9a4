"""Picture files to pictures: every depth exact, every layout known, never a guess.

Which library reads what was chosen by what they lose: Pillow cuts 16-bit colour to
8 bits, imageio drops palettes' transparency, so PNG goes through imagecodecs (libpng) and
TIFF through tifffile. Pillow reads the formats that have 8 bits anyway.
"""

import logging
import os
import warnings

import numpy as np

from restore.files import metadata as meta
from restore.files.formats import MAX_PIXELS, PictureError, format_of_bytes
from restore.files.picture import Metadata, Picture, PictureWarning, to_unit

#: TIFF tags kept as they are: IPTC, Photoshop, geographic position, ImageJ
_KEPT_TAGS = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113, 50838, 50839)

#: TIFF compressions of fax machines
_FAX = (2, 3, 4)

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds, we say in a sentence


def read_picture(path, *, page=None, max_pixels=MAX_PIXELS):
    """Read a file that holds one picture.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, WebP or BMP, recognised by content.
    page : int, optional
        Which page of several, from 1.
    max_pixels : int
        Refuse larger pictures before anything is decoded.

    Returns
    -------
    Picture
        Upright.

    Raises
    ------
    PictureError
        If the file is not such a picture; one sentence saying why.
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as file:
        return only_page(read_pages(file, page=page, max_pixels=max_pixels))


def only_page(pages):
    """The single picture of `pages`; a PictureError if there are more."""
    picture = next(pages)
    if next(pages, None) is not None:
        raise PictureError("this file has several pages, and one is needed: save that page alone")
    return picture


def read_pages(file, *, page=None, max_pixels=MAX_PIXELS, mosaics=False):
    """Yield the pictures of an open binary file: one, or the pages of a TIFF in order.

    Parameters, errors as in `read_picture`; all headers are checked before the first
    picture is decoded. `mosaics`: read the mosaic of a camera raw file, which is no picture
    yet, rather than refuse it.
    """
    head = file.read(16)
    file.seek(0)
    name = format_of_bytes(head)
    read = {"png": _read_png, "tiff": _read_tiff}.get(name, _read_with_pillow)
    if page is not None and name != "tiff" and page != 1:
        raise PictureError(f"there is no page {page}: only a TIFF has several")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own; ours are raised outside
            pages = read(file, name, page, max_pixels)
        while True:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                waiting = [next(pages, None)]
            for warning in caught:
                if issubclass(warning.category, PictureWarning):
                    warnings.warn(warning.message, stacklevel=2)
            if waiting[0] is None:
                return
            if waiting[0].metadata.levels and not mosaics:
                raise PictureError(
                    "a camera raw file holds a mosaic, not yet a picture: restore demosaic makes "
                    "one of it"
                )
            yield waiting.pop()  # kept by no one here: a large picture is let go when done with
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders raise whatever they like at a damaged file
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(_damage(error)) from error


def _damage(error):
    """What a decoder says, if it says it in words."""
    from PIL import UnidentifiedImageError

    stumbled = (TypeError, AttributeError, LookupError, ArithmeticError, UnidentifiedImageError)
    words = "" if isinstance(error, stumbled) else _one_line(error)
    return "the picture is damaged or truncated" + (f": {words}" if words else "")


def _one_line(error):
    line = next(iter(str(error).splitlines()), "")
    return "".join(letter for letter in line if letter.isprintable())[:200]


def check_size(width, height, max_pixels):
    """Refuse a declared size before anything is allocated for it."""
    if width < 1 or height < 1:
        raise PictureError(f"the picture is damaged: it declares {width} x {height} pixels")
    if width * height > max_pixels:
        raise PictureError(
            f"{width} x {height} is {width * height / 1e6:,.1f} million pixels, more than the "
            f"{max_pixels / 1e6:,.1f} million allowed: raise --max-pixels to read it"
        )


def _warn(sentence):
    warnings.warn(sentence, PictureWarning, stacklevel=3)


def _picture(stored, fields, *, depth, alpha, top=None, orientation=None):
    """A `Picture` from stored samples (height, width[, channels]) and what its file says."""
    exif_orientation, exif = 1, fields.get("exif")
    if exif:
        try:
            exif_orientation, exif = meta.upright_exif(exif)
        except ValueError as error:
            _warn(f"{error}: left out")
            exif = None
    orientation = orientation or exif_orientation
    fields |= {"exif": exif, "xmp": meta.upright_xmp(fields.get("xmp")), "orientation": orientation}
    if stored.ndim == 2:
        stored = stored[..., None]
    if stored.shape[2] != (3 if stored.shape[2] > 2 else 1) + alpha:
        raise PictureError(f"{stored.shape[2]} channels are not a grey or RGB picture")
    values = meta.upright(to_unit(stored, top), orientation)
    if not alpha:
        return Picture(values, None, depth, Metadata(**fields))
    samples, opacity = values[..., :-1], values[..., -1]
    return Picture(
        np.ascontiguousarray(samples), np.ascontiguousarray(opacity), depth, Metadata(**fields)
    )


#: PNG colour type -> channels, bits per sample
_PNG_COLOURS = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}


def _read_png(file, name, page, max_pixels):
    yield _decode_png(file.read(), max_pixels)


def _decode_png(data, max_pixels):
    import imagecodecs

    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(width, height, max_pixels)
    chunks = meta.png_chunks(data)
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise PictureError("the PNG is damaged: it does not begin with its header")
    if b"acTL" in kinds:
        raise PictureError("an animated PNG: extract the frames first")
    bits, colour, method, filters, interlace = chunks[0][1][8:]
    channels, depths = _PNG_COLOURS.get(colour, (0, ()))
    if bits not in depths or method or filters or interlace > 1:
        raise PictureError("the PNG is damaged: its header makes no sense")
    packed = sum(len(content) for kind, content in chunks if kind == b"IDAT")
    if (packed + 64) * 1032 < height * ((width * channels * bits + 7) // 8):
        raise PictureError("the PNG is damaged: it holds fewer pixels than it declares")
    fields = _tolerant(meta.read_png_chunks, chunks)
    stored = imagecodecs.png_decode(meta.bare_png(chunks))
    if stored.shape[:2] != (height, width):
        raise PictureError("the PNG is damaged")
    if colour == 3:
        _warn("a palette picture becomes a full-colour one")
    alpha = stored.ndim == 3 and stored.shape[2] in (2, 4)
    return _picture(stored, fields, depth="16" if bits == 16 else "8", alpha=alpha)


def _tolerant(read, *arguments):
    """The metadata fields that `read` finds; none, and a warning, where it stumbles."""
    try:
        return read(*arguments)
    except Exception as error:  # trouble with metadata never fails a picture
        _warn(f"metadata left out: {_one_line(error)}")
        return {}


def _read_with_pillow(file, name, page, max_pixels):
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # check_size is stricter, and says what to do
    with Image.open(file, formats=[name.upper()]) as image:
        check_size(*image.size, max_pixels)
        if name == "webp" and getattr(image, "n_frames", 1) > 1:
            raise PictureError("an animated WebP: extract the frames first")
        if name == "jpeg" and getattr(image, "n_frames", 1) > 1:
            _warn("only the main one of several pictures in this JPEG is kept")
        if image.mode in ("CMYK", "YCCK"):
            raise PictureError("a CMYK picture: convert it to RGB first")
        fields = _tolerant(_pillow_fields, image)
        image.load()
        if image.mode == "P":
            _warn("a palette picture becomes a full-colour one")
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        if image.mode == "1":
            image = image.convert("L")
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            raise PictureError(f"pictures of kind {image.mode} are not supported")
        yield _picture(np.asarray(image), fields, depth="8", alpha=image.mode.endswith("A"))


def _pillow_fields(image):
    fields = {
        "icc": image.info.get("icc_profile") or None,
        "exif": image.info.get("exif") or None,
        "xmp": image.info.get("xmp") or None,
    }
    if image.info.get("dpi"):
        across, down = (float(side) for side in image.info["dpi"])
        if across > 0 and down > 0:
            fields["resolution"] = (across, down, "inch")
    return fields


def _read_tiff(file, name, page, max_pixels):
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        size = file.seek(0, os.SEEK_END)
        count = len(tiff.pages)
        if count == 0:
            raise PictureError("the TIFF is damaged: it has no pages")
        if page is not None and not 1 <= page <= count:
            raise PictureError(f"there is no page {page}: this file has {count}")
        if _is_camera_raw(tiff.pages[0]):
            yield _read_camera_raw(file, max_pixels)
            return
        if tiff.is_imagej or tiff.is_shaped:
            stored = sum(tiff.pages[number].size for number in range(count))
            if sum(series.size for series in tiff.series) > stored:
                raise PictureError(
                    "a stack whose pages have no headers: save it as an ordinary multi-page TIFF"
                )
        numbers = range(count) if page is None else [page - 1]
        for number in numbers:
            _check_page(_full_page(tiff, number), size, max_pixels)
        for number in numbers:
            yield _read_tiff_page(tiff, file, number, single=page is not None)


def _full_page(tiff, number):
    import tifffile

    page = tiff.pages[number]
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()


def _is_camera_raw(page):
    """Whether a TIFF shows a preview first and keeps its picture in a directory below."""
    tags = page.tags
    preview = 330 in tags and bool(tags.valueof(254, 0) & 1)
    return (preview or 50706 in tags) and tags.valueof(262) != 32803


def _read_camera_raw(file, max_pixels):
    """The mosaic of a camera raw file, as it was measured, without the borders."""
    try:
        import rawpy
    except ImportError:
        raise PictureError(
            "a camera raw file: pip install 'restore-ksvd[raw]' reads its mosaic; or develop it "
            "first, or take its mosaic out (dcraw -4 -D -T)"
        ) from None
    file.seek(0)
    with rawpy.imread(file) as raw:
        check_size(raw.sizes.raw_width, raw.sizes.raw_height, max_pixels)
        if raw.raw_type != rawpy.RawType.Flat or np.shape(raw.raw_pattern) != (2, 2):
            raise PictureError("a camera raw file without a Bayer mosaic: develop it first")
        stored = raw.raw_image_visible.copy()
        pattern = "".join(chr(raw.color_desc[k]) for k in raw.raw_pattern.ravel())
        gains = tuple(float(gain) for gain in raw.camera_whitebalance[:3])
        if min(gains) <= 0:
            gains = (1.0, 1.0, 1.0)
        levels = (float(min(raw.black_level_per_channel)), float(raw.white_level), gains)
    metadata = Metadata(pattern=pattern, levels=levels)
    return Picture(to_unit(stored)[..., None], None, "16", metadata)


def _check_page(page, size, max_pixels):
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
    # tifffile fills what is missing with zeros: a truncated picture must not look whole
    wanted = page.samplesperpixel if page.planarconfig == 2 else 1
    segments = list(zip(page.dataoffsets, page.databytecounts))
    if not segments or len(segments) < wanted:
        raise PictureError("the TIFF is damaged: it has no pixels")
    if any(offset + length > size or not length for offset, length in segments):
        raise PictureError("the TIFF is truncated")
    raw = page.imagewidth * page.imagelength * page.samplesperpixel * page.bitspersample // 8
    if int(page.compression) == 1 and sum(page.databytecounts) < raw:
        raise PictureError("the TIFF is truncated")


def _read_fax(file, number):
    """A page in a fax compression, which not every tifffile reads; black is 0."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(file, formats=["TIFF"]) as image:
        image.seek(number)
        return np.asarray(image.convert("L")) > 127


def _read_tiff_page(tiff, file, number, single):
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
        _warn("a palette picture becomes a full-colour one")
        # programs store a colour of 8 bits as v, 256 v or 257 v
        colours = page.colormap if page.colormap.max() < 256 else page.colormap >> 8
        stored, bits = np.moveaxis(colours, 0, -1).astype(np.uint8)[stored], 8
    if stored.dtype.kind == "f":
        depth, top = "f32", 1
        if stored.dtype.itemsize == 8:
            _warn("64-bit floats become 32-bit ones")
    else:
        depth, top = ("8" if bits <= 8 else "16"), 2**bits - 1
        if bits not in (1, 8, 16):
            _warn(f"{bits}-bit samples become {depth}-bit ones")
    fields = _tolerant(_tiff_fields, page) | _tolerant(_tiff_exif, tiff, page, single)
    alpha = len(page.extrasamples) > 0
    if alpha:
        # photo editors and scanners often leave the kind of a further channel unsaid
        kinds = {1: "assocalpha", 2: "unassalpha"}
        fields["alpha_kind"] = kinds.get(int(page.extrasamples[0]), "unspecified")
    orientation = page.tags.valueof(274, 1)
    picture = _picture(
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


def _tiff_fields(page):
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
    if len(pattern) == 4 and max(pattern) < 3:
        fields["pattern"] = "".join("RGB"[colour] for colour in pattern)
    return fields


def _tiff_exif(tiff, page, single):
    """The directory of a TIFF page is an EXIF block amid everything else."""
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


def _describes_pages(description):
    """Whether a description is one that programs read as the layout of all pages."""
    return str(description).startswith(("ImageJ=", '{"shape"', "<?xml", "<OME"))
