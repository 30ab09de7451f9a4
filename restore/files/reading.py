"""Picture files to pictures: every depth exact, every layout supported, nothing guessed.

Libraries were chosen so that nothing is lost: Pillow cuts 16-bit colour to 8 bits, imageio drops
palettes' transparency, so PNG is read by imagecodecs (libpng) and TIFF by tifffile. Pillow reads
the formats that have 8 bits anyway.
"""

import itertools
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from restore.files.decoded import check_size, one_line, picture_of, tolerant, warn
from restore.files.formats import FORMATS, MAX_PIXELS, PictureError, format_of_bytes
from restore.files.heif import read_avif, read_heic
from restore.files.jp2 import read_jp2
from restore.files.jxl import read_jxl
from restore.files.picture import Picture, PictureWarning
from restore.files.png import read_png
from restore.files.pnm import read_pnm
from restore.files.raw import read_raw
from restore.files.safe import open_regular
from restore.files.tiff import read_tiff
from restore.imaging.jpeg import Coding
from restore.typing import AnyPath

#: Readers of formats that Pillow does not read, or cuts to 8 bits.
_READERS = {
    "png": read_png,
    "tiff": read_tiff,
    "avif": read_avif,
    "heic": read_heic,
    "jxl": read_jxl,
    "jp2": read_jp2,
    "raw": read_raw,
    **dict.fromkeys(("pgm", "ppm", "pfm"), read_pnm),
}


def read_picture(
    path: AnyPath, *, page: int | None = None, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Read a file that holds one picture.

    Parameters
    ----------
    path : path
        Of a format of `restore.files.formats.FORMATS`, recognised by content.
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
    with open_regular(path) as file:
        return only_page(read_pages(file, page=page, max_pixels=max_pixels))


def only_page(pages: Iterator[Picture]) -> Picture:
    """The single picture of `pages`; a PictureError if there are more."""
    picture = next(pages)
    if next(pages, None) is not None:
        raise PictureError("this file has several pages, and one is needed: save that page alone")
    return picture


def pixels(path: AnyPath) -> int | None:
    """Number of pixels by the header of a file; None if Pillow cannot tell."""
    from PIL import Image

    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = None  # nothing is decoded
            with Image.open(file) as image:
                return image.width * image.height
    except Exception:  # of a format unknown to Pillow, or damaged: reading it will tell
        return None


def read_pages(
    file: BinaryIO, *, page: int | None = None, max_pixels: int = MAX_PIXELS, raw: bool = False
) -> Iterator[Picture]:
    """Yield the pictures of an open binary file: one, or the pages of a TIFF in order.

    Parameters, errors as in `read_picture`; all headers are checked before the first
    picture is decoded. `raw`: read the sensor data of a camera raw file, which is no picture yet,
    instead of refusing it.
    """
    head = file.read(16)
    file.seek(0)
    name = format_of_bytes(head)
    read = _READERS.get(name, _read_with_pillow)
    if page is not None and name != "tiff" and page != 1:
        raise PictureError(f"there is no page {page}: only a TIFF has several")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own; ours are raised outside
            pages = read(file, page, max_pixels)
        while True:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                waiting = list(itertools.islice(pages, 1))
            for warning in caught:
                if issubclass(warning.category, PictureWarning):
                    warnings.warn(warning.message, stacklevel=2)
            if not waiting:
                return
            if waiting[0].metadata.camera and not raw:
                raise PictureError(
                    "a camera raw file holds what was measured, not yet a picture: restore "
                    "demosaic makes one of it"
                )
            yield waiting.pop()  # no reference kept: large pictures are freed
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders may raise any exception on a damaged file
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(_damage(error)) from error


def _damage(error: BaseException) -> str:
    """The message of a decoder, if it has one."""
    from PIL import UnidentifiedImageError

    stumbled = (TypeError, AttributeError, LookupError, ArithmeticError, UnidentifiedImageError)
    words = "" if isinstance(error, stumbled) else one_line(error)
    return "the picture is damaged or truncated" + (f": {words}" if words else "")


def _read_with_pillow(file: BinaryIO, page: int | None, max_pixels: int) -> Iterator[Picture]:
    from PIL import Image

    name = format_of_bytes(file.read(16))
    file.seek(0)
    Image.MAX_IMAGE_PIXELS = None  # check_size is stricter, and its message says what to do
    with Image.open(file, formats=[name.upper()]) as image:
        check_size(*image.size, max_pixels)
        if name in ("webp", "gif") and getattr(image, "n_frames", 1) > 1:
            raise PictureError(f"an animated {FORMATS[name].words}: extract the frames first")
        if name == "jpeg" and getattr(image, "n_frames", 1) > 1:
            gain_map = b"hdrgm:Version" in image.info.get("xmp", b"")
            further = "HDR gain map is" if gain_map else "further pictures in this JPEG are"
            warn(f"the {further} left out")
        if image.mode in ("CMYK", "YCCK"):
            raise PictureError("a CMYK picture: convert it to RGB first")
        fields = tolerant(_pillow_fields, image)
        if name == "jpeg":
            fields["coding"] = _jpeg_coding(image)
        image.load()
        if image.mode == "P":
            warn("a palette picture becomes a full-colour one")
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        if image.mode == "1":
            image = image.convert("L")
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            raise PictureError(f"pictures of kind {image.mode} are not supported")
        yield picture_of(np.asarray(image), fields, depth="8", alpha=image.mode.endswith("A"))


def _jpeg_coding(image: Any) -> Coding | None:
    """The tables of an open JPEG file; None if they are of an unsupported kind."""
    tables = [image.quantization.get(layer[3]) for layer in image.layer]
    colours_as_they_are = image.info.get("adobe_transform") == 0 and len(tables) == 3
    if None in tables or colours_as_they_are:
        return None
    (_, across, down, _), *others = image.layer
    sampling = {(down / layer[2], across / layer[1]) for layer in others} or {(1, 1)}
    try:
        return Coding(tuple(map(tuple, tables)), tuple(map(int, sampling.pop())))
    except ValueError:  # components of other numbers or sizes
        return None


def _pillow_fields(image: Any) -> dict[str, Any]:
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
