"""Holes wider than a patch, filled with the texture around them, from coarse to fine.

Every patch that touches the hole is matched with a patch of the known picture, and the
pixels of the hole are what these matches say; in turns, and from a coarse picture, in which
the hole is as wide as a patch and filled from its rim inwards, to the picture itself.

Wexler, Shechtman & Irani, "Space-time completion of video", IEEE TPAMI 29(3), 2007;
Newson et al., "Non-local patch-based image inpainting", IPOL 7, 2017.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import holes as kernels
from restore.tasks.inpainting.blending import blended
from restore.typing import Flags, Floats, Integers

#: (Side - 1) / 2 of a patch.
HALF = 3

#: Largest half-width of a hole at the coarsest level, in pixels, and how far its first
#: matches are looked for there.
COARSEST = 12
REACH = 24

#: Turns of matching and averaging per level, at the finest, and sweeps of matching in each.
TURNS = 10
LAST_TURNS = 4
SWEEPS = 2

#: Mean change of a sample with which a level is done.
SETTLED = 1e-4

#: How much the strength of the texture counts beside the colours.
TEXTURE = 4.0

#: What a match costs for being far away, per sample of a patch, and in half-widths of the
#: hole the way that costs half as much: nearer patches are likelier to belong.
LOCALITY = 0.005
FAR = 4.0

#: Pixels around the holes that are looked through for matches, at the least.
MARGIN = 160


def fill_holes(image: Floats, hole: Flags, seed: int = 0, pool: Pool | None = None) -> Floats:
    """Continue the picture into its holes.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    hole : (height, width) bool ndarray
        What stands there changes nothing.
    seed : int
        Of the places that are tried at random.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        `image` itself where no patch of it is wholly known.
    """
    depth = ndimage.distance_transform_cdt(np.pad(hole, 1), "chessboard").max()
    rows, columns = (
        slice(max(0, places.min() - margin), places.max() + margin + 1)
        for places in np.nonzero(hole)
        for margin in [max(MARGIN, 4 * depth)]
    )
    levels = _pyramid(
        _with_texture(image[rows, columns], hole[rows, columns]), hole[rows, columns], depth
    )
    if not _sources(levels[-1][1]).any():
        return image
    matches = None
    for level in reversed(range(len(levels))):
        described, within = levels[level]
        locality = np.array(
            [
                LOCALITY * (2 * HALF + 1) ** 2 * image.shape[2],
                (FAR * depth / 2**level) ** 2,
            ],
            np.float32,
        )
        matches = _first_matches(described, within, matches, locality, pool)
        costs = _refine(described, within, matches, locality, LAST_TURNS if level == 0 else TURNS,
                        seed * 32 + level, pool)  # fmt: skip
        bands.tell(pool, "filling holes", len(levels) - level, len(levels))
    hole = hole[rows, columns]
    origins = np.indices(hole.shape).transpose(1, 2, 0).copy()
    assert matches is not None  # there is a coarsest level at least
    kernels.trace(np.argwhere(hole), matches, costs, origins, HALF)
    filled = image.copy()
    filled[rows, columns] = blended(image[rows, columns], hole, origins)
    return filled


def _with_texture(image: Floats, hole: Flags) -> Floats:
    """The image with two more channels: how much it changes down and across, on average."""
    grey = image.mean(axis=2)
    known = ~hole
    # beside one channel as much as beside three
    strength = TEXTURE * np.sqrt(image.shape[2] / 3)
    described = [image]
    for axis in (0, 1):
        change = np.zeros_like(grey)
        both = np.zeros_like(grey)
        inner = [slice(None)] * 2
        inner[axis] = slice(0, -1)
        inner = tuple(inner)
        both[inner] = (known.take(range(1, grey.shape[axis]), axis)
                       & known.take(range(grey.shape[axis] - 1), axis))  # fmt: skip
        change[inner] = np.abs(np.diff(grey, axis=axis))
        change[both == 0] = 0
        mean = ndimage.uniform_filter(change, 9, mode="nearest")
        share = ndimage.uniform_filter(both, 9, mode="nearest")
        described.append((strength * mean / np.maximum(share, 1e-3))[..., None])
    return np.concatenate(described, axis=2, dtype=np.float32)


def _pyramid(image: Floats, hole: Flags, depth: int) -> list[tuple[Floats, Flags]]:
    """(image, hole) at each level, the finest first."""
    levels = [(image, hole)]
    while depth > COARSEST and min(hole.shape) > 8 * (2 * HALF + 1):
        height, width = (n - n % 2 for n in hole.shape)
        known = (~hole[:height, :width]).astype(np.float32)
        quads = (height // 2, 2, width // 2, 2)
        weight = known.reshape(quads).sum(axis=(1, 3))
        total = (image[:height, :width] * known[..., None]).reshape(*quads, -1).sum(axis=(1, 3))
        image = np.ascontiguousarray(total / np.maximum(weight, 1)[..., None], np.float32)
        hole = weight < 4
        if not _sources(hole).any():
            break
        levels.append((image, hole))
        depth = depth // 2
    return levels


def _inside(shape: tuple[int, ...]) -> Flags:
    """(height, width) bool: centres of patches that lie within the picture."""
    inside = np.zeros(shape, bool)
    inside[HALF : shape[0] - HALF, HALF : shape[1] - HALF] = True
    return inside


def _touching(hole: Flags) -> Flags:
    """(height, width) bool: centres of patches with a pixel of the hole."""
    return ndimage.maximum_filter(hole, 2 * HALF + 1, mode="constant")


def _sources(hole: Flags) -> Flags:
    """(height, width) bool: centres of patches that are wholly known."""
    return _inside(hole.shape) & ~_touching(hole)


def _first_matches(
    image: Floats, hole: Flags, coarse: Integers | None, locality: Floats, pool: Pool | None
) -> Integers:
    """(height, width, 2) centres: from the rim inwards, or twice those of the coarser level."""
    source = _sources(hole)
    nearest = ndimage.distance_transform_edt(~source, return_distances=False, return_indices=True)
    if coarse is None:
        matches = np.ascontiguousarray(np.moveaxis(nearest, 0, 2))
        known = ~hole
        while not known.all():
            growing = ndimage.binary_dilation(known, np.ones((3, 3)))
            rim = np.ascontiguousarray(np.argwhere(growing & ~known))

            def match(band: slice, rim: Integers = rim) -> None:
                kernels.peel(image, source, known, rim[band], matches, locality, HALF, REACH)

            for _ in bands.map_bands(match, bands.slices(len(rim), 64), pool):
                pass
            rim = tuple(rim.T)
            image[rim] = image[tuple(matches[rim].T)]
            known[rim] = True
        return matches
    y, x = np.indices(hole.shape, np.int32)
    up = np.minimum(y // 2, coarse.shape[0] - 1), np.minimum(x // 2, coarse.shape[1] - 1)
    y = np.clip(2 * coarse[(*up, 0)] + y - 2 * up[0], 0, hole.shape[0] - 1)
    x = np.clip(2 * coarse[(*up, 1)] + x - 2 * up[1], 0, hole.shape[1] - 1)
    return np.stack([nearest[0][y, x], nearest[1][y, x]], axis=2)


def _refine(
    image: Floats,
    hole: Flags,
    matches: Integers,
    locality: Floats,
    turns: int,
    seed: int,
    pool: Pool | None,
) -> Floats:
    """Matching and averaging in turns: fills the image and improves the matches, in place.

    The costs of the matches, (height, width) float32, are returned; below 0 where there are none.
    """
    source = _sources(hole)
    targets = np.ascontiguousarray(np.argwhere(_inside(hole.shape) & _touching(hole)))
    pixels = np.ascontiguousarray(np.argwhere(hole))
    costs = np.full(hole.shape, -1, np.float32)
    costs[tuple(targets.T)] = 1
    slices = bands.slices(len(pixels), 4096)

    def average() -> float:
        def vote(band: slice) -> Floats:
            values = np.empty((band.stop - band.start, image.shape[2]), np.float32)
            kernels.vote(image, pixels[band], matches, costs, values, HALF)
            return values

        values = np.concatenate(list(bands.map_bands(vote, slices, pool)))
        change = np.abs(values - image[hole]).mean()
        image[hole] = values
        return change

    average()
    for turn in range(turns):
        kernels.measure(image, targets, matches, costs, locality, HALF)
        for sweep in range(SWEEPS):
            kernels.improve(
                image, source, targets, matches, costs, locality, HALF,
                (seed * TURNS + turn) * SWEEPS + sweep,
            )  # fmt: skip
        if average() < SETTLED:
            break
    return costs
