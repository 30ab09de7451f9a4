"""Enlarging by a dictionary: codes of patches, and the small picture, in turns."""

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


#: Turns and samples between patches, by quality.
QUALITIES = {"fast": (8, 3), "balanced": (12, 2), "best": (16, 1)}

#: What is left of a patch, root mean square, in the first and in the last turn.
FIRST, LAST = 20 / 255, 2 / 255

#: What is left of a patch while learning.
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

    The small picture is A x of the large one, x, and the large one is what its codes make: so the
    atoms are seen as they look when made small, through A D. The filter of A is wider than
    a patch, which no small patch shows alone. Hence all patches meet the measurements together,
    by the picture that they make, in turns (`restore.sparse.solve`).

    Parameters
    ----------
    image : (h, w, channels) float32 ndarray
    size : (height, width)
    dictionary : Dictionary
        Of grey patches: they are those of the luminance. Colour is interpolated.
    learn : bool
        Fit the dictionary first to the patches of `image`, which are as sharp as those wished for.
    quality : {"fast", "balanced", "best"}
    seed : int
        Of the draw of patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        Made small again it is `image`.
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
