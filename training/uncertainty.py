"""Learn to estimate the error of restored pictures: ``python -m training.uncertainty``.

    python -m training.uncertainty draw FOLDER CACHE --count 400
    python -m training.uncertainty fit CACHE restore/data/uncertainty.npz

The first command degrades and restores crops of the photos in FOLDER, and stores the features of
`restore.imaging.uncertainty` and the errors of some of their samples, one file per crop. The second
one fits the network to a quantile of the errors. Needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import numpy as np
from PIL import Image
from scipy import ndimage

import restore
from restore.imaging.bands import Pool
from restore.imaging.network import Network
from restore.imaging.noise import estimate_noise
from restore.imaging.uncertainty import FLOOR, KIND, TASKS, features
from restore.sparse.operators import Mosaic
from restore.tasks import sensing
from restore.tasks.deconvolution import blurs
from restore.tasks.demosaicing import sampled
from training import camera
from training.network import Layers, commands

#: Side of the crops, and of those for `sense`, which takes longest; samples stored of each; and
#: every how many pictures one is held out.
SIDE, SENSED, KEPT, HELD_OUT = 144, 99, 3000, 6

#: Quantile of the errors that is estimated. With 0.7 rather than 0.68, the share of errors below
#: twice the estimate is closer to 95 %: errors have longer tails than a Gaussian.
QUANTILE = 0.7

#: Wanted shares of errors below multiples of the estimate.
SHARES = ((1, 0.68), (2, 0.95))


def denoised(clean, sigma, random, pool=None):
    """A picture under white noise, restored: the arguments of `restore.estimate_error`."""
    noisy = clean + np.float32(sigma) * random.standard_normal(clean.shape, np.float32)
    best, fast = (restore.denoise(noisy, sigma, quality, pool=pool) for quality in WAYS)
    return {"restored": best, "other": fast, "sigma": sigma, "observed": noisy}


def photographed(clean, random, pool=None):
    """A camera picture, restored, and the same without noise."""
    saved, clean, coding = camera.taken(clean, camera.drawn(random), random)
    noise = estimate_noise(saved, coding, pool=pool)
    best, fast = (
        restore.denoise(saved, None, quality, noise=noise, coding=coding, pool=pool)
        for quality in WAYS
    )
    return {"restored": best, "other": fast, "sigma": noise.sigma, "observed": saved}, clean


def filled(clean, mask, sigma, random, pool=None):
    """A picture with missing pixels, filled."""
    noisy = clean + np.float32(sigma) * random.standard_normal(clean.shape, np.float32)
    best, fast = (
        restore.inpaint(noisy, mask, sigma=sigma, quality=quality, pool=pool) for quality in WAYS
    )
    return {"restored": best, "other": fast, "sigma": sigma, "known": ~mask}


def coloured(clean, sigma, random, pool=None):
    """A mosaic in full colour."""
    mosaic = sampled(clean, "RGGB")
    mosaic = mosaic + np.float32(sigma) * random.standard_normal(mosaic.shape, np.float32)
    best, fast = (
        restore.demosaic(mosaic, "RGGB", sigma=sigma, quality=quality, pool=pool)
        for quality in WAYS
    )
    known = Mosaic("RGGB").known(clean.shape[:2])
    return {"restored": best, "other": fast, "sigma": sigma, "known": known}


def sharpened(clean, kernel, sigma, random, pool=None):
    """A blurred picture made sharp, and the part of the true one that it shows."""
    inner = tuple(slice(n // 2, -(n // 2) or None) for n in kernel.shape)
    blurred = ndimage.convolve(clean, kernel[..., None])[inner]
    blurred = blurred + np.float32(sigma) * random.standard_normal(blurred.shape, np.float32)
    name = "grey" if clean.shape[2] == 1 else "colour"
    best, other = (
        restore.deblur(blurred, kernel, sigma, dictionary=way, pool=pool) for way in (None, name)
    )
    return {"restored": best, "other": other, "sigma": sigma, "observed": blurred}, clean[inner]


def sensed(clean, operator, sigma, random, pool=None):
    """A picture from few measurements of it."""
    measured = operator.forward(clean[..., 0])
    noise = random.standard_normal((2, *measured.shape))
    noise = noise[0] + 1j * noise[1] if measured.dtype.kind == "c" else noise[0]
    measured = (measured + sigma * noise).astype(measured.dtype)
    best, other = (
        sensing.sense(measured, operator, sigma, dictionary=way, pool=pool)[..., None]
        for way in (None, "grey")
    )
    known = sensing.determined(operator)
    return {"restored": best, "other": other, "sigma": sigma, "known": known}


WAYS = ("balanced", "fast")

#: Kinds of measurements of ``"sense"``.
FOURIER = tuple(kind for kind in sensing.KINDS if kind != "blocks")


def example(task, photo, random):
    """A random crop, damaged and restored by `task`: the arguments, and the truth."""
    few = task.startswith("sense")
    colour = task == "demosaic" or (not few and random.random() < 0.4)
    side = SENSED if few else SIDE
    photo = photo if colour else photo.convert("L")
    # as elsewhere, colours are learned from pictures that were reduced; some stay a little soft, as
    # the pictures of users are
    most = 3 if max(photo.size) > 1000 else 2 if colour else 1
    factor = random.uniform(min(1.2, most), most)
    photo = photo.resize([round(n / factor) for n in photo.size], Image.Resampling.BICUBIC)
    samples = np.atleast_3d(np.asarray(photo, np.float32)) / 255
    top, left = (int(random.integers(0, max(1, n - side + 1))) for n in samples.shape[:2])
    clean = samples[top : top + side, left : left + side]
    clean = np.ascontiguousarray(clean[: len(clean) // 2 * 2, : clean.shape[1] // 2 * 2])
    pool, noisy = Pool(1), random.random() < 0.3

    def level(least, most):
        return float(np.exp(random.uniform(np.log(least), np.log(most)))) / 255

    if task == "denoise":
        if colour and random.random() < 0.4:
            return photographed(clean, random, pool)
        return denoised(clean, level(3, 60), random, pool), clean
    if task == "inpaint":
        sigma = level(2, 25) if noisy else 0.0
        return filled(clean, drawn_mask(clean.shape[:2], random), sigma, random, pool), clean
    if task == "demosaic":
        return coloured(clean, level(2, 20) if noisy else 0.0, random, pool), clean
    if task == "deblur":
        return sharpened(clean, drawn_kernel(random), level(1, 8), random, pool)
    kind = "blocks" if task == "sense-blocks" else str(random.choice(FOURIER))
    share = float(random.uniform(0.08, 0.45))
    operator = sensing.simulated(kind, share, clean.shape[:2], int(random.integers(1000)))
    return sensed(clean, operator, level(1, 5) if noisy else 0.0, random, pool), clean


def drawn_mask(shape, random):
    """(height, width) bool: missing at random, in lines or in blots."""
    kind = random.random()
    if kind < 0.6:
        return random.random(shape) < random.uniform(0.2, 0.9)
    size, share = (random.uniform(1, 3), 0.25) if kind < 0.85 else (random.uniform(3, 6), 0.15)
    field = ndimage.gaussian_filter(random.standard_normal(shape), size)
    if kind < 0.85:  # lines along the zeros of a smooth field
        field = -np.abs(field)
    return field > np.quantile(field, 1 - share)


def drawn_kernel(random):
    """The kernel of a lens, a motion or a shaking hand."""
    kind = random.integers(4)
    if kind == 0:
        return blurs.gaussian(random.uniform(0.8, 3))
    if kind == 1:
        return blurs.defocus(random.uniform(1, 4))
    if kind == 2:
        return blurs.motion(random.uniform(4, 20), random.uniform(0, 180))
    path = ndimage.gaussian_filter1d(
        np.cumsum(random.standard_normal((400, 2)), axis=0), 12, axis=0
    )
    path = path - (path.max(axis=0) + path.min(axis=0)) / 2
    path *= random.uniform(3, 8) / np.abs(path).max()
    kernel = np.zeros((21, 21))
    np.add.at(kernel, tuple(np.rint(path + 10).astype(int).T), 1)
    return blurs.of_picture(ndimage.gaussian_filter(kernel, 0.5))


def draw(folder, cache, count, seed, tasks):
    """Keep features and errors of some samples of `count` pictures, the tasks in turns."""
    cache.mkdir(parents=True, exist_ok=True)
    photos = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
    for number in range(count):
        task = tasks[number % len(tasks)]
        file = cache / f"{task}.{seed}-{number}.npz"
        if file.exists():
            continue
        random = np.random.default_rng((seed, number))
        index = int(random.integers(len(photos)))
        photo = Image.open(photos[index]).convert("RGB")
        given, clean = example(task, photo, random)
        seen, errors = pairs(given, clean)
        chosen = random.permutation(len(errors))[:KEPT]
        np.savez(
            file, features=seen[chosen], errors=errors[chosen], held_out=index % HELD_OUT == 0,
            photo=str(photos[index].relative_to(folder)),
        )  # fmt: skip


def pairs(given, clean):
    """Features (n, n_features) and errors (n,) of the samples that are not known exactly."""
    image = given["restored"]
    known = given.get("known", 1.0)
    share = np.asarray(known, np.float32)
    share = np.broadcast_to(share[..., None] if share.ndim == 2 else share, image.shape)
    sigma = np.broadcast_to(np.float32(given["sigma"]), image.shape)
    seen = features(image, given["other"], sigma, share, given.get("observed"))
    exact = np.ndim(known) > 0
    wanted = ~((share == 1) & (sigma == 0)) if exact else np.ones(image.shape, bool)
    return seen[wanted], np.abs(image - clean)[wanted]


def fit(cache, weights, steps, width, seed):
    """Fit the network by Adam to a quantile of the errors, then scale each task."""
    import torch

    found = {name: [] for name in ("features", "errors", "task", "held_out")}
    photos = set()
    for file in sorted(cache.glob("*.npz")):
        content = np.load(file)
        count = len(content["errors"])
        found["features"].append(content["features"])
        found["errors"].append(content["errors"])
        found["task"].append(np.full(count, TASKS.index(file.name.split(".")[0])))
        found["held_out"].append(np.full(count, content["held_out"]))
        photos.add(str(content["photo"]))
    seen, errors, task, held_out = (np.concatenate(part) for part in found.values())
    mean, scale = seen[~held_out].mean(axis=0), seen[~held_out].std(axis=0) + 1e-3
    inputs = torch.from_numpy((seen - mean) / scale)
    targets = torch.from_numpy(np.log(errors + np.float32(FLOOR)))
    columns = torch.from_numpy(task)
    layers = Layers(inputs.shape[1], width, len(TASKS), seed)
    network = layers.network
    # as many of each task
    learn = [torch.from_numpy(np.flatnonzero(~held_out & (task == n))) for n in range(len(TASKS))]

    def loss():
        chosen = torch.cat([own[torch.randint(len(own), (256,))] for own in learn])
        told = network(inputs[chosen]).gather(1, columns[chosen, None])[:, 0]
        above = targets[chosen] - told
        return torch.maximum(QUANTILE * above, (QUANTILE - 1) * above).mean()

    layers.fit(loss, steps, 5e-3, 1e-3)
    with torch.no_grad():
        told = network(inputs).numpy()[np.arange(len(task)), task]
    shift, validation = np.zeros(len(TASKS), np.float32), {}
    for number, name in enumerate(TASKS):
        own = held_out & (task == number)
        shift[number] = balance(errors[own], np.exp(told[own]))
        limits = np.exp(told[own] + shift[number])
        validation[name] = [round(float((errors[own] < n * limits).mean()), 3) for n in (1, 2)]
        print(name, len(own.nonzero()[0]), "within one and two:", *validation[name])

    first, second, last = layers.arrays()
    last[-1] += shift
    provenance = {
        "learned_from": sorted({name.split("/")[0] for name in photos}),
        "pictures": len(photos),
        "samples": len(errors),
        "validation": validation,
        "seed": seed,
        "restore": restore.__version__,
    }
    Network(mean, scale, first, second, last, provenance).save(weights, KIND)


def balance(errors, limits):
    """The logarithm of the factor at which 68 and 95 % are missed by the same amount."""
    shifts = np.linspace(-0.5, 0.5, 101)
    off = [
        max(abs((errors < n * np.exp(shift) * limits).mean() - wanted) for n, wanted in SHARES)
        for shift in shifts
    ]
    return float(shifts[int(np.argmin(off))])


def main():
    """Draw examples or fit the network."""
    parser, drawing = commands(__doc__, None, 400, 6000, 24)
    drawing.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    asked = vars(parser.parse_args())
    {"draw": draw, "fit": fit}[asked.pop("command")](**asked)


if __name__ == "__main__":
    main()
