"""``restore compress``, ``decompress`` and ``inspect``."""

import importlib
import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.files.picture import Metadata, Picture
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.sparse.dictionary import overcomplete_dct
from restore.tasks.compression import Codec
from tests import SAMPLES

Y, X = np.mgrid[:48, :40] / 40


def scene(channels):
    planes = [0.5 + 0.3 * np.sin(5 * X + c) * np.cos(4 * Y * X) for c in range(channels)]
    return np.stack(planes, -1).astype(np.float32)


def save(path, samples, alpha=None, depth="8", metadata=None):
    with whole_file(path) as file:
        picture = Picture(samples, alpha, depth, metadata or Metadata())
        write_pages(file, [picture], path.suffix[1:].replace("tif", "tiff").replace("jpg", "jpeg"))
    return path


def restore(*arguments):
    """(exit code, standard output, words) of a command in this process."""
    ran = CliRunner().invoke(cli, [str(word) for word in arguments], standalone_mode=False)
    if ran.exception is not None:
        return 2, "", str(ran.exception)
    return ran.return_value, ran.stdout, ran.stderr


def test_a_folder_goes_and_comes_back(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    save(folder / "grey.png", scene(1))
    save(folder / "colour.png", scene(3))
    code, out, words = restore("compress", folder, "-o", tmp_path / "small/", "--json")
    assert code == 0, words
    reports = [json.loads(line) for line in out.splitlines()]
    assert [report["size_out"] for report in reports] == [
        (tmp_path / "small" / f"{name}.ksvd").stat().st_size for name in ("colour", "grey")
    ]
    assert all(report["psnr"] > 30 and "bytes" not in report for report in reports)
    code, _, words = restore("decompress", tmp_path / "small", "-o", tmp_path / "again/")
    assert code == 0, words
    for name in ("grey", "colour"):
        wanted = read_picture(folder / f"{name}.png").samples
        found = read_picture(tmp_path / "again" / f"{name}.png").samples
        assert found.shape == wanted.shape
        assert np.sqrt(np.square(found - wanted).mean()) < 0.02


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_the_resolution_of_a_scan_survives(tmp_path, name):
    source = save(tmp_path / name, scene(1), metadata=Metadata(resolution=(600, 300, "inch")))
    assert restore("compress", source)[0] == 0
    assert restore("decompress", tmp_path / "a.ksvd", "-o", tmp_path / f"b{name}")[0] == 0
    across, down, unit = read_picture(tmp_path / f"b{name}").metadata.resolution
    factor = {"inch": 1, "cm": 2.54}[unit]
    assert (round(factor * across), round(factor * down)) == (600, 300)


@pytest.mark.parametrize("name", ["b.tif", "b.png"])
@pytest.mark.parametrize("strip", [[], ["--strip"]])
def test_a_picture_that_pillow_saved_turned_comes_back_upright(tmp_path, name, strip):
    importlib.import_module("restore.pillow")
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
    turned = np.dstack([pixels, pixels[::-1]])
    Image.fromarray(turned).save(tmp_path / "a.ksvd", lossless=True, exif=exif)
    code, _, words = restore("decompress", tmp_path / "a.ksvd", "-o", tmp_path / name, *strip)
    assert code == 0, words
    with Image.open(tmp_path / name) as opened:
        assert opened.getexif().get(0x0112, 1) == 1
        assert np.array_equal(np.asarray(opened), np.rot90(turned, -1))


def test_the_resolution_that_programs_invent_costs_no_bytes(tmp_path):
    source = save(tmp_path / "a.png", scene(1), metadata=Metadata(resolution=(96, 96, "inch")))
    assert restore("compress", source)[0] == 0
    report = json.loads(restore("inspect", "--json", tmp_path / "a.ksvd")[1])
    assert not report["sections"]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_depth_alpha_and_metadata_survive(tmp_path, name):
    alpha = np.linspace(0, 1, 48 * 40, dtype=np.float32).reshape(48, 40)
    icc = bytes(16) + b"RGB " + bytes(200)
    source = save(tmp_path / name, scene(3), alpha, "16", Metadata(icc=icc, xmp=b"<x/>"))
    assert restore("compress", source, "--quality", "90")[0] == 0
    code, _, words = restore(
        "decompress", tmp_path / "a.ksvd", "-o", tmp_path / f"b{source.suffix}"
    )
    assert code == 0, words
    wanted, found = read_picture(source), read_picture(tmp_path / f"b{source.suffix}")
    assert found.depth == "16"
    assert np.array_equal(found.alpha, wanted.alpha)
    assert found.metadata.icc == wanted.metadata.icc
    assert found.metadata.xmp == wanted.metadata.xmp
    code, _, _ = restore(
        "compress", source, "--strip-all", "-o", tmp_path / "bare.ksvd", "--quality", "90"
    )
    report = json.loads(restore("inspect", "--json", tmp_path / "bare.ksvd")[1])
    assert code == 0 and set(report["sections"]) == {"alpha"}


def test_lossless_says_so_in_the_record(tmp_path):
    source = save(tmp_path / "a.png", scene(3))
    for options, lossless in ((["--lossless"], True), ([], False)):
        code, out, words = restore("compress", source, "--json", "--overwrite", *options)
        assert code == 0, words
        report = json.loads(out)
        assert report["lossless"] == lossless and (report["psnr"] is None) == lossless
        found = json.loads(restore("inspect", "--json", tmp_path / "a.ksvd")[1])
        assert (found["method"] == "lossless") == lossless
        if lossless:
            restore("decompress", tmp_path / "a.ksvd", "-o", tmp_path / "b.png")
            again = read_picture(tmp_path / "b.png").samples
            assert np.array_equal(again, read_picture(source).samples)
    flat = save(tmp_path / "flat.png", np.kron(np.eye(9), np.ones((9, 9)))[..., None])
    assert json.loads(restore("compress", flat, "--json")[1])["lossless"]


def test_corrected_files_say_so_and_come_back(tmp_path):
    source = save(tmp_path / "a.png", scene(3))
    assert restore("compress", source, "--corrected", "--quality", "40")[0] == 0
    found = json.loads(restore("inspect", "--json", tmp_path / "a.ksvd")[1])
    assert found["corrected"] is True and found["version"] == 3
    assert restore("decompress", tmp_path / "a.ksvd", "-o", tmp_path / "b.png")[0] == 0
    assert read_picture(tmp_path / "b.png").samples.shape == scene(3).shape


@pytest.mark.parametrize("words, most", [("300", 300), ("0.3k", 300), ("300B", 300)])
def test_size_is_kept(tmp_path, words, most):
    source = save(tmp_path / "a.png", scene(3))
    assert restore("compress", source, "--size", words)[0] == 0
    assert (tmp_path / "a.ksvd").stat().st_size <= most


def test_what_cannot_be_is_said_and_writes_nothing(tmp_path):
    source = save(tmp_path / "a.png", scene(1))
    code, _, said = restore("compress", source, "--size", "10")
    assert code == 1 and "does not fit into 10 bytes" in said
    for arguments, words in (
        (["--size", "ten"], "no number of bytes"),
        (["--bpp", "1", "--psnr", "30"], "choose one of"),
        (["--bpp", "1", "--lossless"], "choose one of"),
        (["--lossless", "--model", "photos"], "--lossless needs no codec"),
        (["--lossless", "--corrected"], "--lossless needs no codec"),
        (["--corrected", "--dictionary", "grey"], "leave out --dictionary"),
        (["--model", "nowhere.npz"], "no file nowhere.npz"),
        (["--dictionary", "nowhere.npz"], "no file nowhere.npz; the names are grey, colour"),
        (["--dictionary", "learn"], "takes more bytes than it saves"),
        (["--dictionary", "grey", "--model", "photos"], "one of --model and --dictionary"),
        (["--quality", "0"], "1<=x<=100"),
    ):
        code, _, said = restore("compress", source, *arguments)
        assert code == 2 and words in said, said
    (tmp_path / "b.ksvd").write_bytes(b"\x8bK\r\n\x01\0\0")
    code, _, said = restore("decompress", tmp_path / "b.ksvd")
    assert code == 1 and "damaged or cut off" in said
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "b.ksvd"}


def test_inspect_goes_on_after_a_bad_file(tmp_path):
    restore("compress", save(tmp_path / "a.png", scene(1)))
    code, out, said = restore("inspect", tmp_path / "a.png", tmp_path / "a.ksvd")
    assert code == 1
    assert "no compressed picture" in said and "width: 40" in out


def test_a_dictionary_of_like_pictures_is_learned_and_asked_for(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(6):
        save(folder / f"{number}.png", np.roll(scene(1), 5 * number, axis=0))
    (folder / "notes.png").write_bytes(b"no picture")
    tifffile.imwrite(folder / "holes.tif", np.full((30, 30), np.nan, np.float32))
    learned = tmp_path / "mine.npz"
    code, out, words = restore("train", folder, "--model", "codec", "-o", learned, "--json")
    assert code == 0, words
    assert "notes.png: left out" in words and "holes.tif: left out" in words
    report = json.loads(out.splitlines()[-1])
    assert report["pictures"] == 6
    source = folder / "0.png"
    assert restore("compress", source, "--size", "200", "--model", learned)[0] == 0
    code, _, said = restore("decompress", folder / "0.ksvd", "-o", tmp_path / "again.png")
    digest = Codec.load(learned).digest.hex()
    assert code == 1 and digest[:8] in said and "--model" in said
    code, _, said = restore(
        "decompress", folder / "0.ksvd", "-o", tmp_path / "again.png", "--model", learned
    )
    assert code == 0, said
    error = read_picture(tmp_path / "again.png").samples - read_picture(source).samples
    assert np.sqrt(np.square(error).mean()) < 0.04


def test_codes_over_a_dictionary_need_it_again(tmp_path):
    mine, small, again = (tmp_path / name for name in ("mine.npz", "small.ksvd", "again.png"))
    overcomplete_dct(100, (8, 8, 1)).save(mine)
    source = SAMPLES / "chelsea-small.png"
    assert restore("compress", source, "-o", small, "--size", "1500", "--dictionary", mine)[0] == 0
    assert small.stat().st_size <= 1500
    code, _, said = restore("decompress", small, "-o", again)
    assert code == 1 and "give its file with --dictionary" in said
    assert restore("decompress", small, "-o", again, "--dictionary", mine)[0] == 0
    embedded = ("compress", source, "--overwrite", "-o", small, "--dictionary", mine, "--embed")
    assert restore(*embedded)[0] == 0
    assert restore("decompress", small, "--overwrite", "-o", again)[0] == 0
    packaged = ("compress", source, "--overwrite", "-o", small, "--dictionary", "colour")
    assert restore(*packaged)[0] == 0
    assert restore("decompress", small, "--overwrite", "-o", again)[0] == 0
