"""How much faster two workers learn: ``python -m benchmarks.cluster_training FOLDER [PATCHES]``.

A dictionary of 256 atoms is learned from patches of 8x8 of the photos in FOLDER by `restore train
--scheduler`, with one turn and with `TURNS`, on one worker of one thread and on two. The difference
between the runs is the time of the turns alone. All dictionaries must have the same bytes.
"""

import sys
import tempfile
import time
from pathlib import Path

from distributed import LocalCluster

from restore.cli import cli

#: Turns of the longer run.
TURNS = 6

#: Memory of a worker: it may hold all patches, four bytes a sample, and what coding takes.
MEMORY = "16GB"


def timed(cluster, folder, output, patches, turns):
    """Seconds that learning takes as a whole."""
    words = ["train", folder, "-r", "-o", output, "--overwrite", "-q", "--grey"]
    words += ["--patches", patches, "--iterations", turns]
    words += ["--scheduler", cluster.scheduler_address]
    start = time.perf_counter()
    code = cli.main(list(map(str, words)), standalone_mode=False)
    assert not code, code
    return time.perf_counter() - start


def main(folder, patches=10_000_000):
    """Print a line per number of workers, and what two gain."""
    seconds, learned = [], []
    with tempfile.TemporaryDirectory() as results:
        output = Path(results, "learned.npz")
        for workers in (1, 2):
            with LocalCluster(
                n_workers=workers, threads_per_worker=1, memory_limit=MEMORY, dashboard_address=None
            ) as cluster:
                timed(cluster, folder, output, 1000, 1)  # imports
                short = timed(cluster, folder, output, patches, 1)
                whole = timed(cluster, folder, output, patches, TURNS)
            seconds.append([(whole - short) / (TURNS - 1), whole])
            learned.append(output.read_bytes())
            print(
                f"{workers} workers: {seconds[-1][0]:.1f} s a turn, {whole:.1f} s as a whole",
                flush=True,
            )
    assert learned[0] == learned[1], "the dictionaries differ"
    turn, whole = (one / two for one, two in zip(*seconds))
    print(f"two workers: {turn:.2f} times as fast a turn, {whole:.2f} as a whole; the same bytes")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
