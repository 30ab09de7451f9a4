"""Camera raw files, by LibRaw where rawpy is installed, and linear DNG files.

A raw file holds the sensor data: mostly one colour per sample. `developed` makes a picture of it. A
linear DNG holds three colours per sample in the camera's colour space, with the data that a raw
converter needs to treat it like the raw file.

References
----------
Adobe, "Digital Negative (DNG) Specification", version 1.4, 2012.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from restore.files import metadata as meta
from restore.files.decoded import check_size, one_line, said_on_stderr, warn
from restore.files.formats import PictureError
from restore.files.picture import Metadata, Picture
from restore.imaging.camera import SPACES, Camera, of_camera_matrix
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: EXIF orientations by LibRaw's value for the rotation.
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}

#: Tags of DNG: version, oldest version of a reader, name of the camera, levels.
_VERSION, _OLDEST, _MODEL, _BLACK, _WHITE = 50706, 50707, 50708, 50714, 50717

#: XYZ to the camera's colours, for which light (the tags of a second light follow on these of the
#: first), the camera's colours of white, and the profile of the noise.
_MATRIX, _LIGHT, _NEUTRAL, _NOISE = 50721, 50778, 50728, 51041

#: What DNG calls D65.
_D65 = 21

#: Sides of the patterns that LibRaw reports: Bayer and Fujifilm's X-Trans.
_SIDES = (2, 6)


def read_raw(
    file: BinaryIO,
    page: int | None,
    max_pixels: int,
    tags: Any = None,
    fields: dict[str, Any] | None = None,
) -> Iterator[Picture]:
    """Yield the mosaic of a camera raw file, as measured, without the borders.

    Parameters
    ----------
    file, page, max_pixels
        As for `restore.files.reading.read_pages`.
    tags : tifffile.TiffTags, optional
        Of the first directory, if any: LibRaw does not report all tags of a DNG.
    fields : dict, optional
        Metadata found elsewhere: EXIF.
    """
    try:
        import rawpy
    except ImportError:
        raise PictureError(
            "a camera raw file: pip install 'restore-ksvd[raw]' reads its mosaic; or develop it "
            "first, or take its mosaic out (dcraw -4 -D -T)"
        ) from None
    file.seek(0)
    with said_on_stderr() as words, _opened(rawpy, file) as raw:
        check_size(raw.sizes.raw_width, raw.sizes.raw_height, max_pixels)
        if raw.raw_type == rawpy.RawType.Flat:
            pattern = _pattern(raw)
            samples = raw.raw_image_visible.copy()[..., None]
        else:
            pattern, samples = None, raw.raw_image_visible[..., :3].copy()
        camera = _camera(raw, pattern, tags or {})
    if words:
        raise PictureError("the camera raw file is damaged or truncated")
    if samples.shape[2] not in (1, 3) or samples.dtype != np.uint16:
        raise PictureError("a camera raw file of an unknown kind: develop it first")
    metadata = Metadata(pattern=pattern, camera=camera, **(fields or {}))
    values = np.divide(samples, np.float32(65535), dtype=np.float32)
    yield Picture(values, None, "16", metadata)


@contextlib.contextmanager
def _opened(rawpy: Any, file: BinaryIO) -> Iterator[Any]:
    try:
        with rawpy.imread(file) as raw:
            yield raw
    except rawpy.LibRawError as error:  # whose strings are bytes
        words = b"".join(part for part in error.args if isinstance(part, bytes))
        raise PictureError(
            f"the camera raw file cannot be read: {one_line(words.decode('latin-1'))}"
        ) from error


def _pattern(raw: Any) -> str:
    """The colours of a mosaic, row by row, as letters."""
    numbers = raw.raw_pattern
    if numbers is None or numbers.shape[0] != numbers.shape[1] or len(numbers) not in _SIDES:
        raise PictureError("a camera raw file without a regular mosaic: develop it first")
    pattern = "".join(chr(raw.color_desc[number]) for number in numbers.ravel())
    if set(pattern) != set("RGB"):
        raise PictureError(
            f"a mosaic of the colours {', '.join(sorted(set(pattern)))}: only red, green and blue "
            "are known, develop it first"
        )
    return pattern


def _camera(raw: Any, pattern: str | None, tags: Any) -> Camera:
    top = np.float32(65535)
    blacks = np.array(raw.black_level_per_channel, np.float64) / top
    black = blacks[raw.raw_pattern.ravel()] if pattern else blacks[:3]
    gains = np.array(raw.camera_whitebalance[:3], np.float64)
    if not (np.isfinite(gains).all() and (gains > 0).all()):
        warn("the file tells no white balance: its colours are left as they are")
        gains = np.ones(3)
    matrix = _matrix(raw, tags, gains)
    noise = np.ravel(tags[_NOISE].value) if _NOISE in tags else np.empty(0)
    pairs = tuple(map(tuple, noise[: len(noise) // 2 * 2].reshape(-1, 2).tolist()))
    return Camera(
        black=tuple(float(level) for level in black),
        white=float(raw.white_level) / float(top),
        gains=tuple(float(gain) for gain in gains),
        matrix=matrix,
        noise=pairs or None,
        orientation=_ORIENTATIONS.get(raw.sizes.flip, 1),
    )


def _matrix(raw: Any, tags: Any, gains: Floats) -> Floats | None:
    """XYZ for D65 to the camera's colours, from the file or from LibRaw's table of cameras."""
    for matrix, light in ((_MATRIX + 1, _LIGHT + 1), (_MATRIX, _LIGHT)):
        told = matrix in tags and light in tags and int(tags[light].value) == _D65
        if told and np.size(tags[matrix].value) == 18:
            above, below = np.array(tags[matrix].value, np.float64).reshape(9, 2).T
            return (above / np.where(below == 0, 1, below)).reshape(3, 3)
    matrix = np.array(raw.rgb_xyz_matrix, np.float64)[:3]
    if np.abs(matrix).sum() > 0:
        return matrix
    balanced = of_camera_matrix(np.array(raw.color_matrix, np.float64)[:, :3])
    return None if balanced is None else balanced / gains[:, None]


def developed(
    picture: Picture, *, sigma: Any = 0.0, pool: Pool | None = None, **settings: Any
) -> tuple[Picture, tuple[float, float]]:
    """The developed picture of a camera raw file, and the noise that was removed.

    Parameters
    ----------
    picture : Picture
        As `read_raw` yields it.
    sigma : float or "auto"
        Noise level to remove, with white at 1; ``"auto"``: estimated.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    **settings
        For `restore.tasks.demosaicing.demosaic`.

    Returns
    -------
    picture : Picture
        Upright.
    noise : (gain, sigma) floats
    """
    from restore.tasks.demosaicing import demosaic
    from restore.tasks.demosaicing.development import develop

    metadata = picture.metadata
    camera, pattern = metadata.camera, metadata.pattern
    assert camera is not None  # as `read_raw` leaves it
    if pattern is None and sigma:
        raise PictureError("a raw file that is demosaiced already: develop it, then denoise it")

    def run(mosaic: Floats, sigma: float) -> Floats:
        assert pattern is not None  # or `develop` does not call it
        return demosaic(mosaic, pattern, sigma=sigma, pool=pool, **settings)

    colours, noise = develop(
        picture.samples[..., 0] if pattern else picture.samples,
        pattern,
        camera,
        run,
        sigma=sigma,
        pool=pool,
    )
    kept = None if camera.balanced else camera.replace(orientation=1)
    metadata = metadata.replace(
        pattern=None,
        camera=kept,
        icc=profile(camera.space, camera.linear) if camera.balanced else None,
        orientation=camera.orientation,
    )
    upright = meta.upright(colours, camera.orientation)
    return picture.replace(samples=upright, metadata=metadata), noise


def profile(space: str, linear: bool) -> bytes | None:
    """The colour profile of a developed picture, or None for sRGB or the camera's colours."""
    import imagecodecs

    if space not in SPACES[:2] or (space == "srgb" and not linear):
        return None
    white, primaries = {
        "srgb": ([0.3127, 0.3290, 1], [0.64, 0.33, 1, 0.30, 0.60, 1, 0.15, 0.06, 1]),
        "prophoto": (
            [0.3457, 0.3585, 1],
            [0.7347, 0.2653, 1, 0.1596, 0.8404, 1, 0.0366, 0.0001, 1],
        ),
    }[space]
    gamma = 1.0 if linear else 1.8
    return imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, gamma=gamma)


def write_dng(file: BinaryIO, stored: Integers, picture: Picture, extra_tags: list[Any]) -> None:
    """Write a linear DNG: a picture as `developed` makes it in the camera's colour space.

    Parameters
    ----------
    file : binary file
    stored : (height, width, 3) uint16 ndarray
        The camera's colours without white balance, 65535 for white.
    picture : Picture
    extra_tags : list
        Of metadata, as tifffile takes them.
    """
    import tifffile

    camera = picture.metadata.camera
    assert camera is not None  # a developed picture has one
    neutral = np.array([1 / gain for gain in camera.gains])
    neutral /= neutral.max()
    tags: list[Any] = [
        (_VERSION, 1, 4, bytes([1, 4, 0, 0]), True),
        (_OLDEST, 1, 4, bytes([1, 3, 0, 0]), True),
        (_NEUTRAL, 5, 3, _rationals(neutral), True),
    ]
    model = b"restore linear DNG\0"
    for tag in extra_tags:
        if tag[0] == 272:
            model = tag[3] if isinstance(tag[3], bytes) else str(tag[3]).encode() + b"\0"
    tags.append((_MODEL, 2, len(model), model, True))
    if camera.matrix is not None:
        tags += [
            (_MATRIX, 10, 9, _rationals(camera.matrix.ravel()), True),
            (_LIGHT, 3, 1, _D65, True),
        ]
    tags += [(_BLACK, 3, 3, (0, 0, 0), True), (_WHITE, 3, 3, (65535,) * 3, True)]
    with tifffile.TiffWriter(file, byteorder="<") as tiff:
        tiff.write(
            stored,
            photometric=tifffile.PHOTOMETRIC.LINEAR_RAW,
            planarconfig="contig",
            metadata=None,
            software=False,
            rowsperstrip=max(1, 2**20 // stored[0].nbytes),
            subfiletype=0,
            extratags=tags + [tag for tag in extra_tags if tag[0] != 34675],
        )


def _rationals(values: Iterable[float]) -> list[int]:
    return [part for value in values for part in (round(float(value) * 1_000_000), 1_000_000)]
