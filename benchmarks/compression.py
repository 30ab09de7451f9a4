"""The picture codec against JPEG, WebP, JPEG 2000 and AVIF: quality at equal size."""

import io
import sys
import time

import numpy as np
from PIL import Image, features

import restore
from benchmarks.harness import Table, machine, psnr

SETS = ("test/kodak12", "test/mcmaster18", "test/set12", "test/photos")
RATES = (0.25, 0.5, 1.0)
#: Bits per pixel at which the curves of the plots are drawn.
CURVE = np.geomspace(0.12, 2, 12)


def tables(run):
    """Photographs at some bits per pixel."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield curves(run, *run.pictures(folder or "none", "c*-clean.png"))


def codecs(threads):
    """{name: (settings from small to large files, function from picture and setting to bytes)}."""
    found = {"restore": ((8, 16, 26, 36, 48, 60, 72, 82, 90), restore_bytes(threads))}
    if features.check("avif"):
        found["AVIF, speed 4"] = (
            (12, 22, 32, 42, 52, 62, 72, 82, 90),
            encoder("AVIF", speed=4, subsampling="4:4:4"),
        )
    found["JPEG 2000"] = (
        (240, 120, 80, 48, 32, 24, 16, 8, 4),
        lambda picture, ratio: encoder(
            "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[ratio]
        )(picture),
    )
    if features.check("webp"):
        found["WebP, method 6"] = ((1, 5, 15, 30, 50, 70, 80, 88, 94), encoder("WEBP", method=6))
    found["JPEG, optimised, progressive"] = (
        (2, 5, 10, 20, 35, 50, 65, 80, 90),
        encoder("JPEG", optimize=True, progressive=True, subsampling="4:2:0"),
    )
    return found


def restore_bytes(threads):
    """The function of the codec of this package."""
    return lambda picture, quality: restore.compress(picture, quality=quality, threads=threads).data


def encoder(kind, **settings):
    """The function of one of Pillow's codecs."""

    def encode(picture, quality=None):
        stream = io.BytesIO()
        chosen = {} if quality is None else {"quality": quality}
        Image.fromarray(picture).save(stream, kind, **settings, **chosen)
        return stream.getvalue()

    return encode


def decoded(name, data, picture, threads):
    """The picture that a file holds."""
    if name == "restore":
        return restore.decompress(data, threads=threads).samples
    return np.asarray(Image.open(io.BytesIO(data)).convert("L" if picture.ndim == 2 else "RGB"))


def curves(run, name, pictures):
    """PSNR at some bits per pixel, interpolated over their logarithm, means over the pictures."""
    compared = codecs(run.threads)
    measured = {codec: [] for codec in compared}
    seconds = {codec: [0.0, 0.0] for codec in compared}
    for title, picture in pictures.items():
        pixels = picture.shape[0] * picture.shape[1]
        for codec, (settings, encode) in compared.items():
            points = []
            for setting in settings:
                start = time.perf_counter()
                data = encode(picture, setting)
                middle = time.perf_counter()
                result = decoded(codec, data, picture, run.threads)
                seconds[codec][0] += middle - start
                seconds[codec][1] += time.perf_counter() - middle
                points.append((8 * len(data) / pixels, psnr(picture, result)))
            measured[codec].append(points)
        print(f"  {title}: done", file=sys.stderr)
    files = sum(p.shape[0] * p.shape[1] for p in pictures.values()) / 1e6 * 9
    rows = []
    for codec in compared:
        means = np.mean([interpolated(points, RATES) for points in measured[codec]], axis=0)
        rows.append([codec, *(None if np.isnan(m) else float(m) for m in means)])
        rows[-1] += [taken / files for taken in seconds[codec]]
    lines = {}
    for codec in compared:
        means = np.mean([interpolated(points, CURVE) for points in measured[codec]], axis=0)
        kept = ~np.isnan(means)
        lines[codec] = [CURVE[kept].tolist(), means[kept].tolist()]
    return Table(
        name=f"compress-{name}",
        title=f"Compression, {name} ({len(pictures)} pictures)",
        columns=[
            ("codec", ""),
            *((f"PSNR at {rate} bits per pixel (dB)", ".2f") for rate in RATES),
            ("encode, s/Mpx", ".2f"),
            ("decode, s/Mpx", ".3f"),
        ],
        rows=rows,
        notes="Whole files, header and all; a dash where a codec does not reach that far.",
        details={"pictures": list(pictures), "points": measured},
        machine=machine("pillow", threads=run.threads),
        curves={"x": "bits per pixel", "y": "PSNR (dB)", "log": "x", "lines": lines},
    )


def interpolated(points, at):
    """PSNR at the given rates, linear in the logarithm of the rate; NaN outside the points."""
    rate, quality = np.array(sorted(points)).T
    return np.interp(np.log(at), np.log(rate), quality, left=np.nan, right=np.nan)
