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

#: Megapixels of the pictures that commands are run on with more and more threads: on small ones the
#: start of the program weighs more.
SIZES = (1, 4)


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
    """Three commands with 1, 2, 4, ... threads, on pictures of two sizes."""
    counts = [count for count in (1, 2, 4, 8, 16) if count <= run.threads]
    rounds = min(run.repetitions, 3)
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            (name, size): command
            for size in SIZES
            for name, command in commands_on(Path(folder), size).items()
        }
        seconds = {(*key, count): [] for key in commands for count in counts}
        for taken in range(-1, rounds):
            for (name, size, count), times in seconds.items():
                # the first time compiles
                if taken >= 0 or (size, count) == (SIZES[0], counts[-1]):
                    arguments = (*commands[name, size], "--overwrite", "-q", "-t", count)
                    times.append(measure_process(*restore_command(*arguments)).seconds)
                if taken < 0:
                    times.clear()
            print(f"  round {taken + 1} of {rounds}", file=sys.stderr)
    seconds = {key: statistics.median(times) for key, times in seconds.items()}
    faster = {(*key, count): seconds[(*key, 1)] / seconds[(*key, count)] for *key, count in seconds}
    names = list(dict.fromkeys(name for name, _ in commands))
    columns = [("pictures", ""), ("threads", "d")]
    for name in names:
        columns += [(f"{name} (s)", ".2f"), ("times faster", ".2f")]
    return Table(
        name="threads",
        title="Threads: the whole command",
        columns=columns,
        rows=[
            [
                f"{size} Mpx",
                count,
                *(by[name, size, count] for name in names for by in (seconds, faster)),
            ]
            for size in SIZES
            for count in counts
        ],
        notes=f"Denoising a grey photo, learning 256 atoms from it in 20 turns, enlarging a colour "
        f"photo twice. Medians of {rounds} runs in turns, start of the program included.",
        machine=machine(),
        curves={
            "x": "threads",
            "y": "times faster",
            "lines": {
                **{
                    f"{name}, {size} Mpx": [counts, [faster[name, size, n] for n in counts]]
                    for name, size in commands
                },
                "as many as threads": [counts, counts],
            },
        },
    )


def commands_on(folder, megapixels):
    """{name: arguments} of commands; the pictures they read are written to `folder`."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    photo, small = (folder / f"{name}-{megapixels}.png" for name in ("photo", "small"))
    (noisy,) = read_folder(SAMPLES, "camera-noisy.png").values()
    (clean,) = read_folder(SAMPLES, "chelsea-clean.png").values()
    imageio.imwrite(photo, mirrored(noisy, (height, height * 4 // 3)))
    imageio.imwrite(small, mirrored(clean, (height, height * 4 // 3)))
    return {
        "denoise": ("denoise", photo, "-o", folder / "result.png"),
        "train": ("train", photo, "-o", folder / "result.npz"),
        "super-resolve": ("super-resolve", small, "-o", folder / "large.png"),
    }
