"""The picture codec against JPEG, WebP, JPEG 2000 and AVIF: quality at equal size."""

import io
import math
import sys
import time

import numpy as np
from PIL import Image, features
from scipy.interpolate import PchipInterpolator

import restore
from benchmarks.harness import Table, machine, psnr, read_folder
from restore.compression import Codec, learn_codec

SETS = ("test/kodak12", "test/mcmaster18", "test/set12", "test/photos")
RATES = (0.25, 0.5, 1.0)
#: Bytes within which small pictures of one kind are coded.
BYTES = (200, 300, 500)
#: Bits per pixel at which the curves of the plots are drawn.
CURVE = np.geomspace(0.12, 2, 12)


def tables(run):
    """Photographs at some bits per pixel, portraits within some bytes."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield curves(run, *run.pictures(folder or "none", "c*-clean.png"))
    if run.data and (run.data / "train/faces").is_dir() and (run.data / "test/faces").is_dir():
        yield faces(run)


def codecs(threads):
    """{name: (settings from small to large files, function from picture and setting to bytes)}."""
    found = {"restore": ((3, 15, 28, 40, 52, 64, 75, 84, 90, 96), restore_bytes(threads))}
    if features.check("avif"):
        found["AVIF, speed 4"] = (
            (5, 12, 22, 32, 42, 52, 62, 72, 82, 90, 95),
            encoder("AVIF", speed=4, subsampling="4:4:4"),
        )
    found["JPEG 2000"] = (
        (240, 120, 80, 48, 32, 24, 16, 8, 4),
        lambda picture, ratio: encoder(
            "JPEG2000",
            irreversible=True,
            mct=int(picture.ndim == 3),
            quality_mode="rates",
            quality_layers=[ratio],
        )(picture),
    )
    if features.check("webp"):
        found["WebP, method 6"] = (
            (0, 5, 15, 30, 50, 70, 80, 88, 94, 98),
            encoder("WEBP", method=6),
        )
    found["JPEG, optimised, progressive"] = (
        (1, 2, 5, 10, 20, 35, 50, 65, 80, 90, 95),
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
    area = sum(p.shape[0] * p.shape[1] for p in pictures.values()) / 1e6
    rows = []
    for codec in compared:
        means = np.mean([interpolated(points, RATES) for points in measured[codec]], axis=0)
        rows.append([codec, *(None if np.isnan(m) else float(m) for m in means)])
        rows[-1] += [taken / area / len(compared[codec][0]) for taken in seconds[codec]]
        rows[-1].append(None if codec == "restore" else saved(measured["restore"], measured[codec]))
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
            ("restore needs", "+.1f"),
        ],
        rows=rows,
        notes="Whole files, header and all; a dash where a codec does not reach that far. In the "
        "last column the Bjontegaard rate difference, in percent of the other's bytes at equal "
        "PSNR.",
        details={"pictures": list(pictures), "points": measured},
        machine=machine("pillow", threads=run.threads),
        curves={"x": "bits per pixel", "y": "PSNR (dB)", "log": "x", "lines": lines},
    )


def interpolated(points, at):
    """PSNR at the given rates, linear in the logarithm of the rate; NaN outside the points."""
    rate, quality = np.array(sorted(points)).T
    return np.interp(np.log(at), np.log(rate), quality, left=np.nan, right=np.nan)


def saved(ours, theirs):
    """Mean over the pictures of the Bjontegaard rate difference in percent."""
    found = [bjontegaard(*pair) for pair in zip(ours, theirs, strict=True)]
    return float(np.mean([difference for difference in found if difference is not None]))


def bjontegaard(ours, theirs):
    """Mean difference of rate in percent at equal PSNR, negative where ours is smaller, over
    the PSNR that both reach (Bjontegaard 2001; monotone cubic interpolation)."""
    fits, ends = [], []
    for points in (ours, theirs):
        rate, quality = np.array(sorted(points)).T
        keep = np.diff(np.maximum.accumulate(quality), prepend=-1) > 0
        fits.append(PchipInterpolator(quality[keep], np.log(rate[keep])))
        ends.append((quality[keep][0], quality[keep][-1]))
    low, high = max(end[0] for end in ends), min(end[1] for end in ends)
    if high <= low:
        return None
    difference = (fits[0].integrate(low, high) - fits[1].integrate(low, high)) / (high - low)
    return 100 * (math.exp(difference) - 1)


def faces(run):
    """Small pictures of one kind, the codec learned on others of that kind."""
    learned = list(read_folder(run.data / "train/faces").values())
    codec = learn_codec(learned, prior=Codec.load("photos"), threads=run.threads)
    pictures = list(read_folder(run.data / "test/faces").values())
    rows = []
    for name, chosen in (("learned on faces", codec), ("packaged", "photos")):
        reached = [
            [restore.compress(picture, size=most, codec=chosen).psnr for picture in pictures]
            for most in BYTES
        ]
        rows.append([f"restore, {name}", *(float(np.mean(column)) for column in reached)])
    for name, (_, encode) in codecs(run.threads).items():
        if name == "restore":
            continue
        reached = [[within(name, encode, picture, most) for picture in pictures] for most in BYTES]
        rows.append([name, *(mean_where_most_fit(column) for column in reached)])
    return Table(
        name="compress-faces",
        title=f"Portraits of {learned[0].shape[1]} x {learned[0].shape[0]} pixels: PSNR in dB "
        f"within so many bytes ({len(pictures)} pictures)",
        columns=[("codec", ""), *((f"{most} bytes", ".2f") for most in BYTES)],
        rows=rows,
        notes=f"Whole files; the codec was learned on {len(learned)} portraits of other people. "
        "JPEG 2000 is the bare codestream; a dash where most pictures cannot be made so small.",
        machine=machine("pillow"),
    )


def within(name, encode, picture, most):
    """Best PSNR of a peer in a file of at most `most` bytes; None where none is so small."""
    settings = range(100)
    if name == "JPEG 2000":
        settings = [picture.size / (most * share) for share in np.linspace(0.4, 1.4, 60)]
    best = None
    for setting in settings:
        data = encode(picture, setting)
        if name == "JPEG 2000":  # the codestream alone: the boxes around it take 85 bytes
            data = data[data.index(b"\xff\x4f\xff\x51") :]
        if len(data) <= most:
            reached = psnr(picture, decoded(name, data, picture, 1))
            best = reached if best is None else max(best, reached)
    return best


def mean_where_most_fit(values):
    """Mean of the numbers among `values`, or None where they are fewer than half."""
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if 2 * len(numbers) > len(values) else None
