"""Filling of holes wider than a patch with the texture around them, from coarse to fine.

Every patch that touches the hole is matched with a patch of the known picture, and the pixels of
the hole are averaged from these matches. Both steps alternate at every level of a pyramid. At the
coarsest level the hole is about as wide as a patch, and is first filled from its rim inwards.

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

#: Half the side of a patch, (side - 1) / 2.
HALF = 3

#: Maximum half-width of a hole at the coarsest level, and the search radius for its first matches
#: there, in pixels.
COARSEST = 12
REACH = 24

#: Iterations of matching and averaging per level, at the finest level, and sweeps in each.
TURNS = 10
LAST_TURNS = 4
SWEEPS = 2

#: Mean change of a sample below which a level has converged.
SETTLED = 1e-4

#: Weight of the texture channels relative to the colours.
TEXTURE = 4.0

#: Maximum cost of the distance to a match, per sample of a patch, and the distance that costs half
#: as much, in half-widths of the hole: nearer patches are more likely to continue the picture.
LOCALITY = 0.005
FAR = 4.0

#: Minimum width of the margin around the holes that is searched for matches, in pixels.
MARGIN = 160


def fill_holes(image: Floats, hole: Flags, seed: int = 0, pool: Pool | None = None) -> Floats:
    """Fill the holes of a picture with the texture around them.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    hole : (height, width) bool ndarray
        The samples of the image here are ignored.
    seed : int
        For the random search.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        `image` itself if no patch near the holes is completely known.
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
    assert matches is not None  # there is at least one level
    kernels.trace(np.argwhere(hole), matches, costs, origins, HALF)
    filled = image.copy()
    filled[rows, columns] = blended(image[rows, columns], hole, origins)
    return filled


def _with_texture(image: Floats, hole: Flags) -> Floats:
    """The image with two more channels: the local mean of its gradients down and across."""
    grey = image.mean(axis=2)
    known = ~hole
    # the same weight relative to one channel as to three
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
    """(height, width) bool: centres of patches that contain a pixel of the hole."""
    return ndimage.maximum_filter(hole, 2 * HALF + 1, mode="constant")


def _sources(hole: Flags) -> Flags:
    """(height, width) bool: centres of patches that are completely known."""
    return _inside(hole.shape) & ~_touching(hole)


def _first_matches(
    image: Floats, hole: Flags, coarse: Integers | None, locality: Floats, pool: Pool | None
) -> Integers:
    """(height, width, 2) centres: from the coarser level, or else from the rim inwards."""
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
    """Alternate matching and averaging: fills the image and improves the matches, in place.

    Returns the costs of the matches, (height, width) float32, negative where there are none.
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
