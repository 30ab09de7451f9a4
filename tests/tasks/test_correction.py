"""The learned correction of compressed pictures, and files that ask for it."""

import zlib

import numpy as np
import pytest

from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import (
    Codec,
    Extras,
    compress,
    container,
    correction,
    decompress,
    inspect,
    smoothing,
)
from restore.tasks.compression.planes import to_planes
from restore.tasks.compression.targets import planes_of
from tests import HOUSE
from tests.tasks.compressed import drawn, psnr_of

CORRECTED = Extras(corrected=True)


@pytest.fixture(scope="module")
def photo():
    from skimage import data

    return data.chelsea()[40:168, 90:234]


@pytest.mark.parametrize("tune", ["eye", "psnr"])
@pytest.mark.parametrize("grey", [True, False])
def test_a_corrected_photo_is_nearer_for_the_same_bytes(photo, tune, grey):
    picture = photo[..., 1] if grey else photo
    before = compress(picture, quality=40, tune=tune)
    after = compress(picture, quality=40, tune=tune, extras=CORRECTED)
    assert len(after.data) - len(before.data) in (2, 3)  # also the method, where it was the first
    assert after.psnr > before.psnr + 0.1
    assert psnr_of(picture, decompress(after.data)) == pytest.approx(after.psnr, abs=1e-3)


def test_threads_change_no_sample(photo):
    data = compress(photo, quality=30, extras=CORRECTED, pool=Pool(3)).data
    assert data == compress(photo, quality=30, extras=CORRECTED, pool=Pool(1)).data
    one, three = (decompress(data, pool=Pool(threads)).samples for threads in (1, 3))
    assert np.array_equal(one, three)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (9, 70)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back(size, channels):
    picture = drawn(*size, channels)
    made = compress(picture, quality=30, extras=CORRECTED, codec=Codec.load("photos"))
    assert psnr_of(picture, decompress(made.data)) == pytest.approx(made.psnr, abs=1e-3)


def decoded(picture, **options):
    """What a decoder has before the filter, filtered, and what it was coded from."""
    header, _, payload = container.unpack(compress(picture, extras=CORRECTED, **options).data)
    shown, steps = planes_of(header, Codec.load("photos"), payload)
    wanted = to_planes(as_image(picture), header.angles, header.method == "seen")
    return header, wanted, shown, smoothing.smooth(shown, header.filter, steps), steps


def test_the_file_tells_the_error_of_the_first_plane(photo):
    header, wanted, shown, _, steps = decoded(photo, quality=40)
    error = np.sqrt(np.mean((shown[0] - wanted[0]) ** 2))
    told = steps.step * 2 ** ((header.error - 128) / 8)
    assert told == pytest.approx(error, rel=0.05)
    assert inspect(compress(photo, quality=40, extras=CORRECTED).data)["corrected"] is True
    assert inspect(compress(photo, quality=40).data)["corrected"] is False


def test_the_strongest_correction_is_that_for_the_true_error(photo):
    header, wanted, shown, smoothed, steps = decoded(photo, quality=30, tune="psnr")

    def left(number):
        corrected = correction.correct(shown, smoothed, steps, number)
        return sum(float(np.square(a - b).mean()) for a, b in zip(corrected, wanted))

    errors = {more: left(header.error + more) for more in (-24, 0, 24)}
    assert min(errors, key=errors.get) == 0


def test_planes_survive_the_unit_of_the_coder():
    random = np.random.default_rng(0)
    for channels in (1, 3):
        planes = list(random.normal(0, 60, (channels, 16, 24)).astype(np.float32))
        unit = correction.to_unit(planes)
        assert unit.shape == (3, 16, 24)
        for one, other in zip(planes, correction.from_unit(unit, channels), strict=True):
            assert np.allclose(one, other, atol=1e-3)


def test_a_grey_picture_is_corrected_like_a_picture_without_colours(photo):
    """Its level, times sqrt(3), is the luma of the picture in which all channels are equal."""
    _, _, shown, smoothed, steps = decoded(photo[..., 1], quality=40, tune="psnr")
    alone = correction.correct(shown, smoothed, steps, 110)
    scale = np.float32(np.sqrt(3))
    empty = [np.zeros_like(shown[0])] * 2
    wider = steps._replace(step=np.float32(steps.step * scale))
    three = correction.correct(
        [shown[0] * scale, *empty], [smoothed[0] * scale, *empty], wider, 110
    )
    assert np.allclose(alone[0], three[0] / scale, atol=0.01)


def test_what_cannot_be_corrected_is_told(photo):
    with pytest.raises(ValueError, match="cannot be corrected"):
        compress(photo, codec=Dictionary.load("grey"), extras=CORRECTED)
    data = bytearray(compress(photo, quality=40, extras=CORRECTED).data)
    place = data.index(bytes([0, container.unpack(bytes(data))[0].error]), 9)
    data[place] = 7
    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "big")
    with pytest.raises(ValueError, match="learned coder that this version does not have"):
        decompress(bytes(data))


def test_a_stored_corrected_file_decodes_for_ever():
    found = decompress((HOUSE / "tests" / "stored-corrected.ksvd").read_bytes())
    assert psnr_of(drawn(45, 61, 3), found) == pytest.approx(33.824, abs=0.05)
