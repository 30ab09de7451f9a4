"""Super-resolution against interpolation."""

import numpy as np
from PIL import Image, ImageFilter

import restore
from benchmarks.harness import Table, compare, eight_bits, machine, psnr, unit
from restore.cli.super_resolve import enlarge_picture
from restore.files.formats import MAX_PIXELS
from restore.files.picture import Metadata, Picture
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.imaging.resize import resize
from restore.tasks.super_resolution.degradation import shrink
from training.camera import as_jpeg

SETS = ("test/set5", "test/set14")
SCALES = (2, 3, 4)

#: How pictures become small; what is sharpened, by area first.
HISTORIES = ("bicubic", "area", "gaussian:1.2", "sharpened:0.5", "sharpened:1.0", "nearest",
             "bicubic, JPEG 75", "bicubic, JPEG 50", "sharpened:0.5, JPEG 75")  # fmt: skip
OTHERS = ("test/set14", "test/photos")


def tables(run):
    """Each set at each scale; then pictures of other histories."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield scales(run, *run.pictures(folder or "none", "chelsea-clean.png"))
    sets = [folder for folder in OTHERS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield histories(run, *run.pictures(folder or "none", "chelsea-clean.png"))


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
        columns += [(f"PSNR x{scale} (dB)", ".2f"), ("processor s/Mpx", ".2f")]
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


def histories(run, name, pictures):
    """PSNR of Lanczos, of the bare command, and told how, for each way of becoming small."""
    found = {}
    for history in HISTORIES:
        for scale in SCALES:
            every = []
            for picture in pictures.values():
                height, width = (side - side % scale for side in picture.shape[:2])
                clean = luminance(large := picture[:height, :width])
                small = made_small(large, scale, history)
                peer = lanczos((eight_bits(small.samples).squeeze(), scale))
                bare, told = (
                    enlarge_picture(
                        small, pool=Pool(run.threads), scale=scale, width=None, height=None,
                        max_side=None, max_pixels=MAX_PIXELS, sigma=0, white=None, model=None,
                        degradation=degradation, dictionary=None, quality="balanced",
                    ).output.samples
                    for degradation in ("auto", history.partition(",")[0])
                )  # fmt: skip
                results = peer, eight_bits(bare), eight_bits(told)
                every.append([psnr(clean, luminance(as_picture(one)), scale) for one in results])
            found[f"{history} x{scale}"] = every
    rows = [[history, *(value for scale in SCALES
                        for value in map(float, np.mean(found[f"{history} x{scale}"], axis=0)))]
            for history in HISTORIES]  # fmt: skip
    columns = [("became small by", "")]
    for scale in SCALES:
        columns += [(f"x{scale} Lanczos (dB)", ".2f"), (f"x{scale} restore (dB)", ".2f"),
                    (f"x{scale} told (dB)", ".2f")]  # fmt: skip
    return Table(
        name=f"enlarge-other-{name}",
        title=f"Super-resolution by how pictures became small, {name} ({len(pictures)} pictures)",
        columns=columns,
        rows=rows,
        notes="Luminance. Sharpened: area, then Pillow's UnsharpMask of radius 1. JPEG: 4:2:0.",
        details=found,
        machine=machine("pillow", threads=run.threads),
    )


def made_small(picture, scale, history):
    """The `Picture` that a file holds after such a history."""
    way, _, quality = history.partition(", JPEG ")
    if way == "nearest":
        small = picture[scale // 2 :: scale, scale // 2 :: scale]
    else:
        name = "area" if way.startswith("sharpened") else way
        small = as_picture(eight_bits(shrink(as_image(picture), scale, name)))
    if way.startswith("sharpened"):
        mask = ImageFilter.UnsharpMask(1, round(100 * float(way.partition(":")[2])), 0)
        small = as_picture(np.asarray(Image.fromarray(small.squeeze()).filter(mask)))
    samples, coding = as_image(small), None
    if quality:
        samples, coding = as_jpeg(samples, int(quality), 2)
    return Picture(samples, metadata=Metadata(coding=coding))


def as_picture(picture):
    """An array with its axis of channels."""
    return picture.reshape(*picture.shape[:2], -1)


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
