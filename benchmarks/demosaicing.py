"""Demosaicing against OpenCV, colour-demosaicing and LibRaw; under noise against two steps."""

import functools
import io
import itertools
import sys

import imageio.v3 as imageio
import numpy as np

import restore
from benchmarks.harness import Table, compare, eight_bits, machine, peer, psnr
from restore.imaging.bands import Pool
from restore.imaging.noise import PhotonNoise
from restore.tasks.demosaicing import BAYER, sampled
from restore.tasks.demosaicing.development import stabilised
from restore.tasks.demosaicing.noise import estimated
from restore.tasks.demosaicing.patterns import named
from tests.files.raw_files import BLACK, WHITE, write_mosaic

SETS = ("test/kodak12", "test/mcmaster18", "test/photos")
BORDER = 10
#: Gain and standard deviation of the noise, in [0, 1].
NOISES = {
    **{f"sigma {sigma}": (0, sigma / 255) for sigma in (5, 10, 20, 40)},
    "photons, gain 0.002": (0.002, 1 / 255),
    "photons, gain 0.008": (0.008, 1 / 255),
}
QUALITIES = {"restore": "balanced", "restore, fast": "fast", "restore, best": "best"}
COLOUR_DEMOSAICING = {
    "Menon et al. 2007": "Menon2007",
    "Malvar et al. 2004": "Malvar2004",
    "bilinear": "bilinear",
}
LIBRAW = ("AHD", "DHT", "DCB", "AAHD")


def tables(run):
    """RGGB mosaics of colour pictures."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        found = run.pictures(folder or "none", "coffee-clean.png")
        yield mosaics(run, *found)
        yield under_noise(run, *found)
        if folder.endswith("kodak12"):  # at other sizes LibRaw fails for this pattern
            yield xtrans(run, *found)
    if run.data and (run.data / "raw").is_dir():
        yield patterns(run)


def mosaics(run, name, pictures):
    """One set of pictures."""
    methods = {
        title: functools.partial(restore.demosaic, quality=quality, pool=Pool(run.threads))
        for title, quality in QUALITIES.items()
    }
    methods["restore, dictionary"] = functools.partial(
        restore.demosaic, dictionary="colour", pool=Pool(run.threads)
    )
    if peer("colour_demosaicing", "colour-demosaicing"):
        for title, function in COLOUR_DEMOSAICING.items():
            methods[f"{title} (colour-demosaicing)"] = functools.partial(colour, name=function)
    if peer("rawpy"):
        for algorithm in LIBRAW:
            methods[f"{algorithm} (LibRaw)"] = functools.partial(libraw, "RGGB", algorithm)
    if peer("cv2", "opencv-python-headless"):
        methods["VNG (OpenCV)"] = functools.partial(opencv, name="VNG")
        methods["edge-aware (OpenCV)"] = functools.partial(opencv, name="EA")
    title = f"Demosaicing, {name} ({len(pictures)} pictures), RGGB"
    packages = ("colour-demosaicing", "opencv-python-headless", "rawpy")
    return compared(run, f"demosaic-{name}", title, "RGGB", pictures, methods, packages, plot=True)


def compared(run, name, title, pattern, pictures, methods, packages, *, plot=False):
    """A table of methods for mosaics of a pattern."""
    cases = [(one, sampled(clean, pattern), clean) for one, clean in pictures.items()]
    found = compare(cases, methods, cpsnr, run.repetitions)
    means, pace = found.means(), found.pace()
    return Table(
        name=name,
        title=title,
        columns=[("method", ""), ("CPSNR (dB)", ".2f"), ("processor s/Mpx", ".3f")],
        rows=[[method, means[method], pace[method]] for method in methods],
        notes=f"8-bit results; {run.rounds()}.",
        details=found.details(),
        machine=machine(*packages, threads=run.threads),
        curves=found.curves("CPSNR (dB)") if plot else {},
    )


def under_noise(run, name, pictures):
    """Joint denoising, its noise told and estimated, against one step after the other."""
    pool = Pool(run.threads)

    def joint(mosaic, gain, sigma):
        one = functools.partial(restore.demosaic, pool=pool)
        colours = stabilised(mosaic, gain, sigma, lambda stable, level: one(stable, sigma=level))
        return eight_bits(colours)

    def one_by_one(mosaic, gain, sigma):
        told = {"noise": PhotonNoise(gain, sigma)} if gain else {"sigma": sigma}
        return eight_bits(restore.denoise(restore.demosaic(mosaic, pool=pool), pool=pool, **told))

    def blind(mosaic, *_):
        return joint(mosaic, *estimated(mosaic, "RGGB", pool=pool))

    methods = {"told": joint, "blind": blind, "one by one": one_by_one}
    rows, details = [], {}
    for noise, (gain, sigma) in NOISES.items():
        found = {method: [] for method in methods}
        for index, (title, clean) in enumerate(pictures.items()):
            light = sampled(np.float32(clean / 255), "RGGB")
            random = np.random.default_rng(index)
            spread = np.sqrt(gain * light + sigma**2) * random.standard_normal(light.shape)
            mosaic = light + np.float32(spread)
            for method, function in methods.items():
                found[method].append(cpsnr(clean, function(mosaic, gain, sigma)))
            print(f"  {noise}, {title}: done", file=sys.stderr)
        told, unknown, steps = map(np.array, found.values())
        rows.append([noise, told.mean(), unknown.mean(), (unknown - told).min(), steps.mean(),
                     (told - steps).mean()])  # fmt: skip
        details[noise] = found
    return Table(
        name=f"demosaic-noisy-{name}",
        title=f"Demosaicing under noise, {name} ({len(pictures)} pictures)",
        columns=[
            ("noise", ""),
            ("--sigma told (dB)", ".2f"),
            ("--sigma auto (dB)", ".2f"),
            ("worst picture (dB)", "+.2f"),
            ("demosaic, then denoise, told (dB)", ".2f"),
            ("gain of both at once (dB)", "+.2f"),
        ],
        rows=[[row[0], *map(float, row[1:])] for row in rows],
        notes="Photons: the variance of the noise is gain times the brightness, in [0, 1], and "
        "(1/255)^2 of reading. Worst picture: auto against told.",
        details=details,
        machine=machine(threads=run.threads),
    )


def xtrans(run, name, pictures):
    """The pattern of Fujifilm's sensors, 6 x 6, on one set of pictures."""
    pattern = named("xtrans")
    methods = {
        title: functools.partial(
            restore.demosaic, pattern=pattern, quality=quality, pool=Pool(run.threads)
        )
        for title, quality in QUALITIES.items()
        if quality != "best"
    }
    if peer("rawpy"):
        # which for this pattern is Markesteijn's method in three passes
        methods["Markesteijn (LibRaw)"] = functools.partial(libraw, pattern, "AHD")
    title = f"Demosaicing, {name} ({len(pictures)} pictures), X-Trans"
    return compared(run, f"demosaic-xtrans-{name}", title, pattern, pictures, methods, ("rawpy",))


def libraw(pattern, algorithm, mosaic):
    """One of LibRaw's, which takes files: the 8-bit mosaic as a DNG."""
    rawpy = peer("rawpy")
    stored, file = BLACK + mosaic * ((WHITE - BLACK) / 255), io.BytesIO()
    write_mosaic(file, np.uint16(np.rint(stored)), pattern, matrix=np.eye(3))
    file.seek(0)
    with rawpy.imread(file) as raw:
        colour = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm],
            output_color=rawpy.ColorSpace.raw,
            output_bps=16,
            gamma=(1, 1),
            user_wb=[1, 1, 1, 1],
            no_auto_bright=True,
        )
    return np.uint8(np.rint(colour / 257))


def patterns(run):
    """One scene of a camera under the four patterns of Bayer: how well the results agree."""
    mosaics = {}
    for pattern in BAYER:
        (file,) = (run.data / "raw").glob(f"*_{pattern.lower()}_14bit_in_16.png")
        mosaics[pattern] = np.float32(imageio.imread(file) / (2**14 - 1))
    ways = {
        **{title: {"quality": quality} for title, quality in QUALITIES.items()},
        **{f"restore, --sigma {sigma}": {"sigma": sigma / 255} for sigma in (2, 4)},
    }
    rows = []
    for title, told in ways.items():
        demosaic = functools.partial(restore.demosaic, pool=Pool(run.threads), **told)
        found = [demosaic(mosaic, pattern) for pattern, mosaic in mosaics.items()]
        agreement = [psnr(*pair, BORDER) for pair in itertools.combinations(found, 2)]
        rows.append([title, float(np.mean(agreement)), float(min(agreement))])
    return Table(
        name="demosaic-patterns",
        title="One scene under four patterns (DSC_1339), linear",
        columns=[("method", ""), ("agreement of two (dB)", ".2f"), ("least (dB)", ".2f")],
        rows=rows,
        notes="PSNR of the results of two patterns, full scale being 1.",
        machine=machine(threads=run.threads),
    )


def cpsnr(clean, result):
    """PSNR over the three channels of the 8-bit result, without the border."""
    return psnr(clean, result if result.dtype == np.uint8 else eight_bits(result), BORDER)


def colour(mosaic, name):
    """One of colour-demosaicing's."""
    package = peer("colour_demosaicing", "colour-demosaicing")
    return getattr(package, f"demosaicing_CFA_Bayer_{name}")(mosaic / 255, "RGGB")


def opencv(mosaic, name):
    """One of OpenCV's, which names a pattern by its second row and column: RGGB is BG."""
    cv2 = peer("cv2", "opencv-python-headless")
    return cv2.cvtColor(mosaic, getattr(cv2, f"COLOR_BayerBG2RGB_{name}"))
