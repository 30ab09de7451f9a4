"""Full colour by a dictionary of colour patches, alternating with the measured samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from restore.imaging.colour import AXES
from restore.sparse import coding, dictionary_learning
from restore.sparse.dictionary import Dictionary
from restore.sparse.operators import Mosaic
from restore.sparse.solve import coded_in_turns, fitted
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Iterations and stride of the patches, by quality.
QUALITIES = {"fast": (3, 4), "balanced": (6, 3), "best": (8, 2)}

#: Residual of a patch, root mean square, in the first and in the last iteration.
FIRST, LAST = 2 / 255, 0.25 / 255

#: Residual of a patch, root mean square, while learning.
LEARNING = 2 / 255

#: Weight of the colour differences, per ratio of their detail to that of the luminance; and the
#: scale of that detail, as a Gaussian's standard deviation.
WEIGHT, DETAIL = 3.0, 1.5


def by_dictionary(
    mosaic: Floats,
    start: Floats,
    pattern: str,
    sigma: float,
    dictionary: Dictionary,
    learn: bool,
    quality: str,
    seed: int = 0,
    pool: Pool | None = None,
) -> Floats:
    """Correct a first estimate of the colours of a mosaic by the sparse codes of its patches.

    Patches are coded as luminance and colour differences. If the first estimate has little detail
    in its colours, the differences get a small weight: the atoms are then chosen by the luminance,
    and bring the matching colours.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
        In [0, 1].
    start : (height, width, 3) float32 ndarray
        First estimate.
    pattern : str
    sigma : float
        Standard deviation of the noise of the mosaic.
    dictionary : Dictionary
        Of colour patches.
    learn : bool
        Fit the dictionary to the patches of the first estimate first.
    quality : {"fast", "balanced", "best"}
    seed : int
        Seed for drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, 3) float32 ndarray
        Without noise, the caller puts the measured samples back.
    """
    operator = Mosaic(pattern)
    turns, stride = QUALITIES[quality]
    noise = coding.noise_energy(dictionary.patch_dim, sigma) / dictionary.patch_dim
    if learn:
        dictionary = dictionary_learning.learn_on(
            start, dictionary, dictionary.patch_dim * max(LEARNING**2, noise), seed=seed,
            pool=pool,
        )  # fmt: skip
    axes = AXES[3] * _weights(start)[:, None]
    back = np.linalg.inv(axes)
    seen = _seen(dictionary, axes)

    def fit(planes: Floats) -> Floats:
        return _mapped(fitted(_mapped(planes, back), operator, mosaic), axes)

    noise *= np.sum(axes**2) / 3
    tolerances = np.sqrt(np.geomspace(FIRST, LAST, turns) ** 2 + noise)
    planes = coded_in_turns(_mapped(start, axes), fit, seen, tolerances, stride, pool=pool)
    return _mapped(planes, back)


def _mapped(colours: Floats, matrix: Floats) -> Floats:
    """Every colour multiplied by the matrix."""
    # einsum rather than a matrix product: the same to the bit for any number of BLAS threads
    return np.einsum("kc,...c->...k", matrix.astype(np.float32), colours, order="C")


def _seen(dictionary: Dictionary, axes: Floats) -> Dictionary:
    """The dictionary with its atoms in other axes of colour space."""
    colours = dictionary.atoms.reshape(dictionary.n_atoms, -1, 3)
    atoms = _mapped(colours, axes).reshape(dictionary.atoms.shape)
    return Dictionary(atoms / np.linalg.norm(atoms, axis=1, keepdims=True), dictionary.patch_shape)


def _weights(colour: Floats) -> Floats:
    """(3,) float32: weight 1 for the luminance, and those of the two colour differences."""
    planes = _mapped(colour, AXES[3])
    detail = planes - ndimage.gaussian_filter(planes, (DETAIL, DETAIL, 0))
    light, *differences = np.sqrt(np.mean(np.square(detail, dtype=np.float64), axis=(0, 1)))
    share = np.hypot(*differences) / max(light, 1e-12)
    return np.array([1, *2 * [np.clip(WEIGHT * share, 0.1, 2)]], np.float32)
