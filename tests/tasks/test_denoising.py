"""Denoising: what it must leave alone, and how good it must be."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

import restore
from restore.files.reading import read_picture
from restore.imaging.arrays import PictureWarning, as_image
from restore.imaging.bands import Pool
from restore.imaging.colour import from_planes, to_planes
from restore.imaging.measures import psnr
from restore.imaging.noise import Noise, PhotonNoise
from restore.sparse import groups, white
from restore.tasks.denoising.dictionary import Classic
from tests import SAMPLES


def picture(name, height=128, width=128):
    return read_picture(SAMPLES / f"{name}-clean.png").samples[
        100 : 100 + height, 100 : 100 + width
    ]


def noisy(clean, level, seed=0):
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return (clean + level / 255 * noise).astype(np.float32)


@pytest.mark.parametrize(
    "name, level, quality, least",
    [
        ("camera", 25, "fast", 28.0),
        ("camera", 25, "medium", 28.4),
        ("camera", 15, "balanced", 31.0),
        ("camera", 25, "balanced", 28.0),
        ("camera", 50, "balanced", 25.0),
        ("chelsea", 25, "fast", 29.0),
        ("chelsea", 25, "medium", 29.2),
        ("chelsea", 25, "balanced", 29.0),
    ],
)
def test_quality(name, level, quality, least):
    clean = picture(name)
    result = restore.denoise(noisy(clean, level), level / 255, quality)
    assert psnr(clean, result) > least


def test_the_more_work_the_better():
    clean = picture("camera")
    image = noisy(clean, 25)
    results = [restore.denoise(image, 25 / 255, q) for q in ("fast", "medium", "balanced")]
    values = [psnr(clean, result) for result in results]
    assert values == sorted(values)


@pytest.mark.parametrize("shape", [(50, 40), (50, 40, 1), (50, 40, 3), (3, 2), (1, 1, 3), (7, 300)])
@pytest.mark.parametrize("quality", ["fast", "medium", "balanced"])
def test_shapes_come_back(shape, quality):
    image = np.random.default_rng(0).random(shape)
    result = restore.denoise(image, 0.1, quality)
    assert result.shape == shape and result.dtype == np.float32 and np.isfinite(result).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_no_noise_is_the_identity(channels):
    image = np.random.default_rng(0).random((20, 30, channels)).astype(np.float32)
    np.testing.assert_array_equal(restore.denoise(image, 0), image)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_flat(value):
    flat = np.full((40, 40), value, np.float32)
    np.testing.assert_allclose(restore.denoise(flat, 0.1, dictionary="grey"), flat, atol=1e-5)
    # what was learned makes little of nothing, at black and white a tenth of the noise
    np.testing.assert_allclose(restore.denoise(flat, 0.1), flat, atol=0.01)
    np.testing.assert_allclose(restore.denoise(flat, 0.1, "fast"), flat, atol=0.02)


def test_missing_samples_come_back_and_do_no_harm():
    clean = picture("camera")
    image = noisy(clean, 15)
    image[20, 30] = np.nan
    image[60:64, 70:72] = np.inf
    result = restore.denoise(image, 15 / 255)
    missing = ~np.isfinite(image)
    np.testing.assert_array_equal(~np.isfinite(result), missing)
    assert psnr(clean[~missing][:, None, None], result[~missing][:, None, None]) > 30


def test_any_number_of_threads_gives_the_same_bits():
    image = noisy(picture("chelsea", 60, 70), 20)
    results = [restore.denoise(image, 20 / 255, pool=Pool(threads)) for threads in (1, 4)]
    np.testing.assert_array_equal(*results)


def test_every_channel_may_have_its_own_noise():
    clean = picture("chelsea")
    levels = np.array([5, 10, 40]) / 255
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    image = (clean + levels * noise).astype(np.float32)
    each = psnr(clean, restore.denoise(image, levels))
    assert each > psnr(clean, restore.denoise(image, np.sqrt(np.mean(levels**2))))


@pytest.mark.parametrize("sigma", [-0.1, 1.5, np.nan, [0.1, 0.1], [0.1, 0.1, 2.0]])
def test_impossible_levels_are_told(sigma):
    with pytest.raises(ValueError, match="sigma"):
        restore.denoise(np.zeros((9, 9, 3)), sigma)


def test_sigma_is_no_word():
    with pytest.raises(TypeError, match="None, which estimates it; not 'auto'"):
        restore.denoise(np.zeros((9, 9)), "auto")


@pytest.mark.parametrize("name", ["strength", "chroma_strength"])
def test_impossible_strengths_are_told(name):
    with pytest.raises(ValueError, match=f"{name} is 0 or more"):
        restore.denoise(np.zeros((9, 9)), 0.1, **{name: -1})


@pytest.mark.parametrize("settings", [{"n_atoms": -3}, {"patch_size": 0}, {"sparsity": 0}])
def test_impossible_settings_are_told(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} is 1 or more"):
        Classic(**settings)


def test_unknown_qualities_are_told():
    with pytest.raises(ValueError, match="fast, medium, balanced"):
        restore.denoise(np.zeros((9, 9)), 0.1, "superb")


@pytest.mark.parametrize("name", ["n_atoms", "patch_size", "sparsity", "stride"])
def test_settings_without_effect_are_told(name):
    with pytest.raises(ValueError, match="for coding over one dictionary"):
        restore.denoise(np.zeros((9, 9)), 0.1, settings=Classic(**{name: 4}))


@pytest.mark.parametrize("settings", [{"dictionary": "grey"}, {"dictionary": "learn"}])
def test_one_dictionary_for_the_whole_picture(settings):
    clean = picture("camera")
    result = restore.denoise(noisy(clean, 25), 25 / 255, settings=Classic(iterations=2), **settings)
    assert psnr(clean, result) > 28


@pytest.mark.parametrize("unit", [255, 65535])
def test_a_sigma_that_looks_mistaken_for_the_unit_of_the_samples_is_told(unit):
    image = np.float32(unit) * noisy(picture("camera", 40, 40), 25)
    with pytest.warns(PictureWarning, match=f"in their unit, in which {25 / 255 * unit:g} is"):
        restore.denoise(image, 25 / 255, "fast")


def test_counts_are_denoised_without_being_told_anything():
    """A frame of a telescope: a sky of 300 counts, stars of up to 20,000, noise of 15."""
    rng = np.random.default_rng(1)
    sky = np.full((128, 128), 300, np.float32)
    sky[rng.integers(0, 128, 40), rng.integers(0, 128, 40)] += 4e5 * rng.random(40) ** 4
    sky = ndimage.gaussian_filter(sky, 1.5)
    assert sky.max() > 10_000
    frame = (sky + 15 * rng.standard_normal(sky.shape)).astype(np.float32)
    for quality in ("fast", "medium", "balanced"):
        result = restore.denoise(frame, quality=quality)
        assert np.std((result - sky)[sky < 310]) < 5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [2, 2.9, 3.1, 15])
def test_fast_gains_at_any_level(level, channels):
    clean = picture("camera" if channels == 1 else "coffee", 96, 96)
    image = noisy(clean, level)
    assert psnr(clean, restore.denoise(image, level / 255, "fast")) > psnr(clean, image) + 0.3


def test_noise_beyond_the_picture_is_warned_of_and_not_refused():
    image = 0.5 + 0.4 * np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    with pytest.warns(PictureWarning, match="as strong as the picture itself"):
        result = restore.denoise(image, quality="fast", strength=4)
    assert np.isfinite(result).all()


def test_salt_and_pepper_is_not_refused():
    image = picture("camera")
    wrong = np.random.default_rng(0).random(image.shape)
    image = np.where(wrong < 0.15, 0, np.where(wrong > 0.85, 1, image)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)
        assert np.isfinite(restore.denoise(image, quality="fast")).all()


def test_photon_noise():
    clean = picture("camera")
    gain = 1 / 50
    photons = np.random.default_rng(0).poisson(clean / gain)
    image = (gain * photons).astype(np.float32)
    result = restore.denoise(image, noise=PhotonNoise(gain))
    assert psnr(clean, result) > psnr(clean, image) + 6
    assert abs(result.mean() - clean.mean()) < 0.005
    assert psnr(clean, result) > psnr(clean, restore.denoise(image, noise="white"))


def test_photon_noise_is_found():
    clean = picture("camera")
    rng = np.random.default_rng(0)
    image = 0.1 + 0.02 * rng.poisson(clean / 0.02) + 0.01 * rng.standard_normal(clean.shape)
    image[20:22, 30] = np.nan
    found = restore.denoise(image, quality="fast")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(image))
    known = ~np.isnan(image)
    told = restore.denoise(image - 0.1, quality="fast", noise=PhotonNoise(0.02, 0.01)) + 0.1
    errors = [np.mean((result - clean - 0.1)[known] ** 2) for result in (found, told)]
    assert errors[0] < 1.05 * errors[1]


def test_a_picture_of_other_noise_than_is_looked_for_comes_back():
    image = noisy(picture("camera", 64, 64), 15)
    np.testing.assert_array_equal(restore.denoise(image, noise="photon"), image)


@pytest.mark.parametrize(
    "settings",
    [{"noise": "some"}, {"sigma": 0.1, "noise": "camera"}, {"noise": PhotonNoise(-1)}],
)
def test_impossible_noise_is_told(settings):
    with pytest.raises(ValueError, match="noise"):
        restore.denoise(np.zeros((9, 9)), **settings)


def test_strength_multiplies_the_noise():
    image = noisy(picture("camera", 64, 64), 10)
    stronger = restore.denoise(image, 0.02, strength=2)
    np.testing.assert_array_equal(stronger, restore.denoise(image, 0.04))


@pytest.mark.parametrize("name", ["camera", "chelsea"])
@pytest.mark.parametrize("level", [10, 25, 50])
def test_the_learned_coder_is_worth_its_time(name, level):
    clean = picture(name)
    image = noisy(clean, level)
    channels = as_image(image).shape[2]
    variance = np.full(channels, (level / 255) ** 2, np.float32)
    planes = to_planes(as_image(image))
    groups = from_planes(white.coder_inputs(planes, level / 255, variance)[0])
    learned = restore.denoise(image, level / 255)
    assert psnr(clean, learned) > psnr(clean, groups.reshape(clean.shape)) + 0.05


@pytest.mark.parametrize("channels", [1, 3])
def test_few_passes_literally(channels):
    """The passes of the medium quality, written out."""
    clean = picture("chelsea")[:80, :96, :channels]
    image = noisy(clean, 25)
    planes, variance = to_planes(image), np.float32((25 / 255) ** 2)
    quick = to_planes(white.by_scales(image, 25 / 255))
    places = groups.find(np.ascontiguousarray(quick[0]), white.SHORT_GROUPING)
    flat = np.full(planes[0].shape, variance)
    estimate = quick[0]
    for share, threshold in white.SHORT_PASSES:
        mixed = estimate + np.float32(share) * (planes[0] - estimate)
        left = variance - (np.float32(1 - share) * (planes[0] - estimate)) ** 2
        estimate = groups.code(mixed, left, places, 8, threshold=threshold)
    priors = [estimate, *quick[1:]]
    expected = [
        (prior + groups.code(plane, flat, places, 8, pilot=np.ascontiguousarray(prior))) / 2
        for plane, prior in zip(planes, priors, strict=True)
    ]
    result = restore.denoise(image, 25 / 255, "medium")
    assert np.abs(result - from_planes(np.stack(expected))).max() < 1e-4


def test_medium_is_balanced_on_noise_of_cameras():
    image = noisy(picture("chelsea")[:64, :64], 10)
    camera = Noise("camera", np.full(3, 10 / 255))
    results = [restore.denoise(image, quality=q, noise=camera) for q in ("medium", "balanced")]
    assert np.array_equal(*results)
