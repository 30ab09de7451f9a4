"""The record of a picture, passed between files and tasks."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from restore.imaging import bands
from restore.imaging.arrays import PictureWarning
from restore.imaging.bands import Pool
from restore.imaging.camera import Camera
from restore.imaging.jpeg import Coding
from restore.typing import Array, Floats

#: largest level of each integer depth
LEVELS = {"8": 255, "16": 65535}


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Suppress `PictureWarning`, for pictures that are not written again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)
        yield


#: Dots across and down, and the unit that they are counted in.
Resolution = tuple[float, float, str]


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Metadata of a picture; none of it changes a sample.

    Attributes
    ----------
    icc : bytes or None
        The colour profile, byte for byte.
    exif : bytes or None
        An EXIF block, starting with its TIFF header; the orientation in it is 1.
    xmp : bytes or None
        An XMP packet.
    resolution : tuple of (float, float, str) or None
        Pixels per unit across and down; the unit is ``"inch"``, ``"cm"`` or ``"none"``.
    chunks : tuple of (bytes, bytes)
        PNG chunks kept as they are: text, gamma, chromaticities.
    tags : tuple
        TIFF tags kept as they are: (code, type, count, value, once).
    orientation : int
        The EXIF orientation that the file had; the samples are upright already.
    pattern : str or None
        The colours of the top left 2x2 samples of a mosaic, as ``"RGGB"``, if a TIFF or a camera
        raw file states them; for a larger pattern, all its samples.
    camera : Camera or None
        Data of a camera raw file on its samples, and options for its development.
    alpha_kind : {"unassalpha", "assocalpha", "unspecified"}
        TIFF's term for the last channel: straight alpha, premultiplied alpha, or unspecified.
    coding : Coding or None
        The tables of a JPEG file, for the samples before they were turned by `orientation`.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resolution: Resolution | None = None
    chunks: tuple = ()
    tags: tuple = ()
    orientation: int = 1
    pattern: str | None = None
    camera: Camera | None = None
    alpha_kind: str = "unassalpha"
    coding: Coding | None = None

    def replace(self, **changes: Any) -> Metadata:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture: samples, and the data to keep with them.

    Attributes
    ----------
    samples : (height, width, channels) float32 ndarray
        1 or 3 channels. [0, 1] for integer files; as stored for float files.
    alpha : (height, width) float32 ndarray or None
        Opacity in [0, 1].
    depth : {"8", "16", "f32"}
        The depth of the file it came from, and of the file it goes to.
    metadata : Metadata
    """

    samples: np.ndarray
    alpha: np.ndarray | None = None
    depth: str = "8"
    metadata: Metadata = Metadata()

    def replace(self, **changes: Any) -> Picture:
        """A copy with some fields replaced, as in ``picture.replace(samples=denoised)``."""
        return dataclasses.replace(self, **changes)


def to_unit(stored: Array, top: float | None = None) -> Floats:
    """Stored samples as float32: integers divided by their `top` level, floats as they are."""
    if stored.dtype.kind == "f" or top == 1:
        return np.ascontiguousarray(stored, dtype=np.float32)
    top = top or np.iinfo(stored.dtype).max
    # float32 holds both numbers: the quotient is the float32 nearest to it
    return np.divide(np.minimum(stored, top), np.float32(top), dtype=np.float32, order="C")


def to_depth(samples: Array, depth: str, pool: Pool | None = None) -> Array:
    """Float samples as they are stored: rounded and clipped for integers, kept for ``"f32"``.

    NaN, which integers cannot hold, becomes 0. Works in bands of rows to spare memory.
    """
    if depth == "f32":
        return np.ascontiguousarray(samples, dtype=np.float32)
    top = np.float32(LEVELS[depth])
    stored = np.empty(samples.shape, np.uint8 if depth == "8" else np.uint16)

    def store(rows: slice) -> None:
        band = np.clip(samples[rows], 0, 1)
        band *= top
        stored[rows] = np.nan_to_num(np.rint(band, out=band), copy=False)

    bands.for_each(store, bands.rows(samples.shape), pool)
    return stored
