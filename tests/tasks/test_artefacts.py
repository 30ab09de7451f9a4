"""Removing the artefacts of JPEG."""

import numpy as np
import pytest

from restore.imaging import jpeg
from restore.imaging.bands import Pool
from restore.imaging.measures import psnr
from restore.tasks.denoising.artefacts import dejpeg
from tests.imaging.test_jpeg import coefficients, saved, some_picture


@pytest.mark.parametrize("quality, gain", [(10, 1.0), (25, 0.9), (50, 0.7)])
@pytest.mark.parametrize("channels, subsampling", [(1, 0), (3, 0), (3, 2)])
def test_it_is_better_than_what_was_decoded(channels, subsampling, quality, gain):
    picture = some_picture(channels)
    decoded, coding = saved(picture, quality, subsampling)
    restored, found = dejpeg(decoded, coding)
    assert restored.shape == picture.shape and restored.dtype == np.float32
    assert psnr(picture, restored) > psnr(picture, decoded) + gain
    error = np.sqrt(np.mean((decoded - picture) ** 2))
    assert 0.6 * error < found.sigma < 1.7 * error and found.quality is None


@pytest.mark.parametrize("channels", [1, 3])
def test_every_coefficient_stays_in_its_interval(channels):
    picture = some_picture(channels)
    decoded, coding = saved(picture, 15)
    restored, _ = dejpeg(decoded, coding)
    planes, before = jpeg.to_planes(restored), jpeg.to_planes(decoded)
    for number, zero, steps, *_ in coding.components():
        stored = np.rint(coefficients(before[number] - zero) / steps) * steps
        moved = np.abs(coefficients(planes[number] - zero) - stored)
        assert (moved <= steps / 2 + 1e-4).all()


@pytest.mark.parametrize("crop", [(0, 0), (3, 5)])
def test_the_coding_is_found_in_a_picture_that_is_no_file_any_more(crop):
    picture = some_picture(3, (272, 392))
    decoded, coding = saved(picture, 30, 2)
    window = np.s_[crop[0] :, crop[1] :]
    restored, found = dejpeg(decoded[window])
    assert found.quality in (29, 30, 31)
    assert found.coding.sampling == (2, 2)
    told, _ = dejpeg(decoded, coding)
    loss = psnr(picture[window], told[window]) - psnr(picture[window], restored)
    assert loss < 0.1


def test_a_quality_can_be_told():
    decoded, coding = saved(some_picture(1), 20)
    restored, found = dejpeg(decoded, quality_was=20)
    np.testing.assert_array_equal(restored, dejpeg(decoded, coding)[0])
    assert found.quality == 20


def test_a_picture_that_was_no_jpeg_is_refused():
    with pytest.raises(ValueError, match="no trace of JPEG in this picture: say --quality-was"):
        dejpeg(some_picture())


def test_a_coding_of_another_picture_is_refused():
    _, coding = saved(some_picture(1), 20)
    with pytest.raises(ValueError, match="tables of 1 components do not fit 3 channels"):
        dejpeg(some_picture(3), coding)


def test_tables_of_ones_change_nothing_that_can_be_seen():
    picture = some_picture()
    decoded, coding = saved(picture, 100)
    restored, _ = dejpeg(decoded, coding)
    assert psnr(decoded, restored) > 48


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (8, 8), (17, 9), (33, 41)])
@pytest.mark.parametrize("channels, subsampling", [(1, 0), (3, 2)])
def test_any_size(channels, subsampling, shape):
    picture = some_picture(channels, shape)
    decoded, coding = saved(picture, 20, subsampling)
    restored, _ = dejpeg(decoded, coding)
    assert restored.shape == picture.shape and np.isfinite(restored).all()


def test_any_number_of_threads_gives_the_same_bits():
    decoded, coding = saved(some_picture(3, (120, 150)), 20, 2)
    one, three = (dejpeg(decoded, coding, pool=Pool(threads))[0] for threads in (1, 3))
    np.testing.assert_array_equal(one, three)
