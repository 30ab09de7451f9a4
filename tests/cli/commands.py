"""Commands in a process of their own, and pictures for them."""

import os
import subprocess
import sys

import numpy as np

from restore.files.picture import Picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from tests import HOUSE


def restore(*arguments, **options):
    """The command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    environment = {
        **os.environ,
        "PYTHONPATH": str(HOUSE),
        **options.pop("environment", {}),
    }
    python = [sys.executable, *options.pop("flags", []), "-m", "restore"]
    return subprocess.run([*python, *map(str, arguments)], env=environment, **options)


def save(path, samples, depth="8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        write_pages(file, [Picture(np.float32(samples), None, depth)], path.suffix[1:])
    return path
