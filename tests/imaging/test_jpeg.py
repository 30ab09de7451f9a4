"""What JPEG files say: the error of what they hold, and the bounds of what they held."""

import io

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from restore.imaging import jpeg
from restore.imaging.bands import Pool
from tests import SAMPLES


def saved(picture, quality, subsampling=0):
    """A picture in [0, 1], decoded from a JPEG file, and how it was coded."""
    stored, file = np.uint8(np.rint(255 * picture)), io.BytesIO()
    stored = stored[..., 0] if picture.shape[2] == 1 else stored
    how = {"subsampling": subsampling} if stored.ndim == 3 else {}
    Image.fromarray(stored).save(file, "JPEG", quality=quality, **how)
    image = Image.open(file)
    tables = tuple(tuple(image.quantization[layer[3]]) for layer in image.layer)
    side = 2 if subsampling == 2 else 1
    decoded = np.asarray(image, np.float32).reshape(picture.shape) / 255
    return decoded, jpeg.Coding(tables, (side, side) if len(tables) == 3 else (1, 1))


def some_picture(channels=3, shape=(136, 200)):
    with Image.open(SAMPLES / "coffee-clean.png") as image:
        picture = np.asarray(image, np.float32)[: shape[0], : shape[1]] / 255
    return picture if channels == 3 else np.rint(255 * picture[..., 1:2]) / np.float32(255)


def coefficients(plane):
    """Block by block, by scipy."""
    down, across = (n // 8 for n in plane.shape)
    blocks = plane[: 8 * down, : 8 * across].reshape(down, 8, across, 8).swapaxes(1, 2)
    return scipy.fft.dctn(blocks.astype(float), axes=(2, 3), norm="ortho")


@pytest.mark.parametrize("channels", [1, 3])
def test_planes_come_back(channels):
    picture = some_picture(channels)
    planes = jpeg.to_planes(picture)
    np.testing.assert_allclose(jpeg.from_planes(planes), picture, atol=1e-5)


def test_planes_are_those_of_pillow():
    picture = some_picture()
    expected = np.asarray(Image.fromarray(np.uint8(255 * picture + 0.5)).convert("YCbCr"), float)
    planes = jpeg.to_planes(picture) * (255 / jpeg.WEIGHTS)[:, None, None]
    planes[1:] += 128
    assert np.abs(planes - np.moveaxis(expected, 2, 0)).max() < 1.1


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_coded_as_by_pillow(channels, subsampling):
    picture = some_picture(channels, (75, 101))
    expected, coding = saved(picture, 30, subsampling)
    decoded = coding.decoded(picture)
    errors = [np.sqrt(np.mean((one - picture) ** 2)) for one in (decoded, expected)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
    # libjpeg rounds what it transforms to whole levels, which moves a few coefficients by a step
    assert np.sqrt(np.mean((decoded - expected) ** 2)) < 0.25 * errors[1]


@pytest.mark.parametrize("quality", [10, 40, 85])
@pytest.mark.parametrize("channels, subsampling", [(1, 0), (3, 0), (3, 2)])
def test_the_error_is_foreseen(channels, subsampling, quality):
    picture = some_picture(channels)
    decoded, coding = saved(picture, quality, subsampling)
    planes = jpeg.to_planes(decoded)
    true = np.square(planes - jpeg.to_planes(picture))
    told = coding.error(planes)
    assert told.shape == planes.shape and (told >= 0).all()
    assert 0.6 < np.sqrt(told[0].mean() / true[0].mean()) < 1.6
    # and where it is: more of it where more was told
    most = told[0] > np.median(told[0])
    assert true[0][most].mean() > 1.5 * true[0][~most].mean()


@pytest.mark.parametrize("quality", [5, 30, 90])
def test_coefficients_come_to_lie_in_their_intervals(quality):
    picture = some_picture(1)
    decoded, coding = saved(picture, quality)
    planes = jpeg.to_planes(decoded)
    random = np.random.default_rng(0)
    noisy = planes + 0.1 * random.standard_normal(planes.shape).astype(np.float32)
    projected = coding.project(noisy, planes)
    steps = np.array(coding.tables[0]).reshape(8, 8) / 255
    zero = 128 / 255
    stored = np.rint(coefficients(planes[0] - zero) / steps) * steps
    assert (np.abs(coefficients(noisy[0] - zero) - stored) > 0.51 * steps).any()
    assert (np.abs(coefficients(projected[0] - zero) - stored) <= steps / 2 + 1e-5).all()
    np.testing.assert_allclose(coding.project(projected, planes), projected, atol=1e-5)


@pytest.mark.parametrize("shape", [(136, 200), (133, 187), (9, 23)])
@pytest.mark.parametrize("channels, subsampling", [(1, 0), (3, 0), (3, 2)])
def test_the_truth_comes_no_less_near(channels, subsampling, shape):
    """The true picture lies in the intervals, which are convex."""
    picture = some_picture(channels, shape)
    decoded, coding = saved(picture, 30, subsampling)
    planes, true = jpeg.to_planes(decoded), jpeg.to_planes(picture)
    random = np.random.default_rng(0)
    noisy = true + 0.1 * random.standard_normal(true.shape).astype(np.float32)
    before, after = (np.square(planes - true).sum((1, 2)) for planes in
                     (noisy, coding.project(noisy, planes)))  # fmt: skip
    assert (after <= before * (1 + 1e-6)).all()
    if min(shape) >= 16:
        assert (after < 0.9 * before)[0]
        np.testing.assert_allclose(coding.project(true, planes), true, atol=4 / 255)


def test_any_number_of_threads_gives_the_same_bits():
    decoded, coding = saved(some_picture(3, (300, 400)), 20, 2)
    planes = jpeg.to_planes(decoded)
    for function in (
        coding.error,
        lambda planes, pool: coding.project(planes / 2, planes, pool=pool),
    ):
        one, three = (function(planes, pool=Pool(threads)) for threads in (1, 3))
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize(
    "tables, sampling",
    [(((16,) * 64,) * 2, (1, 1)), (((16,) * 63,), (1, 1)), (((0,) * 64,), (1, 1)),
     (((16,) * 64,), (3, 1))],
)  # fmt: skip
def test_tables_that_cannot_be_are_told(tables, sampling):
    with pytest.raises(ValueError, match="JPEG|sampled"):
        jpeg.Coding(tables, sampling)
