"""A picture coded at several quantisation steps, and the search for the step of a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from restore.imaging.bands import Pool
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import atoms, coding, container, correction, smoothing, tuning
from restore.tasks.compression.codec import Codec
from restore.tasks.compression.container import Sections
from restore.tasks.compression.planes import colour_angles, from_planes, to_planes
from restore.tasks.compression.search import Shortlist
from restore.typing import Floats

#: Smallest step, in levels of 255: nearly exact for 16 bits, and quantised levels do not overflow.
FINEST = 2.0**-9
#: Difference of step numbers, half an octave, up to which the same modes are worth trying.
NEAR = 64
#: Maximum number of trials for one target.
TRIALS = 12


class Trials:
    """A picture coded at several step numbers.

    Attributes
    ----------
    results : dict of int to (bytes, float)
        The whole file and its PSNR in dB, by step number.
    """

    def __init__(
        self, image: Floats, depth: str, codec: Codec | Dictionary, tune: str, name: str | None,
        sections: Sections, pool: Pool | None, corrected: bool = False,
    ) -> None:  # fmt: skip
        self._height, self._width, channels = image.shape
        together = isinstance(codec, Dictionary) and codec.channels == 3
        eye = tune == "eye"
        self._angles = (0, 0, 0) if channels == 1 or together else colour_angles(image, eye)
        self._planes = to_planes(image, self._angles, eye)
        self._image = image
        self._seen, self._prices = tuning.plan(image, self._planes, tune, pool)
        self._top = np.float32(container.TOPS[depth])
        self._levels = np.rint(image * self._top)
        self._depth, self._codec, self._name = depth, codec, name
        self._sections, self._pool, self._corrected = sections, pool, corrected
        self._shown: list[Floats] = []
        self._shortlist: Shortlist = {}
        self._listed = 0
        self.results: dict[int, tuple[bytes, float]] = {}

    def at(self, number: int) -> tuple[bytes, float]:
        """The result at a step number; the last trial's decoded planes help to choose blocks."""
        if number not in self.results:
            payload = self._encode(number)
            steps = coding.steps_of(number, self._prices.shape, self._seen)
            strength = smoothing.best_strength(self._planes, self._shown, steps, self._pool)
            error = None
            if self._corrected:
                error = correction.error_of(self._planes[0], self._shown[0], steps.step)
            header = container.Header(
                self._width,
                self._height,
                len(self._planes),
                self._depth,
                number,
                strength,
                self._angles,
                (0, 0, 0) if self._seen is None else self._seen[:3],
                self._name or self._codec.digest,
                method_of(self._codec) if self._seen is None else "seen",
                self._sections.alpha is not None,
                error,
            )
            data = container.pack(header, self._sections, payload)
            self.results[number] = data, self._psnr(strength, steps, error)
        return self.results[number]

    def _encode(self, number: int) -> bytes:
        if isinstance(self._codec, Dictionary):
            payload, self._shown = atoms.encode(self._codec, self._planes, number, self._pool)
        else:
            if not self.results or abs(number - self._listed) > NEAR:
                self._shortlist, self._listed, self._shown = {}, number, []
                self._shown, *_ = coding.quantise(*self._how(number))
            if self._seen is not None:
                shown = self._picture(self._shown)
                self._seen, self._prices = tuning.for_the_eye(self._image, shown, self._pool)
            payload, self._shown = coding.encode(*self._how(number))
        return payload

    def _how(self, number: int) -> tuple[Any, ...]:
        return (
            self._codec, self._planes, number, self._prices, self._shown, self._seen,
            self._shortlist, self._pool,
        )  # fmt: skip

    def _picture(self, planes: list[Floats]) -> Floats:
        luma = self._seen is not None
        size = self._height, self._width
        return from_planes(planes, self._angles, *size, luma, self._pool)

    def _psnr(self, strength: int, steps: smoothing.Steps, error: int | None) -> float:
        """PSNR in dB of the decompressed picture of the last trial."""
        quiet = Pool(self._pool.threads) if self._pool else None
        planes = correction.finished(self._shown, strength, steps, error, quiet)
        samples = self._picture(planes)
        rest = np.rint(samples * self._top) - self._levels
        squared = float(np.mean(np.square(rest), dtype=np.float64))
        if not math.isfinite(squared):
            raise ValueError("this codec does not suit the picture: decoded samples are not finite")
        return 10 * math.log10(float(self._top) ** 2 / squared) if squared else math.inf


def method_of(codec: Codec | Dictionary) -> str:
    """The method of files that use this codec or dictionary with a constant step."""
    return "atoms" if isinstance(codec, Dictionary) else "bases"


def number_for(
    attempt: Callable[[int], tuple[bytes, float]], excess: Callable[[bytes, float], float],
    slope: float, below: bool = False,
) -> int | None:  # fmt: skip
    """The largest step number where `excess` >= 0 (or, if `below`, the smallest where it is <= 0).

    `excess` falls by about `slope` per octave of the step. False position within a bracket, with
    at most `TRIALS` trials; None if no number satisfies the condition.
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
