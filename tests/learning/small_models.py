"""A process that learns one small model from the sample pictures, by the command that learns it.

python -m tests.learning.small_models NAME OUTPUT THREADS
"""

import functools
import sys

from restore.cli import cli
from restore.learning import compression, demosaicing, super_resolution, trees
from tests import SAMPLES

#: Arguments of ``restore train`` by the name of what they learn.
SMALL = {
    "dictionary": "--grey --atoms 32 --patch-size 6 --patches 3000 --sparsity 3 --iterations 3",
    "online": "--method online --atoms 32 --patch-size 4 --patches 2000 --iterations 2 --shrink 2",
    "codec": "--model codec --shrink 3",
    "super-resolution": "--model super-resolution --scale 2 --shrink 2",
    "demosaicing": "--model demosaicing --shrink 3",
}

PICTURES = {
    "dictionary": ("camera", "chelsea"),
    "online": ("chelsea", "coffee"),
    "codec": ("camera", "astronaut"),
    "super-resolution": ("camera", "chelsea", "astronaut", "coffee"),
    "demosaicing": ("chelsea", "coffee"),
}


def learn(name, output, threads):
    """Learn to a file, with fewer and smaller parts than what ships has."""
    few = super_resolution.Plan(False, 5, 4, 4, 1.0, 0.7, 8)
    super_resolution.PLANS[2] = (few, few)
    compression.learn_codec = functools.partial(compression.learn_codec, samples=800, rounds=1)
    demosaicing.learn_demosaicing = functools.partial(
        demosaicing.learn_demosaicing, stages=1, leaves=2, samples=3000
    )
    trees.LEAST, trees.BINS = 200, 3
    pictures = [str(SAMPLES / f"{picture}-clean.png") for picture in PICTURES[name]]
    words = ["train", *pictures, *SMALL[name].split(), "-q", "-o", output, "-t", threads]
    return cli(words, standalone_mode=False)


if __name__ == "__main__":
    sys.exit(learn(*sys.argv[1:]))
