"""Pictures come back from every format bit for bit, and what is no picture is refused."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from restore.files import png, writing
from restore.files.formats import FORMATS, PictureError
from restore.files.picture import LEVELS, Metadata, Picture, PictureWarning, to_depth, to_unit
from tests.files.picture_files import (
    encode,
    exif_block,
    levels,
    random,
    read,
    round_trip,
    saved_by_pillow,
    saved_by_tifffile,
)

LOSSLESS = [
    (name, depth, channels, alpha)
    for name, format in FORMATS.items()
    for depth, channels, alpha in itertools.product(format.depths, format.channels, (False, True))
    if (format.alpha or not alpha)
    and name not in ("jpeg", "dng")
    and not (name == "webp" and channels == 1)
    if (name, depth) != ("avif", "16")
]


@pytest.mark.parametrize("name, depth, channels, alpha", LOSSLESS)
def test_samples_and_alpha_come_back_bit_for_bit(name, depth, channels, alpha):
    picture = Picture(
        levels((13, 7, channels), depth), levels((13, 7), "16" if depth == "f32" else depth), depth
    )
    if not alpha:
        picture = picture.replace(alpha=None)
    back = round_trip(picture, name)
    assert back.depth == depth
    np.testing.assert_array_equal(back.samples, picture.samples)
    if alpha:
        np.testing.assert_array_equal(back.alpha, picture.alpha)
    else:
        assert back.alpha is None


@pytest.mark.parametrize("depth", LEVELS)
def test_every_level_survives(depth):
    stored = np.arange(LEVELS[depth] + 1, dtype=np.uint8 if depth == "8" else np.uint16)
    np.testing.assert_array_equal(to_depth(to_unit(stored)[:, None], depth)[:, 0], stored)


def test_integers_are_rounded_and_clipped():
    samples = np.array([[-1.0, 0.5, 2.0, np.nan, np.inf, 1.6 / 255]], np.float32)
    np.testing.assert_array_equal(to_depth(samples, "8"), [[0, 128, 255, 0, 255, 2]])


def test_transparency_to_jpeg_is_refused_with_advice():
    picture = Picture(levels((9, 9, 3), "8"), levels((9, 9), "8"))
    with pytest.raises(ValueError, match="--format png"):
        round_trip(picture, "jpeg")


def test_beyond_4_gb_a_tiff_is_a_bigtiff():
    picture = Picture(levels((700, 500, 3), "8"), metadata=Metadata(exif=exif_block()))
    with pytest.warns(PictureWarning, match="4 GB"):
        data = encode(picture, "tiff", count=2**10)  # as if many more were to come
    assert data[2] == 43
    np.testing.assert_array_equal(read(data).samples, picture.samples)


def test_palettes_become_colours():
    image = Image.fromarray(random.integers(0, 256, (8, 9, 3), dtype=np.uint8)).quantize(16)
    colours = np.asarray(image.convert("RGB"))
    for data in (
        saved_by_pillow(image, "PNG"),
        saved_by_pillow(image, "BMP"),
        saved_by_pillow(image, "TIFF"),
    ):
        with pytest.warns(PictureWarning, match="palette"):
            picture = read(data)
        np.testing.assert_array_equal(to_depth(picture.samples, "8"), colours)
        assert picture.depth == "8" and picture.alpha is None


def test_palette_transparency_becomes_alpha():
    image = Image.fromarray(random.integers(0, 256, (8, 9, 3), dtype=np.uint8)).quantize(16)
    with pytest.warns(PictureWarning):
        picture = read(saved_by_pillow(image, "PNG", transparency=3))
    np.testing.assert_array_equal(picture.alpha, np.asarray(image) != 3)


@pytest.mark.parametrize("shape, key", [((8, 9, 3), (1, 2, 3)), ((8, 9), 7)])
def test_a_transparent_colour_becomes_alpha(shape, key):
    stored = random.integers(10, 256, shape, dtype=np.uint8)
    stored[2, 3] = key
    picture = read(saved_by_pillow(Image.fromarray(stored), "PNG", transparency=key))
    assert picture.alpha[2, 3] == 0 and picture.alpha.sum() == 71
    np.testing.assert_array_equal(to_depth(picture.samples, "8"), stored.reshape(8, 9, -1))


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF"])
def test_one_bit_becomes_grey(name):
    bits = random.random((8, 9)) < 0.5
    picture = read(saved_by_pillow(Image.fromarray(bits), name))
    np.testing.assert_array_equal(picture.samples[..., 0], bits)
    assert picture.depth == "8"


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_is_refused_with_advice(name):
    data = saved_by_pillow(Image.new("CMYK", (8, 8)), name)
    with pytest.raises(ValueError, match="CMYK.*convert it to RGB"):
        read(data)


def test_white_is_zero_is_inverted():
    for depth, stored in (("8", np.uint8(10)), ("16", np.uint16(10))):
        data = saved_by_tifffile(np.full((4, 4), stored), photometric="miniswhite")
        assert to_depth(read(data).samples, depth)[0, 0, 0] == LEVELS[depth] - 10
    data = saved_by_tifffile(np.full((4, 4), np.float32(10)), photometric="miniswhite")
    assert (read(data).samples == 10).all()  # measured values, shown inverted


def test_premultiplied_alpha_stays_so_in_tiff_and_is_divided_out_elsewhere():
    stored = np.full((4, 4, 4), 64, np.uint8)
    stored[..., 3] = 128
    picture = read(saved_by_tifffile(stored, photometric="rgb", extrasamples=["assocalpha"]))
    same = round_trip(picture, "tiff")
    assert same.metadata.alpha_kind == "assocalpha"
    np.testing.assert_array_equal(same.samples, picture.samples)
    assert to_depth(round_trip(picture, "png").samples, "8")[0, 0, 0] == 128  # 64 / 128 of 255


def test_a_channel_of_unsaid_kind_is_kept_with_its_kind():
    stored = random.integers(0, 65536, (8, 9, 4), dtype=np.uint16)
    picture = read(saved_by_tifffile(stored, photometric="rgb", extrasamples=["unspecified"]))
    data = encode(picture, "tiff")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert tiff.pages[0].extrasamples[0] == 0
        np.testing.assert_array_equal(tiff.asarray(), stored)


@pytest.mark.parametrize(
    "samples, reason",
    [
        (np.zeros((4, 4), np.int16), "int16"),
        (np.zeros((4, 4), np.uint32), "uint32"),
        (np.zeros((4, 4), np.complex64), "complex64"),
    ],
)
def test_other_samples_are_refused_by_name(samples, reason):
    with pytest.raises(ValueError, match=reason):
        read(saved_by_tifffile(samples))


def test_floats_are_neither_clipped_nor_scaled():
    stored = np.array([[-3, 0.5, 4000, np.nan, np.inf, -np.inf]], np.float32)
    picture = read(saved_by_tifffile(stored))
    assert picture.depth == "f32"
    np.testing.assert_array_equal(round_trip(picture, "tiff").samples[..., 0], stored)


def test_loss_of_depth_is_said_or_refused():
    picture = Picture(levels((9, 9, 3), "16"), None, "16")
    with pytest.warns(PictureWarning, match="8-bit"):
        assert round_trip(picture, "jpeg").depth == "8"
    with pytest.raises(ValueError, match="16-bit"):
        round_trip(picture, "jpeg", strict=True)
    with pytest.raises(ValueError, match="float"):
        round_trip(picture, "png", depth="f32")


@pytest.mark.parametrize("name, side", [("webp", 16384), ("jpeg", 65501)])
def test_sides_too_long_for_the_format_are_refused(name, side):
    with pytest.raises(PictureError, match=f"{side - 1} pixels a side.*--format"):
        writing.check(Picture(np.zeros((1, side, 1), np.float32)), name)


def test_animations_are_refused():
    frames = [Image.fromarray(np.full((8, 8, 3), 80 * k, np.uint8)) for k in range(3)]
    for name in ("PNG", "WEBP", "GIF", "AVIF"):
        data = saved_by_pillow(frames[0], name, save_all=True, append_images=frames[1:])
        with pytest.raises(ValueError, match="animated"):
            read(data)


@pytest.mark.parametrize("data", [b"", b"hello, world", b"%PDF-1.4", b"\0" * 100])
def test_what_is_no_picture_is_refused_in_a_sentence(data):
    with pytest.raises(ValueError, match="empty|not a picture|PDF"):
        read(data)


@pytest.mark.parametrize(
    "name, depth",
    [
        *(("png", "16"), ("jpeg", "8"), ("tiff", "16"), ("avif", "8"), ("jxl", "16")),
        *(("jp2", "16"), ("ppm", "16"), ("pfm", "f32")),
    ],
)
def test_every_truncation_is_refused(name, depth):
    data = encode(Picture(levels((40, 40, 3), depth), None, depth), name)
    for length in [*range(1, 60), *range(60, len(data) - 2, 101), len(data) - 3]:
        with pytest.raises(ValueError):
            read(data[:length])


def bomb(width=20_000, height=20_000):
    """A small PNG of 400 million pixels: 1 bit each, all black."""
    row = (1 + (width + 7) // 8) * b"\0"
    squeeze = zlib.compressobj(9)
    pixels = b"".join(squeeze.compress(row * 100) for _ in range(height // 100))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return png.bare_png([(b"IHDR", header), (b"IDAT", pixels + squeeze.flush()), (b"IEND", b"")])


def test_bombs_are_refused_from_the_header():
    data = bomb()
    assert len(data) < 60_000
    with pytest.raises(ValueError, match="400.0 million.*--max-pixels"):
        read(data)
    for name in FORMATS.keys() - {"gif", "heic", "pgm", "dng", "raw"}:
        picture = Picture(levels((30, 40, 3), "8"), None, "f32" if name == "pfm" else "8")
        data = encode(picture, name)
        with pytest.raises(ValueError, match="--max-pixels"):
            read(data, max_pixels=1199)
        assert read(data, max_pixels=1200).samples.shape == (30, 40, 3)


def test_a_bomb_is_read_when_asked_for():
    assert read(bomb(2000, 2000), max_pixels=2000**2).samples.shape == (2000, 2000, 1)
