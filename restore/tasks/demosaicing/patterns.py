"""Mosaics of any pattern that repeats: their names, and their colours without a learned model.

Learned stages exist for the Bayer pattern alone. Groups of similar patches, each modelled as a
Gaussian, work for any arrangement of the colours; they only need an initial estimate and its
uncertainty. The first estimate here models each colour as a local linear function of the luminance,
fitted where the colour was measured, as residual interpolation does. A dictionary makes the second
one. The following passes use groups: the change by one pass is the uncertainty for the next.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from restore.sparse.dictionary import load_for
from restore.sparse.operators import Mosaic
from restore.tasks.demosaicing.dictionary import by_dictionary
from restore.tasks.demosaicing.grouping import completed
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Row and column of the red filter in the top-left 2 x 2 samples, by Bayer pattern.
BAYER = {"RGGB": (0, 0), "BGGR": (1, 1), "GRBG": (0, 1), "GBRG": (1, 0)}

#: Other patterns by name.
NAMES = {
    "XTRANS": "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG",
    "QUAD": "RRGGRRGGGGBBGGBB",
}

#: The longest side of a pattern.
LONGEST = 8

#: Iterations of the first estimate, the scales (standard deviations of Gaussians) at which colours
#: are interpolated and lines are fitted, and the variance below which no line can be fitted.
TURNS, NEAR, WINDOW, FLAT = 8, 1.0, 2.5, 1e-5

#: Uncertainty of the estimate that a pass of groups starts from: see `completed`.
DOUBTS = (60.0, 20.0, 20.0)


def named(pattern: str) -> str:
    """The colours of a repeating pattern, row by row.

    Parameters
    ----------
    pattern : str
        A name of `NAMES`, or the colours themselves.

    Raises
    ------
    ValueError
        If it is neither, or holds other colours than red, green and blue, or not all of them.
    """
    letters = NAMES.get(pattern.upper(), pattern.upper())
    side = math.isqrt(len(letters))
    if "W" in letters and set(letters) <= set("RGBW"):
        raise ValueError(
            f"{pattern!r} has white samples, which are not supported: only red, green and blue are"
        )
    other = side == 2 and letters not in BAYER  # more likely a mistake than a rare sensor
    if side**2 != len(letters) or side > LONGEST or set(letters) != set("RGB") or other:
        raise ValueError(
            f"unknown pattern {pattern!r}: expected RGGB, BGGR, GRBG or GBRG, the colours of the "
            "top-left 2x2 samples row by row (OpenCV's names are shifted: its BayerBG is RGGB, "
            "BayerRG is BGGR, BayerGB is GRBG and BayerGR is GBRG), xtrans, quad, or the colours "
            f"of up to {LONGEST}x{LONGEST} samples"
        )
    return letters


def moved(pattern: str, x: int, y: int) -> str:
    """The pattern of a mosaic without its first `x` columns and `y` rows."""
    side = math.isqrt(len(pattern))
    rows = [pattern[side * row : side * (row + 1)] for row in range(side)]
    return "".join(
        rows[(y + row) % side][(x + column) % side] for row in range(side) for column in range(side)
    )


def first_estimate(mosaic: Floats, pattern: str) -> Floats:
    """Colours of a mosaic of any pattern, by local linear fits to the luminance.

    Around every sample each colour c is modelled as ``a L + b`` of the luminance L, the mean of the
    colours so far, with a and b fitted by weighted least squares to the samples at which c was
    measured; their residuals are interpolated and added.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
    pattern : str

    Returns
    -------
    (height, width, 3) float32 ndarray

    References
    ----------
    Kiku, Monno, Tanaka & Okutomi, "Beyond color difference: residual interpolation for color
    image demosaicking", IEEE TIP 25(3), 2016. Knutsson & Westin, "Normalized and differential
    convolution", CVPR 1993 (interpolation from samples at any places).
    """
    operator = Mosaic(pattern)
    measured = np.moveaxis(operator.adjoint(mosaic), 2, 0)
    known = np.moveaxis(operator.known(mosaic.shape), 2, 0).astype(np.float32)
    near = [np.maximum(_blurred(mask, NEAR), 1e-6) for mask in known]
    wide = [np.maximum(_blurred(mask, WINDOW), 1e-6) for mask in known]
    colours = np.stack([_blurred(own, NEAR) / weight for own, weight in zip(measured, near)])
    light = colours[1]
    for _ in range(TURNS):
        for channel, (own, mask) in enumerate(zip(measured, known)):
            mean_light = _blurred(light * mask, WINDOW) / wide[channel]
            mean_own = _blurred(own, WINDOW) / wide[channel]
            both = _blurred(light * own, WINDOW) / wide[channel] - mean_light * mean_own
            square = _blurred(light**2 * mask, WINDOW) / wide[channel] - mean_light**2
            slope = (both + np.float32(FLAT)) / (np.maximum(square, 0) + np.float32(FLAT))
            line = mean_own + slope * (light - mean_light)
            left = _blurred((own - line) * mask, NEAR) / near[channel]
            colours[channel] = np.where(mask > 0, own, line + left)
        light = colours.mean(axis=0)
    return np.ascontiguousarray(np.moveaxis(colours, 0, 2))


def _blurred(plane: Floats, sigma: float) -> Floats:
    return ndimage.gaussian_filter(plane, sigma, mode="reflect")


def by_groups(
    mosaic: Floats,
    pattern: str,
    sigma: float,
    error: float,
    stride: int,
    *,
    pool: Pool | None = None,
) -> Floats:
    """Colours of a mosaic of any pattern, by a dictionary and by passes of groups.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
        In [0, 1].
    pattern : str
    sigma : float
        Standard deviation of its noise.
    error : float
        Variance of its noise, or of its rounding; not 0.
    stride : int
        Pixels between the patches that groups are found for; 0: there are none.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, 3) float32 ndarray
    """
    operator = Mosaic(pattern)
    measured, known = operator.adjoint(mosaic), operator.known(mosaic.shape)

    def kept(colours: Floats) -> Floats:
        return colours if sigma else np.where(known, measured, colours)

    before = first_estimate(mosaic, pattern)
    atoms = load_for("colour", 3)
    colours = kept(
        by_dictionary(mosaic, before, pattern, sigma, atoms, False, "balanced", pool=pool)
    )
    for doubt in DOUBTS if stride else ():
        _, last = completed(
            mosaic, error, operator.sites, colours, colours - before, stride, doubt, pool=pool
        )
        before, colours = colours, kept(last)
    return colours
