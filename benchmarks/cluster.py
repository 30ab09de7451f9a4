"""What a Dask cluster costs for each file: ``python -m benchmarks.cluster [FILES]``.

Small pictures, denoised with ``--quality fast`` by so many processes of this machine, then by as
many workers. The bytes are those over the loopback device, by all parts of the cluster together,
each sent once, and how many of them are headers of packets; other programs that use it meanwhile
are counted with them.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from distributed import LocalCluster

from restore.cli import cli

#: Height and width of a picture; pictures that warm up a new cluster.
SHAPE, WARM = (250, 400), 20

#: Bytes of the headers of a packet: Ethernet, IP, TCP with its options.
HEADER = 66


def pictures(folder, count):
    """Write `count` noisy pictures."""
    random = np.random.default_rng(0)
    for number in range(count):
        levels = random.normal(128, 25, SHAPE).clip(0, 255)
        imageio.imwrite(Path(folder, f"{number:05}.png"), levels.astype(np.uint8))


def timed(folder, *options):
    """Seconds that a batch takes, the start of its processes included."""
    with tempfile.TemporaryDirectory() as output:
        words = ["denoise", folder, "-o", output, "--quality", "fast", "--sigma", "25", "-q"]
        start = time.perf_counter()
        code = cli.main([*words, *map(str, options)], standalone_mode=False)
        assert code == 0, code
        return time.perf_counter() - start


def over_loopback():
    """Bytes and packets sent over the loopback device since the machine was started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return np.array(numbers.split()[8:10], float)
    raise OSError("no loopback device")


def main(count=2000):
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as few:
        pictures(folder, count)
        pictures(few, WARM)
        for workers in (1, 2, 4):
            if workers > 2 * (os.cpu_count() or 1):
                break
            with LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster:
                timed(few, "--scheduler", cluster.scheduler_address)  # imports
                here = timed(folder, "-j", workers, "-t", 1)
                before = over_loopback()
                there = timed(folder, "--scheduler", cluster.scheduler_address)
                total, packets = (over_loopback() - before) / count
            print(
                f"{workers} processes: {count / here:.1f} files/s; workers: {count / there:.1f} "
                f"files/s, {1000 * (there - here) / count:+.2f} ms a file, "
                f"{total:.0f} bytes a file, {HEADER * packets:.0f} of them headers",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
