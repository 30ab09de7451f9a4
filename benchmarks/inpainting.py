"""Filling missing pixels and text against OpenCV, SciPy and scikit-image."""

import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import restore
from benchmarks import harness
from benchmarks.harness import Table, compare, damaged, eight_bits, machine, peer, psnr
from restore.imaging.bands import Pool
from restore.imaging.colour import GREY

MISSING = (0.5, 0.8)

#: A hundred of the 400 photographs of `train/bsds`, filled by the default and the strongest peer.
EVERY, STRONGEST = 4, ("restore, balanced", "biharmonic (scikit-image)")

#: Share of the pixels under the text, and the words.
TEXT = 0.1
WORDS = "every small patch of a picture is a combination of a few atoms".split()


def tables(run):
    """Pixels missing at random, text, and growth with the pixels."""
    name, pictures = run.pictures("test/set12", "camera-clean.png", grey=True)
    yield missing_pixels(run, name, pictures)
    if run.data and (run.data / "train/bsds").is_dir():
        folder, photos = run.pictures("train/bsds")
        some = dict(list(photos.items())[::EVERY])
        some = {title: np.uint8(np.rint(photo @ GREY)) for title, photo in some.items()}
        yield missing_pixels(run, folder, some, STRONGEST)
    yield text(run, name, pictures)
    yield growth(run)


def peers(run):
    """{name: function of (8-bit picture, mask)}: our default, and what others have."""
    methods = {
        "restore": lambda given: restore.inpaint(*given, pool=Pool(run.threads)),
        "biharmonic (scikit-image)": biharmonic,
        "cubic (SciPy)": cubic,
    }
    if peer("cv2", "opencv-python-headless"):
        methods["Navier-Stokes (OpenCV)"] = lambda given: opencv(given, "INPAINT_NS")
        methods["Telea (OpenCV)"] = lambda given: opencv(given, "INPAINT_TELEA")
    return methods


def missing_pixels(run, name, pictures, chosen=None):
    """Grey pictures with half and with four fifths of their pixels missing.

    Filled by all methods, or by the `chosen` ones alone, whose times are in the other table.
    """
    methods = {
        f"restore, {quality}": lambda given, quality=quality: restore.inpaint(
            *given, quality=quality, pool=Pool(run.threads)
        )
        for quality in ("fast", "balanced")
    }
    methods["restore, dictionary"] = lambda given: restore.inpaint(
        *given, dictionary="learn", pool=Pool(run.threads)
    )
    methods |= {method: function for method, function in peers(run).items() if method != "restore"}
    timed = chosen is None
    methods = {method: methods[method] for method in chosen or methods}
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
        columns += [
            (f"PSNR, {missing:.0%} missing (dB)", ".2f"),
            ("least gain on biharmonic (dB)", "+.2f"),
        ]
        if timed:
            columns += [("processor s/Mpx", ".2f")]
    return Table(
        name=f"inpaint-{name}",
        title=f"Inpainting, grey, {name} ({len(pictures)} pictures), random pixels missing",
        columns=columns,
        rows=[
            [
                method,
                *(
                    value
                    for f in found.values()
                    for value in (
                        f.means()[method],
                        least_gain(f, method),
                        *([f.pace()[method]] if timed else []),
                    )
                ),
            ]
            for method in methods
        ],
        notes=f"8-bit results; {run.rounds()}." if timed else "8-bit results.",
        details={str(missing): f.details() for missing, f in found.items()},
        machine=machine("opencv-python-headless", "scikit-image", "scipy", threads=run.threads),
        curves=found[MISSING[0]].curves(f"PSNR, {MISSING[0]:.0%} missing (dB)") if timed else {},
    )


def least_gain(found, method):
    """What a method gains on biharmonic interpolation on the picture where it gains least."""
    own, other = (np.array(found.quality[name]) for name in (method, "biharmonic (scikit-image)"))
    return float((own - other).min())


def text(run, name, pictures):
    """Grey pictures under lines of text: PSNR of the pixels under it."""
    cases = []
    for index, (title, clean) in enumerate(pictures.items()):
        mask = lettered(clean.shape, index)
        given = np.where(mask, np.uint8(255), clean), mask
        cases.append((f"{title}, text", given, np.ma.masked_array(clean, ~mask)))
    found = compare(cases, peers(run), under, run.repetitions)
    return Table(
        name=f"inpaint-text-{name}",
        title=f"Inpainting, grey, {name} ({len(pictures)} pictures), text on {TEXT:.0%} of them",
        columns=[
            ("method", ""),
            ("PSNR under the text (dB)", ".2f"),
            ("least gain on biharmonic (dB)", "+.2f"),
            ("processor s/Mpx", ".2f"),
        ],
        rows=[
            [method, found.means()[method], least_gain(found, method), found.pace()[method]]
            for method in found.quality
        ],
        notes=f"8-bit results; {run.rounds()}.",
        details=found.details(),
        machine=machine("opencv-python-headless", "scikit-image", "scipy", threads=run.threads),
    )


def lettered(shape, index):
    """True under lines of words drawn at random, down the picture until the share is covered."""
    rng = np.random.default_rng(index)
    height, width = shape
    page = Image.new("L", (width, height))
    pen = ImageDraw.Draw(page)
    size = 14 if max(shape) <= 256 else 18
    for top in range(2, height, size + 4):
        line = " ".join(rng.choice(WORDS, width // 16))
        pen.text((-int(rng.integers(20)), top), line, fill=255, font=ImageFont.load_default(size))
        if (np.asarray(page) > 127).mean() >= TEXT:
            break
    return np.asarray(page) > 127


def under(clean, result):
    """PSNR of the pixels that are not masked out of `clean`."""
    result = as_file(result).reshape(clean.shape)[~clean.mask]
    return psnr(clean.compressed()[None], result[None])


def growth(run):
    """Time and peak memory of the whole command, half of the pixels missing."""

    def arguments(folder, photo):
        picture, missing = damaged(photo, 0.5, 0)
        imageio.imwrite(folder / "in.png", picture)
        imageio.imwrite(folder / "mask.png", np.where(missing, np.uint8(255), np.uint8(0)))
        return "inpaint", folder / "in.png", "--mask", folder / "mask.png", "-o", folder / "out.png"

    title = "`restore inpaint` of one grey photo, half of its pixels missing"
    return harness.growth(run, "inpaint-growth", title, arguments)


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
