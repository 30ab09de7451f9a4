"""Is this version slower than another? ``python -m benchmarks.versions CHECKOUT [RUNS]``.

CHECKOUT is a folder with another version of the repository. Whole commands of both run in turns, in
this Python with its packages, one run before to compile the kernels. It prints medians of processor
time, on pictures of 64x64 pixels, where the start is most of it, and of a megapixel.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import imageio.v3 as imageio

from benchmarks.harness import SAMPLES, measure_process, mirrored, read_folder, restore_command
from restore.tasks.demosaicing import sampled

#: Height and width of the pictures.
SHAPES = (64, 64), (866, 1154)

#: {command: picture and further arguments}.
COMMANDS = {
    "denoise": ["camera-noisy.png"],
    "inpaint": ["astronaut-scratched.png", "--mask", "astronaut-mask.png"],
    "demosaic": ["mosaic.png", "--pattern", "RGGB"],
    "super-resolve": ["chelsea-clean.png"],
    "compress": ["chelsea-clean.png"],
}


def prepare(folder, shape):
    """Write the sample pictures, cut or mirrored to a shape, and a mosaic."""
    for name, tile in read_folder(SAMPLES).items():
        imageio.imwrite(Path(folder, f"{name}.png"), mirrored(tile, shape))
    coffee = imageio.imread(Path(folder, "coffee-clean.png"))
    imageio.imwrite(Path(folder, "mosaic.png"), sampled(coffee, "RGGB"))


def main(other, runs=5):
    """Print a line for each command and size."""
    here = str(Path(__file__).parents[1])
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            prepare(folder, shape)
            for command, words in COMMANDS.items():
                files = [Path(folder, word) if word.endswith(".png") else word for word in words]
                output = Path(folder, "out.ksvd" if command == "compress" else "out.png")
                whole = restore_command(command, *files, "-o", output, "--overwrite", "-q")
                taken = {other: [], here: []}
                for _ in range(runs + 1):
                    for version, times in taken.items():
                        done = measure_process(*whole, PYTHONPATH=version, PYTHONSAFEPATH="1")
                        times.append(done.processor_seconds)
                before, now = (statistics.median(times[1:]) for times in taken.values())
                print(
                    f"{shape[1]}x{shape[0]} {command}: {before:.2f} s there, {now:.2f} s here, "
                    f"{now / before:.2f} times",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
