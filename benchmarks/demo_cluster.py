"""Restore a folder on a cluster of this machine, and print what each worker did.

Run as ``python -m benchmarks.demo_cluster [FOLDER]``; see ``make demo-cluster``.
"""

import collections
import sys
import tempfile
from pathlib import Path

from distributed import Client, LocalCluster

from benchmarks.harness import SAMPLES
from restore.cli import cli


def main(folder=SAMPLES):
    """Start a scheduler and two workers, denoise the pictures in `folder`, and tell."""
    with (
        tempfile.TemporaryDirectory() as output,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        print(f"a scheduler at {cluster.scheduler_address}, and 2 workers")
        begun = collections.Counter()
        words = ["denoise", str(folder), "-o", output, "--quality", "fast", "-v"]
        code = cli.main([*words, "--scheduler", cluster.scheduler_address], standalone_mode=False)
        for topic, events in client.get_events().items():
            if str(topic).startswith("restore-"):
                begun.update(event[1][0] for event in events)
        for address, count in begun.items():
            print(f"{address}: {count} files")
        print(f"{len(list(Path(output).iterdir()))} results")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
