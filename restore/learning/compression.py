"""Learn a codec from pictures: bases, predictors, and what the entropy coder starts from."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool, map_bands
from restore.kernels import bits, blocks, entropy, walk
from restore.tasks.compression import coding, tuning
from restore.tasks.compression.codec import ONE, SIDES, Codec, cosines_of
from restore.tasks.compression.planes import colour_angles, to_planes
from restore.typing import Array, Flags, Floats, Integers

#: Classes of bases for blocks of 8, 16, 32 and 64; each is also used transposed.
CLASSES = (16, 8, 4, 2)
#: Quantiser step, in levels, at which bases are judged.
_STEP = np.float32(20)
#: Noise of decoded borders, in levels.
_NOISE = 3.0
#: Observations that the starting statistics count for at most.
_MEMORY = 30
#: Approximate maximum overshoot of cubic interpolation.
BEYOND = 0.25
#: Steps, in eighths of octaves, that the statistics are taken at.
_LOG_STEPS = (22, 56)

#: A predictor, a transform, and the scales of its coefficients if known.
Fit = tuple[Floats, Floats, Floats | None]


def learn_codec(
    images: Iterable[ArrayLike],
    *,
    prior: Codec | None = None,
    samples: int = 150_000,
    rounds: int = 6,
    seed: int = 0,
    pool: Pool | None = None,
    provenance: dict[str, Any] | None = None,
) -> Codec:
    """Learn a codec for pictures like `images`.

    Blocks are sampled and sorted into classes by the cost of coding them, and each class gets the
    predictor and the basis that suit it best; both steps alternate (Sezer, Guleryuz, Altunbasak
    2015). Then the pictures are coded at many steps to gather the statistics of the entropy coder.

    Parameters
    ----------
    images : sequence of (height, width) or (height, width, 3) arrays
        As for `restore.compress`; at least 16 pixels on each side.
    prior : Codec, optional
        A codec to start from, for archives of a few hundred small pictures.
    samples : int
        Maximum number of blocks of each size to learn bases from.
    rounds : int
        Rounds of sorting and fitting.
    seed : int
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    provenance : dict, optional
        Where the pictures come from.

    Returns
    -------
    Codec

    Raises
    ------
    ValueError
        If there are too few blocks to learn from.
    """
    rng = np.random.default_rng(seed)
    pictures = []
    for image in images:
        image = np.clip(as_image(image), 0, 1)
        angles = colour_angles(image) if image.shape[2] == 3 else (0, 0, 0)
        pictures.append(to_planes(image, angles))
    if not pictures:
        raise ValueError("there are no pictures to learn from")
    luma = [planes[0] for planes in pictures]

    def learn_size(number: int) -> tuple[Integers, Integers, Integers]:
        before = None if prior is None else (prior, number)
        draw = np.random.default_rng((seed, number))
        return _learn_bases(luma, SIDES[number], CLASSES[number], before, samples, rounds, draw)

    # largest task first; results in order, whatever the threads
    order = (1, 0, 2, 3)
    fitted = dict(zip(order, list(map_bands(learn_size, order, pool, "bases"))))
    in_order = [fitted[number] for number in range(len(SIDES))]
    transforms, predictors, scales = zip(*in_order)
    models, weights = _start() if prior is None else (prior.models, prior.weights)
    codec = Codec(
        transforms,
        predictors,
        scales,
        models,
        weights,
        _laplacian_rates() if prior is None else prior.rates,
        np.tile(np.array([0.08, 0.04, 0.02], np.float32), (blocks.SCALES, 1)),
        provenance or {},
    )
    return _learn_statistics(codec, pictures, rng, pool)


def check_picture(picture: Array) -> None:
    """Raise a ValueError, one sentence, where nothing can be learned from `picture`."""
    if min(picture.shape[:2]) < SIDES[0]:
        raise ValueError(f"a picture has fewer than {SIDES[0]} rows or columns")
    # pictures that were reduced overshoot at edges
    if not np.isfinite(picture).all() or picture.min() < -BEYOND or picture.max() > 1 + BEYOND:
        raise ValueError("it has samples that are not between 0 and 1")


def _start() -> tuple[Integers, Integers]:
    """An entropy coder without statistics."""
    models = np.zeros((entropy.MODELS, 2), np.uint16)
    models[:, 0] = 1 << 15
    weights = np.full((entropy.SETS, bits.INPUTS), 1 << 14, np.int32)
    weights[36:38] = 1 << 16
    weights[-1] = 1 << 15
    return models, weights


def _laplacian_rates() -> Floats:
    """Bits of levels whose magnitudes follow a mixture of Laplacians."""
    level = np.arange(17)
    rates = np.empty((blocks.SCALES, 3, 17), np.float32)
    for bucket in range(blocks.SCALES):
        for near, factor in enumerate((0.6, 1.0, 1.7)):
            chance = np.full(17, 1e-7)
            for share, stretch in ((0.7, 1), (0.2, 2), (0.1, 4)):
                fall = np.sqrt(2) / (2 ** ((bucket - 9.5) / 2) * factor * stretch + 0.05)
                chance += share * np.where(
                    level == 0,
                    1 - np.exp(-0.6 * fall),
                    np.exp(-fall * (level - 0.4)) * (1 - np.exp(-fall)),
                )
            rates[bucket, near] = -np.log2(chance) + (level > 0)
    return rates


def _sample(
    planes: Sequence[Floats], side: int, most: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Blocks, as input to the transforms, and borders with coding noise."""
    places = []
    for plane in planes:
        grid = np.meshgrid(
            *(np.arange(0, length - side + 1, side) for length in plane.shape), indexing="ij"
        )
        places.append(np.stack(grid, -1).reshape(-1, 2))
    total = sum(map(len, places))
    cosines = cosines_of(side)
    found, around = [], []
    for plane, corners in zip(planes, places):
        keep = rng.random(len(corners)) * total < most * (4 if side > 16 else 1)
        corners = corners[keep]
        samples = np.empty((len(corners), side * side), np.float32)
        borders = np.empty((len(corners), min(4 * side + 1, blocks.BORDER)), np.float32)
        noisy = plane + rng.normal(0, _NOISE, plane.shape).astype(np.float32)
        blocks.gather(plane, noisy, corners, samples, borders, side)
        if side > 16:
            low = cosines @ samples.reshape(len(corners), side, side) @ cosines.T
            low = low.reshape(len(corners), low.shape[1] * low.shape[2])
            # large blocks are for smooth content: low frequencies only
            energy = np.square(low).sum(axis=1)
            lost = np.square(samples).sum(axis=1) - energy
            smooth = (lost < 12 * side * side) & (energy < 300 * side * side)
            samples, borders = low[smooth], borders[smooth]
        found.append(samples)
        around.append(borders)
    return np.concatenate(found), np.concatenate(around)


def _learn_bases(
    planes: Sequence[Floats],
    side: int,
    classes: int,
    before: tuple[Codec, int] | None,
    most: int,
    rounds: int,
    rng: np.random.Generator,
) -> tuple[Integers, Integers, Integers]:
    """Transforms, predictors and scales of one size, stored as `Codec` has them."""
    samples, borders = _sample(planes, side, most, rng)
    count = samples.shape[1]
    if before is None and len(samples) < classes * count:
        raise ValueError(
            f"there are only {len(samples)} blocks of {side} pixels to learn from: "
            "give more pictures, or a codec to start from"
        )
    # if all pictures are smaller than the blocks, nothing changes
    if before is not None and not len(samples):
        codec, number = before
        return codec.transforms[number], codec.predictors[number], codec.scales[number]
    turned = _transposed(samples)
    views = ((samples, borders), (turned, np.ascontiguousarray(borders[:, ::-1])))
    if before is None:
        label, turn = _sort_by_direction(samples, classes, side > 16)
        fits: list[Fit | None] = [None] * classes
    else:
        bases, number = before[0].bases, before[1]
        classes = len(bases.transforms[number])
        spread = 2.0 ** (bases.scales[number] / 8.0)
        fits = [
            (bases.predictors[number][kind], bases.transforms[number][kind], spread[kind])
            for kind in range(classes)
        ]
        label, turn = _sort_by_cost(views, fits)
    first = list(fits)
    for turn_of_learning in range(rounds):
        for kind in range(classes):
            chosen = np.flatnonzero(label == kind)
            if len(chosen) > (count // 2 if before is None else 0):
                own = [
                    np.where(turn[chosen, None], view[1][chosen], view[0][chosen])
                    for view in zip(*views)
                ]
                fits[kind] = _fit(
                    own[0], own[1], first[kind], sparse=turn_of_learning >= rounds // 3
                )
            elif fits[kind] is None:
                fits[kind] = _fit(samples, borders, None, sparse=False)
        label, turn = _sort_by_cost(views, fits)
    transforms, predictors, scales = [], [], []
    for kind in range(classes):
        chosen = np.flatnonzero(label == kind)
        fit = fits[kind]
        assert fit is not None  # each has been fitted
        predictor, transform, _ = fit
        own, border = (
            np.where(turn[chosen, None], view[1][chosen], view[0][chosen]) for view in zip(*views)
        )
        energy = np.square((own - border @ predictor.T) @ transform.T).sum(axis=0)
        weight = 20.0
        begun = first[kind]
        usual = np.ones(count) if begun is None or begun[2] is None else begun[2]
        spread = np.sqrt((energy + weight * usual**2) / (len(chosen) + weight))
        order = np.argsort(-spread, kind="stable")
        transform, spread = transform[order], spread[order]
        # the sign of an atom is fixed: its largest component is positive
        largest = np.take_along_axis(transform, np.abs(transform).argmax(1)[:, None], 1)
        transform = transform * np.sign(largest)
        transforms.append(np.rint(transform / np.abs(transform).max(1, keepdims=True) * 127))
        predictors.append(np.rint(predictor * ONE).clip(-32768, 32767))
        scales.append(np.rint(8 * np.log2(np.maximum(spread, 0.02))).clip(-128, 127))
    return (
        np.array(transforms).astype(np.int8),
        np.array(predictors).astype(np.int16),
        np.array(scales).astype(np.int8),
    )


def _transposed(samples: Floats) -> Floats:
    side = int(np.sqrt(samples.shape[1]))
    return np.ascontiguousarray(
        samples.reshape(-1, side, side).transpose(0, 2, 1).reshape(samples.shape)
    )


def _sort_by_direction(samples: Floats, classes: int, smooth: bool) -> tuple[Integers, Flags]:
    """First classes: by the main direction of the gradients, folded at the diagonal; the last
    quarter, and all of smooth blocks, by their contrast."""
    side = int(np.sqrt(samples.shape[1]))
    square = samples.reshape(-1, side, side)
    down = square[:, 1:, :-1] - square[:, :-1, :-1]
    across = square[:, :-1, 1:] - square[:, :-1, :-1]
    xx, yy = np.square(across).sum((1, 2)), np.square(down).sum((1, 2))
    xy = (across * down).sum((1, 2))
    turn = xx < yy
    angle = np.arctan2(2 * xy, np.abs(xx - yy))
    directed = 0 if smooth else max(1, classes * 3 // 4)
    label = np.zeros(len(samples), np.int64)
    if directed:
        label = ((angle / np.pi + 0.5) * directed).astype(np.int64).clip(0, directed - 1)
        plain = np.hypot(xx - yy, 2 * xy) < 0.35 * (xx + yy + 1e-3)
    else:
        plain = np.ones(len(samples), bool)
    if classes > directed and plain.any():
        rank = np.argsort(np.argsort((xx + yy)[plain], kind="stable"), kind="stable")
        label[plain] = directed + rank * (classes - directed) // plain.sum()
    return label, turn


def _sort_by_cost(
    views: Sequence[tuple[Floats, Floats]], fits: Sequence[Fit | None]
) -> tuple[Integers, Flags]:
    best = None
    for kind, fit in enumerate(fits):
        if fit is None:
            continue
        for turn, (samples, borders) in enumerate(views):
            cost = _cost((samples - borders @ fit[0].T) @ fit[1].T)
            if best is None:
                best, label = cost, np.full(len(cost), kind)
                turned = np.zeros(len(cost), bool)
            else:
                better = cost < best
                best = np.where(better, cost, best)
                label[better], turned[better] = kind, bool(turn)
    return label, turned


def _cost(coefficients: Floats) -> Floats:
    """Roughly, rate and distortion of each row, in squared levels."""
    energy = np.square(coefficients)
    unit = _STEP**2
    large = energy > np.float32(0.46) * unit
    coded = np.log2(energy[large] / unit)
    coded *= np.float32(0.12 * 0.75) * unit
    coded += np.float32(1 / 12 + 0.12 * 4.5) * unit
    energy[large] = np.minimum(energy[large], coded)
    return energy.sum(axis=1)


def _fit(samples: Floats, borders: Floats, first: Fit | None, sparse: bool) -> Fit:
    """Predictor by least squares, basis by Karhunen-Loeve, made sparse by Procrustes iterations."""
    count, width = samples.shape[1], borders.shape[1]
    square = borders.T.astype(np.float64) @ borders
    product = borders.T.astype(np.float64) @ samples
    square += np.eye(width) * (4.0 * len(samples) + 1)
    weight = 300.0
    if first is not None:
        pull = weight * max(np.trace(square) / width / len(samples), 1.0)
        square += np.eye(width) * pull
        product += pull * first[0].T
    predictor = np.linalg.solve(square, product).T.astype(np.float32)
    rest = samples - borders @ predictor.T
    spread = rest.T.astype(np.float64) @ rest
    if first is not None and first[2] is not None:
        spread += weight * (first[1].T * first[2] ** 2) @ first[1]
    transform = np.linalg.eigh(spread)[1][:, ::-1].T.astype(np.float32)
    if sparse and len(samples) > 4 * count:
        for _ in range(2):
            codes = rest @ transform.T
            codes[np.abs(codes) < np.float32(0.62) * _STEP] = 0
            left, _, right = np.linalg.svd(codes.T @ rest + 1e-3 * len(samples) * transform)
            transform = (left @ right).astype(np.float32)
    return predictor, np.ascontiguousarray(transform), first and first[2]


def _learn_statistics(
    codec: Codec, pictures: Sequence[list[Floats]], rng: np.random.Generator, pool: Pool | None
) -> Codec:
    """`codec` with the statistics of coding `pictures` at many steps."""
    runs = [
        (index, int(rng.integers(*_LOG_STEPS)))
        for index in np.tile(np.arange(len(pictures)), 2 if len(pictures) < 400 else 1)
    ]
    runs = [runs[i] for i in rng.permutation(len(runs))]
    models, weights = codec.start()
    counts = np.full((blocks.SCALES, 3, 17), 0.3)

    def quantise(run: tuple[int, int]) -> tuple[Integers, Integers, Integers]:
        index, log_step = run
        number = log_step * 16 + coding._UNIT
        how = codec, pictures[index], number, tuning.prices(pictures[index])
        shown, *_ = coding.quantise(*how, pool=Pool(1))
        return coding.quantise(*how, shown, pool=Pool(1))[1:]

    results = map_bands(quantise, runs, pool, "statistics")
    for (_, log_step), (levels, sizes, modes) in zip(runs, results):
        coder = coding.writer(models, weights, levels.size * 2 + 1024)
        coding.write(coder, codec, levels, sizes, modes, log_step)
        for plane in range(len(levels)):
            walk.count_levels(
                levels[plane], sizes[plane], modes[plane], codec.bases.scales, counts, log_step
            )
    stored = np.empty((entropy.MODELS, 2), np.uint16)
    stored[:, 0] = models >> 14
    stored[:, 1] = np.minimum(models & 255, _MEMORY)
    rates = -np.log2(counts / counts.sum(axis=2, keepdims=True))
    rates[..., 1:] = np.maximum.accumulate(rates[..., 1:] + 1, axis=2)
    return Codec(
        codec.transforms,
        codec.predictors,
        codec.scales,
        stored,
        weights,
        rates.clip(0, 25).astype(np.float32),
        codec.bias,
        codec.provenance,
    )
