"""The command ``restore demosaic``."""

import sys

import click
import imagecodecs
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from restore.cli import cli
from restore.tasks.demosaicing import sampled
from tests.tasks.mosaics import decibels, picture


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
