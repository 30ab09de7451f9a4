"""Noise that is coarser than the pixels, such as film grain, of which no map is known.

Neighbouring samples of such noise are alike, which a model of white noise takes for texture. Every
second sample of every second row makes a picture in which the noise is nearly white; the four such
pictures are restored separately and put together again. Since they show fine texture less well than
the whole, which is restored as if its noise were white and stronger, the result is the mean of
both.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from restore.sparse import white
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Standard deviation of the noise, relative to the white noise that serves best for the whole.
APART = 0.65


def restore_coarse(image: Floats, sigmas: Floats, colour: float, pool: Pool | None) -> Floats:
    """Remove coarse noise.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    sigmas : (1,) or (channels,) ndarray
        Standard deviations of the white noise that serves best for the whole picture.
    colour : float
        Assume this many times as much noise in the colour differences.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray

    References
    ----------
    Zhou, Jiao, Huang, Wang, Wang, Shi & Huang, "When AWGN-based denoiser meets real noises", AAAI
    2020, for restoring pictures of every second sample.
    """
    restored = white.by_groups(image, sigmas, colour, pool)
    for top, left in itertools.product(range(2), range(2)):
        part = np.s_[top::2, left::2]
        if image[part].size:
            seen = np.ascontiguousarray(image[part])
            restored[part] += white.by_groups(seen, APART * sigmas, colour, pool)
    restored /= 2
    return restored
