"""Candidates for dead pixels: single pixels that stand out from their neighbours.

Candidates are found by their shape alone; `restore.tasks.inpainting.find_defects` keeps those that
also differ from the prediction of similar patches.
"""

import numpy as np
from scipy import ndimage

from restore.typing import Flags, Floats

#: Minimum deviation of a candidate: in local mean deviations, plus an absolute one.
FACTOR = 4.0
LEAST = 8 / 255

#: Minimum share of the height of a spot drawn by a lens that its nearest pixels reach.
SHARED = 0.12


def dead_pixels(image: Floats) -> Flags:
    """Find isolated pixels far above or below all of their eight neighbours but one.

    Bright spots of the scene, such as stars, are blurred by the lens: they also show in the four
    nearest pixels, and are left out.

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
        for rank in range(3):  # the fourth may belong to a star beside it
            low, high = (
                ndimage.rank_filter(sign * plane, rank, footprint=cross, mode="mirror")
                for sign in (1, -1)
            )
            nearest += np.where(height > 0, low - ground, high + ground) / 3
        found |= far & (nearest < SHARED * np.abs(height))
    return found
