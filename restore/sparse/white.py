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

#: The groups that a picture is restored from. The grey weights were learned with a stride one pixel
#: larger.
GROUPING = groups.Grouping(side=8, size=50, stride=7)

#: Share of the residual that is fed back in every further pass.
FEEDBACK = 0.07

#: Energy above which an atom counts as signal, in variances of the noise: in the first pass, and in
#: the others, in which most of the noise is gone.
FIRST_THRESHOLD, NEXT_THRESHOLD = 2.4, 0.6

#: Passes with feedback.
PASSES = 4

#: Strips start at multiples of these rows, and have as many around them: groups and patches of all
#: scales then lie where they lie in the whole picture.
ALIGNED = 112


def by_groups(
    image: Floats,
    sigmas: Floats,
    colour: float = 1.0,
    pool: Pool | None = None,
    *,
    guide: Floats | None = None,
    passes: int = PASSES,
) -> Floats:
    """Estimate every plane of decorrelated colours by its groups, then correct all planes.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    sigmas : (1,) or (channels,) ndarray
        Standard deviations of the noise.
    colour : float
        Assume this many times as much noise in the colour differences.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    guide : (height, width, channels) float32 ndarray, optional
        An estimate to find similar patches on, instead of the quick one.
    passes : int
        With feedback.

    Returns
    -------
    (height, width, channels) float32 ndarray
    """
    cut = strips(image.shape)
    if len(cut) == 1:
        return _by_groups(image, sigmas, colour, pool, guide, passes)
    restored = np.empty_like(image)
    for rows in cut:
        wide, inner = bands.widened(rows, ALIGNED, len(image))
        shown = None if guide is None else guide[wide]
        restored[rows] = _by_groups(image[wide], sigmas, colour, pool, shown, passes)[inner]
    return restored


def strips(shape: tuple[int, ...]) -> list[slice]:
    """The rows of a picture (height, width, channels) that `by_groups` restores together."""
    height, width, channels = shape
    return bands.strips(height, width * channels, ALIGNED)


def _by_groups(
    image: Floats,
    sigmas: Floats,
    colour: float,
    pool: Pool | None,
    guide: Floats | None,
    passes: int,
) -> Floats:
    """`by_groups` of a strip."""
    height, width, channels = image.shape
    shape = (GROUPING.side, GROUPING.side, channels)
    planes = to_planes(patching.pad(image, shape), pool)
    shown = None if guide is None else to_planes(patching.pad(guide, shape), pool)[0]
    variances = AXES[channels] ** 2 @ np.broadcast_to(sigmas**2, channels).astype(np.float32)
    sigma = float(np.sqrt(variances.mean()))
    variances[1:] *= np.float32(colour**2)
    inputs = coder_inputs(planes, sigma, variances, pool, guide=shown, passes=passes)
    coder = unrolled.packaged("denoise-grey" if channels == 1 else "denoise-colour")
    restored = unrolled.correct(*inputs, sigma, coder, pool=pool)
    del inputs, planes  # most of what a large picture takes
    return from_planes(restored, pool)[:height, :width]


def by_scales(image: Floats, sigma: float, pool: Pool | None = None) -> Floats:
    """The quick estimate alone, a tenth of the work of `by_groups`.

    Parameters and results are the same, for noise of one standard deviation.
    """
    return from_planes(_quick(to_planes(image, pool), sigma, pool), pool)


def _quick(planes: Floats, sigma: float, pool: Pool | None) -> Floats:
    """From coarse to fine, or for noise weaker than in its learning, over one dictionary."""
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
    """The inputs of the learned coder: the first two arguments of `unrolled.correct`.

    Parameters
    ----------
    planes : (channels, height, width) float32 ndarray
        Decorrelated colours, no smaller than a patch.
    sigma : float
        Standard deviation of the noise.
    variances : (channels,) float32 ndarray
        Noise variance assumed in each plane.
    pool, guide, passes
        As in `by_groups`; the guide is one plane.
    """
    quick = np.ascontiguousarray(_quick(planes, sigma, pool))  # each plane is an input of kernels
    if not np.allclose(variances[1:], variances[:1]):
        colour = float(np.sqrt(variances[1:].mean()))
        quick[1:] = _quick(planes, colour, pool)[1:]
    found = group_estimates(planes, variances, quick, pool, guide=guide, passes=passes)
    estimate, kinds = unrolled.mean_and_kinds(planes, found, pool)
    quick -= estimate

    def with_quick(rows: slice) -> Sequence[Floats]:
        return [*kinds(rows), quick[:, rows]]

    return estimate, with_quick


def group_estimates(
    noisy: Floats,
    variances: Floats,
    quick: Floats,
    pool: Pool | None = None,
    *,
    guide: Floats | None = None,
    passes: int = PASSES,
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Estimates by groups, plane by plane, with the same groups.

    The first pass learns the atoms of a group on its noisy patches. Each further pass does so on
    the estimate x with a share of the residual y - x added back,

        z = x + f (y - x),

    whose noise is what y - z lacks of that of y. The last pass uses x as the prior and filters y
    accordingly (Wiener filter). The mean of the last two is better than either: the one is smoother
    in flat areas, the other more accurate at detail.

    In planes of colour differences, with their weak signal, atoms learned on the noise are worse
    than those of the quick estimate. There that estimate is the prior of the only pass.

    Parameters
    ----------
    noisy : (channels, height, width) float32 ndarray
    variances : (channels,) float32 ndarray
    quick : (channels, height, width) float32 ndarray
        The quick estimate.
    guide : (height, width) float32 ndarray, optional
        Similar patches are found on it; by default on the first plane of the quick estimate.
    passes : int
        With feedback.

    Yields
    ------
    first, last, filtered : (height, width) float32 ndarray
        The estimates of a plane by the first pass, by the passes with feedback, and by the filter;
        in colour differences the first two are the quick estimate. They may be overwritten once
        yielded.
    """
    places = groups.find(quick[0] if guide is None else guide, GROUPING, pool=pool)
    code = functools.partial(groups.code, places=places, side=GROUPING.side, pool=pool)
    level = np.full_like(noisy[0], variances[0])
    first = estimate = code(noisy[0], level, threshold=FIRST_THRESHOLD)
    mixed = np.empty_like(estimate)
    for _ in range(passes):
        _put_back(noisy[0], estimate, variances[0], mixed, level, pool)
        del estimate  # saves memory on large pictures
        estimate = code(mixed, level, threshold=NEXT_THRESHOLD)
    del mixed
    level[:] = variances[0]
    yield first, estimate, code(noisy[0], level, pilot=estimate)
    for plane, variance, prior in zip(noisy[1:], variances[1:], quick[1:], strict=True):
        level[:] = variance
        yield prior, prior, code(plane, level, pilot=prior)


def _put_back(
    plane: Floats,
    estimate: Floats,
    variance: Number,
    mixed: Floats,
    left: Floats,
    pool: Pool | None,
) -> None:
    """Write the estimate with a share of the residual, and the variance of its noise."""

    def put_back(rows: slice) -> None:
        taken = plane[rows] - estimate[rows]
        np.add(estimate[rows], FEEDBACK * taken, out=mixed[rows])
        taken *= 1 - FEEDBACK
        np.subtract(variance, taken * taken, out=left[rows])

    bands.for_each(put_back, bands.rows(plane.shape), pool)
