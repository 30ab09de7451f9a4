"""Learn to detect how pictures were reduced: ``python -m training.history``.

    python -m training.history draw FOLDER CACHE.npz --count 6000
    python -m training.history fit CACHE.npz restore/data/history.npz

The first command reduces photographs in all ways that are distinguished; some are also saved as
JPEG, whose artefacts are removed as in `super-resolve`. The second one fits the network, which
needs PyTorch (``pip install restore-ksvd[training]``).
"""

import numpy as np
from PIL import Image, ImageFilter

import restore
from restore.imaging.bands import Pool
from restore.imaging.colour import luminance
from restore.imaging.network import Network
from restore.tasks.denoising.artefacts import dejpeg
from restore.tasks.super_resolution.degradation import shrink
from restore.tasks.super_resolution.history import KIND, WAYS, features
from training.camera import as_jpeg
from training.network import Layers, commands
from training.pilots import HELD_OUT

#: Shares of the pictures that were saved as JPEG, and that are grey.
JPEG, GREY = 0.3, 0.2


def made_small(photo, way, scale):
    """(height, width, 3) float32 in [0, 1], of 8 bits: `photo` made small in one of `WAYS`."""
    if way == "nearest":
        small = photo[scale // 2 :: scale, scale // 2 :: scale]
    else:
        small = shrink(photo, scale, "area" if way.startswith("sharpened") else way)
    levels = np.uint8(np.rint(255 * np.clip(small, 0, 1)))
    if way.startswith("sharpened"):
        mask = ImageFilter.UnsharpMask(1, round(100 * float(way.partition(":")[2])), 0)
        levels = np.asarray(Image.fromarray(levels).filter(mask))
    return np.float32(levels / 255)


def example(photo, random):
    """Features of a small picture and the number of its way."""
    scale, number = int(random.integers(2, 5)), int(random.integers(len(WAYS)))
    side = scale * int(np.exp(random.uniform(np.log(48), np.log(220))))
    top, left = (int(random.integers(0, max(1, n - side + 1))) for n in photo.shape[:2])
    crop = photo[top : top + side, left : left + side]
    crop = crop[: len(crop) // scale * scale, : crop.shape[1] // scale * scale]
    small = made_small(crop, WAYS[number], scale)
    if random.random() < GREY:
        small = small.mean(axis=2, keepdims=True)
    if random.random() < JPEG:
        decoded, coding = as_jpeg(small, int(random.uniform(45, 96)), 2)
        small = dejpeg(decoded, coding, pool=Pool(1))[0]
    return features(luminance(small), scale), number


def draw(folder, cache, count, seed):
    """Keep features and ways of `count` pictures."""
    photos = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
    found = []
    for count_so_far in range(count):
        random = np.random.default_rng((seed, count_so_far))
        index = int(random.integers(len(photos)))
        photo = Image.open(photos[index]).convert("RGB")
        if max(photo.size) > 1000:  # what is large is soft
            factor = random.uniform(2, 3)
            photo = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.BICUBIC)
        photo = np.asarray(photo, np.float32) / 255
        name = str(photos[index].relative_to(folder))
        found.append((*example(photo, random), name, index % HELD_OUT == 0))
        if count_so_far % 200 == 199 or count_so_far == count - 1:
            names = ("features", "ways", "photo", "held_out")
            np.savez(cache, **dict(zip(names, map(np.array, zip(*found)))))


def fit(caches, weights, steps, width, seed):
    """Fit the network by Adam to the ways (cross-entropy)."""
    import torch

    contents = [np.load(cache) for cache in caches]
    inputs, ways, photos, held_out = (
        np.concatenate([content[name] for content in contents])
        for name in ("features", "ways", "photo", "held_out")
    )
    mean, scale = inputs[~held_out].mean(axis=0), inputs[~held_out].std(axis=0) + 1e-3
    known = torch.from_numpy((inputs - mean) / scale).float()
    targets = torch.from_numpy(ways)
    learn = torch.from_numpy(np.flatnonzero(~held_out))
    layers = Layers(known.shape[1], width, len(WAYS), seed)
    network = layers.network

    def loss():
        chosen = learn[torch.randint(len(learn), (256,))]
        jitter = 0.1 * torch.randn(256, known.shape[1])
        return torch.nn.functional.cross_entropy(network(known[chosen] + jitter), targets[chosen])

    layers.fit(loss, steps, 2e-3, 3e-2)
    with torch.no_grad():
        chances = torch.softmax(network(known[held_out]), dim=1).numpy()
    told = {way: round(float(chances[ways[held_out] == number, number].mean()), 3)
            for number, way in enumerate(WAYS)}  # fmt: skip
    print("mean chance given to what is true:", told)

    provenance = {
        "learned_from": sorted({name.split("/")[0] for name in photos}),
        "pictures": len(inputs),
        "validation": told,
        "seed": seed,
        "restore": restore.__version__,
    }
    Network(mean, scale, *layers.arrays(), provenance).save(weights, KIND)


def main():
    """Draw examples or fit the network."""
    parser, _ = commands(__doc__, "+", 6000, 6000, 64)
    asked = vars(parser.parse_args())
    {"draw": draw, "fit": fit}[asked.pop("command")](**asked)


if __name__ == "__main__":
    main()
