"""Demosaicing against OpenCV and colour-demosaicing; under noise against two steps."""

import functools

import numpy as np

import restore
from benchmarks.harness import Table, compare, eight_bits, machine, noisy, peer, psnr
from restore.imaging.bands import Pool
from restore.tasks.demosaicing import sampled

SETS = ("test/kodak12", "test/mcmaster18", "test/photos")
BORDER = 10
#: Noise in 8-bit levels.
SIGMA = 10
QUALITIES = {"restore": "balanced", "restore, fast": "fast", "restore, best": "best"}
COLOUR_DEMOSAICING = {
    "Menon et al. 2007": "Menon2007",
    "Malvar et al. 2004": "Malvar2004",
    "bilinear": "bilinear",
}


def tables(run):
    """RGGB mosaics of colour pictures."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        found = run.pictures(folder or "none", "coffee-clean.png")
        yield mosaics(run, *found)
        yield under_noise(run, *found)


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
    if peer("cv2", "opencv-python-headless"):
        methods["VNG (OpenCV)"] = functools.partial(opencv, name="VNG")
        methods["edge-aware (OpenCV)"] = functools.partial(opencv, name="EA")
    cases = [(title, sampled(clean, "RGGB"), clean) for title, clean in pictures.items()]
    found = compare(cases, methods, cpsnr, run.repetitions)
    means, pace = found.means(), found.pace()
    return Table(
        name=f"demosaic-{name}",
        title=f"Demosaicing, {name} ({len(pictures)} pictures), RGGB",
        columns=[("method", ""), ("CPSNR (dB)", ".2f"), ("processor s/Mpx", ".3f")],
        rows=[[method, means[method], pace[method]] for method in methods],
        notes=f"8-bit results; {run.rounds()}.",
        details=found.details(),
        machine=machine("colour-demosaicing", "opencv-python-headless", threads=run.threads),
        curves=found.curves("CPSNR (dB)"),
    )


def under_noise(run, name, pictures):
    """Joint denoising against the tool's own demosaicing and denoising, one after the other."""
    demosaic = functools.partial(restore.demosaic, pool=Pool(run.threads))
    methods = {
        "restore demosaic --sigma": lambda mosaic: demosaic(mosaic, sigma=SIGMA / 255),
        "restore demosaic, then denoise": lambda mosaic: restore.denoise(
            demosaic(mosaic), sigma=SIGMA / 255, pool=Pool(run.threads)
        ),
        "restore demosaic": demosaic,
    }
    cases = [
        (title, noisy(sampled(clean, "RGGB"), SIGMA, index), clean)
        for index, (title, clean) in enumerate(pictures.items())
    ]
    found = compare(cases, methods, cpsnr, 1)
    means, pace = found.means(), found.pace()
    return Table(
        name=f"demosaic-noisy-{name}",
        title=f"Demosaicing under noise of sigma {SIGMA}, {name} ({len(pictures)} pictures)",
        columns=[("method", ""), ("CPSNR (dB)", ".2f"), ("processor s/Mpx", ".2f")],
        rows=[[method, means[method], pace[method]] for method in methods],
        details=found.details(),
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
