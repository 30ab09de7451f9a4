"""Choice of block sizes and of learned bases by rate and distortion."""

from __future__ import annotations

import numpy as np

from restore.imaging.bands import Pool, map_bands
from restore.kernels import blocks
from restore.kernels.blocks import Bases
from restore.tasks.compression.codec import SIDES, Codec
from restore.typing import Floats, Integers, Number

#: For the blocks of one size in a row of superblocks, (plane, top, size): their cheapest modes and
#: what these cost, (`KEPT`, blocks) each.
Shortlist = dict[tuple[int, int, int], tuple[Integers, Floats]]

#: Price of a bit in squared quantisation steps: the Lagrange multiplier of rate and distortion.
PRICE = np.float32(0.075)
#: Modes of a block that are tried again, once all have been.
KEPT = 5
#: Bits of a block besides its levels and its mode, and bits of a split.
_BLOCK_BITS, _SPLIT_BITS = 4.0, 0.3


def choose(
    codec: Codec,
    bases: list[Bases],
    pixels: list[Floats],
    decoded: list[Floats],
    log_step: int,
    step: Number,
    prices: Floats,
    coarser: Integers,
    shortlist: Shortlist | None = None,
    pool: Pool | None = None,
) -> tuple[Integers, Integers]:
    """Choose sizes and modes of the blocks of planes.

    Parameters
    ----------
    codec : Codec
    bases : list of restore.kernels.blocks.Bases
        For each plane.
    pixels : list of (height, width) float32
        The planes to code; sides multiples of 8.
    decoded : list of (height, width) float32
        Source of the borders: the planes as an earlier pass decoded them, or `pixels`.
    log_step, step
        As for `restore.kernels.walk.Quantiser`.
    prices : (planes, rows, columns) float32 ndarray
        Price of a bit in each cell, from `restore.tasks.compression.tuning`.
    coarser : (rows, columns) int8 ndarray
        Increase of the step of each cell, in eighths of octaves.
    shortlist : Shortlist, optional
        Written if it is empty: the `KEPT` cheapest modes of each block. Otherwise only these are
        tried, and what they cost is averaged over both passes: decoded borders depend on the blocks
        that the other pass chose, exact ones are too good.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    sizes, modes : (planes, rows, columns) uint8 ndarray
        By cell.
    """
    height, width = pixels[0].shape
    sizes = np.zeros((len(pixels), height // blocks.CELL, width // blocks.CELL), np.uint8)
    modes = np.zeros_like(sizes)
    bands = [(plane, top) for plane in range(len(pixels)) for top in range(0, height, blocks.SUPER)]

    def search(band: tuple[int, int]) -> tuple[Integers, Integers]:
        plane, top = band
        return _search_band(
            codec, bases[plane], pixels[plane], decoded[plane], top, log_step, step,
            prices[plane], coarser, shortlist, plane,
        )  # fmt: skip

    for (plane, top), (size, mode) in zip(bands, map_bands(search, bands, pool)):
        rows = slice(top // blocks.CELL, top // blocks.CELL + size.shape[0])
        sizes[plane, rows] = size
        modes[plane, rows] = mode
    return sizes, modes


def _search_band(
    codec: Codec,
    bases: Bases,
    pixels: Floats,
    decoded: Floats,
    top: int,
    log_step: int,
    step: Number,
    prices: Floats,
    coarser: Integers,
    shortlist: Shortlist | None,
    plane: int,
) -> tuple[Integers, Integers]:
    """Sizes and modes of the blocks in one row of superblocks, chosen bottom-up."""
    height, width = min(blocks.SUPER, pixels.shape[0] - top), pixels.shape[1]
    prices = prices[top // blocks.CELL :][: height // blocks.CELL]
    coarser = coarser[top // blocks.CELL :][: height // blocks.CELL]
    cost = None
    for number, side in enumerate(SIDES):
        rows, columns = height // side, width // side
        if not rows or not columns:
            break
        cells = side // blocks.CELL
        key = plane, top, number
        listed = None if shortlist is None else shortlist.get(key)
        every = _costs(
            codec, bases, pixels, decoded, top, number, plane, log_step, step,
            _means(prices, rows, columns, cells),
            coarser[: rows * cells : cells, : columns * cells : cells].ravel().astype(np.int64),
            None if listed is None else listed[0],
        )  # fmt: skip
        if listed is not None:
            kept, before = listed
            mean = (np.take_along_axis(every, kept, axis=0) + before) / 2
            np.put_along_axis(every, kept, mean, axis=0)
        elif shortlist is not None:
            most = min(KEPT, len(every))
            kept = every.argpartition(most - 1, axis=0)[:most]
            shortlist[key] = kept, np.take_along_axis(every, kept, axis=0)
        kinds = every.argmin(axis=0)
        costs = every[kinds, np.arange(len(kinds))].reshape(rows, columns)
        kinds = kinds.astype(np.uint8).reshape(rows, columns)
        if cost is None:
            cost, modes = costs, kinds
            sizes = np.zeros_like(modes)
            continue
        split = cost[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).sum(axis=(1, 3))
        split += np.float32(PRICE * _SPLIT_BITS)
        whole = costs < split
        cost = np.where(whole, costs, split)
        for y in range(cells):
            for x in range(cells):
                at = slice(y, rows * cells, cells), slice(x, columns * cells, cells)
                sizes[at][whole] = number
                modes[at][whole] = kinds[whole]
    return sizes, modes


def _means(prices: Floats, rows: int, columns: int, cells: int) -> Floats:
    """The mean price in each block with a side of `cells` cells."""
    whole = prices[: rows * cells, : columns * cells]
    return whole.reshape(rows, cells, columns, cells).mean(axis=(1, 3))


def _costs(
    codec: Codec,
    bases: Bases,
    pixels: Floats,
    decoded: Floats,
    top: int,
    number: int,
    plane: int,
    log_step: int,
    step: Number,
    prices: Floats,
    coarser: Integers,
    tried: Integers | None,
) -> Floats:
    """The cost of each mode of each block of one size, (modes, blocks).

    It is infinite for modes that are not among those to be `tried`, (some modes, blocks). Costs are
    in squared steps of the block, times PRICE / price: the error of blocks with a larger step or a
    higher price of a bit has a lower weight.
    """
    (rows, columns), side = prices.shape, SIDES[number]
    corners = np.stack(
        np.meshgrid(np.arange(rows) * side + top, np.arange(columns) * side, indexing="ij"), -1
    ).reshape(-1, 2)
    analyses = bases.analyses[number]
    coded = min(side, 16)
    views = np.empty((2, len(corners), analyses.shape[1]), np.float32)
    samples = np.empty((len(corners), side * side), np.float32)
    borders = np.empty((len(corners), analyses.shape[1] - coded**2), np.float32)
    blocks.gather(pixels, decoded, corners, samples, borders, side)
    lost = np.zeros(len(corners), np.float32)
    if side > 16:
        cosines = bases.cosines[number]
        low = (cosines @ samples.reshape(-1, side, side) @ cosines.T).reshape(len(corners), -1)
        lost = np.square(samples).sum(axis=1) - np.square(low).sum(axis=1)
        lost /= np.square(step * blocks.EIGHTHS[coarser + 64] * bases.weights[number].max())
        samples = low
    turned = samples.reshape(-1, coded, coded).transpose(0, 2, 1)
    views[0, :, : coded**2], views[0, :, coded**2 :] = samples, borders
    views[1, :, : coded**2] = turned.reshape(samples.shape)
    views[1, :, coded**2 :] = borders[:, ::-1]
    costs = np.empty((2 * len(analyses), len(corners)), np.float32)
    rates = codec.rates[:, 1].copy()
    beside = np.float32(_BLOCK_BITS) + codec.mode_bits[number][plane]
    prices = prices.ravel()
    for more in np.unique(coarser):
        some = coarser == more
        seen = views if some.all() else np.ascontiguousarray(views[:, some])
        price = prices[some]
        part = np.empty((len(costs), len(price)), np.float32)
        part[:] = lost[some] + price * beside[:, None]
        if tried is not None:
            left_out = np.ones(part.shape, bool)
            np.put_along_axis(left_out, tried[:, some], False, axis=0)
            part[left_out] = np.inf
        blocks.mode_costs(
            seen, analyses, bases.scales[number], rates, part, log_step + int(more),
            step * blocks.EIGHTHS[more + 64], price,
        )  # fmt: skip
        costs[:, some] = part * (PRICE / price)
    return costs
