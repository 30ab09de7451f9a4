"""Sparse coding in a fixed number of learned steps, to correct an estimate of a picture.

The steps are extract, code, aggregate. The input is a patch of the observed picture together with
the same patch of the current estimates; it is coded by a few steps of shrinkage whose matrices and
thresholds were learned end to end; and the codes over the atoms D give the correction of the
estimate. `training/unrolled.py` learns the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from restore.imaging import archive, bands
from restore.imaging.bands import Pool
from restore.imaging.colour import AXES
from restore.kernels import unrolled as kernels
from restore.sparse import overlap, patches
from restore.typing import File, Floats, Integers, Number

#: Rows of patches per band, and patches per matrix product: enough for the product to be
#: fast, few enough for the codes to stay in the cache.
BAND_ROWS = 8
BLOCK = 512

#: Pixels between neighbouring patches.
STRIDE = 2

#: Weakest and strongest noise, in [0, 1], that the weights were learned at.
LEARNED_SIGMAS = (5 / 255, 75 / 255)

#: The noise level that is scaled to 1: a medium one.
UNIT = 25 / 255

#: Index of the kind of input that is the estimate to be corrected (or the last, if there are
#: fewer): it is centred at grey.
ESTIMATE = 2

KIND = "unrolled coder"

#: Largest weight in a file, and the least of its window; several times those of the packaged
#: coders.
LARGEST, LEAST_WEIGHT = 64.0, 1e-3

#: The permitted types and the axes of each array of a file.
ARRAYS = {
    "analysis": ("ef", 4),
    "steps": ("ef", 3),
    "gains": ("ef", 2),
    "thresholds": ("ef", 3),
    "synthesis": ("ef", 4),
    "window": ("ef", 2),
}


#: The inputs of a coder for some rows of a picture, kind by kind.
Kinds = Callable[[slice], Sequence[Floats]]


@dataclass(frozen=True, eq=False)
class Coder:
    """Learned weights; s is the level of the noise over `UNIT`.

    Attributes
    ----------
    analysis : (2, n_kinds * channels, side * side, n_atoms) float32 ndarray
        C = analysis[0] + s analysis[1], which gives the initial codes.
    steps : (n_steps, n_atoms, n_atoms) float32 ndarray
        W, one for each step.
    gains : (n_steps, n_atoms) float32 ndarray
        g, how much of the initial codes is added before each step.
    thresholds : (n_steps + 1, 2, n_atoms) float32 ndarray
        t = max(thresholds[:, 0] + s thresholds[:, 1], 0).
    synthesis : (n_atoms, side, side, channels) float32 ndarray
        D, the atoms, times the window.
    window : (side, side) float32 ndarray
        w, the weight of an estimate by the pixel's position in the patch.
    provenance : dict

    Raises
    ------
    ValueError
        If weights are not finite, or do not fit each other.
    """

    analysis: np.ndarray
    steps: np.ndarray
    gains: np.ndarray
    thresholds: np.ndarray
    synthesis: np.ndarray
    window: np.ndarray
    provenance: dict

    def __post_init__(self) -> None:
        archive.freeze(self, ARRAYS)
        n_steps, n_atoms = len(self.steps), self.steps.shape[-1]
        side = len(self.window)
        shapes = {
            "analysis": (2, self.n_kinds * self.channels, side * side, n_atoms),
            "steps": (n_steps, n_atoms, n_atoms),
            "gains": (n_steps, n_atoms),
            "thresholds": (n_steps + 1, 2, n_atoms),
            "synthesis": (n_atoms, side, side, self.channels),
            "window": (side, side),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} of shape {getattr(self, name).shape} are not {shape}")
        if self.n_kinds < 2:
            raise ValueError(f"analysis of {self.n_kinds} inputs a plane lacks the estimate")
        if not (self.window > 0).all():
            raise ValueError("the window is not positive")

    @property
    def side(self) -> int:
        return len(self.window)

    @property
    def n_kinds(self) -> int:
        """Inputs of each plane."""
        return self.analysis.shape[1] // self.channels

    @property
    def channels(self) -> int:
        return self.synthesis.shape[-1]

    def save(self, file: File) -> None:
        """Write the weights as ``.npz``, in half precision."""
        arrays = {name: getattr(self, name).astype(np.float16) for name in ARRAYS}
        archive.write(file, KIND, arrays, self.provenance)

    @classmethod
    def load(cls, file: File) -> Coder:
        """Read weights from a file.

        Raises
        ------
        ValueError
            If it holds no usable weights.
        OSError
            If there is no such file.
        """
        arrays, provenance, _ = archive.read(file, KIND, ARRAYS)
        with archive.usable(file, KIND):
            for name, weights in arrays.items():
                archive.check_range(name, weights, -LARGEST, LARGEST)
            archive.check_range("window", arrays["window"], LEAST_WEIGHT, LARGEST)
            return cls(**arrays, provenance=provenance)


@functools.cache
def packaged(name: str) -> Coder:
    """The weights of that name that come with the package."""
    return Coder.load(archive.packaged_path(name))


def correct(
    estimate: Floats,
    kinds: Kinds,
    sigma: Number,
    coder: Coder,
    *,
    stride: int = STRIDE,
    learned: tuple[float, float] = LEARNED_SIGMAS,
    pool: Pool | None = None,
) -> Floats:
    """Correct an estimate of a picture.

    Parameters
    ----------
    estimate : (channels, height, width) float32 ndarray
        No smaller than a patch, in the colour axes that the coder was learned on.
    kinds : function of a slice
        The `coder.n_kinds` inputs, each (channels, rows, width), for a slice of rows:
        differences of the observed picture and of other estimates from `estimate`; number
        `ESTIMATE`, or the last, is the estimate itself.
    sigma : float
        Standard deviation of the noise, in the unit of [0, 1] images.
    coder : Coder
    stride : int
        Pixels between neighbouring patches.
    learned : tuple of float
        Weakest and strongest noise that the coder was learned at.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray

    Notes
    -----
    With x the inputs of a patch, a = C x, and z coded in K steps,

        z_0 = shrink(a, t_0),  z_k = shrink(z_(k-1) W_k + g_k a, t_k),

    D z is added to the estimate, averaged with the window w over the patches that overlap.

    References
    ----------
    Gregor & LeCun, "Learning fast approximations of sparse coding", ICML 2010, for the steps;
    Scetbon, Elad & Milanfar, "Deep K-SVD denoising", IEEE TIP 30, 2021, for learning them
    with the average over the patches; Lecouat, Ponce & Mairal, "Fully trainable and
    interpretable non-local sparse models for image restoration", ECCV 2020, for doing so on top of
    groups of similar patches.
    """
    channels, height, width = estimate.shape
    side = coder.side
    rows, columns = (patches.positions(n, side, stride) for n in (height, width))
    code, scale = coding_at(kinds, sigma, coder, columns, learned=learned)
    atoms = coder.synthesis.reshape(len(coder.synthesis), -1)

    def correct_band(band: slice) -> tuple[slice, Floats, Floats]:
        top, bottom = rows[band][0], rows[band][-1] + side
        corrections = np.empty((len(rows[band]) * len(columns), atoms.shape[1]), np.float32)
        for block, codes in code(rows[band]):
            np.matmul(codes, atoms, out=corrections[block])
        total = np.zeros((bottom - top, width, channels), np.float32)
        weight = np.zeros(total.shape[:2], np.float32)
        corrections = corrections.reshape(-1, len(columns), side, side, channels)
        kernels.add_windowed(corrections, coder.window, rows[band] - top, columns, total, weight)
        return slice(top, bottom), total.transpose(2, 0, 1), weight

    total, weight = np.zeros_like(estimate), np.zeros((height, width), np.float32)
    cut = bands.slices(len(rows), BAND_ROWS)
    overlap.accumulate(correct_band, cut, total, weight, pool, "correcting")

    def average(band: slice) -> None:
        own = np.s_[:, band]
        total[own] /= scale * weight[band]
        total[own] += estimate[own]

    bands.for_each(average, bands.rows(weight.shape), pool)
    return total


def coding_at(
    kinds: Kinds,
    sigma: Number,
    coder: Coder,
    columns: Integers,
    *,
    learned: tuple[float, float] = LEARNED_SIGMAS,
) -> tuple[Callable[[Integers], Iterator[tuple[slice, Floats]]], Number]:
    """The coder for patches at a noise level.

    Parameters
    ----------
    kinds, sigma, coder
        As in `correct`.
    columns : (n_columns,) ndarray
        Of the left corners of patches.
    learned
        As in `correct`.

    Returns
    -------
    code : function
        ``code(rows)``, of the top corners of rows of patches, yields (block, codes): a slice of
        these patches, and their z, (n, n_atoms) float32, overwritten by the next.
    scale : float32
        Divisor of D z.
    """
    # If the noise is stronger than any in learning, picture and noise are scaled down to the
    # strongest; if it is weaker, the coder runs at the weakest level and its correction is scaled
    # down.
    level = np.clip(sigma, *learned)
    scale = np.float32(min(1, level / sigma) / UNIT)
    weights = _at(coder, np.float32(level / UNIT))
    middle = np.float32(0.5 / UNIT) * AXES[coder.channels].sum(axis=1)

    def code(rows: Integers) -> Iterator[tuple[slice, Floats]]:
        top, bottom = rows[0], rows[-1] + coder.side
        inputs = scale * np.stack(kinds(slice(top, bottom)), axis=-1)
        inputs[..., min(ESTIMATE, coder.n_kinds - 1)] -= middle[:, None, None]
        inputs = np.ascontiguousarray(inputs.transpose(1, 2, 0, 3))
        inputs = inputs.reshape(*inputs.shape[:2], -1)
        shape = (coder.side, coder.side, inputs.shape[2])
        observed = patches.extract(inputs, shape, rows - top, columns)
        for block in bands.slices(len(observed), BLOCK):
            yield block, _code(observed[block], *weights, coder)

    return code, scale / np.float32(min(1, sigma / level))


def mean_and_kinds(
    noisy: Floats, found: Iterable[tuple[Floats, Floats, Floats]], pool: Pool | None = None
) -> tuple[Floats, Kinds]:
    """The mean of the last two estimates, and the other inputs of the learned coder.

    Parameters
    ----------
    noisy : (channels, height, width) float32 ndarray
    found : iterable
        Plane by plane (first, last, filtered), the estimates of it: (height, width) float32
        ndarrays. For finished planes only differences are kept, in half precision.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    estimate, kinds
        The first two arguments of `correct`.
    """
    estimate = np.empty_like(noisy)
    apart, early = (np.empty(noisy.shape, np.float16) for _ in range(2))
    cut = bands.rows(noisy.shape[1:])

    def take(number: int, planes: tuple[Floats, Floats, Floats], rows: slice) -> None:
        first, last, filtered = planes
        own = number, rows
        apart[own] = last[rows] - filtered[rows]
        estimate[own] = (last[rows] + filtered[rows]) / 2
        early[own] = first[rows] - estimate[own]

    for number, planes in enumerate(found):
        bands.for_each(functools.partial(take, number, planes), cut, pool)

    def kinds(rows: slice) -> Sequence[Floats]:
        own = np.s_[:, rows]
        return [noisy[own] - estimate[own], apart[own], estimate[own], early[own]]

    return estimate, kinds


def _at(coder: Coder, level: Number) -> tuple[Floats, Floats, Floats]:
    """The parameters of coding at a level: the analysis matrix, and gains and thresholds of each
    step.

    The matrix is (inputs of a patch in the order y, x, input; n_atoms). The initial codes count as
    a step before the first, from zero codes and with gains of 1.
    """
    matrix = coder.analysis[0] + level * coder.analysis[1]
    matrix = np.ascontiguousarray(matrix.transpose(1, 0, 2)).reshape(-1, matrix.shape[2])
    gains = np.concatenate([np.ones_like(coder.gains[:1]), coder.gains])
    thresholds = np.maximum(coder.thresholds[:, 0] + level * coder.thresholds[:, 1], 0)
    return matrix, gains, thresholds


def _code(
    observed: Floats, matrix: Floats, gains: Floats, thresholds: Floats, coder: Coder
) -> Floats:
    """The codes of a block of patches."""
    analysed = observed @ matrix
    codes = np.zeros_like(analysed)
    kernels.step(codes, analysed, gains[0], thresholds[0])
    spare = np.empty_like(codes)
    for step, gain, threshold in zip(coder.steps, gains[1:], thresholds[1:], strict=True):
        np.matmul(codes, step, out=spare)
        codes, spare = spare, codes
        kernels.step(codes, analysed, gain, threshold)
    return codes
