"""The quantiser's step that meets a target, by trials."""

from __future__ import annotations

import math
from collections.abc import Callable

from restore.tasks.compression import coding

#: Finest step tried, in levels of 255: sixteen bits are nearly exact, and no level overflows.
FINEST = 2.0**-9
#: Most trials for one target.
TRIALS = 12


def number_for(
    attempt: Callable[[int], tuple[bytes, float]], excess: Callable[[bytes, float], float],
    slope: float, below: bool = False,
) -> int | None:  # fmt: skip
    """The coarsest step number where `excess` >= 0 (or, `below`, the finest where <= 0).

    `excess` falls with the number by about `slope` per octave. False position within a bracket,
    at most `TRIALS` trials; None where no number will do.
    """
    sign = -1 if below else 1

    def good(number: int) -> float:
        data, reached = attempt(number)
        return sign * excess(data, reached)

    fine, coarse = coding.number_of(FINEST), coding.STEPS - 1
    inside, outside = (coarse, fine) if below else (fine, coarse)  # good end, bad end
    known = {}
    number = coding.number_of(16.0)
    for _ in range(TRIALS):
        known[number] = value = good(number)
        if value >= 0:
            inside = number
            if value < 0.002:
                break
        else:
            outside = number
        if abs(inside - outside) <= 1:
            break
        if inside in known and outside in known:
            share = known[inside] / (known[inside] - known[outside])
            number = inside + (outside - inside) * min(max(share, 0.08), 0.92)
        else:
            number += sign * (value * coding._PER_OCTAVE / slope) + math.copysign(4, value) * sign
        low, high = min(inside, outside), max(inside, outside)
        number = min(max(int(round(number)), low + (low in known)), high - (high in known))
    fitting = [number for number, value in known.items() if value >= 0]
    if not fitting and inside not in known and good(inside) >= 0:
        fitting = [inside]
    if not fitting:
        return None
    return min(fitting) if below else max(fitting)
