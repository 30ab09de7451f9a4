"""Taking a known blur away, against scikit-image and BM3D."""

import functools

import numpy as np
from scipy import ndimage
from skimage import restoration

import restore
from benchmarks import harness
from benchmarks.harness import Table, compare, machine, peer, psnr
from restore.imaging.bands import Pool
from restore.tasks.deconvolution import blurs

#: Noise, and pixels of the border that are not compared.
SIGMA, BORDER = 2.55 / 255, 12

#: What the peers are tried with; the best by hindsight counts.
BALANCES, TURNS, GAINS = np.geomspace(1e-3, 3, 12), (5, 10, 20, 40, 80), (1, 2, 4)

#: How often the border of what peers get is tapered.
TAPERS = 3

#: What the tool's time is compared with, and the noise of the same pictures for it.
DENOISE, DENOISE_SIGMA = "restore denoise", 25 / 255

#: Side of the middle that pictures in colour are cut to: BM3D takes hours of whole ones.
SIDE = 256


def tables(run):
    """Three kernels over the grey pictures, and over some in colour."""
    name, pictures = run.pictures("test/set12", "camera-clean.png", grey=True)
    yield table(run, name, pictures)
    name, pictures = run.pictures("test/kodak12", "chelsea-clean.png")
    pictures = {title: middle(picture) for title, picture in pictures.items()}
    yield table(run, name, pictures, f", their middle of {SIDE} x {SIDE}")


def middle(picture):
    """The square of `SIDE` pixels in the middle of a picture."""
    top, left = ((n - SIDE) // 2 for n in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]


def kernels():
    """{name: kernel}: of a lens, of a motion, and three of shaking hands, drawn here."""
    return {
        "Gaussian 1.6": blurs.gaussian(1.6),
        "motion of 15": blurs.motion(15, 30),
        **{f"shake {seed}": shake(seed) for seed in (1, 2, 3)},
    }


def shake(seed, side=19):
    """The path of a hand that is pushed at random, about its place (Boracchi & Foi 2012)."""
    random = np.random.default_rng(seed)
    place, speed, path = np.zeros(2), random.standard_normal(2) / 2, []
    for _ in range(1500):
        speed = 0.995 * speed + 0.07 * random.standard_normal(2)
        place = place + 0.03 * speed
        path.append(place)
    path = np.array(path) - (np.max(path, axis=0) + np.min(path, axis=0)) / 2
    path = path * (side / 2 - 1.5) / np.abs(path).max() + side // 2
    kernel = np.zeros((side, side))
    corner = np.floor(path).astype(int)
    share = path - corner
    for y, x in np.ndindex(2, 2):
        weight = np.abs(1 - y - share[:, 0]) * np.abs(1 - x - share[:, 1])
        np.add.at(kernel, (corner[:, 0] + y, corner[:, 1] + x), weight)
    return blurs.of_picture(kernel)


def cases(pictures, kernel):
    """(title, (blurred, kernel, clean), clean): what lies wholly in the picture, and noise."""
    margins = [(n // 2, n // 2) for n in kernel.shape]
    for index, (title, picture) in enumerate(pictures.items()):
        clean = harness.unit(picture).reshape(*picture.shape[:2], -1)
        blurred = ndimage.convolve(clean.astype(np.float64), kernel[..., None])
        inner = tuple(slice(before, -after or None) for before, after in margins)
        noise = np.random.default_rng(1000 + index).standard_normal(blurred[inner].shape)
        observed = np.float32(blurred[inner] + SIGMA * noise)
        yield title, (observed, kernel, clean[inner]), clean[inner]


def methods(run):
    """{name: function of (blurred, kernel, clean)}; the clean one is for hindsight alone."""
    found = {
        "restore": lambda given: restore.deblur(given[0], given[1], SIGMA, pool=Pool(run.threads)),
        "Wiener (scikit-image), best balance": functools.partial(best, wiener, BALANCES),
        "Richardson-Lucy (scikit-image), best number of turns": functools.partial(
            best, richardson_lucy, TURNS
        ),
    }
    if peer("bm3d"):
        found["BM3D (bm3d), best noise level"] = functools.partial(best, bm3d, GAINS)
    return found


def denoise(run, given):
    """The clean picture with noise, denoised."""
    clean = given[2]
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    noisy = clean + np.float32(DENOISE_SIGMA) * noise
    return restore.denoise(noisy, DENOISE_SIGMA, pool=Pool(run.threads))


def best(method, settings, given):
    """The result nearest to the clean picture, of all settings of a peer."""
    blurred, kernel, clean = given
    results = [plane_by_plane(method, blurred, kernel, setting) for setting in settings]
    return max(results, key=lambda result: psnr(clean, result, BORDER))


def plane_by_plane(method, blurred, kernel, *settings):
    """A peer that takes pictures for periodic, on one that goes on smoothly beyond its frame."""
    margin = 4 * max(kernel.shape)
    planes = []
    for plane in np.moveaxis(blurred.astype(np.float64), 2, 0):
        padded = np.pad(plane, margin, mode="reflect")
        transfer = np.fft.fft2(centred(kernel, padded.shape))
        ramps = [np.clip(np.arange(n) / margin, 0, 1) for n in padded.shape]
        weight = np.outer(*(np.minimum(ramp, ramp[::-1]) for ramp in ramps))
        # towards its border the picture becomes its own periodic blur, as MATLAB's edgetaper has it
        for _ in range(TAPERS):
            periodic = np.fft.ifft2(np.fft.fft2(padded) * transfer).real
            padded = weight * padded + (1 - weight) * periodic
        result = method(padded, kernel, *settings)
        planes.append(result[margin:-margin, margin:-margin])
    return np.stack(planes, axis=2)


def centred(kernel, shape):
    """A kernel in a plane of `shape`, its middle at the corner."""
    plane = np.zeros(shape)
    plane[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.roll(plane, [-(n // 2) for n in kernel.shape], axis=(0, 1))


def wiener(plane, kernel, balance):
    return restoration.wiener(plane, kernel.astype(np.float64), balance, clip=False)


def richardson_lucy(plane, kernel, turns):
    return restoration.richardson_lucy(
        np.maximum(plane, 0), kernel.astype(np.float64), num_iter=turns, clip=False
    )


def bm3d(plane, kernel, gain):
    """BM3D-deblurring, which takes a plane without an axis of channels for many channels."""
    if not hasattr(np, "trapz"):  # a name that bm4d still uses
        setattr(np, "trapz", np.trapezoid)  # noqa: B010
    sigma, kernel = gain * SIGMA, kernel.astype(np.float64)
    return np.squeeze(peer("bm3d").bm3d_deblurring(plane[..., None], sigma, kernel))


def table(run, name, pictures, part=""):
    """A row a method, a column a kernel; `part` says what of the pictures is measured."""
    found, compared = {}, methods(run)
    timed = {**compared, DENOISE: functools.partial(denoise, run)}
    for title, kernel in kernels().items():
        found[title] = compare(
            cases(pictures, kernel),
            timed,
            lambda clean, result: psnr(clean, result, BORDER),
            run.repetitions,
        )
    rows = []
    for method in compared:
        means = [comparison.means()[method] for comparison in found.values()]
        rows.append([method, *means, float(np.mean(means))])
    seconds = {
        method: sum(comparison.seconds[method] for comparison in found.values()) for method in timed
    }
    times = seconds["restore"] / seconds[DENOISE]
    return Table(
        name=f"deblur-{name}",
        title=f"Deblurring, {name} ({len(pictures)} pictures{part}), noise of sigma 2.55",
        columns=[
            ("PSNR (dB)", ""),
            *((title, ".2f") for title in found),
            ("mean", ".2f"),
        ],
        rows=rows,
        notes=f"{BORDER} pixels cut from every border; kernel and noise level known. The tool "
        f"takes {times:.1f} times the processor time of its `denoise` at sigma 25.",
        details={title: comparison.details() for title, comparison in found.items()},
        machine=machine(*(["bm3d"] if peer("bm3d") else []), "scikit-image", threads=run.threads),
    )
