"""Learn to detect damage on old prints: ``python -m training.damage``.

    python -m training.damage PHOTOS restore/data/print-damage.npz --minutes 40

Crops of the photographs are damaged on the fly (`training.prints`), and the network of
`restore.tasks.inpainting.damage` learns to classify the damage of each pixel. Needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

import restore
from restore.tasks.inpainting.damage import CHANNELS, KINDS, Detector
from training.network import half_precision
from training.prints import Damage, drawn, scanned

#: Side of the crops, crops in a batch, and every how many photographs one is held out.
SIDE, BATCH, HELD_OUT = 192, 4, 20

#: Share of crops of which few levels are left, as in a woodcut: their lines are no damage.
DRAWINGS = 0.08

#: Weight decay.
DECAY = 1e-2

#: Steps between reports of the loss, and between files of weights.
TOLD, KEPT = 200, 2000


def read(folder):
    """(name, photograph) of each file, large ones reduced twice over."""
    found = []
    for file in sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png")):
        photo = Image.open(file).convert("RGB")
        name = str(file.relative_to(folder))
        sizes = (1.5, 2, 3) if max(photo.size) > 1000 else (1,)
        for factor in sizes:
            small = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.BICUBIC)
            found.append((name, np.asarray(small)))
    return found


def crop_of(photo, random):
    """A random crop of a photograph in [0, 1]: turned, scaled, of another contrast."""
    side = round(SIDE / random.choice([1, 0.6, 0.7, 0.85, 1.3]))
    height, width = photo.shape[:2]
    side = min(side, height, width)
    top, left = (int(random.integers(0, n - side + 1)) for n in (height, width))
    crop = photo[top : top + side, left : left + side]
    if side != SIDE:
        crop = np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    crop = np.rot90(crop, random.integers(4))[:, :: random.choice([-1, 1])]
    crop = (crop.astype(np.float32) / 255) ** np.float32(np.exp(random.normal(0, 0.25)))
    low = np.float32(random.uniform(0, 0.15) * (random.random() < 0.5))
    crop = low + crop * np.float32(random.uniform(0.6, 1) - low)
    if random.random() < 0.2:
        crop = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < DRAWINGS:
        levels = np.float32(random.integers(1, 4))
        crop = np.round(levels * ndimage.gaussian_filter(crop, (1, 1, 0))) / levels
    return crop


def example(photo, damage, random):
    """A damaged picture, the class of damage of each pixel (0 is none), and which pixels count."""
    saved, _, masks, _ = scanned(photo, damage, random)
    labels = np.zeros(masks.shape[1:], np.int64)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    # the soft rim is neither
    rim = ndimage.binary_dilation(labels > 0, np.ones((3, 3))) & (labels == 0)
    return saved, labels, ~rim


def batch(photos, random):
    """Tensors of pictures, of their classes of damage, and of which pixels count."""
    import torch

    drawn_now = []
    for _ in range(BATCH):
        photo = crop_of(photos[int(random.integers(len(photos)))][1], random)
        drawn_now.append(example(photo, drawn(random), random))
    pictures, labels, counts = map(np.stack, zip(*drawn_now))
    pictures = torch.from_numpy(np.moveaxis(pictures, 3, 1) - np.float32(0.5))
    return (
        pictures.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(labels),
        torch.from_numpy(counts.astype(np.float32)),
    )


def network(start=None):
    """The layers of `restore.tasks.inpainting.damage` as a module of PyTorch.

    They are normalised as they learn, unless they go on from where a detector is.
    """
    import torch
    from torch import nn

    def convolution(inputs, outputs):
        normal = [nn.BatchNorm2d(outputs)] if start is None else []
        return [nn.Conv2d(inputs, outputs, 3, padding=1), *normal, nn.ReLU()]

    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            first = (4 * 3, *CHANNELS[1:])
            self.down = nn.ModuleList(
                nn.Sequential(*convolution(one, two), *convolution(two, two))
                for one, two in zip(first, CHANNELS)
            )
            pairs = list(zip(CHANNELS, CHANNELS[1:]))
            self.coarser = nn.ModuleList(nn.Conv2d(one, two, 2, stride=2) for one, two in pairs)
            self.finer = nn.ModuleList(nn.Conv2d(two, one, 1) for one, two in pairs)
            self.up = nn.ModuleList(
                nn.Sequential(*convolution(one, one), *convolution(one, one)) for one, _ in pairs
            )
            self.last = nn.Conv2d(CHANNELS[0], 4 * (1 + len(KINDS)), 1)

        def forward(self, values):
            # as `_quads` and `_pixels`
            values = torch.cat([values[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)], dim=1)
            kept = []
            for level, layers in enumerate(self.down):
                values = layers(values)
                if level < len(self.coarser):
                    kept.append(values)
                    values = self.coarser[level](values)
            for level in reversed(range(len(self.up))):
                wide = nn.functional.interpolate(self.finer[level](values), scale_factor=2)
                values = self.up[level](wide + kept[level])
            values = self.last(values).unflatten(1, (2, 2, -1))
            return values.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)

        def matrices(self):
            """Weights in the order of `Detector`, which include the normalisation."""
            modules = list(self.modules())
            found = []
            for module, after in zip(modules, [*modules[1:], None]):
                if not isinstance(module, nn.Conv2d):
                    continue
                weight, bias = module.weight.detach().clone(), module.bias.detach().clone()
                if isinstance(after, nn.BatchNorm2d):
                    gain = after.weight / torch.sqrt(after.running_var + after.eps)
                    weight = weight * gain[:, None, None, None]
                    bias = (bias - after.running_mean) * gain + after.bias
                rows = weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])
                found.append(torch.cat([rows, bias[None]]).detach().numpy())
            return found

    layers = Layers()
    if start is not None:
        convolutions = [module for module in layers.modules() if isinstance(module, nn.Conv2d)]
        for module, matrix in zip(convolutions, start.layers(), strict=True):
            side, (outputs, inputs) = module.kernel_size[0], module.weight.shape[:2]
            rows = torch.tensor(matrix[:-1]).reshape(side, side, inputs, outputs)
            module.weight.data = rows.permute(3, 2, 0, 1).contiguous()
            module.bias.data = torch.tensor(matrix[-1])
    return layers


def measured(detector, photos):
    """Recall and precision at a probability of 1/2, and the false share of clean photographs.

    On photographs that were held out, with the damage that `Damage` has by default.
    """
    right = told = there = wrong = seen = 0
    for number, (_, photo) in enumerate(photos):
        random = np.random.default_rng((1, number))
        damage = Damage(sepia=float(number % 2), quality=(85, 92, None)[number % 3])
        saved, labels, _ = example(photo.astype(np.float32) / 255, damage, random)
        found = detector(saved).sum(axis=0) > 0.5
        near = ndimage.binary_dilation(labels > 0, np.ones((3, 3)))
        right += (found & near).sum()
        told += found.sum()
        there += (labels > 0).sum()
        wrong += (found & (labels > 0)).sum()
        seen += (detector(photo.astype(np.float32) / 255).sum(axis=0) > 0.5).mean()
    return {
        "recall": round(float(wrong / there), 3),
        "precision": round(float(right / max(told, 1)), 3),
        "touched": round(float(seen / len(photos)), 5),
    }


def fit(folder, weights, start, minutes, rate, seed):
    """Fit the network by Adam to the classes (cross-entropy), and write it."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random = np.random.default_rng(seed)
    photos = read(folder)
    names = sorted({name for name, _ in photos})
    held_out = set(names[::HELD_OUT])
    learn = [pair for pair in photos if pair[0] not in held_out]
    rest = [pair for pair in photos if pair[0] in held_out and pair[1].size < 10**6][:8]
    start = start and Detector.load(start)
    layers = network(start).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(layers.parameters(), rate, weight_decay=DECAY)
    began, losses, steps, done = time.perf_counter(), [], 0, 0.0
    while done < 1:
        done = (time.perf_counter() - began) / (60 * minutes)
        for group in optimiser.param_groups:
            falling = 0.5 * (1 + np.cos(np.pi * min(done, 1)))
            group["lr"] = rate * min(1, (steps + 1) / 200) * falling
        pictures, labels, counts = batch(learn, random)
        with half_precision():
            outputs = layers(pictures)
        values = torch.nn.functional.cross_entropy(outputs.float(), labels, reduction="none")
        loss = (values * counts).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        steps += 1
        if steps % TOLD == 0:
            print(f"{60 * minutes * done:.0f} s, {steps} steps: {np.mean(losses[-TOLD:]):.4f}",
                  flush=True)  # fmt: skip
        if steps % KEPT == 0 or done >= 1:
            provenance = {
                "learned_from": sorted({name.split("/")[0] for name in names}),
                "pictures": len(names) - len(held_out),
                "steps": steps + (start.provenance["steps"] if start else 0),
                "seed": seed,
                "restore": restore.__version__,
            }
            layers.eval()
            detector = Detector.of(layers.matrices(), provenance)
            told = measured(detector, rest)
            print(told, flush=True)
            Detector.of(layers.matrices(), provenance | {"validation": told}).save(weights)
            layers.train()


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    fit(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
