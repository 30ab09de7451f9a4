import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.imaging.resize import resize, taps
from tests.reference.resize import resized as literal

SIZES = [(7, 9), (14, 18), (21, 5), (3, 4), (1, 1), (12, 9)]


def scene(height=14, width=18, channels=1):
    return np.random.default_rng(0).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_literal_sum(size):
    image = scene()
    expected = literal(image[..., 0].astype(np.float64), *size)
    assert np.allclose(resize(image, *size)[..., 0], expected, atol=1e-5)


def test_same_size_is_the_identity():
    image = scene(channels=3)
    assert np.array_equal(resize(image, 14, 18), image)


@pytest.mark.parametrize("size", SIZES)
def test_flat_stays_flat(size):
    assert np.allclose(resize(np.full((10, 11, 3), 0.25, np.float32), *size), 0.25, atol=1e-6)


def test_turning_the_image_turns_the_result():
    image = scene()
    turned = resize(np.ascontiguousarray(image.transpose(1, 0, 2)), 9, 7)
    assert np.allclose(turned.transpose(1, 0, 2), resize(image, 7, 9), atol=1e-6)


def test_threads_change_nothing():
    image = scene(300, 40)
    one = resize(image, 900, 120, pool=Pool(1))
    assert np.array_equal(one, resize(image, 900, 120, pool=Pool(3)))


def test_weights_sum_to_one_and_stay_inside():
    for old, new in [(5, 15), (15, 5), (2, 7), (1, 4), (1000, 3)]:
        indices, weights = taps(old, new)
        assert indices.min() >= 0 and indices.max() < old
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)
