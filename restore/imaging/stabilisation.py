"""Variance stabilisation of photon noise."""

import numpy as np

from restore.typing import Floats


def stabilise(image: Floats, gain: float, sigma: float) -> Floats:
    """Transform noise of variance ``gain * x + sigma**2`` at brightness x to variance 1.

        f(y) = 2 / gain sqrt(gain y + 3/8 gain^2 + sigma^2)

    Parameters
    ----------
    image : float32 ndarray
    gain, sigma : float
        In the unit of the image; `gain` is the level that one photon adds.

    References
    ----------
    Starck, Murtagh & Bijaoui, "Image processing and data analysis", 1998, section 2.3.3
    (generalised Anscombe transform).
    """
    inside = gain * image + (3 / 8 * gain**2 + sigma**2)
    return np.float32(2 / gain) * np.sqrt(np.maximum(inside, 0))


def unstabilise(stable: Floats, gain: float, sigma: float) -> Floats:
    """The brightness whose noisy samples have the mean `stable` after `stabilise`.

    References
    ----------
    Makitalo & Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE TIP 22(1), 2013, eq. 10 (closed form of the exact unbiased
    inverse).
    """
    darkest = 2 * np.sqrt(3 / 8 + (sigma / gain) ** 2)
    z = np.maximum(stable, np.float32(darkest))
    root = np.sqrt(1.5)
    photons = z**2 / 4 + root / 4 / z - 11 / 8 / z**2 + 5 / 8 * root / z**3 - 1 / 8
    return (gain * np.maximum(photons - (sigma / gain) ** 2, 0)).astype(np.float32)
