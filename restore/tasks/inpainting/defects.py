"""Where a picture has pixels that stand out from what is around.

These are candidates by their shape alone; `restore.tasks.inpainting.find_defects` asks the model
of similar patches whether they belong to the picture after all.
"""

import numpy as np
from scipy import ndimage

from restore.typing import Flags, Floats

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
