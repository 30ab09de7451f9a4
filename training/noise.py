"""Learn to distinguish noise from texture: ``python -m training.noise``.

    python -m training.noise draw FOLDER CACHE.npz --count 2500
    python -m training.noise fit CACHE.npz restore/data/noise-map.npz

The first command draws pictures from simulated cameras (`training.camera`), and also clean ones,
JPEG files and ones with white noise. It stores the features of `restore.imaging.noise_map` and the
true noise levels. The second one fits the network, which needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import numpy as np
from PIL import Image

import restore
from restore.imaging import jpeg
from restore.imaging.bands import Pool
from restore.imaging.network import Network
from restore.imaging.noise_map import KIND, SIDE, WEAKEST, measured
from training import camera
from training.network import Layers, commands
from training.pilots import HELD_OUT

#: Shares of the pictures: from cameras, with white noise, clean, and clean but saved as JPEG.
KINDS = {"camera": 0.55, "white": 0.15, "clean": 0.12, "jpeg": 0.18}


def picture(photo, kind, random):
    """A picture of a kind, what it would be without noise, and how it was coded."""
    taken = camera.drawn(random)
    if kind == "camera":
        saved, reference, coding = camera.taken(photo, taken, random)
        # decoded, and saved as another format since
        return saved, reference, None if random.random() < 0.3 else coding
    clean = camera.softened(photo, taken)
    clean = np.float32(clean @ jpeg.FROM_RGB[0][:, None] if taken.grey else clean)
    if kind == "white":
        level = np.exp(random.uniform(np.log(0.5), np.log(50))) / 255
        noisy = clean + np.float32(level) * random.standard_normal(clean.shape, np.float32)
        if random.random() < 0.7:
            noisy = np.rint(255 * np.clip(noisy, 0, 1)) / np.float32(255)
        if random.random() < 0.3:
            return (
                *_swapped(camera.as_jpeg(noisy, random.integers(30, 99), taken.sampling), clean),
            )
        return noisy, clean, None
    if kind == "clean":
        return clean, clean, None
    quality = int(random.uniform(8, 98))
    return (*_swapped(camera.as_jpeg(clean, quality, taken.sampling), clean),)


def _swapped(saved, clean):
    decoded, coding = saved
    return decoded, clean, coding


def example(photo, random):
    """Features and true levels (n_classes, 3) of a picture, and its kind."""
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    saved, reference, coding = picture(photo, kind, random)
    planes, wanted = jpeg.to_planes(saved), jpeg.to_planes(reference)
    features, brightness = measured(planes, coding, pool=Pool(1))
    errors = np.square(planes - wanted)
    if coding:  # what JPEG alone does is no noise
        own, _ = camera.as_jpeg(reference, *_quality(coding, reference))
        errors = errors - np.square(jpeg.to_planes(own) - wanted)
    edges = (brightness[1:] + brightness[:-1]) / 2
    height, width = (n // SIDE * SIDE for n in planes.shape[1:])
    cells = planes[:, :height, :width], errors[:, :height, :width]
    means, errors = (
        part.reshape(len(part), height // SIDE, SIDE, width // SIDE, SIDE).mean(axis=(2, 4))
        for part in cells
    )
    classes = np.searchsorted(edges, means[0])
    levels = np.full((len(brightness), 3), np.nan, np.float32)
    for number in range(len(brightness)):
        chosen = errors[:, classes == number]
        if chosen.shape[1] > 15:
            found = np.sqrt(np.maximum(chosen.mean(axis=1), 0))
            levels[number, : len(found)] = np.maximum(found, WEAKEST)
    return features, levels, kind


def _quality(coding, picture):
    """Pillow's quality and sampling that give these tables."""
    sampling = 2 if coding.sampling == (2, 2) else 0
    tiny = np.zeros((8, 8, picture.shape[2]), np.float32)
    for quality in range(1, 101):
        if camera.as_jpeg(tiny, quality, sampling)[1] == coding:
            return quality, sampling
    raise ValueError("the tables are none of Pillow's")


def draw(folder, cache, count, seed):
    """Keep features and truth of `count` pictures."""
    photos = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
    found = []
    for number in range(count):
        random = np.random.default_rng((seed, number))
        index = int(random.integers(len(photos)))
        photo = Image.open(photos[index]).convert("RGB")
        if max(photo.size) > 1000:
            factor = random.uniform(1, 3)
            photo = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.BICUBIC)
        if random.random() < 0.25:  # thumbnails are all texture
            factor = random.uniform(2, 5)
            photo = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.LANCZOS)
        side = int(random.choice([160, 256, 384, 512]))
        samples = np.asarray(photo)
        top, left = (int(random.integers(0, max(1, n - side + 1))) for n in samples.shape[:2])
        samples = samples[top : top + side, left : left + side].astype(np.float32) / 255
        samples = samples[: len(samples) // 2 * 2, : samples.shape[1] // 2 * 2]
        if random.random() < 0.08:
            samples = camera.page(random, side)
        features, levels, kind = example(samples, random)
        held_out = index % HELD_OUT == 0
        name = str(photos[index].relative_to(folder))
        found.append((features, levels, [name] * len(levels), [kind] * len(levels),
                      np.full(len(levels), held_out)))  # fmt: skip
        if number % 50 == 49 or number == count - 1:
            parts = [np.concatenate(part) for part in zip(*found)]
            names = ("features", "levels", "photo", "kind", "held_out")
            np.savez(cache, **dict(zip(names, parts)))


def fit(caches, weights, steps, width, seed):
    """Fit the network by Adam, on the logarithm of the levels."""
    import torch

    names = ("features", "levels", "photo", "kind", "held_out")
    contents = [np.load(cache) for cache in caches]
    features, levels, photos, kinds, held_out = (
        np.concatenate([content[name] for content in contents]) for name in names
    )
    mean, scale = features[~held_out].mean(axis=0), features[~held_out].std(axis=0) + 1e-3
    inputs = torch.from_numpy((features - mean) / scale)
    known = np.isfinite(levels)
    targets = torch.from_numpy(np.log(np.where(known, levels, 1)))
    known = torch.from_numpy(known)
    learn = torch.from_numpy(np.flatnonzero(~held_out))
    layers = Layers(inputs.shape[1], width, 3, seed)
    network = layers.network

    def loss():
        chosen = learn[torch.randint(len(learn), (256,))]
        jitter = 0.15 * torch.randn(256, inputs.shape[1])
        errors = network(inputs[chosen] + jitter) - targets[chosen]
        # noise that is not there does more harm than noise that is left
        harm = torch.where(errors > 0, 1.5, 1.0)
        losses = harm * torch.nn.functional.huber_loss(
            errors, torch.zeros_like(errors), reduction="none"
        )
        return (losses * known[chosen]).sum() / known[chosen].sum()

    layers.fit(loss, steps, 2e-3, 1e-2)
    with torch.no_grad():
        errors = (network(inputs) - targets).numpy()
    told = {}
    for kind in KINDS:
        rows = errors[(kinds == kind) & held_out, 0]
        told[kind] = [round(float(value), 3) for value in (rows.mean(), np.abs(rows).mean())]
        print(kind, "mean and mean absolute error of log sigma, luminance:", *told[kind])

    provenance = {
        "learned_from": sorted({name.split("/")[0] for name in photos}),
        "pictures": len(set(photos)),
        "classes": len(features),
        "validation": told,
        "seed": seed,
        "restore": restore.__version__,
    }
    Network(mean, scale, *layers.arrays(), provenance).save(weights, KIND)


def main():
    """Draw examples or fit the network."""
    parser, _ = commands(__doc__, "+", 2500, 4000, 64)
    asked = vars(parser.parse_args())
    {"draw": draw, "fit": fit}[asked.pop("command")](**asked)


if __name__ == "__main__":
    main()
