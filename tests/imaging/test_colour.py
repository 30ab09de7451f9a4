"""The colour axes: orthonormal, grey first, and undone without loss."""

import numpy as np
import pytest

from restore.imaging.colour import AXES, from_planes, luminance, to_planes


@pytest.mark.parametrize("channels", [1, 3])
def test_axes_are_orthonormal(channels):
    assert np.allclose(AXES[channels] @ AXES[channels].T, np.eye(channels), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_planes_come_back_as_the_image(channels):
    image = np.random.default_rng(0).random((9, 14, channels)).astype(np.float32)
    planes = to_planes(image)
    assert planes.shape == (channels, 9, 14) and planes.dtype == np.float32
    assert np.allclose(planes[0], np.sqrt(channels) * image.mean(axis=2), atol=1e-6)
    restored = from_planes(planes)
    assert restored.dtype == np.float32 and np.allclose(restored, image, atol=1e-6)
    assert planes.flags.c_contiguous and restored.flags.c_contiguous


def test_grey_pictures_have_no_differences_of_colour():
    grey = np.repeat(np.random.default_rng(0).random((5, 7, 1)).astype(np.float32), 3, axis=2)
    assert np.abs(to_planes(grey)[1:]).max() < 1e-6


def test_luminance_of_grey_and_colour():
    image = np.random.default_rng(7).random((3, 4, 3)).astype(np.float32)
    assert np.allclose(luminance(image), image @ [0.299, 0.587, 0.114], atol=1e-6)
    assert np.array_equal(luminance(image[..., :1]), image[..., 0])
