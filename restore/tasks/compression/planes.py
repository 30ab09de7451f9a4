"""Conversion of pictures to decorrelated planes of levels, padded to whole cells, and back."""

from collections.abc import Sequence

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool, for_each
from restore.kernels.blocks import CELL
from restore.typing import Floats

#: Number of units per half turn in which the angles of the colour rotation are stored.
TURN = 256
#: For visual quality, red, green and blue are multiplied by sqrt(3 w) before the rotation, where w
#: are their weights in the luma of BT.601. The first plane can then be exactly the luma.
GAINS = np.sqrt(3 * np.array([0.299, 0.587, 0.114])).astype(np.float32)
#: The first two angles for which it is; the third one is free.
_LUMA = (78, 28)


def rotation(angles: Sequence[int]) -> Floats:
    """The rotation of colour space by three angles in 1/256 of a half turn.

    Parameters
    ----------
    angles : sequence of 3 int

    Returns
    -------
    (3, 3) float32 ndarray
        Rows are the axes of the three planes; orthonormal.
    """
    result = np.eye(3)
    for angle, (i, j) in zip(angles, ((0, 1), (0, 2), (1, 2))):
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle * np.pi / TURN)
        turn[i, j] = np.sin(angle * np.pi / TURN)
        turn[j, i] = -turn[i, j]
        result = turn @ result
    return result.astype(np.float32)


def colour_angles(image: Floats, luma: bool = False) -> tuple[int, int, int]:
    """Find the angles of the rotation that decorrelates the planes of `image`.

    The axes are the principal axes of the differences between neighbouring pixels, which resemble
    the residuals of the prediction of blocks.

    Parameters
    ----------
    image : (height, width, 3) float32 ndarray
    luma : bool
        Whether the channels will be multiplied by `GAINS`, and the first plane is the luma.

    Returns
    -------
    tuple of 3 int
        Each in [-128, 127].
    """
    every = 1 + len(image) // 256  # a few hundred rows are enough
    down = image[1::every] - image[:-1:every]
    across = np.diff(image[::every], axis=1)
    steps = np.concatenate([down.reshape(-1, 3), across.reshape(-1, 3)]).astype(np.float64)
    if luma:
        _, one, other = ((steps * GAINS) @ rotation((*_LUMA, 0)).T.astype(np.float64)).T
        turn = np.arctan2(2 * (one @ other), one @ one - other @ other + 1e-9) / 2
        return (*_LUMA, int(np.rint(turn * TURN / np.pi)))
    spread, axes = np.linalg.eigh(steps.T @ steps + 1e-9 * np.eye(3))
    axes = axes[:, np.argsort(-spread, kind="stable")].T
    if axes[0, 0] < 0:
        axes[0] = -axes[0]
    # The first row of the product of the three rotations is (c0 c1, s0 c1, s1), and the last one
    # rotates the other two rows. Signs of rows do not matter, so half a turn is enough for each.
    second = np.arcsin(np.clip(axes[0, 2], -1, 1))
    first = np.arctan2(axes[0, 1], axes[0, 0])
    others = rotation((first * TURN / np.pi, second * TURN / np.pi, 0)).astype(np.float64)
    third = np.arctan2(axes[1] @ others[2], axes[1] @ others[1])
    one, two, three = (int(np.rint(angle * TURN / np.pi)) for angle in (first, second, third))
    return min(one, 127), min(two, 127), (three + 128) % 256 - 128


def to_planes(image: Floats, angles: Sequence[int], luma: bool = False) -> list[Floats]:
    """Convert an image to planes of levels about 0, padded to whole cells with its last samples.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        In [0, 1].
    angles : tuple of 3 int
        The colour rotation; unused where channels is 1.
    luma : bool
        Whether colours are multiplied by `GAINS` before the rotation.

    Returns
    -------
    list of (height, width) float32 ndarray
        Sides are multiples of 8.
    """
    levels = (image - np.float32(0.5)) * np.float32(255)
    if image.shape[2] == 3:
        levels = (levels * GAINS if luma else levels) @ rotation(angles).T
    ends = [(0, -side % CELL) for side in image.shape[:2]]
    return [
        np.ascontiguousarray(np.pad(levels[..., plane], ends, "edge"))
        for plane in range(image.shape[2])
    ]


def from_planes(
    planes: list[Floats],
    angles: Sequence[int],
    height: int,
    width: int,
    luma: bool = False,
    pool: Pool | None = None,
) -> Floats:
    """Convert planes to an image: the inverse of `to_planes`, clipped to [0, 1]."""
    image = np.empty((height, width, len(planes)), np.float32)
    gains = np.tile(GAINS, width)  # numpy is slow where the last axis is short

    def convert(rows: slice) -> None:
        levels = np.stack([plane[rows, :width] for plane in planes], axis=-1)
        if levels.shape[2] == 3:
            levels = levels @ rotation(angles)
            if luma:
                levels.reshape(len(levels), -1)[:] /= gains
        levels /= np.float32(255)
        levels += np.float32(0.5)
        np.clip(levels, 0, 1, out=image[rows])

    for_each(convert, bands.rows(image.shape), pool)
    return image
