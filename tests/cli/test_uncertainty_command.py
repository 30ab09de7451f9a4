"""The option ``--uncertainty`` of the commands that have it."""

import numpy as np
import pytest

from restore.files.reading import read_picture
from tests import SAMPLES
from tests.cli.commands import restore, save

COMMANDS = {
    "denoise": ["--sigma", "10"],
    "inpaint": ["--mask", "#000000"],
    "demosaic": ["--simulate", "--pattern", "RGGB"],
    "deblur": ["--gaussian", "1", "--sigma", "5"],
    "sense": ["--simulate", "blocks:0.4"],
}


@pytest.fixture
def photo(tmp_path):
    samples = read_picture(SAMPLES / "coffee-clean.png").samples[60:104, 80:144].copy()
    samples[20:22, 10:40] = 0
    return save(tmp_path / "photo.png", samples)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_map_lies_where_it_was_asked_for(photo, command):
    place = photo.with_name("map.png")
    done = restore(command, photo, *COMMANDS[command], "--uncertainty", place)
    assert done.returncode == 0, done.stderr
    found = read_picture(place)
    result = read_picture(next(photo.parent.glob("photo-*.png")))
    assert found.samples.shape == result.samples.shape and found.depth == "16"
    assert 0.1 < 255 * found.samples.max() < 100
    if command == "inpaint":
        assert (found.samples[:20] == 0).all() and (found.samples[20:22, 10:40] > 0).all()
    if command == "demosaic":
        assert (found.samples[::2, ::2, 0] == 0).all()
        assert (found.samples[1::2, ::2, 0] > 0).all()


def test_several_inputs_have_their_maps_in_a_folder_in_floats_or_not(photo):
    (photo.parent / "other.png").write_bytes(photo.read_bytes())
    inputs = [photo, photo.parent / "other.png"]
    options = ["--sigma", "10", "-o", photo.parent / "out/"]
    done = restore("denoise", *inputs, *options, "--uncertainty", photo.with_name("map.png"))
    assert done.returncode == 2 and "several inputs need a folder" in done.stderr
    done = restore("denoise", *inputs, *options, "--uncertainty", f"{photo.parent}/maps/")
    assert done.returncode == 0, done.stderr
    maps = sorted(file.name for file in (photo.parent / "maps").iterdir())
    assert maps == ["other.png", "photo.png"]
    floats = photo.with_name("map.tif")
    restore("denoise", photo, "--sigma", "10", "--uncertainty", floats)
    found = read_picture(floats)
    rounded = read_picture(photo.parent / "maps/photo.png").samples
    assert found.depth == "f32" and np.abs(found.samples - rounded).max() < 1 / 65535


@pytest.mark.parametrize(
    "options, words",
    [
        (["--uncertainty", "map.jpg"], "neither a .png, .tif or .pfm file nor a folder"),
        (["--uncertainty", "m.png", "--quality", "fast"], "leave out --quality"),
        (["--uncertainty", "m.png", "--dictionary", "grey", "--blend", "0.1"], "and --blend"),
        (["--uncertainty", "same.png", "-o", "same.png"], "two outputs"),
        (["--uncertainty", "m.png", "-o", "-"], "further files need a file"),
    ],
)
def test_wrong_usage(photo, monkeypatch, options, words):
    monkeypatch.chdir(photo.parent)
    done = restore("denoise", photo, "--sigma", "10", *options)
    assert done.returncode == 2 and words in done.stderr
    assert sorted(file.name for file in photo.parent.iterdir()) == ["photo.png"]
