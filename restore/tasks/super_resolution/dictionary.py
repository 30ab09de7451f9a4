"""Enlarging by a dictionary: codes of patches, and the small picture, in turns."""

import numpy as np

from restore.sparse.operators import Decimation
from restore.sparse.solve import fitted, solve

#: Turns and samples between patches, by quality.
QUALITIES = {"fast": (8, 3), "balanced": (12, 2), "best": (16, 1)}

#: What is left of a patch, root mean square, in the first and in the last turn.
FIRST, LAST = 20 / 255, 2 / 255


def by_dictionary(small, start, dictionary, quality, threads=None, progress=None):
    """Correct an enlargement by the sparse codes of its patches.

    What a patch lacks is the fine part of its atoms: they are chosen by what of them was left when
    the picture became small. No patch of the small picture shows all of an atom and nothing else, for
    the filter is wider than a patch; so the atoms meet the measurements A x by the picture x that
    they make together, in turns.

    Parameters
    ----------
    small : (h, w) float32 ndarray
    start : (height, width) float32 ndarray
        First enlargement.
    dictionary : Dictionary
        Of grey patches.
    quality : {"fast", "balanced", "best"}
    threads, progress : optional

    Returns
    -------
    (height, width) float32 ndarray
        Made small again it is `small`.
    """
    operator = Decimation(start.shape, small.shape)
    measured = small[..., None]

    def fit(image):
        return fitted(image, operator, measured)

    turns, stride = QUALITIES[quality]
    tolerances = np.geomspace(FIRST, LAST, turns)
    image = solve(
        fit(start[..., None]), fit, dictionary, tolerances, stride, threads=threads,
        progress=progress,
    )  # fmt: skip
    return fit(image)[..., 0]
