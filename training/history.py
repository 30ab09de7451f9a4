"""Learn to tell how pictures became small: ``python -m training.history``.

    python -m training.history draw CACHE.npz FOLDER...
    python -m training.history fit CACHE.npz restore/data/history.npz

The first makes photos small in many ways, some through JPEG, and keeps what
`restore.tasks.super_resolution.history` measures on them and, for each, what is needed to know the
error of any filter against the picture made small by bicubic interpolation. The second fits the
network to the decibels that this error costs when the picture is enlarged. It needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

import restore
from restore.imaging.arrays import as_image
from restore.imaging.colour import luminance
from restore.imaging.network import Network
from restore.imaging.resize import resize
from restore.tasks.super_resolution.correction import OFFSETS
from restore.tasks.super_resolution.degradation import shrink
from restore.tasks.super_resolution.history import BELIEVED, KIND, OUTPUTS, UNIT, measured
from training.camera import as_jpeg
from training.pilots import HELD_OUT

#: How photos become small, each as often as it is named here.
WAYS = (
    *3 * ["bicubic"], "area", "lanczos", "bilinear", *2 * ["gaussian"], "nearest", "between",
    *2 * ["area, sharpened"], "bicubic, sharpened", "gaussian, sharpened",
)  # fmt: skip

#: Share of the small pictures that go through JPEG, and its qualities.
THROUGH_JPEG, QUALITIES = 0.35, (50, 97)

#: Of the squared error of cubic interpolation what a cascade leaves, nearly.
LEFT = 0.6


def made_small(photo, scale, way, random):
    """An 8-bit picture that became small in one of the `WAYS`."""
    height, width = (side // scale for side in photo.shape[:2])
    first, _, sharpened = way.partition(", ")
    if first == "nearest":
        row, column = random.integers(scale, size=2)
        small = photo[row::scale, column::scale]
    elif first == "between":
        zoom = ndimage.zoom(np.float32(photo), (1 / scale, 1 / scale, 1), order=1, grid_mode=True,
                            mode="mirror")  # fmt: skip
        small = np.uint8(np.clip(np.rint(zoom), 0, 255))
    elif first in ("lanczos", "bilinear"):
        method = Image.Resampling[first.upper()]
        small = np.asarray(Image.fromarray(photo).resize((width, height), method))
    else:
        if first == "gaussian":
            first = f"gaussian:{scale * random.uniform(0.25, 0.85)}"
        small = np.uint8(np.rint(255 * np.clip(shrink(as_image(photo), scale, first), 0, 1)))
    if sharpened:
        radius, percent = random.uniform(0.6, 2), int(random.uniform(25, 140))
        mask = ImageFilter.UnsharpMask(radius, percent, 0)
        small = np.asarray(Image.fromarray(np.ascontiguousarray(small)).filter(mask))
    return np.ascontiguousarray(small)


def examples(photo, seed):
    """A row for each way: features, normal equations of a filter, whether bicubic."""
    random, rows = np.random.default_rng(seed), []
    for number, way in enumerate(WAYS):
        scale = int(random.integers(2, 5))
        photo = photo[: len(photo) // scale * scale, : photo.shape[1] // scale * scale]
        wished = luminance(shrink(as_image(photo), scale, "bicubic"))
        blurred = resize(wished[..., None], *photo.shape[:2])[..., 0]
        lost = LEFT * np.mean((blurred - luminance(as_image(photo))) ** 2)
        small = made_small(photo, scale, way, random)
        seen = plane = luminance(as_image(small))
        if number and random.random() < THROUGH_JPEG:
            seen = luminance(as_jpeg(as_image(small), int(random.integers(*QUALITIES)), 2)[0])
        features = measured(seen)
        if features is None:
            continue
        # what JPEG did is removed before the filter
        moved = np.array([ndimage.correlate(plane, kernel) for kernel in OFFSETS])
        moved = moved[:, 3:-3, 3:-3].reshape(len(OFFSETS), -1).astype(np.float64)
        missing = (wished - plane)[3:-3, 3:-3].ravel().astype(np.float64)
        parts = moved @ moved.T, moved @ missing, missing @ missing
        rows.append((features, *(part / missing.size for part in parts), lost, way))
    return rows


def _drawn(job):
    path, seed = job
    photo = Image.open(path).convert("RGB")
    if max(photo.size) > 1000:
        factor = np.random.default_rng((1, seed)).uniform(2.5, 5)
        photo = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.BICUBIC)
    return examples(np.asarray(photo), (0, seed))


def draw(folders, cache, copies, processes):
    """Keep what all photos of some folders give, each so many times."""
    photos = sorted(file for folder in folders for file in folder.rglob("*")
                    if file.suffix in (".jpg", ".png"))  # fmt: skip
    jobs = [(path, number) for number, path in enumerate(copies * photos)]
    found, held_out = [], []
    with ProcessPoolExecutor(processes) as pool:
        for (_, number), rows in zip(jobs, pool.map(_drawn, jobs)):
            found += rows
            held_out += [number % len(photos) % HELD_OUT == 0] * len(rows)
            if number % 20 == 0:
                print(f"{number} of {len(jobs)} pictures", flush=True)
    names = ("features", "gram", "products", "squares", "lost", "way")
    arrays = {name: np.array(column) for name, column in zip(names, zip(*found))}
    np.savez(cache, held_out=held_out, **arrays)


def fit(cache, weights, epochs):
    """Fit the network and print what it costs and gains on pictures that it has not seen."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    with np.load(cache) as stored:
        rows = dict(stored)
    held_out, features = rows["held_out"], rows["features"]
    features = np.clip(features, *np.quantile(features, (0.001, 0.999), axis=0))
    mean, scale = features[~held_out].mean(axis=0), features[~held_out].std(axis=0) + 1e-6
    inputs, gram, products, squares, lost = (
        torch.tensor(array, dtype=torch.float32)
        for array in ((features - mean) / scale, *(rows[name] for name in (
            "gram", "products", "squares", "lost")))
    )  # fmt: skip
    other = torch.tensor(rows["way"] != "bicubic", dtype=torch.float32)
    sizes = (features.shape[1], 48, 32, OUTPUTS)
    layers = [torch.nn.Linear(*pair) for pair in zip(sizes, sizes[1:])]
    activation = torch.nn.ReLU()
    network = torch.nn.Sequential(
        layers[0], activation, torch.nn.Dropout(0.1), layers[1], activation, layers[2]
    )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=5e-2)

    def cost(chosen, kernels):
        """Decibels lost to what the filters leave."""
        error = squares[chosen] - 2 * (kernels * products[chosen]).sum(1)
        error = error + torch.einsum("ni,nij,nj->n", kernels, gram[chosen], kernels)
        return 10 * torch.log10(1 + error.clamp(min=0) / lost[chosen])

    taught = torch.tensor(np.flatnonzero(~held_out))
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (1 - epoch / epochs) + 1e-5
        for chosen in taught[torch.randperm(len(taught))].split(128):
            seen = inputs[chosen]
            said = network(seen + 0.3 * torch.randn_like(seen))
            belief = torch.nn.functional.binary_cross_entropy_with_logits(
                said[:, -1], other[chosen]
            )
            harm = torch.where(other[chosen] > 0, 1.0, 2.0)  # what was right must stay so
            loss = (harm * cost(chosen, UNIT * said[:, :-1])).mean() + 0.3 * belief
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()
    unseen = torch.tensor(np.flatnonzero(held_out))
    with torch.no_grad():
        said = network(inputs[unseen])
        told = said[:, -1] > float(np.log(BELIEVED / (1 - BELIEVED)))
        kernels = UNIT * said[:, :-1] * told[:, None]
        before, after = cost(unseen, 0 * kernels), cost(unseen, kernels)
    for way in dict.fromkeys(WAYS):
        those = torch.tensor(rows["way"][held_out] == way)
        print(f"{way:20} {before[those].mean():6.3f} dB lost, {after[those].mean():6.3f} with it, "
              f"{told[those].float().mean():.2f} believed not bicubic")  # fmt: skip
    provenance = {
        "method": "network of two hidden layers",
        "learned_from": ["bsds", "photos"],
        "pictures": int((~held_out).sum()),
        "seed": 0,
        "epochs": epochs,
        "restore": restore.__version__,
    }

    def affine(layer):
        return np.vstack([layer.weight.detach().numpy().T, layer.bias.detach().numpy()])

    Network(mean, scale, *map(affine, layers), provenance).save(weights, KIND)


def main():
    """Draw examples, or fit the network to them."""
    parser = argparse.ArgumentParser(prog="training.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("cache", type=Path)
    drawing.add_argument("folders", type=Path, nargs="+")
    drawing.add_argument("--copies", type=int, default=2)
    drawing.add_argument("--processes", type=int, default=2)
    fitting = commands.add_parser("fit")
    fitting.add_argument("cache", type=Path)
    fitting.add_argument("weights", type=Path)
    fitting.add_argument("--epochs", type=int, default=60)
    asked = parser.parse_args()
    if asked.command == "draw":
        draw(asked.folders, asked.cache, asked.copies, asked.processes)
    else:
        fit(asked.cache, asked.weights, asked.epochs)


if __name__ == "__main__":
    main()
