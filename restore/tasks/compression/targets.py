"""Compression of a picture to a given quality or size, and decompression."""

from __future__ import annotations

import io
import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.arrays import as_image, check_finite, working
from restore.imaging.bands import Pool
from restore.kernels.blocks import CELL
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import (
    atoms,
    coding,
    container,
    correction,
    lossless,
    tuning,
)
from restore.tasks.compression.codec import Codec
from restore.tasks.compression.container import Header, Sections
from restore.tasks.compression.planes import from_planes
from restore.tasks.compression.seen import Seen, tiles_of
from restore.tasks.compression.smoothing import Steps
from restore.tasks.compression.trials import TRIALS, Trials, method_of, number_for
from restore.typing import Array, Floats

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Extras(NamedTuple):
    """The alpha channel, metadata and depth that a compressed file stores besides the samples.

    Attributes
    ----------
    alpha : (height, width) array, optional
        Alpha channel, stored losslessly at the depth of the picture.
    icc, exif, xmp : bytes, optional
        Stored unchanged.
    depth : {"8", "16"}
        Bits per sample that the decompressed picture will have.
    corrected : bool
        Have `decompress` correct the picture by a learned coder: it is nearer to the original for
        the same bytes, and takes some seconds a megapixel to decompress.

    Examples
    --------
    >>> from restore import Extras
    >>> Extras(icc=b"a profile").icc
    b'a profile'
    """

    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    depth: str = "8"
    corrected: bool = False


class Compressed(NamedTuple):
    """A compressed picture: its bytes, and the PSNR in dB of the decompressed picture.

    The PSNR is infinite if the coding is lossless.
    """

    data: bytes
    psnr: float


class Decompressed(NamedTuple):
    """A decompressed picture.

    `samples` is (height, width) or (height, width, 3) float32 in [0, 1], `alpha` (height, width)
    float32 or None, `depth` "8" or "16"; `icc`, `exif` and `xmp` are bytes or None.
    """

    samples: np.ndarray
    alpha: np.ndarray | None
    depth: str
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None


def compress(
    image: ArrayLike, *, quality: float | str | None = None, psnr: float | None = None,
    bpp: float | None = None, size: int | None = None, tune: str | None = None,
    codec: str | Codec | Dictionary = container.CODECS[0], embed: bool = False,
    extras: Extras | None = None, pool: Pool | None = None,
) -> Compressed:  # fmt: skip
    """Compress a picture.

    At most one of `quality`, `psnr`, `bpp` and `size` is given, as the target; the default is
    quality 75. With a packaged codec, the picture is coded losslessly if that takes fewer bytes.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array
        Unsigned integers, or floats in [0, 1].
    quality : float or "lossless", optional
        1 to 100; ``"lossless"`` preserves every sample at the depth of `extras`.
    psnr : float, optional
        Minimum peak signal-to-noise ratio in dB.
    bpp : float, optional
        Maximum bits per pixel of the whole file.
    size : int, optional
        Maximum bytes of the whole file.
    tune : {"eye", "psnr"}, optional
        Optimise visual quality or the PSNR. The default is ``"eye"``, or ``"psnr"`` if `psnr` is
        the target or `codec` is a Dictionary, with which only ``"psnr"`` is possible.
    codec : str, Codec or Dictionary
        The name of a packaged codec, or one from `learn_codec`; or a dictionary, over which the
        patches are coded by orthogonal matching pursuit, plane by plane if the picture has colours
        and the atoms are grey. If it is not packaged, decompression needs it, too.
    embed : bool
        Store the codec in the file, unless it is packaged.
    extras : Extras, optional
        Alpha channel, colour profile, metadata and depth to store with the picture.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Compressed
        The bytes and their PSNR.

    Raises
    ------
    ValueError
        If the target cannot be reached (the message gives the nearest one that can), or an
        argument is out of its range.
    TypeError
        If a target is not a number, or `codec` is not a codec.

    See Also
    --------
    decompress : The inverse.

    Examples
    --------
    >>> from skimage import data
    >>> from restore import compress
    >>> picture = data.astronaut()[:96, 160:256]
    >>> compressed = compress(picture, size=1200)
    >>> len(compressed.data) <= 1200, compressed.psnr > 34
    (True, True)
    """
    targets = {"quality": quality, "psnr": psnr, "bpp": bpp, "size": size}
    given = {name: value for name, value in targets.items() if value is not None}
    _check_targets(given)
    image = as_image(image)
    height, width, channels = image.shape
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        unit = working(image).unit
        advice = f": divide these by {unit:g}, or by the level of white" if unit != 1 else ""
        raise ValueError(f"a picture to compress has samples between 0 and 1, and no NaN{advice}")
    extras = extras or Extras()
    if extras.depth not in container.TOPS:
        raise ValueError(f"depth is 8 or 16, not {extras.depth!r}")
    alpha = extras.alpha
    if alpha is not None and np.shape(alpha) != (height, width):
        raise ValueError(f"alpha of shape {np.shape(alpha)} for a picture of {(height, width)}")
    packaged = isinstance(codec, str)
    codec = _checked(codec, channels)
    tune = _tuned(tune, codec, psnr)
    name = _name_of(codec)
    sections = container.Sections(
        alpha=None if alpha is None else container.stored(np.asarray(alpha), extras.depth),
        icc=extras.icc,
        exif=extras.exif,
        xmp=extras.xmp,
        codec=_file_of(codec) if embed and not name else None,
    )
    exact = lossless.Exact(image, extras.depth, sections, pool)
    if quality == "lossless":
        return Compressed(exact.data, math.inf)
    most = int(bpp * height * width / 8) if bpp is not None else size
    if packaged and most is not None and exact.within(most):
        return Compressed(exact.data, math.inf)
    if extras.corrected and isinstance(codec, Dictionary):
        raise ValueError("pictures over a dictionary cannot be corrected: leave out corrected")
    trials = Trials(image, extras.depth, codec, tune, name, sections, pool, extras.corrected)

    def attempt(number: int) -> tuple[bytes, float]:
        result = trials.at(number)
        done = len(trials.results)
        bands.tell(pool, "compressing", done, max(done, 1 if quality else TRIALS))
        return result

    if psnr is not None:
        number = number_for(
            attempt, lambda data, reached: min(reached, 150.0) - min(psnr, 150.0), 6.02 * 0.7
        )
        if number is None and packaged:
            return Compressed(exact.data, math.inf)
        if number is None:
            best = max(reached for _, reached in trials.results.values())
            raise ValueError(f"a PSNR of {psnr:g} dB cannot be reached: the most is {best:.2f} dB")
    elif most is not None:
        number = number_for(
            attempt, lambda data, reached: math.log2(len(data) / max(most, 1)), 0.8, below=True
        )
        if number is None:
            least = min(len(data) for data, _ in trials.results.values())
            raise ValueError(
                f"the picture does not fit into {most} bytes: the least it takes is {least} "
                f"({8 * least / height / width:.3f} bits per pixel)"
            )
    else:
        number = coding.number_of(tuning.step_of(75 if quality is None else float(quality), tune))
    result = Compressed(*attempt(number))
    if packaged and most is None and exact.within(len(result.data)):
        return Compressed(exact.data, math.inf)
    return result


def _checked(codec: str | Codec | Dictionary, channels: int) -> Codec | Dictionary:
    """Load a packaged codec, or check the type and the channels of one that is given."""
    if isinstance(codec, str):
        if codec not in container.CODECS:
            raise ValueError(
                f"there is no codec {codec!r}: use one of {', '.join(container.CODECS)}, "
                "a Codec, or a Dictionary"
            )
        return Codec.load(codec)
    if not isinstance(codec, (Codec, Dictionary)):
        raise TypeError(f"expected a Codec or a Dictionary, not {type(codec).__name__}")
    if isinstance(codec, Dictionary) and codec.channels not in (1, channels):
        raise ValueError("the dictionary's patches are in colour and the picture is grey")
    return codec


def _tuned(tune: str | None, codec: Codec | Dictionary, psnr: float | None) -> str:
    """Check `tune`, or choose its default."""
    plain = isinstance(codec, Dictionary)
    if tune is None:
        return "psnr" if plain or psnr is not None else "eye"
    if tune not in tuning.TUNES:
        raise ValueError(f"tune {tune!r} is none of {', '.join(tuning.TUNES)}")
    if plain and tune == "eye":
        raise ValueError("over a dictionary pictures are coded for the PSNR alone: leave out tune")
    return tune


def _name_of(codec: Codec | Dictionary) -> str | None:
    """The name of a codec or dictionary if it is packaged, else None."""
    kind, names = type(codec), container.NAMES[method_of(codec)]
    return next((name for name in names if kind.load(name).digest == codec.digest), None)


def _file_of(codec: Codec | Dictionary) -> bytes:
    file = io.BytesIO()
    codec.save(file)
    return file.getvalue()


def _check_targets(given: Mapping[str, Any]) -> None:
    """Check that at most one target is given, and that it is a number in its range."""
    if len(given) > 1:
        raise ValueError(f"only one of {', '.join(given)} can be the target")
    for name, value in given.items():
        if name == "quality" and value == "lossless":
            continue
        a_number = isinstance(value, numbers.Real)
        if not a_number:
            raise TypeError(f"{name} is a number, not {value!r}")
        if name == "quality" and not 1 <= value <= 100:
            raise ValueError(f"quality is between 1 and 100, not {value:g}")
        if not value > 0 or (math.isinf(value) and name != "psnr"):
            raise ValueError(f"{name} is a number above 0, not {value:g}")


def decompress(
    data: Buffer, *, codec: Codec | Dictionary | None = None, max_pixels: int | None = None,
    pool: Pool | None = None,
) -> Decompressed:  # fmt: skip
    """Decompress a picture.

    Parameters
    ----------
    data : bytes
        The bytes of a compressed picture, from `compress`.
    codec : Codec or Dictionary, optional
        The one used for compression, if it is neither packaged nor embedded.
    max_pixels : int, optional
        Refuse larger pictures, before anything is allocated for them.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Decompressed

    Raises
    ------
    ValueError
        If `data` is not a complete compressed picture, or another codec is needed.
    TypeError
        If `data` is not bytes-like, or `codec` is not a codec.

    See Also
    --------
    compress : The inverse.

    Examples
    --------
    >>> from skimage import data
    >>> from restore import compress, decompress
    >>> picture = data.astronaut()[:96, 160:256]
    >>> decompressed = decompress(compress(picture).data)
    >>> decompressed.samples.shape, decompressed.samples.dtype
    ((96, 96, 3), dtype('float32'))
    """
    header, sections, payload = container.unpack(container.bytes_of(data), max_pixels)
    if header.method == "lossless":
        return _decompressed(*lossless.picture(header, payload, pool), header, sections)
    shown, steps = planes_of(header, container.codec_of(header, sections, codec), payload, pool)
    planes = correction.finished(shown, header.filter, steps, header.error, pool)
    luma = header.method == "seen"
    samples = from_planes(planes, header.angles, header.height, header.width, luma, pool)
    top = np.float32(container.TOPS[header.depth])

    def to_integers(rows: slice) -> None:
        np.rint(samples[rows] * top, out=samples[rows])

    bands.for_each(to_integers, bands.rows(samples.shape), pool)
    check_finite(samples)
    return _decompressed(samples, sections.alpha, header, sections)


def planes_of(
    header: Header, codec: Codec | Dictionary, payload: bytes, pool: Pool | None = None
) -> tuple[list[Floats], Steps]:
    """Decode the planes of a payload, before the filter, and the steps they were quantised with."""
    cells = [-(-side // CELL) for side in (header.height, header.width)]
    shape = header.channels, CELL * cells[0], CELL * cells[1]
    seen = None
    if header.method == "seen":
        seen = Seen(*header.seen, np.zeros(tiles_of(*cells), np.int8))
    if isinstance(codec, Dictionary):
        planes = atoms.decode(codec, payload, shape, header.number)
    else:
        planes = coding.decode(codec, payload, shape, header.number, pool, seen)
    return planes, coding.steps_of(header.number, (header.channels, *cells), seen)


def _decompressed(
    samples: Array, alpha: Array | None, header: Header, sections: Sections
) -> Decompressed:
    """Scale integer samples and alpha to [0, 1]."""
    top = np.float32(container.TOPS[header.depth])
    samples = samples / top
    samples = samples[..., 0] if header.channels == 1 else samples
    alpha = None if alpha is None else (alpha / top).astype(np.float32)
    return Decompressed(samples, alpha, header.depth, sections.icc, sections.exif, sections.xmp)
