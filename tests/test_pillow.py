"""Pillow opens and saves .ksvd files as `restore.decompress` and `restore.compress` say."""

import doctest
import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import restore.pillow
from restore import Extras, compress, decompress
from tests.tasks.compressed import drawn


def picture(mode):
    """A picture of 40 x 32 pixels, colours and opacity drawn."""
    pixels = drawn(32, 40, 3, seed=1)
    if mode == "I;16":
        return Image.fromarray(drawn(32, 40).astype(np.uint16) * 257)
    image = Image.fromarray(pixels)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(drawn(32, 40, seed=2)))
    return image.convert(mode)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "KSVD", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pixels_are_those_of_decompress(mode, tmp_path):
    image = picture(mode)
    path = tmp_path / "picture.ksvd"
    image.save(path, quality=90, tune="psnr")
    found = decompress(path.read_bytes())
    with Image.open(path) as opened:
        assert (opened.format, opened.mode, opened.size) == ("KSVD", mode, (40, 32))
        pixels = np.asarray(opened)
    top = 65535 if mode == "I;16" else 255
    expected = np.dstack([found.samples] + ([] if found.alpha is None else [found.alpha]))
    assert np.array_equal(np.atleast_3d(pixels), np.rint(expected * top))
    assert (found.alpha is not None) == mode.endswith("A")
    if mode.endswith("A"):
        assert np.array_equal(pixels[..., -1], np.asarray(image)[..., -1])
    assert np.abs(pixels / top - np.asarray(image) / top).mean() < 0.02


def test_bytes_are_those_of_compress():
    image = picture("RGB")
    pixels = np.asarray(image)
    assert saved(image) == compress(pixels).data
    assert saved(image, lossless=True) == compress(pixels, quality="lossless").data
    corrected = compress(pixels, quality=40, extras=Extras(corrected=True)).data
    assert saved(image, quality=40, corrected=True) == corrected
    for options in ({"quality": 40, "tune": "psnr"}, {"psnr": 35}, {"bpp": 2}, {"size": 400}):
        assert saved(image, **options) == compress(pixels, **options).data


def test_the_stored_depth_is_read_with_the_bits_that_a_mode_has():
    colour = drawn(32, 40, 3).astype(np.uint16) * 257
    data = compress(colour, extras=Extras(depth="16")).data
    opened = Image.open(io.BytesIO(data))
    assert opened.mode == "RGB"
    assert np.array_equal(np.asarray(opened), np.rint(decompress(data).samples * 255))


def test_pixels_are_decoded_when_they_are_asked_for(monkeypatch):
    data = saved(picture("RGBA"))
    monkeypatch.setattr(restore.pillow, "decompress", lambda data: 1 / 0)
    opened = Image.open(io.BytesIO(data))
    assert opened.size == (40, 32)
    with pytest.raises(ZeroDivisionError):
        opened.load()


def test_profile_and_metadata_come_back():
    image = picture("L")
    image.info["icc_profile"] = b"a profile"
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "words", 6
    again = Image.open(io.BytesIO(saved(image, exif=exif, xmp=b"<x/>", dpi=(300, 200))))
    assert again.info["icc_profile"] == b"a profile"
    assert again.info["xmp"] == b"<x/>"
    assert again.info["dpi"] == (300, 200)
    assert again.getexif()[0x010E] == "words" and again.getexif()[0x0112] == 6
    bare = Image.open(io.BytesIO(saved(again, icc_profile=None, exif=b"")))
    assert not bare.info
    kept = Image.open(io.BytesIO(saved(image, exif=again.info["exif"])))
    assert kept.info["exif"] == again.info["exif"]


def test_what_is_no_such_file_is_left_to_others():
    for data in (b"", b"\x8bK", b"PNG, perhaps" * 9):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(data))
    with pytest.raises(SyntaxError):
        restore.pillow.KsvdImageFile(io.BytesIO(b"PNG, perhaps"))


def test_damage_is_an_oserror():
    data = saved(picture("RGB"), quality=10)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for damaged in (data[:5], data[:20], data[:-1], bytes(flipped)):
        with pytest.raises(OSError, match="damaged|cut off") as error:
            Image.open(io.BytesIO(damaged))
        assert not isinstance(error.value, UnidentifiedImageError)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"quality": 0}, "between 1 and 100"),
        ({"quality": "high"}, "quality is a number"),
        ({"quality": 50, "size": 400}, "only one of"),
        ({"size": 3}, "does not fit"),
        ({"tune": "ear"}, "tune 'ear' is none of"),
    ],
)
def test_bad_options_are_a_valueerror(options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        picture("RGB").save(tmp_path / "picture.ksvd", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "F", "I"])
def test_other_modes_are_a_valueerror(mode):
    with pytest.raises(ValueError, match=f"mode {mode} cannot be saved"):
        saved(Image.new(mode, (8, 8)))


def test_the_example_runs():
    result = doctest.testmod(restore.pillow)
    assert result.attempted > 0 and result.failed == 0
