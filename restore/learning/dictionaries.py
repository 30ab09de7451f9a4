"""Learning a dictionary from a collection of pictures of any size.

Pictures are read one at a time. One pass draws a bounded number of patches uniformly, some of them
held out for evaluation. Online learning reads the pictures again in every iteration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.learning.reservoir import Pictures, Reservoir
from restore.sparse import atom_updates, coding, dictionary_learning
from restore.sparse import patches as patching
from restore.sparse.atom_updates import Sums
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from restore.sparse.dictionary_learning import Iteration, Rules
from restore.typing import Array, Floats, Integers

#: A patch of a smaller standard deviation is flat: almost nothing can be learned from it.
FLAT = 4 / 255

#: Share of the flat patches that are kept.
FLAT_SHARE = 0.05

#: Patches drawn for online learning, which uses them only as initial atoms.
ONLINE_DRAW = 100_000

#: Patch positions processed together.
STRIP = 1 << 18

#: Number of samples of the pictures that are held together in online learning, at least one
#: picture; of the patches extracted at once from one of them; and of those from which batches are
#: mixed.
OPEN, STREAMED, POOL = 1 << 24, 1 << 21, 1 << 23


class Draw(NamedTuple):
    """Patches drawn from a collection of pictures, centred, in random order.

    Attributes
    ----------
    patches : (n_patches, patch_dim) float32 ndarray
        To learn from. If they are held elsewhere, an object with their number and `digest`.
    held_out : (n, patch_dim) float32 ndarray
        Not learned from, except by online learning.
    available : int
        Number of patches of the pictures, most of the flat ones left out.
    pictures : int
    sample : (n, patch_dim) float32 ndarray
        At most `SAMPLE` of the patches, for the initial atoms.
    """

    patches: np.ndarray
    held_out: np.ndarray
    available: int
    pictures: int
    sample: np.ndarray

    def fingerprint(self, pool: Pool | None = None) -> str:
        """A short hexadecimal digest of the patches."""
        if isinstance(self.patches, np.ndarray):
            parts = (self.patches[chunk] for chunk in chunks(len(self.patches)))
            digests = list(bands.map_bands(digest, parts, pool))
        else:
            digests = self.patches.digests()
        digests.append(digest(self.held_out))
        return hashlib.sha256(b"".join(digests)).hexdigest()[:16]


def digest(patches: Array) -> bytes:
    """The SHA-256 of some patches."""
    return hashlib.sha256(np.ascontiguousarray(patches).data).digest()


def chunks(count: int) -> list[slice]:
    """Slices of `count` patches, each small enough for one machine to hold and sum up."""
    return bands.slices(count, atom_updates.BAND * atom_updates.CHUNK_BANDS)


def check(image: Floats, patch_shape: tuple[int, ...]) -> None:
    """Raise a ValueError, one sentence, where nothing can be learned from `image`."""
    height, width, channels = image.shape
    if height < patch_shape[0] or width < patch_shape[1]:
        raise ValueError(
            f"{width} x {height} pixels are smaller than a patch of {patch_shape[1]} x "
            f"{patch_shape[0]}"
        )
    if channels != patch_shape[2]:
        raise ValueError(f"it has {channels} channels, and the patches {patch_shape[2]}")
    if not np.isfinite(image).all():
        raise ValueError("it holds NaN or infinity")


def draw(
    pictures: Pictures, patch_shape: tuple[int, ...], count: int = 200_000, *, seed: int = 0,
    mixed: bool = True, centred: bool = True, pool: Pool | None = None,
) -> Draw:  # fmt: skip
    """Draw patches uniformly from all those in the pictures.

    Parameters
    ----------
    pictures : sequence of (height, width, channels) float32 ndarrays or None
        Read once, one at a time, and never held together. None is skipped.
    patch_shape : (height, width, channels)
    count : int
        Maximum number of patches; bounds the memory.
    seed : int
    mixed : bool
        In random order instead of that of the pictures.
    centred : bool
        Without their means.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Draw

    Raises
    ------
    ValueError
        If a picture does not fit `patch_shape` (see `check`), or all are flat.
    """
    reservoir = Reservoir(count, seed)
    patches = np.empty((reservoir.size, int(np.prod(patch_shape))), np.float32)
    used = 0
    # one thread reads the next picture in the meantime
    images = bands.map_bands(pictures.__getitem__, range(len(pictures)), Pool(1))
    for number, image in enumerate(images, start=1):
        bands.tell(pool, "drawing patches", number, len(pictures))
        if image is None:
            continue
        check(image, patch_shape)
        used += 1
        for strip, places, left_out in _strips(image, patch_shape, (seed, number), pool):
            rows, chosen = reservoir.offer(len(places), left_out)
            _fill(patches, rows, strip, patch_shape, places[chosen], centred, pool)
    parts = reservoir.order(mixed)
    patches, held_out, sample = (_ordered(patches, part, pool) for part in parts)
    return Draw(patches, held_out, reservoir.available, used, sample)


def offers(
    image: Floats, patch_shape: tuple[int, ...], number: int, seed: int
) -> list[tuple[int, int]]:
    """The patches that picture `number`, from 1, offers to a `Reservoir`, strip by strip."""
    check(image, patch_shape)
    strips = _strips(image, patch_shape, (seed, number), Pool(1))
    return [(len(places), left_out) for _, places, left_out in strips]


def drawn_from(
    image: Floats, patch_shape: tuple[int, ...], number: int, seed: int,
    chosen: Mapping[int, Integers],
) -> list[Floats]:  # fmt: skip
    """The patches that a `Reservoir` took: `chosen` is {a strip's number: which of its patches}."""
    strips = _strips(image, patch_shape, (seed, number), Pool(1), sorted(chosen))
    return [
        _cut(strip, patch_shape, places[chosen[which]])
        for which, (strip, places, _) in zip(sorted(chosen), strips)
    ]


def _strips(
    image: Floats, patch_shape: tuple[int, ...], seed: tuple[int, ...], pool: Pool | None,
    only: Collection[int] | None = None,
) -> Iterator[tuple[Floats, Integers, int]]:  # fmt: skip
    """Yield (strip, positions in it worth learning from, number of flat ones left out).

    `only` are the numbers of the strips, all by default.
    """
    columns = image.shape[1] - patch_shape[1] + 1

    def look(rows: slice) -> tuple[Floats, Integers, int]:
        strip = image[rows.start : rows.stop + patch_shape[0] - 1]
        places = _places(strip, patch_shape, np.random.default_rng([*seed, rows.start]))
        return strip, places, (rows.stop - rows.start) * columns - len(places)

    rows = bands.slices(image.shape[0] - patch_shape[0] + 1, max(1, STRIP // columns))
    yield from bands.map_bands(look, rows if only is None else [rows[n] for n in only], pool)


def _places(strip: Floats, patch_shape: tuple[int, ...], rng: np.random.Generator) -> Integers:
    """Flat indices of the patches of a strip that are worth learning from."""
    deviation = _deviation(strip, *patch_shape[:2])
    kept = rng.random(deviation.shape) < FLAT_SHARE
    return np.flatnonzero((deviation > FLAT) | kept & (deviation > 0))


def _deviation(strip: Floats, height: int, width: int) -> Floats:
    """Standard deviation of the patch at every position, without the channels' means."""

    def means(values: Floats) -> Floats:
        sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0), (0, 0)))
        boxes = sums[height:, width:] - sums[:-height, width:]
        boxes -= sums[height:, :-width] - sums[:-height, :-width]
        return boxes / (height * width)

    values = strip.astype(np.float64)
    values -= values.mean(axis=(0, 1))
    variances = means(values * values) - np.square(means(values))
    # for a flat patch only the rounding of the sums remains
    variances[variances < 1e-9] = 0
    return np.sqrt(variances.mean(axis=2))


def _cuts(image: Floats, patch_shape: tuple[int, ...], count: int) -> list[slice]:
    """Slices of the rows of patches of an image, of about `count` patches each."""
    rows, columns = (n - size + 1 for n, size in zip(image.shape[:2], patch_shape[:2]))
    return bands.slices(rows, max(1, count // columns))


def _cut(
    strip: Floats, patch_shape: tuple[int, ...], places: Integers, centred: bool = True
) -> Floats:
    """The patches at the flat indices `places` of a strip."""
    columns = strip.shape[1] - patch_shape[1] + 1
    windows = np.lib.stride_tricks.sliding_window_view(strip, patch_shape)[:, :, 0]
    patches = windows[places // columns, places % columns].reshape(
        len(places), np.prod(patch_shape)
    )
    if centred:
        patching.centre(patches, patch_shape[2])
    return patches


def _fill(
    patches: Floats, rows: Integers, strip: Floats, patch_shape: tuple[int, ...], places: Integers,
    centred: bool, pool: Pool | None,
) -> None:  # fmt: skip
    """Write the patches at `places` of a strip to `rows` of `patches`."""

    def write(band: slice) -> None:
        patches[rows[band]] = _cut(strip, patch_shape, places[band], centred)

    bands.for_each(write, bands.slices(len(rows)), pool)


def _ordered(patches: Floats, order: Integers, pool: Pool | None) -> Floats:
    """``patches[order]`` with progress, since it takes a while for many patches."""
    ordered = np.empty((len(order), *patches.shape[1:]), patches.dtype)

    def take(band: slice) -> None:
        np.take(patches, order[band], axis=0, out=ordered[band], mode="clip")

    bands.for_each(take, bands.slices(len(order)), pool)
    return ordered


def stream(
    pictures: Pictures, patch_shape: tuple[int, ...], share: float = 1.0, *, turn: int = 0,
    seed: int = 0, pool: Pool | None = None,
) -> Iterator[Floats]:  # fmt: skip
    """Yield well mixed batches of centred patches in one pass over all pictures.

    Pictures come in random order. As many as memory allows are open together and cut into strips,
    and a batch has patches from many strips.

    Parameters
    ----------
    pictures : sequence of (height, width, channels) float32 ndarrays or None
        None if there is nothing to learn from.
    patch_shape : (height, width, channels)
    share : float
        Share of the patches to use, different ones in every iteration.
    turn : int
    seed, pool
        As for `draw`.

    Yields
    ------
    (at most `restore.sparse.dictionary_learning.BATCH`, patch_dim) float32 ndarray
    """
    rng = np.random.default_rng([seed, 1, turn])
    patch_dim = int(np.prod(patch_shape))

    def cut(job: Any) -> Floats:
        number, image, rows = job
        own = np.random.default_rng([seed, 1, turn, number, rows.start])
        strip = image[rows.start : rows.stop + patch_shape[0] - 1]
        places = _places(strip, patch_shape, own)
        if share < 1:
            places = places[own.random(len(places)) < share]
        return _cut(strip, patch_shape, places)

    gathered, pooled, seen = [], 0, 0
    for opened in _opened(pictures, rng.permutation(len(pictures))):
        jobs = [
            (number, image, rows)
            for number, image in opened
            for rows in _cuts(image, patch_shape, STREAMED // patch_dim)
        ]
        jobs = [jobs[index] for index in rng.permutation(len(jobs))]
        for patches in bands.map_bands(cut, jobs, pool):
            gathered.append(patches)
            pooled += patches.size
            if pooled >= POOL:
                yield from _shuffled(gathered, rng, pool)
                gathered, pooled = [], 0
        seen += len(opened)
        bands.tell(pool, "learning", seen, len(pictures))
    if pooled:
        yield from _shuffled(gathered, rng, pool)


def _opened(pictures: Pictures, order: Integers) -> Iterator[list[tuple[int, Floats]]]:
    """Lists of (number, picture) that may be held together, at least one each."""
    opened: list[tuple[int, Floats]] = []
    held = 0
    # one thread reads the next picture in the meantime
    images = bands.map_bands(pictures.__getitem__, order.tolist(), pool=Pool(1))
    for number, image in zip(order, images):
        if image is None:
            continue
        if opened and held + image.size > OPEN:
            yield opened
            opened, held = [], 0
        opened.append((number, image))
        held += image.size
    if opened:
        yield opened


def _shuffled(
    gathered: list[Floats], rng: np.random.Generator, pool: Pool | None
) -> Iterable[Floats]:
    patches = np.concatenate(gathered)
    return dictionary_learning.batches(
        _ordered(patches, rng.permutation(len(patches)), pool), "online"
    )


class Reading(NamedTuple):
    """Pictures that online learning reads again in every iteration.

    Attributes
    ----------
    pictures : sequence
        As for `stream`.
    count : int, optional
        Patches per iteration; all by default.
    seed : int
        As for `draw`.
    """

    pictures: Pictures
    count: int | None = None  # type: ignore[assignment]  # hides the method of tuples
    seed: int = 0


def learn(
    drawn: Draw, dictionary: Dictionary, sparsity: int | None = None, tolerance: float = 0.0, *,
    rules: Rules = dictionary_learning.BY_KSVD, iterations: int = 20, done: int = 0,
    reading: Reading | None = None, pool: Pool | None = None,
    summed: Callable[..., Sums] | None = None,
) -> Iterator[Iteration]:  # fmt: skip
    """The iterations of learning, one at a time.

    Parameters
    ----------
    drawn : Draw
    dictionary : Dictionary
        To start from, or the result of iteration `done` of another run.
    sparsity, tolerance, rules
        As for `restore.learn_dictionary`.
    iterations : int
        Iterations, including the `done` ones.
    reading : Reading, optional
        The pictures of online learning; the drawn patches by default.
    pool
        As for `draw`.
    summed : callable, optional
        As for `restore.sparse.dictionary_learning.learn_turn`.

    Yields
    ------
    restore.sparse.dictionary_learning.Iteration
    """
    if len(drawn.patches) < dictionary.n_atoms:
        raise ValueError(
            f"{len(drawn.patches)} patches that are not flat are too few for "
            f"{dictionary.n_atoms} atoms: more pictures or fewer atoms"
        )
    shape = dictionary.patch_shape
    streamed = rules.method == "online" and reading is not None
    for turn in range(done, iterations):
        if streamed and reading is not None:
            share = min(1.0, reading.count / drawn.available) if reading.count else 1.0
            batches = stream(
                reading.pictures, shape, share, turn=turn, seed=reading.seed, pool=pool
            )
        elif summed:
            batches = [drawn.patches]
        else:
            batches = dictionary_learning.batches(drawn.patches, rules.method)
        learned = dictionary_learning.learn_turn(
            batches, dictionary, sparsity, tolerance, bands.part(pool, turn, iterations),
            rules=rules, summed=summed,
        )  # fmt: skip
        dictionary = learned.dictionary
        yield learned
        if rules.method == "online" and not streamed:
            bands.tell(pool, "learning", turn + 1, iterations)


class Gain(NamedTuple):
    """How much better one dictionary codes patches than another, with the same number of atoms.

    Attributes
    ----------
    decibels : float
    sparsity : int
    other : str
        The dictionary it is compared with.
    """

    decibels: float
    sparsity: int
    other: str


def gain(
    dictionary: Dictionary, patches: Floats, sparsity: int = 5, *, pool: Pool | None = None
) -> Gain:
    """Compare with the packaged dictionary of this patch shape, or else with cosines."""
    name = "grey" if dictionary.channels == 1 else "colour"
    other, words = Dictionary.load(name), f"the packaged dictionary {name}"
    if other.patch_shape != dictionary.patch_shape:
        other, words = overcomplete_dct(dictionary.n_atoms, dictionary.patch_shape), "cosines"
    errors = [error(one, patches, sparsity, pool=pool) for one in (dictionary, other)]
    decibels = 20 * np.log10(max(errors[1], 1e-12) / max(errors[0], 1e-12))
    return Gain(float(decibels), sparsity, words)


def error(
    dictionary: Dictionary, patches: Floats, sparsity: int, *, pool: Pool | None = None
) -> float:
    """Root mean square error of patches that are coded with `sparsity` atoms each."""
    total = 0.0
    for batch in bands.slices(len(patches), max(1, POOL // dictionary.patch_dim)):
        codes = coding.code(patches[batch], dictionary, sparsity, pool=pool)
        residuals = patches[batch] - coding.reconstruct(codes, dictionary)
        total += np.square(residuals).sum(dtype=np.float64)
    return float(np.sqrt(total / max(1, patches.size)))
