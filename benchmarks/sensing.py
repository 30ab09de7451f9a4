"""Pictures from few measurements, against zero filling and total variation."""

import numpy as np
from skimage import restoration

import restore
from benchmarks import harness
from benchmarks.harness import Table, compare, machine, psnr
from restore.imaging.bands import Pool
from restore.sparse.operators import Fourier
from restore.tasks import sensing

#: Shares of projections of blocks, and of frequencies.
SHARES, RADIAL = (0.1, 0.25), 0.2

#: Weights of total variation, in levels of the turn; the best by hindsight counts.
WEIGHTS = (0.25, 0.5, 1.0)

#: Side of the phantoms, and of the squares that photographs are cut to.
SIDE = 256


def tables(run):
    """Projections of blocks of grey pictures; frequencies of phantoms and photographs."""
    name, pictures = run.pictures("test/set12", "camera-clean.png", grey=True)
    yield projections(run, name, pictures)
    yield frequencies(run, pictures)


def recover(run, given, **settings):
    """What the tool makes of (measured, operator)."""
    return sensing.sense(*given, pool=Pool(run.threads), **settings)


def by_variation(given, clean):
    """Total variation by the same splitting: the best of its weights by hindsight."""
    measured, operator = given
    results = [
        restore.solve(
            measured,
            operator,
            lambda image, sigma, weight=weight: restoration.denoise_tv_chambolle(
                image[..., 0], weight * sigma
            ),
            levels=sensing.CODED,
            turns=sensing.TURNS,
        )
        for weight in WEIGHTS
    ]
    return max(results, key=lambda result: psnr(clean, result))


def cases(pictures, operator_of):
    """(title, (measured, operator, clean), clean)."""
    for title, picture in pictures.items():
        clean = np.float32(harness.unit(picture)[..., 0])
        operator = operator_of(clean.shape)
        yield title, (operator.forward(clean), operator, clean), clean


def methods(run):
    return {
        "restore": lambda given: recover(run, given[:2]),
        "total variation, best weight": lambda given: by_variation(given[:2], given[2]),
        "adjoint (zero filling)": lambda given: given[1].adjoint(given[0]),
    }


def projections(run, name, pictures):
    """Blocks of 33x33, Gaussian projections."""
    found = {
        share: compare(
            cases(pictures, lambda shape, share=share: sensing.simulated("blocks", share, shape)),
            methods(run),
            psnr,
            run.repetitions,
        )
        for share in SHARES
    }
    return Table(
        name=f"sense-{name}",
        title=f"Gaussian projections of 33x33 blocks, {name} ({len(pictures)} pictures)",
        columns=[("PSNR (dB)", ""), *((f"{share:.0%}", ".2f") for share in SHARES)],
        rows=[
            [method, *(comparison.means()[method] for comparison in found.values())]
            for method in methods(run)
        ],
        notes="No noise.",
        details={f"{share:g}": comparison.quality for share, comparison in found.items()},
        machine=machine("scikit-image", threads=run.threads),
    )


def frequencies(run, pictures):
    """A fifth of the frequencies, on radial lines."""
    drawn = {f"phantom {seed}": phantom(seed) for seed in (1, 2, 3)}
    photographs = dict(list(pictures.items())[:3])
    found = {
        kind: compare(
            cases(shown, lambda shape: Fourier(sensing.radial(shape, RADIAL), real=True)),
            {
                **methods(run),
                "restore, --dictionary learn": lambda given: recover(
                    run, given[:2], dictionary="learn"
                ),
            },
            psnr,
            run.repetitions,
        )
        for kind, shown in (("phantoms", drawn), ("photographs", photographs))
    }
    return Table(
        name="sense-radial",
        title=f"{RADIAL:.0%} of the frequencies, radial",
        columns=[
            ("PSNR (dB)", ""),
            *((f"{len(found[kind].titles)} {kind}", ".2f") for kind in found),
        ],
        rows=[
            [method, *(comparison.means()[method] for comparison in found.values())]
            for method in found["phantoms"].quality
        ],
        notes="No noise.",
        details={kind: comparison.quality for kind, comparison in found.items()},
        machine=machine("scikit-image", threads=run.threads),
    )


def phantom(seed):
    """A head: skull, folds of grey and white matter, chambers; drawn, 8 bits."""
    from scipy import ndimage

    random = np.random.default_rng(seed)
    rows, columns = (np.mgrid[:SIDE, :SIDE] / SIDE - 0.5) * 2

    def ellipse(y, x, height, width, turn=0.0):
        down = np.cos(turn) * (rows - y) - np.sin(turn) * (columns - x)
        across = np.sin(turn) * (rows - y) + np.cos(turn) * (columns - x)
        return (down / height) ** 2 + (across / width) ** 2

    folds = ndimage.gaussian_filter(random.standard_normal((SIDE, SIDE)), 5)
    folds = folds / folds.std()
    brain = np.where(folds + 3 * (0.45 - ellipse(0, 0, 0.75, 0.6)) > 0, 0.75, 0.5)
    brain = brain + 0.02 * ndimage.gaussian_filter(random.standard_normal((SIDE, SIDE)), 1.5) / 0.19
    image = np.where(ellipse(0, 0, 0.92, 0.76) < 1, 0.9, 0.0)
    image[ellipse(0, 0, 0.84, 0.68) < 1] = 0.1
    inner = ellipse(0, 0, 0.8, 0.64) < 1
    image[inner] = brain[inner]
    for side in (-1, 1):
        image[ellipse(-0.1, 0.13 * side, 0.28, 0.07, 0.25 * side) < 1] = 0.2
    for _ in range(6):
        y, x = random.uniform(-0.45, 0.45, 2)
        image[ellipse(y, x, *random.uniform(0.015, 0.05, 2)) < 1] = random.uniform(0.3, 1)
    return np.uint8(np.rint(255 * np.clip(ndimage.gaussian_filter(image, 0.6), 0, 1)))
