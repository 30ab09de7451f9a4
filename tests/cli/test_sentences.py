"""Sentences that say what to do instead, before any work is done."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from restore.cli.demosaic import Stored, demosaic_picture
from restore.cli.denoise import denoise_picture
from restore.cli.super_resolve import enlarge_picture
from restore.files.picture import Picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.imaging.bands import Pool
from restore.tasks.denoising.dictionary import Classic

random = np.random.default_rng(0)


def restore(*words):
    """Exit code and all that is said."""
    done = CliRunner().invoke(cli, list(map(str, words)))
    result = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
    code = done.exit_code if result.exception is not None else result.return_value
    return code, " ".join((done.output + result.output).split())


@pytest.fixture
def picture(tmp_path):
    with whole_file(tmp_path / "a.png") as file:
        write_pages(file, [Picture(np.float32(random.random((12, 10, 1))))], "png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("superresolve", "did you mean super-resolve?"),
        ("super_resolve", "did you mean super-resolve?"),
        ("upscale", "did you mean super-resolve?"),
        ("denose", "did you mean denoise?"),
        ("debayer", "did you mean demosaic?"),
        ("deblock", "did you mean dejpeg?"),
        ("xyz", "No such command 'xyz'."),
    ],
)
def test_other_names_of_commands(words, sentence):
    code, said = restore(words, "a.png")
    assert code == 2 and sentence in said


def test_a_picture_is_not_decompressed(picture):
    for more in ([], ["-o", picture.parent / "b.png"], ["--overwrite"]):
        code, said = restore("decompress", picture, *more)
        assert code == 1 and "this is a PNG picture, not a .ksvd file" in said
        assert "the input itself" not in said


@pytest.mark.parametrize("command, target", [("denoise", "b.png"), ("compress", "b.ksvd")])
def test_a_second_name_is_no_output(picture, command, target):
    for name in (target, "folder/"):
        target = f"{picture.parent}/{name}"
        code, said = restore(command, picture, target)
        assert code == 2 and f"write -o {target}" in said
    assert [path.name for path in picture.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    "words", ["denoise {}", "compress {}", "denoise {} --estimate-only", "train {} -o {}/d.npz"]
)
def test_folders_of_other_pictures(tmp_path, words):
    for name in ("a.exr", "b.PSD", "c.txt"):
        (tmp_path / name).touch()
    code, said = restore(*words.replace("{}", str(tmp_path)).split())
    assert code == 3
    assert "no picture found in what was named: .exr and .psd files are not read" in said


def test_another_picture(tmp_path):
    (tmp_path / "a.exr").write_bytes(b"v/1\x01" + bytes(40))
    code, said = restore("denoise", tmp_path / "a.exr")
    assert code == 1 and "an OpenEXR picture, which is not supported: convert it" in said


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_mosaic_of_fewer_bits_than_its_file(tmp_path, bits):
    mosaic = random.integers(0, 2**bits, (16, 16, 1)) / 65535
    mosaic[3, 4] = (2**bits - 1) / 65535
    with whole_file(tmp_path / "a.png") as file:
        write_pages(file, [Picture(np.float32(mosaic), None, "16")], "png")
    words = ["demosaic", tmp_path / "a.png", "--pattern", "RGGB", "--quality", "fast"]
    hint = f"if the camera has {bits} bits, use --white {2**bits - 1}"
    assert hint in restore(*words)[1]
    assert hint in restore(*words, "--wb", "2,1,1.5", "--overwrite")[1]
    assert "if the camera has" not in restore(*words, "--white", 2**bits - 1, "--overwrite")[1]


def test_both_kinds_of_damage_are_filled(tmp_path):
    samples = np.full((96, 96, 1), 0.4) + 0.02 * random.random((96, 96, 1))
    samples[30:60, 50] = 1
    samples[70, 20] = 1
    with whole_file(tmp_path / "a.png") as file:
        write_pages(file, [Picture(np.float32(samples))], "png")
    both = ["--detect", "scratches,dust"]
    done = CliRunner().invoke(
        cli, ["inpaint", str(tmp_path / "a.png"), *both, "--json"], standalone_mode=False
    )
    report = json.loads(done.stdout)
    assert done.return_value == 0 and {"scratches", "dust", "filled"} <= set(report)
    alone = []
    for kind in ("scratches", "dust"):
        words = ["inpaint", tmp_path / "a.png", "--detect", kind, "--json", "--overwrite"]
        one = CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)
        alone.append(json.loads(one.stdout)[kind])
    assert [report["scratches"], report["dust"]] == alone


@pytest.mark.parametrize("quality", ["fast", "balanced"])
@pytest.mark.parametrize("task", ["denoise", "demosaic", "super-resolve"])
def test_one_picture_has_one_bar_with_a_total(task, quality):
    told = []
    pool = Pool(2, progress=lambda *step: told.append(step))
    colour = Picture(np.float32(random.random((40, 36, 3))))
    if task == "denoise":
        given = {"sigma": 20, "white": None, "poisson_gain": None, "blend": 0, "strength": 1}
        given |= {"noise": "auto", "chroma_strength": 1, "keep_grain": 0, "dictionary": None}
        given |= dataclasses.asdict(Classic())
        denoise_picture(colour, pool=pool, **given, quality=quality)
    elif task == "demosaic":
        given = {"stored": Stored("RGGB", simulate=True)}
        given |= {"sigma": 0, "model": None, "dictionary": None}
        demosaic_picture(colour, pool=pool, **given, quality=quality)
    else:
        given = {"scale": 2, "width": None, "height": None, "max_side": None, "model": None}
        given |= {"sigma": 0, "white": None, "degradation": "auto"}
        enlarge_picture(
            colour, pool=pool, max_pixels=10**6, dictionary=None, quality=quality, **given
        )
    assert len({(stage, total) for stage, _, total in told}) == 1
    parts = [done / total for _, done, total in told]
    assert parts == sorted(parts) and parts[-1] > 0.8
