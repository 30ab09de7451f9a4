"""One file of atoms serves every command on pictures."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from tests import SAMPLES

SCENE = np.asarray(Image.open(SAMPLES / "camera-clean.png").convert("L"))[100:228, 180:308]


def run(*words):
    result = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    assert result.exception is None and result.return_value == 0, (words, result.stderr)


def error(path, truth=SCENE):
    """Root mean square in 8-bit levels."""
    return np.sqrt(np.mean((np.asarray(Image.open(path), float) - truth) ** 2))


def save(path, samples):
    Image.fromarray(np.uint8(np.clip(np.rint(samples), 0, 255))).save(path)
    return path


@pytest.fixture(scope="module")
def atoms(tmp_path_factory):
    """A dictionary of another part of the picture."""
    folder = tmp_path_factory.mktemp("learned")
    whole = np.asarray(Image.open(SAMPLES / "camera-clean.png").convert("L"))
    save(folder / "beside.png", whole[100:, :170])
    words = ("--atoms", 96, "--patch-size", 6, "--patches", 8000, "--iterations", 5, "-q")
    run("train", folder / "beside.png", "-o", folder / "mine.npz", *words)
    return folder / "mine.npz"


def test_it_removes_noise(atoms, tmp_path):
    noise = np.random.default_rng(0).normal(0, 25, SCENE.shape)
    noisy, out = save(tmp_path / "noisy.png", SCENE + noise), tmp_path / "out.png"
    run("denoise", noisy, "--sigma", 25, "--dictionary", atoms, "-o", out)
    assert error(out) < 0.45 * error(noisy)


def test_it_fills(atoms, tmp_path):
    unknown = np.random.default_rng(1).random(SCENE.shape) < 0.4
    holed = save(tmp_path / "holed.png", np.where(unknown, 0, SCENE))
    mask = save(tmp_path / "mask.png", 255 * unknown)
    run("inpaint", holed, "--mask", mask, "--dictionary", atoms, "-o", tmp_path / "out.png")
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(filled[~unknown], SCENE[~unknown])
    assert error(tmp_path / "out.png") < 7


def test_it_enlarges(atoms, tmp_path):
    small = Image.fromarray(SCENE).resize((64, 64), Image.Resampling.BICUBIC)
    small.save(tmp_path / "small.png")
    cubic = save(tmp_path / "cubic.png", small.resize((128, 128), Image.Resampling.BICUBIC))
    run("super-resolve", tmp_path / "small.png", "--dictionary", atoms, "-o", tmp_path / "out.png")
    assert error(tmp_path / "out.png") < 0.9 * error(cubic)


def test_it_compresses(atoms, tmp_path):
    source = save(tmp_path / "scene.png", SCENE)
    run("compress", source, "--size", 3000, "--dictionary", atoms, "-o", tmp_path / "scene.ksvd")
    assert (tmp_path / "scene.ksvd").stat().st_size <= 3000
    words = ("-o", tmp_path / "out.png", "--dictionary", atoms)
    run("decompress", tmp_path / "scene.ksvd", *words)
    assert error(tmp_path / "out.png") < 5


def test_it_is_drawn(atoms, tmp_path):
    run("inspect", atoms, "--picture", tmp_path / "atoms.png")
    assert min(np.asarray(Image.open(tmp_path / "atoms.png")).shape[:2]) > 50


def test_one_of_colour_patches_demosaics(tmp_path):
    from restore import Dictionary

    colour = np.asarray(Image.open(SAMPLES / "coffee-clean.png"))[60:140, 100:200]
    source = save(tmp_path / "colour.png", colour)
    with open(tmp_path / "mine.npz", "wb") as file:
        Dictionary.load("colour").save(file)
    words = ("--pattern", "RGGB", "--simulate", "--dictionary", tmp_path / "mine.npz")
    run("demosaic", source, *words, "-o", tmp_path / "out.png")
    assert error(tmp_path / "out.png", colour) < 4
