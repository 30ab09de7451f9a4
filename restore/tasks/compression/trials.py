"""One picture coded at some steps of the quantiser, each on what the last one taught."""

import math

import numpy as np

from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import atoms, coding, container, smoothing, tuning
from restore.tasks.compression.planes import colour_angles, from_planes, to_planes


class Trials:
    """One picture coded at some step numbers.

    Attributes
    ----------
    results : dict of int to (bytes, float)
        The whole file and its PSNR in dB, by step number.
    """

    def __init__(self, image, depth, codec, tune, name, sections, pool):
        self._height, self._width, channels = image.shape
        together = isinstance(codec, Dictionary) and codec.channels == 3
        eye = tune == "eye"
        self._angles = (0, 0, 0) if channels == 1 or together else colour_angles(image, eye)
        self._planes = to_planes(image, self._angles, eye)
        self._image = image
        self._seen, self._prices = tuning.plan(image, self._planes, tune)
        self._top = np.float32(container.TOPS[depth])
        self._levels = np.rint(image * self._top)
        self._depth, self._codec, self._name = depth, codec, name
        self._sections, self._pool = sections, pool
        self._shown = None
        self.results = {}

    def at(self, number):
        """The result at a step number; blocks are chosen on what the last trial decoded."""
        if number not in self.results:
            payload = self._encode(number)
            steps = coding.steps_of(number, self._prices.shape, self._seen)
            strength = smoothing.best_strength(self._planes, self._shown, steps, self._pool)
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
            )
            data = container.pack(header, self._sections, payload)
            self.results[number] = data, self._psnr(strength, steps)
        return self.results[number]

    def _encode(self, number):
        if isinstance(self._codec, Dictionary):
            payload, self._shown = atoms.encode(self._codec, self._planes, number, self._pool)
        else:
            if not self.results:
                self._shown, *_ = coding.quantise(*self._how(number))
            if self._seen is not None:
                shown = self._picture(self._shown)
                self._seen, self._prices = tuning.for_the_eye(self._image, shown)
            payload, self._shown = coding.encode(*self._how(number))
        return payload

    def _how(self, number):
        return (
            self._codec, self._planes, number, self._prices, self._shown, self._seen, self._pool
        )  # fmt: skip

    def _picture(self, planes):
        luma = self._seen is not None
        return from_planes(planes, self._angles, self._height, self._width, luma)

    def _psnr(self, strength, steps):
        """Of what decompressing the last trial will give."""
        smoothed = smoothing.smooth(self._shown, strength, steps, self._pool)
        samples = self._picture(smoothed)
        error = np.rint(samples * self._top) - self._levels
        error = float(np.mean(np.square(error), dtype=np.float64))
        if not math.isfinite(error):
            raise ValueError("this codec does not serve the picture: what it decodes is not finite")
        return 10 * math.log10(float(self._top) ** 2 / error) if error else math.inf


def method_of(codec):
    """How pictures are coded over a codec or dictionary where one step serves all."""
    return "atoms" if isinstance(codec, Dictionary) else "bases"
