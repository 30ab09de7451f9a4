"""A stand-in for a command, and files for it: what the tests of batches share."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from restore import batch
from restore.files.picture import Picture, to_depth, to_unit
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from tests import HOUSE
from tests.invert_command import invert_picture

random = np.random.default_rng(0)
COMMAND = [sys.executable, str(HOUSE / "tests" / "invert_command.py")]
FORMATS = {".png": "png", ".jpg": "jpeg", ".tif": "tiff", ".webp": "webp"}


def picture(shape=(8, 9, 3), depth="8", alpha=False):
    def levels(shape):
        return to_unit(to_depth(random.random(shape).astype(np.float32), depth))

    return Picture(levels(shape), levels(shape[:2]) if alpha else None, depth)


def write(path, pages=1, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        pictures = [picture(**options) for _ in range(pages)]
        write_pages(file, pictures, FORMATS[path.suffix.lower()])
    return path


def run(inputs, process=invert_picture, more=None, **options):
    options = {"suffix": "-inverted", **options}
    if "output" in options:
        options["output"] = str(options["output"])
    inputs = [str(path) for path in inputs]
    return batch.run(process, inputs, batch.Options(**options), **(more or {}))


def command(*arguments, **options):
    options = {"capture_output": True, "timeout": 60, **options}
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    return subprocess.run([*COMMAND, *map(str, arguments)], env=environment, **options)


def started(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    options = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, **options)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_inverted(source, result):
    one, other = read_picture(source), read_picture(result)
    return one.depth == other.depth and np.array_equal(
        to_depth(other.samples, other.depth), to_depth(1 - one.samples, one.depth)
    )


def with_limit(picture, *, pool):
    """The picture, and the memory that the worker may take who does it."""
    from distributed import get_worker

    return batch.Result(picture, {"limit": get_worker().memory_manager.memory_limit})
