"""The command ``restore cache``."""

import os
import subprocess
import sys
from pathlib import Path

from tests import HOUSE
from tests.cli.commands import restore


def test_cache_path_and_clear(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    folder = Path(restore("cache", "--path", environment=environment).stdout.strip())
    assert folder.parent == tmp_path / "restore"
    (folder / "function.nbi").touch()
    (tmp_path / "of-another-package.nbi").touch()
    assert restore("cache", "--clear", environment=environment).returncode == 0
    assert [path.name for path in tmp_path.rglob("*.nb?")] == ["of-another-package.nbi"]


#: Kernels that no command calls: those of learning the packaged models.
NO_COMMAND = {"choose_many", "count_levels", "gather_many", "turned_patches"}


WARM = """
import importlib, pkgutil
from numba.core.dispatcher import Dispatcher
from restore import kernels
importlib.import_module("restore.cli.cache")._warm()
for _, name, _ in pkgutil.iter_modules(kernels.__path__):
    module = importlib.import_module(f"restore.kernels.{name}")
    for label, kernel in vars(module).items():
        own = isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == module.__name__
        if own and not label.startswith("_") and not kernel.signatures:
            print(label)
"""


def test_cache_warm_leaves_no_kernel_out():
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(
        [sys.executable, "-c", WARM], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr
    # what only kernels call, border and the like, is compiled with them
    called_by_kernels = {"border", "choose", "gather", "lower", "padded", "raise_", "scale_bucket"}
    called_by_kernels |= {"begin", "better", "factorise_row", "flattened"}
    called_by_kernels |= {"bucket", "code_bit", "code_even", "code_large", "split", "learn"}
    called_by_kernels |= {"code_mixed", "code_plain", "code_sample", "skip_sample", "half_octave"}
    called_by_kernels |= {"pack", "surround", "find", "equals", "scattered", "project"}
    called_by_kernels |= {"back_substitute", "condition", "factorise", "invert", "solve", "widened"}
    called_by_kernels |= {"centre", "gather", "mean_at", "nearest", "scatter", "scatter_weight"}
    assert set(done.stdout.split()) - called_by_kernels <= NO_COMMAND
