"""Picture files in memory: for the tests of reading and writing."""

import io

import numpy as np
import tifffile
from PIL import Image

from restore.files import reading, writing
from restore.files.picture import to_depth, to_unit

random = np.random.default_rng(0)


def levels(shape, depth):
    """Random samples that a file of this depth can hold exactly."""
    if depth == "f32":
        return (random.random(shape) * 4003 - 3).astype(np.float32)
    return to_unit(to_depth(random.random(shape).astype(np.float32), depth))


def read(data, **options):
    return reading.only_page(reading.read_pages(io.BytesIO(data), **options))


def encode(picture, name, **options):
    file = io.BytesIO()
    writing.write_pages(file, [picture], name, **options)
    return file.getvalue()


def saved_by_pillow(image, name, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def saved_by_tifffile(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, metadata=None, **options)
    return file.getvalue()


def round_trip(picture, name, **options):
    return read(encode(picture, name, **options))


def exif_block(orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x9003: "2001:02:03 04:05:06", 0xA002: 5, 0xA003: 7}
    exif[0x8825] = {1: "N", 2: (48.0, 30.0, 0.0)}
    return exif.tobytes()[6:]
