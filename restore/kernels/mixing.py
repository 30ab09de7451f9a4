"""Binary decisions of lossless coding: two sets of mixing weights, and a refined probability.

As in `restore.kernels.bits`, the probability of a decision is mixed from several models in the
logistic domain. Here two sets of weights, selected by two properties of the decision, are added,

    x = sum_i (u_i + v_i) stretch(p_i),    p = (squash(x) + 3 r(x)) / 4,

where r is interpolated in a table that learns, for each kind of decision, the frequency of ones at
each mixture x: secondary symbol estimation (M. Mahoney, "Adaptive weighing of context models for
lossless data compression", Florida Tech. report CS-2005-16). All arithmetic is in integers.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.bits import SQUASH, STRETCH, code_even, learn, split
from restore.kernels.jit import kernel

#: Maximum number of contexts of a decision, knots of a refinement table, and the lowest
#: probability, in 1/65536.
CONTEXTS, KNOTS, LEAST = 8, 33, 4


class Mixer(NamedTuple):
    """The coder's state: adaptive models, and position in the bytes."""

    #: as in `restore.kernels.bits.Coder`
    models: np.ndarray  # (n,) int32
    weights: np.ndarray  # (sets, CONTEXTS) int32, 1/65536
    data: np.ndarray  # (n,) uint8
    state: np.ndarray  # (6,) int64
    #: index of the first model of each current context
    bases: np.ndarray  # (CONTEXTS,) int64
    stretched: np.ndarray  # (CONTEXTS,) int64
    #: probability of a one at the knots, in 1/2^22, for each kind of decision
    refined: np.ndarray  # (kinds, KNOTS) int32


@kernel(inline=True)
def code_mixed(
    mixer: Mixer, bit: int, count: int, node: int, first: int, second: int, kind: int
) -> int:
    """Code a bit under the models `node` of the first `count` contexts; return it.

    `first` and `second` select the weights, `kind` the table that refines the probability.
    """
    models, bases, stretched = mixer.models, mixer.bases, mixer.stretched
    one, other, refined = mixer.weights[first], mixer.weights[second], mixer.refined[kind]
    total = np.int64(0)
    for i in range(count):
        stretched[i] = STRETCH[models[bases[i] + node] >> 18]
        total += (one[i] + other[i]) * stretched[i]
    total = min(max(total >> 16, -2047), 2047)
    mixed = np.int64(SQUASH[total + 2047])
    knot = (total + 2048) >> 7
    part = (total + 2048) & 127
    found = (refined[knot] * (128 - part) + refined[knot + 1] * part) >> 13
    bit = split(mixer, bit, min(max((mixed + 3 * found + 2) >> 2, LEAST), 65536 - LEAST))
    knot += part >> 6
    refined[knot] += ((bit << 22) - refined[knot]) >> 6
    error = ((bit << 16) - mixed) * 3
    for i in range(count):
        change = (stretched[i] * error + 0x80000) >> 20
        one[i] += change
        other[i] += change
        if not models[bases[i] + node] & 255:
            models[bases[i] + node] = mixed << 14 | 8
        learn(models, bases[i] + node, bit, mixer.state[5])
    return bit


@kernel
def code_plain(mixer: Mixer, number: int, count: int) -> int:
    """Code `count` bits of probability one half, the highest first."""
    found = np.int64(0)
    for j in range(count - 1, -1, -1):
        found = found << 1 | code_even(mixer, number >> j & 1)
    return found
