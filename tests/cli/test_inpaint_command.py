"""``restore inpaint``: every kind of mask, what is said, what fails."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.cli.inpaint import DEFECTS
from restore.files.metadata import upright
from restore.files.picture import Metadata, Picture
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.tasks import inpainting

random = np.random.default_rng(0)
SCENE = random.integers(0, 256, (30, 40, 3), np.uint8)
HOLE = np.zeros((30, 40), bool)
HOLE[8:14, 5:20] = True


def restore(*arguments):
    """Exit code, report (None if it says nothing) and words of ``restore inpaint``."""
    ran = CliRunner().invoke(cli, ["inpaint", *map(str, arguments), "--json", "-t", "2"],
                             standalone_mode=False)  # fmt: skip
    if ran.exception is not None:
        return 2, None, str(ran.exception)
    lines = ran.stdout.splitlines()
    return ran.return_value, json.loads(lines[0]) if lines else None, ran.stderr


def save(path, samples, alpha=None, depth="f32", metadata=None):
    with whole_file(path) as file:
        picture = Picture(np.float32(samples), alpha, depth, metadata or Metadata())
        write_pages(file, [picture], path.suffix[1:].replace("tif", "tiff").replace("jpg", "jpeg"))
    return path


@pytest.fixture
def scene(tmp_path):
    Image.fromarray(SCENE).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


def filled(scene, *arguments):
    """The output, and the report of a run that must succeed."""
    output = scene.parent / "output" / scene.name
    code, report, words = restore(scene, "-o", output, "--overwrite", *arguments)
    assert code == 0, words
    return read_picture(output), report


def mask_files(folder):
    white = np.uint8(255 * HOLE)
    clear = np.dstack([np.zeros((30, 40, 3), np.uint8), white])
    yield "grey", Image.fromarray(white)
    yield "bits", Image.fromarray(white).convert("1")
    yield "colour", Image.fromarray(white).convert("RGB")
    yield "deep", Image.fromarray(np.uint16(65535 * HOLE))
    yield "palette", Image.fromarray(white).convert("P")
    yield "jpeg", Image.fromarray(white)
    yield "alpha", Image.fromarray(clear)


@pytest.mark.parametrize("kind", ["grey", "bits", "colour", "deep", "palette", "jpeg", "alpha"])
def test_all_masks_of_one_shape_fill_the_same(scene, kind):
    path = scene.parent / ("mask.jpg" if kind == "jpeg" else "mask.png")
    dict(mask_files(scene.parent))[kind].save(path)
    picture, report = filled(scene, "--mask", path)
    changed = (np.rint(255 * picture.samples) != SCENE).any(axis=2)
    assert not changed[~HOLE].any() and changed[HOLE].mean() > 0.9
    assert ("transparency" in " ".join(report["warnings"])) == (kind == "alpha")


def test_a_mask_that_is_the_wrong_way_round_is_asked_about(scene):
    for hole, options, advice in (
        (~HOLE, (), "92 % of the picture: should that be the other way round, use"),
        (HOLE, ("--invert-mask",), "leave out --invert-mask"),
        (HOLE, (), None),
    ):
        Image.fromarray(np.uint8(255 * hole)).save(scene.parent / "mask.png")
        words = ("--mask", scene.parent / "mask.png", *options, "--quality", "fast")
        _, report = filled(scene, *words)
        assert [advice in sentence for sentence in report["warnings"]] == [True] * bool(advice)


def test_inverted_and_grown_masks(scene):
    path = save(scene.parent / "mask.png", 1.0 - HOLE[..., None], depth="8")
    picture, _ = filled(scene, "--mask", path, "--invert-mask")
    changed = (np.rint(255 * picture.samples) != SCENE).any(axis=2)
    assert not changed[~HOLE].any() and changed[HOLE].mean() > 0.9
    grown, _ = filled(scene, "--mask", path, "--invert-mask", "--grow", "2")
    more = (np.rint(255 * grown.samples) != SCENE).any(axis=2)
    assert more[8:14, 3:22].mean() > 0.9 and not more[:6].any()


def test_smooth_edges_grow_the_mask(scene):
    levels = HOLE.astype(np.float32)
    levels[7, 5:20] = levels[14, 5:20] = levels[8:14, 4] = levels[8:14, 20] = 0.4
    path = save(scene.parent / "mask.png", levels[..., None], depth="8")
    picture, report = filled(scene, "--mask", path)
    assert "grown" in report["mask"]
    changed = (np.rint(255 * picture.samples) != SCENE).any(axis=2)
    assert changed[7, 5:20].mean() > 0.8


def test_transparent_pixels(tmp_path):
    Image.fromarray(np.dstack([SCENE, np.uint8(255 * ~HOLE)])).save(tmp_path / "scene.png")
    picture, _ = filled(tmp_path / "scene.png", "--mask", "alpha")
    assert picture.alpha is None
    assert np.array_equal(np.rint(255 * picture.samples)[~HOLE], SCENE[~HOLE])


def test_pictures_without_transparency(scene):
    code, report, _ = restore(scene, "--mask", "alpha", "-o", scene.parent / "output.png")
    assert code == 1 and "no transparency" in report["error"]


def test_not_a_number(tmp_path):
    samples = random.random((30, 40, 1)).astype(np.float32)
    broken = samples.copy()
    broken[HOLE] = np.nan
    picture, _ = filled(save(tmp_path / "scene.tif", broken), "--mask", "nan")
    assert np.array_equal(picture.samples[~HOLE], samples[~HOLE])
    assert np.isfinite(picture.samples).all()


def test_nodata_of_maps_is_filled_and_sigma_is_in_their_unit(tmp_path):
    heights = (800 + 900 * random.random((30, 40, 1))).astype(np.float32)
    broken = heights.copy()
    broken[HOLE] = -3.4028235e38
    path = save(tmp_path / "scene.tif", broken)
    picture, _ = filled(path, "--mask", "nan")
    assert np.array_equal(picture.samples[~HOLE], heights[~HOLE])
    assert picture.samples.min() >= 800
    picture, report = filled(path, "--mask", "nan", "--sigma", "200", "--quality", "fast")
    assert "--sigma 200 is taken in their unit" in report["warnings"][0]
    assert 50 < np.std((picture.samples - heights)[~HOLE]) < 500


@pytest.mark.parametrize("depth", ["8", "16"])
def test_colour_keys(tmp_path, depth):
    samples = SCENE / 255
    samples[HOLE] = [1, 0, 1]
    path = save(tmp_path / "scene.png", samples, depth=depth)
    picture, report = filled(path, "--mask", "#ff00ff")
    assert picture.depth == depth
    assert float(report["filled"].split()[0]) == pytest.approx(100 * HOLE.mean(), abs=0.1)
    assert not (np.abs(picture.samples - [1, 0, 1]) < 1e-3).all(axis=2).any()


def test_masks_in_a_folder(scene):
    (scene.parent / "masks").mkdir()
    save(scene.parent / "masks" / "scene.png", HOLE[..., None], depth="8")
    _, report = filled(scene, "--mask", scene.parent / "masks")
    assert float(report["filled"].split()[0]) > 0


def test_a_mask_made_before_the_camera_s_orientation(scene):
    exif = Image.Exif()
    exif[0x112] = 6
    path = scene.parent / "turned.jpg"
    Image.fromarray(SCENE).save(path, exif=exif, quality=95)
    mask = save(scene.parent / "mask.png", HOLE[..., None], depth="8")
    before = read_picture(path).samples
    output = scene.parent / "turned-output.tif"
    code, _, words = restore(path, "--mask", mask, "-o", output, "--depth", "f32")
    assert code == 0, words
    changed = (read_picture(output).samples != before).any(axis=2)
    assert changed.shape == (40, 30)
    assert not changed[~upright(HOLE, 6)].any() and changed.any()


def test_masks_of_another_size(scene):
    mask = save(scene.parent / "mask.png", HOLE[:20, :, None], depth="8")
    code, report, _ = restore(scene, "--mask", mask, "-o", scene.parent / "output.png")
    assert code == 1
    assert "40 x 20" in report["error"] and "40 x 30" in report["error"]


def test_empty_and_full_masks(scene):
    mask = save(scene.parent / "mask.png", np.zeros((30, 40, 1)), depth="8")
    picture, report = filled(scene, "--mask", mask)
    assert "empty" in report["warnings"][0]
    assert np.array_equal(np.rint(255 * picture.samples), SCENE)
    code, report, _ = restore(scene, "--mask", mask, "--invert-mask", "-o", scene.parent / "no.png")
    assert code == 1 and "whole picture" in report["error"]


@pytest.mark.parametrize("mask", ["#ff00f", "nowhere.png"])
def test_masks_that_make_no_sense(scene, mask):
    code, report, words = restore(scene, "--mask", mask)
    assert code == 2 and report is None and mask in words


def test_found_damage_is_filled_and_its_mask_written(tmp_path):
    y, x = np.mgrid[:60, :70]
    ground = np.uint8(120 + 60 * np.sin(x / 9) * np.cos(y / 7))
    damaged = ground.copy()
    damaged[10, 20] = damaged[40, 33] = damaged[30, 60] = 255
    Image.fromarray(damaged).save(tmp_path / "scene.png")
    picture, report = filled(tmp_path / "scene.png", "--detect", "dead-pixels", "--write-mask")
    assert np.abs(255 * picture.samples[..., 0] - ground).max() < 20
    mask = read_picture(tmp_path / "output" / "scene-mask.png").samples[..., 0]
    assert mask[10, 20] == mask[40, 33] == mask[30, 60] == 1 and mask.mean() < 0.01
    assert report["dead-pixels"].endswith("%")


def test_a_mask_and_found_damage_together(scene):
    mask = save(scene.parent / "mask.png", HOLE[..., None], depth="8")
    _, report = filled(scene, "--mask", mask, "--detect", "dust", "--write-mask")
    written = read_picture(scene.parent / "output" / "scene-mask.png").samples[..., 0]
    assert (written[HOLE] == 1).all()


def test_something_must_say_what_to_fill(scene):
    code, _, words = restore(scene)
    assert code == 2 and "--mask" in words and "--detect" in words
    code, _, words = restore(scene, "--detect", "dust", "--invert-mask")
    assert code == 2 and "--invert-mask" in words


def test_a_dictionary_fills(scene, tmp_path):
    Image.fromarray(255 * HOLE.astype(np.uint8)).save(tmp_path / "mask.png")
    found = [
        filled(scene, "--mask", tmp_path / "mask.png", *words)[0].samples
        for words in ((), ("--dictionary", "learn"), ("--dictionary", "colour"))
    ]
    for one, other in zip(found, found[1:]):
        assert np.array_equal(one[~HOLE], other[~HOLE])
        assert not np.array_equal(one, other)
    words = ("--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png", "--dictionary")
    code, report, _ = restore(scene, *words, "grey")
    assert code == 1 and "of grey patches, and colour ones are coded" in report["error"]
    assert restore(scene, *words, "none.npz")[::2] == (
        2, "there is no file none.npz; the names are learn, grey, colour"
    )  # fmt: skip


def test_kinds_of_damage_are_those_of_the_task(scene):
    assert DEFECTS == inpainting.DEFECTS
    code, _, words = restore(scene, "--detect", "dust,cracks")
    assert code == 2 and "'cracks' is none of scratches, hairs, dust, dead-pixels" in words
