"""Learn the packaged codec of ``restore compress``: ``python -m training.compression FOLDER``.

FOLDER contains ``photos`` (large; reduced by factors of 2 and 3, to remove the effects of
chroma subsampling and demosaicing) and ``bsds`` (JPEG pictures; every second one, in grey). Takes
about half an hour on two processors, and 4 GB of memory.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import restore
from restore.imaging.archive import packaged_path
from restore.imaging.bands import Pool
from restore.learning.compression import learn_codec

#: Settings of `learn_codec`.
SETTINGS = {"samples": 150_000, "rounds": 12, "seed": 0}
#: Factors by which the photos are reduced.
SHRINK = (2, 3)


def pictures(folder):
    """Photos in colour, JPEG pictures in grey: 8-bit arrays."""
    found = []
    for file in sorted((folder / "bsds").glob("*.jpg"))[::2]:
        found.append(np.asarray(Image.open(file).convert("L")))
    for file in sorted((folder / "photos").iterdir()):
        photo = Image.open(file).convert("RGB")
        for factor in SHRINK:
            sides = [side // factor for side in photo.size]
            found.append(np.asarray(photo.resize(sides, Image.Resampling.LANCZOS)))
    return found


def main():
    """Learn the codec and write it into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=packaged_path("codec-photos"))
    asked = parser.parse_args()
    chosen = pictures(asked.folder)
    about = {
        "learned_from": ["photos", "bsds"],
        "pictures": len(chosen),
        "shrink": SHRINK,
        **SETTINGS,
        "restore": restore.__version__,
    }

    def tell(stage, done, total):
        if done in (1, total) or done % 50 == 0:
            print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)

    codec = learn_codec(chosen, **SETTINGS, pool=Pool(asked.threads, tell), provenance=about)
    codec.save(asked.output)


if __name__ == "__main__":
    main()
