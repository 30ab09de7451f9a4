"""``restore try`` shows what that part of a whole run would show."""

import click
import numpy as np
import pytest
from PIL import Image

from restore.cli import cli, trial
from restore.cli.options import PictureCommand
from restore.files.picture import Metadata, Picture
from restore.files.reading import read_picture
from restore.imaging.bands import Pool
from tests import HOUSE
from training.camera import as_jpeg

NOISY = HOUSE / "sample_images" / "chelsea-noisy.png"


def run(*words):
    return cli.main(list(map(str, words)), standalone_mode=False)


def tried(words, picture, region):
    part, within = trial._part(picture, region)
    return trial._tried(words, trial._parsed(words, "photo.png"), picture, part, within, Pool(1))


def test_a_part_is_that_of_the_whole():
    words = "denoise --quality fast --strength 1.3"
    picture = read_picture(NOISY)
    left, top, width, height = region = (200, 120, 48, 48)
    process, _ = trial._parsed(words, "photo.png")
    whole = process(picture, pool=Pool(1)).output.samples
    expected = whole[top : top + height, left : left + width]
    shown = tried(words, picture, region)
    removed = np.sqrt(np.mean((expected - picture.samples[120:168, 200:248]) ** 2))
    assert np.sqrt(np.mean((shown - expected) ** 2)) < 0.03 * removed


@pytest.mark.parametrize(
    "words", ["denoise --sigma 20", "denoise --noise camera", "demosaic --simulate --pattern RGGB"]
)
def test_groups_lie_as_in_the_whole(words):
    picture = read_picture(NOISY)
    wide = np.concatenate([picture.samples, picture.samples[:, ::-1]], axis=1)[60:260, :600]
    picture = Picture(np.ascontiguousarray(wide))
    process, _ = trial._parsed(words, "photo.png")
    whole = process(picture, pool=Pool(1)).output.samples
    part, _ = trial._part(picture, (450, 10, 40, 40))
    assert part.samples.shape[1] == 250 < 600
    shown = tried(words, picture, (450, 10, 40, 40))
    difference = 255 * np.abs(shown - whole[10:50, 450:490])
    assert difference.max() < 0.5 and np.sqrt(np.mean(difference**2)) < 0.02


@pytest.mark.parametrize(
    "words",
    [
        "deblur --gaussian 1",
        "deblur --kernel auto",
        "demosaic --simulate --pattern RGGB --sigma auto",
        "dejpeg",
        "super-resolve --sigma auto --quality fast",
    ],
)
def test_other_commands_measure_the_whole_as_well(words):
    samples = read_picture(NOISY).samples[:240, :256]
    if words == "dejpeg":
        samples, _ = as_jpeg(samples, 30, 2)
    picture = Picture(np.ascontiguousarray(samples))
    process, whole = trial._parsed(words, "photo.png")
    part = Picture(np.ascontiguousarray(picture.samples[:80, :80]))
    facts = [process(one, pool=Pool(1), whole=picture).facts for one in (part, picture)]
    for found in facts:
        for name in ("residuals", "error"):
            found.pop(name, None)
    assert whole and facts[0] == facts[1] and facts[0]


def test_what_is_measured_is_measured_on_the_whole():
    rng = np.random.default_rng(0)
    samples = np.full((400, 400, 1), 0.5, np.float32)
    samples += rng.normal(0, 0.1, samples.shape).astype(np.float32)
    samples[:, :200] = 0.5  # nothing to find here
    process, whole = trial._parsed("denoise --noise white --quality fast", "photo.png")
    assert whole
    part, _ = trial._part(Picture(samples), (0, 0, 64, 64))
    facts = process(part, pool=Pool(1), whole=Picture(samples)).facts
    assert facts["sigma"] == process(Picture(samples), pool=Pool(1)).facts["sigma"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_begin_where_blocks_begin_in_the_file(orientation):
    from restore.files.metadata import turned_back, upright

    rows, columns = np.mgrid[:500, :700]
    place = np.stack([rows, columns, 0 * rows], axis=2).astype(np.float32)
    metadata = Metadata(orientation=orientation)
    picture = Picture(np.ascontiguousarray(upright(place, orientation)), metadata=metadata)
    part, within = trial._part(picture, (230, 220, 90, 70))
    assert (np.array(turned_back(part.samples, orientation)[0, 0, :2]) % trial.STEP == 0).all()
    np.testing.assert_array_equal(part.samples[within], picture.samples[220:290, 230:320])


def test_a_sheet_has_a_cell_for_each_setting(tmp_path):
    Image.open(NOISY).crop((0, 0, 120, 100)).save(tmp_path / "photo.png")
    words = ("--with", "denoise --quality fast", "--with", "super-resolve --scale 2 --quality fast")
    assert run("try", tmp_path / "photo.png", *words, "--region", "10,20,60,40") == 0
    sheet = np.asarray(Image.open(tmp_path / "photo-trial.png"))
    assert sheet.shape == (80 + 20 + 16, 3 * 328 + 8, 3)
    photo = np.asarray(Image.open(tmp_path / "photo.png"))[20:60, 10:70]
    np.testing.assert_array_equal(sheet[28:108, 8:128][::2, ::2], photo)
    assert run("try", tmp_path / "photo.png", "--region", "100,20,60,40", "--overwrite") == 1


def test_the_region_is_where_there_is_detail():
    samples = np.full((900, 1200, 3), 0.5, np.float32)
    samples[600:640, 700:740] = np.indices((40, 40)).sum(0)[..., None] % 2
    left, top, width, height = trial._telling(samples)
    assert (width, height) == (trial.SIDE, trial.SIDE)
    assert left <= 700 and left + width >= 740 and top <= 600 and top + height >= 640


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "is no command that restores a part alone"),
        ("compress", "is no command that restores a part alone"),
        ("sense --simulate blocks:0.1", "is no command that restores a part alone"),
        ("train", "is no command that restores a part alone"),
        ("denoise --strength x", "is not a valid float"),
        ("denoise other.png", "names files itself"),
        ("denoise -o out.png", "--output is for whole files"),
        ("denoise 'unclosed", "No closing quotation"),
        ("inpaint", "say what to fill"),
        ("inpaint --detect dust --write-mask", "leave out other outputs"),
        ("denoise --uncertainty map.png", "leave out other outputs"),
    ],
)
def test_settings_that_cannot_be_tried_are_refused(words, sentence):
    with pytest.raises(click.UsageError, match=sentence):
        trial._parsed(words, "photo.png")


def test_every_picture_command_is_tried_the_same_way():
    root = click.Context(cli)
    for name in cli.list_commands(root):
        if isinstance(cli.get_command(root, name), PictureCommand) and name != "inpaint":
            if name not in trial.UNLIKE:
                words = f"{name} --gaussian 1" if name == "deblur" else name
                process, _ = trial._parsed(words, "photo.png")
                assert callable(process)
