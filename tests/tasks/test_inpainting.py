"""Inpainting: kernels against their twins, what must not change, quality, bad input."""

import numpy as np
import pytest
from PIL import Image
from skimage.restoration import inpaint_biharmonic

from restore.imaging.bands import Pool
from restore.kernels import inpainting as kernels
from restore.tasks.inpainting import grow_mask, inpaint, interpolation
from restore.tasks.inpainting.grouping import RIDGE
from restore.tasks.inpainting.interpolation import interpolate
from tests import SAMPLES, reference


def picture(name, rows, columns):
    return np.asarray(Image.open(SAMPLES / name))[rows, columns]


CAMERA = picture("camera-clean.png", slice(150, 246), slice(180, 290))
COFFEE = picture("coffee-clean.png", slice(40, 110), slice(60, 140))
FINE = np.tile(0.5 + 0.4 * np.sin(1.9 * np.arange(96) + 0.5 * np.arange(80)[:, None]), (1, 1))


def missing(shape, share, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def decibels(estimate, truth):
    return -10 * np.log10(np.mean((np.asarray(estimate, float) - truth) ** 2))


# Kernels ----------------------------------------------------------------------------------


def test_interpolation_equals_the_bordered_system():
    rng = np.random.default_rng(1)
    plane = rng.random((19, 23)).astype(np.float32)
    known = ~missing(plane.shape, 0.7)
    filled = interpolate(plane[None], known, pool=Pool(1))[0]
    assert np.array_equal(filled[known], plane[known])
    for y, x in [(0, 0), (9, 11), (18, 22), (3, 20), (12, 1)]:
        if not known[y, x]:
            expected = reference.inpainting.kriged(
                plane, known, y, x, interpolation.RADIUS, interpolation.NEAREST, interpolation.POWER
            )
            # equally distant samples at the end of the list may be others
            assert filled[y, x] == pytest.approx(expected, abs=0.05)


def test_interpolation_of_few_known_pixels():
    plane = np.arange(30, dtype=np.float32).reshape(5, 6) / 30
    known = np.zeros(plane.shape, bool)
    known[1, 1] = known[3, 4] = known[4, 0] = True
    filled = interpolate(np.where(known, plane, 7)[None], known, pool=Pool(1))[0]
    for y, x in np.argwhere(~known):
        expected = reference.inpainting.kriged(plane, known, y, x, 8, 16, interpolation.POWER)
        assert filled[y, x] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("ridge", "share"), [(1e-3, 0.5), (1e-2, 0.1)])
def test_completion_equals_the_equations(channels, ridge, share):
    rng = np.random.default_rng(2)
    estimate = rng.random((channels, 17, 21)).astype(np.float32)
    observed = estimate + rng.normal(0, 0.02, estimate.shape).astype(np.float32)
    known = ~missing(estimate.shape[1:], share)
    places = np.array([[0, 0], [5, 7], [13, 17], [2, 16]])
    total, weight = np.zeros_like(estimate), np.zeros(known.shape, np.float32)
    grouping = kernels.Grouping(0, 4, 6, 20, 5, True, np.float32(ridge))
    kernels.complete(estimate, observed, known, places, total, weight, grouping)
    expected = reference.inpainting.completed(estimate, observed, known, places, 4, 6, 20, 5, ridge)
    assert np.array_equal(weight, expected[1])
    assert np.allclose(total, expected[0], atol=2e-3)
    # only unknown samples are wanted where the others are exact
    unknown = np.zeros_like(estimate), np.zeros(known.shape, np.float32)
    exact = grouping._replace(whole=False)
    kernels.complete(estimate, observed, known, places, *unknown, exact)
    assert np.allclose(unknown[0][:, ~known], expected[0][:, ~known], atol=2e-3)


def test_completion_of_large_contrast_does_without_a_ridge():
    """Of the squares of thousands float32 cannot tell a ridge for [0, 1] from nothing."""
    rng = np.random.default_rng(2)
    shape = (1, 17, 21)
    estimate = np.float32(4000 * np.round(rng.random(shape)) + 30 * rng.random(shape))
    known = ~missing(estimate.shape[1:], 0.5)
    places = np.array([[0, 0], [5, 7], [11, 15], [2, 14]])
    total, weight = np.zeros_like(estimate), np.zeros(known.shape, np.float32)
    grouping = kernels.Grouping(0, 6, 6, 20, 5, True, np.float32(RIDGE))
    kernels.complete(estimate, estimate, known, places, total, weight, grouping)
    expected = reference.inpainting.completed(estimate, estimate, known, places, 6, 6, 20, 5, RIDGE)
    assert np.allclose(total, expected[0], atol=40)


def test_wholly_known_patches_are_left_out_unless_asked_for():
    estimate = np.random.default_rng(3).random((1, 16, 16)).astype(np.float32)
    known = np.ones((16, 16), bool)
    known[6, 6] = False
    sums = []
    for whole in (False, True):
        total, weight = np.zeros_like(estimate), np.zeros(known.shape, np.float32)
        grouping = kernels.Grouping(0, 4, 6, 20, 20, whole, np.float32(1e-3))
        places = np.array([[5, 5], [4, 6]])
        kernels.complete(estimate, estimate, known, places, total, weight, grouping)
        sums.append((total[0, 6, 6], weight[6, 6], weight.sum()))
    assert sums[0][:2] == pytest.approx(sums[1][:2], rel=1e-6)
    assert 0 < sums[0][2] < sums[1][2]


def test_one_compiled_form_of_each_kernel():
    inpaint(CAMERA[:20, :20], missing((20, 20), 0.5))
    inpaint(COFFEE[:20, :20], missing((20, 20), 0.5), sigma=0.1)
    for function in (kernels.interpolate, kernels.complete):
        assert len(function.signatures) == 1


# What must hold -----------------------------------------------------------------------------


#: By groups of patches, and by a dictionary.
WAYS = pytest.mark.parametrize("dictionary", [None, "learn"])


@WAYS
@pytest.mark.parametrize("image", [CAMERA, COFFEE, (COFFEE / 255).astype(np.float32)])
def test_known_pixels_come_back_bit_for_bit(image, dictionary):
    mask = missing(image.shape[:2], 0.6)
    whole = inpaint(image, np.zeros_like(mask), dictionary=dictionary)
    filled = inpaint(image, mask, quality="fast", dictionary=dictionary)
    assert filled.dtype == np.float32 and filled.shape == image.shape
    assert np.array_equal(filled[~mask], whole[~mask])
    assert np.isfinite(filled).all()


@WAYS
@pytest.mark.parametrize("sigma", [0, 0.05])
def test_what_stands_under_the_mask_changes_nothing(sigma, dictionary):
    mask = missing(COFFEE.shape[:2], 0.5)
    image = (COFFEE / 255).astype(np.float32)
    broken = image.copy()
    broken[mask] = np.nan
    how = {"sigma": sigma, "quality": "fast", "dictionary": dictionary}
    assert np.array_equal(inpaint(broken, mask, **how), inpaint(image, mask, **how))


@WAYS
def test_threads_change_nothing(dictionary):
    mask = missing(CAMERA.shape, 0.7)
    one, four = (
        inpaint(CAMERA, mask, quality="fast", dictionary=dictionary, pool=Pool(threads))
        for threads in (1, 4)
    )
    assert np.array_equal(one, four)


@WAYS
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (5, 5), (6, 40), (17, 3), (9, 9, 3)])
def test_small_pictures(shape, dictionary):
    image = np.random.default_rng(3).random(shape).astype(np.float32)
    mask = missing(shape[:2], 0.5, seed=4)
    mask[0, 0] = False
    filled = inpaint(image, mask, dictionary=dictionary)
    assert filled.shape == shape
    assert np.array_equal(filled[~mask], image[~mask])
    assert filled.min() >= image[~mask].min() and filled.max() <= image[~mask].max()


@WAYS
def test_flat_pictures_stay_flat(dictionary):
    image = np.full((40, 40), 0.3, np.float32)
    image[10:30, 10:30] = 9
    mask = image > 1
    assert np.allclose(inpaint(image, mask, dictionary=dictionary), 0.3, atol=1e-4)


@WAYS
def test_progress_is_told(dictionary):
    told, mask = [], missing(CAMERA.shape, 0.5)
    pool = Pool(progress=lambda *step: told.append(step))
    inpaint(CAMERA, mask, quality="fast", dictionary=dictionary, pool=pool)
    assert told[-1][1] == told[-1][2] > 0


# Quality ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "share", "floor"),
    [(CAMERA / 255, 0.5, 28.0), (CAMERA / 255, 0.8, 23.0), (COFFEE / 255, 0.5, 33.0)],
)
def test_random_missing_pixels(image, share, floor):
    mask = missing(image.shape[:2], share, seed=5)
    quality = decibels(inpaint(image, mask), image)
    axis = 2 if image.ndim == 3 else None
    assert quality > floor
    assert quality > decibels(inpaint_biharmonic(image, mask, channel_axis=axis), image)


@pytest.mark.parametrize(("dictionary", "floor"), [(None, 40), ("learn", 25)])
def test_texture_is_learned_from_the_picture(dictionary, floor):
    mask = missing(FINE.shape, 0.5, seed=6)
    quality = decibels(inpaint(FINE, mask, dictionary=dictionary), FINE)
    assert quality > floor > decibels(inpaint_biharmonic(FINE, mask), FINE)


@pytest.mark.parametrize(
    ("image", "packaged", "floors"),
    [(CAMERA / 255, "grey", (31.2, 31.4)), (COFFEE / 255, "colour", (38.5, 37.0))],
)
def test_dictionaries_fill_random_missing_pixels(image, packaged, floors):
    mask = missing(image.shape[:2], 0.5, seed=5)
    axis = 2 if image.ndim == 3 else None
    baseline = decibels(inpaint_biharmonic(image, mask, channel_axis=axis), image)
    for dictionary, floor in zip(("learn", packaged), floors, strict=True):
        assert decibels(inpaint(image, mask, dictionary=dictionary), image) > floor > baseline


def test_noise_is_removed_with_a_dictionary_as_well():
    mask = missing(CAMERA.shape, 0.3, seed=8)
    noisy = CAMERA / 255 + np.random.default_rng(9).normal(0, 0.1, CAMERA.shape)
    with_noise, without = (
        decibels(inpaint(noisy, mask, sigma=sigma, dictionary="grey"), CAMERA / 255)
        for sigma in (0, 0.1)
    )
    assert without > with_noise + 3


def test_what_no_patch_reaches_is_filled_as_well():
    picture = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (50, 1))
    mask = missing(picture.shape, 0.995, seed=10)
    filled = inpaint(picture, mask, dictionary="grey")
    assert decibels(filled, picture) > 18


def test_more_rounds_are_better():
    mask = missing(CAMERA.shape, 0.8, seed=7)
    fast, balanced = (
        decibels(inpaint(CAMERA, mask, quality=q), CAMERA / 255) for q in ("fast", "balanced")
    )
    assert balanced > fast


# Bad input ----------------------------------------------------------------------------------


def test_masks_that_do_not_fit():
    with pytest.raises(ValueError, match="7 x 5 and the picture 110 x 96"):
        inpaint(CAMERA, np.zeros((5, 7)))
    with pytest.raises(ValueError, match="covers the whole picture"):
        inpaint(CAMERA, np.ones(CAMERA.shape))


def test_samples_that_are_not_finite():
    image = CAMERA / 255
    image[3, 4] = image[7, 7] = np.nan
    with pytest.raises(ValueError, match="2 pixels outside the mask"):
        inpaint(image, missing(image.shape, 0))


def test_other_arguments():
    mask = missing(CAMERA.shape, 0.1)
    with pytest.raises(ValueError, match="of colour patches, and grey ones are coded"):
        inpaint(CAMERA, mask, dictionary="colour")
    with pytest.raises(FileNotFoundError, match="there is no dictionary none.npz"):
        inpaint(CAMERA, mask, dictionary="none.npz")
    with pytest.raises(ValueError, match="fast, balanced"):
        inpaint(CAMERA, mask, quality="good")
    with pytest.raises(ValueError, match="sigma"):
        inpaint(CAMERA, mask, sigma=-1)
    for wrong in (None, "mask.png", mask[:4], np.stack([mask] * 3, axis=2)):
        with pytest.raises((TypeError, ValueError), match="mask"):
            inpaint(CAMERA, wrong)


def test_growing_a_mask():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert grow_mask(mask, 0).sum() == 1
    assert grow_mask(mask, 1).sum() == 5
    assert grow_mask(mask, 2).sum() == 13
