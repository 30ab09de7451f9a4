"""How the quantiser's step follows what is seen: by frequency, by plane, by place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from restore.kernels.blocks import Bases
from restore.tasks.compression.codec import Codec
from restore.typing import Floats, Integers

#: Cells along a tile, which has one step; steps of tiles are told in so many eighths of octaves.
TILE, _QUARTER = 4, 2


class Seen(NamedTuple):
    """How the quantiser's step follows what is seen.

    Attributes
    ----------
    detail, colour : int
        How much coarser the fine detail of the brightness, and of the differences of colour, is
        quantised: `Codec.weighted`, 0 to 255.
    share : int
        How much coarser all of the differences of colour are, in eighths of octaves.
    tiles : (rows, columns) int8 ndarray
        How much coarser each tile of 32 x 32 pixels is, in quarters of octaves.
    """

    detail: int
    colour: int
    share: int
    tiles: np.ndarray


def tiles_of(rows: int, columns: int) -> tuple[int, int]:
    """How many rows and columns of tiles so many of cells have."""
    return -(-rows // TILE), -(-columns // TILE)


def manners(seen: Seen | None, planes: int) -> list[tuple[int, int]]:
    """(slope, share) of `Codec.weighted` for each plane; none vary where `seen` is None."""
    if seen is None:
        return [(0, 0)] * planes
    return [(seen.detail, 0), *[(seen.colour, seen.share)] * 2][:planes]


def bases_of(codec: Codec, seen: Seen | None, planes: int) -> list[Bases]:
    """The bases of each plane."""
    return [codec.weighted(*manner) for manner in manners(seen, planes)]


def scales_of(codec: Codec, seen: Seen | None, planes: int) -> tuple[Floats, ...]:
    """Spreads of coefficients, for each size of blocks (planes, classes, coefficients)."""
    return tuple(map(np.stack, zip(*(bases.scales for bases in bases_of(codec, seen, planes)))))


def coarser_of(seen: Seen | None, shape: tuple[int, ...]) -> Integers:
    """By how many eighths of octaves the step of each cell is larger."""
    if seen is None:
        return np.zeros(shape, np.int8)
    cells = np.kron(_QUARTER * seen.tiles, np.ones((TILE, TILE), np.int8))
    return np.ascontiguousarray(cells[: shape[0], : shape[1]])
