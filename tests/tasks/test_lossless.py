"""Pictures without loss: round trips, when they are chosen, damage."""

import math
import zlib

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import Extras, compress, decompress, inspect, lossless
from tests import HOUSE
from tests.tasks.compressed import check_every_error_is_told, drawn

RNG = np.random.default_rng(6)


def flat(height, width, channels=3):
    """Few colours in large parts, with a thin line."""
    y, x = np.mgrid[:height, :width]
    numbers = (x // 23 + y // 17) % 4
    numbers[(x + y) % 31 == 0] = 4
    return np.array([[250, 250, 240], [9, 80, 160], [200, 30, 10], [0, 0, 0], [90, 200, 90]],
                    np.uint8)[numbers][..., :channels]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 33, 3), (1, 9, 3), (7, 1)])
@pytest.mark.parametrize("depth", ["8", "16"])
@pytest.mark.parametrize("kind", ["noise", "few", "drawn"])
def test_every_sample_comes_back(shape, depth, kind):
    kinds = {"8": (np.uint8, 255), "16": (np.uint16, 65535)}
    dtype, top = kinds[depth]
    if kind == "drawn":
        picture = drawn(*shape[:2], 3 if len(shape) == 3 else 1).astype(int) * (top // 255)
    else:
        picture = RNG.integers(0, 2 if kind == "few" else top + 1, shape) * (
            top if kind == "few" else 1
        )
    for alpha in (None, RNG.integers(0, top + 1, shape[:2]).astype(dtype)):
        made = compress(
            picture.astype(dtype), quality="lossless", extras=Extras(alpha=alpha, depth=depth)
        )
        found = decompress(made.data)
        assert made.psnr == math.inf and found.depth == depth
        assert np.array_equal(np.rint(found.samples * top), picture)
        assert (found.alpha is None) == (alpha is None)
        if alpha is not None:
            assert np.array_equal(np.rint(found.alpha * top), alpha)


def test_metadata_come_back_and_the_header_says_how_it_was_coded():
    extras = Extras(icc=b"profile" * 9, exif=b"II*\0", xmp=b"<x/>")
    data = compress(flat(40, 60), quality="lossless", extras=extras).data
    found = decompress(data)
    assert (found.icc, found.exif, found.xmp) == extras[1:4]
    about = inspect(data)
    assert about["method"] == "lossless" and about["version"] == 2
    assert not {"step", "filter", "codec"} & set(about)
    assert set(about["sections"]) == {"icc", "exif", "xmp"} and not about["alpha"]
    assert inspect(compress(flat(9, 9), quality="lossless").data)["overhead"] == 13


def test_flat_pictures_are_coded_without_loss_by_themselves():
    picture = flat(200, 260)
    exact = compress(picture, quality="lossless")
    for target in ({}, {"quality": 90}, {"psnr": 60}, {"size": 3000}, {"bpp": 1}):
        assert compress(picture, **target).data == exact.data, target
    with pytest.raises(ValueError, match="does not fit"):
        compress(picture, size=40)


def test_a_file_is_never_larger_than_without_loss():
    for picture in (drawn(64, 64, 3), RNG.integers(0, 256, (40, 40)).astype(np.uint8)):
        exact = len(compress(picture, quality="lossless").data)
        for quality in (50, 90, 100):
            made = compress(picture, quality=quality)
            assert len(made.data) <= exact
            lost = inspect(made.data)["method"] != "lossless"
            assert lost == (made.psnr < math.inf) or len(made.data) < exact


def test_photographs_and_codecs_of_ones_own_stay_with_loss():
    assert inspect(compress(drawn(96, 96, 3)).data)["method"] == "seen"
    grey = Dictionary.load("grey")
    assert inspect(compress(flat(96, 96), codec=grey, quality=20).data)["method"] == "atoms"


def test_smooth_pictures_take_fewer_bytes_than_a_zlib_stream_of_differences():
    picture = drawn(128, 128, 3)
    steps = np.diff(picture.astype(np.uint8), axis=1, prepend=np.uint8(0))
    assert len(compress(picture, quality="lossless").data) < 0.75 * len(zlib.compress(steps, 9))


@pytest.fixture(scope="module", params=["flat", "drawn"])
def whole(request):
    picture = flat(40, 48) if request.param == "flat" else drawn(12, 10, 3)
    alpha = drawn(*picture.shape[:2])
    return compress(picture, quality="lossless", extras=Extras(alpha)).data


def test_every_truncation_and_every_flipped_bit_is_told(whole):
    check_every_error_is_told(whole)


def sealed(data):
    return bytes(data) + zlib.crc32(data).to_bytes(4, "big")


def test_what_a_right_checksum_hides_is_told(whole):
    start = 9
    for first in (3, 7, 8, 255):
        changed = bytearray(whole[:-4])
        changed[start] = first
        with pytest.raises(ValueError, match="does not know|before the picture"):
            decompress(sealed(changed))
    with pytest.raises(ValueError, match="before the picture is complete"):
        decompress(sealed(whole[: start + 40]))
    with pytest.raises(ValueError, match="cut off|longer than the file|before the picture"):
        decompress(sealed(whole[:start]))
    huge = whole[:7] + b"\xff\xff\xff\x07" * 2 + whole[9:40]
    with pytest.raises(ValueError, match="too short to hold"):
        decompress(sealed(huge))


def test_threads_and_progress_change_no_byte():
    told = []
    pool = Pool(2, lambda stage, done, total: told.append((done, total)))
    picture = flat(150, 20)
    assert (
        compress(picture, quality="lossless", pool=pool).data
        == compress(picture, quality="lossless").data
    )
    assert told == [(64, 150), (128, 150), (150, 150)]


def test_differences_are_chosen_where_they_are_smaller():
    grey = drawn(40, 40).astype(np.int32)
    like = np.stack([grey, grey, grey]) + RNG.integers(0, 2, (3, 40, 40)).astype(np.int32)
    unlike = RNG.permuted(like.reshape(3, -1), axis=1).reshape(like.shape)
    unlike[1] = 0
    for samples, expected in ((like, 4), (unlike, 0)):
        assert lossless.encode(np.minimum(samples, 255), 255)[0] & 4 == expected


def test_a_noisy_page_is_not_asked_for_repeats():
    y, x = np.mgrid[:150, :300]
    page = np.where((x // 9 + y // 13) % 7 == 0, 90, 235)
    noisy = np.rint(page + RNG.normal(0, 1.1, page.shape)).astype(np.int32)[None]
    share = lossless._share_repeated(noisy)
    assert lossless.SHARES[0] < share < lossless.SHARES[1]
    assert lossless.encode(noisy, 255)[0] == 0
    assert lossless.encode(page[None].astype(np.int32), 255)[0] == 2


def stored_picture():
    """Blocks of few colours above, a ramp with a pattern below; opacity."""
    y, x = np.mgrid[:60, :30]
    few = np.array([[10, 20, 30], [200, 180, 0], [255, 255, 255]])[(x // 4 + y // 5) % 3]
    ramp = np.stack([3 * x + y + x * y % (5 + c) for c in range(3)], -1)
    return np.where(y[..., None] < 44, few, ramp).astype(np.uint8), (6 * x + y // 50).astype(
        np.uint8
    )


def test_a_stored_file_decodes_for_ever():
    found = decompress((HOUSE / "tests" / "stored-lossless.ksvd").read_bytes())
    picture, alpha = stored_picture()
    assert np.array_equal(np.rint(found.samples * 255), picture)
    assert np.array_equal(np.rint(found.alpha * 255), alpha)
