"""Memory of a long batch on a Dask cluster: ``python -m benchmarks.cluster_memory [FILES]``.

As many tiny pictures are denoised on two workers of a scheduler that runs in a process of its own.
It prints the peaks of the scheduler and of the client, `restore denoise --scheduler` itself.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from benchmarks.harness import measure_process, restore_command

#: Height and width of a picture.
SHAPE = (16, 16)


@contextlib.contextmanager
def started(*words):
    """A process of ``dask ...``, ended with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, words)], stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def peak(process):
    """Peak resident memory of a running process, in bytes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    raise OSError("no peak on record")


def main(count=100_000):
    """Print a line."""
    with tempfile.TemporaryDirectory() as folder:
        source, output, file = Path(folder, "in"), Path(folder, "out"), Path(folder, "scheduler")
        source.mkdir()
        levels = np.random.default_rng(0).normal(128, 25, SHAPE).clip(0, 255)
        picture = imageio.imwrite("<bytes>", levels.astype(np.uint8), extension=".png")
        for number in range(count):
            Path(source, f"{number:06}.png").write_bytes(picture)
        at = "--scheduler-file", file
        workers = "--nworkers", 2, "--nthreads", 1, "--no-dashboard"
        with started("scheduler", *at, "--no-dashboard", "--port", 0) as scheduler:
            while not file.exists():
                time.sleep(0.1)
            with started("worker", *at, *workers):
                words = "denoise", source, "-o", output, "--quality", "fast", "--sigma", 25, "-q"
                client = measure_process(*restore_command(*words, *at))
                held = peak(scheduler)
        assert len(list(output.iterdir())) == count
    print(
        f"{count} files: {held / 1e6:.0f} MB in the scheduler, {client.peak_bytes / 1e6:.0f} MB in "
        f"the client; {1000 * client.seconds / count:.1f} ms a file"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
