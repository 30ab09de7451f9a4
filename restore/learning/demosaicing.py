"""Learning the stages of `restore.tasks.demosaicing` from pictures in full colour."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from restore.imaging import bands
from restore.imaging.bands import Pool, map_bands
from restore.imaging.colour import luminance
from restore.kernels import regression as kernels
from restore.learning import trees
from restore.learning.trees import Nodes
from restore.tasks.demosaicing.stages import (
    FIRST_MARGIN,
    FIXED,
    NARROW_MARGIN,
    WIDE_MARGIN,
    Inputs,
    Stage,
    corrected,
    first_estimates,
    inner,
    input_roles,
    margin,
    narrow_inputs,
    wide_inputs,
    windows,
    with_means,
)
from restore.typing import Array, Bytes, Floats, Integers, Number

#: Fewest rows and columns of a picture to learn from.
SMALLEST = 16

#: Side of the tiles of pictures to learn from, and their maximum number.
TILE, TILES = 320, 600

#: Errors of colours below this count as none: the rounding to 8 bits.
ENOUGH = 0.7 / 255


class Photos(Protocol):
    """Pictures one after the other, of a known number."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Floats]: ...


#: The number of a picture, and what its random numbers begin with.
Job = tuple[int, tuple[int, ...]]
#: Inputs, targets, the picture's weight, odds of its samples, its margin, and random numbers.
Example = tuple[Inputs, Floats, Number, Floats, int, np.random.Generator]
#: Inputs, features, targets and weights of samples of one kind.
Sample = tuple[Floats, Floats, Floats, Floats]


def learn_demosaicing(
    pictures: Sequence[Bytes],
    *,
    stages: int = 3,
    leaves: int = 512,
    samples: int = 1_000_000,
    vivid: float = 0.25,
    noise: float = 0.0,
    seed: int = 0,
    pool: Pool | None = None,
) -> list[Stage]:
    """Learn the stages of `demosaic` after its first estimates.

    Each stage corrects the estimate of the one before by a linear map of the windows around
    a sample, one of `leaves` maps for red and blue samples and as many for green ones. A
    tree over features of the surroundings chooses it. The trees are grown greedily, at each step
    with the split after which linear maps explain most; the maps solve normal equations summed over
    all pictures, and each is regularised towards its parent's.

    Parameters
    ----------
    pictures : sequence of (height, width, 3) uint8 arrays
        In full colour at every pixel, e.g. photos scaled down by two or more; pictures that were
        interpolated or have subsampled chroma are not suitable.
    stages, leaves : int
    samples : int
        Per kind and stage, to grow the trees on; the maps use all samples.
    vivid : float
        Share of the pictures whose colours are changed at random, more often towards more saturated
        ones.
    noise : float
        Standard deviation of the noise of the mosaics, on pictures of any contrast, to learn
        joint denoising.
    seed : int
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    list of Stage

    Raises
    ------
    ValueError
        If there are no pictures, or one is too small or not in 8-bit colour.
    """
    if not len(pictures):
        raise ValueError("there are no pictures to learn from")
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f"expected pictures in 8-bit colour, got {picture.dtype} of shape {picture.shape}"
            )
        check_picture(picture)
    learned: list[Stage] = []
    rate = 2 * samples / sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    # many small products: BLAS threads would cost more than they gain
    with threadpool_limits(limits=1, user_api="blas"):
        for number in range(stages):
            jobs = [(index, (seed, number, index)) for index in range(len(pictures))]
            radii = np.array(windows(number, noise > 0), np.int64)

            def example(job: Job, learned: tuple[Stage, ...] = tuple(learned)) -> Example:
                index, key = job
                return _example(pictures[index], key, vivid, noise, learned)

            part = bands.part(pool, 0, 1, f"stage {number + 1}, ")
            forest = _grow(example, jobs, rate, radii, leaves, part)
            learned.append(_fit(example, jobs, radii, forest, part))
    return learned


def check_picture(picture: Array) -> None:
    """Raise a ValueError, one sentence, where nothing can be learned from `picture`."""
    if min(picture.shape[:2]) < SMALLEST:
        raise ValueError(f"a picture has fewer than {SMALLEST} rows or columns")
    if not np.isfinite(picture).all():
        raise ValueError("it holds NaN or infinity")


def tiles(pictures: Photos, seed: int = 0, pool: Pool | None = None) -> list[Bytes]:
    """Parts of pictures to learn from, drawn uniformly from any number of pictures.

    Parameters
    ----------
    pictures : iterable of (height, width, 3) float32 ndarrays
        In [0, 1], read once, one at a time.
    seed : int
    pool : Pool, optional
        Threads and progress.

    Returns
    -------
    list of (height, width, 3) uint8 ndarrays
        At most `TILES` of at most `TILE` rows and columns.
    """
    random = np.random.default_rng([seed, 2])
    kept: list[Bytes] = []
    seen = 0
    for number, picture in enumerate(pictures, start=1):
        starts = (range(0, max(1, side - TILE + 1), TILE) for side in picture.shape[:2])
        for row, column in itertools.product(*starts):
            place = len(kept) if len(kept) < TILES else random.integers(seen + 1)
            seen += 1
            if place < TILES:
                tile = picture[row : row + TILE, column : column + TILE]
                kept[place : place + 1] = [np.rint(255 * np.clip(tile, 0, 1)).astype(np.uint8)]
        bands.tell(pool, "cutting tiles", number, len(pictures))
    return kept


# Examples ---------------------------------------------------------------------------------


def _example(
    picture: Bytes, key: tuple[int, ...], share: float, noise: float, learned: Sequence[Stage]
) -> Example:
    """One picture, turned and tinted at random: inputs, targets, weight, odds, margin, random."""
    random = np.random.default_rng(key)
    colour = changed(picture, share, random)
    if noise:  # one noise level is learned, on pictures of any contrast
        colour *= np.float32(np.exp(random.uniform(np.log(0.3), np.log(5))))
    around = margin(len(learned) + 1)
    colour = np.pad(colour, ((around, around), (around, around), (0, 0)), mode="reflect")
    truth = np.empty((3, *colour.shape[:2]), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            truth[0, row::2, column::2] = colour[row::2, column::2, row + column]
    kernels.missing_colours(np.ascontiguousarray(colour.transpose(2, 0, 1)), truth[1:])
    mosaic = truth[0].copy()
    if noise:
        mosaic += random.standard_normal(mosaic.shape, np.float32) * np.float32(noise)
    first = first_estimates(mosaic)
    mosaic = np.ascontiguousarray(inner(mosaic, FIRST_MARGIN))
    inputs = wide_inputs(mosaic, first)
    for number, stage in enumerate(learned):
        by = NARROW_MARGIN if number else WIDE_MARGIN
        estimate = corrected(stage, inputs, by)
        fixed = inner(inputs[2][:FIXED], by)
        mosaic, first = inner(mosaic, by), inner(first, by)
        inputs = narrow_inputs(estimate, first, fixed, mosaic if noise else None)
    by = NARROW_MARGIN if learned else WIDE_MARGIN
    current = inputs[0][:3]
    error = inner(truth, (truth.shape[1] - current.shape[1]) // 2) - current
    weight = 1e-4 / (np.mean(inner(error, by) ** 2) + ENOUGH**2)
    # samples where the first estimates disagree are picked more often, and weighted less
    busy = np.sqrt(inner(inputs[2][FIXED + 5], by)) + 1e-3
    odds = np.clip(busy / np.sqrt(np.mean(busy**2)), 0.15, 4)
    return inputs, error if noise else error[1:], weight, odds, by, random


def changed(picture: Bytes, share: float, random: np.random.Generator) -> Floats:
    """A picture turned, mirrored and, in a share of the cases, tinted at random, in [0, 1]."""
    turn = random.integers(8)
    colour = np.rot90(picture, int(turn % 4))
    if turn >= 4:
        colour = colour[:, ::-1]
    colour = colour[: colour.shape[0] // 2 * 2, : colour.shape[1] // 2 * 2]
    colour = colour.astype(np.float32) / np.float32(255)
    if random.random() < share:
        kind = random.integers(3)
        if kind == 0:  # more saturated
            grey = luminance(colour)[..., None]
            factor = np.float32(random.uniform(1.2, 2.2))
            colour = grey + factor * (colour - grey)
        elif kind == 1:  # seen by another sensor
            mix = np.eye(3) + random.uniform(-0.35, 0.35, (3, 3))
            colour = colour @ (mix / mix.sum(axis=1, keepdims=True)).astype(np.float32)
        else:  # under another light
            colour = colour * random.uniform(0.5, 1.1, 3).astype(np.float32)
            colour = np.clip(colour, 0, 1) ** np.float32(random.uniform(0.6, 1.6))
        colour = np.clip(colour, 0, 1)
    if random.random() < 0.3:
        colour = colour[..., random.permutation(3)]
    return np.round(colour * 255).astype(np.float32) / np.float32(255)


def _samples(
    example: Callable[[Job], Example], job: Job, radii: Integers, rate: float
) -> list[Sample]:
    """Picked samples of one picture for each kind: inputs, features, targets, weights."""
    (planes, means, features), error, weight, odds, by, random = example(job)
    odds = np.minimum(odds * rate, 1)
    picked = random.random(odds.shape, dtype=np.float32) < odds
    count = int(((2 * radii + 1) ** 2).sum()) + 3
    found = []
    for kind in (0, 1):
        kinds = np.add.outer(np.arange(odds.shape[0]), np.arange(odds.shape[1])) % 2 == kind
        chosen = picked & kinds
        rows, columns = (index + by for index in np.nonzero(chosen))
        inputs = np.empty((len(rows), count), np.float32)
        kernels.gather_many(planes, means, radii, rows, columns, inputs)
        found.append(
            (
                inputs,
                np.ascontiguousarray(features[:, rows, columns].T),
                np.ascontiguousarray(error[:, rows, columns].T),
                (weight * rate / odds[chosen]).astype(np.float32),
            )
        )
    return found


def _centred(inputs: Floats, roles: Integers) -> Floats:
    """Windows less the local mean of their colour: a flat patch becomes 0."""
    return inputs[:, :-3] - inputs[:, -3:][:, roles]


# Regression -------------------------------------------------------------------------------


def _grow(
    example: Callable[[Job], Example],
    jobs: Sequence[Job],
    rate: float,
    radii: Integers,
    leaves: int,
    pool: Pool | None,
) -> list[Nodes]:
    """The trees of both kinds: for each a list of (feature, threshold, first child)."""
    sample = functools.partial(_samples, example, radii=radii, rate=rate)
    parts = list(map_bands(sample, jobs, pool, "samples"))
    grown = []
    for kind in (0, 1):
        roles = input_roles(radii, kind)
        near = _near(radii)
        inputs = np.concatenate([_centred(part[kind][0], roles)[:, near] for part in parts])
        features, target, weight = (
            np.concatenate([part[kind][k] for part in parts]) for k in (1, 2, 3)
        )
        name = f"tree {kind + 1}"
        grown.append(trees.grow(inputs, features, target, weight, leaves, pool, name))
    return grown


def _near(radii: Integers) -> Integers:
    """The inputs used to choose splits: those nearest the centre."""
    keep = []
    for plane, radius in enumerate(radii):
        offsets = np.abs(np.arange(-radius, radius + 1))
        reach = 2 if plane == 0 and radius > 3 else 1 if plane <= 2 or radius > 1 else 0
        keep.append((np.maximum.outer(offsets, offsets) <= reach).ravel())
    return np.nonzero(np.concatenate(keep))[0]


def _fit(
    example: Callable[[Job], Example],
    jobs: Sequence[Job],
    radii: Integers,
    forest: list[Nodes],
    pool: Pool | None,
) -> Stage:
    """The stage: maps of all leaves from the normal equations of all pictures."""
    # one array of nodes, the two roots first
    nodes, leaves = trees.joined(forest)
    count = int(((2 * radii + 1) ** 2).sum())
    grams = np.zeros((leaves, count, count))
    targets = None
    sizes = np.zeros(leaves)

    def sums(job: Job) -> list[tuple[Floats, Floats, Integers]]:
        found: list[tuple[Floats, Floats, Integers]] = []
        for kind, (inputs, features, target, weight) in enumerate(
            _samples(example, job, radii, 1.0)
        ):
            chosen = np.empty(len(inputs), np.int64)
            kernels.choose_many(np.ascontiguousarray(features), nodes, kind, chosen)
            order = np.argsort(chosen, kind="stable")
            root = np.sqrt(weight[order])[:, None]
            x = _centred(inputs[order], input_roles(radii, kind)) * root
            found.append((x, target[order] * root, chosen[order]))
        return found

    for found in map_bands(sums, jobs, pool, "sums"):
        for x, y, chosen in found:
            if targets is None:
                targets = np.zeros((leaves, count, y.shape[1]))
            present, starts = np.unique(chosen, return_index=True)
            for leaf, a, b in zip(present, starts, [*starts[1:], len(chosen)]):
                grams[leaf] += x[a:b].T @ x[a:b]
                targets[leaf] += x[a:b].T @ y[a:b]
                sizes[leaf] += b - a
    assert targets is not None  # there are pictures
    weights = trees.maps(nodes, grams, targets, sizes).transpose(0, 2, 1).astype(np.float32)
    return Stage(radii, nodes, with_means(weights, nodes, radii))
