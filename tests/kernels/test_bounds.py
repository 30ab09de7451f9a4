"""Kernels stay within their arrays, whatever files and pictures hold."""

import os
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("with_bounds_checks.py")


def test_no_file_and_no_picture_leads_a_kernel_out_of_its_arrays():
    """In a process of its own, since numba reads the setting when it is imported."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(CASES)],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_NUM_THREADS": "2"},
        cwd=CASES.parent.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
