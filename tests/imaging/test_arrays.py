"""The door for arrays: dtypes, axes and ranges."""

from pathlib import Path

import numpy as np
import pytest

from restore.imaging.arrays import as_image, check_finite, working


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_an_image_is_float32_with_three_axes_in_c_order(shape, dtype):
    image = as_image(np.ones(shape, dtype))
    assert image.dtype == np.float32
    assert image.shape == (5, 7, shape[2] if len(shape) == 3 else 1)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_level_comes_back(dtype):
    most = np.iinfo(dtype).max
    levels = np.arange(most + 1, dtype=dtype)[None]
    image = as_image(levels)
    assert image.min() == 0
    assert image.max() == 1
    assert np.array_equal(np.rint(image[..., 0] * np.float64(most)), levels)


def test_floats_keep_their_values():
    values = np.array([[-3.0, 0.5, 4000.0, np.nan]], np.float32)
    assert np.array_equal(as_image(values)[..., 0], values, equal_nan=True)


def test_any_memory_layout_is_accepted():
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    expected = as_image(picture[::-1, ::2].copy())
    assert np.array_equal(as_image(picture[::-1, ::2]), expected)
    assert np.array_equal(as_image(np.asfortranarray(picture)), as_image(picture))


@pytest.mark.parametrize("shape", [(), (4,), (0, 4), (4, 0, 3), (4, 4, 2), (4, 4, 4), (1, 4, 4, 3)])
def test_other_shapes_are_refused_by_name(shape):
    with pytest.raises(ValueError, match="shape"):
        as_image(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.int16, np.complex64, object, "U3"])
def test_other_types_are_refused_by_name(dtype):
    with pytest.raises(TypeError, match="expected an (array of booleans|image as an array)"):
        as_image(np.zeros((4, 4), dtype))


@pytest.mark.parametrize("thing", [None, "photo.png", Path("photo.png"), [[None]]])
def test_what_is_no_array_is_refused_with_advice(thing):
    with pytest.raises(TypeError, match="read the file first"):
        as_image(thing)


PHOTO = as_image(np.random.default_rng(5).random((40, 50, 3)))


def test_pictures_in_the_usual_range_are_worked_on_as_they_are():
    noise = 0.4 * np.random.default_rng(6).standard_normal(PHOTO.shape).astype(np.float32)
    for image in (PHOTO, PHOTO + noise, PHOTO / 500):
        work = working(image)
        assert np.array_equal(work.image, image) and work.unit == 1 and work.known.all()
    image = PHOTO + noise
    image[3, 4] = np.nan
    work = working(image)
    assert work.unit == 1 and np.array_equal(work.image, image, equal_nan=True)
    assert np.argwhere(~work.known).tolist() == [[3, 4]]


@pytest.mark.parametrize("reached, unit", [(1, 1), (255, 255), (90, 255), (65535, 65535)])
@pytest.mark.parametrize("outlier", [500, 1e5, 1e20, -3.4e38, np.inf, np.nan])
@pytest.mark.parametrize("share", [0, 0.001, 0.05])
def test_white_is_found_whatever_a_few_samples_hold(reached, unit, outlier, share):
    image = np.float32(reached) * PHOTO
    odd = np.random.default_rng(7).random(image.shape[:2]) < share
    image[odd] = outlier * (reached if abs(outlier) < 1e6 else 1)
    work = working(image)
    assert work.unit == unit
    huge = odd if not abs(outlier) <= 1e6 else np.zeros_like(odd)
    assert np.array_equal(work.known, ~huge)
    assert np.isnan(work.image[huge]).all() and np.isfinite(work.image[~huge]).all()
    assert np.allclose(work.back(work.image[~odd] + 0), image[~odd], rtol=1e-6)


def test_what_reaches_elsewhere_is_its_own_unit():
    units = [working(PHOTO * np.float32(factor)).unit / factor for factor in (7, 2000, 1e7)]
    assert np.allclose(units, units[0]) and 0.9 < units[0] < 1


def test_pixels_outside_do_not_count():
    image = PHOTO.copy()
    where = np.ones(image.shape[:2], bool)
    where[10:] = False
    image[10:] = 3e9
    assert working(image, where).unit == 1


def test_results_that_are_not_finite_are_refused():
    check_finite(PHOTO)
    with pytest.raises(ValueError, match="2 samples that are NaN or infinite"):
        check_finite(np.array([1, np.nan, np.inf]))
