"""White noise: a quick estimate, groups of similar patches found on it, then a learned coder."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.imaging.colour import AXES, from_planes, to_planes
from restore.sparse import groups, overlap, scales, unrolled
from restore.sparse import patches as patching
from restore.sparse.unrolled import Kinds
from restore.typing import Floats, Number

#: The groups that a picture is restored from. The weights were learned a pixel farther apart.
GROUPING = groups.Grouping(side=8, size=50, stride=7)

#: Share of what was taken out of the picture that every further pass looks at again.
FEEDBACK = 0.07

#: Energy that makes an atom the picture's, in variances of the noise: in the first pass, and
#: in the others, in which most of the noise is gone.
FIRST_THRESHOLD, NEXT_THRESHOLD = 2.4, 0.6

#: Passes with feedback.
PASSES = 4


def by_groups(
    image: Floats,
    sigmas: Floats,
    colour: float = 1.0,
    pool: Pool | None = None,
    *,
    guide: Floats | None = None,
    passes: int = PASSES,
) -> Floats:
    """Every plane of decorrelated colours by its groups, all then corrected.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    sigmas : (1,) or (channels,) ndarray
        Standard deviations of the noise.
    colour : float
        Take the noise of the colour differences for so many times as strong.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    guide : (height, width, channels) float32 ndarray, optional
        An estimate that shows which patches are similar, instead of the quick one.
    passes : int
        With feedback.

    Returns
    -------
    (height, width, channels) float32 ndarray
    """
    height, width, channels = image.shape
    shape = (GROUPING.side, GROUPING.side, channels)
    planes = to_planes(patching.pad(image, shape))
    shown = None if guide is None else to_planes(patching.pad(guide, shape))[0]
    variances = AXES[channels] ** 2 @ np.broadcast_to(sigmas**2, channels).astype(np.float32)
    sigma = float(np.sqrt(variances.mean()))
    variances[1:] *= np.float32(colour**2)
    inputs = coder_inputs(planes, sigma, variances, pool, guide=shown, passes=passes)
    coder = unrolled.packaged("denoise-grey" if channels == 1 else "denoise-colour")
    restored = unrolled.correct(*inputs, sigma, coder, pool=pool)
    del inputs, planes  # most of what a large picture takes
    return from_planes(restored)[:height, :width]


def by_scales(image: Floats, sigma: float, pool: Pool | None = None) -> Floats:
    """The quick estimate alone, a tenth of the work of `by_groups`.

    Parameters and what comes back are the same, for noise of one standard deviation.
    """
    return from_planes(_quick(to_planes(image), sigma, pool))


def _quick(planes: Floats, sigma: float, pool: Pool | None) -> Floats:
    """From coarse to fine; noise weaker than that coder knows by patches over one dictionary."""
    if sigma >= scales.WEAKEST:
        coder = unrolled.packaged("fast-grey" if len(planes) == 1 else "fast-colour")
        return scales.restore_planes(planes, sigma, coder, pool)
    estimates = [
        overlap.by_dictionary(plane[..., None], sigma, "grey", None, 2, pool) for plane in planes
    ]
    return np.stack([estimate[..., 0] for estimate in estimates])


def coder_inputs(
    planes: Floats,
    sigma: float,
    variances: Floats,
    pool: Pool | None = None,
    *,
    guide: Floats | None = None,
    passes: int = PASSES,
) -> tuple[Floats, Kinds]:
    """What the learned coder corrects and is shown: the first two arguments of `unrolled.correct`.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
        Decorrelated colours, no smaller than a patch.
    sigma : float
        Standard deviation of the noise.
    variances : (channels,) float32 ndarray
        What each plane is taken to have of it.
    pool, guide, passes
        As in `by_groups`; the guide is one plane.
    """
    quick = _quick(planes, sigma, pool)
    shown = quick[0] if guide is None else guide
    found = group_estimates(planes, variances, shown, pool, passes=passes)
    estimate, kinds = unrolled.mean_and_kinds(planes, found)
    quick -= estimate

    def with_quick(rows: slice) -> Sequence[Floats]:
        return [*kinds(rows), quick[:, rows]]

    return estimate, with_quick


def group_estimates(
    noisy: Floats,
    variances: Floats,
    guide: Floats,
    pool: Pool | None = None,
    *,
    passes: int = PASSES,
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Plane by plane, coded in the same groups.

    The first pass learns the atoms of a group on its noisy patches. Each further pass does
    so on the estimate x with a share of what was taken out of y put back,

        z = x + f (y - x),

    whose noise is what is missing from that of y - z. The last pass takes x for the picture
    and filters y accordingly. The mean of the last two is better than either: the one is
    flatter where nothing is, the other truer where something is.

    Parameters
    ----------
    noisy : (channels, height, width) float32 ndarray
    variances : (channels,) float32 ndarray
    guide : (height, width) float32 ndarray
        Shows which patches are similar.
    passes : int
        With feedback.

    Yields
    ------
    first, last, filtered : (height, width) float32 ndarray
        What the first pass makes of a plane, those with feedback, and the filter. Nothing of
        a plane is looked at after it has been yielded.
    """
    places = groups.find(guide, GROUPING, pool=pool)
    code = functools.partial(groups.code, places=places, side=GROUPING.side, pool=pool)
    for plane, variance in zip(noisy, variances, strict=True):
        level, mixed = np.full_like(plane, variance), np.empty_like(plane)
        first = estimate = code(plane, level, threshold=FIRST_THRESHOLD)
        for _ in range(passes):
            _put_back(plane, estimate, variance, mixed, level, pool)
            del estimate  # of large pictures there is no room for two
            estimate = code(mixed, level, threshold=NEXT_THRESHOLD)
        del mixed
        level[:] = variance
        yield first, estimate, code(plane, level, pilot=estimate)


def _put_back(
    plane: Floats,
    estimate: Floats,
    variance: Number,
    mixed: Floats,
    left: Floats,
    pool: Pool | None,
) -> None:
    """Write the estimate with a share of what was taken out, and the variance of its noise."""

    def put_back(rows: slice) -> None:
        taken = plane[rows] - estimate[rows]
        np.add(estimate[rows], FEEDBACK * taken, out=mixed[rows])
        taken *= 1 - FEEDBACK
        np.subtract(variance, taken * taken, out=left[rows])

    bands.for_each(put_back, bands.rows(plane.shape), pool)
