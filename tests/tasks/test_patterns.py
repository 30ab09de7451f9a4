"""Mosaics of other patterns than Bayer's, and noise that is found in the mosaic."""

import json

import imagecodecs
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner

from restore.cli import cli
from restore.imaging.bands import Pool
from restore.imaging.measures import psnr
from restore.sparse.operators import Mosaic
from restore.tasks.demosaicing import demosaic, sampled
from restore.tasks.demosaicing.development import stabilised
from restore.tasks.demosaicing.noise import estimated, profiled
from restore.tasks.demosaicing.patterns import BAYER, NAMES, first_estimate, moved, named

OTHERS = [NAMES["XTRANS"], NAMES["QUAD"], "RGBGRGGBG"]


def photo(height=96, width=96):
    return np.float32(skimage.data.astronaut()[60 : 60 + height, 150 : 150 + width]) / 255


def run(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    return done.return_value or 0, done.stderr, done.stdout, done.exception


# --- Names ----------------------------------------------------------------------------


def test_names_stand_for_colours():
    assert named("xtrans") == NAMES["XTRANS"] and named("Quad") == "RRGGRRGGGGBBGGBB"
    assert named("grbg") == "GRBG"
    for pattern in NAMES.values():
        counts = {letter: pattern.count(letter) for letter in "RGB"}
        assert counts["R"] == counts["B"] < counts["G"]


@pytest.mark.parametrize("pattern", ["RGBW", "RGGBWGGBR", "W" * 16])
def test_white_samples_are_refused_by_name(pattern):
    with pytest.raises(ValueError, match="white samples"):
        named(pattern)


@pytest.mark.parametrize("pattern", ["", "RGB", "RGBG", "CMYG", "GGGG", "RGB" * 27])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match="unknown pattern.*xtrans"):
        named(pattern)


@pytest.mark.parametrize("pattern", [*BAYER, *OTHERS])
def test_crops_move_a_pattern(pattern):
    colour = np.random.default_rng(3).random((24, 24, 3)).astype(np.float32)
    x, y = 7, 4
    np.testing.assert_array_equal(
        sampled(colour, pattern)[y:, x:], sampled(colour[y:, x:], moved(pattern, x, y))
    )


# --- Colours --------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", OTHERS)
def test_flat_colours_stay_flat(pattern):
    colour = np.broadcast_to(np.float32([0.2, 0.5, 0.7]), (30, 31, 3))
    mosaic = sampled(colour, pattern)
    np.testing.assert_allclose(first_estimate(mosaic, pattern), colour, atol=1e-5)
    np.testing.assert_allclose(demosaic(mosaic, pattern), colour, atol=1e-3)


@pytest.mark.parametrize("pattern", OTHERS)
def test_measured_samples_come_back_bit_for_bit(pattern):
    colour = photo(37, 41)
    mosaic = sampled(colour, pattern)
    for quality in ("fast", "balanced"):
        found = demosaic(mosaic, pattern, quality=quality)
        np.testing.assert_array_equal(sampled(found, pattern), mosaic)
        assert found.min() >= mosaic.min() and found.max() <= mosaic.max()


@pytest.mark.parametrize("pattern, floor", [*zip(OTHERS, (35.5, 30, 33))])
def test_each_step_beats_the_one_before(pattern, floor):
    colour = photo()
    mosaic = sampled(colour, pattern)
    steps = [
        first_estimate(mosaic, pattern),
        demosaic(mosaic, pattern, quality="fast"),
        demosaic(mosaic, pattern),
    ]
    first, second, third = (psnr(colour[8:-8, 8:-8], step[8:-8, 8:-8]) for step in steps)
    assert first < second < third and third > floor, (first, second, third)


def test_threads_change_nothing():
    mosaic = sampled(photo(48, 60), OTHERS[0])
    one, four = (demosaic(mosaic, OTHERS[0], pool=Pool(threads)) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)


def test_noise_is_removed_with_any_pattern():
    colour = photo()
    noise = np.random.default_rng(5).normal(0, 20 / 255, colour.shape[:2])
    mosaic = np.float32(sampled(colour, OTHERS[0]) + noise)
    plain, told = (demosaic(mosaic, OTHERS[0], sigma=sigma) for sigma in (0, 20 / 255))
    assert psnr(colour, told) > psnr(colour, plain) + 4


def test_a_dictionary_serves_any_pattern():
    colour = photo(48, 48)
    mosaic = sampled(colour, "RRGGRRGGGGBBGGBB")
    found = demosaic(mosaic, "quad", dictionary="colour")
    np.testing.assert_array_equal(sampled(found, "RRGGRRGGGGBBGGBB"), mosaic)


def test_mosaics_that_lack_a_colour_are_refused():
    with pytest.raises(ValueError, match="smaller than its pattern"):
        demosaic(np.zeros((1, 2)), "quad")


def test_commands_take_other_patterns(tmp_path):
    colour = np.uint8(255 * photo(48, 48))
    mosaic = Mosaic(NAMES["XTRANS"]).forward(colour)
    (tmp_path / "mosaic.png").write_bytes(imagecodecs.png_encode(mosaic))
    code, said, *_ = run("demosaic", tmp_path / "mosaic.png", "--pattern", "xtrans")
    assert code == 0, said
    found = imagecodecs.png_decode((tmp_path / "mosaic-demosaiced.png").read_bytes())
    np.testing.assert_array_equal(Mosaic(NAMES["XTRANS"]).forward(found), mosaic)
    *_, error = run("demosaic", tmp_path / "mosaic.png", "--pattern", "RGBW")
    assert "white samples" in str(error)


def test_an_xtrans_raw_file_tells_its_pattern(tmp_path):
    pytest.importorskip("rawpy")
    from restore.files.reading import read_picture
    from tests.files.raw_files import measured, write_mosaic

    light = photo(96, 96) ** 2
    write_mosaic(
        tmp_path / "photo.dng", measured(light, NAMES["XTRANS"]), NAMES["XTRANS"], matrix=np.eye(3)
    )
    words = ("--colour-space", "camera", "--linear", "-o", tmp_path / "out.tif")
    code, said, *_ = run("demosaic", tmp_path / "photo.dng", *words)
    assert code == 0, said
    assert psnr(light, read_picture(tmp_path / "out.tif").samples) > 33


# --- Noise ----------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["RGGB", NAMES["XTRANS"]])
@pytest.mark.parametrize("sigma", [5, 10, 40])
def test_white_noise_of_a_mosaic_is_measured(pattern, sigma):
    colour = np.float32(skimage.data.astronaut()) / 255
    mosaic = sampled(colour, pattern)
    mosaic = mosaic + np.random.default_rng(1).normal(0, sigma / 255, mosaic.shape)
    gain, found = estimated(np.float32(mosaic), pattern)
    assert gain == 0 and abs(255 * found / sigma - 1) < 0.08


@pytest.mark.parametrize("shape", [(1, 5), (3, 3), (8, 8), (20, 21)])
@pytest.mark.parametrize("pattern", ["RGGB", NAMES["XTRANS"]])
def test_noise_of_small_mosaics_is_no_failure(shape, pattern):
    gain, sigma = estimated(np.random.default_rng(0).random(shape).astype(np.float32), pattern)
    assert gain == 0 and 0 <= sigma < 1


def test_photon_noise_of_a_mosaic_is_measured():
    random = np.random.default_rng(2)
    light = (np.float32(skimage.data.astronaut()) / 255) ** 2.2
    mosaic = sampled(np.tile(light, (2, 2, 1)), "RGGB")
    noisy = 0.004 * random.poisson(mosaic / 0.004) + random.normal(0, 0.01, mosaic.shape)
    gain, sigma = estimated(np.float32(noisy), "RGGB")
    assert abs(gain / 0.004 - 1) < 0.25 and abs(sigma - 0.01) < 0.01


@pytest.mark.parametrize(
    ("name", "gain"), [("camera", 0.001), ("coins", 0.001), ("brick", 0.004), ("astronaut", 0.004)]
)
def test_neither_texture_nor_black_hides_how_noise_grows(name, gain):
    light = getattr(skimage.data, name)() / 255
    light = light if light.ndim == 2 else light[..., 1]
    random = np.random.default_rng(0)
    noisy = light + np.sqrt(gain * light) * random.standard_normal(light.shape)
    found, sigma = estimated(np.float32(noisy), "RGGB")
    assert 0.8 < found / gain < 1.5
    assert 0.9 < np.sqrt((found * light.mean() + sigma**2) / (gain * light.mean())) < 1.25


@pytest.mark.parametrize("name", ["camera", "coffee"])
def test_clean_mosaics_have_next_to_no_noise(name):
    light = np.float32(getattr(skimage.data, name)() / 255)
    gain, sigma = estimated(sampled(light, "RGGB") if light.ndim == 3 else light, "RGGB")
    assert gain == 0 and sigma < 2 / 255


def test_a_noise_profile_is_averaged():
    assert profiled(((2e-4, 4e-6), (4e-4, 4e-6))) == (pytest.approx(3e-4), pytest.approx(2e-3))
    assert profiled(None) is None and profiled(((0.0, 1e-6),)) is None


def test_photon_noise_is_removed_where_it_is_the_same_everywhere():
    random = np.random.default_rng(6)
    light = photo(128, 128) ** 2.2
    mosaic = sampled(light, "RGGB")
    noisy = np.float32(0.01 * random.poisson(mosaic / 0.01) + random.normal(0, 0.01, mosaic.shape))

    def run(mosaic, sigma):
        return demosaic(mosaic, sigma=sigma)

    photons = psnr(light, stabilised(noisy, 0.01, 0.01, run))
    average = float(np.sqrt(0.01 * mosaic.mean() + 0.01**2))
    assert photons > psnr(light, stabilised(noisy, 0.0, average, run)) + 0.5


def test_blind_is_nearly_as_good_as_told(tmp_path):
    from restore.files.picture import Picture
    from restore.files.reading import read_picture
    from tests.files.picture_files import encode

    colour = photo(200, 200)
    noise = np.random.default_rng(7).normal(0, 15 / 255, (200, 200))
    mosaic = np.float32(sampled(colour, "GBRG") + noise)[..., None]
    (tmp_path / "mosaic.tif").write_bytes(encode(Picture(mosaic, None, "f32"), "tiff"))
    found = {}
    for sigma in ("15", "auto"):
        words = ("--pattern", "GBRG", "--sigma", sigma, "--json", "-o", tmp_path / f"{sigma}.tif")
        code, said, out, _ = run("demosaic", tmp_path / "mosaic.tif", *words)
        assert code == 0, said
        found[sigma] = psnr(colour, read_picture(tmp_path / f"{sigma}.tif").samples)
    assert abs(json.loads(out)["sigma"] - 15) < 1
    assert found["auto"] > found["15"] - 0.1
