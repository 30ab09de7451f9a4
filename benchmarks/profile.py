"""Where the time of each command goes, on pictures of 4 megapixels."""

import contextlib
import io
import linecache
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from benchmarks.harness import SAMPLES, Table, damaged, machine, mirrored, noisy, read_folder
from restore.cli import cli
from restore.tasks.demosaicing import sampled

#: Height and width of the pictures.
SHAPE = (1732, 2310)

#: Seconds between two looks at what the threads do.
INTERVAL = 0.005

#: How many parts of a command are told, and how many of those that work alone.
PARTS, PARTS_ALONE = 5, 3


def tables(run):
    """One row a command."""
    yield profiles(run)


def profiles(run):
    """The commands run in this process, and another thread looks at what theirs do."""
    rows, details = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for title, arguments in commands(Path(folder)).items():
            arguments = [*map(str, arguments), "--overwrite", "-q", "--threads", str(run.threads)]
            call(arguments)  # compiles
            with Sampler() as sampler:
                call(arguments)
            work, alone = shares(sampler.work), shares(sampler.alone, sampler.seconds)
            told = [
                ", ".join(f"{name} {share:.0%}" for name, share in list(parts.items())[:count])
                for parts, count in ((work, PARTS), (alone, PARTS_ALONE))
            ]
            rows.append([title, sampler.seconds, told[0], sum(alone.values()), told[1]])
            details[title] = {"all threads": work, "one thread": alone}
            print(f"  {title}: {told[0]}", file=sys.stderr)
    return Table(
        name="profile",
        title="Where the time goes: pictures of 4 megapixels",
        columns=[
            ("command", ""),
            ("seconds", ".1f"),
            ("shares of the work of all threads", ""),
            ("time in which one thread works", ".0%"),
            ("of all time, alone", ""),
        ],
        rows=rows,
        notes=f"What the threads were found doing every {1000 * INTERVAL:.0f} ms: kernels by "
        "name, numpy and scipy by the function that calls them.",
        details=details,
        machine=machine(threads=run.threads),
    )


def commands(folder):
    """{title: arguments} of the commands; their pictures are written to `folder`."""
    grey = mirrored(read_folder(SAMPLES, "camera-clean.png")["camera-clean"], SHAPE)
    colour = mirrored(read_folder(SAMPLES, "coffee-clean.png")["coffee-clean"], SHAPE)
    broken, mask = damaged(grey, 0.5, 0)
    pictures = {
        "noisy": np.rint(255 * np.clip(noisy(grey, 25, 0), 0, 1)).astype(np.uint8),
        "broken": broken,
        "mask": np.where(mask, np.uint8(255), np.uint8(0)),
        "mosaic": sampled(colour, "RGGB"),
        "small": colour[::2, ::2],
        "colour": colour,
        "grey": grey,
    }
    for name, picture in pictures.items():
        imageio.imwrite(folder / f"{name}.png", picture)
    made = {
        "denoise": ("noisy", "result.png", "--sigma", 25),
        "inpaint, half missing": ("broken", "result.png", "--mask", folder / "mask.png"),
        "demosaic": ("mosaic", "result.png", "--pattern", "RGGB"),
        "super-resolve, twice as large": ("small", "result.png"),
        "compress": ("colour", "result.ksvd"),
        "decompress": ("result.ksvd", "result.png"),
        "train, 10 turns": ("grey", "result.npz", "--iterations", 10),
    }
    return {
        title: (title.split(",")[0], folder / name_of(source), "-o", folder / target, *options)
        for title, (source, target, *options) in made.items()
    }


def name_of(source):
    """The file of a picture."""
    return source if "." in source else f"{source}.png"


def call(arguments):
    """The command, in this process."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.main(arguments, prog_name="restore", standalone_mode=False)
    if code:
        raise RuntimeError(f"restore {' '.join(arguments)} ended with {code}: {said.getvalue()}")


class Sampler:
    """A thread that looks again and again at what all others do while the context lasts.

    Kernels give the interpreter lock away and are found in the line that calls them. A
    function of numpy that holds the lock is found right after it, and counts for as long
    as it let the sampler wait.
    """

    def __enter__(self):
        self.seconds, self.work, self.alone = 0.0, Counter(), Counter()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.start = time.perf_counter()
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self.start
        self.over.set()
        self.thread.join()

    def _look(self):
        own, before = threading.get_ident(), self.start
        while not self.over.wait(INTERVAL):
            now = time.perf_counter()
            frames = [frame for ident, frame in sys._current_frames().items() if ident != own]
            found = [part for frame in frames if (part := doing(frame))]
            for part in found:
                self.work[part] += now - before
            if len(found) == 1:
                self.alone[found[0]] += now - before
            before = now


def shares(seconds, total=None):
    """{part: share of the total, or of their sum}, the largest first."""
    total = total or sum(seconds.values())
    return {part: taken / total for part, taken in seconds.most_common()}


def doing(frame):
    """What a thread does: the kernel it is in, or the function of the package; None if it waits."""
    if frame.f_globals.get("__name__") in ("threading", "selectors", "queue"):
        return None
    if frame.f_globals.get("__name__") == "concurrent.futures.thread":
        return None
    while frame and not frame.f_globals.get("__name__", "").startswith("restore."):
        frame = frame.f_back
    if frame is None:
        return None
    module = frame.f_globals["__name__"].removeprefix("restore.")
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    for name, called in re.findall(r"\b(?:(\w+)\.)?(\w+)\(", line):
        if name:
            home = getattr(frame.f_globals.get(name), "__name__", "")
        else:
            home = getattr(frame.f_globals.get(called), "__module__", "")
        if home.startswith("restore.kernels."):
            return f"`{home.removeprefix('restore.kernels.')}.{called}`"
    return f"{module}.{frame.f_code.co_name}"
