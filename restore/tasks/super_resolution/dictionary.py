"""Enlarging by a dictionary, alternating with the constraint by the small picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from restore.imaging.colour import luminance
from restore.imaging.resize import resize
from restore.sparse import dictionary_learning
from restore.sparse.operators import Decimation
from restore.sparse.solve import coded_in_turns, fitted
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool
    from restore.sparse.dictionary import Dictionary


#: Iterations and stride of the patches, by quality.
QUALITIES = {"fast": (8, 3), "balanced": (12, 2), "best": (16, 1)}

#: Residual of a patch, root mean square, in the first and in the last iteration.
FIRST, LAST = 20 / 255, 2 / 255

#: Residual of a patch, root mean square, while learning.
LEARNING = 8 / 255


def by_dictionary(
    image: Floats,
    size: tuple[int, int],
    dictionary: Dictionary,
    learn: bool,
    quality: str,
    seed: int = 0,
    pool: Pool | None = None,
) -> Floats:
    """Enlarge a picture whose patches are sparse over a dictionary.

    The small picture is A x, and the patches of the large one, x, are sparse over D. Coding small
    patches over A D would need patches larger than the filter of A. Hence the constraint is applied
    to the whole picture, alternating with the codes of its patches (`restore.sparse.solve`).

    Parameters
    ----------
    image : (h, w, channels) float32 ndarray
    size : (height, width)
    dictionary : Dictionary
        Of grey patches, used for the luminance. Colour is interpolated.
    learn : bool
        First fit the dictionary to the patches of `image`, which are as sharp as the result should
        be.
    quality : {"fast", "balanced", "best"}
    seed : int
        Seed for drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        Shrinking it gives `image`.
    """
    operator = Decimation(tuple(size), image.shape[:2])
    small = luminance(image, pool)[..., None]
    if learn:
        dictionary = dictionary_learning.learn_on(
            small, dictionary, dictionary.patch_dim * LEARNING**2, seed=seed, pool=pool,
        )  # fmt: skip
    turns, stride = QUALITIES[quality]
    enlarged = resize(image, *size, pool)
    start = luminance(enlarged, pool)[..., None]
    enlarged -= start
    enlarged += coded_in_turns(
        fitted(start, operator, small), lambda large: fitted(large, operator, small), dictionary,
        np.geomspace(FIRST, LAST, turns), stride,
        pool=pool,
    )  # fmt: skip
    return fitted(enlarged, operator, image)
