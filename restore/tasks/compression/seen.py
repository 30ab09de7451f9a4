"""Variation of the quantisation step for visual quality: by frequency, plane and place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from restore.kernels.blocks import Bases
from restore.tasks.compression.codec import Codec
from restore.typing import Floats, Integers

#: Side in cells of a tile, which has one step; eighths of octaves in the unit of tiles.
TILE, _QUARTER = 4, 2


class Seen(NamedTuple):
    """Variation of the quantisation step for visual quality.

    Attributes
    ----------
    detail, colour : int
        Slope of the step over the roughness of atoms, in the luma and in the chroma planes:
        `Codec.weighted`, 0 to 255.
    share : int
        Increase of the step of the chroma planes, in eighths of octaves.
    tiles : (rows, columns) int8 ndarray
        Increase of the step of each tile of 32 x 32 pixels, in quarters of octaves.
    """

    detail: int
    colour: int
    share: int
    tiles: np.ndarray


def tiles_of(rows: int, columns: int) -> tuple[int, int]:
    """Numbers of rows and columns of tiles, from those of cells."""
    return -(-rows // TILE), -(-columns // TILE)


def manners(seen: Seen | None, planes: int) -> list[tuple[int, int]]:
    """(slope, share) of `Codec.weighted` for each plane; zeros if `seen` is None."""
    if seen is None:
        return [(0, 0)] * planes
    return [(seen.detail, 0), *[(seen.colour, seen.share)] * 2][:planes]


def bases_of(codec: Codec, seen: Seen | None, planes: int) -> list[Bases]:
    """The bases of each plane."""
    return [codec.weighted(*manner) for manner in manners(seen, planes)]


def scales_of(codec: Codec, seen: Seen | None, planes: int) -> tuple[Floats, ...]:
    """Spreads of coefficients for each block size, (planes, classes, coefficients)."""
    return tuple(map(np.stack, zip(*(bases.scales for bases in bases_of(codec, seen, planes)))))


def coarser_of(seen: Seen | None, shape: tuple[int, ...]) -> Integers:
    """Increase of the step of each cell, in eighths of octaves."""
    if seen is None:
        return np.zeros(shape, np.int8)
    cells = np.kron(_QUARTER * seen.tiles, np.ones((TILE, TILE), np.int8))
    return np.ascontiguousarray(cells[: shape[0], : shape[1]])
