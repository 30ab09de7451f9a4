"""The noise of a mosaic: from what the camera says of it, or from the planes of its colours."""

import numpy as np

from restore.imaging.noise import estimate_photon_noise, estimate_sigma
from restore.tasks.demosaicing.patterns import planes


def profiled(profile):
    """The gain and the sigma of a noise profile, or None."""
    if not profile:
        return None
    slopes, offsets = np.array(profile, np.float64).T
    gain, variance = float(np.mean(slopes)), float(np.mean(offsets))
    return (gain, max(variance, 0.0) ** 0.5) if gain > 0 else None


def estimated(mosaic, pattern, *, pool=None):
    """The gain and the sigma of the noise of a mosaic, whose variance is ``gain x + sigma**2``.

    Every place of the pattern is a picture of its own, smaller, in which the noise is as white
    as in the mosaic; the medians over all of them are taken.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
    pattern : str
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    gain, sigma : float
        The first is 0 where the noise does not grow with the light.
    """
    parts = [np.ascontiguousarray(mosaic[place])[..., None] for place in planes(pattern)]
    photons = [estimate_photon_noise(part, pool=pool) for part in parts]
    if all(photons):
        found = [
            (noise.gain, max(noise.sigma**2 - noise.gain * noise.pedestal, 0)) for noise in photons
        ]
        gain, variance = np.median(found, axis=0)
        return float(gain), float(variance) ** 0.5
    return 0.0, float(np.median([estimate_sigma(part, pool=pool) for part in parts]))
