"""What every command on pictures does alike, because none of them touches a path."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.cli.options import batch_options
from restore.files.picture import Metadata, Picture, to_depth, to_unit
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages

CONTEXT = click.Context(cli)


def names(command):
    return {option.name for option in command.params}


SHARED = names(click.command()(batch_options(suffix="")(print)))
COMMANDS = [
    name for name in cli.list_commands(CONTEXT) if names(cli.get_command(CONTEXT, name)) >= SHARED
]
#: how to call those that need more, and those that would take long
NEEDS = {
    "denoise": ["--sigma", "10", "--dictionary", "colour", "--stride", "4"],
    "inpaint": ["--mask", "#ff00ff", "--quality", "fast"],
    "deblur": ["--gaussian", "1", "--sigma", "2"],
    "demosaic": ["--pattern", "RGGB", "--simulate", "--quality", "fast"],
    "sense": ["--simulate", "radial:0.9", "--dictionary", "grey"],
    "super-resolve": ["--quality", "fast"],
}
#: those that give back a picture of the same size
ALIKE = sorted({"deblur", "denoise", "inpaint", "demosaic"} & set(COMMANDS))
PROFILE = bytes(16) + b"RGB " + bytes(200)


def restore(name, *arguments):
    words = [name, *map(str, arguments), *NEEDS.get(name, [])]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.exception is None or isinstance(result.exception, click.ClickException)
    return result.return_value, result.stdout, result.stderr


@pytest.fixture
def photo(tmp_path):
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[:40, :32] / 60
    samples = np.stack([rows, columns, (rows + columns) / 2], 2) + 0.02 * random.random((40, 32, 3))
    samples[20, 10] = 1, 0, 1
    alpha = np.ones((40, 32), np.float32)
    alpha[:5, :7] = 0.25
    samples, alpha = (to_unit(to_depth(np.float32(plane), "16")) for plane in (samples, alpha))
    exif = Image.Exif()
    exif[0x8825] = {1: "N"}
    metadata = Metadata(icc=PROFILE, exif=exif.tobytes()[6:], xmp=b"<x/>")
    with whole_file(tmp_path / "photo.png") as file:
        write_pages(file, [Picture(samples, alpha, "16", metadata)], "png")
    return tmp_path / "photo.png"


def test_the_commands_are_found():
    assert {"denoise"} <= set(ALIKE) <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_input_is_one_line_and_no_output(name, tmp_path):
    bad = tmp_path / ("bad.ksvd" if name == "decompress" else "bad.png")
    for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n", bytes(1000)):
        bad.write_bytes(content)
        code, out, said = restore(name, bad)
        assert code == 1 and not out
        assert said.startswith(f"restore: {bad}: ") and said.count("\n") == 1
        assert "--debug" not in said
    assert list(tmp_path.iterdir()) == [bad]
    assert restore(name, tmp_path / "none.png")[0] == 3
    (tmp_path / "empty").mkdir()
    assert restore(name, tmp_path / "empty")[0] == 3


@pytest.mark.parametrize("name", ALIKE)
def test_depth_alpha_and_metadata_are_kept(name, photo):
    before = read_picture(photo)
    code, out, _ = restore(name, photo, "--json")
    assert code == 0
    report = json.loads(out)
    assert report["status"] == "done" and report["depth"] == "16"
    after = read_picture(report["output"])
    assert after.depth == "16" and after.samples.shape == before.samples.shape
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.metadata.icc == PROFILE and after.metadata.xmp == b"<x/>"
    assert b"N" in after.metadata.exif


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"decompress"}))
def test_existing_outputs_are_kept_and_skipped(name, photo):
    code, out, _ = restore(name, photo, "--dry-run", "--json")
    output = json.loads(out)["output"]
    assert code == 0 and output != str(photo)
    with open(output, "w") as file:
        file.write("precious")
    assert restore(name, photo)[0] == 1
    assert restore(name, photo, "--skip-existing")[0] == 0
    with open(output) as file:
        assert file.read() == "precious"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen_and_tells_all_when_asked(name):
    said = CliRunner().invoke(cli, [name, "--help"]).stdout
    assert len(said.splitlines()) <= 62
    told = CliRunner().invoke(cli, [name, "--help-all"]).stdout
    for text in (said, told):
        own, shared = text.split("Options of all commands on pictures:")
        assert "--help" in own and "--quality" not in shared
        assert all(f"--{option}" in shared for option in ("output", "overwrite", "threads"))
    assert "Replace outputs that exist" in told and told.startswith(said.split("Options of")[0])
