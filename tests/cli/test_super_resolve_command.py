"""``restore super-resolve``: sizes, depths, transparency, what fails."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from restore.files.picture import Picture
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.imaging.resize import resize

SCENE = np.random.default_rng(0).random((12, 20, 3)).astype(np.float32)


def restore(*arguments):
    """Exit code, report (None if it says nothing) and words of the command."""
    words = ["super-resolve", *map(str, arguments), "--json", "-t", "2"]
    ran = CliRunner().invoke(cli, words, standalone_mode=False)
    if ran.exception is not None:
        return 2, None, str(ran.exception)
    lines = ran.stdout.splitlines()
    return ran.return_value, json.loads(lines[0]) if lines else None, ran.stderr


def save(path, samples, alpha=None, depth="8"):
    with whole_file(path) as file:
        kind = path.suffix[1:].replace("tif", "tiff")
        write_pages(file, [Picture(samples, alpha, depth)], kind)
    return path


@pytest.fixture
def scene(tmp_path):
    return save(tmp_path / "scene.png", SCENE)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ((), (24, 40, 3)),
        (("--scale", 3, "--quality", "fast"), (36, 60, 3)),
        (("--scale", 4, "--quality", "best"), (48, 80, 3)),
        (("--width", 33), (20, 33, 3)),
        (("--height", 100, "--quality", "fast"), (100, 167, 3)),
        (("--max-side", 50), (30, 50, 3)),
        (("--width", 21, "--height", 40), (40, 21, 3)),
    ],
)
def test_sizes(scene, arguments, shape):
    code, report, words = restore(scene, *arguments)
    assert code == 0, words
    output = scene.with_name("scene-enlarged.png")
    assert read_picture(output).samples.shape == shape
    assert (report["height"], report["width"]) == shape[:2]


@pytest.mark.parametrize(("name", "depth"), [("a.png", "16"), ("a.tif", "16"), ("a.tif", "f32")])
def test_depth_is_kept(tmp_path, name, depth):
    source = save(tmp_path / name, 7 * SCENE if depth == "f32" else SCENE, depth=depth)
    assert restore(source, "-o", tmp_path / "out" / name)[0] == 0
    picture = read_picture(tmp_path / "out" / name)
    assert picture.depth == depth
    assert (picture.samples.max() > 4) == (depth == "f32")


def test_transparency_is_enlarged_without_fringes(tmp_path):
    alpha = np.zeros((12, 20), np.float32)
    alpha[:, 10:] = 1
    samples = np.full((12, 20, 3), 0.8, np.float32)
    samples[:, :10] = 0
    source = save(tmp_path / "cutout.png", samples, alpha)
    assert restore(source)[0] == 0
    picture = read_picture(tmp_path / "cutout-enlarged.png")
    assert picture.alpha.shape == (24, 40)
    assert picture.alpha[:, :17].max() == 0 and picture.alpha[:, 23:].min() == 1
    assert np.abs(picture.samples[picture.alpha > 0] - 0.8).max() < 2 / 255


def test_contours_of_transparency_are_sharp(tmp_path):
    down, across = np.mgrid[:96, :96] - 47.5
    disc = (down**2 + across**2 < 38**2).astype(np.float32)
    alpha = disc.reshape(32, 3, 32, 3).mean((1, 3))
    source = save(tmp_path / "disc.png", np.full((32, 32, 3), 0.5, np.float32), alpha)
    assert restore(source, "--scale", 3, "--quality", "fast")[0] == 0
    found = read_picture(tmp_path / "disc-enlarged.png").alpha
    smooth = np.clip(resize(alpha[..., None], 96, 96)[..., 0], 0, 1)
    assert np.square(found - disc).mean() < 0.5 * np.square(smooth - disc).mean()
    assert not found[smooth == 0].any()


def test_grey_stays_grey(tmp_path):
    source = save(tmp_path / "grey.png", SCENE[..., :1])
    assert restore(source)[0] == 0
    assert read_picture(tmp_path / "grey-enlarged.png").samples.shape == (24, 40, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scale", 2, "--width", 40), "not both"),
        (("--max-side", 50, "--width", 40), "not both"),
        (("--scale", 1), "1.0 is not in the range 1<x<=16"),
        (("--scale", 0), "0.0 is not in the range 1<x<=16"),
        (("--width", 0), "0 is not in the range"),
        (("--model", "missing.npz"), "missing.npz"),
        (
            ("--dictionary", "missing.npz"),
            "there is no file missing.npz; the names are learn, grey",
        ),
    ],
)
def test_wrong_usage(scene, arguments, words):
    code, report, said = restore(scene, *arguments)
    assert code == 2 and report is None and words in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--width", 10), "only enlarges"),
        (("--width", 10**6, "--height", 10**6), "--max-pixels"),
    ],
)
def test_what_fails_says_why(scene, arguments, words):
    code, report, _ = restore(scene, *arguments)
    assert code == 1 and words in report["error"], report
    assert not scene.with_name("scene-enlarged.png").exists()


def test_a_picture_of_four_pixels(tmp_path):
    source = save(tmp_path / "tiny.png", SCENE[:2, :2])
    code, report, _ = restore(source, "--scale", 4, "--quality", "best")
    assert code == 0 and (report["height"], report["width"]) == (8, 8)


def test_damaged_model(scene, tmp_path):
    from restore.imaging.archive import packaged_path

    (tmp_path / "sr2.npz").write_bytes(packaged_path("sr2").read_bytes()[:-1000])
    code, report, _ = restore(scene, "--model", tmp_path / "sr2.npz")
    assert code == 1 and "sr2.npz is not a super-resolution model file, or is damaged" in str(
        report
    )


def test_models_of_another_kind_or_scale(scene):
    from restore.imaging.archive import packaged_path

    code, report, _ = restore(scene, "--model", packaged_path("grey"))
    assert code == 1 and "super-resolution model" in report["error"]
    code, report, _ = restore(scene, "--model", packaged_path("sr3"), "--scale", 2)
    assert code == 1 and "scale 3, not 2" in report["error"]


def test_a_dictionary_enlarges(scene):
    from restore.imaging.archive import packaged_path

    enlarged = []
    for words in (("--dictionary", "grey"), ("--dictionary", "learn"), ()):
        code, report, _ = restore(scene, *words, "--overwrite", "--quality", "fast")
        assert code == 0, report
        enlarged.append(read_picture(scene.with_name("scene-enlarged.png")).samples)
    assert not np.array_equal(enlarged[0], enlarged[2])
    assert enlarged[0].shape == enlarged[2].shape
    code, report, said = restore(scene, "--dictionary", "grey", "--model", packaged_path("sr2"))
    assert code == 2 and "not both" in said


def test_noise_is_removed_first(tmp_path):
    smooth = np.full((40, 40, 3), 0.5) + np.random.default_rng(1).normal(0, 0.04, (40, 40, 3))
    source = save(tmp_path / "noisy.png", smooth.astype(np.float32))
    code, report, words = restore(source, "--sigma", 10, "--degradation", "sharpened:0.5")
    assert code == 0 and report["noise"] == "white", words
    assert read_picture(report["output"]).samples.std() < 0.02
