import itertools
import sys

import click
import imagecodecs
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.imaging.bands import Pool
from restore.learning.demosaicing import learn_demosaicing, tiles
from restore.tasks import demosaicing
from restore.tasks.demosaicing import (
    BAYER,
    Model,
    demosaic,
    estimates,
    levelled,
    packaged,
    sampled,
)
from restore.tasks.demosaicing.patterns import moved
from restore.tasks.demosaicing.stages import Stage
from restore.tasks.denoising import denoise
from tests import SAMPLES

COFFEE = SAMPLES / "coffee-clean.png"


def picture(height=96, width=120):
    """A corner of the sample picture of a coffee cup, in colour."""
    return np.asarray(Image.open(COFFEE).convert("RGB"))[40 : 40 + height, 60 : 60 + width]


def decibels(estimate, truth, border=0):
    error = (estimate - truth / 255.0)[
        border or None : -border or None, border or None : -border or None
    ]
    return -10 * np.log10(np.mean(error**2))


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


def test_learning_improves_and_repeats_itself(monkeypatch, tmp_path):
    for name, value in {"LEAST": 200, "BINS": 3}.items():
        monkeypatch.setattr(f"restore.learning.trees.{name}", value)
    pictures = [picture(200, 160), np.ascontiguousarray(picture(200, 400)[:, 240:])]
    settings = {"stages": 2, "leaves": 2, "samples": 4000, "vivid": 0}
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file, threads in zip(files, (1, 2)):
        Model(learn_demosaicing(pictures, pool=Pool(threads), **settings), {"seed": 0}).save(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    learned = Model.load(files[0])
    assert learned.provenance == {"seed": 0}
    results = []
    for count in (0, 2):
        found = demosaic(sampled(pictures[0], "RGGB"), model=Model(learned.stages[:count]))
        results.append(decibels(found, pictures[0], 8))
    assert results[0] + 0.2 < results[1]


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([], "no pictures"),
        ([np.zeros((30, 30, 3))], "8-bit colour"),
        ([np.zeros((30, 30), np.uint8)], "8-bit colour"),
        ([np.zeros((30, 9, 3), np.uint8)], "fewer than 16"),
    ],
)
def test_what_cannot_be_learned_from(pictures, words):
    with pytest.raises(ValueError, match=words):
        learn_demosaicing(pictures)


def test_tiles_are_bounded_and_fair(monkeypatch):
    monkeypatch.setattr("restore.learning.demosaicing.TILE", 4)
    monkeypatch.setattr("restore.learning.demosaicing.TILES", 6)
    whole = np.full((3, 9, 3), 0.2, np.float32)
    assert [tile.shape for tile in tiles([whole])] == [(3, 4, 3), (3, 4, 3)]
    pictures = [np.full((8, 16, 3), n / 255, np.float32) for n in range(5)]
    drawn = np.array([[tile[0, 0, 0] for tile in tiles(pictures, seed)] for seed in range(200)])
    assert drawn.shape == (200, 6)
    counts = np.bincount(drawn.ravel())  # of each picture 8 of the 40 tiles
    assert len(counts) == 5 and np.abs(counts - 240).max() < 60
    with pytest.raises(ValueError, match="no pictures"):
        learn_demosaicing(tiles([]))


def test_a_model_is_used_for_the_noise_it_was_learned_with_or_refused():
    mosaic = sampled(picture(20, 24), "RGGB") / 255
    model = packaged("demosaic-noisy")
    expected = demosaic(mosaic, sigma=10 / 255)
    assert np.array_equal(demosaic(mosaic, sigma=10 / 255, model=model), expected)
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


# The command ------------------------------------------------------------------------------


def command(*words):
    result = CliRunner().invoke(cli, ["demosaic", *map(str, words)], standalone_mode=False)
    return result.return_value, result.stderr, result.exception


def save(path, levels):
    path.write_bytes(imagecodecs.png_encode(levels))
    return path


def test_command_keeps_sixteen_bits(tmp_path):
    scene = picture(40, 50).astype(np.uint16) * 199 + 7
    source = save(tmp_path / "mosaic.png", sampled(scene, "GBRG"))
    assert command(source, "--pattern", "gbrg", "-o", tmp_path / "out.png")[0] == 0
    colour = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    assert colour.dtype == np.uint16
    assert np.array_equal(sampled(colour, "GBRG"), sampled(scene, "GBRG"))


def test_command_knows_crops_levels_and_balance(tmp_path):
    scene = np.empty((21, 30, 3), np.uint16)
    scene[:] = 64 + 480 / np.array([2.0, 1.0, 1.6])
    source = save(tmp_path / "mosaic.png", sampled(scene, "RGGB")[1:, 3:])
    words = ("--pattern", "RGGB", "--offset", "3,1", "--black", 64, "--white", 1024)
    assert command(source, *words, "--wb", "2,1,1.6", "-o", tmp_path / "out.png")[0] == 0
    colour = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    assert abs(colour.astype(int) - 32768).max() < 80


def test_command_simulates(tmp_path):
    source = save(tmp_path / "scene.png", picture(40, 50))
    words = ("--simulate", "--pattern", "RGGB", "--quality", "fast", "-o", tmp_path / "out.png")
    assert command(source, *words)[0] == 0
    colour = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    assert colour.shape == (40, 50, 3)
    for dictionary in ("colour", "learn"):
        assert command(source, *words, "--dictionary", dictionary, "--overwrite")[0] == 0
        other = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
        assert np.array_equal(sampled(other, "RGGB"), sampled(colour, "RGGB"))
        assert not np.array_equal(other, colour)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "OpenCV's names are shifted"),
        (("--pattern", "RGGB", "--black", "70000"), "above the black level"),
        (("--pattern", "RGGB", "--simulate"), "this is grey"),
        (("--pattern", "RGGB", "--dictionary", "grey"), "colour ones are coded here"),
    ],
)
def test_command_fails_a_file_in_one_sentence(tmp_path, words, sentence):
    source = save(tmp_path / "mosaic.png", np.zeros((8, 8), np.uint16))
    code, said, _ = command(source, *words)
    assert code == 1
    assert sentence in said


def test_command_refuses_pictures_in_colour(tmp_path):
    source = save(tmp_path / "scene.png", picture(8, 8))
    code, said, _ = command(source, "--pattern", "RGGB")
    assert code == 1
    assert "--simulate" in said


@pytest.mark.parametrize(
    "words",
    [
        ("--pattern", "RGBG"),
        ("--offset", "1"),
        ("--wb", "1,2"),
        ("--wb", "1,0,1"),
        ("--dictionary", "none.npz"),
        ("--dictionary", "colour", "--model", __file__),
    ],
)
def test_command_refuses_wrong_usage(words):
    *_, error = command("mosaic.png", *words)
    assert isinstance(error, click.UsageError)
    if words[0] == "--pattern":
        assert "OpenCV" in error.message


def test_command_reads_the_pattern_of_a_tiff(tmp_path):
    scene = picture(30, 42)
    tifffile.imwrite(
        tmp_path / "mosaic.tif",
        sampled(scene, "GRBG"),
        photometric="cfa",
        extratags=[(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([1, 0, 2, 1]), True)],
    )
    assert command(tmp_path / "mosaic.tif", "-o", tmp_path / "out.png")[0] == 0
    colour = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    assert np.array_equal(sampled(colour, "GRBG"), sampled(scene, "GRBG"))


def camera_raw(path, mosaic):
    """A DNG as cameras write them: a preview first, the GRBG mosaic in a directory below."""
    unit = [
        10000 * (i == j) if k == 0 else 10000 for i in range(3) for j in range(3) for k in (0, 1)
    ]
    about = [
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),  # version
        (50721, "2i", 9, unit, True),  # colour matrix
        (50728, "2I", 3, [1, 2, 1, 1, 2, 3], True),  # white balance
        (50778, "H", 1, 21, True),  # light
        (271, "s", 0, "Nobody", True),
        (272, "s", 0, "Nothing", True),
    ]
    sensor = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([1, 0, 2, 1]), True),
        (50714, "H", 1, 256, True),  # black
        (50717, "H", 1, 4336, True),  # white
    ]
    preview = np.zeros((32, 32, 3), np.uint8)
    with tifffile.TiffWriter(path) as file:
        settings = {"extratags": about, "subifds": 1, "subfiletype": 1, "metadata": None}
        file.write(preview, photometric="rgb", **settings)
        file.write(mosaic, photometric="cfa", extratags=sensor, subfiletype=0, metadata=None)


def test_command_takes_the_mosaic_of_a_camera_raw_file(tmp_path):
    pytest.importorskip("rawpy")
    scene = picture(96, 128) * np.array([8, 16, 10.6667])
    camera_raw(tmp_path / "photo.dng", (256 + sampled(scene, "GRBG")).astype(np.uint16))
    assert command(tmp_path / "photo.dng", "--linear", "--colour-space", "camera")[0] == 0
    colour = tifffile.imread(tmp_path / "photo-demosaiced.tif")
    assert colour.dtype == np.uint16
    assert decibels(colour / 65535, picture(96, 128), 4) > 33


def test_command_says_what_reads_a_camera_raw_file(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    camera_raw(tmp_path / "photo.dng", np.zeros((32, 32), np.uint16))
    code, said, _ = command(tmp_path / "photo.dng")
    assert code == 1
    assert "pip install" in said
