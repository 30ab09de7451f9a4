"""From the output of a decoder to a `Picture`: sizes are checked, metadata errors are tolerated."""

import contextlib
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from restore.files import metadata as meta
from restore.files.formats import PictureError
from restore.files.picture import Metadata, Picture, PictureWarning, to_unit
from restore.typing import Array

_redirecting = threading.Lock()


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a declared size before anything is allocated for it."""
    if width < 1 or height < 1:
        raise PictureError(f"the picture is damaged: it declares {width} x {height} pixels")
    if width * height > max_pixels:
        raise PictureError(
            f"{width} x {height} is {width * height / 1e6:,.1f} million pixels, more than the "
            f"{max_pixels / 1e6:,.1f} million allowed: raise --max-pixels to read it"
        )


def warn(sentence: str) -> None:
    warnings.warn(sentence, PictureWarning, stacklevel=3)


def one_line(error: object) -> str:
    """The first line of a library's message, printable characters only."""
    line = next(iter(str(error).splitlines()), "")
    return "".join(letter for letter in line if letter.isprintable())[:200]


def tolerant(read: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """The metadata fields that `read` finds; none, and a warning, if it fails."""
    try:
        return read(*arguments)
    except Exception as error:  # a metadata error never fails a picture
        warn(f"metadata left out: {one_line(error)}")
        return {}


@contextlib.contextmanager
def said_on_stderr() -> Iterator[list[bytes]]:
    """Collect a library's messages on standard error, the only place where some report errors."""
    words: list[bytes] = []
    with _redirecting, tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield words
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        words += file.read(1000).splitlines()


def picture_of(
    stored: Array,
    fields: dict[str, Any],
    *,
    depth: str,
    alpha: bool,
    top: float | None = None,
    orientation: int | None = None,
) -> Picture:
    """A `Picture` from stored samples (height, width[, channels]) and metadata."""
    exif_orientation, exif = 1, fields.get("exif")
    if exif:
        try:
            exif_orientation, exif = meta.upright_exif(exif)
        except ValueError as error:
            warn(f"{error}: left out")
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
