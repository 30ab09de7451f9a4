"""Damaged files: one line or a whole result, soon, and nothing else.

``FUZZ=10000 pytest tests/test_fuzz.py -k compressed`` tries as many compressed files.
"""

import functools
import io
import os
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from restore import batch
from restore.cli.decompress import decompress_bytes
from restore.files import png, reading, writing
from restore.files.formats import FORMATS
from restore.files.picture import Metadata, Picture, to_depth, to_unit, unwarned
from restore.imaging.bands import Pool
from restore.tasks.compression import Extras, compress
from tests.invert_command import invert_picture

try:
    import pillow_heif
except ImportError:
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()

MUTATIONS = 2000
COMPRESSED = int(os.environ.get("FUZZ", 400))


def seeds():
    """A few small files of every format."""
    random = np.random.default_rng(7)
    icc = bytes(16) + b"RGB " + bytes(200)
    for name, format in FORMATS.items():
        for depth in format.depths if name != "dng" else ():
            samples = random.random((12, 15, format.channels[-1])).astype(np.float32)
            if depth != "f32":
                samples = to_unit(to_depth(samples, depth))
            profile = icc if format.profile and format.channels[-1] == 3 else None
            metadata = Metadata(icc=profile, xmp=b"<x/>", resolution=(300, 300, "inch"))
            file = io.BytesIO()
            pages = [Picture(samples, None, depth, metadata)] * (2 if name == "tiff" else 1)
            with unwarned():
                writing.write_pages(file, pages, name)
            yield file.getvalue()
    image = Image.fromarray(random.integers(0, 256, (12, 15), dtype=np.uint8))
    for name in ("GIF", "HEIF") if pillow_heif else ("GIF",):
        file = io.BytesIO()
        image.save(file, name)
        yield file.getvalue()


def mutated(data, random):
    """`data` with one to four bytes or stretches changed, cut out, doubled or cut off."""
    data = bytearray(data)
    for _ in range(random.integers(1, 5)):
        # headers are where decoders trust what they read
        reach = len(data) if random.random() < 0.4 else min(len(data), 200)
        place = int(random.integers(0, max(1, reach)))
        match random.integers(0, 5):
            case 0 | 1:
                data[place : place + 1] = random.bytes(1)
            case 2:
                width = int(random.choice([2, 4]))
                extreme = random.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
                order = "little" if random.random() < 0.5 else "big"
                data[place : place + width] = (int(extreme) % 256**width).to_bytes(width, order)
            case 3:
                del data[place : place + int(random.integers(1, 30))]
            case _:
                data[place:place] = data[place : place + int(random.integers(1, 30))]
    return bytes(data)


def with_right_checksums(data):
    """A mutated PNG whose checksums fit again, so that the damage gets past them."""
    chunks, position = [], 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        chunks.append(
            (data[position + 4 : position + 8], data[position + 8 : position + 8 + length])
        )
        position += 12 + length
    return png.PNG_SIGNATURE + png._packed(chunks)


@pytest.mark.parametrize("part", range(4))
def test_damage_ends_in_a_line_or_a_whole_result(tmp_path, capfd, part):
    random = np.random.default_rng(part)
    files = list(seeds())
    (tmp_path / "in").mkdir()
    for number in range(MUTATIONS // 4):
        data = mutated(files[number % len(files)], random)
        if data.startswith(png.PNG_SIGNATURE) and random.random() < 0.7:
            data = with_right_checksums(data)
        (tmp_path / f"in/{number}.png").write_bytes(data)
    start = time.perf_counter()
    options = batch.Options(output=str(tmp_path / "out"), format="tif", max_pixels=10**6)
    assert batch.run(invert_picture, [str(tmp_path / "in")], options) == 1
    assert time.perf_counter() - start < 60
    lines = capfd.readouterr().err.splitlines()
    reasons = [line for line in lines if line.startswith("restore: ") and ": warning: " not in line]
    results = sorted((tmp_path / "out").iterdir())
    assert len(reasons) + len(results) == MUTATIONS // 4
    assert not any("Traceback" in line or "--debug" in line for line in lines)
    for result in results:
        with open(result, "rb") as file:
            assert all(page.samples.ndim == 3 for page in reading.read_pages(file))


def compressed_seeds():
    """A few small compressed files: grey, colour, of 16 bits and with all sections."""
    random = np.random.default_rng(5)
    samples = np.cumsum(random.normal(0, 0.02, (26, 33, 3)), axis=1) + 0.5
    beside = {"icc": bytes(16) + b"RGB " + bytes(90), "exif": b"II*\0", "xmp": b"<x/>"}
    alpha = random.random((26, 33))
    yield compress(samples[..., 0].clip(0, 1), quality=60, pool=Pool(1)).data
    yield compress(samples.clip(0, 1), quality=30, pool=Pool(1)).data
    extras = Extras(alpha, **beside, depth="16")
    yield compress(samples.clip(0, 1), extras=extras, pool=Pool(1)).data


def test_damaged_compressed_files_end_in_a_line_or_a_whole_result(tmp_path, capfd):
    random = np.random.default_rng(11)
    files = list(compressed_seeds())
    (tmp_path / "in").mkdir()
    for number in range(COMPRESSED):
        data = mutated(files[number % len(files)], random)
        if random.random() < 0.9:  # most get past the checksum, and past the magic and version
            data = files[0][:5] + data[5:-4] if random.random() < 0.7 else data[:-4]
            data += zlib.crc32(data).to_bytes(4, "big")
        (tmp_path / f"in/{number}.ksvd").write_bytes(data)
    process = functools.partial(
        decompress_bytes, dictionary=None, model=None, max_pixels=30_000, strip=None
    )
    start = time.perf_counter()
    options = batch.Options(output=str(tmp_path / "out"), format="png", max_pixels=30_000)
    assert batch.run(process, [str(tmp_path / "in")], options, reads=(".ksvd",)) == 1
    assert time.perf_counter() - start < 60 + COMPRESSED / 5
    lines = capfd.readouterr().err.splitlines()
    reasons = [line for line in lines if line.startswith("restore: ") and ": warning: " not in line]
    results = sorted((tmp_path / "out").iterdir())
    assert len(reasons) + len(results) == COMPRESSED
    assert len(results) > COMPRESSED / 20
    assert not any("Traceback" in line or "--debug" in line for line in lines)
    for result in results[:200]:
        with open(result, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # EXIF of mutated bytes
            assert all(page.samples.ndim == 3 for page in reading.read_pages(file))
