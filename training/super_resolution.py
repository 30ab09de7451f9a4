"""Learn the packaged super-resolution models from folders of photos.

    python training/super_resolution.py 2 restore/data/sr2.npz photos/ more-photos/

A few hundred photos take about ten minutes a scale on two processors.
"""

import argparse
import sys
from pathlib import Path

from restore.files.formats import EXTENSIONS
from restore.files.reading import read_picture
from restore.super_resolution import learn_super_resolution


def main():
    """Learn one scale and write its model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", type=int, choices=(2, 3, 4))
    parser.add_argument("model", type=Path, help="the .npz to write")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--every", type=int, default=1, help="take one photo of so many")
    asked = parser.parse_args()
    files = sorted(
        path
        for folder in asked.folders
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS
    )[:: asked.every]
    pictures = (read_picture(str(path)).samples for path in files)
    cascade = learn_super_resolution(
        pictures, asked.scale, threads=asked.threads, progress=progress
    )
    cascade.save(asked.model)


def progress(stage, done, total):
    """One line per tenth of a stage."""
    if done % max(1, total // 5) == 0:
        print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
