"""From the mosaic of a camera raw file to a picture: levels, white balance, colours, tone curve.

Noise is removed in the mosaic, where it is white, together with demosaicing. The noise of a sensor
grows with the light; a variance-stabilising curve makes it uniform, the mosaic is demosaiced for
one noise level, and the curve is inverted. Without noise to remove the mosaic is demosaiced with
gamma encoding, since the models were learned from such pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.imaging.camera import Camera, decoded, encoded, to_space
from restore.imaging.stabilisation import stabilise, unstabilise
from restore.sparse.operators import Mosaic
from restore.tasks.demosaicing import noise as levels
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: A function from a mosaic, with noise of one standard deviation, to full colour.
Demosaic = Callable[[Floats, float], Floats]

#: The smallest variance that counts as noise, with white at 1.
_LEAST = 1e-10

#: Noise that grows with the light by less than this, relative to that in the dark, counts as
#: uniform.
_CURVED = 1e-3


def _light(measured: Floats, places: Iterable[Any], camera: Camera) -> Floats:
    """The measurements scaled from black at 0, for each place of the pattern, to white at 1."""
    light = np.array(measured, np.float32)
    for (_, place), black in zip(places, camera.black):
        light[place] = (light[place] - np.float32(black)) / np.float32(camera.white - black)
    return np.minimum(light, 1, out=light)


def develop(
    measured: Floats,
    pattern: str | None,
    camera: Camera,
    demosaic: Demosaic,
    *,
    sigma: float | str = 0.0,
    pool: Pool | None = None,
) -> tuple[Floats, tuple[float, float]]:
    """The picture that a camera's sensor saw.

    Parameters
    ----------
    measured : (height, width) or (height, width, 3) float32 ndarray
        The mosaic as measured, or colours already made from it, as a share of the highest level
        that the file can store.
    pattern : str or None
        None for colours.
    camera : Camera
        Its `space`, `linear` and `balanced` select the output.
    demosaic : callable
        From a mosaic in [0, 1] and the sigma of its noise to colours.
    sigma : float or "auto"
        Noise level to remove, in linear light with white at 1; ``"auto"``: from the file, or
        estimated.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    colours : (height, width, 3) float32 ndarray
        Not rotated yet.
    noise : (gain, sigma) floats
        The variance ``gain * light + sigma**2`` that was removed.

    Raises
    ------
    ValueError
        If the levels or the colour matrix make no sense.
    """
    if not camera.white > max(camera.black):
        raise ValueError("the white level must lie above the black level")
    if pattern is None:
        places: list[tuple[str, Any]] = [
            (letter, np.s_[..., number]) for number, letter in enumerate("RGB")
        ]
    else:
        places = list(zip(pattern, Mosaic(pattern).places))
    light = _light(measured, places, camera)
    found = 0.0, 0.0 if sigma == "auto" else float(sigma)
    if sigma == "auto" and pattern is not None:
        found = levels.profiled(camera.noise) or levels.estimated(light, pattern, pool=pool)
    gains = np.array(camera.relative_gains, np.float32)
    # balanced colours are clipped where one of them is saturated: highlights get no fringes
    most = np.float32(1 if camera.balanced else gains.max())
    weights = [float(gains["RGB".index(letter)] / most) for letter, _ in places]
    for (_, place), weight in zip(places, weights):
        light[place] *= np.float32(weight)
    np.minimum(light, 1, out=light)
    if pattern is not None:
        # the colours then have noise of different strengths; one curve, for their average, serves
        # all
        gain = found[0] * sum(weights) / len(weights)
        dark = found[1] * math.sqrt(sum(weight**2 for weight in weights) / len(weights))
        light = _demosaiced(light, gain, dark, demosaic)
    return _rendered(light * most, gains, camera), found


def _demosaiced(light: Floats, gain: float, dark: float, demosaic: Demosaic) -> Floats:
    """The colours of a mosaic of light with noise of variance ``gain * light + dark**2``."""
    if max(gain, dark**2) < _LEAST:
        return decoded(demosaic(encoded(light), 0.0))
    return stabilised(light, gain, dark, demosaic)


def stabilised(mosaic: Floats, gain: float, sigma: float, demosaic: Demosaic) -> Floats:
    """The colours of a mosaic, demosaiced on a scale on which its noise is uniform.

    Parameters
    ----------
    mosaic : float32 ndarray
    gain, sigma : float
        The variance of its noise at brightness x is ``gain * x + sigma**2``.
    demosaic : callable
        From a mosaic and the sigma of its noise to colours.
    """
    if gain <= _CURVED * sigma:
        return demosaic(mosaic, sigma)
    lowest, highest = (
        float(stabilise(np.full(1, end, np.float32), gain, sigma)[0]) for end in (0, 1)
    )
    reach = np.float32(highest - lowest)
    stable = (stabilise(mosaic, gain, sigma) - np.float32(lowest)) / reach
    colours = demosaic(stable, float(1 / reach))
    return unstabilise(colours * reach + np.float32(lowest), gain, sigma)


def _rendered(colours: Floats, gains: Floats, camera: Camera) -> Floats:
    """A camera's balanced linear colours in the requested colour space."""
    if not camera.balanced:
        return np.clip(colours / gains, 0, 1)
    if camera.space != "camera":
        if camera.matrix is None:
            raise ValueError(
                "the file does not say what its camera's colours are: use --colour-space camera"
            )
        matrix = to_space(camera.matrix, camera.space).astype(np.float32)
        # einsum rather than a matrix product: the same to the bit for any number of threads
        colours = np.einsum("kc,ijc->ijk", matrix, np.minimum(colours, 1), order="C")
    colours = np.clip(colours, 0, 1)
    return colours if camera.linear else encoded(colours, camera.space)


def levelled(
    mosaic: Floats, pattern: str, black: float, white: float, gains: Sequence[float]
) -> Floats:
    """A mosaic with black at 0, white at 1 and gains applied, clipped at both ends.

    Parameters
    ----------
    mosaic : (height, width) or (height, width, 1) float32 ndarray
    pattern : str
    black, white : float
        Levels of the mosaic.
    gains : (red, green, blue) floats
        Divided by the least of them, so that what was clipped stays white.

    Raises
    ------
    ValueError
        If white is not above black.
    """
    if not white > black:
        raise ValueError("the white level must lie above the black level")
    stretched = (mosaic - np.float32(black)) / np.float32(white - black)
    operator = Mosaic(pattern)
    for (channel, _), place in zip(operator.sites, operator.places):
        stretched[place] *= np.float32(gains[channel] / min(gains))
    return np.clip(stretched, 0, 1)
