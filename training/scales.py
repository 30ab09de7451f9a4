"""Learn the coder that denoises from coarse to fine scales: ``python -m training.scales``.

    python -m training.scales FOLDER denoise-fast-grey.npz --channels 1 --minutes 60

Learns from crops of the photos in the folders in FOLDER, each with new white noise. The loss is
minimised by Adam, through all scales and the averaging of the patches (`restore.sparse.scales`).
Reports the PSNR on held-out photos. ``--start`` continues from earlier weights. Needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

import restore
from restore.imaging.colour import AXES, GREY, to_planes
from restore.sparse.dictionary import overcomplete_dct
from restore.sparse.scales import SCALES, STRIDE
from restore.sparse.unrolled import UNIT, Coder
from training.network import half_precision
from training.pilots import HELD_OUT, LEVELS
from training.unrolled import Unrolled

#: Side of the crops; side, atoms and steps of the coder.
CROP, SIDE, ATOMS, STEPS = 80, 8, 256, 3

#: Share of the crops that are dimmed.
DIM = 0.15


class Scales(torch.nn.Module):
    """`restore.sparse.scales.restore_planes` in PyTorch."""

    def __init__(self, channels):
        super().__init__()
        start = overcomplete_dct(ATOMS, (SIDE, SIDE, 1))
        self.coder = Unrolled(channels, 2, ATOMS, STEPS, start=start, stride=STRIDE)

    def forward(self, noisy, sigma, scales=SCALES):
        """(batch, channels, height, width) planes with noise of `sigma` (batch,), denoised."""
        height, width = noisy.shape[2:]
        border = SIDE - STRIDE
        if scales == 1:
            grey = 0.5 * torch.from_numpy(AXES[noisy.shape[1]].sum(axis=1))
            estimate = torch.zeros_like(noisy) + grey[:, None, None]
        else:
            half = self(functional.avg_pool2d(noisy, 2), sigma / 2, scales - 1)
            estimate = functional.interpolate(half, scale_factor=2, mode="bilinear")
        noisy, estimate = (
            functional.pad(planes, 4 * [border], mode="reflect") for planes in (noisy, estimate)
        )
        kinds = torch.stack([noisy - estimate, estimate], dim=2)
        restored = self.coder(estimate, kinds, sigma)
        return restored[:, :, border:, border:][:, :, :height, :width]


def read(folder, channels):
    """(photos to learn from, photos held out): 8-bit, large ones at less than half their size."""
    photos = []
    for file in sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png")):
        photo = Image.open(file).convert("RGB")
        if max(photo.size) > 1000:
            size = (photo.width * 2 // 5, photo.height * 2 // 5)
            photo = photo.resize(size, Image.Resampling.BICUBIC)
        samples = np.asarray(photo)
        if channels == 1:
            samples = np.uint8(np.rint(samples @ GREY))[..., None]
        photos.append(samples)
    held_out = photos[::HELD_OUT]
    return [photo for index, photo in enumerate(photos) if index % HELD_OUT], held_out


def batch(photos, shares, count, random):
    """Clean and noisy planes, and the levels of the noise."""
    clean, sigmas = [], []
    for index in random.choice(len(photos), count, p=shares):
        photo = photos[index]
        top, left = (random.integers(0, side - CROP + 1) for side in photo.shape[:2])
        crop = photo[top : top + CROP, left : left + CROP].astype(np.float32) / 255
        crop = np.rot90(crop, random.integers(4))[:: random.choice([-1, 1])]
        # now and then as dark, or as near to white, as hardly a photo is
        if random.random() < DIM:
            crop = np.float32(random.uniform(0, 0.6)) * crop
            crop = 1 - crop if random.random() < 0.3 else crop
        clean.append(to_planes(np.ascontiguousarray(crop)))
        usual = random.uniform(10, 55) if random.random() < 0.75 else random.uniform(3, 75)
        sigmas.append(usual / 255)
    clean, sigmas = torch.from_numpy(np.stack(clean)), torch.tensor(sigmas, dtype=torch.float32)
    noise = random.standard_normal(clean.shape, dtype=np.float32)
    return clean, clean + sigmas[:, None, None, None] * torch.from_numpy(noise), sigmas


def psnr_on(model, photos):
    """Mean PSNR in dB on the photos held out, level by level."""
    found = {}
    with torch.no_grad():
        for level in LEVELS:
            reached = []
            for index, photo in enumerate(photos):
                whole = np.s_[: photo.shape[0] // 16 * 16, : photo.shape[1] // 16 * 16]
                clean = torch.from_numpy(to_planes(np.float32(photo[whole]) / 255))[None]
                noise = np.random.default_rng(index).standard_normal(clean.shape, dtype=np.float32)
                sigma = torch.tensor([level / 255])
                error = model(clean + sigma * torch.from_numpy(noise), sigma) - clean
                reached.append(-10 * math.log10(float((error**2).mean())))
            found[f"sigma {level}"] = round(sum(reached) / len(reached), 3)
    return found


def learn(asked):
    """Learn, and write the mean of the late weights."""
    torch.set_num_threads(1)
    photos, held_out = read(asked.folder, asked.channels)
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], float)
    random = np.random.default_rng(asked.seed)
    model = Scales(asked.channels)
    if asked.start:
        model.coder.start_from(Coder.load(asked.start))
    average = copy.deepcopy(model)
    optimiser = torch.optim.Adam(model.parameters(), asked.rate, betas=(0.9, 0.99))
    started = told = time.process_time()
    step, losses = 0, []

    def tell():
        reached = psnr_on(average, held_out)
        spent = time.process_time() - started
        print(f"{spent:6.0f} s, step {step}: loss {np.mean(losses):.4f}, {reached}", flush=True)
        provenance = {
            "learned_from": sorted({file.name for file in asked.folder.iterdir()}),
            "pictures": len(photos), "steps": step, "batch": asked.batch, "rate": asked.rate,
            "processor_minutes": round(spent / 60), "seed": asked.seed,
            "start": asked.start and asked.start.name, "validation_psnr": reached,
            "restore": restore.__version__,
        }  # fmt: skip
        average.coder.export(provenance).save(asked.weights)

    while (done := (time.process_time() - started) / (60 * asked.minutes)) < 1:
        rate = asked.rate * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * done)) / 2
        optimiser.param_groups[0]["lr"] = rate
        clean, noisy, sigmas = batch(photos, areas / areas.sum(), asked.batch, random)
        with half_precision():
            restored = model(noisy, sigmas)
        # about what is left at each level, so that all of them count the same
        usual = UNIT**0.7 * sigmas**1.3
        loss = (((restored - clean) ** 2).mean((1, 2, 3)) / usual).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        losses.append(loss.item())
        decay = min(0.998, step / (step + 20))
        for kept, values in zip(average.parameters(), model.parameters(), strict=True):
            kept.data.lerp_(values.data, 1 - decay)
        if time.process_time() - told > asked.tell:
            tell()
            told, losses = time.process_time(), []
    tell()


def main():
    """Learn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--batch", type=int, default=8, help="crops for each step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--minutes", type=float, default=60, help="of processor time")
    parser.add_argument("--tell", type=float, default=180, help="seconds between lines")
    parser.add_argument("--seed", type=int, default=0)
    learn(parser.parse_args())


if __name__ == "__main__":
    main()
