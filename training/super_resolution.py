"""Learn the packaged coupled dictionaries anew: ``python -m training.super_resolution FOLDER``.

FOLDER holds ``t91`` (small pictures, all taken) and ``bsds`` (one of ten). The dictionaries
serve to compare with; what enlarges by default is learned by ``restore train
--model super-resolution``. Takes some minutes.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from restore.batch.collection import Collection
from restore.files.formats import MAX_PIXELS
from restore.imaging.archive import packaged_path
from restore.imaging.bands import Pool
from restore.learning.super_resolution import shrunk
from restore.tasks.super_resolution.cascade import SCALES
from restore.tasks.super_resolution.coupled import learn_coupled


def main():
    """Learn all scales and write their files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    files = sorted((asked.folder / "t91").iterdir())
    files += sorted((asked.folder / "bsds").iterdir())[::10]
    pictures = Collection(map(str, files), max_pixels=MAX_PIXELS)
    for scale in SCALES:
        pairs = [pair for picture in pictures if (pair := shrunk(picture, scale)) is not None]
        learned = learn_coupled(pairs, scale, pool=Pool(asked.threads, progress))
        about = {"learned_from": ["bsds", "t91"], "pictures": len(files)}
        learned = dataclasses.replace(learned, provenance={**learned.provenance, **about})
        learned.save(packaged_path(f"sr{scale}-ksvd"))


def progress(stage, done, total):
    """Five lines per stage."""
    if done % max(1, total // 5) == 0:
        print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
