"""The priors of `solve`: models of pictures, as denoising steps for a noise level."""

from collections.abc import Callable

import numpy as np

from restore.imaging.bands import Pool
from restore.sparse import coding, dictionary_learning, overlap, white
from restore.sparse.dictionary import Dictionary, load_for
from restore.typing import Floats

#: Removes noise of a standard deviation from a (height, width, channels) picture.
Prior = Callable[[Floats, float], Floats]

#: Passes with feedback of groups, in each turn that uses groups.
PASSES = 1

#: Iterations of learning in each turn, and stride of the patches.
ITERATIONS, STRIDE = 2, 2


def prior(kind: str | Dictionary | Prior, middle: float, pool: Pool) -> Prior:
    """A function ``prior(image, sigma)`` for one picture, which may remember its last estimate.

    Parameters
    ----------
    kind : {"groups", "learn"}, str, Dictionary or callable
        As for `restore.sparse.solve.solve`.
    middle : float
        Noise level above which a cheap, rough estimate is enough.
    pool : Pool

    Returns
    -------
    callable

    Raises
    ------
    TypeError
        If it is none of these.
    """
    pool = Pool(pool.threads)  # each turn is one part of the progress
    if callable(kind):
        return lambda image, sigma: np.asarray(kind(image, sigma), np.float32).reshape(image.shape)
    if isinstance(kind, str) and kind == "groups":
        return Groups(middle, pool)
    if isinstance(kind, str | Dictionary):
        return Sparse(kind, pool)
    raise TypeError(f"expected a prior by name, a Dictionary or a function, got {kind!r}")


class Groups:
    """Groups of similar patches, found on the last estimate; patches on their own at first."""

    def __init__(self, middle: float, pool: Pool | None) -> None:
        self._middle, self._pool = middle, pool
        self._last: Floats | None = None

    def __call__(self, image: Floats, sigma: float) -> Floats:
        if sigma > self._middle:
            estimate = white.by_scales(image, sigma, self._pool)
        else:
            sigmas = np.array([sigma], np.float32)
            estimate = white.by_groups(
                image, sigmas, pool=self._pool, guide=self._last, passes=PASSES
            )
        self._last = estimate
        return estimate


class Sparse:
    """Patches that are sparse over a dictionary, which may be learned on the estimates."""

    def __init__(self, dictionary: str | Dictionary, pool: Pool | None) -> None:
        self._pool, self._dictionary = pool, dictionary
        self._learn = isinstance(dictionary, str) and dictionary == "learn"

    def __call__(self, image: Floats, sigma: float) -> Floats:
        self._dictionary = load_for(self._dictionary, image.shape[2])
        if self._learn:
            tolerance = coding.noise_energy(self._dictionary.patch_dim, sigma)
            self._dictionary = dictionary_learning.learn_on(
                image, self._dictionary, tolerance, iterations=ITERATIONS, pool=self._pool
            )
        stride = min(STRIDE, *self._dictionary.patch_shape[:2])
        return overlap.by_dictionary(image, sigma, self._dictionary, None, stride, self._pool)
