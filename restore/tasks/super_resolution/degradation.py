"""How pictures are made small, which enlarging has to undo."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from restore.imaging.resize import cubic, resize
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Standard deviations after which a Gaussian is cut off.
_CUT = 4.0


def kernel_of(degradation: str, scale: int) -> tuple[Callable[[Floats], Floats], float]:
    """The weights of large pixels in shrinking, and their radius.

    Parameters
    ----------
    degradation : str
        ``"bicubic"``: cubic convolution widened by the scale, as in image programs; ``"area"``: the
        mean of scale x scale pixels, like the larger pixels of a sensor; ``"gaussian:S"``: a
        Gaussian of standard deviation S large pixels, like a lens.
    scale : int

    Returns
    -------
    kernel : callable
        Weights by distance in small pixels.
    radius : float
        Distance beyond which they are zero.

    Raises
    ------
    ValueError
        If there is no such degradation.
    """
    if degradation == "bicubic":
        return cubic, 2.0
    if degradation == "area":
        return _box, 0.5
    name, _, width = str(degradation).partition(":")
    try:
        width = float(width)
    except ValueError:
        width = 0.0
    if name != "gaussian" or not 0.1 <= width <= 16:
        raise ValueError(
            "the degradation is bicubic, area or gaussian:S, with S from 0.1 to 16 the standard "
            f"deviation of the blur in large pixels, not {degradation}"
        )
    return functools.partial(_bell, width=width / scale), max(0.5, _CUT * width / scale)


def shrink(image: Floats, scale: int, degradation: str, pool: Pool | None = None) -> Floats:
    """(height, width, c) float32 `image` with sides `scale` times as short.

    References
    ----------
    Irani & Peleg, "Improving resolution by image registration", CVGIP 1991, equation 1.
    """
    height, width = (side // scale for side in image.shape[:2])
    kernel, radius = kernel_of(degradation, scale)
    return resize(image, height, width, pool, kernel=kernel, radius=radius)


def _box(distance: Floats) -> Floats:
    return (np.abs(distance) < 0.5).astype(np.float64)


def _bell(distance: Floats, width: float) -> Floats:
    return np.exp(-0.5 * (distance / width) ** 2)
