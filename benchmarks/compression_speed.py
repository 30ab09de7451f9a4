"""The picture codec against JPEG, WebP, JPEG 2000 and AVIF: time at about equal size."""

import functools

import numpy as np

from benchmarks.compression import codecs
from benchmarks.harness import Table, in_turns, machine, psnr

#: Bits per pixel that each codec comes nearest to, and pictures of a set that are timed.
RATE, PICTURES = 1.0, 3


def tables(run):
    """Seconds to encode and decode photographs."""
    name, pictures = run.pictures("test/kodak12", "chelsea-clean.png")
    pictures = list(pictures.values())[:PICTURES]
    compared = codecs(run.threads)
    chosen = {codec: nearest(peer, pictures[0]) for codec, peer in compared.items()}
    area = sum(picture.shape[0] * picture.shape[1] for picture in pictures) / 1e6

    def each(function, things):
        return [function(thing) for thing in things]

    files, encoding = in_turns(
        {
            codec: functools.partial(
                each, lambda p, e=peer.encode, s=chosen[codec]: e(p, s), pictures
            )
            for codec, peer in compared.items()
        },
        run.repetitions,
    )
    results, decoding = in_turns(
        {
            codec: functools.partial(each, peer.decode, files[codec])
            for codec, peer in compared.items()
        },
        run.repetitions,
    )
    rows = [
        [
            codec,
            8 * sum(map(len, files[codec])) / area / 1e6,
            float(np.mean([psnr(*pair) for pair in zip(pictures, results[codec])])),
            encoding[codec] / area,
            decoding[codec] / area,
        ]
        for codec in compared
    ]
    yield Table(
        name="compress-speed",
        title=f"Compression, time, {name} ({len(pictures)} pictures)",
        columns=[
            ("codec", ""),
            ("bits per pixel", ".2f"),
            ("PSNR (dB)", ".2f"),
            ("encode, s/Mpx", ".3f"),
            ("decode, s/Mpx", ".3f"),
        ],
        rows=rows,
        notes=f"At a fixed setting each; medians of {run.repetitions} runs in turns. JPEG, WebP "
        "and JPEG 2000 use one thread.",
        machine=machine("pillow", threads=run.threads),
    )


def nearest(peer, picture):
    """The setting whose file comes nearest to `RATE`."""
    wanted = RATE * picture.shape[0] * picture.shape[1] / 8
    return min(peer.settings, key=lambda s: abs(np.log(len(peer.encode(picture, s)) / wanted)))
