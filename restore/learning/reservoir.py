"""Drawing patches uniformly from pictures that are read once, by their indices alone.

Pictures may be read elsewhere: the draw depends only on the number of patches in each strip.
"""

from typing import Protocol

import numpy as np

from restore.typing import Floats, Integers

#: Maximum number of held-out patches, and their share of those drawn.
HELD_OUT, HELD_OUT_SHARE = 20_000, 0.1

#: Maximum number of patches that the initial atoms are chosen from.
SAMPLE = 65_536


class Pictures(Protocol):
    """Pictures by index, from 0; None for one that is skipped."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Floats | None: ...


class Reservoir:
    """The indices of the drawn patches, updated strip by strip.

    Reservoir sampling (Vitter, ACM TOMS 11(1), 1985), a strip at a time: the number of patches of a
    strip that enter the reservoir is hypergeometric, and the choice is uniform.

    Parameters
    ----------
    count : int
        Maximum number of patches to learn from.
    seed : int

    Attributes
    ----------
    size : int
        Maximum number of patches, including those held out.
    available : int
        Number of patches offered.
    ids : (size,) int64 ndarray
        For each row of the reservoir, the index of its patch in the order offered.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 0])
        self.apart = min(HELD_OUT, round(HELD_OUT_SHARE * count))
        self.size = count + self.apart
        self.available = self.filled = self.flat = 0
        self.ids = np.empty(self.size, np.int64)

    def offer(self, count: int, left_out: int) -> tuple[Integers, Integers]:
        """Rows of the reservoir, and the indices of the strip's `count` patches that go there."""
        rng, filled = self.rng, self.filled
        fresh = _share(rng, count, self.available, self.size)
        kept = min(self.size, self.available + count) - fresh
        gone = max(0, filled - kept)
        taken = rng.choice(filled, gone, replace=False) if gone else np.empty(0, np.int64)
        free = np.arange(filled, kept + fresh)
        self.filled = kept + fresh
        chosen = rng.choice(count, fresh, replace=False)
        rows = np.concatenate([np.array(taken, np.int64), free])
        self.ids[rows] = self.available + chosen
        self.available += count
        self.flat += left_out
        return rows, chosen

    def order(self, mixed: bool) -> tuple[Integers, Integers, Integers]:
        """Rows to learn from, in the order of the pictures or `mixed`; held out; the sample's."""
        if self.available == 0:
            raise ValueError(
                "all patches are flat: there is nothing to learn from"
                if self.flat
                else "there are no pictures to learn from"
            )
        order = self.rng.permutation(self.filled)
        apart = min(self.apart, round(HELD_OUT_SHARE * self.filled))
        rows = order[apart:]
        sample = rows[:SAMPLE]
        if not mixed:
            rows = rows[np.argsort(self.ids[rows])]
        return rows, order[:apart], sample


def _share(rng: np.random.Generator, fresh: int, before: int, size: int) -> int:
    """Number of fresh items in a random sample of `size` from `before` old and `fresh` new ones."""
    if before + fresh <= size:
        return fresh
    if before + fresh < 1_000_000_000:  # numpy's limit
        return int(rng.hypergeometric(fresh, before, size))
    return min(fresh, int(rng.binomial(size, fresh / (before + fresh))))
