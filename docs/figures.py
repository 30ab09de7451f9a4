"""Restore the sample pictures with the ``restore`` command and draw before / after.

``make demo`` shows one command, ``make figures`` draws the pictures of the pages, and the atoms of
the packaged dictionaries:

    python docs/figures.py FOLDER [COMMAND ...] [--keep-results]
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.metrics import peak_signal_noise_ratio

SAMPLES = Path(__file__).parent.parent / "sample_images"
#: Pixels: the width of a panel, the height of its label, the magnified crop and by how much.
PANEL, LABEL, CROP, MAGNIFIED = 320, 28, (80, 60), 4


class Figure(NamedTuple):
    """What a command is shown on."""

    before: str
    clean: str
    corner: tuple
    """(x, y) of the crop that is magnified."""
    arguments: tuple = ()
    word: str = "before"
    """What the picture before is called."""


FIGURES = {
    "denoise": Figure("chelsea-noisy", "chelsea-clean", (130, 95), word="noisy"),
    "inpaint": Figure(
        "astronaut-scratched",
        "astronaut-clean",
        (100, 90),
        ("--mask", os.path.relpath(SAMPLES / "astronaut-mask.png")),
        "scratched",
    ),
    "demosaic": Figure(
        "coffee-mosaic", "coffee-clean", (170, 170), ("--pattern", "RGGB"), "mosaic"
    ),
    "super-resolve": Figure(
        "chelsea-small", "chelsea-clean", (130, 95), ("--scale", "2"), "bicubic"
    ),
    "compress": Figure("astronaut-clean", "astronaut-clean", (100, 90), ("--size", "6000")),
}


def main():
    """Run the commands asked for and write their pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(FIGURES))
    parser.add_argument("--keep-results", action="store_true", help="and say where they are")
    asked = parser.parse_args()
    results = asked.folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    for command in asked.commands or FIGURES:
        figure = FIGURES[command]
        result = results / f"{figure.before}-{command}.png"
        result.unlink(missing_ok=True)
        start = time.perf_counter()
        if command == "compress":
            panels = compressed(figure, result)
        else:
            panels = restored(command, figure, result)
        seconds = time.perf_counter() - start
        drawn = asked.folder / (f"{command}.png" if asked.keep_results else f"{command}.jpg")
        strip(panels, figure.corner).save(drawn, quality=90, subsampling=0, optimize=True)
        print(f"  {' -> '.join(list(panels)[:2])}, {seconds:.1f} s")
        if asked.keep_results:
            print(f"  result:         {result}")
        print(f"  before / after: {drawn}", flush=True)
    if not asked.commands:
        atoms(results).save(asked.folder / "atoms.png", optimize=True)
    if not asked.keep_results:
        shutil.rmtree(results)


def atoms(folder):
    """The packaged dictionaries side by side."""
    panels = []
    for name in ("grey", "colour"):
        drawn = folder / f"{name}.png"
        words = ["inspect", name, "--picture", str(drawn), "--overwrite"]
        subprocess.run([sys.executable, "-m", "restore", *words], check=True, stdout=sys.stderr)
        panels.append(np.atleast_3d(imageio.imread(drawn)) + np.zeros(3, np.uint8))
        drawn.unlink()
    gap = np.full((len(panels[0]), 12, 3), 255, np.uint8)
    return Image.fromarray(np.concatenate([panels[0], gap, panels[1]], axis=1))


def restored(command, figure, result):
    """{label: picture} of a sample picture, what the command makes of it, and its original."""
    restore(command, SAMPLES / f"{figure.before}.png", result, figure.arguments)
    clean = imageio.imread(SAMPLES / f"{figure.clean}.png")
    before = Image.fromarray(eight_bits(imageio.imread(SAMPLES / f"{figure.before}.png")))
    before = np.asarray(before.resize(clean.shape[1::-1], Image.Resampling.BICUBIC))
    return {
        labelled(figure.word, clean, before): before,
        labelled("restored", clean, imageio.imread(result)): imageio.imread(result),
        "original": clean,
    }


def compressed(figure, result):
    """{label: picture} of a sample picture as JPEG and as .ksvd in as many bytes, and itself."""
    source, file = SAMPLES / f"{figure.before}.png", result.with_suffix(".ksvd")
    file.unlink(missing_ok=True)
    restore("compress", source, file, figure.arguments)
    restore("decompress", file, result, ())
    clean = imageio.imread(source)
    for quality in range(95, 0, -1):
        jpeg = io.BytesIO()
        Image.fromarray(clean).save(jpeg, "JPEG", quality=quality, optimize=True, progressive=True)
        if jpeg.tell() <= file.stat().st_size:
            break
    panels = {
        f"JPEG, {jpeg.tell():,} bytes,": imageio.imread(jpeg.getvalue()),
        f"restore, {file.stat().st_size:,} bytes,": imageio.imread(result),
    }
    panels = {labelled(word, clean, picture): picture for word, picture in panels.items()}
    return {**panels, f"original, {source.stat().st_size:,} bytes": clean}


def restore(command, before, result, arguments):
    """Run ``restore COMMAND``."""
    words = [command, os.path.relpath(before), "-o", str(result), *map(str, arguments)]
    print("restore", *words, flush=True)
    done = subprocess.run([sys.executable, "-m", "restore", *words, "--quiet"])
    if done.returncode:
        sys.exit(f"restore {command} ended with exit code {done.returncode}")


def labelled(word, clean, picture):
    """`word` with the PSNR of `picture`, where it has the channels of `clean`."""
    if picture.shape != clean.shape:
        return word
    return f"{word} {peak_signal_noise_ratio(clean, picture):.2f} dB"


def eight_bits(picture):
    """`picture` with 8 bits for the screen."""
    return picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)


def strip(panels, corner):
    """The panels side by side: label, whole picture, magnified crop."""
    (height, width), (across, down) = next(iter(panels.values())).shape[:2], CROP
    scale = PANEL / width
    picture_height = round(height * scale)
    page = Image.new(
        "RGB",
        (len(panels) * (PANEL + 4) - 4, LABEL + picture_height + 4 + MAGNIFIED * down),
        "white",
    )
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(18)
    x, y = corner
    for column, (label, panel) in enumerate(panels.items()):
        left = column * (PANEL + 4)
        picture = Image.fromarray(panel).convert("RGB")
        draw.text((left + PANEL / 2, LABEL / 2), label, fill="black", font=font, anchor="mm")
        page.paste(picture.resize((PANEL, picture_height), Image.Resampling.LANCZOS), (left, LABEL))
        frame = [x * scale, y * scale, (x + across) * scale, (y + down) * scale]
        frame = [side + (left, LABEL)[i % 2] for i, side in enumerate(frame)]
        draw.rectangle(frame, outline="yellow", width=2)
        crop = picture.crop((x, y, x + across, y + down))
        crop = crop.resize((PANEL, MAGNIFIED * down), Image.Resampling.NEAREST)
        page.paste(crop, (left, LABEL + picture_height + 4))
    return page


if __name__ == "__main__":
    main()
