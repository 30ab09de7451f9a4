"""The door for arrays: dtypes, axes and ranges."""

from pathlib import Path

import numpy as np
import pytest

from restore.imaging.arrays import as_image


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
