"""The command ``restore denoise``."""

import json
import os

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from restore.cli import cli
from restore.files.reading import read_picture
from tests import SAMPLES
from tests.cli.commands import restore, save


def here(*arguments):
    """The command in this process: (exit code, what it says on standard error)."""
    result = CliRunner().invoke(cli, [str(word) for word in arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    return result.return_value, result.stderr


FAST = ["--dictionary", "grey", "--sigma", "10", "--stride", "4"]


def random_levels(shape, depth):
    levels = np.random.default_rng(3).random(shape).astype(np.float32)
    return levels * 4003 - 3 if depth == "f32" else levels


@pytest.mark.parametrize(
    "name, depth",
    [("a.png", "8"), ("a.png", "16"), ("a.tiff", "8"), ("a.tiff", "16"), ("a.tiff", "f32")],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_sigma_0_is_the_identity(tmp_path, name, depth, channels):
    source = save(tmp_path / name, random_levels((30, 20, channels), depth), depth)
    result = tmp_path / f"b.{name[2:]}"
    assert here("denoise", source, "--sigma", "0", "-o", result)[0] == 0
    before, after = read_picture(source), read_picture(result)
    assert after.depth == depth
    np.testing.assert_array_equal(before.samples, after.samples)


def test_denoise_denoises_and_says_how_well(tmp_path):
    noisy, clean = SAMPLES / "camera-noisy.png", SAMPLES / "camera-clean.png"
    arguments = [*("denoise", noisy, "-o", tmp_path / "a.png", "--dictionary", "grey")]
    done = restore(*arguments, "--stride", 2, "--json", "--reference", clean)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    before = json.loads(restore("compare", clean, noisy, "--json").stdout)
    assert report["psnr"] > before["psnr"] + 4
    assert report["sigma"] > 5
    after = json.loads(restore("compare", clean, tmp_path / "a.png", "--json").stdout)
    assert after["psnr"] == report["psnr"] and after["ssim"] == report["ssim"]


def test_only_the_noise_is_printed(tmp_path):
    noisy = SAMPLES / "camera-noisy.png"
    done = restore("denoise", noisy, "--estimate-only", "--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert 5 < report["sigma"][0] < 60 and report["noise"] == "white"
    assert not list(tmp_path.iterdir())
    assert restore("denoise", tmp_path / "no.png", "--estimate-only").returncode == 1
    (tmp_path / "empty").mkdir()
    assert restore("denoise", tmp_path / "empty", "--estimate-only").returncode == 3


@pytest.mark.parametrize("kind", ["white", "photon"])
def test_the_noise_is_drawn_against_brightness(tmp_path, kind):
    random = np.random.default_rng(0)
    light = np.tile(np.linspace(20, 230, 256), (256, 1))
    noise = 12 if kind == "white" else np.sqrt(light)
    picture = np.clip(np.rint(light + noise * random.standard_normal(light.shape)), 0, 255)
    imageio.imwrite(tmp_path / "noisy.png", picture.astype(np.uint8))
    drawn = tmp_path / "drawn.png"
    done = restore("denoise", tmp_path / "noisy.png", "--estimate-only", "--picture", drawn)
    assert done.returncode == 0 and f"{kind} noise" in done.stdout
    dark = np.argwhere(read_picture(drawn).samples[40:-50, 60:-20].mean(axis=2) < 0.3)
    left, right = (dark[abs(dark[:, 1] - x) < 30, 0].mean() for x in (60, 300))
    assert abs(left - right) < 12 if kind == "white" else left > right + 40
    again = restore("denoise", tmp_path / "noisy.png", "--estimate-only", "--picture", drawn)
    assert again.returncode == 2 and "exists" in again.stderr
    two = ("denoise", tmp_path, "--estimate-only", "--picture", tmp_path / "more.png")
    assert "one picture, not of 2" in restore(*two).stderr
    alone = restore("denoise", tmp_path / "noisy.png", "--picture", drawn)
    assert alone.returncode == 2 and "goes with --estimate-only" in alone.stderr


def test_the_gain_of_photons_is_found(tmp_path):
    clean = read_picture(SAMPLES / "camera-clean.png").samples[100:340, 100:340, 0]
    counts = 100 + 20 * np.random.default_rng(0).poisson(200 * clean)
    tifffile.imwrite(tmp_path / "cells.tif", counts.astype(np.uint16))
    gain, pedestal = 20 * 255 / 65535, 100 * 255 / 65535
    printed = restore("denoise", tmp_path / "cells.tif", "--estimate-only", "--json").stdout
    photons = json.loads(printed)["photons"]
    assert photons["gain"] == pytest.approx(gain, rel=0.15)
    assert photons["pedestal"] == pytest.approx(pedestal, abs=0.5)
    words = ["denoise", tmp_path / "cells.tif", "--poisson-gain", "auto", "--quality", "fast"]
    done = restore(*words, "-o", tmp_path / "out.tif", "--json")
    assert json.loads(done.stdout)["poisson_gain"] == photons["gain"]
    found = tifffile.imread(tmp_path / "out.tif")
    errors = [np.std(picture - (100 + 4000 * clean)) for picture in (counts, found.astype(float))]
    assert found.dtype == np.uint16 and errors[1] < 0.6 * errors[0]
    done = restore(*words, "--sigma", 5, "-o", tmp_path / "two.tif")
    assert done.returncode == 2 and "leave out --sigma" in done.stderr


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--atoms", "9"], "go with --dictionary learn"),
        (["--patch-size", "9", "--dictionary", "grey"], "go with --dictionary learn"),
        (["--stride", "2"], "go with --dictionary"),
        (["--dictionary", "none.npz"], "no file none.npz; the names are learn, grey, colour"),
    ],
)
def test_settings_that_do_not_go_together_are_wrong_usage(words, sentence):
    result = CliRunner().invoke(cli, ["denoise", "a.png", *words])
    assert result.exit_code == 2 and sentence in " ".join(result.output.split())


def test_the_noise_of_every_page_is_printed(tmp_path):
    noise = np.random.default_rng(0).standard_normal((2, 64, 64))
    stack = (128 + noise * [[[5]], [[20]]]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    words = ["denoise", str(tmp_path / "stack.tif"), "--estimate-only"]
    told = CliRunner().invoke(cli, [*words, "--json"], standalone_mode=False).stdout
    first, second = map(json.loads, told.splitlines())
    assert (first["page"], second["page"]) == (1, 2)
    assert first["sigma"][0] == pytest.approx(5, rel=0.2)
    assert second["sigma"][0] == pytest.approx(20, rel=0.2)
    said = CliRunner().invoke(cli, words, standalone_mode=False).stdout
    assert [line.split()[1:3] for line in said.splitlines()] == [["page", "1"], ["page", "2"]]
    one = CliRunner().invoke(cli, [*words, "--page", "2"], standalone_mode=False).stdout
    assert one.split()[1:] == said.split()[-3:]


def test_the_gain_of_photons_is_found_page_by_page(tmp_path):
    clean = read_picture(SAMPLES / "camera-clean.png").samples[100:340, 100:340, 0]
    rng = np.random.default_rng(0)
    pages = [rng.poisson(clean * 60) / 60, clean + 0.1 * rng.standard_normal(clean.shape)]
    pages = [*np.float32(pages), rng.poisson(clean * 40).astype(np.float32) / 40]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(pages), photometric="minisblack")
    words = ("--quality", "fast")
    done = restore("denoise", tmp_path / "stack.tif", "-o", tmp_path / "out.tif", *words, "--json")
    report = json.loads(done.stdout)
    assert [gain is None for gain in report["poisson_gain"]] == [False, True, False]
    assert report["noise"] == ["photon", "white", "photon"] and len(report["sigma"]) == 3
    found = tifffile.imread(tmp_path / "out.tif")
    assert found.shape == (3, *clean.shape)
    for number, page in enumerate(pages, 1):
        given = tmp_path / f"{number}.tif", "--page", number, "-o", tmp_path / f"{number}.tif"
        assert here("denoise", tmp_path / "stack.tif", *given[1:], *words)[0] == 0
        np.testing.assert_array_equal(tifffile.imread(given[0]), found[number - 1])
        assert np.std(found[number - 1] - clean) < 0.6 * np.std(page - clean)


def test_blend_and_strength(tmp_path):
    source = save(tmp_path / "a.tiff", random_levels((30, 20, 1), "f32") / 4003, "f32")
    results = {}
    for name, arguments in {"a": [], "b": ["--blend", "1"], "c": ["--strength", "0"]}.items():
        target = tmp_path / f"out-{name}.tiff"
        assert here("denoise", source, "--sigma", "20", "-o", target, *arguments)[0] == 0
        results[name] = read_picture(target).samples
    np.testing.assert_allclose(results["b"], read_picture(source).samples, atol=1e-6)
    np.testing.assert_array_equal(results["c"], read_picture(source).samples)
    assert not np.allclose(results["a"], results["b"])


def test_sigma_is_in_the_unit_of_counts_or_in_levels_of_white(tmp_path):
    noisy = read_picture(SAMPLES / "camera-noisy.png").samples[100:150, 100:160]
    source = save(tmp_path / "a.tiff", 4095 * noisy, "f32")
    results = {}
    for name, words in {"own": ["200"], "white": [200 * 255 / 4095, "--white", "4095"]}.items():
        target = tmp_path / f"{name}.tiff"
        code, said = here("denoise", source, *FAST, "--sigma", *words, "-o", target)
        assert code == 0 and ("--sigma 200 is taken in their unit" in said) == (name == "own")
        results[name] = read_picture(target).samples
    np.testing.assert_allclose(results["own"], results["white"], atol=0.5)
    report = json.loads(restore("denoise", source, "--quality", "fast", "--json").stdout)
    assert report["unit"] == "of the samples" and 50 < report["sigma"] < 800
    words = ("denoise", source, "--estimate-only", "--json", "--white", "4095")
    (level,) = json.loads(restore(*words).stdout)["sigma"]
    assert level == pytest.approx(report["sigma"] * 255 / 4095, rel=1e-3)


def test_a_16_bit_ramp_keeps_its_levels(tmp_path):
    ramp = np.tile(np.linspace(0.4, 0.6, 200, dtype=np.float32), (40, 1))[..., None]
    noise = np.random.default_rng(1).standard_normal(ramp.shape, np.float32) * np.float32(0.02)
    source = save(tmp_path / "a.png", ramp + noise, "16")
    assert here("denoise", source, *FAST)[0] == 0
    result = read_picture(tmp_path / "a-denoised.png")
    assert result.depth == "16" and len(np.unique(result.samples)) > 256


def test_any_jobs_and_threads_give_the_same_bytes(tmp_path):
    for number in range(3):
        save(tmp_path / f"in/{number}.png", random_levels((70, 60, 1), "8"))
    results = []
    for number, settings in enumerate([(1, 1), (1, 3), (3, 1)]):
        jobs, threads = settings
        folder = tmp_path / f"out{number}"
        done = restore("denoise", tmp_path / "in", "-o", folder, *FAST, "-j", jobs, "-t", threads)
        assert done.returncode == 0
        results.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert len(results[0]) == 3
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("cpus", [{0}, None])
def test_few_processors_are_respected(tmp_path, cpus):
    source = save(tmp_path / "a.png", random_levels((30, 20, 1), "8"))

    def pinned():
        if cpus:
            os.sched_setaffinity(0, cpus)

    done = restore("denoise", source, *FAST, preexec_fn=pinned)
    assert done.returncode == 0


def test_tiny_and_odd_sizes(tmp_path):
    for height in (1, 2, 7, 8, 9, 17):
        for width in (1, 3, 8, 16):
            save(tmp_path / f"in/{height}x{width}.png", random_levels((height, width, 1), "8"))
    folders = [tmp_path / "in", "-o", tmp_path / "out"]
    assert here("denoise", *folders, "--dictionary", "grey", "--sigma", "20")[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 24
    for result in (tmp_path / "out").iterdir():
        shape = tuple(int(side) for side in result.stem.split("x"))
        assert read_picture(result).samples.shape == (*shape, 1)


def test_samples_that_are_not_numbers_come_back_and_do_not_spread(tmp_path):
    samples = random_levels((40, 40, 1), "8") * np.float32(0.1) + np.float32(0.5)
    source = save(tmp_path / "a.tiff", samples, "f32")
    samples[20, 10] = np.nan
    holed = save(tmp_path / "b.tiff", samples, "f32")
    for name in (source, holed):
        assert here("denoise", name, *FAST)[0] == 0
    whole = read_picture(tmp_path / "a-denoised.tiff").samples
    result = read_picture(tmp_path / "b-denoised.tiff").samples
    assert np.isnan(result[20, 10]).all() and np.isnan(result).sum() == 1
    far = np.hypot(*np.ogrid[-20:20, -10:30]) > 12
    np.testing.assert_array_equal(result[far], whole[far])


@pytest.mark.parametrize("value", [0, 1, np.nan])
def test_pictures_of_one_value(tmp_path, value):
    source = save(tmp_path / "a.tiff", np.full((20, 20, 1), value, np.float32), "f32")
    for options in ([], ["--sigma", "10"]):
        assert here("denoise", source, *options, "--overwrite", "--dictionary", "grey")[0] == 0
        result = read_picture(tmp_path / "a-denoised.tiff").samples
        np.testing.assert_allclose(result, value, atol=1e-5)


def test_a_bad_dictionary_is_one_line(tmp_path):
    source = save(tmp_path / "a.png", random_levels((20, 20, 1), "8"))
    (tmp_path / "bad.npz").write_text("hello")
    for dictionary in (tmp_path / "bad.npz", "colour"):
        code, said = here("denoise", source, "--dictionary", dictionary, "--sigma", "10")
        assert code == 1 and said.count("\n") == 1
        assert "Traceback" not in said and "--debug" not in said
    assert not (tmp_path / "a-denoised.png").exists()
