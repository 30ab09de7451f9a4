"""The noise level, measured blindly."""

import numpy as np
import pytest
from scipy import ndimage

from restore.files.reading import read_picture
from restore.imaging.bands import Pool
from restore.imaging.noise import (
    estimate_noise,
    estimate_photon_noise,
    estimate_sigma,
)
from restore.imaging.stabilisation import stabilise, unstabilise
from tests import SAMPLES

CLEAN = sorted(SAMPLES.glob("*-clean.png"))


def noisy(image, sigma, seed=0):
    noise = np.random.default_rng(seed).standard_normal(image.shape)
    return (image + sigma * noise).astype(np.float32)


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
@pytest.mark.parametrize("level", [5, 10, 25, 50, 75])
def test_within_15_percent(path, level):
    image = noisy(read_picture(path).samples, level / 255)
    assert np.allclose(255 * estimate_sigma(image), level, rtol=0.15)


def test_channels_are_measured_on_their_own():
    image = np.random.default_rng(0).standard_normal((128, 128, 3)) * [0.01, 0.05, 0.2]
    assert np.allclose(estimate_sigma(image.astype(np.float32)), [0.01, 0.05, 0.2], rtol=0.1)


def test_the_same_for_any_number_of_threads():
    image = noisy(read_picture(CLEAN[0]).samples, 0.1)
    for estimate in (estimate_sigma, estimate_photon_noise):
        assert len({str(estimate(image, pool=Pool(threads))) for threads in (1, 2, 4)}) == 1


def test_the_level_follows_the_range():
    image = noisy(read_picture(CLEAN[0]).samples, 0.1)
    assert np.allclose(estimate_sigma(1000 * image), 1000 * estimate_sigma(image), rtol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_have_no_noise(value):
    assert (estimate_sigma(np.full((64, 64, 3), value, np.float32)) < 0.5 / 255).all()


def test_smooth_pictures_have_next_to_no_noise():
    ramp = np.add.outer(np.linspace(0, 0.5, 100), np.linspace(0, 0.5, 120))
    assert (estimate_sigma(ramp.astype(np.float32)[..., None]) < 0.5 / 255).all()


def test_clipped_and_missing_samples_are_left_out():
    image = noisy(np.linspace(0.2, 0.8, 256 * 256).reshape(256, 256, 1), 0.1)
    image[:, :100] = 0
    image[200:, 100:] = 1
    image[50, 150] = np.nan
    image[60, 160] = np.inf
    assert np.allclose(estimate_sigma(np.clip(image, 0, 1)), 0.1, rtol=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (7, 7, 1), (8, 8, 3), (9, 30, 1)])
def test_small_pictures_do_no_harm(shape):
    sigma = estimate_sigma(np.random.default_rng(0).random(shape).astype(np.float32))
    assert sigma.shape == (shape[2],) and np.isfinite(sigma).all() and (sigma >= 0).all()


def test_nothing_known_is_no_noise():
    assert estimate_sigma(np.full((32, 32, 1), np.nan, np.float32)) == 0


@pytest.mark.parametrize("shape", [(60, 50), (60, 50, 1), (60, 50, 3)])
def test_pictures_are_taken_as_everywhere(shape):
    levels = np.random.default_rng(0).integers(100, 140, shape, np.uint8)
    image = (levels / 255).astype(np.float32)
    for estimate in (estimate_noise, estimate_sigma, estimate_photon_noise):
        assert str(estimate(levels)) == str(estimate(image.reshape(60, 50, -1)))
    assert len(estimate_sigma(levels)) == (3 if shape[2:] == (3,) else 1)


@pytest.mark.parametrize("name", ["camera", "chelsea"])
def test_kinds_of_noise_are_told_apart(name):
    clean = read_picture(SAMPLES / f"{name}-clean.png").samples
    assert (estimate_noise(clean).sigma < 0.5 / 255).all()
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    found = estimate_noise((clean + 0.04 * noise).astype(np.float32))
    assert found.kind == "white" and np.allclose(found.sigma, 0.04, rtol=0.1)
    assert estimate_noise(photons(clean, 0.02)).kind == "photon"
    coarse = ndimage.gaussian_filter(noise, (1.2, 1.2, 0))
    coarse *= 0.04 / coarse.std()
    found = estimate_noise(np.clip(clean + coarse, 0, 1).astype(np.float32))
    assert found.kind == "camera" and (found.sigma < 0.06).all()
    if name == "camera":  # the other is all fur
        assert (found.sigma > 0.025).all()
    assert len(found.brightness) == len(found.levels) and (np.diff(found.brightness) > 0).all()


@pytest.mark.parametrize("blur", [0.7, 0.9])
def test_grain_of_film_is_not_removed_as_if_it_were_stronger(blur):
    clean = read_picture(SAMPLES / "camera-clean.png").samples[..., 0]
    grain = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(clean.shape), blur)
    grain *= 0.06 / grain.std()
    found = estimate_noise(np.clip(clean + grain, 0, 1).astype(np.float32))
    assert found.kind == "camera"
    assert 0.06 < found.sigma[0] < 0.12


def test_a_kind_can_be_forced():
    image = noisy(read_picture(SAMPLES / "camera-clean.png").samples, 0.04)
    for kind in ("white", "camera"):
        found = estimate_noise(image, kind=kind)
        assert found.kind == kind and np.allclose(found.sigma, 0.04, rtol=0.35)
    assert estimate_noise(image, kind="photon").kind == "none"
    with pytest.raises(ValueError, match="finite images"):
        estimate_noise(300 * image, kind="camera")


def test_stabilised_noise_has_the_variance_1_and_comes_back():
    rng = np.random.default_rng(0)
    gain, sigma = 0.02, 0.01
    for brightness in (0.1, 0.5, 0.9):
        sample = gain * rng.poisson(brightness / gain, 100_000) + sigma * rng.standard_normal(
            100_000
        )
        stable = stabilise(sample.astype(np.float32), gain, sigma)
        assert stable.var() == pytest.approx(1, abs=0.08)
        back = unstabilise(stable.mean(keepdims=True), gain, sigma)
        assert back[0] == pytest.approx(brightness, abs=0.003)


def photons(clean, gain, sigma=0.0, pedestal=0.0, seed=0):
    rng = np.random.default_rng(seed)
    noise = sigma * rng.standard_normal(clean.shape)
    return (pedestal + gain * rng.poisson(clean / gain) + noise).astype(np.float32)


@pytest.mark.parametrize(
    "gain, sigma, pedestal", [(0.02, 0, 0), (0.05, 0.02, 0), (0.5, 0.1, 0), (0.01, 0.01, 0.1)]
)
@pytest.mark.parametrize("name", ["camera", "chelsea"])
def test_photon_noise_is_found(name, gain, sigma, pedestal):
    clean = read_picture(SAMPLES / f"{name}-clean.png").samples[:300, :300]
    found = estimate_photon_noise(photons(clean, gain, sigma, pedestal))
    assert found.gain == pytest.approx(gain, rel=0.15)
    # what counts is the variance in the middle of the range
    wanted = gain * 0.5 + sigma**2
    measured = found.gain * (pedestal + 0.5 - found.pedestal) + found.sigma**2
    assert measured == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("level", [0, 5, 15, 25, 50])
@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_white_noise_is_not_taken_for_photons(path, level):
    assert estimate_photon_noise(noisy(read_picture(path).samples, level / 255)) is None
