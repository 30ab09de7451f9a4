"""How long a user waits before anything happens: help, first run, warm run, threads."""

import os
import statistics
import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from benchmarks.harness import (
    SAMPLES,
    Table,
    machine,
    measure_process,
    read_folder,
    restore_command,
)


def tables(run):
    """The whole command, from the shell's prompt to the next."""
    yield waits(run)
    yield threads(run)


def waits(run):
    """Help, the first run on a machine, and every run after."""
    (photo,) = read_folder(SAMPLES, "camera-noisy.png").values()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "small.png"), Path(folder, "result.png")
        imageio.imwrite(source, photo[100:164, 200:264])
        denoise = [*restore_command("denoise", source, "-o", result), "--overwrite", "-q"]
        cache = {"NUMBA_CACHE_DIR": f"{folder}/private/cache"}
        os.makedirs(cache["NUMBA_CACHE_DIR"], mode=0o700)
        help_page = restore_command("denoise", "--help")
        rows.append(["`restore denoise --help`", median(run, *help_page)])
        rows.append(["first `restore denoise`, 64x64", measure_process(*denoise, **cache).seconds])
        rows.append(["every other, 64x64", median(run, *denoise, **cache)])
    return Table(
        name="startup",
        title="Waiting: the whole command",
        columns=[("", ""), ("seconds", ".2f")],
        rows=rows,
        notes=f"The first run compiles the kernels; the others: medians of {run.repetitions} runs.",
        machine=machine(threads=run.threads),
    )


def median(run, *command, **environment):
    """Median seconds of some runs of a command."""
    return statistics.median(
        measure_process(*command, **environment).seconds for _ in range(run.repetitions)
    )


def threads(run):
    """`restore denoise` of one photo with 1, 2, ... threads."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (photo,) = read_folder(SAMPLES, "camera-noisy.png").values()
        source, result = Path(folder, "photo.png"), Path(folder, "result.png")
        imageio.imwrite(source, np.tile(photo, (2, 4)))
        command = [*restore_command("denoise", source, "-o", result), "--overwrite", "-q"]
        measure_process(*command)
        counts = [count for count in (1, 2, 4, 8, 16) if count <= run.threads]
        seconds = {count: [] for count in counts}
        for _ in range(run.repetitions):
            for count in counts:
                seconds[count].append(measure_process(*command, "--threads", count).seconds)
        seconds = {count: statistics.median(taken) for count, taken in seconds.items()}
    for count, taken in seconds.items():
        rows.append([count, taken, seconds[1] / taken])
    return Table(
        name="denoise-threads",
        title="`restore denoise`, a grey photo of 2 Mpx: the whole command",
        columns=[("threads", "d"), ("seconds", ".2f"), ("times faster", ".2f")],
        rows=rows,
        notes=f"Medians of {run.repetitions} runs in turns, start of the program included.",
        machine=machine(),
    )
