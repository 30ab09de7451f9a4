"""A Dask cluster on this machine, started by the commands that a user types."""

import json
import os
import subprocess
import sys
import time

from tests import HOUSE


def until(condition, seconds=60):
    """Wait for what other processes do."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


class Started:
    """``dask scheduler`` and ``dask worker`` as a user starts them."""

    def __init__(self, folder, workers=2, *options):
        self.folder, self.processes, self.options = folder, [], options or ("--no-nanny",)
        self.file = folder / "scheduler.json"
        self.scheduler = self.start(
            "scheduler", "--scheduler-file", self.file, "--host", "127.0.0.1", "--port", 0,
            "--no-dashboard", "--no-show",
        )  # fmt: skip
        until(lambda: self.file.exists() and self.file.read_text().endswith("}"))
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self.worker() for _ in range(workers)]

    def start(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, arguments)], cwd=self.folder,
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def worker(self):
        return self.start("worker", self.address, "--nthreads", 1, "--no-dashboard", *self.options)

    def wait_for_workers(self):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=20)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
