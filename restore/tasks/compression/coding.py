"""Coding of planes to the bytes of a payload at one quantisation step, and back."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from restore.imaging.bands import Pool, map_bands
from restore.kernels import bits, blocks, coarseness, entropy, walk
from restore.tasks.compression import smoothing
from restore.tasks.compression.codec import Codec, weights_of_frequencies
from restore.tasks.compression.search import Shortlist, choose
from restore.tasks.compression.seen import Seen, bases_of, coarser_of, manners, scales_of
from restore.typing import Bytes, Floats, Integers, Number

#: Steps are 2^((number - 2048) / 128) levels of 255, for step numbers 0 to 4095.
STEPS, _UNIT, _PER_OCTAVE = 4096, 2048, 128
#: Maximum number of observations that a model counts.
_MEMORY = 250


def step_of(number: int) -> tuple[Number, int]:
    """The quantisation step in levels of a step number, and 8 log2 of it, rounded."""
    return np.float32(2.0 ** ((number - _UNIT) / _PER_OCTAVE)), (number - _UNIT + 8) >> 4


def number_of(step: float) -> int:
    """The step number nearest to a step in levels."""
    return int(np.clip(np.rint(np.log2(step) * _PER_OCTAVE) + _UNIT, 0, STEPS - 1))


def encode(
    codec: Codec, planes: list[Floats], number: int, prices: Floats,
    decoded: list[Floats] | None = None, seen: Seen | None = None,
    shortlist: Shortlist | None = None, pool: Pool | None = None,
) -> tuple[bytes, list[Floats]]:  # fmt: skip
    """Encode planes.

    Parameters
    ----------
    codec : Codec
    planes : list of (height, width) float32
        Levels about 0; sides multiples of 8.
    number : int
        Step number.
    prices : (planes, rows, columns) float32
        Price of a bit in each cell, in squared steps: from `tuning`.
    decoded : list of (height, width) float32, optional
        The planes as an earlier pass decoded them, for the borders when blocks are chosen; the
        planes themselves by default.
    seen : Seen, optional
        Variation of the step; none by default.
    shortlist : Shortlist, optional
        As for `search.choose`.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    payload : bytes
    decoded : list of (height, width) float32
        The planes as the decoder reconstructs them, before the filter.
    """
    starts = [_start_of(plane) for plane in planes]
    shown, levels, sizes, modes = quantise(
        codec, planes, number, prices, decoded, seen, shortlist, pool
    )
    # enough for most pictures; if not, coding is repeated with the size that it needs
    room = 1024 + 2 * levels.size
    while True:
        coder = writer(*start_of(codec, seen), room)
        used = write(coder, codec, levels, sizes, modes, step_of(number)[1], seen)
        if used <= room:
            return bytes(start & 255 for start in starts) + payload_of(coder, used), shown
        room = used


def payload_of(coder: bits.Coder, used: int) -> bytes:
    """The first `used` bytes of a writer, without up to four zeros that a reader adds itself."""
    payload = coder.data[:used].tobytes()
    return payload[: max(len(payload.rstrip(b"\0")), used - 4)]


def write(
    coder: bits.Coder,
    codec: Codec,
    levels: Integers,
    sizes: Integers,
    modes: Integers,
    log_step: int,
    seen: Seen | None = None,
) -> int:
    """Code all decisions with a `writer`; return the number of bytes that they need."""
    if seen is not None:
        coarseness.code_tiles(coder, seen.tiles, entropy.MODELS, entropy.SETS)
    picture = picture_of(levels, sizes, modes, coarser_of(seen, sizes.shape[1:]))
    scales = scales_of(codec, seen, len(sizes))
    for top in range(0, sizes.shape[1], blocks.CELLS):
        entropy.code_row(coder, scales, picture, log_step, top)
    return bits.finish(coder)


def quantise(
    codec: Codec, planes: list[Floats], number: int, prices: Floats,
    decoded: list[Floats] | None = None, seen: Seen | None = None,
    shortlist: Shortlist | None = None, pool: Pool | None = None,
) -> tuple[list[Floats], Integers, Integers, Integers]:  # fmt: skip
    """Choose and quantise the blocks of planes, as for `encode`.

    Returns
    -------
    decoded : list of (height, width) float32
    levels : (planes, height * width) int32
    sizes, modes : (planes, rows, columns) uint8
    """
    step, log_step = step_of(number)
    starts = [np.float32(2 * _start_of(plane)) for plane in planes]
    planes = [plane - start for plane, start in zip(planes, starts)]
    shown = planes
    if decoded:
        shown = [plane - start for plane, start in zip(decoded, starts)]
    bases = bases_of(codec, seen, len(planes))
    coarser = coarser_of(seen, prices.shape[1:])
    sizes, modes = choose(
        codec, bases, planes, shown, log_step, step, prices, coarser, shortlist, pool
    )
    levels = np.zeros((len(planes), planes[0].size), np.int32)
    walks = _walks(codec, planes, levels, sizes, modes, number, prices, seen)
    shown = map_bands(_run, walks, pool)
    return [plane + start for plane, start in zip(shown, starts)], levels, sizes, modes


def _start_of(plane: Floats) -> int:
    """Half the mean level of the first cell, which has no border to be predicted from."""
    return int(np.clip(np.rint(plane[: blocks.CELL, : blocks.CELL].mean() / 2), -128, 127))


def decode(
    codec: Codec,
    payload: bytes,
    shape: tuple[int, int, int],
    number: int,
    pool: Pool | None = None,
    seen: Seen | None = None,
) -> list[Floats]:
    """Decode the planes of a payload.

    Parameters
    ----------
    codec : Codec
    payload : bytes
    shape : (planes, height, width)
        Sides multiples of 8.
    number : int
        Step number.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    seen : Seen, optional
        Variation of the step; its `tiles` are read from the payload.

    Returns
    -------
    list of (height, width) float32
        Before the filter.

    Raises
    ------
    ValueError
        If the payload ends before the picture is complete.
    """
    planes, height, width = shape
    levels = np.zeros((planes, height * width), np.int32)
    sizes = np.zeros((planes, height // blocks.CELL, width // blocks.CELL), np.uint8)
    modes = np.zeros_like(sizes)
    starts = [(byte + 128) % 256 - 128 for byte in payload[:planes]]
    payload = payload[planes:]
    coder = reader(*start_of(codec, seen), payload)
    if seen is not None and not coarseness.code_tiles(
        coder, seen.tiles, entropy.MODELS, entropy.SETS
    ):
        raise ValueError("the compressed data end before the picture is complete")
    picture = picture_of(levels, sizes, modes, coarser_of(seen, sizes.shape[1:]))
    scales = scales_of(codec, seen, planes)
    tops = range(0, sizes.shape[1], blocks.CELLS)
    rows = [threading.Event() for _ in tops]

    def read() -> None:
        """Read all rows of superblocks, and tell the walks of the planes of each."""
        try:
            for top, row in zip(tops, rows):
                if not entropy.code_row(coder, scales, picture, step_of(number)[1], top):
                    raise ValueError("the compressed data end before the picture is complete")
                row.set()
        finally:
            for row in rows:  # let the walks end, whatever went wrong
                row.set()

    empty = [np.empty((height, width), np.float32)] * planes
    none = np.zeros((planes, 0, 0), np.float32)
    walks = _walks(codec, empty, levels, sizes, modes, number, none, seen, rows)
    # the first of the tasks is always begun first, so the others do not wait in vain
    shown = list(map_bands(_run, [read, *walks], pool))[1:]
    if len(starts) < planes:
        raise ValueError("the compressed data end before the picture is complete")
    for plane, start in zip(shown, starts):
        plane += np.float32(2 * start)
    return shown


def _run(task: Callable[[], Any]) -> Any:
    return task()


def _walks(
    codec: Codec,
    planes: list[Floats],
    levels: Integers,
    sizes: Integers,
    modes: Integers,
    number: int,
    prices: Floats,
    seen: Seen | None,
    rows: Sequence[threading.Event] = (),
) -> list[Callable[[], Floats]]:
    """Functions that quantise a plane into `levels`, or without prices only decode, and return it.

    They run in parallel, each in rows of superblocks, so that calls are short; where given, `rows`
    tell them when the levels of a row are there.
    """
    step, log_step = step_of(number)
    quantiser = walk.Quantiser(codec.rates, codec.bias, log_step, step)
    bases, coarser = bases_of(codec, seen, len(planes)), coarser_of(seen, sizes.shape[1:])

    def code_one(number: int) -> Floats:
        shown = np.empty_like(planes[number])
        plane = walk.Plane(
            planes[number],
            shown,
            levels[number],
            sizes[number],
            modes[number],
            prices[number],
            coarser,
        )
        start = 0
        for row, top in enumerate(range(0, sizes.shape[1], blocks.CELLS)):
            if rows:
                rows[row].wait()
            start = walk.code_plane(bases[number], plane, quantiser, top, start)
        return shown

    return [functools.partial(code_one, number) for number in range(len(planes))]


def steps_of(number: int, shape: tuple[int, ...], seen: Seen | None = None) -> smoothing.Steps:
    """The `smoothing.Steps` of planes of `shape` (planes, rows, columns) in cells."""
    weights = [weights_of_frequencies(*manner) for manner in manners(seen, shape[0])]
    return smoothing.Steps(step_of(number)[0], coarser_of(seen, shape[1:]), weights)


def start_of(codec: Codec, seen: Seen | None) -> tuple[Integers, Integers]:
    """Initial models and weights of the coder, including those for the tiles if there are any."""
    models, weights = codec.start()
    if seen is not None:
        even = np.full(coarseness.MODELS, 1 << 29, np.int32)
        one = np.zeros((1, bits.INPUTS), np.int32)
        one[0, 0] = 1 << 16
        models, weights = np.concatenate([models, even]), np.concatenate([weights, one])
    return models, weights


def picture_of(
    levels: Integers, sizes: Integers, modes: Integers, coarser: Integers
) -> entropy.Picture:
    """The `restore.kernels.entropy.Picture` of these decisions, before any of it is coded."""
    activity = np.zeros(sizes.shape, np.int32)
    return entropy.Picture(levels, sizes, modes, activity, coarser, np.zeros(len(levels), np.int64))


def writer(models: Integers, weights: Integers, room: int) -> bits.Coder:
    """A coder that writes up to `room` bytes, and updates `models` and `weights` in place."""
    return _coder(models, weights, np.zeros(room, np.uint8), 0, 0)


def reader(models: Integers, weights: Integers, payload: bytes) -> bits.Coder:
    """A coder that reads `payload`, and updates `models` and `weights` in place."""
    word = int.from_bytes(payload[:4].ljust(4, b"\0"), "big")
    return _coder(models, weights, np.frombuffer(payload, np.uint8).copy(), word, 4)


def _coder(
    models: Integers, weights: Integers, data: Bytes, word: int, position: int
) -> bits.Coder:
    state = np.array([0, 0xFFFFFFFF, word, position, position > 0, _MEMORY], np.int64)
    active, stretched = np.zeros((2, bits.INPUTS), np.int64)
    return bits.Coder(models, weights, data, state, active, stretched)
