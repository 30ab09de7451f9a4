"""Binary arithmetic coding with mixed adaptive models, in integers.

The probability of a decision is mixed from those of several adaptive models, each under its own
context, in the logistic domain:

    p = squash(sum_i w_i stretch(p_i)),    w_i += rate stretch(p_i) (bit - p),

and coded by a binary arithmetic coder (M. Mahoney, "Adaptive weighing of context models for
lossless data compression", Florida Tech. report CS-2005-16, Sec. 2-3). One function, `code_bit`,
both writes and reads, so the two cannot disagree; it works in integers alone, so a file means the
same on every machine.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Integers

if TYPE_CHECKING:
    from restore.kernels.mixing import Mixer


def _tables() -> tuple[Integers, Integers]:
    """squash in 1/65536 over 1/256 nats, its inverse over 1/4096, exact on any machine."""
    with localcontext() as context:
        context.prec = 15
        odds = [Decimal(65536) / (1 + (Decimal(-x) / 256).exp()) for x in range(-2047, 2048)]
        squash = np.array([min(max(int(p + Decimal("0.5")), 24), 65536 - 24) for p in odds])
    stretch = np.searchsorted(squash, np.arange(4096) * 16 + 8) - 2047
    return squash.astype(np.int32), stretch.clip(-2047, 2047).astype(np.int32)


SQUASH, STRETCH = _tables()
#: Weight of a new observation after n others, in 1/65536.
RATE = np.array([int(65536 / (n + 1.6)) for n in range(256)], np.int64)

#: Maximum number of contexts of a decision.
INPUTS = 7


class Coder(NamedTuple):
    """The coder's state: adaptive models, and position in the bytes."""

    #: Probability of a one in 1/2^22, times 256, plus the observations it rests on.
    models: np.ndarray  # (MODELS,) int32
    weights: np.ndarray  # (SETS, INPUTS) int32, 1/65536
    data: np.ndarray  # (n,) uint8
    #: low, high, code word, position in data, 1 where reading, most observations
    state: np.ndarray  # (6,) int64
    #: contexts of the current decision
    active: np.ndarray  # (INPUTS,) int64
    stretched: np.ndarray  # (INPUTS,) int64


@kernel
def _shift(coder: Coder | Mixer) -> None:
    """Move bytes on while the ends of the interval share their first byte."""
    state, data = coder.state, coder.data
    while not (state[0] ^ state[1]) & 0xFF000000:
        if state[4]:
            byte = np.int64(data[state[3]]) if state[3] < data.size else np.int64(0)
            state[2] = (state[2] << 8 & 0xFFFFFFFF) | byte
        elif state[3] < data.size:
            data[state[3]] = state[1] >> 24
        state[3] += 1
        state[0] = state[0] << 8 & 0xFFFFFFFF
        state[1] = (state[1] << 8 & 0xFFFFFFFF) | 255


@kernel
def split(coder: Coder | Mixer, bit: int, chance: int) -> int:
    """Code a bit that is a one with probability `chance` / 65536."""
    state = coder.state
    width = state[1] - state[0]
    middle = state[0] + (width >> 16) * chance + ((width & 0xFFFF) * chance >> 16)
    if state[4]:
        bit = 1 if state[2] <= middle else 0
    if bit:
        state[1] = middle
    else:
        state[0] = middle + 1
    _shift(coder)
    return bit


@kernel
def code_even(coder: Coder | Mixer, bit: int) -> int:
    """Code a bit of probability one half."""
    return split(coder, bit, 1 << 15)


@kernel
def learn(models: Integers, at: int, bit: int, limit: int) -> None:
    """Move a model towards a bit, by 1 / (n + 1.6) of the way after n others, at most `limit`."""
    model = np.int64(models[at])
    seen = model & 255
    value = model >> 8
    value += (((bit << 22) - value) * RATE[seen]) >> 16
    value = min(max(value, 64), (1 << 22) - 64)
    if seen < limit:
        seen += 1
    models[at] = value << 8 | seen


@kernel(inline=True)
def code_bit(coder: Coder, bit: int, count: int, choice: int) -> int:
    """Code a bit under the first `count` active contexts and weights `choice`; return it."""
    models, active, stretched = coder.models, coder.active, coder.stretched
    weights = coder.weights[choice]
    total = np.int64(0)
    for i in range(count):
        stretched[i] = STRETCH[models[active[i]] >> 18]
        total += weights[i] * stretched[i]
    total >>= 16
    total = min(max(total, -2047), 2047)
    chance = np.int64(SQUASH[total + 2047])
    bit = split(coder, bit, chance)
    error = ((bit << 16) - chance) * 6
    for i in range(count):
        weights[i] += (stretched[i] * error + 0x80000) >> 20
        learn(models, active[i], bit, coder.state[5])
    return bit


@kernel
def code_large(coder: Coder, number: int, base: int, choice: int) -> int:
    """Code a positive number: its number of bits in unary, then the bits (Elias gamma)."""
    if coder.state[4]:
        number = 1
    bits = 1
    while bits < 26:
        coder.active[0] = base + bits
        if not code_bit(coder, 1 if number >> bits else 0, 1, choice):
            break
        bits += 1
    found = 1
    for j in range(bits - 2, -1, -1):
        found = found << 1 | code_even(coder, number >> j & 1)
    return found


@kernel
def bucket(value: int, most: int) -> int:
    """Bits of a non-negative integer, at most `most`."""
    bits = 0
    while value and bits < most:
        value >>= 1
        bits += 1
    return bits


@kernel
def finish(coder: Coder | Mixer) -> int:
    """Write the last byte, if one is needed, and return how many there are."""
    state = coder.state
    if state[0]:
        if state[3] < coder.data.size:
            coder.data[state[3]] = (state[0] >> 24) + 1
        state[3] += 1
    return state[3]
