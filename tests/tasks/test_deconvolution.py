"""Kernels are what they are named after, and a known blur is taken away."""

import numpy as np
import pytest
from scipy import ndimage

import restore
from restore.files.reading import read_picture
from restore.imaging.arrays import PictureWarning
from restore.imaging.bands import Pool
from restore.imaging.colour import luminance
from restore.imaging.measures import psnr
from restore.tasks.deconvolution import blurs, estimation
from tests import SAMPLES

NOISE = 2.55 / 255


def scene(name="camera", side=112):
    return read_picture(SAMPLES / f"{name}-clean.png").samples[90 : 90 + side, 90 : 90 + side]


def blurred(clean, kernel, seed=0, noise=NOISE):
    """What lies wholly in the picture, with noise; and the sharp picture there."""
    image = ndimage.convolve(clean.astype(np.float64), kernel[..., None].astype(np.float64))
    inner = tuple(slice(n // 2, -(n // 2) or None) for n in kernel.shape)
    image = image[inner]
    image += noise * np.random.default_rng(seed).standard_normal(image.shape)
    return np.float32(image), clean[inner]


KERNELS = {
    "gaussian": blurs.gaussian(1.6),
    "motion": blurs.motion(9, 30),
    "defocus": blurs.defocus(3),
}


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_kernels_are_normalised_and_lie_in_the_middle(kernel):
    assert kernel.dtype == np.float32 and kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert all(n % 2 for n in kernel.shape)
    assert ndimage.center_of_mass(kernel) == pytest.approx([n // 2 for n in kernel.shape], abs=0.02)


def test_kernels_are_as_wide_as_they_say():
    for sigma in (1, 2.5):
        kernel = blurs.gaussian(sigma)
        offsets = np.arange(len(kernel)) - len(kernel) // 2
        assert (kernel.sum(axis=1) @ offsets**2) ** 0.5 == pytest.approx(sigma, rel=0.01)
    assert np.array_equal(blurs.defocus(0.5), np.outer([0, 1, 0], [0, 1, 0]))
    for radius in (3, 6.5):  # a disc has a variance of a quarter of its squared radius
        kernel = blurs.defocus(radius)
        offsets = np.arange(len(kernel)) - len(kernel) // 2
        assert kernel.sum(axis=1) @ offsets**2 == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.05)
    flat = blurs.motion(15, 0)
    assert flat.shape[1] == 15 and flat[len(flat) // 2].sum() == pytest.approx(1, abs=1e-6)
    assert np.allclose(blurs.motion(9, 30), blurs.motion(9, -30)[::-1], atol=1e-6)
    assert np.allclose(blurs.motion(9, 90), blurs.motion(9, 0).T, atol=1e-6)
    assert np.array_equal(blurs.motion(1, 40), [[1]])


def test_a_pictures_kernel_is_trimmed_about_its_middle():
    picture = np.zeros((9, 11, 3))
    picture[3:6, 5:8] = 4
    kernel = blurs.of_picture(picture)
    assert kernel.shape == (3, 5) and kernel[:, 2:] == pytest.approx(1 / 9)
    assert np.array_equal(kernel[:, :2], np.zeros((3, 2)))


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 3)), -np.ones((3, 3)), np.ones((301, 3)), np.ones(3)]
)
def test_what_is_no_kernel_is_refused(wrong):
    with pytest.raises(ValueError, match="kernel"):
        blurs.of_picture(wrong)


@pytest.mark.parametrize(
    "name, picture, least",
    [
        ("gaussian", "camera", 1.8),
        ("motion", "camera", 5.5),
        ("defocus", "camera", 3.5),
        ("motion", "chelsea", 4.5),
    ],
)
def test_it_is_sharper_by_this_many_decibels(name, picture, least):
    kernel = KERNELS[name]
    given, clean = blurred(scene(picture), kernel)
    sharp = restore.deblur(given, kernel, NOISE)
    assert sharp.shape == given.shape
    assert psnr(clean, sharp) > psnr(clean, given) + least
    # as good at the border as farther in, but for what lies beyond
    rim = np.ones(clean.shape[:2], bool)
    rim[4:-4, 4:-4] = False
    assert np.sqrt(np.mean((sharp - clean)[rim] ** 2)) < np.sqrt(np.mean((given - clean)[rim] ** 2))


def test_any_number_of_threads_gives_the_same():
    given, _ = blurred(scene("chelsea", 72), KERNELS["motion"])
    one, four = (restore.deblur(given, KERNELS["motion"], NOISE, pool=Pool(n)) for n in (1, 4))
    assert np.array_equal(one, four)


def test_the_unit_of_the_picture_is_kept_and_residuals_fall_to_the_noise():
    given, _ = blurred(scene(side=80), KERNELS["defocus"])
    told, scaled = [], []
    one = restore.deblur(given, KERNELS["defocus"], NOISE, each_turn=told.append)
    other = restore.deblur(255 * given, KERNELS["defocus"], 255 * NOISE, each_turn=scaled.append)
    assert np.allclose(255 * one, other, atol=0.2)
    assert scaled[-1].residual == pytest.approx(255 * told[-1].residual, rel=1e-3)
    assert told[-1].residual < 0.8 * told[0].residual
    assert told[-1].residual == pytest.approx(NOISE, rel=0.2)


def test_white_that_was_cut_off_spoils_nothing_around():
    clean = scene(side=96).copy()
    clean[40:44, 40:44] = 8  # a lamp
    kernel = KERNELS["motion"]
    given, truth = blurred(clean, kernel)
    given = np.clip(given, 0, 1)
    sharp = restore.deblur(given, kernel, NOISE)
    lamp = ndimage.binary_dilation((given >= 1)[..., 0], iterations=3)
    error = np.abs(np.clip(sharp, 0, 1) - np.clip(truth, 0, 1))[..., 0]
    far = ~lamp & ~(truth[..., 0] > 1)
    assert error[far].mean() < 0.03
    # taken for what they seem, these samples do much harm
    with pytest.warns(PictureWarning, match="would have erased"):
        as_seen = restore.deblur(np.minimum(given, 0.99), kernel, NOISE)
    harm = np.abs(np.clip(as_seen, 0, 1) - np.clip(truth, 0, 1))[..., 0]
    assert error[far].mean() < 0.8 * harm[far].mean()


def test_nan_is_left_out_and_comes_back():
    given, _ = blurred(scene(side=80), KERNELS["gaussian"])
    holed = given.copy()
    holed[30:32, 40] = np.nan
    sharp = restore.deblur(holed, KERNELS["gaussian"], NOISE)
    assert np.array_equal(np.isnan(sharp), np.isnan(holed))
    whole = restore.deblur(given, KERNELS["gaussian"], NOISE)
    assert np.nanmean(np.abs(sharp - whole)) < 0.01


@pytest.mark.parametrize("dictionary", ["grey", "learn"])
def test_a_dictionary_will_do(dictionary):
    given, clean = blurred(scene(side=80), KERNELS["motion"])
    sharp = restore.deblur(given, KERNELS["motion"], NOISE, dictionary=dictionary)
    assert psnr(clean, sharp) > psnr(clean, given) + 3


def test_more_strength_is_smoother():
    given, _ = blurred(scene(side=80), KERNELS["gaussian"])
    rough, smooth = (
        restore.deblur(given, KERNELS["gaussian"], NOISE, strength=x) for x in (0.5, 3)
    )
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(rough, axis=0)).mean()


@pytest.mark.parametrize("settings", [{"sigma": -1}, {"sigma": 2}, {"strength": -1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="sigma|strength"):
        restore.deblur(scene(side=40), KERNELS["gaussian"], **settings)


def test_a_kernel_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="larger than the picture"):
        restore.deblur(np.zeros((8, 8)), np.ones((9, 9)))


@pytest.mark.parametrize(
    "name, width", [("gaussian", 1.2), ("gaussian", 2.5), ("defocus", 3), ("defocus", 5)]
)
def test_the_width_of_a_blur_is_found(name, width):
    clean = read_picture(SAMPLES / "camera-clean.png").samples
    given, _ = blurred(clean, getattr(blurs, name)(width))
    found, estimated = estimation.estimate(given, NOISE)
    assert found == name and estimated == pytest.approx(width, rel=0.2)


def test_the_spectrum_of_white_noise_is_its_variance():
    noise = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    _, power = estimation.spectrum(noise)
    assert power == pytest.approx(1, rel=0.2)


def test_a_small_picture_shows_no_width():
    with pytest.raises(ValueError, match="too small"):
        estimation.estimate(np.zeros((40, 80, 1), np.float32), NOISE)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("side", [48, 112])
def test_a_picture_that_was_never_blurred_becomes_no_maze(kernel, side):
    clean = scene("chelsea", side)
    with pytest.warns(PictureWarning, match="this blur would have erased"):
        found = restore.deblur(clean, kernel)
    assert psnr(clean, found) > 21


def unexplained(image, kernel, noise):
    known = np.ones(image.shape[:2], bool)
    return estimation.unexplained(luminance(image), kernel, noise, known)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("name", ["camera", "coffee", "chelsea", "astronaut"])
@pytest.mark.parametrize("noise", [0.3 / 255, NOISE])
def test_the_right_blur_is_not_doubted(kernel, name, noise):
    image, _ = blurred(scene(name, 160), kernel, noise=noise)
    assert unexplained(image, kernel, noise) == 0


def test_a_kernel_larger_than_the_windows_is_judged_as_well():
    kernel = np.ones((1, 91), np.float32) / 91
    image, clean = blurred(scene("coffee", 200), kernel, noise=0.3 / 255)
    assert unexplained(image, kernel, 0.3 / 255) == 0
    assert unexplained(clean, kernel, 0.3 / 255) > 5 / 255
