"""Demosaicing: measured samples, patterns, dictionaries, qualities, noise."""

import itertools

import numpy as np
import pytest
from PIL import Image

from restore.imaging.bands import Pool
from restore.tasks import demosaicing
from restore.tasks.demosaicing import (
    BAYER,
    LEARNED_SIGMA,
    Model,
    demosaic,
    estimates,
    packaged,
    sampled,
)
from restore.tasks.demosaicing.development import levelled
from restore.tasks.demosaicing.patterns import moved
from restore.tasks.demosaicing.stages import Stage
from restore.tasks.denoising import denoise
from tests import SAMPLES
from tests.tasks.mosaics import decibels, picture


@pytest.mark.parametrize("pattern", BAYER)
def test_measured_samples_come_back_bit_for_bit(pattern):
    colour = demosaic(sampled(picture(31, 44), pattern), pattern)
    again = sampled(colour, pattern)
    expected = (sampled(picture(31, 44), pattern) / 255.0).astype(np.float32)
    assert colour.dtype == np.float32
    assert np.array_equal(again, expected)


@pytest.mark.parametrize("pattern", BAYER)
@pytest.mark.parametrize("channel", range(3))
def test_a_scene_of_one_primary_stays_it(pattern, channel):
    scene = np.zeros((20, 23, 3), np.float32)
    scene[..., channel] = 0.6
    assert np.allclose(demosaic(sampled(scene, pattern), pattern), scene, atol=1e-5)


@pytest.mark.parametrize("pattern", BAYER)
def test_all_patterns_are_one_shifted(pattern):
    top, left = BAYER[pattern]
    scene = picture(60, 64)
    mosaic = sampled(scene, "RGGB")
    inner = np.s_[28:-28, 28:-28]
    # groups lie on a grid that begins at the corner
    for quality, most in (("fast", 1e-5), ("balanced", 0.02)):
        whole = demosaic(mosaic, "RGGB", quality=quality)[top:, left:][inner]
        part = demosaic(mosaic[top:, left:], pattern, quality=quality)[inner]
        assert np.abs(part - whole).max() < most


def test_threads_change_nothing():
    mosaic = sampled(picture(300, 60), "GBRG")
    one = demosaic(mosaic, "GBRG", pool=Pool(1))
    assert np.array_equal(one, demosaic(mosaic, "GBRG", pool=Pool(3)))


def test_range_of_floats_is_kept():
    mosaic = sampled(picture(40, 40), "RGGB") / 255
    mosaic /= mosaic.max()
    colour = demosaic(mosaic)
    for unit in (255, 4096, 65535):  # a rounding may choose another regression here and there
        change = np.abs(demosaic(np.float32(unit * mosaic)) / unit - colour)
        assert change.mean() < 1e-4 and change.max() < 0.005


@pytest.mark.parametrize("height", range(1, 8))
@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_small_and_odd_sizes(height, width):
    for pattern in BAYER:
        flat = np.full((height, width), 0.25, np.float32)
        colour = demosaic(flat, pattern)
        assert colour.shape == (height, width, 3)
        assert np.allclose(colour, 0.25, atol=1e-5)


def test_clipped_highlights_have_no_fringes():
    scene = np.ones((40, 40, 3), np.float32)
    scene[:, :17] = (0.1, 0.3, 0.2)
    colour = demosaic(sampled(scene, "RGGB"))
    assert colour.max() == 1
    assert np.allclose(colour[:, 20:], 1, atol=0.02)


def test_black_stays_black():
    assert not demosaic(np.zeros((30, 30), np.uint16), "BGGR").any()


def test_better_than_bilinear_up_to_the_border():
    scene = picture(128, 160)
    colour = demosaic(sampled(scene, "RGGB"))
    assert decibels(colour, scene, 4) > 37
    rim = np.ones(scene.shape[:2], bool)
    rim[4:-4, 4:-4] = False
    error = (colour - scene / 255.0) ** 2
    assert 10 * np.log10(error[rim].mean() / error[~rim].mean()) < 3


@pytest.mark.parametrize(
    ("mosaic", "pattern", "words"),
    [
        (np.zeros((8, 8, 3)), "RGGB", "full colour already"),
        (np.zeros((8, 8)), "RGBG", "OpenCV's names are shifted"),
        (np.full((8, 8), np.nan), "RGGB", "NaN, infinite or huge"),
    ],
)
def test_what_is_refused(mosaic, pattern, words):
    with pytest.raises(ValueError, match=words):
        demosaic(mosaic, pattern)


def test_strips_leave_no_seams(monkeypatch):
    mosaic = sampled(picture(200, 50), "GRBG")
    whole = demosaic(mosaic, "GRBG")
    monkeypatch.setattr("restore.tasks.demosaicing.STRIP", 66)
    monkeypatch.setattr("restore.tasks.demosaicing.BAND", 14)
    assert np.array_equal(demosaic(mosaic, "GRBG"), whole)


def test_similar_patches_show_what_one_hides():
    """Tiles of a small pattern, each at another place of the filter."""
    tile = picture(99, 117)[::9, ::9].astype(int)
    random = np.random.default_rng(0)
    scene = np.tile(tile, (8, 8, 1)) + random.integers(-2, 3, (88, 104, 3))
    scene = np.clip(scene, 0, 255).astype(np.uint8)
    mosaic = sampled(scene, "RGGB")
    alone, together = (
        decibels(demosaic(mosaic, quality=quality), scene, 8) for quality in ("fast", "balanced")
    )
    assert together > alone + 2


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_every_step_is_better_than_the_one_before(pattern):
    scene = picture(160, 180)
    mosaic = (sampled(scene, pattern) / 255).astype(np.float32)
    learned, early, before, last = estimates(mosaic, 1e-5, pattern, packaged("demosaic"))
    steps = [early, learned, before, last, demosaic(mosaic, pattern)]
    for colour in steps:
        np.testing.assert_array_equal(sampled(colour, pattern), mosaic)
    quality = [decibels(colour, scene, 4) for colour in steps]
    assert quality == sorted(quality)
    assert quality[-1] > quality[1] + 1


GREY = np.asarray(Image.open(SAMPLES / "camera-clean.png").convert("RGB"))[170:330, 170:350]


@pytest.mark.parametrize(
    ("scene", "dictionary", "gain"),
    [
        (GREY, "colour", 2),  # no colour: the atoms are chosen by the light
        (GREY, "learn", 2.5),
        (picture(160, 180), "colour", -0.1),
        (picture(160, 180), "learn", 0.3),
    ],
)
def test_a_dictionary_corrects_the_first_estimate(scene, dictionary, gain):
    mosaic = sampled(scene, "GRBG")
    start = demosaicing._estimate(mosaic / np.float32(255), *BAYER["GRBG"], (), None)
    one, four = (
        demosaic(mosaic, "GRBG", dictionary=dictionary, pool=Pool(threads)) for threads in (1, 4)
    )
    assert np.array_equal(one, four)
    assert np.array_equal(sampled(one, "GRBG"), (mosaic / 255).astype(np.float32))
    assert decibels(one, scene, 4) > decibels(start, scene, 4) + gain


def test_a_dictionary_removes_noise():
    scene = picture(160, 180)
    mosaic = sampled(scene, "RGGB") / 255 + np.random.default_rng(0).normal(0, 0.06, (160, 180))
    noisy, clean = (
        decibels(demosaic(mosaic, sigma=sigma, dictionary="colour"), scene) for sigma in (0, 0.06)
    )
    assert clean > noisy + 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 5)])
def test_dictionaries_of_small_pictures(shape):
    mosaic = np.random.default_rng(1).random(shape).astype(np.float32)
    for dictionary in ("colour", "learn"):
        colour = demosaic(mosaic, dictionary=dictionary)
        assert colour.shape == (*shape, 3)
        assert np.array_equal(sampled(colour, "RGGB"), mosaic)


def test_dictionaries_that_make_no_sense():
    mosaic = sampled(picture(20, 20), "RGGB")
    with pytest.raises(ValueError, match="of grey patches, and colour ones are coded"):
        demosaic(mosaic, dictionary="grey")
    with pytest.raises(ValueError, match="not both"):
        demosaic(mosaic, dictionary="colour", model=packaged("demosaic"))


def test_sharp_edges_stay_finite_and_in_place():
    rows, columns = np.mgrid[:40, :48]
    for scene in ((rows // 8 + columns // 8) % 2, rows > columns):
        scene = np.repeat(np.float32(scene)[..., None], 3, axis=2)
        colour = demosaic(sampled(scene, "RGGB"))
        assert np.abs(colour - scene).mean() < 0.01


def test_each_quality_is_better_than_the_one_before():
    scene = picture(160, 180)
    mosaic = sampled(scene, "BGGR")
    fast, balanced, best = (
        decibels(demosaic(mosaic, "BGGR", quality=quality), scene, 4)
        for quality in ("fast", "balanced", "best")
    )
    assert fast < balanced < best


@pytest.mark.parametrize("sigma", [3 / 255, 10 / 255, 30 / 255])
def test_noise_is_removed_at_any_level(sigma):
    scene = picture(140, 160)
    mosaic = sampled(scene, "GRBG") / 255
    mosaic = mosaic + sigma * np.random.default_rng(1).standard_normal(mosaic.shape)
    plain = decibels(demosaic(mosaic, "GRBG"), scene, 4)
    fast = decibels(demosaic(mosaic, "GRBG", sigma=sigma, quality="fast"), scene, 4)
    joint = demosaic(mosaic, "GRBG", sigma=sigma)
    assert decibels(joint, scene, 4) > max(plain + 40 * sigma, fast + 0.3)
    assert np.array_equal(joint, demosaic(mosaic, "GRBG", sigma=sigma, pool=Pool(1)))


def test_joint_denoising_beats_two_steps():
    scene = picture(140, 160)
    mosaic = sampled(scene, "RGGB") / 255
    mosaic = mosaic + 10 / 255 * np.random.default_rng(1).standard_normal(mosaic.shape)
    two = denoise(demosaic(mosaic), 10 / 255)
    assert decibels(demosaic(mosaic, sigma=10 / 255), scene, 4) > decibels(two, scene, 4) + 0.5


@pytest.mark.parametrize("shape", [(1, 5), (4, 5), (6, 6), (7, 30)])
def test_noise_in_small_pictures(shape):
    colour = demosaic(np.full(shape, 0.5), sigma=0.1)
    assert np.allclose(colour, 0.5, atol=1e-4)


def test_progress_runs_to_the_end(monkeypatch):
    monkeypatch.setattr("restore.tasks.demosaicing.STRIP", 64)
    told = {}
    demosaic(
        sampled(picture(130, 40), "RGGB"),
        quality="best",
        pool=Pool(
            progress=lambda stage, done, total: told.setdefault(stage, []).append(done / total)
        ),
    )
    assert list(told) == ["demosaicing", "grouping", "completing", "correcting"]
    for shares in told.values():  # a stage that comes twice begins anew
        assert all(before <= after or before == 1 for before, after in itertools.pairwise(shares))
        assert shares[-1] == 1


def test_patterns_of_crops():
    scene = picture(12, 14)
    for pattern in BAYER:
        for x, y in ((0, 0), (1, 0), (0, 1), (5, 3)):
            crop = sampled(scene, pattern)[y:, x:]
            assert np.array_equal(crop, sampled(scene[y:, x:], moved(pattern, x, y)))


def test_levels_and_gains():
    grey = np.full((6, 6, 3), 0.5) / (2.0, 1.0, 4.0) * 0.8 + 0.1
    mosaic = sampled(np.float32(grey), "GBRG")
    level = levelled(mosaic, "GBRG", 0.1, 0.9, (2.0, 1.0, 4.0))
    assert np.allclose(level, 0.5, atol=1e-6)
    assert (levelled(np.ones((4, 4), np.float32), "GBRG", 0.1, 0.9, (0.5, 1, 2)) == 1).all()
    with pytest.raises(ValueError, match="above the black"):
        levelled(mosaic, "RGGB", 0.5, 0.5, (1, 1, 1))


def test_a_model_is_used_for_the_noise_it_was_learned_with_or_refused():
    mosaic = sampled(picture(20, 24), "RGGB") / 255
    model = packaged("demosaic-noisy")
    found = demosaic(mosaic, sigma=LEARNED_SIGMA, model=model)
    *_, groups = estimates(np.float32(mosaic), LEARNED_SIGMA**2, "RGGB", model)
    assert np.abs(found - np.clip(groups, mosaic.min(), mosaic.max())).max() < 1e-6
    # the coder was learned on the errors of the packaged model
    corrected = demosaic(mosaic, sigma=LEARNED_SIGMA)
    assert np.abs(corrected - found).max() > 1 / 255
    with pytest.raises(ValueError, match="for noisy mosaics: give the sigma"):
        demosaic(mosaic, model=model)
    with pytest.raises(ValueError, match="for mosaics without noise, and sigma is not 0"):
        demosaic(mosaic, sigma=10 / 255, model=packaged("demosaic"))


def test_unsound_models_are_refused(tmp_path):
    stages = packaged("demosaic").stages
    nodes = stages[0].nodes.copy()
    split = np.nonzero(nodes[:, 0] >= 0)[0][0]
    for value in (0, len(nodes) + 5):  # a circle, a way out
        nodes[split, 2] = value
        broken = Stage(stages[0].radii, nodes, stages[0].weights)
        Model([broken]).save(tmp_path / "broken.npz")
        with pytest.raises(ValueError, match="usable demosaicing model"):
            Model.load(tmp_path / "broken.npz")
