"""Compressing pictures: round trips, targets, quality beside JPEG."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.imaging.bands import Pool
from restore.tasks.compression import Codec, Extras, compress, decompress, inspect, trials
from tests import SAMPLES
from tests.tasks.compressed import RNG, drawn, levels_of, psnr_of


@pytest.mark.parametrize("height, width", [(1, 1), (7, 9), (8, 8), (64, 64), (33, 130), (1, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back_at_the_promised_quality(height, width, channels):
    picture = drawn(height, width, channels)
    made = compress(picture, quality=80)
    found = decompress(made.data)
    assert found.samples.shape == picture.shape
    assert found.samples.dtype == np.float32
    assert psnr_of(picture, found) == pytest.approx(made.psnr, abs=1e-6)
    assert made.psnr > (30 if picture.size > 100 else 22)


def test_constant_pictures_are_nearly_exact_and_tiny():
    for level in (0, 128, 255):
        picture = np.full((200, 300), level, np.uint8)
        made = compress(picture, quality=50)
        assert len(made.data) < 120
        assert np.abs(levels_of(decompress(made.data)) - level).max() <= 2


def test_a_finer_quality_is_better_and_larger():
    picture = drawn(96, 96, 3)
    made = [compress(picture, quality=quality) for quality in (10, 40, 70, 95, 100)]
    assert sorted(len(one.data) for one in made) == [len(one.data) for one in made]
    assert sorted(one.psnr for one in made) == [one.psnr for one in made]
    assert made[-1].psnr > 45


@pytest.mark.parametrize("size", [150, 400, 1500])
def test_size_is_never_exceeded_and_nearly_used(size):
    made = compress(drawn(96, 120), size=size)
    assert 0.93 * size < len(made.data) <= size


def test_bpp_and_psnr_are_hit():
    picture = drawn(96, 120, 3)
    made = compress(picture, bpp=0.8)
    assert 0.75 < 8 * len(made.data) / (96 * 120) <= 0.8
    made = compress(picture, psnr=36)
    assert 36 <= made.psnr < 36.3


def test_targets_out_of_reach_name_the_nearest(monkeypatch):
    picture = drawn(64, 64)
    with pytest.raises(ValueError, match="does not fit into 12 bytes: the least it takes is"):
        compress(picture, size=12)
    deep = RNG.integers(0, 65536, (64, 64)).astype(np.uint16)
    with monkeypatch.context() as patched:
        # with the real one it rests on rounding whether sixteen bits come back exactly
        patched.setattr(trials, "FINEST", 0.05)
        with pytest.raises(ValueError, match="149 dB cannot be reached: the most is"):
            compress(deep, extras=Extras(depth="16"), psnr=149, codec=Codec.load("photos"))
        assert compress(deep, extras=Extras(depth="16"), psnr=149).psnr == np.inf
    assert compress(picture, psnr=200).psnr == np.inf  # exact is better than any number
    with pytest.raises(ValueError, match="only one of"):
        compress(picture, psnr=30, size=500)
    with pytest.raises(ValueError, match="between 1 and 100"):
        compress(picture, quality=0)


def test_sixteen_bits_keep_more_than_eight():
    ramp = np.linspace(20000, 24000, 64 * 64).reshape(64, 64).astype(np.uint16)
    made = compress(ramp, extras=Extras(depth="16"), psnr=70)
    found = decompress(made.data)
    assert found.depth == "16"
    assert len(np.unique(levels_of(found, 16))) > 256
    assert psnr_of(ramp, found, 16) >= 70


@pytest.mark.parametrize("depth", ["8", "16"])
def test_alpha_and_metadata_come_back_byte_for_byte(depth):
    kind = np.uint8 if depth == "8" else np.uint16
    alpha = RNG.integers(0, np.iinfo(kind).max, (40, 50)).astype(kind)
    beside = {"icc": b"profile" * 50, "exif": b"II*\0" + bytes(40), "xmp": b"<x/>"}
    made = compress(drawn(40, 50, 3), extras=Extras(alpha, **beside, depth=depth))
    found = decompress(made.data)
    assert np.array_equal(np.rint(found.alpha * np.iinfo(kind).max).astype(kind), alpha)
    assert {name: getattr(found, name) for name in beside} == beside


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_byte(threads):
    picture = drawn(130, 150, 3)
    one = compress(picture, pool=Pool(1))
    assert compress(picture, pool=Pool(threads)).data == one.data
    assert np.array_equal(
        decompress(one.data, pool=Pool(threads)).samples, decompress(one.data, pool=Pool(1)).samples
    )


def test_bad_pictures_are_refused():
    for picture in (np.full((8, 8), np.nan), np.full((8, 8), 1.5), np.full((8, 8), -0.1)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            compress(picture)
    with pytest.raises(ValueError, match="divide these by 255, or by the level of white"):
        compress(drawn(8, 8).astype(np.float32))
    with pytest.raises(ValueError, match="there is no codec 'sketches'"):
        compress(drawn(8, 8), codec="sketches")
    with pytest.raises(ValueError, match="alpha of shape"):
        compress(drawn(8, 8), extras=Extras(np.ones((4, 4))))


@pytest.mark.parametrize("data", ["abc", 5, None, Path("photo.ksvd"), ["a"]])
def test_what_is_not_bytes_is_told(data):
    for function in (decompress, inspect):
        with pytest.raises(TypeError, match="expected the bytes of a compressed picture, not"):
            function(data)


@pytest.mark.parametrize(
    "wanted, error, words",
    [
        ({"size": "2k"}, TypeError, "size is a number, not '2k'"),
        ({"psnr": -3}, ValueError, "psnr is a number above 0, not -3"),
        ({"bpp": float("nan")}, ValueError, "bpp is a number above 0, not nan"),
        ({"size": float("inf")}, ValueError, "size is a number above 0, not inf"),
        ({"quality": float("nan")}, ValueError, "between 1 and 100"),
        ({"codec": Path("mine.npz")}, TypeError, "expected a Codec or a Dictionary, not"),
    ],
)
def test_targets_that_are_none_are_told(wanted, error, words):
    with pytest.raises(error, match=words):
        compress(drawn(8, 8), **wanted)


def peer_psnr(picture, size, kind, **settings):
    """PSNR of a peer at the largest file within `size`."""
    best = 0
    for quality in range(1, 96, 2):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, kind, quality=quality, **settings)
        if file.tell() <= size:
            again = np.asarray(Image.open(file).convert(Image.fromarray(picture).mode))
            best = max(best, psnr_of(picture, type("", (), {"samples": again / 255})))
    return best


@pytest.mark.parametrize("name, grey", [("camera", True), ("chelsea", False)])
def test_quality_is_well_above_jpeg(name, grey):
    with Image.open(SAMPLES / f"{name}-clean.png") as file:
        picture = np.asarray(file.convert("L" if grey else "RGB"))[:256, :256]
    made = compress(picture, bpp=0.6)
    jpeg = peer_psnr(picture, len(made.data), "JPEG", optimize=True, progressive=True)
    assert made.psnr > jpeg + 2.5
