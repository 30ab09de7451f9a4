"""Filling random missing pixels against OpenCV, SciPy and scikit-image."""

import numpy as np

import restore
from benchmarks.harness import Table, compare, eight_bits, machine, peer, psnr

MISSING = (0.5, 0.8)


def tables(run):
    """Grey pictures with half and with four fifths of their pixels missing."""
    name, pictures = run.pictures("test/set12", "camera-clean.png", grey=True)
    methods = {
        "restore": lambda given: restore.inpaint(*given, threads=run.threads),
        "biharmonic (scikit-image)": biharmonic,
        "cubic (SciPy)": cubic,
    }
    if peer("cv2", "opencv-python-headless"):
        methods["Navier-Stokes (OpenCV)"] = lambda given: opencv(given, "INPAINT_NS")
        methods["Telea (OpenCV)"] = lambda given: opencv(given, "INPAINT_TELEA")
    found = {}
    for missing in MISSING:
        cases = [
            (f"{title}, {missing:.0%}", damaged(clean, missing, index), clean)
            for index, (title, clean) in enumerate(pictures.items())
        ]
        found[missing] = compare(
            cases, methods, lambda clean, result: psnr(clean, as_file(result)), run.repetitions
        )
    columns = [("method", "")]
    for missing in MISSING:
        columns += [(f"PSNR, {missing:.0%} missing (dB)", ".2f"), ("s/Mpx", ".2f")]
    yield Table(
        name=f"inpaint-{name}",
        title=f"Inpainting, grey, {name} ({len(pictures)} pictures), random pixels missing",
        columns=columns,
        rows=[
            [method, *(by[method] for f in found.values() for by in (f.means(), f.pace()))]
            for method in methods
        ],
        notes=f"8-bit results; medians of {run.repetitions} runs in turns.",
        details={str(missing): f.details() for missing, f in found.items()},
        machine=machine("opencv-python-headless", "scikit-image", "scipy", threads=run.threads),
    )


def damaged(clean, missing, index):
    """The picture with its missing pixels black, and the mask of them."""
    mask = np.random.default_rng(index).random(clean.shape) < missing
    return np.where(mask, np.uint8(0), clean), mask


def as_file(result):
    """The result after a file of 8 bits."""
    return result if result.dtype == np.uint8 else eight_bits(result)


def biharmonic(given):
    """Damelin & Hoang 2018."""
    from skimage.restoration import inpaint_biharmonic

    picture, mask = given
    return inpaint_biharmonic(picture / 255, mask)


def cubic(given):
    """Clough-Tocher interpolation over a triangulation, the nearest pixel outside it."""
    from scipy.interpolate import griddata

    picture, mask = given
    known, values = np.argwhere(~mask), picture[~mask] / 255
    filled = picture / 255
    filled[mask] = griddata(known, values, np.argwhere(mask), "cubic")
    outside = np.isnan(filled)
    if outside.any():
        filled[outside] = griddata(known, values, np.argwhere(outside), "nearest")
    return filled


def opencv(given, flag):
    """Telea 2004, or Bertalmio, Bertozzi & Sapiro 2001; radius 3."""
    cv2 = peer("cv2", "opencv-python-headless")
    picture, mask = given
    return cv2.inpaint(picture, mask.astype(np.uint8), 3, getattr(cv2, flag))
