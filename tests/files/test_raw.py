"""Camera raw files: developed by every command, and written as linear DNG files."""

import io
import json

import numpy as np
import pytest
import skimage.data
import tifffile
from click.testing import CliRunner

from restore.cli import cli
from restore.files import raw, reading
from restore.files.formats import PictureError
from restore.files.picture import to_unit, unwarned
from restore.imaging import camera as cameras
from restore.imaging.measures import psnr
from tests.files.raw_files import GAINS, MATRIX, measured, write_mosaic

rawpy = pytest.importorskip("rawpy")


def scene(side=96):
    """Linear sRGB of a photograph, without its dark borders."""
    photo = skimage.data.astronaut()[60 : 60 + side, 180 : 180 + side]
    return cameras.decoded(to_unit(photo))


def camera_light(light):
    """The balanced light that the made-up camera sees of linear sRGB."""
    matrix = np.linalg.inv(cameras.to_space(MATRIX, "srgb"))
    return np.clip(np.einsum("kc,ijc->ijk", matrix, light), 0, None)


def photograph(path, light, noise=0.0, **options):
    mosaic = measured(camera_light(light), options.get("pattern", "RGGB"))
    if noise:
        random = np.random.default_rng(4)
        mosaic = np.clip(mosaic + random.normal(0, noise, mosaic.shape), 0, 16383).round()
    write_mosaic(path, mosaic.astype(np.uint16), **options)
    return path


def run(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    assert done.exception is None, done.output
    return done.return_value or 0, done.stderr, done.stdout


def picture(path):
    return reading.read_picture(path)


def test_each_command_develops_a_raw_file_to_what_was_photographed(tmp_path):
    light = scene()
    path = photograph(tmp_path / "photo.dng", light)
    wanted = cameras.encoded(light)
    for words in (
        ("demosaic",),
        ("denoise", "--sigma", "0"),
        ("inpaint", "--detect", "dead-pixels"),
    ):
        out = tmp_path / f"{words[0]}.png"
        code, said, _ = run(*words, path, "-o", out)
        assert code == 0, said
        found = picture(out)
        assert found.depth == "16"
        assert psnr(wanted, found.samples) > 33, words
    code, said, _ = run("super-resolve", "--scale", 2, path, "-o", tmp_path / "large.tif")
    assert code == 0 and picture(tmp_path / "large.tif").samples.shape == (192, 192, 3), said
    code, said, _ = run("compress", path, "-o", tmp_path / "photo.ksvd")
    assert code == 0, said


def test_folders_are_searched_for_raw_files(tmp_path):
    (tmp_path / "in").mkdir()
    photograph(tmp_path / "in/photo.DNG", scene(32))
    code, said, _ = run("denoise", tmp_path / "in", "-o", f"{tmp_path}/out/")
    assert code == 0, said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.tif"]


def test_linear_results_and_other_colours(tmp_path):
    light = scene()
    path = photograph(tmp_path / "photo.dng", light)
    of_camera = camera_light(light)
    wanted = {
        ("--linear",): light,
        ("--linear", "--colour-space", "camera"): of_camera,
        ("--colour-space", "camera"): cameras.encoded(of_camera),
    }
    for words, values in wanted.items():
        out = tmp_path / "out.tif"
        assert run("demosaic", path, *words, "-o", out, "--overwrite")[0] == 0
        assert psnr(np.clip(values, 0, 1).astype(np.float32), picture(out).samples) > 33, words


def test_prophoto_is_told_by_a_profile_that_leads_back_to_srgb(tmp_path):
    from PIL import Image, ImageCms

    light = scene()
    path = photograph(tmp_path / "photo.dng", light)
    for words in (("--colour-space", "prophoto"), ("--linear",)):
        out = tmp_path / "out.png"
        assert run("demosaic", path, *words, "--depth", 8, "-o", out, "--overwrite")[0] == 0
        found = picture(out)
        source = ImageCms.ImageCmsProfile(io.BytesIO(found.metadata.icc))
        image = Image.fromarray((255 * found.samples).round().astype(np.uint8))
        back = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
        # of linear 8 bits little is left in the dark
        middle = cameras.encoded(light) > 0.3
        error = np.abs(np.asarray(back) / 255 - cameras.encoded(light))[middle]
        assert np.median(error) < 0.012, words


def test_a_white_wall_beyond_white_is_white_without_fringes(tmp_path):
    light = np.full((64, 64, 3), 0.2, np.float32)
    light[:, 32:] = 4
    path = photograph(tmp_path / "photo.dng", light)
    assert run("demosaic", path, "-o", tmp_path / "out.tif")[0] == 0
    found = picture(tmp_path / "out.tif").samples
    assert (found[:, 40:] > 0.999).all()
    assert np.ptp(found, axis=2).max() < 0.04


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_applied_once(tmp_path, orientation):
    light = np.full((48, 64, 3), 0.1, np.float32)
    light[:24, :32] = 0.8
    path = photograph(tmp_path / "photo.dng", light, orientation=orientation)
    assert run("demosaic", path, "--quality", "fast", "-o", tmp_path / "out.tif")[0] == 0
    found = picture(tmp_path / "out.tif")
    rows, columns = np.nonzero(found.samples[..., 1] > 0.6)
    place = rows.mean() < found.samples.shape[0] / 2, columns.mean() < found.samples.shape[1] / 2
    wanted = {1: (True, True), 3: (False, False), 6: (True, False), 8: (False, True)}[orientation]
    assert place == wanted and found.metadata.orientation == 1
    assert found.samples.shape[:2] == ((48, 64) if orientation in (1, 3) else (64, 48))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].tags[271].value == "Maker"


def test_noise_is_taken_out_in_the_mosaic(tmp_path):
    light = scene(192)
    path = photograph(tmp_path / "photo.dng", light, noise=300)
    wanted = cameras.encoded(light)
    found = {}
    for name, words in {
        "plain": ("demosaic",),
        "told": ("demosaic", "--sigma", 255 * 300 / 15871),
        "blind": ("demosaic", "--sigma", "auto"),
        "denoise": ("denoise",),
    }.items():
        code, said, out = run(*words, path, "--json", "-o", tmp_path / f"{name}.tif")
        assert code == 0, said
        found[name] = psnr(wanted, picture(tmp_path / f"{name}.tif").samples)
        if name == "blind":
            assert abs(json.loads(out)["sigma"] / (255 * 300 / 15871) - 1) < 0.25
    assert found["told"] > found["plain"] + 3
    assert found["blind"] > found["told"] - 0.3
    assert found["denoise"] == found["blind"]


def test_the_noise_profile_of_the_file_is_taken(tmp_path):
    path = tmp_path / "photo.dng"
    mosaic = measured(camera_light(scene(64)))
    write_mosaic(path, mosaic, noise=(2e-4, 3e-6))
    code, _, out = run("denoise", path, "--json", "-o", tmp_path / "out.tif")
    assert code == 0
    facts = json.loads(out)
    assert facts["poisson_gain"] == pytest.approx(255 * 2e-4, rel=0.01)
    assert facts["sigma"] == pytest.approx(255 * 3e-6**0.5, rel=0.01)


def test_options_that_do_not_go_with_raw_files_are_refused(tmp_path):
    path = photograph(tmp_path / "photo.dng", scene(32))
    code, said, _ = run("denoise", path, "--strength", 2)
    assert code == 1 and "only --sigma goes with that" in said
    code, said, _ = run("demosaic", path, "--simulate")
    assert code == 1 and "--simulate" in said
    code, said, _ = run("demosaic", path, "-o", tmp_path / "out.dng", "--linear")
    assert code == 1 and "leave out --colour-space and --linear" in said


def test_colours_that_are_not_known_are_refused_by_name(tmp_path):
    path = tmp_path / "photo.dng"
    write_mosaic(path, measured(camera_light(scene(32))), matrix=np.zeros((3, 3)))
    with open(path, "rb") as file:
        (page,) = reading.read_pages(file, raw=True)
    blind = page.metadata.camera.replace(matrix=None)
    page = page.replace(metadata=page.metadata.replace(camera=blind))
    with pytest.raises(ValueError, match="--colour-space camera"):
        raw.developed(page, quality="fast")


def test_every_truncation_is_refused(tmp_path, capfd):
    data = photograph(tmp_path / "photo.dng", scene(64)).read_bytes()
    for length in [*range(1, 60), *range(60, len(data) - 2, 301), len(data) - 3]:
        with pytest.raises(PictureError):
            list(reading.read_pages(io.BytesIO(data[:length]), raw=True))
    assert not capfd.readouterr().err


def test_damaged_raw_files_end_in_a_sentence_or_a_picture(tmp_path, capfd):
    from tests.batch.test_fuzz import mutated

    random = np.random.default_rng(9)
    path = photograph(tmp_path / "photo.dng", scene(64))
    assert run("demosaic", "--quality", "fast", path, "-o", tmp_path / "linear.dng")[0] == 0
    files = [path.read_bytes(), (tmp_path / "linear.dng").read_bytes()]
    capfd.readouterr()
    found = 0
    for number in range(300):
        data = io.BytesIO(mutated(files[number % 2], random))
        try:
            with unwarned():
                pages = list(reading.read_pages(data, raw=True, max_pixels=10**6))
                if pages[0].metadata.camera:
                    raw.developed(pages[0], quality="fast")
            found += 1
        except ValueError as error:
            assert "\n" not in str(error) and "b'" not in str(error)
    assert 30 < found < 270
    assert not capfd.readouterr().err


# --- Linear DNG files -----------------------------------------------------------------


def test_a_linear_dng_is_developed_as_the_raw_file_would_be(tmp_path):
    light = scene()
    path = photograph(tmp_path / "photo.dng", light, orientation=6)
    code, said, _ = run("denoise", "--sigma", 0, path, "-o", tmp_path / "linear.dng")
    assert code == 0, said
    with tifffile.TiffFile(tmp_path / "linear.dng") as file:
        page = file.pages[0]
        assert page.photometric == tifffile.PHOTOMETRIC.LINEAR_RAW
        assert page.shape == (96, 96, 3) and page.dtype == np.uint16
        neutral = np.array(page.tags[50728].value).reshape(3, 2)
        np.testing.assert_allclose(
            neutral[:, 0] / neutral[:, 1], [1 / gain for gain in GAINS], atol=1e-4
        )
        matrix = np.array(page.tags[50721].value).reshape(9, 2)
        np.testing.assert_allclose(matrix[:, 0] / matrix[:, 1], MATRIX.ravel(), atol=1e-3)
        assert bytes(page.tags[50706].value)[:2] == b"\1\4" and page.tags[271].value == "Maker"
        stored = page.asarray() / 65535
    turned = np.rot90(camera_light(light), -1)
    assert psnr(np.float32(np.clip(turned / GAINS, 0, 1)), np.float32(stored)) > 36
    with rawpy.imread(str(tmp_path / "linear.dng")) as file:
        np.testing.assert_allclose(
            np.array(file.camera_whitebalance[:3]) / file.camera_whitebalance[1], GAINS, rtol=1e-3
        )
        np.testing.assert_allclose(
            file.color_matrix[:, :3], cameras.to_space(MATRIX, "srgb"), atol=0.01
        )
        theirs = file.postprocess(
            use_camera_wb=True, no_auto_bright=True, gamma=(1, 1), output_bps=16, user_flip=0
        )
    assert psnr(np.float32(np.rot90(np.clip(light, 0, 1), -1)), np.float32(theirs / 65535)) > 33
    # and this program takes it for the raw file, too
    assert run("denoise", "--sigma", 0, tmp_path / "linear.dng", "-o", tmp_path / "a.tif")[0] == 0
    found = picture(tmp_path / "a.tif").samples
    assert psnr(np.rot90(cameras.encoded(light), -1), found) > 33


def test_a_dng_is_made_of_raw_files_only(tmp_path):
    from restore.files.picture import Picture
    from tests.files.picture_files import encode

    with pytest.raises(PictureError, match="camera raw files only"):
        encode(Picture(scene(32)), "dng")
