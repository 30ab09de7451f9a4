"""Super-resolution against interpolation."""

import numpy as np
from PIL import Image

import restore
from benchmarks.harness import Table, compare, eight_bits, machine, psnr, unit
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.imaging.resize import resize

SETS = ("test/set5", "test/set14")
SCALES = (2, 3, 4)


def tables(run):
    """Each set at each scale."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield scales(run, *run.pictures(folder or "none", "chelsea-clean.png"))


def scales(run, name, pictures):
    """PSNR on the luminance and time at each scale."""
    methods = {
        "restore": lambda given: restore.super_resolve(*given, pool=Pool(run.threads)),
        "restore, fast": lambda given: restore.super_resolve(
            *given, quality="fast", pool=Pool(run.threads)
        ),
        "restore, best": lambda given: restore.super_resolve(
            *given, quality="best", pool=Pool(run.threads)
        ),
        "restore, dictionary": lambda given: restore.super_resolve(
            *given, dictionary="grey", pool=Pool(run.threads)
        ),
        "Lanczos (Pillow)": lanczos,
        "bicubic": bicubic,
    }
    found = {}
    for scale in SCALES:
        cases = []
        for title, picture in pictures.items():
            height, width = (side - side % scale for side in picture.shape[:2])
            large = picture[:height, :width]
            cases.append((f"{title} x{scale}", (smaller(large, scale), scale), large))
        found[scale] = compare(
            cases,
            methods,
            lambda clean, result, border=scale: psnr(luminance(clean), luminance(result), border),
            run.repetitions,
        )
    columns = [("method", "")]
    for scale in SCALES:
        columns += [(f"PSNR x{scale} (dB)", ".2f"), ("s/Mpx", ".2f")]
    return Table(
        name=f"enlarge-{name}",
        title=f"Super-resolution, {name} ({len(pictures)} pictures), luminance",
        columns=columns,
        rows=[
            [method, *(by[method] for f in found.values() for by in (f.means(), f.pace()))]
            for method in methods
        ],
        notes=f"Megapixels of the result; {run.rounds()}.",
        details={str(scale): f.details() for scale, f in found.items()},
        machine=machine("pillow", threads=run.threads),
        curves=found[SCALES[0]].curves(f"PSNR x{SCALES[0]} (dB)"),
    )


def smaller(picture, scale):
    """The picture made small by bicubic interpolation with antialiasing, in 8 bits."""
    height, width = (side // scale for side in picture.shape[:2])
    return eight_bits(resize(as_image(picture), height, width)).reshape(
        height, width, *picture.shape[2:]
    )


def luminance(picture):
    """Y of BT.601 in [0, 1] of the 8-bit picture; a grey picture is its own."""
    picture = unit(picture if picture.dtype == np.uint8 else eight_bits(picture))
    if picture.shape[2] == 1:
        return picture
    return (16 + picture @ [65.481, 128.553, 24.966]) / 255


def bicubic(given):
    """Cubic convolution."""
    picture, scale = given
    image = as_image(picture)
    return resize(image, scale * image.shape[0], scale * image.shape[1])


def lanczos(given):
    """Windowed sinc of three lobes."""
    picture, scale = given
    size = (scale * picture.shape[1], scale * picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
