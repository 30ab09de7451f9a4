"""Learned sparse coding from coarse to fine: the fast method to remove white noise.

A picture at half its size has half the noise, and patches there cover four times the area. So the
reduced picture is restored first, recursively, and the result, enlarged, is the estimate that a
learned coder (`restore.sparse.unrolled`) corrects. One coder serves all scales: the noise level is
an input, and the statistics of photographs hardly depend on scale.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from restore.imaging.bands import Pool
from restore.imaging.colour import AXES
from restore.imaging.resize import resize
from restore.sparse import unrolled
from restore.sparse.unrolled import Coder
from restore.typing import Floats

#: Number of scales, each half the size of the one before, and stride of the patches.
SCALES, STRIDE = 3, 4

#: Weakest and strongest noise, in [0, 1], that the weights were learned at.
WEAKEST, STRONGEST = 3 / 255, 75 / 255


def restore_planes(noisy: Floats, sigma: float, coder: Coder, pool: Pool | None = None) -> Floats:
    """Remove white noise from planes.

    Parameters
    ----------
    noisy : (channels, height, width) float32 ndarray
        Along the axes of `restore.imaging.colour.to_planes`.
    sigma : float
        Standard deviation of the noise, in the unit of [0, 1] images; `WEAKEST` or more.
    coder : Coder
        Of two inputs a plane: what was observed less the estimate, and the estimate.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels, height, width) float32 ndarray

    Notes
    -----
    With y the picture, H its means over 2 x 2 samples and B bilinear enlargement,

        f_k(y, sigma) = correct(B f_(k-1)(H y, sigma / 2), y, sigma),

    and f_0 corrects plain grey. The coder is learned through all scales at once
    (`training/scales.py`).

    References
    ----------
    Mairal, Sapiro & Elad, "Learning multiscale sparse representations for image and video
    restoration", Multiscale Modeling & Simulation 7(1), 2008, for dictionaries over scales;
    Gregor & LeCun, "Learning fast approximations of sparse coding", ICML 2010, for the steps.
    """
    return _restored(noisy, sigma, coder, SCALES, pool)


def _restored(noisy: Floats, sigma: float, coder: Coder, scales: int, pool: Pool | None) -> Floats:
    channels, height, width = noisy.shape
    # mirrored to the end of the last patch, so that every pixel has equally many estimates
    border = coder.side - STRIDE
    ends = [(border, border + -side % STRIDE) for side in (height, width)]
    if scales == 1:
        estimate = np.empty_like(noisy)
        estimate[:] = 0.5 * AXES[channels].sum(axis=1)[:, None, None]
    else:
        half = _halved(noisy, pool)
        # at most a third of the work: only the rest reports progress
        half = _restored(half, sigma / 2, coder, scales - 1, Pool(pool.threads) if pool else None)
        estimate = _resized(half, 2, pool, kernel=_triangle, radius=1.0)[:, :height, :width]
        del half
    estimate = np.pad(estimate, ((0, 0), *ends), "reflect")
    down = np.pad(np.arange(height), ends[0], "reflect")

    def kinds(rows: slice) -> Sequence[Floats]:
        # mirrored band by band, to save memory on large pictures
        observed = np.pad(noisy[:, down[rows]], ((0, 0), (0, 0), ends[1]), "reflect")
        return observed - estimate[:, rows], estimate[:, rows]

    learned = WEAKEST / 2 ** (SCALES - 1), STRONGEST
    restored = unrolled.correct(
        estimate, kinds, sigma, coder, stride=STRIDE, learned=learned, pool=pool
    )
    return restored[:, border:, border:][:, :height, :width]


def _halved(planes: Floats, pool: Pool | None) -> Floats:
    """The means over 2 x 2 samples."""
    height, width = planes.shape[1:]
    if height % 2 or width % 2:
        planes = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
    return _resized(planes, 0.5, pool, kernel=_box, radius=0.5)


def _resized(planes: Floats, factor: float, pool: Pool | None, **how: Any) -> Floats:
    """Planes at `factor` times their size."""
    height, width = (round(factor * side) for side in planes.shape[1:])
    resized = [resize(plane[..., None], height, width, pool, **how)[..., 0] for plane in planes]
    return np.stack(resized)


def _box(distance: Floats) -> Floats:
    return (np.abs(distance) <= 0.5).astype(float)


def _triangle(distance: Floats) -> Floats:
    return np.maximum(1 - np.abs(distance), 0)
