"""The command ``restore dejpeg``, and what ``restore denoise`` does to JPEG files."""

import json

import numpy as np
import pytest
from PIL import Image

from restore.files.reading import read_picture
from restore.imaging.measures import psnr
from tests import SAMPLES
from tests.cli.test_cli import restore

CLEAN = SAMPLES / "coffee-clean.png"


@pytest.fixture
def photo(tmp_path):
    """A small JPEG of quality 20, 4:2:0."""
    with Image.open(CLEAN) as image:
        image.crop((0, 0, 152, 104)).save(tmp_path / "photo.jpg", quality=20, subsampling=2)
    return tmp_path / "photo.jpg"


def clean():
    return read_picture(CLEAN).samples[:104, :152]


def test_a_file_tells_its_tables_and_becomes_a_png(photo):
    done = restore("dejpeg", photo, "--json")
    report = json.loads(done.stdout)
    assert report["output"].endswith("photo-dejpeg.png") and report["error"] > 1
    before, after = (read_picture(name).samples for name in (photo, report["output"]))
    assert psnr(clean(), after) > psnr(clean(), before) + 0.7


def test_sixteen_bits_on_request(photo):
    restore("dejpeg", photo, "-o", photo.with_name("out.png"), "--depth", "16")
    assert read_picture(photo.with_name("out.png")).depth == "16"


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_file_is_the_same_turned(photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = photo.with_name("turned.jpg")
    # the same stored samples: the file is copied, and only told to be turned
    data = photo.read_bytes()
    block = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    turned.write_bytes(
        data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
    )
    results = []
    for file in (photo, turned):
        restore("dejpeg", file, "-o", file.with_suffix(".png"))
        results.append(read_picture(file.with_suffix(".png")).samples)
    turns = {3: 2, 6: -1, 8: 1}[orientation]
    np.testing.assert_array_equal(results[1], np.rot90(results[0], turns))


def test_denoise_removes_artefacts_of_strong_jpeg_the_same_way(photo):
    for command in ("denoise", "dejpeg"):
        restore(command, photo, "-o", photo.with_name(f"{command}.png"))
    one, other = (read_picture(photo.with_name(f"{n}.png")).samples for n in ("denoise", "dejpeg"))
    np.testing.assert_array_equal(one, other)


def test_a_picture_without_a_trace_is_refused(tmp_path):
    done = restore("dejpeg", CLEAN, "-o", tmp_path / "out.png")
    assert done.returncode == 1 and "no trace of JPEG" in done.stderr
    assert not (tmp_path / "out.png").exists()
