"""White noise: a quick estimate, groups of similar patches found on it, then a learned coder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.imaging.colour import AXES, from_planes, to_planes
from restore.sparse import groups, overlap, scales, unrolled
from restore.sparse import patches as patching
from restore.sparse.groups import Grouping
from restore.sparse.unrolled import Kinds
from restore.typing import Floats, Number

#: The groups that a picture is restored from. The grey weights were learned with a stride one pixel
#: larger.
GROUPING = Grouping(side=8, size=50, stride=7)

#: Share of the residual that is fed back in every further pass.
FEEDBACK = 0.07

#: Energy above which an atom counts as signal, in variances of the noise: in the first pass, and in
#: the others, in which most of the noise is gone.
FIRST_THRESHOLD, NEXT_THRESHOLD = 2.4, 0.6

#: Passes with feedback.
PASSES = 4

#: The groups of the shorter way, and of each pass the share of the residual that is fed back and
#: the energy above which an atom counts as signal.
SHORT_GROUPING = replace(GROUPING, size=40, reach=28)
SHORT_PASSES = ((0.12, 1.0), (FEEDBACK, NEXT_THRESHOLD))

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

    def restore(rows: slice) -> Floats:
        planes, sigma, variances = _planes_of(image[rows], sigmas, colour, pool)
        shown = None if guide is None else to_planes(_padded(guide[rows]), pool)[0]
        inputs = coder_inputs(planes, sigma, variances, pool, guide=shown, passes=passes)
        coder = unrolled.packaged("denoise-grey" if len(planes) == 1 else "denoise-colour")
        restored = unrolled.correct(*inputs, sigma, coder, pool=pool)
        del inputs, planes  # most of what a large picture takes
        return from_planes(restored, pool)

    return _by_strips(restore, image)


def by_few_passes(
    image: Floats, sigmas: Floats, colour: float = 1.0, pool: Pool | None = None
) -> Floats:
    """The shorter way: the passes of the groups start from the quick estimate, and that is all.

    Parameters and results are as in `by_groups`, of which it takes half of the time.
    """

    def restore(rows: slice) -> Floats:
        planes, sigma, variances = _planes_of(image[rows], sigmas, colour, pool)
        return from_planes(_few_passes(planes, sigma, variances, pool), pool)

    return _by_strips(restore, image)


def _by_strips(restore: Callable[[slice], Floats], image: Floats) -> Floats:
    """A picture restored at once, or strip by strip: `restore` takes the rows."""
    height, width = image.shape[:2]
    cut = strips(image.shape)
    if len(cut) == 1:
        return restore(cut[0])[:height, :width]
    restored = np.empty_like(image)
    for rows in cut:
        wide, inner = bands.widened(rows, ALIGNED, height)
        restored[rows] = restore(wide)[inner, :width]
    return restored


def strips(shape: tuple[int, ...]) -> list[slice]:
    """The rows of a picture (height, width, channels) that are restored together."""
    height, width, channels = shape
    return bands.strips(height, width * channels, ALIGNED)


def _padded(image: Floats) -> Floats:
    """An image that is no smaller than a patch."""
    return patching.pad(image, (GROUPING.side, GROUPING.side, image.shape[2]))


def _planes_of(
    image: Floats, sigmas: Floats, colour: float, pool: Pool | None
) -> tuple[Floats, float, Floats]:
    """Decorrelated planes, the standard deviation of the noise, its variance in each plane."""
    channels = image.shape[2]
    variances = AXES[channels] ** 2 @ np.broadcast_to(sigmas**2, channels).astype(np.float32)
    sigma = float(np.sqrt(variances.mean()))
    variances[1:] *= np.float32(colour**2)
    return to_planes(_padded(image), pool), sigma, variances


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


def _quick_planes(planes: Floats, sigma: float, variances: Floats, pool: Pool | None) -> Floats:
    """The quick estimate, its colours for the noise that is assumed there."""
    quick = np.ascontiguousarray(_quick(planes, sigma, pool))  # each plane is an input of kernels
    if not np.allclose(variances[1:], variances[:1]):
        colour = float(np.sqrt(variances[1:].mean()))
        quick[1:] = _quick(planes, colour, pool)[1:]
    return quick


def _few_passes(planes: Floats, sigma: float, variances: Floats, pool: Pool | None) -> Floats:
    """Planes by groups, from the quick estimate: the means of the last two of the estimates that
    `group_estimates` describes."""
    quick = _quick_planes(planes, sigma, variances, pool)
    places = groups.find(quick[0], SHORT_GROUPING, pool=pool)
    code = functools.partial(groups.code, places=places, side=SHORT_GROUPING.side, pool=pool)
    quick[0] = _fed_back(code, planes[0], quick[0], variances[0], SHORT_PASSES, pool)
    level = np.empty_like(planes[0])
    for plane, variance, prior in zip(planes, variances, quick, strict=True):
        level[:] = variance
        prior += code(plane, level, pilot=prior)
        prior /= 2
    return quick


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
    quick = _quick_planes(planes, sigma, variances, pool)
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
    first = code(noisy[0], level, threshold=FIRST_THRESHOLD)
    following = passes * ((FEEDBACK, NEXT_THRESHOLD),)
    estimate = _fed_back(code, noisy[0], first, variances[0], following, pool)
    yield first, estimate, code(noisy[0], level, pilot=estimate)
    for plane, variance, prior in zip(noisy[1:], variances[1:], quick[1:], strict=True):
        level[:] = variance
        yield prior, prior, code(plane, level, pilot=prior)


def _fed_back(
    code: Callable[..., Floats],
    plane: Floats,
    estimate: Floats,
    variance: Number,
    passes: Iterable[tuple[float, float]],
    pool: Pool | None,
) -> Floats:
    """An estimate after more passes, of a share of the residual and a threshold each."""
    mixed, level = np.empty_like(plane), np.empty_like(plane)
    for share, threshold in passes:
        _put_back(plane, estimate, variance, share, mixed, level, pool)
        del estimate  # saves memory on large pictures
        estimate = code(mixed, level, threshold=threshold)
    return estimate


def _put_back(
    plane: Floats,
    estimate: Floats,
    variance: Number,
    share: float,
    mixed: Floats,
    left: Floats,
    pool: Pool | None,
) -> None:
    """Write the estimate with a share of the residual, and the variance of its noise."""

    def put_back(rows: slice) -> None:
        taken = plane[rows] - estimate[rows]
        np.add(estimate[rows], share * taken, out=mixed[rows])
        taken *= 1 - share
        np.subtract(variance, taken * taken, out=left[rows])

    bands.for_each(put_back, bands.rows(plane.shape), pool)
