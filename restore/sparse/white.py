"""White noise: groups of similar patches, each over atoms of its own, then a learned coder."""

import functools

import numpy as np

from restore.imaging import bands
from restore.imaging.colour import AXES, from_planes, to_planes
from restore.sparse import groups, overlap, unrolled
from restore.sparse import patches as patching

#: The groups that a picture is restored from. The weights were learned on what these make of it.
GROUPING = groups.Grouping(side=8, size=50, stride=5)

#: Share of what was taken out of the picture that every further pass looks at again.
FEEDBACK = 0.07

#: Energy that makes an atom the picture's, in variances of the noise: in the first pass, and
#: in the others, in which most of the noise is gone.
FIRST_THRESHOLD, NEXT_THRESHOLD = 2.4, 0.6

#: Passes with feedback.
PASSES = 4


def by_groups(image, sigmas, colour=1.0, pool=None, *, guide=None, passes=PASSES):
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
        An estimate that shows which patches are similar; otherwise two are made on the way.
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
    estimates = group_estimates(planes, variances, pool, guide=shown, passes=passes)
    inputs = unrolled.mean_and_kinds(
        planes, *(np.stack(kind) for kind in zip(*estimates, strict=True))
    )
    coder = unrolled.packaged("denoise-grey" if channels == 1 else "denoise-colour")
    restored = unrolled.correct(*inputs, sigma, coder, pool=pool)
    return from_planes(restored)[:height, :width]


def by_patches(image, sigma, pool=None):
    """Every patch on its own over the packaged dictionary, then the learned coder.

    A fifth of the time of `by_groups`; parameters and what comes back are the same, for noise of
    one standard deviation.
    """
    height, width, channels = image.shape
    image = patching.pad(image, (GROUPING.side, GROUPING.side, channels))
    planes = to_planes(image)
    pilot = np.stack(
        [
            overlap.by_dictionary(plane[..., None], sigma, "grey", None, 2, pool)[..., 0]
            for plane in planes
        ]
    )
    inputs = unrolled.mean_and_kinds(planes, pilot, pilot, pilot)
    coder = unrolled.packaged("denoise-grey" if channels == 1 else "denoise-colour")
    return from_planes(unrolled.correct(*inputs, sigma, coder, pool=pool))[:height, :width]


def group_estimates(noisy, variances, pool=None, *, guide=None, passes=PASSES):
    """Plane by plane, coded in the same groups, which are found on the first.

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
    guide : (height, width) float32 ndarray, optional
        Shows which patches are similar; otherwise two estimates of the first plane do.
    passes : int
        With feedback.

    Yields
    ------
    first, last, filtered : (height, width) float32 ndarray
        What the first pass makes of a plane, those with feedback, and the filter. Nothing of
        a plane is looked at after it has been yielded.
    """
    find = functools.partial(groups.find, grouping=GROUPING, pool=pool)
    code = functools.partial(groups.code, side=GROUPING.side, pool=pool)

    def code_first(plane, variance, places):
        level = np.full_like(plane, variance)
        return code(plane, level, places, threshold=FIRST_THRESHOLD)

    first = None
    if guide is None:
        pilot = overlap.by_dictionary(
            noisy[0][..., None], float(np.sqrt(variances[0])), "grey", None, 2, pool
        )
        first = code_first(noisy[0], variances[0], find(np.ascontiguousarray(pilot[..., 0])))
        del pilot
    places = find(first if guide is None else guide)
    for plane, variance in zip(noisy, variances, strict=True):
        if first is None:
            first = code_first(plane, variance, places)
        estimate = first
        for _ in range(passes):
            mixed, left = _put_back(plane, estimate, variance, pool)
            estimate = code(mixed, left, places, threshold=NEXT_THRESHOLD)
        level = np.full_like(plane, variance)
        yield first, estimate, code(plane, level, places, pilot=estimate)
        first = None


def _put_back(plane, estimate, variance, pool):
    """The estimate with a share of what was taken out, and the variance that its noise has."""
    mixed, left = np.empty_like(plane), np.empty_like(plane)

    def put_back(rows):
        taken = plane[rows] - estimate[rows]
        np.add(estimate[rows], FEEDBACK * taken, out=mixed[rows])
        taken *= 1 - FEEDBACK
        np.subtract(variance, taken * taken, out=left[rows])

    bands.for_each(put_back, bands.rows(plane.shape), pool)
    return mixed, left
