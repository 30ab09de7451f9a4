"""One plain dictionary, as `train` writes it, serves every command that restores pictures."""

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from restore.files.picture import Picture
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.imaging.measures import psnr
from restore.imaging.resize import resize
from restore.sparse.dictionary import Dictionary
from restore.tasks.demosaicing import sampled


def portrait(seed, channels):
    """A drawn picture of one kind: soft ovals and fine stripes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :72] / 64
    grey = 0.5 + 0.2 * np.sin(3 * x + rng.uniform(0, 6))
    for _ in range(4):
        cy, cx, size = rng.uniform(0.1, 1, 3)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < 0.05 * size
        grey = np.where(inside, rng.uniform(0.2, 0.8), grey)
    grey = grey + 0.1 * np.sin(40 * (x + rng.uniform(0.2, 2) * y)) * (x > 0.6)
    colour = np.stack([grey * tint for tint in rng.uniform(0.7, 1, channels)], axis=2)
    return np.rint(255 * colour.clip(0, 1)).astype(np.float32) / 255


def write(path, samples):
    with whole_file(path) as file:
        write_pages(file, [Picture(samples, None, "8")], "png")
    return path


def run(*words):
    result = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    assert result.exception is None and not result.return_value, (words, result.output)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_dictionary_serves_them_all(tmp_path, channels):
    photos, mine = tmp_path / "photos", tmp_path / "mine.npz"
    photos.mkdir()
    for seed in range(8):
        write(photos / f"{seed}.png", portrait(seed, channels))
    words = ("--atoms", 96, "--patches", 8000, "--iterations", 4, "-q")
    run("train", photos, "-o", mine, *words)
    assert Dictionary.load(mine).channels == channels
    clean = portrait(100, channels)
    rng = np.random.default_rng(0)
    noisy = (clean + rng.normal(0, 20 / 255, clean.shape)).clip(0, 1).astype(np.float32)
    hidden = rng.random(clean.shape[:2]) < 0.4
    small = resize(clean, 32, 36, radius=4.0, kernel=lambda d: np.maximum(1 - np.abs(d) / 2, 0) / 2)
    source = {
        "noisy": write(tmp_path / "noisy.png", noisy),
        "holes": write(tmp_path / "holes.png", np.where(hidden[..., None], 0, clean)),
        "mask": write(tmp_path / "mask.png", hidden[..., None].astype(np.float32)),
        "small": write(tmp_path / "small.png", small.clip(0, 1)),
        "clean": write(tmp_path / "clean.png", clean),
    }

    def restored(command, name, *words):
        output = tmp_path / f"{command}.png"
        run(command, source[name], "-o", output, "--dictionary", mine, "-q", *words)
        return read_picture(output).samples

    assert psnr(clean, restored("denoise", "noisy", "--sigma", 20)) > psnr(clean, noisy) + 4
    filled = restored("inpaint", "holes", "--mask", source["mask"])
    assert psnr(clean, filled) > 22 and np.array_equal(filled[~hidden], clean[~hidden])
    if channels == 1:  # details are those of the luminance
        assert psnr(clean, restored("super-resolve", "small")) > 20
    packed, again = tmp_path / "clean.ksvd", tmp_path / "again.png"
    run("compress", source["clean"], "-o", packed, "--dictionary", mine, "--size", 900, "-q")
    assert packed.stat().st_size <= 900
    run("decompress", packed, "-o", again, "--dictionary", mine, "-q")
    assert psnr(clean, read_picture(again).samples) > 22
    if channels == 3:
        source["mosaic"] = write(tmp_path / "mosaic.png", sampled(clean, "RGGB")[..., None])
        found = restored("demosaic", "mosaic", "--pattern", "RGGB")
        assert psnr(clean, found) > 25
    run("inspect", mine, "--picture", tmp_path / "atoms.png")
    assert read_picture(tmp_path / "atoms.png").samples.shape[2] in (1, 3)
