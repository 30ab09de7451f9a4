"""Learn the packaged demosaicing models: ``python -m training.demosaicing FOLDER``.

FOLDER contains ``photos`` (large; reduced by factors of 2 to 3, to remove the effects of chroma
subsampling and demosaicing), ``bsds`` (JPEG pictures; reduced by 2) and ``t91`` (small pictures;
used unchanged). Takes several CPU hours, and 6 GB of memory.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import restore
from restore.imaging.archive import packaged_path
from restore.imaging.bands import Pool
from restore.learning.demosaicing import learn_demosaicing
from restore.tasks.demosaicing import LEARNED_SIGMA, Model

#: Side of the crops of a photo.
SIDE = 320

#: Training data and settings of each model.
MODELS = {
    "demosaic": {"pictures": (0, 400, 8), "stages": 3, "leaves": 512},
    "demosaic-noisy": {
        "pictures": (5, 200, 4),
        "stages": 3,
        "leaves": 160,
        "samples": 500_000,
        "noise": LEARNED_SIGMA,
    },
}

FILTERS = [Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]


def pictures(folder, seed, small, crops):
    """Pictures with full colour in every pixel: `crops` of each photo, `small` ones, all tiny."""
    random = np.random.default_rng(seed)
    found = []
    for number, file in enumerate(sorted((folder / "photos").iterdir())):
        photo = Image.open(file).convert("RGB")
        for crop in range(crops):
            picture = reduced(photo, (2, 2.5, 3)[crop % 3], FILTERS[(number + crop) % 3])
            top = random.integers(0, max(1, picture.shape[0] - SIDE))
            left = random.integers(0, max(1, picture.shape[1] - SIDE))
            found.append(picture[top : top + SIDE, left : left + SIDE])
    files = sorted((folder / "bsds").glob("*.jpg"))
    for number, index in enumerate(random.permutation(len(files))[:small]):
        picture = Image.open(files[index]).convert("RGB")
        found.append(reduced(picture, 2, FILTERS[number % 3]))
    for file in sorted((folder / "t91").glob("*.png")):
        picture = np.asarray(Image.open(file).convert("RGB"))
        if min(picture.shape[:2]) >= 80:
            found.append(picture)
    return found


def reduced(picture, factor, method):
    """A picture scaled down."""
    width, height = picture.size
    return np.asarray(picture.resize((int(width / factor), int(height / factor)), method))


def main():
    """Learn the models asked for and write them into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", help=f"some of {', '.join(MODELS)}; all by default")
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    for name in asked.models or MODELS:
        settings = dict(MODELS[name])
        chosen = pictures(asked.folder, *settings.pop("pictures"))

        def tell(stage, done, total, name=name):
            if done in (1, total):
                print(f"{name}: {stage}, {done} of {total}", file=sys.stderr)

        stages = learn_demosaicing(chosen, **settings, pool=Pool(asked.threads, tell))
        Model(stages, provenance(len(chosen), settings)).save(packaged_path(name))


def provenance(count, settings):
    """Where a model comes from."""
    return {
        "learned_from": ["photos", "bsds", "t91"],
        "pictures": count,
        "settings": settings,
        "seed": 0,
        "restore": restore.__version__,
    }


if __name__ == "__main__":
    main()
