"""Learn the packaged super-resolution models from folders of photos.

    python training/super_resolution.py 2 restore/data/sr2.npz photos/ more-photos/

With ``--method ksvd`` it learns coupled dictionaries. A few hundred photos take about ten
minutes a scale on two processors.
"""

import argparse
import sys
from pathlib import Path

from restore.files.formats import EXTENSIONS
from restore.files.reading import read_picture
from restore.super_resolution import learn_super_resolution
from restore.super_resolution.coupled import learn_coupled
from restore.super_resolution.learning import shrunk


def main():
    """Learn one scale and write its model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", type=int, choices=(2, 3, 4))
    parser.add_argument("model", type=Path, help="the .npz to write")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--every", type=int, default=1, help="take one photo of so many")
    parser.add_argument("--method", choices=("anchors", "ksvd"), default="anchors")
    asked = parser.parse_args()
    files = sorted(
        path
        for folder in asked.folders
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS
    )[:: asked.every]
    pictures = (read_picture(str(path)).samples for path in files)
    settings = {"threads": asked.threads, "progress": progress}
    if asked.method == "ksvd":
        pairs = [pair for picture in pictures if (pair := shrunk(picture, asked.scale)) is not None]
        model = learn_coupled(pairs, asked.scale, **settings)
    else:
        model = learn_super_resolution(pictures, asked.scale, **settings)
    model.save(asked.model)


def progress(stage, done, total):
    """One line per tenth of a stage."""
    if done % max(1, total // 5) == 0:
        print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
