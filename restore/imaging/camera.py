"""Camera data of a mosaic, and conversion from camera colours to display colours."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from restore.typing import Array, Floats

#: XYZ of the colours red, green and blue, a column each, for a white of D65 (sRGB) and of D50
#: (ProPhoto, ROMM RGB), as IEC 61966-2-1 and ISO 22028-2 have them.
_XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_XYZ_OF_PROPHOTO = np.array(
    [[0.7976749, 0.1351917, 0.0313534], [0.2880402, 0.7118741, 0.0000857], [0, 0, 0.8252100]]
)

#: From D65 to D50, by the method of Bradford.
_D50_OF_D65 = np.array(
    [[1.0478112, 0.0228866, -0.0501270], [0.0295424, 0.9904844, -0.0170491],
     [-0.0092345, 0.0150436, 0.7521316]]
)  # fmt: skip

SPACES = ("srgb", "prophoto", "camera")


@dataclasses.dataclass(frozen=True)
class Camera:
    """Data of a raw file on its mosaic, and options for its development.

    Attributes
    ----------
    black : tuple of float
        Black levels, one for each place of the pattern, relative to the highest level that the file
        can store.
    white : float
        The saturation level of the sensor, likewise.
    gains : tuple of float
        White balance of red, green and blue.
    matrix : (3, 3) ndarray or None
        From XYZ, for D65, to the camera's red, green and blue; None if not known.
    noise : tuple of (float, float) or None
        The slope and the offset of the noise variance over the brightness, from 0 for black to 1
        for white, before the gains; None if the file has no noise profile.
    orientation : int
        As in EXIF; the mosaic is not rotated.
    space : {"srgb", "prophoto", "camera"}
        The requested colour space.
    linear : bool
        Whether the output is linear in the light instead of encoded for a screen.
    balanced : bool
        Whether the gains are applied to the output, with clipping where one colour is saturated.
    """

    black: tuple
    white: float
    gains: tuple = (1.0, 1.0, 1.0)
    matrix: np.ndarray | None = None
    noise: tuple | None = None
    orientation: int = 1
    space: str = "srgb"
    linear: bool = False
    balanced: bool = True

    def replace(self, **changes: Any) -> Camera:
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)

    @property
    def relative_gains(self) -> tuple[float, ...]:
        """The gains with the smallest scaled to 1: full saturation is white."""
        return tuple(float(gain) / min(self.gains) for gain in self.gains)


def to_space(matrix: Array, space: str) -> Floats:
    """The matrix from a camera's balanced colours to those of a space; white stays white.

    Parameters
    ----------
    matrix : (3, 3) ndarray
        From XYZ for D65 to the camera's colours.
    space : {"srgb", "prophoto"}

    Returns
    -------
    (3, 3) float64 ndarray

    Raises
    ------
    ValueError
        If the matrix has no inverse.
    """
    of_camera = np.asarray(matrix, np.float64) @ _XYZ_OF_SRGB
    whites = of_camera.sum(axis=1, keepdims=True)
    if not np.isfinite(of_camera).all() or not (np.abs(whites) > 1e-6).all():
        raise ValueError("the colour matrix of the file makes no sense: use --colour-space camera")
    of_camera /= whites
    if np.linalg.cond(of_camera) > 1e4:
        raise ValueError("the colour matrix of the file makes no sense: use --colour-space camera")
    to_srgb = np.linalg.inv(of_camera)
    if space == "srgb":
        return to_srgb
    return np.linalg.inv(_XYZ_OF_PROPHOTO) @ _D50_OF_D65 @ _XYZ_OF_SRGB @ to_srgb


def of_camera_matrix(to_srgb: Array) -> Floats | None:
    """From XYZ for D65 to a camera's balanced colours, by the matrix to linear sRGB, or None.

    Parameters
    ----------
    to_srgb : (3, 3) ndarray
    """
    if not np.isfinite(to_srgb).all() or abs(np.linalg.det(to_srgb)) < 1e-6:
        return None
    return np.linalg.inv(to_srgb) @ np.linalg.inv(_XYZ_OF_SRGB)


def encoded(light: Floats, space: str = "srgb") -> Floats:
    """Encode light in [0, 1] for a screen: sRGB's curve, or a power of 1 / 1.8."""
    light = np.clip(light, 0, 1)
    if space == "prophoto":
        return np.power(light, np.float32(1 / 1.8))
    bright = np.float32(1.055) * np.power(light, np.float32(1 / 2.4)) - np.float32(0.055)
    return np.where(light <= 0.0031308, np.float32(12.92) * light, bright)


def decoded(values: Floats) -> Floats:
    """Decode samples from sRGB's curve to linear light."""
    values = np.clip(values, 0, 1)
    bright = np.power((values + np.float32(0.055)) / np.float32(1.055), np.float32(2.4))
    return np.where(values <= 0.04045, values / np.float32(12.92), bright)
