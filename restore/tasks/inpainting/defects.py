"""Where a picture looks damaged: pixels, lines and specks that stand out from what is around.

These are candidates by their shape alone; `restore.tasks.inpainting.find_defects` asks the model
of similar patches whether they belong to the picture after all.
"""

import functools
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from restore.typing import Flags, Floats

#: Widest scratch and dust speck that are looked for, in pixels.
SCRATCH = 5
SPECK = 11

#: Length of the straight pieces of which scratches are made, three in a row at least, and
#: of the shortest scratch.
PIECE = 11
SHORTEST = 33

#: How many times the usual deviation a candidate deviates, and by how much at least.
FACTOR = 4.0
LEAST = 8 / 255

#: The nearest pixels share at least so much of what a lens has drawn, above the ground.
SHARED = 0.12


def dead_pixels(image: Floats) -> Flags:
    """Pixels that are far above or below all around them but one, and alone so.

    What a lens has drawn, as a star, shows in the four nearest pixels as well.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray

    Returns
    -------
    (height, width) bool ndarray
    """
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    rim = np.ones((5, 5), bool)
    rim[1:-1, 1:-1] = False
    found = np.zeros(image.shape[:2], bool)
    for plane in np.moveaxis(image, 2, 0):
        second, last_but_one = (
            ndimage.rank_filter(plane, rank, footprint=ring, mode="mirror") for rank in (1, -2)
        )
        deviation = np.maximum(np.maximum(second - plane, plane - last_but_one), 0)
        far = deviation > FACTOR * ndimage.uniform_filter(deviation, 11, mode="mirror") + LEAST
        ground = ndimage.median_filter(plane, footprint=rim, mode="mirror")
        height, nearest = plane - ground, np.zeros_like(plane)
        for rank in range(3):  # the fourth may be of a star beside
            low, high = (
                ndimage.rank_filter(sign * plane, rank, footprint=cross, mode="mirror")
                for sign in (1, -1)
            )
            nearest += np.where(height > 0, low - ground, high + ground) / 3
        found |= far & (nearest < SHARED * np.abs(height))
    return found


def _heights(image: Floats, width: int) -> Iterator[tuple[Floats, Floats]]:
    """The grey picture, then its negative, and how far things up to `width` pixels stand out."""
    grey = image.mean(axis=2)
    for plane in (grey, -grey):
        opened = ndimage.grey_opening(plane, footprint=_disc(width // 2 + 1), mode="nearest")
        yield plane, plane - opened


def scratches(image: Floats) -> Flags:
    """Thin bright or dark lines over one and the same ground, straight piece by piece.

    Parameters, returns
        As for `dead_pixels`.
    """
    found = np.zeros(image.shape[:2], bool)
    for plane, height in _heights(image, SCRATCH):
        piece, three = _line_strengths(plane)
        usual = ndimage.uniform_filter(three, 81, mode="mirror")
        sure = three > FACTOR * usual + LEAST
        sure &= height > 0.5 * three
        # to the ends of the line, of like strength, and no farther
        beside = ndimage.maximum_filter(np.where(sure, three, 0), 2 * PIECE + 1)
        perhaps = (piece > 0.6 * beside) & (height > 0.6 * beside) & (beside > 0)
        found |= _long(ndimage.binary_propagation(sure & perhaps, np.ones((3, 3)), perhaps))
    return found


def dust(image: Floats) -> Flags:
    """Small bright or dark specks.

    Parameters, returns
        As for `dead_pixels`.
    """
    found = np.zeros(image.shape[:2], bool)
    for _, height in _heights(image, SPECK):
        usual = ndimage.uniform_filter(height, 81, mode="mirror")
        sure = height > FACTOR * usual + LEAST
        # to the rim of the speck, half as high
        beside = ndimage.maximum_filter(np.where(sure, height, 0), SPECK)
        perhaps = (height > 0.5 * beside) & (beside > 0)
        found |= ndimage.binary_propagation(sure & perhaps, np.ones((3, 3)), perhaps)
    return found & ~_long(found, SPECK + 2)


def _line_strengths(plane: Floats) -> tuple[Floats, Floats]:
    """How far a piece of bright line through each pixel stands above both of its sides.

    The less so the more these differ: a line between two things is no scratch. And the same
    for three pieces in a row, by the weakest of them.
    """
    strongest_piece, strongest_three = np.zeros_like(plane), np.zeros_like(plane)
    for angle in np.arange(0, np.pi, np.pi / 16):
        down, across = np.sin(angle), np.cos(angle)
        steps = np.arange(PIECE) - PIECE // 2
        moved = (_moved(plane, step * down, step * across) for step in steps)
        line = functools.reduce(np.add, moved) / PIECE
        one, other = (
            _moved(line, side * across, -side * down) for side in (1 - SCRATCH, SCRATCH - 1)
        )
        piece = line - np.maximum(one, other) - np.abs(one - other)
        three = np.minimum(
            piece,
            np.minimum(
                _moved(piece, PIECE * down, PIECE * across),
                _moved(piece, -PIECE * down, -PIECE * across),
            ),
        )
        np.maximum(strongest_piece, piece, out=strongest_piece)
        np.maximum(strongest_three, three, out=strongest_three)
    return strongest_piece, strongest_three


def _moved(plane: Floats, down: float, across: float) -> Floats:
    """The plane moved by the nearest whole pixels, its border repeated."""
    down, across = round(down), round(across)
    rows = np.clip(np.arange(plane.shape[0]) + down, 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(plane.shape[1]) + across, 0, plane.shape[1] - 1)
    return plane[rows][:, columns]


def _disc(radius: int) -> Flags:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y**2 + x**2 <= radius**2 + 1


def _long(found: Flags, pixels: int = SHORTEST) -> Flags:
    """The connected parts that extend over so many pixels or more, down or across."""
    labels, count = ndimage.label(found, np.ones((3, 3)))
    long = np.zeros(count + 1, bool)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        long[number] = max(rows.stop - rows.start, columns.stop - columns.start) >= pixels
    return long[labels]
