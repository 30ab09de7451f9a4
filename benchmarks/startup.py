"""How long a user waits before anything happens: help, first run, warm run, threads."""

import os
import statistics
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio

from benchmarks.harness import (
    SAMPLES,
    Table,
    machine,
    measure_process,
    mirrored,
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
    """Three commands with 1, 2, 4, ... threads."""
    counts = [count for count in (1, 2, 4, 8, 16) if count <= run.threads]
    rounds = min(run.repetitions, 3)
    with tempfile.TemporaryDirectory() as folder:
        photo, small = Path(folder, "photo.png"), Path(folder, "small.png")
        (noisy,) = read_folder(SAMPLES, "camera-noisy.png").values()
        (clean,) = read_folder(SAMPLES, "chelsea-clean.png").values()
        imageio.imwrite(photo, mirrored(noisy, (866, 1155)))
        imageio.imwrite(small, mirrored(clean, (866, 1155)))
        commands = {
            "denoise": ("denoise", photo, "-o", Path(folder, "result.png")),
            "train": ("train", photo, "-o", Path(folder, "result.npz")),
            "super-resolve": ("super-resolve", small, "-o", Path(folder, "large.png")),
        }
        seconds = {(name, count): [] for name in commands for count in counts}
        for taken in range(-1, rounds):
            for (name, count), times in seconds.items():
                if taken >= 0 or count == counts[-1]:  # the first time compiles
                    command = restore_command(*commands[name], "--overwrite", "-q", "-t", count)
                    times.append(measure_process(*command).seconds)
                if taken < 0:
                    times.clear()
            print(f"  round {taken + 1} of {rounds}", file=sys.stderr)
    seconds = {key: statistics.median(times) for key, times in seconds.items()}
    faster = {(name, count): seconds[name, 1] / seconds[name, count] for name, count in seconds}
    columns = [("threads", "d")]
    for name in commands:
        columns += [(f"{name} (s)", ".2f"), ("times faster", ".2f")]
    return Table(
        name="threads",
        title="Threads: pictures of 1 Mpx, the whole command",
        columns=columns,
        rows=[
            [
                count,
                *(by[name, count] for name in commands for by in (seconds, faster)),
            ]
            for count in counts
        ],
        notes=f"Denoising a grey photo, learning 256 atoms from it in 20 turns, enlarging a colour "
        f"photo twice. Medians of {rounds} runs in turns, start of the program included.",
        machine=machine(),
        curves={
            "x": "threads",
            "y": "times faster",
            "lines": {
                **{name: [counts, [faster[name, count] for count in counts]] for name in commands},
                "as many as threads": [counts, counts],
            },
        },
    )
