"""What docs/reproducing.md promises: the same inputs give the same files, on any threads."""

import os
import subprocess
import sys

import pytest

from tests import HOUSE
from tests.learning.small_models import SMALL


@pytest.mark.parametrize("name", SMALL)
def test_a_model_is_learned_again_byte_for_byte(name, tmp_path):
    files = []
    for threads, seed in ((1, "1"), (3, "2")):  # the seed is that of Python's hashes
        file = tmp_path / f"{threads}.npz"
        words = [sys.executable, "-m", "tests.learning.small_models", name, str(file), str(threads)]
        done = subprocess.run(
            words, cwd=HOUSE, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        files.append(file.read_bytes())
    assert files[0] == files[1]
