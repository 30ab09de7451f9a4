"""Compressed sensing: pictures from few Fourier samples or projections of blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from restore.sparse.operators import Blocks, Fourier
from restore.sparse.solve import Turn, solve
from restore.typing import Array, Flags, Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool
    from restore.sparse.dictionary import Dictionary


#: Noise level that the prior removes in the first iteration, the level below which it uses groups,
#: and the least level in the last iteration; the same for patches over one dictionary; and the
#: number of iterations.
LEVELS, CODED, TURNS = (100 / 255, 17 / 255, 1 / 255), (100 / 255, 3 / 255), 80

#: Side of the projected blocks, and the extent of the low frequencies that random masks always
#: keep.
SIDE, CENTRE = 33, 0.04

KINDS = ("radial", "random-fourier", "blocks")


def determined(operator: Fourier | Blocks) -> float:
    """How much of a picture its measurements determine: `known` of `restore.estimate_error`.

    Parameters
    ----------
    operator : Fourier or Blocks

    Returns
    -------
    float
        Of projections of blocks the number per sample; of Fourier samples their share of the
        amplitudes of a natural picture, which fall with the frequency.

    References
    ----------
    Field, "Relations between the statistics of natural images and the response properties of
    cortical cells", JOSA A 4(12), 1987, :doi:`10.1364/JOSAA.4.002379`.
    """
    if isinstance(operator, Blocks):
        return operator.share
    frequencies = _frequencies(operator.mask.shape)
    frequencies[0, 0] = np.inf
    return float((operator.mask / frequencies).sum() / (1 / frequencies).sum())


def sense(
    measured: Array,
    operator: Fourier | Blocks,
    sigma: float = 0.0,
    *,
    dictionary: str | Dictionary | None = None,
    each_turn: Callable[[Turn], object] | None = None,
    pool: Pool | None = None,
) -> Array:
    """Estimate a picture from few measurements; parameters and errors as `restore.solve`.

    Parameters
    ----------
    measured : ndarray
    operator : Fourier or Blocks
    sigma : float
    dictionary : {"learn", "grey"}, str or Dictionary, optional
        Instead of groups of similar patches. ``"learn"`` learns it on the picture while it is
        reconstructed.
    each_turn : callable, optional
    pool : Pool, optional

    Returns
    -------
    (height, width) float32 or complex64 ndarray
    """
    prior, levels = ("groups", LEVELS) if dictionary is None else (dictionary, CODED)
    return solve(
        measured, operator, prior, sigma, levels=levels, turns=TURNS, each_turn=each_turn, pool=pool
    )


def simulated(kind: str, share: float, shape: tuple[int, int], seed: int = 0) -> Fourier | Blocks:
    """The operator that measures a share of a real-valued picture.

    Parameters
    ----------
    kind : {"radial", "random-fourier", "blocks"}
        Fourier samples on lines through frequency 0; at random, with the lowest ones; Gaussian
        projections of blocks of 33 x 33 with orthonormal rows.
    share : float
        Of the samples of the picture, above 0 and at most 1.
    shape : (height, width)
    seed : int

    Returns
    -------
    Fourier or Blocks

    Raises
    ------
    ValueError
        If there is no such kind, or the share is out of its range.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    if not 0 < share <= 1:
        raise ValueError(f"the share of measurements is above 0 and at most 1, not {share:g}")
    if kind == "radial":
        return Fourier(radial(shape, share), real=True)
    random = np.random.default_rng(seed)
    if kind == "random-fourier":
        distance = _frequencies(shape)
        return Fourier((random.random(shape) < share) | (distance < CENTRE), real=True)
    count = max(1, round(share * SIDE**2))
    rows, _ = np.linalg.qr(random.standard_normal((SIDE**2, count)))
    return Blocks(np.ascontiguousarray(rows.T, np.float32), tuple(shape))


def radial(shape: tuple[int, int], share: float) -> Flags:
    """(height, width) bool: lines through frequency 0, at the corner; they cover a share."""
    mask = np.zeros(shape, bool)
    reach = np.hypot(*shape) / 2
    along = np.linspace(-reach, reach, 4 * int(reach) + 1)
    number = 0
    while mask.mean() < share:
        angle = (
            np.pi * number * (np.sqrt(5) - 1) / 2
        )  # multiples of the golden angle cover the plane evenly
        rows, columns = (np.rint(along * f(angle)).astype(int) for f in (np.sin, np.cos))
        inside = (np.abs(2 * rows) <= shape[0]) & (np.abs(2 * columns) <= shape[1])
        mask[rows[inside] % shape[0], columns[inside] % shape[1]] = True
        number += 1
    return mask


def _frequencies(shape: tuple[int, ...]) -> Floats:
    """Magnitude of each frequency, in cycles per sample; 0 is at the corner."""
    return np.hypot.outer(*map(np.fft.fftfreq, shape))
