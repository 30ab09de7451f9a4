"""Training data for the unrolled coders: ``python -m training.pilots``.

    python -m training.pilots noise FOLDER CACHE --channels 1
    python -m training.pilots jpeg FOLDER CACHE --channels 3

Draws crops of the photos in the folders in FOLDER, degrades them (noise, a mosaic, JPEG), and
restores them with the package up to the step before the coder. Stores the estimate that the coder
corrects, its other inputs, and the clean crop. Run it with other seeds for more data, which
`training.unrolled` also reads while it runs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from restore.imaging import jpeg
from restore.imaging.bands import Pool
from restore.imaging.colour import GREY, to_planes
from restore.imaging.noise_map import noise_levels, spread
from restore.imaging.resize import resize
from restore.learning.demosaicing import changed
from restore.sparse import white
from restore.sparse.unrolled import UNIT, mean_and_kinds
from restore.tasks.compression import Codec, compress, container, correction, smoothing, tuning
from restore.tasks.compression.planes import to_planes as to_coded
from restore.tasks.compression.targets import planes_of
from restore.tasks.demosaicing import LEARNED_SIGMA, ROUNDED, estimates, packaged, sampled
from restore.tasks.denoising import mapped
from restore.tasks.inpainting.correcting import Estimates, coder_inputs, level_of
from restore.tasks.inpainting.grouping import completed
from restore.tasks.inpainting.interpolation import interpolate
from restore.tasks.super_resolution import enlarge_plane, similar
from restore.tasks.super_resolution.cascade import SCALES, Cascade, back_project
from restore.tasks.super_resolution.degradation import shrink
from training import camera, prints

#: Side of the crops that are stored.
KEPT = 288

#: Noise of the simulated cameras for validation.
CAMERAS = {
    "little": {"gain": 0.001, "read": 0.001},
    "middle": {"gain": 0.004, "read": 0.003},
    "strong": {"gain": 0.012, "read": 0.008},
}

#: Every how many pictures one is held out; noise levels and JPEG qualities of the validation.
HELD_OUT, LEVELS, QUALITIES = 25, (15, 25, 50), (10, 20, 40, 80)

#: Noise of mosaics in the validation, in levels of 255.
NOISES = (5, 10, 20, 40)

#: Shares of the pixels that are missing in the validation.
MISSING = (0.5, 0.8)

#: Qualities of compressed pictures in the validation.
CODED = (25, 50, 75)

#: Share of the crops under white noise that are dimmed, and of these the share that are flat.
DIM, FLAT = 0.15, 0.4


def draw(kind, folder, cache, channels, count, seed):
    """Store `count` damaged crops of the photos in `folder`, and their estimates by groups."""
    cache.mkdir(parents=True, exist_ok=True)
    photos = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
    for number in range(count):
        random = np.random.default_rng((seed, number))
        index = (seed * count + number) % len(photos)
        held_out = index % HELD_OUT == 0
        file = cache / f"{'validation' if held_out else 'learn'}-{seed}-{number}.npz"
        if file.exists():
            continue
        photo = Image.open(photos[index]).convert("RGB")
        clean, (estimate, kinds, level), label = KINDS[kind](photo, channels, held_out, random)
        part = file.with_suffix(".part.npz")
        np.savez(
            part, clean=np.float16(clean), estimate=np.float16(estimate),
            kinds=np.float16(np.stack(kinds(slice(0, None)), axis=1)), sigma=np.float32(level),
            photo=str(photos[index].relative_to(folder)), label=label,
            counted=COUNTED.get(kind, "all"),
        )  # fmt: skip
        part.rename(file)


def noise(photo, channels, held_out, random):
    """A crop with white noise, mostly of common levels."""
    clean = crop(photo, channels, random)
    if random.random() < DIM and not held_out:  # some are dark, and some nothing but flat
        clean *= np.float32(random.uniform(0, 1))
        if random.random() < FLAT:
            clean[:] = random.choice([0, 1, random.uniform(0, 1)])
    usual = random.uniform(10, 55) if random.random() < 0.75 else random.uniform(4, 75)
    level = random.choice(LEVELS) if held_out else usual
    noisy = clean + level / 255 * random.standard_normal(clean.shape).astype(np.float32)
    planes = to_planes(noisy)
    sigma = float(level / 255)
    variances = np.full(channels, sigma**2, np.float32)
    inputs = *white.coder_inputs(planes, sigma, variances), sigma
    return to_planes(clean), inputs, f"sigma {level:.0f}"


def mosaic(photo, channels, held_out, random):
    """The mosaic of a crop; one in three has a colour cast."""
    clean = tinted(photo, held_out, random)
    return demosaiced(clean, sampled(clean, "RGGB"), ROUNDED, "demosaic", "mosaic")


def noisy_mosaic(photo, channels, held_out, random):
    """The mosaic of a crop with noise, on the scale on which this is of the usual level."""
    clean = tinted(photo, held_out, random)
    level = random.choice(NOISES) if held_out else np.exp(random.uniform(*np.log((3, 50))))
    scaled = np.float32(255 * LEARNED_SIGMA / level) * clean
    noisy = sampled(scaled, "RGGB")
    noisy += np.float32(LEARNED_SIGMA) * random.standard_normal(noisy.shape, np.float32)
    return demosaiced(scaled, noisy, LEARNED_SIGMA**2, "demosaic-noisy", f"sigma {level:.0f}")


def tinted(photo, held_out, random):
    """A crop of whole levels; one in three has a colour cast."""
    clean = np.uint8(np.rint(255 * crop(photo, 3, random)))
    return changed(clean, 0 if held_out else 0.3, random)


def demosaiced(clean, mosaic, error, model, label):
    """What the coder of mosaics corrects: the estimates with errors of this variance."""
    found = estimates(mosaic, error, "RGGB", packaged(model), pool=Pool(1))
    learned, early, before, last = map(to_planes, found)
    return to_planes(clean), (*mean_and_kinds(learned, zip(early, last, before)), UNIT), label


def artefacts(photo, channels, held_out, random):
    """A crop after JPEG compression."""
    clean = crop(photo, channels, random)
    usual = random.uniform(5, 50) if random.random() < 0.6 else random.uniform(30, 96)
    quality = int(random.choice(QUALITIES) if held_out else usual)
    decoded, coding = camera.as_jpeg(clean, quality, random.choice([0, 2], p=[0.3, 0.7]))
    planes = jpeg.to_planes(decoded)
    inputs = mapped.coder_inputs(
        planes,
        coding.error(planes),
        project=lambda estimate: coding.project(estimate, planes),
        pool=Pool(1),
    )
    return jpeg.to_planes(clean), inputs, f"quality {quality}"


def photograph(photo, channels, held_out, random):
    """A crop as a camera saves it, with the estimated noise level."""
    settings = replace(camera.drawn(random), grey=channels == 1, scale=1.0)
    if held_out:
        level = str(random.choice(list(CAMERAS)))
        settings = replace(settings, **CAMERAS[level], grain=0.0, smoothing=0.0, quality=85)
    printed = random.random() < 0.06 and not held_out
    clean = camera.page(random, KEPT) if printed else crop(photo, 3, random)
    saved, clean, coding = camera.taken(clean, settings, random)
    if random.random() < 0.25 and not held_out:  # decoded, and saved as another format since
        coding = None
    planes = jpeg.to_planes(saved)
    variances = spread(planes, *noise_levels(planes, coding, pool=Pool(1)))
    if coding:
        variances += coding.error(planes)
    variances = np.maximum(variances, mapped.LEAST)
    inputs = mapped.coder_inputs(planes, variances, pool=Pool(1))
    return jpeg.to_planes(clean), inputs, level if held_out else "drawn"


def enlarged(photo, channels, held_out, random):
    """A crop that was made small, enlarged by a packaged cascade."""
    scale = int(random.choice(SCALES))
    clean = crop(photo, 1, random)
    height, width = (n // scale * scale for n in clean.shape[:2])
    clean = clean[:height, :width]
    small = shrink(clean, scale, "bicubic")
    small = np.rint(255 * np.clip(small, 0, 1)).astype(np.float32) / 255
    start, model = resize(small, height, width), Cascade.load(scale)
    large = enlarge_plane(small[..., 0], start[..., 0], model, pool=Pool(1))
    large = back_project(small, large[..., None], model.degradation)
    inputs = similar.coder_inputs(large[..., 0], start[..., 0], scale, Pool(1))
    return to_planes(clean), inputs, f"scale {scale}"


def missing(photo, channels, held_out, random):
    """A crop whose pixels are missing at random, or one in five times under lines and specks."""
    clean = crop(photo, 1, random)
    share = random.choice(MISSING) if held_out else random.uniform(0.2, 0.9)
    if random.random() < 0.2 and not held_out:
        damage = prints.Damage(scratches=8, hairs=4, dust=20, folds=0.3, grain=0)
        known = ~prints.scanned(clean, damage, random)[2].any(axis=0)
    else:
        known = random.random(clean.shape[:2]) >= share
    planes = to_planes(np.where(known[..., None], clean, 0))
    start, nothing = interpolate(planes, known, Pool(1)), np.zeros_like(known)
    rounds = completed(start, planes, known, nothing, 0, "balanced", Pool(1))
    inputs = coder_inputs(Estimates(start, *rounds), ~known)
    return to_planes(clean), (*inputs, level_of(~known)), f"{share:.0%} missing"


def compressed(photo, channels, held_out, random):
    """A crop after `restore.compress`, at the step before the coder of corrected pictures."""
    clean = crop(photo, channels, random, (1.4, 3))
    tune = str(random.choice(tuning.TUNES))
    quality = random.choice(CODED) if held_out else random.uniform(10, 85)
    data = compress(clean, quality=quality, tune=tune, codec=Codec.load("photos")).data
    header, _, payload = container.unpack(data)
    shown, steps = planes_of(header, Codec.load("photos"), payload, Pool(1))
    smoothed = smoothing.smooth(shown, header.filter, steps, Pool(1))
    wanted = to_coded(clean, header.angles, tune == "eye")
    error = correction.error_of(wanted[0], shown[0], steps.step)
    inputs = correction.coder_inputs(shown, smoothed, steps, error, Pool(1))
    return correction.to_unit(wanted), inputs, f"{tune} {quality:.0f}"


#: The samples that count in learning.
COUNTED = {"mosaic": "hidden", "missing": "missing"}

KINDS = {
    "noise": noise,
    "mosaic": mosaic,
    "noisy-mosaic": noisy_mosaic,
    "jpeg": artefacts,
    "camera": photograph,
    "enlarged": enlarged,
    "missing": missing,
    "compressed": compressed,
}


def crop(photo, channels, random, factors=(2, 3)):
    """Up to `KEPT` x `KEPT` pixels of a photo; a large one is scaled down first, by 2 to 3.

    So is what is to be learned from in colour, since JPEG keeps colours at half the size; but
    not what is tiny.
    """
    width, height = photo.size
    whole = max(width, height) < (1000 if channels == 1 else 400)
    factor = 1 if whole else random.uniform(*factors)
    photo = photo.resize((round(width / factor), round(height / factor)), Image.Resampling.BICUBIC)
    samples = np.asarray(photo, np.float32)
    if channels == 1:
        samples = np.rint(samples @ GREY)[..., None]
    # mosaics need whole cells
    samples = samples[: len(samples) // 2 * 2, : samples.shape[1] // 2 * 2]
    top, left = (random.integers(0, max(1, n - KEPT + 1)) for n in samples.shape[:2])
    return samples[top : top + KEPT, left : left + KEPT] / 255


def main():
    """Make pictures to learn from."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    draw(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
