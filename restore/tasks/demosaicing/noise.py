"""The noise of a mosaic: from the file's noise profile, or estimated on its colour planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from restore.imaging.noise import (
    estimate_noise,
    estimate_photon_noise,
    estimate_sigma,
    line_below,
    noise_curves,
)
from restore.sparse.operators import Mosaic
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: This percentile of the planes' levels is used: texture raises some, and lowers none.
_LOW = 25

#: Brightness below which no photons, and no noise, are to be expected.
_BLACK = 0.02

#: Level, as a standard deviation of samples in [0, 1], below which texture may be taken for noise.
_WEAK = 3 / 255


def profiled(profile: tuple[float, float] | None) -> tuple[float, float] | None:
    """The gain and the sigma of a noise profile, or None."""
    if not profile:
        return None
    slopes, offsets = np.array(profile, np.float64).T
    gain, variance = float(np.mean(slopes)), float(np.mean(offsets))
    return (gain, max(variance, 0.0) ** 0.5) if gain > 0 else None


def estimated(mosaic: Floats, pattern: str, *, pool: Pool | None = None) -> tuple[float, float]:
    """The gain and the sigma of the noise of a mosaic, whose variance is ``gain x + sigma**2``.

    The samples at each place of the pattern form a smaller picture, in which the noise is as white
    as in the mosaic, but texture is less smooth. The estimate is therefore rather too high; noise
    weaker than 3 levels of 255 counts only if it does not look like texture.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
    pattern : str
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    gain, sigma : float
        The gain is 0 if the noise does not grow with the light; both are 0 for mosaics smaller than
        their pattern.
    """
    if min(mosaic.shape) < Mosaic(pattern).period:
        return 0.0, 0.0
    parts = [np.ascontiguousarray(mosaic[place])[..., None] for place in Mosaic(pattern).places]
    # the gain is the same for all colours, and all together cover more levels of brightness
    height, width = (min(part.shape[axis] for part in parts) for axis in (0, 1))
    together = np.concatenate([part[:height, :width] for part in parts])
    photons = estimate_photon_noise(together, pool=pool)
    if photons:
        variance = max(photons.sigma**2 - photons.gain * photons.pedestal, 0)
        return photons.gain, variance**0.5
    # texture hides how the noise grows with the light, but not that most of it does
    means, variances = np.concatenate(noise_curves(together, pool=pool), axis=1)
    lit = (variances > 0) | (means > _BLACK)
    gain, offset = 0.0, 0.0
    if lit.any() and variances[lit].all():
        gain, offset = line_below(means[lit], variances[lit])
    grown = gain * float(together.mean())
    if grown > offset and grown + offset > _WEAK**2:
        return gain, max(offset, 0) ** 0.5
    sigmas = np.array([estimate_sigma(part, pool=pool)[0] for part in parts])
    if np.percentile(sigmas, _LOW) < _WEAK:
        whites = [estimate_noise(part, kind="white", pool=pool).sigma[0] for part in parts]
        sigmas = np.minimum(sigmas, whites)
    return 0.0, float(np.percentile(sigmas, _LOW))
