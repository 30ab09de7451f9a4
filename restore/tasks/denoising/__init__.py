"""Removing noise: patches that look alike share the atoms they are coded with.

By default similar patches are gathered in groups, each group is coded over atoms learned on
itself (`restore.sparse.groups`), and what comes of it is corrected by a coder whose steps were
learned (`restore.sparse.unrolled`). The classic way, every patch on its own over one dictionary for
the whole picture, finds the groups, is the fast setting, and serves where a dictionary
is given.
"""

import functools
import warnings

import numpy as np

from restore.imaging import bands
from restore.imaging.arrays import PictureWarning, as_image, working
from restore.imaging.colour import AXES, from_planes, to_planes
from restore.imaging.noise import (
    PhotonNoise,
    estimate_noise,
    estimate_photon_noise,
    stabilise,
    unstabilise,
)
from restore.sparse import coding, dictionary_learning, groups, overlap, unrolled
from restore.sparse import patches as patching
from restore.sparse.dictionary import load_for, overcomplete_dct

#: Patches on their own; in groups, with what comes of them corrected.
QUALITIES = ("fast", "balanced")

#: The groups that a picture is restored from. The weights were learned on what these make of it.
GROUPING = groups.Grouping(side=8, size=50, stride=5)

#: Patches that a dictionary is learned on, and turns of learning.
LEARNING_PATCHES = 30_000
ITERATIONS = 8

#: Noise of more than this, on the scale that is worked on, leaves nothing to restore.
LARGEST_SIGMA = 1.0


def denoise(
    image,
    sigma=None,
    quality="balanced",
    *,
    poisson_gain=None,
    strength=1.0,
    dictionary=None,
    n_atoms=None,
    patch_size=None,
    sparsity=None,
    iterations=ITERATIONS,
    stride=None,
    seed=0,
    pool=None,
):
    """Remove noise from a picture.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: unsigned integers span their whole range, floats may have
        any (`restore.imaging.arrays.working`) and are not clipped. NaN, infinite and huge
        samples are left out and come back as they were.
    sigma : float or sequence of float, optional
        Standard deviation of the noise in the unit of the image, of integers in that of [0, 1],
        one for all channels or one for each; estimated where not given, by
        `restore.imaging.noise.estimate_noise`. 0 returns the image.
    quality : {"fast", "balanced"}
        ``"fast"``: each patch on its own over a packaged dictionary. ``"balanced"``:
        groups of similar patches over atoms of their own, corrected by learned sparse
        coding; takes about 20 times as long.
    poisson_gain : float, "auto" or PhotonNoise, optional
        What one photon adds to a sample, in the unit of the image, for noise of variance
        ``poisson_gain * x + sigma**2`` at brightness x; `sigma` is 0 then where not given.
        ``"auto"`` estimates both where the noise is of that kind
        (`restore.imaging.noise.estimate_photon_noise`), and takes it for Gaussian where not.
    strength : float
        Take the noise for so many times as strong.
    dictionary : {"learn", "grey", "colour"}, str or Dictionary, optional
        Code each patch on its own over this dictionary instead: ``"learn"`` starts from the
        packaged one and fits it to this very picture by K-SVD; otherwise a packaged name,
        a file, or a dictionary. What follows is for this way alone.
    n_atoms, patch_size : int, optional
        For ``"learn"``: other than the packaged dictionary's 256 atoms of 8x8 samples.
    sparsity : int, optional
        Most atoms a patch may use; half its samples by default.
    iterations : int
        Turns of learning.
    stride : int, optional
        Samples between neighbouring patches, at most the patch size; 1 by default.
    seed : int
        Of the draw of patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    float32 ndarray of the shape of `image`
        In the unit of `image`, of integers in [0, 1]; not clipped.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the dictionary does not fit the picture.
    TypeError
        If `image` is no array of numbers, or `sigma` no number.

    References
    ----------
    `restore.kernels.groups` for groups. For dictionaries: Elad & Aharon, "Image denoising
    via sparse and redundant representations over learned dictionaries", IEEE TIP 15(12),
    2006; Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE
    TIP 17(1), 2008.
    """
    array = np.asarray(image)
    observed = as_image(array)
    channels = observed.shape[2]
    if quality not in QUALITIES:
        raise ValueError(f"quality {quality!r} is none of {', '.join(QUALITIES)}")
    counts = {"n_atoms": n_atoms, "patch_size": patch_size, "sparsity": sparsity, "stride": stride}
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{name} is 1 or more, not {count}")
    work = working(observed)
    photons = _photon_noise(observed, sigma, poisson_gain, work.unit, pool)
    if photons:
        image, sigma = _stabilised(work.image, photons)
    elif sigma is None:
        image, sigma = work.image, estimate_level(work.image, strength, pool=pool)[0]
    else:
        image, sigma = work.image, work.sigma(_numbers(sigma))
    sigmas = _levels(sigma, strength, channels, 1 if photons else work.unit)
    if not sigmas.any() or not work.known.any():
        return observed.reshape(array.shape)
    filled = work.filled(image)
    if dictionary is None and quality != "fast":
        if any(counts.values()):
            raise ValueError(
                "n_atoms, patch_size, sparsity and stride are for coding over one dictionary: "
                "say which"
            )
        restored = _by_groups(filled, sigmas, pool)
    else:
        sigma = float(np.sqrt(np.mean(sigmas**2)))
        if dictionary is None:
            dictionary, stride = ("grey" if channels == 1 else "colour"), stride or 2
        if isinstance(dictionary, str) and dictionary == "learn":
            dictionary = _learn(
                filled, work.known, sigma, n_atoms, patch_size, iterations, seed, pool
            )
        elif n_atoms or patch_size:
            raise ValueError("n_atoms and patch_size are for a dictionary that is learned here")
        restored = overlap.by_dictionary(filled, sigma, dictionary, sparsity, stride or 1, pool)
    if photons:
        restored = _unstabilised(restored, photons)
    restored = work.back(restored)
    restored[~work.known] = observed[~work.known]
    return restored.reshape(array.shape)


def estimate_level(image, strength=1.0, *, pool=None):
    """`estimate_noise`, bounded by what `denoise` can be told with that strength."""
    sigmas, coarse = estimate_noise(image, pool=pool)
    most = LARGEST_SIGMA * working(as_image(image)).unit / max(strength, 1e-9)
    if sigmas.max() > most:
        warnings.warn(
            "the noise seems to be as strong as the picture itself: little of it will be left, and "
            "single wrong pixels are better filled (restore inpaint --detect dead-pixels)",
            PictureWarning,
            stacklevel=2,
        )
    return np.minimum(sigmas, most), coarse


def _numbers(sigma):
    """One or several standard deviations as an array."""
    try:
        return np.atleast_1d(np.asarray(sigma, float))
    except (TypeError, ValueError):
        raise TypeError(
            f"sigma is a number, one for each channel, or None, which estimates it; not {sigma!r}"
        ) from None


def _levels(sigma, strength, channels, unit):
    """What to take the noise for: one standard deviation, or one for each channel."""
    sigmas = _numbers(sigma)
    if sigmas.shape not in ((1,), (channels,)):
        raise ValueError(f"{sigmas.size} sigmas for {channels} channels: give one, or one for each")
    if not strength >= 0:
        raise ValueError(f"strength is 0 or more, not {strength:g}")
    sigmas = strength * sigmas
    if not ((sigmas >= 0) & (sigmas <= LARGEST_SIGMA)).all():
        what = "a [0, 1] image" if unit == 1 else "the samples"
        raise ValueError(
            f"sigma times strength is {', '.join(f'{unit * sigma:g}' for sigma in sigmas)}, not "
            f"between 0 and {LARGEST_SIGMA * unit:g} (the range of {what})"
        )
    return sigmas


# Photon noise ---------------------------------------------------------------------------


def _photon_noise(image, sigma, poisson_gain, unit, pool):
    """The `PhotonNoise` that was given or is found, on the scale that is worked on, or None."""
    if isinstance(poisson_gain, str):
        if poisson_gain != "auto" or sigma is not None:
            raise ValueError("poisson_gain is a number, or 'auto', which finds sigma, too")
        poisson_gain = estimate_photon_noise(image, pool=pool)
    if poisson_gain is None:
        return None
    if not isinstance(poisson_gain, PhotonNoise):
        (dark,) = unit * _levels(_numbers(0 if sigma is None else sigma) / unit, 1.0, 1, unit)
        poisson_gain = PhotonNoise(float(poisson_gain), float(dark))
    if not poisson_gain.gain > 0:
        raise ValueError(f"poisson_gain is what a photon adds, above 0, not {poisson_gain.gain:g}")
    return PhotonNoise(*(value / unit for value in poisson_gain))


def _stabilised(image, photons):
    """The image on a scale on which its noise is white, white staying 1, and its sigma there."""
    gain, sigma, pedestal = photons
    scale = stabilise(np.ones(1, np.float32), gain, sigma)
    return stabilise(image - np.float32(pedestal), gain, sigma) / scale, 1 / scale


def _unstabilised(restored, photons):
    """A restored image brought back from `_stabilised`."""
    gain, sigma, pedestal = photons
    scale = stabilise(np.ones(1, np.float32), gain, sigma)
    return unstabilise(scale * restored, gain, sigma) + np.float32(pedestal)


# Groups ---------------------------------------------------------------------------------

#: Share of what was taken out of the picture that every further pass looks at again.
FEEDBACK = 0.07

#: Energy that makes an atom the picture's, in variances of the noise: in the first pass, and
#: in the others, in which most of the noise is gone.
FIRST_THRESHOLD, NEXT_THRESHOLD = 2.4, 0.6

#: Passes with feedback.
PASSES = 4


def _by_groups(image, sigmas, pool):
    """Every plane of decorrelated colours by its groups, all then corrected."""
    height, width, channels = image.shape
    planes = to_planes(patching.pad(image, (GROUPING.side, GROUPING.side, channels)))
    variances = AXES[channels] ** 2 @ np.broadcast_to(sigmas**2, channels).astype(np.float32)
    estimates = group_estimates(planes, variances, pool)
    inputs = unrolled.mean_and_kinds(
        planes, *(np.stack(kind) for kind in zip(*estimates, strict=True))
    )
    coder = unrolled.packaged("denoise-grey" if channels == 1 else "denoise-colour")
    sigma = float(np.sqrt(variances.mean()))
    restored = unrolled.correct(*inputs, sigma, coder, pool=pool)
    return from_planes(restored)[:height, :width]


def group_estimates(noisy, variances, pool=None):
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

    pilot = overlap.by_dictionary(
        noisy[0][..., None], float(np.sqrt(variances[0])), "grey", None, 2, pool
    )
    first = code_first(noisy[0], variances[0], find(np.ascontiguousarray(pilot[..., 0])))
    del pilot
    places = find(first)
    for c, (plane, variance) in enumerate(zip(noisy, variances, strict=True)):
        if c > 0:
            first = code_first(plane, variance, places)
        estimate = first
        for _ in range(PASSES):
            mixed, left = _put_back(plane, estimate, variance, pool)
            estimate = code(mixed, left, places, threshold=NEXT_THRESHOLD)
        level = np.full_like(plane, variance)
        yield first, estimate, code(plane, level, places, pilot=estimate)


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


# One dictionary for the whole picture ---------------------------------------------------


def _learn(image, known, sigma, n_atoms, patch_size, iterations, seed, pool):
    """The packaged dictionary, or cosines of another size, fitted to this picture's patches."""
    start = load_for("learn", image.shape[2])
    shape = (patch_size or start.patch_shape[0], patch_size or start.patch_shape[1], start.channels)
    n_atoms = n_atoms or start.n_atoms
    if shape != start.patch_shape:
        start = overcomplete_dct(n_atoms, shape)
    return dictionary_learning.learn_on(
        image, start, coding.noise_energy(start.patch_dim, sigma), n_atoms=n_atoms, known=known,
        sparsity=start.patch_dim // 2, count=LEARNING_PATCHES, iterations=iterations, seed=seed,
        pool=pool,
    )  # fmt: skip
