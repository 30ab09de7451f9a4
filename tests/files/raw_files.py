"""Camera raw files, made here: DNG files with mosaics or linear colours, as LibRaw reads them."""

import numpy as np
import tifffile

#: XYZ (D65) to a made-up camera's colours, as of a common one, in parts of 10000.
MATRIX = np.array([[6988, -1384, -714], [-5631, 13410, 2447], [-1485, 2204, 7318]]) / 10000

#: White balance: how much red and blue are to be multiplied, green being 1.
GAINS = (2.0, 1.0, 1.5)

BLACK, WHITE = 512, 16383

LETTERS = "RGB"


def rationals(values):
    return [part for value in values for part in (round(float(value) * 10000), 10000)]


def write_mosaic(path, mosaic, pattern="RGGB", *, orientation=1, noise=None, matrix=MATRIX):
    """A DNG with a preview first and the (h, w) uint16 mosaic in a directory below."""
    side = int(len(pattern) ** 0.5)
    about = [
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Model", True),
        (274, "H", 1, orientation, True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50707, "B", 4, bytes([1, 3, 0, 0]), True),
        (50708, "s", 0, "Maker Model", True),
        (50721, "2i", 9, rationals(matrix.ravel()), True),
        (50728, "2I", 3, rationals([1 / gain for gain in GAINS]), True),
        (50778, "H", 1, 21, True),
    ]
    if noise:
        about.append((51041, "d", len(noise), noise, True))
    sensor = [
        (33421, "H", 2, (side, side), True),
        (33422, "B", len(pattern), bytes(LETTERS.index(letter) for letter in pattern), True),
        (50714, "H", 1, BLACK, True),
        (50717, "H", 1, WHITE, True),
    ]
    with tifffile.TiffWriter(path) as file:
        settings = {"extratags": about, "subifds": 1, "subfiletype": 1, "metadata": None}
        file.write(np.zeros((32, 32, 3), np.uint8), photometric="rgb", **settings)
        file.write(mosaic, photometric="cfa", extratags=sensor, subfiletype=0, metadata=None)


def measured(light, pattern="RGGB", clip=True):
    """The stored mosaic that a camera with `GAINS` makes of its balanced light in [0, 1]."""
    side = int(len(pattern) ** 0.5)
    mosaic = np.empty(light.shape[:2])
    for number, letter in enumerate(pattern):
        place = np.s_[number // side :: side, number % side :: side]
        channel = LETTERS.index(letter)
        mosaic[place] = light[(*place, channel)] / GAINS[channel]
    mosaic = BLACK + mosaic * (WHITE - BLACK)
    return np.rint(np.clip(mosaic, 0, WHITE if clip else 65535)).astype(np.uint16)
