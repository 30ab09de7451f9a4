"""Pillow reads and writes ``.ksvd`` files once this is imported.

`Image.open` reads the header; pixels are decoded on first access. `Image.save` takes
``quality``, ``psnr``, ``bpp``, ``size`` and ``tune`` as `restore.compress` does, ``corrected`` as
`restore.Extras` does, and, as other formats of Pillow do, ``lossless``, ``icc_profile`` (by default
that of the picture), ``exif``, ``xmp`` and ``dpi``. Modes are L, LA, RGB, RGBA and I;16. Colours or
opacity of 16 bits, which Pillow has no mode for, are read with 8.

Examples
--------
>>> import io
>>> import restore.pillow
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.linear_gradient("L").save(file, "KSVD", quality=60, tune="psnr")
>>> Image.open(file).size
(256, 256)
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from restore.files.metadata import PER_INCH, resolution_of, with_resolution
from restore.files.picture import to_depth
from restore.tasks.compression import Extras, compress, container, decompress

FORMAT = "KSVD"
#: The options of `save` that are passed on to `compress`.
_OPTIONS = ("quality", "psnr", "bpp", "size", "tune")
_EXIF = b"Exif\0\0"


def _is_compressed(prefix: bytes) -> bool:
    return prefix.startswith(container.MAGIC)


@contextlib.contextmanager
def _damage_as_pillow_tells_it() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise OSError(str(error)) from error


class KsvdImageFile(ImageFile.ImageFile):
    """An open ``.ksvd`` file: its header, and pixels on first access."""

    format = FORMAT
    format_description = "Picture compressed by restore"

    def _open(self) -> None:
        assert self.fp is not None  # Pillow has opened it
        data = self.fp.read()
        if not _is_compressed(data):
            raise SyntaxError("this is no compressed picture of restore")
        with _damage_as_pillow_tells_it():
            header = container.inspect(data)
            metadata = container.metadata(data)
        self._size = header["width"], header["height"]
        mode = ("L" if header["channels"] == 1 else "RGB") + ("A" if header["alpha"] else "")
        self._mode = "I;16" if mode == "L" and header["depth"] == "16" else mode
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self.size), 0, self.mode)]
        if metadata["icc"]:
            self.info["icc_profile"] = metadata["icc"]
        if metadata["exif"]:
            self.info["exif"] = _EXIF + metadata["exif"]
        if metadata["xmp"]:
            self.info["xmp"] = metadata["xmp"]
        across, down, unit = resolution_of(metadata["exif"]) or (0, 0, "none")
        if unit != "none":
            self.info["dpi"] = across * PER_INCH[unit], down * PER_INCH[unit]


class _Decoder(ImageFile.PyDecoder):
    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        with _damage_as_pillow_tells_it():
            assert self.fd is not None  # as above
            found = decompress(self.fd.read())
        pixels = np.dstack([part for part in (found.samples, found.alpha) if part is not None])
        stored = to_depth(pixels, "16" if self.mode == "I;16" else "8")
        self.set_as_raw(stored.astype(stored.dtype.newbyteorder("<")).tobytes())
        return -1, 0


def _save(image: Any, file: Any, filename: str | bytes) -> None:
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        raise ValueError(
            f"a picture of mode {image.mode} cannot be saved as .ksvd: convert it to L, LA, RGB, "
            "RGBA or I;16 first"
        )
    given = image.encoderinfo
    exif = given.get("exif") or b""
    exif = (exif.tobytes() if isinstance(exif, Image.Exif) else exif).removeprefix(_EXIF)
    dpi = given.get("dpi")
    pixels = np.asarray(image)
    opaque = not image.mode.endswith("A")
    extras = Extras(
        None if opaque else pixels[..., -1],
        given.get("icc_profile", image.info.get("icc_profile")) or None,
        with_resolution(exif or None, dpi and (*dpi, "inch")),
        given.get("xmp") or None,
        "16" if image.mode == "I;16" else "8",
        bool(given.get("corrected")),
    )
    options = {name: given[name] for name in _OPTIONS if name in given}
    if given.get("lossless"):
        options["quality"] = "lossless"
    try:
        result = compress(pixels if opaque else pixels[..., :-1], extras=extras, **options)
    except TypeError as error:
        raise ValueError(str(error)) from error
    file.write(result.data)


Image.register_open(FORMAT, KsvdImageFile, _is_compressed)
Image.register_decoder(FORMAT, _Decoder)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".ksvd")
