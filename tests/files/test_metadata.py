"""Metadata: profiles, EXIF, XMP, orientation, resolution, tags."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from restore.files import metadata as meta
from restore.files import reading, writing
from restore.files.formats import FORMATS, PictureError
from restore.files.picture import Metadata, Picture, PictureWarning
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
