"""Files: whatever comes in goes out again, sample for sample and tag for tag."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from restore.files import metadata as meta
from restore.files import png, reading, writing
from restore.files.formats import FORMATS, PictureError
from restore.files.picture import LEVELS, Metadata, Picture, PictureWarning, to_depth, to_unit
from tests.files.picture_files import encode, levels, read, saved_by_pillow, saved_by_tifffile

random = np.random.default_rng(0)


def round_trip(picture, name, **options):
    return read(encode(picture, name, **options))


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


PROFILE = bytes(16) + b"RGB " + bytes(range(200))


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp", "avif", "jp2", "jxl"])
def test_profile_and_xmp_are_kept(name):
    metadata = Metadata(icc=PROFILE, xmp=b"<x:xmpmeta/>", resolution=(300, 300, "inch"))
    picture = Picture(levels((9, 9, 3), "8"), metadata=metadata)
    if not FORMATS[name].profile:
        with pytest.raises(PictureError, match="without colour profiles.*--format"):
            encode(picture, name, strict=True)
        with pytest.warns(PictureWarning, match="without colour profiles"):
            back = round_trip(picture, name).metadata
        assert back.icc is None
    else:
        back = round_trip(picture, name).metadata
        assert back.icc == PROFILE
    assert back.xmp == metadata.xmp
    if name != "webp":
        across, down, unit = back.resolution
        assert round(across * (2.54 if unit == "cm" else 1), 2) == 300 and across == down


def test_transparency_to_jpeg_is_refused_with_advice():
    picture = Picture(levels((9, 9, 3), "8"), levels((9, 9), "8"))
    with pytest.raises(ValueError, match="--format png"):
        round_trip(picture, "jpeg")


# --- Metadata -------------------------------------------------------------------------


def exif_block(orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x9003: "2001:02:03 04:05:06", 0xA002: 5, 0xA003: 7}
    exif[0x8825] = {1: "N", 2: (48.0, 30.0, 0.0)}
    return exif.tobytes()[6:]


def as_exif(block):
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    return exif


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp", "avif", "jxl", "jp2"])
@pytest.mark.parametrize("other", ["png", "jpeg", "tiff", "webp", "avif", "jxl", "jp2"])
def test_exif_travels_between_all_formats(name, other):
    picture = Picture(levels((7, 5, 3), "8"), metadata=Metadata(exif=exif_block()))
    there = read(encode(picture, name))
    back = as_exif(read(encode(there, other)).metadata.exif)
    assert back[0x010F] == "Maker"
    assert back.get_ifd(0x8769)[0x9003] == "2001:02:03 04:05:06"
    assert [float(part) for part in back.get_ifd(0x8825)[2]] == [48, 30, 0]


def test_exif_of_every_page():
    blocks = [exif_block(), None, exif_block()]
    pages = [Picture(levels((7, 9, 3), "8"), metadata=Metadata(exif=one)) for one in blocks]
    file = io.BytesIO()
    writing.write_pages(file, pages, "tiff", count=3)
    file.seek(0)
    back = list(reading.read_pages(file))
    for page, original in zip(back, pages, strict=True):
        np.testing.assert_array_equal(page.samples, original.samples)
        assert (page.metadata.exif is None) == (original.metadata.exif is None)
    assert as_exif(back[2].metadata.exif).get_ifd(0x8825)[1] == "N"


def test_beyond_4_gb_a_tiff_is_a_bigtiff():
    picture = Picture(levels((700, 500, 3), "8"), metadata=Metadata(exif=exif_block()))
    with pytest.warns(PictureWarning, match="4 GB"):
        data = encode(picture, "tiff", count=2**10)  # as if many more were to come
    assert data[2] == 43
    np.testing.assert_array_equal(read(data).samples, picture.samples)


def test_exif_dimensions_are_those_of_the_output():
    picture = Picture(levels((14, 10, 3), "8"), metadata=Metadata(exif=exif_block()))
    inner = as_exif(round_trip(picture, "jpeg").metadata.exif).get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (10, 14)


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_baked_in_once(name, orientation):
    upright = np.zeros((40, 24), np.uint8)
    upright[:20, :12] = 255  # a bright top left corner tells every orientation
    upright[:20, 12:] = 128
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    packet = f'<x:xmpmeta tiff:Orientation="{orientation}"/>'.encode()
    if name == "tiff":
        data = saved_by_tifffile(turned, extratags=[(274, 3, 1, orientation, True)])
    else:
        data = saved_by_pillow(
            Image.fromarray(np.ascontiguousarray(turned)), name, exif=exif, xmp=packet, quality=100
        )
    picture = read(data)
    again = read(encode(picture, name))
    for one in (picture, again):
        np.testing.assert_allclose(one.samples[..., 0] * 255, upright, atol=10)
        assert one.metadata.exif is None or as_exif(one.metadata.exif).get(0x0112, 1) == 1
        assert one.metadata.xmp in (None, b'<x:xmpmeta tiff:Orientation="1"/>')
    assert picture.metadata.orientation == orientation
    assert again.metadata.orientation == 1


@pytest.mark.parametrize("unit", ["inch", "cm"])
@pytest.mark.parametrize("block", [None, "little", "big"])
def test_exif_tells_the_resolution(block, unit):
    if block:
        exif = as_exif(exif_block())
        exif.endian = {"little": "<", "big": ">"}[block]
        block = exif.tobytes()[6:]
    told = meta.with_resolution(block, (600, 299.5, unit))
    assert meta.resolution_of(told) == (600, 299.5, unit)
    before, after = (dict(as_exif(one)) if one else {} for one in (block, told))
    assert before.items() <= after.items() and len(after) == len(before) + 3
    assert not block or as_exif(block).get_ifd(0x8825) == as_exif(told).get_ifd(0x8825)
    # what it says already is left alone, and so is what nobody knows
    assert meta.with_resolution(told, (1200, 1200, "inch")) == told
    for unknown in (None, (72, 72, "inch"), (5, 7, "none")):
        assert meta.with_resolution(block, unknown) == block
        assert meta.resolution_of(meta.with_resolution(block, unknown)) is None


@pytest.mark.parametrize("rubbish", [b"", b"II", b"II*\0\xff\xff\0\0", b"MM\0*\0\0\0\x08\0\x09"])
def test_broken_exif_tells_no_resolution(rubbish):
    assert meta.resolution_of(rubbish) is None
    if rubbish:
        assert meta.with_resolution(rubbish, (600, 600, "inch")) == rubbish


def test_thumbnail_is_dropped():
    block = bytearray(exif_block(6))
    count = int.from_bytes(block[8:10], "little" if block[:2] == b"II" else "big")
    after = 10 + 12 * count
    block[after : after + 4] = len(block).to_bytes(4, "little" if block[:2] == b"II" else "big")
    _, upright = meta.upright_exif(bytes(block))
    assert bytes(upright[after : after + 4]) == bytes(4)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_a_warning(name):
    image = Image.fromarray(np.zeros((9, 9, 3), np.uint8))
    data = saved_by_pillow(image, name, exif=b"Exif\0\0II*\0\xff\xff\0\0rubbish")
    with pytest.warns(PictureWarning, match="EXIF"):
        picture = read(data)
    assert picture.metadata.exif is None


def test_strip_keeps_the_profile_only():
    metadata = Metadata(icc=PROFILE, exif=exif_block(), xmp=b"<x/>", resolution=(72, 72, "inch"))
    assert meta.stripped(metadata) == Metadata(icc=PROFILE)
    assert meta.stripped(metadata, profile_too=True) == Metadata()


def test_png_text_and_gamma_are_kept():
    chunks = ((b"gAMA", (45455).to_bytes(4, "big")), (b"tEXt", b"Author\0me"))
    picture = Picture(levels((7, 5, 3), "16"), None, "16", Metadata(chunks=chunks))
    assert round_trip(picture, "png").metadata.chunks == chunks


def test_tiff_tags_are_kept():
    tags = ((33550, 12, 3, (1.0, 2.0, 0.0), True), (34735, 3, 4, (1, 1, 0, 0), True))
    picture = Picture(
        levels((7, 5, 1), "16"), None, "16", Metadata(tags=tags, resolution=(3, 3, "none"))
    )
    back = round_trip(picture, "tiff").metadata
    assert back.tags == tags
    assert back.resolution == (3, 3, "none")


def test_the_pattern_of_a_mosaic_is_read():
    mosaic = random.integers(0, 65536, (8, 8), dtype=np.uint16)
    tags = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([2, 1, 1, 0]), True)]
    data = saved_by_tifffile(mosaic, photometric="cfa", extratags=tags)
    assert read(data).metadata.pattern == "BGGR"
    assert read(saved_by_tifffile(mosaic)).metadata.pattern is None


def test_description_of_an_imagej_stack_is_kept_with_all_its_pages():
    stack = random.integers(0, 65536, (3, 9, 8), dtype=np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, stack, imagej=True, metadata={"spacing": 0.5, "unit": "um"})
    file.seek(0)
    out = io.BytesIO()
    writing.write_pages(out, reading.read_pages(file), "tiff", count=3)
    out.seek(0)
    with tifffile.TiffFile(out) as tiff:
        assert tiff.imagej_metadata["images"] == 3
        np.testing.assert_array_equal(tiff.asarray(), stack)
    file.seek(0)
    one = reading.only_page(reading.read_pages(file, page=2))
    assert one.metadata.exif is None


def test_a_profile_for_other_channels_is_left_out():
    picture = Picture(levels((7, 5, 1), "8"), metadata=Metadata(icc=PROFILE))
    with pytest.warns(PictureWarning, match="profile"):
        assert round_trip(picture, "png").metadata.icc is None


def test_a_long_exif_block_does_not_fail_a_jpeg():
    block = exif_block() + bytes(70_000)
    with pytest.warns(PictureWarning, match="too long"):
        back = round_trip(Picture(levels((7, 5, 3), "8"), metadata=Metadata(exif=block)), "jpeg")
    assert back.metadata.exif is None


# --- Channels -------------------------------------------------------------------------


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


# --- Depths ---------------------------------------------------------------------------


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


# --- What is refused ------------------------------------------------------------------


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
