"""Denoising: similar patches share the atoms they are coded with.

By default similar patches are collected in groups, each group is coded over atoms learned on it
(`restore.sparse.groups`), and the estimate is corrected by a learned, unrolled coder
(`restore.sparse.unrolled`). The kind of noise is detected first (`restore.imaging.noise`): white
noise, photon noise, the coarse noise of cameras and JPEG artefacts are each treated differently.
The fast setting is a learned coder alone, from coarse to fine (`restore.sparse.scales`). The
classic method, which codes every patch on its own over one dictionary for the whole picture, is
used if a dictionary is given.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import jpeg, noise_map
from restore.imaging.arrays import PictureWarning, as_image, working
from restore.imaging.colour import luminance
from restore.imaging.jpeg import Coding
from restore.imaging.noise import (
    Noise,
    PhotonNoise,
    estimate_noise,
)
from restore.imaging.stabilisation import stabilise, unstabilise
from restore.sparse import patches as patching
from restore.sparse import unrolled, white
from restore.tasks.denoising import artefacts, coarse, mapped
from restore.tasks.denoising.dictionary import Classic, classic
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool
    from restore.sparse.dictionary import Dictionary


#: A learned coder from coarse to fine; a few passes of groups on its estimate; groups, with their
#: estimate corrected.
QUALITIES = ("fast", "medium", "balanced")

#: Noise above this level, on the working scale, leaves nothing to restore.
LARGEST_SIGMA = 1.0


def denoise(
    image: ArrayLike,
    sigma: ArrayLike | None = None,
    quality: str = "balanced",
    *,
    noise: str | PhotonNoise | Noise = "auto",
    coding: Coding | None = None,
    strength: float = 1.0,
    chroma_strength: float = 1.0,
    dictionary: str | Dictionary | None = None,
    settings: Classic | None = None,
    pool: Pool | None = None,
) -> Floats:
    """Remove noise from a picture.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: unsigned integers span their whole range, floats may have
        any (`restore.imaging.arrays.working`) and are not clipped. NaN, infinite and huge
        samples are left out and come back as they were.
    sigma : float or sequence of float, optional
        Standard deviation of white noise in the unit of the image, of integers in that of [0, 1],
        one for all channels or one for each. 0 returns the image. By default the noise is
        estimated.
    quality : {"fast", "medium", "balanced"}
        ``"fast"``: learned sparse coding from coarse to fine; for noise below three levels of 255,
        each patch on its own over a packaged dictionary. ``"medium"``: groups of patches that are
        similar in that estimate, coded over their own atoms; takes about 6 times as long.
        ``"balanced"``: more passes of them, corrected by learned sparse coding; about 15 times.
        Noise of cameras and the errors of JPEG are treated alike by the last two.
    noise : {"auto", "white", "photon", "camera"}, PhotonNoise or Noise
        The kind of noise to estimate, or the noise itself: `restore.imaging.noise.estimate_noise`.
        A PhotonNoise is noise of variance ``gain * (x - pedestal) + sigma**2`` at brightness x, in
        the unit of the image.
    coding : Coding, optional
        The quantisation of the JPEG file that the image was read from.
    strength : float
        Assume this many times as much noise.
    chroma_strength : float
        Assume this many times as much noise in the colours, on top of `strength`.
    dictionary : {"learn", "grey", "colour"}, str or Dictionary, optional
        Code each patch on its own over this dictionary instead: ``"learn"`` starts from the
        packaged one and fits it to this picture by K-SVD; otherwise a packaged name,
        a file, or a dictionary.
    settings : Classic, optional
        How to code over one dictionary; for `dictionary`.
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

    Examples
    --------
    >>> import numpy as np
    >>> from restore import denoise
    >>> noisy = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    >>> bool(denoise(noisy, sigma=0.1).std() < 0.02)
    True
    """
    array = np.asarray(image)
    observed = as_image(array)
    if quality not in QUALITIES:
        raise ValueError(f"quality {quality!r} is none of {', '.join(QUALITIES)}")
    for name, value in (("strength", strength), ("chroma_strength", chroma_strength)):
        if not value >= 0:
            raise ValueError(f"{name} is 0 or more, not {value:g}")
    by_groups = dictionary is None and quality != "fast"
    if dictionary is None and settings not in (None, Classic()):
        raise ValueError("settings are for coding over one dictionary: say which")
    if chroma_strength != 1 and not by_groups:
        raise ValueError(
            "chroma_strength is for groups: leave out the dictionary, and quality fast"
        )
    work = working(observed)
    noise = _noise(observed, sigma, noise, coding, work.unit, pool)
    if noise.kind == "none" or strength == 0 or not work.known.any():
        return observed.reshape(array.shape)
    if by_groups and (noise.kind == "jpeg" or noise.levels is not None):
        restored = _mapped(observed, noise, coding, strength, chroma_strength, pool)
        return restored.reshape(array.shape)
    if noise.kind == "photon" and noise.photons is not None:
        photons = PhotonNoise(*(value / work.unit for value in noise.photons))
        image, sigmas = _stabilised(work.image, photons)
        sigmas = strength * np.atleast_1d(sigmas)
    else:
        level = noise.sigma / work.unit if sigma is None else work.sigma(noise.sigma)
        image, sigmas = work.image, _bounded(strength * level)
    if not sigmas.any():
        return observed.reshape(array.shape)
    filled = work.filled(image)
    if by_groups:
        restore = white.by_few_passes if quality == "medium" else white.by_groups
        if noise.kind == "camera":
            restore = coarse.restore_coarse
        restored = restore(filled, sigmas, chroma_strength, pool)
    else:
        sigma = float(np.sqrt(np.mean(sigmas**2)))
        if dictionary is None:
            restored = white.by_scales(filled, sigma, pool)
        else:
            restored = classic(filled, work.known, sigma, dictionary, settings or Classic(), pool)
    if noise.kind == "photon":
        restored = _unstabilised(restored, photons)
    restored = work.back(restored)
    restored[~work.known] = observed[~work.known]
    return restored.reshape(array.shape)


def _noise(
    image: Floats,
    sigma: ArrayLike | None,
    noise: str | PhotonNoise | Noise,
    coding: Coding | None,
    unit: float,
    pool: Pool | None,
) -> Noise:
    """The noise that was given or is estimated, in the unit of the image."""
    channels = image.shape[2]
    if sigma is not None:
        if noise not in ("auto", "white"):
            raise ValueError("a sigma tells the level of white noise: leave out one of the two")
        return Noise("white", _told(sigma, channels, unit))
    if isinstance(noise, PhotonNoise):
        if not noise.gain > 0 or not noise.sigma >= 0:
            raise ValueError(
                f"photons add a gain above 0 and noise of 0 or more, not {noise.gain:g} and "
                f"{noise.sigma:g}"
            )
        return Noise("photon", np.zeros(channels), noise)
    if isinstance(noise, Noise):
        return noise
    if noise not in ("auto", "white", "photon", "camera"):
        raise ValueError(f"noise {noise!r} is none of auto, white, photon, camera")
    return estimate_noise(image, coding, noise, pool=pool)


def _told(sigma: ArrayLike, channels: int, unit: float) -> Floats:
    """One standard deviation, or one for each channel."""
    try:
        sigmas = np.atleast_1d(np.asarray(sigma, float))
    except (TypeError, ValueError):
        raise TypeError(
            f"sigma is a number, one for each channel, or None, which estimates it; not {sigma!r}"
        ) from None
    if sigmas.shape not in ((1,), (channels,)):
        raise ValueError(f"{sigmas.size} sigmas for {channels} channels: give one, or one for each")
    if not ((sigmas >= 0) & (sigmas <= LARGEST_SIGMA * unit)).all():
        what = "a [0, 1] image" if unit == 1 else "the samples"
        raise ValueError(
            f"sigma is {', '.join(f'{sigma:g}' for sigma in sigmas)}, not "
            f"between 0 and {LARGEST_SIGMA * unit:g} (the range of {what})"
        )
    return sigmas


def _bounded(sigmas: Floats) -> Floats:
    """Noise levels limited to what leaves something to restore, with a warning if one was above."""
    if sigmas.max() > LARGEST_SIGMA:
        warnings.warn(
            "the noise seems to be as strong as the picture itself: little of it will be left, and "
            "single wrong pixels are better filled (restore inpaint --detect dead-pixels)",
            PictureWarning,
            stacklevel=3,
        )
    return np.minimum(sigmas, LARGEST_SIGMA)


def _mapped(
    image: Floats,
    noise: Noise,
    coding: Coding | None,
    strength: float,
    chroma_strength: float,
    pool: Pool | None,
) -> Floats:
    """Noise by brightness, plus the error of JPEG."""
    if noise.kind == "jpeg" or noise.brightness is None or noise.levels is None:
        return artefacts.dejpeg(image, coding, pool=pool)[0]
    height, width, channels = image.shape
    side = mapped.GROUPING.side
    image = patching.pad(image, (side, side, channels))
    planes = jpeg.to_planes(image)
    variances = noise_map.spread(planes, noise.brightness, noise.levels)
    if coding:
        variances += coding.error(planes, pool=pool)
    else:
        variances *= mapped.UNCODED
    variances *= np.float32(strength**2)
    variances[1:] *= np.float32(chroma_strength**2)
    if channels == 1:  # treated as a colour picture without colours
        planes, variances = (
            np.concatenate([np.float32(scale) * part, np.zeros((2, *part.shape[1:]), np.float32)])
            for scale, part in ((jpeg.WEIGHTS[0], planes), (jpeg.WEIGHTS[0] ** 2, variances))
        )
    np.maximum(variances, mapped.LEAST, out=variances)
    coder = unrolled.packaged("denoise-camera")
    restored = mapped.restore_mapped(planes, variances, coder, pool=pool)
    return jpeg.from_planes(restored)[:height, :width, :channels]


def _stabilised(image: Floats, photons: PhotonNoise) -> tuple[Floats, Floats]:
    """The image on a scale on which its noise is white, white staying 1, and its sigma."""
    gain, sigma, pedestal = photons
    scale = stabilise(np.ones(1, np.float32), gain, sigma)
    return stabilise(image - np.float32(pedestal), gain, sigma) / scale, 1 / scale


def _unstabilised(restored: Floats, photons: PhotonNoise) -> Floats:
    """Undo the scale of `_stabilised` for a restored image."""
    gain, sigma, pedestal = photons
    scale = stabilise(np.ones(1, np.float32), gain, sigma)
    return unstabilise(scale * restored, gain, sigma) + np.float32(pedestal)


def put_back(noisy: Floats, restored: Floats, blend: float = 0.0, grain: float = 0.0) -> Floats:
    """Mix a share of the noisy picture into the result, and a share of the grain.

    Parameters
    ----------
    noisy, restored : (height, width, channels) float32 ndarray
    blend : float
        Share of the noisy picture, 0 to 1.
    grain : float
        Share of what was removed from the luminance, 0 to 1.

    Returns
    -------
    (height, width, channels) float32 ndarray
    """
    if not blend and not grain:
        return restored
    taken = np.where(np.isfinite(noisy), noisy - restored, 0)
    return (
        restored
        + np.float32(blend) * taken
        + np.float32(grain * (1 - blend)) * luminance(taken)[..., None]
    )
