"""The picture codec against AVIF, JPEG XL, JPEG 2000, WebP and JPEG: quality at equal size."""

import io
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features
from scipy.interpolate import PchipInterpolator

import restore
from benchmarks.harness import Table, machine, psnr, read_folder, ssim
from benchmarks.harness import peer as module
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool, map_bands
from restore.learning import dictionaries
from restore.learning.compression import learn_codec
from restore.tasks.compression import Codec

SETS = ("test/kodak12", "test/mcmaster18", "test/set12", "test/photos")
RATES = (0.25, 0.5, 1.0)
#: Bytes within which small pictures of one kind are coded, and the patches of their dictionary.
BYTES, FACE_PATCH = (200, 300, 500), (12, 12, 1)
#: This package's codec, tuned for the eye and for the PSNR, with and without learned correction;
#: AVIF as Pillow calls it, and tuned for the PSNR.
OURS = {
    "restore": {"tune": "eye"},
    "restore --corrected": {"tune": "eye", "extras": restore.Extras(corrected=True)},
    "restore --tune psnr": {"tune": "psnr"},
    "restore --tune psnr --corrected": {
        "tune": "psnr", "extras": restore.Extras(corrected=True),
    },
}  # fmt: skip
#: Of these, those whose bytes are compared at equal PSNR.
COMPARED = ("restore --tune psnr", "restore --tune psnr --corrected")
AVIF = {
    "AVIF as called by default": {},
    "AVIF, speed 4": {"speed": 4, "subsampling": "4:4:4"},
    "AVIF, speed 1": {"speed": 1, "subsampling": "4:4:4"},
    "AVIF, speed 4, tuned for PSNR": {
        "speed": 4, "subsampling": "4:4:4", "advanced": {"tune": "psnr"},
    },
    "AVIF, speed 1, tuned for PSNR": {
        "speed": 1, "subsampling": "4:4:4", "advanced": {"tune": "psnr"},
    },
}  # fmt: skip
#: Bits per pixel at which the curves of the plots are drawn.
CURVE = np.geomspace(0.125, 2, 13)


def tables(run):
    """Photographs at some bits per pixel, portraits within some bytes."""
    sets = [folder for folder in SETS if run.data and (run.data / folder).is_dir()]
    for folder in sets or [""]:
        yield from curves(run, *run.pictures(folder or "none", "c*-clean.png"))
    if run.data and (run.data / "train/faces").is_dir() and (run.data / "test/faces").is_dir():
        yield faces(run)


@dataclass(frozen=True)
class Peer:
    """A codec at work on one thread, unless it is told otherwise."""

    settings: tuple
    """From small to large files."""
    encode: Callable
    """From an 8-bit picture and a setting to bytes."""
    decode: Callable
    """From bytes to an 8-bit picture."""


def codecs(threads=1, fine=False):
    """{name: Peer} of this package and of what Pillow can write; `fine`: at all settings."""
    every = tuple(range(96)) if fine else None
    found = {
        name: Peer(
            (3, 20, 35, 48, 60, 72, 84, 93),
            lambda picture, quality, chosen=chosen: restore.compress(
                picture, quality=quality, **chosen, pool=Pool(threads)
            ).data,
            lambda data: np.rint(
                255 * restore.decompress(data, pool=Pool(threads)).samples
            ).astype(np.uint8),
        )
        for name, chosen in OURS.items()
    }  # fmt: skip
    if features.check("avif"):
        settings = every or (5, 15, 28, 42, 55, 68, 80, 90)
        for name, how in AVIF.items():
            found[name] = pillow("AVIF", settings, max_threads=threads, **how)
    if module("imagecodecs"):
        settings = every or (10, 25, 40, 55, 70, 80, 88, 95)
        for effort in (7, 9):
            found[f"JPEG XL, effort {effort}"] = jpeg_xl(settings, effort, threads)
    found["JPEG 2000"] = jpeg_2000(
        np.geomspace(160, 8, 96).tolist() if fine else (240, 120, 64, 36, 20, 11, 6)
    )
    if features.check("webp"):
        found["WebP, method 6"] = pillow("WEBP", every or (0, 10, 25, 45, 65, 78, 88, 95), method=6)
    found["JPEG, optimised, progressive"] = pillow(
        "JPEG",
        every or (1, 4, 9, 18, 35, 60, 80, 92),
        optimize=True,
        progressive=True,
        subsampling="4:2:0",
    )
    return found


def jpeg_xl(settings, effort, threads):
    """libjxl by its quality, as imagecodecs calls it."""
    imagecodecs = module("imagecodecs")

    def encode(picture, quality):
        distance = 0.1 + (100 - quality) * 0.09 if quality >= 30 else 6.4 + (30 - quality) * 0.4
        return imagecodecs.jpegxl_encode(
            picture, distance=distance, effort=effort, numthreads=threads
        )

    return Peer(settings, encode, imagecodecs.jpegxl_decode)


def pillow(kind, settings, **chosen):
    """A codec of Pillow that takes a quality."""

    def encode(picture, quality):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, kind, quality=quality, **chosen)
        return stream.getvalue()

    return Peer(settings, encode, opened)


def jpeg_2000(ratios):
    """OpenJPEG by the ratio of compression: the bare codestream, without its 85 bytes of boxes."""

    def encode(picture, ratio):
        stream = io.BytesIO()
        Image.fromarray(picture).save(
            stream,
            "JPEG2000",
            irreversible=True,
            mct=int(picture.ndim == 3),
            quality_mode="rates",
            quality_layers=[ratio],
            no_jp2=True,
        )
        return stream.getvalue()

    return Peer(ratios, encode, opened)


def opened(data):
    """The picture in a file, as Pillow reads it; colour where the file says so."""
    return np.asarray(Image.open(io.BytesIO(data)))


def measured(peer, picture):
    """(bytes, PSNR, result) of a picture at each setting."""
    found = []
    for setting in peer.settings:
        data = peer.encode(picture, setting)
        result = peer.decode(data)
        if result.ndim > picture.ndim:  # WebP and AVIF hold grey as colour
            result = np.asarray(Image.fromarray(result).convert("L"))
        found.append((len(data), round(psnr(picture, result), 4), result))
    return found


def seen(picture, result):
    """SSIMULACRA2 of an 8-bit picture: 100 is the same, 70 good, 50 middling.

    By the package of that name, which reads files; NaN without it.
    """
    if not module("ssimulacra2"):
        return math.nan
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("clean.png", "coded.png")]
        for file, samples in zip(files, (picture, result), strict=True):
            Image.fromarray(samples).convert("RGB").save(file, compress_level=1)
        return round(float(module("ssimulacra2").compute_ssimulacra2(*files)), 3)


# Photographs ------------------------------------------------------------------------------


def curves(run, name, pictures):
    """PSNR, and what the eye sees, at some bits per pixel, interpolated over their logarithm."""
    compared = codecs()
    areas = [picture.shape[0] * picture.shape[1] for picture in pictures.values()]

    def measure(picture):
        return {
            codec: [
                (size, dB, seen(picture, result), round(ssim(picture, result), 5))
                for size, dB, result in found
            ]
            for codec, found in (
                (codec, measured(peer, picture)) for codec, peer in compared.items()
            )
        }

    points = {codec: [] for codec in compared}
    for title, area, found in zip(
        pictures, areas, map_bands(measure, pictures.values(), Pool(run.threads)), strict=True
    ):
        for codec, pairs in found.items():
            points[codec].append([(round(8 * size / area, 5), *both) for size, *both in pairs])
        print(f"  {title}: done", file=sys.stderr)
    rows, lines = [], {}
    by_psnr = {codec: only(found, 1) for codec, found in points.items()}
    for codec, pairs in by_psnr.items():
        rows.append([codec, *known(mean_curve(pairs, RATES))])
        rows[-1] += [None if codec == ours else saved(by_psnr[ours], pairs) for ours in COMPARED]
        means = mean_curve(pairs, CURVE)
        kept = ~np.isnan(means)
        lines[codec] = [CURVE[kept].round(4).tolist(), means[kept].round(4).tolist()]
    yield Table(
        name=f"compress-{name}",
        title=f"Compression, {name} ({len(pictures)} pictures)",
        columns=[
            ("codec", ""),
            *((f"PSNR at {rate} bits per pixel (dB)", ".2f") for rate in RATES),
            *((f"bytes of {ours} at equal PSNR (%)", "+.1f") for ours in COMPARED),
        ],
        rows=rows,
        notes="Whole files, header and all (JPEG 2000: the bare codestream); a dash where not "
        "every picture can be made so small. The last columns are Bjontegaard rate differences.",
        details={"pictures": list(pictures), "points": points},
        machine=machine("pillow", "imagecodecs"),
        curves={"x": "bits per pixel", "y": "PSNR (dB)", "log": "x", "lines": lines},
    )

    yield by_eye(name, points)


def by_eye(name, points):
    """SSIMULACRA2 and SSIM picture by picture, and SSIMULACRA2 at one quality for all."""
    return Table(
        name=f"compress-eye-{name}",
        title=f"Compression, what is seen, {name} ({len(next(iter(points.values())))} pictures)",
        columns=[
            ("codec", ""),
            *((f"SSIMULACRA2 at {rate} bits per pixel", ".1f") for rate in RATES),
            *((f"at one quality, {rate} on average", ".1f") for rate in RATES),
            *((f"SSIM at {rate}", ".4f") for rate in RATES),
        ],
        rows=[
            [
                codec,
                *known(mean_curve(only(found, 2), RATES)),
                *known(mean_curve([at_one_quality(found)], RATES)),
                *known(mean_curve(only(found, 3), RATES)),
            ]
            for codec, found in points.items()
        ],
        notes="SSIMULACRA2 says how near a picture looks, 100 being the same; SSIM is that of the "
        "luminance, in a Gaussian window. Means over the pictures of what is interpolated at so "
        "many bits per pixel, but for the three columns in the middle: there every picture is "
        "coded at the same quality, and rates are means, too.",
        machine=machine("pillow", "imagecodecs", "ssimulacra2"),
    )


def at_one_quality(found):
    """(bits per pixel, SSIMULACRA2), means over the pictures at each setting."""
    return [tuple(np.mean([point[:3:2] for point in setting], axis=0)) for setting in zip(*found)]


def known(means):
    """Numbers for a table: None where there is no mean."""
    return [None if np.isnan(mean) else float(mean) for mean in means]


def only(points, measure):
    """Of each picture (bits per pixel, one measure), without what could not be measured."""
    return [[(point[0], point[measure]) for point in picture] for picture in points]


def mean_curve(pairs, rates):
    """Mean of a measure over pictures at `rates`; NaN where one picture does not reach a rate."""
    if np.isnan([value for points in pairs for _, value in points]).any():
        return np.full(len(rates), np.nan)
    return np.mean([curve(points)(np.log(rates)) for points in pairs], axis=0)


def curve(points):
    """PSNR over the logarithm of the rate, monotone and cubic between the points."""
    rate, quality = rising(points)
    return PchipInterpolator(np.log(rate), quality, extrapolate=False)


def rising(points):
    """Rates and PSNR of the points that are better than all smaller ones."""
    rate, quality = np.array(sorted(points)).T
    best = np.maximum.accumulate(quality)
    keep = (np.diff(best, prepend=-np.inf) > 0) & (np.diff(rate, prepend=0) > 0)
    return rate[keep], quality[keep]


def saved(ours, theirs):
    """Mean over the pictures of the Bjontegaard rate difference in percent."""
    found = [bjontegaard(*pair) for pair in zip(ours, theirs, strict=True)]
    return float(np.mean([difference for difference in found if difference is not None]))


def bjontegaard(ours, theirs):
    """Mean difference of rate in percent at equal PSNR, negative where ours is smaller, over
    the PSNR that both reach (Bjontegaard 2001; monotone cubic interpolation)."""
    fits, ends = [], []
    for points in (ours, theirs):
        rate, quality = rising(points)
        fits.append(PchipInterpolator(quality, np.log(rate)))
        ends.append((quality[0], quality[-1]))
    low, high = max(end[0] for end in ends), min(end[1] for end in ends)
    if high <= low:
        return None
    difference = (fits[0].integrate(low, high) - fits[1].integrate(low, high)) / (high - low)
    return 100 * (math.exp(difference) - 1)


# Portraits --------------------------------------------------------------------------------


def faces(run):
    """Small pictures of one kind, the codec learned on others of that kind."""
    learned = list(read_folder(run.data / "train/faces").values())
    codec = learn_codec(learned, prior=Codec.load("photos"), pool=Pool(run.threads))
    pictures = list(read_folder(run.data / "test/faces").values())
    drawn = dictionaries.draw(
        [as_image(picture) for picture in learned], FACE_PATCH, pool=Pool(run.threads)
    )
    atoms = restore.learn_dictionary(
        drawn.patches, FACE_PATCH, 1024, 4, start="data", pool=Pool(run.threads)
    )
    rows = []
    ways = {
        "learned on faces": (codec, None),
        "learned on faces, corrected": (codec, restore.Extras(corrected=True)),
        "packaged": ("photos", None),
        "dictionary of faces": (atoms, None),
        "packaged dictionary": (restore.Dictionary.load("grey"), None),
    }
    for name, (chosen, extras) in ways.items():
        reached = map_bands(
            lambda picture, chosen=chosen, extras=extras: [
                restore.compress(
                    picture, size=most, tune="psnr", codec=chosen, extras=extras, pool=Pool(1)
                ).psnr
                for most in BYTES
            ],
            pictures,
            Pool(run.threads),
        )
        rows.append([f"restore, {name}", *np.mean(list(reached), axis=0).tolist()])
    for name, peer in codecs(fine=True).items():
        if name not in OURS:
            reached = map_bands(
                lambda picture, peer=peer: within_bytes(peer, picture), pictures, Pool(run.threads)
            )
            rows.append([name, *(mean_where_most_fit(column) for column in zip(*reached))])
    return Table(
        name="compress-faces",
        title=f"Portraits of {learned[0].shape[1]} x {learned[0].shape[0]} pixels: PSNR in dB "
        f"within so many bytes ({len(pictures)} pictures)",
        columns=[("codec", ""), *((f"{most} bytes", ".2f") for most in BYTES)],
        rows=rows,
        notes=f"Whole files; the codec was learned on {len(learned)} portraits of other people. "
        "JPEG 2000 is the bare codestream; a dash where most pictures cannot be made so small, and "
        "the mean over the others where some cannot.",
        machine=machine("pillow"),
    )


def within_bytes(peer, picture):
    """Best PSNR of a peer in files of at most so many bytes; None where none is so small."""
    found = measured(peer, picture)
    return [
        max((quality for size, quality, _ in found if size <= most), default=None) for most in BYTES
    ]


def mean_where_most_fit(values):
    """Mean of the numbers among `values`, or None where they are fewer than half."""
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if 2 * len(numbers) > len(values) else None
