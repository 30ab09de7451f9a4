"""Make the sample pictures from scikit-image's CC0 and public-domain photographs.

Run as ``make sample-images``. The pictures are the same on every run.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

FOLDER = Path(__file__).parent
SIGMA = 25


def pictures():
    """The sample pictures as a dictionary from file name to array."""
    camera = data.camera()
    chelsea = data.chelsea()[:, 4:448]
    astronaut = data.astronaut()[:320, 60:380]
    coffee = data.coffee()[60:380, 140:588]
    mask = text_and_scratches(astronaut.shape[:2])
    return {
        "camera-clean.png": camera,
        "camera-noisy.png": noisy(camera, seed=0),
        "chelsea-clean.png": chelsea,
        "chelsea-noisy.png": noisy(chelsea, seed=1),
        "chelsea-small.png": halved(chelsea),
        "astronaut-clean.png": astronaut,
        "astronaut-mask.png": np.where(mask, np.uint8(255), np.uint8(0)),
        "astronaut-scratched.png": np.where(mask[..., None], np.uint8(255), astronaut),
        "coffee-clean.png": coffee,
        "coffee-mosaic.png": mosaic(coffee),
    }


def noisy(picture, seed):
    """`picture` with Gaussian noise of `SIGMA` levels, rounded and clipped to 8 bits."""
    noise = SIGMA * np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def halved(picture):
    """`picture` at half the size: bicubic, widened by the scale against aliasing."""
    height, width = picture.shape[:2]
    half = Image.fromarray(picture).resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    return np.asarray(half)


def mosaic(picture):
    """What a sensor under an RGGB filter sees of `picture`, in 16 bits."""
    samples = picture[..., 1].astype(np.uint16)
    samples[0::2, 0::2] = picture[0::2, 0::2, 0]
    samples[1::2, 1::2] = picture[1::2, 1::2, 2]
    return samples * np.uint16(257)


def text_and_scratches(shape, seed=2):
    """True under two lines of text and twelve scratches."""
    height, width = shape
    # The bitmap font, enlarged by repetition: the same dots whatever FreeType is installed.
    page = Image.new("1", (width // 2, height // 2))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default_imagefont()
    draw.text((12, 62), "every small patch of a", fill=1, font=font)
    draw.text((12, 78), "picture is a few atoms", fill=1, font=font)
    mask = np.asarray(page).repeat(2, axis=0).repeat(2, axis=1)

    rng = np.random.default_rng(seed)
    steps = np.linspace(0, 1, 4 * max(shape))
    for _ in range(12):
        (top, left), (bottom, right) = rng.uniform(0, (height, width), (2, 2))
        bend = rng.uniform(-20, 20) * np.sin(np.pi * steps)
        rows = np.rint(top + (bottom - top) * steps + bend).astype(int)
        columns = np.rint(left + (right - left) * steps - bend).astype(int)
        for thickness in range(rng.integers(1, 4)):
            inside = (rows >= 0) & (rows < height) & (columns + thickness >= 0)
            inside &= columns + thickness < width
            mask[rows[inside], columns[inside] + thickness] = True
    return mask


if __name__ == "__main__":
    for name, picture in pictures().items():
        Image.fromarray(picture).save(FOLDER / name, optimize=True)
    print(f"made {len(pictures())} pictures in {FOLDER}")
