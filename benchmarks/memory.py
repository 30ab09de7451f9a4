"""How much memory the commands take for a colour photo of 12 megapixels."""

import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio

from benchmarks.harness import (
    SAMPLES,
    Table,
    eight_bits,
    machine,
    measure_process,
    mirrored,
    noisy,
    read_folder,
    restore_command,
)
from restore.tasks.demosaicing import sampled

#: Height and width, and those in a quick run.
SHAPE, QUICK = (3000, 4000), (750, 1000)


def tables(run):
    """One row a command."""
    yield peaks(run)


def peaks(run):
    """The peak of the whole process, reading and writing the files included."""
    (tile,) = read_folder(SAMPLES, "coffee-clean.png").values()
    height, width = SHAPE if run.data else QUICK
    photo = mirrored(tile, (height, width))
    pictures = {"noisy": eight_bits(noisy(photo, 25, 0)), "photo": photo}
    pictures["mosaic"] = sampled(photo, "RGGB")
    commands = {
        "denoise": ("noisy.png", "out.png"),
        "demosaic": ("mosaic.png", "out.png", "--pattern", "RGGB"),
        "super-resolve, twice as large": ("photo.png", "out.png", "--scale", 2),
        "compress": ("photo.png", "photo.ksvd"),
        "decompress": ("photo.ksvd", "out.png"),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in pictures.items():
            imageio.imwrite(Path(folder, f"{name}.png"), picture)
        for title, (source, target, *options) in commands.items():
            files = Path(folder, source), "-o", Path(folder, target)
            command = restore_command(title.split(",")[0], *files, *options, "--overwrite", "-q")
            taken = measure_process(*command, "--threads", run.threads)
            rows.append([title, taken.peak_bytes / 1e9])
            print(f"  {title}: {taken.seconds:.0f} s", file=sys.stderr)
    return Table(
        name="memory",
        title=f"Memory: a colour photo of {width}x{height} pixels, the whole command",
        columns=[("command", ""), ("peak memory (GB)", ".2f")],
        rows=rows,
        machine=machine(threads=run.threads),
    )
