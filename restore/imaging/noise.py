"""Blind estimation of the noise of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import jpeg, noise_map
from restore.imaging.arrays import Working, as_image, working
from restore.imaging.jpeg import Coding
from restore.imaging.spectra import SIDE, Blocks
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.imaging.bands import Pool


#: Ratio of the noise at half size to that at full size, relative to white noise, from which it may
#: be coarser than the pixels. White noise gives 1, JPEG files of cameras 3 and more; so do clean
#: pictures. Beyond the second value it is certainly not white.
_COARSE, _COARSER = 1.5, 2.3

#: Side below which a picture has too few blocks to tell coarse noise from texture.
_TOO_SMALL = 200

#: Noise at high frequencies of at least this share of that of the whole spectrum is white.
_WHITE = 0.75

#: The energy of flat blocks at high frequencies differs from block to block. The standard
#: deviation of its logarithm is 0.3 for white noise and much more for texture. Up to the first
#: value it counts fully as noise, from the second on not at all.
_WHITE_EVEN = (0.45, 0.6)

#: The energy of white noise is the same at all frequencies. An excess at the middle frequencies
#: over the high ones counts as spread, with this factor.
_TILT = 0.08

#: Classes of brightness in which the variance is measured, maximum and minimum number; minimum
#: number of blocks in a class; and the share of them, those with the least picture content, that is
#: used.
_CLASSES, _FEWEST_CLASSES, _CLASS_BLOCKS, _CLASS_SHARE = 24, 6, 1500, 0.1

#: Photon noise is distinguished from white noise by a variance at least this many times larger in
#: bright than in dark areas, and by a linear fit with at most this relative error, and with at most
#: this share of the error of a constant fit.
_CONTRAST, _MISFIT, _GAINED = 1.5, 0.2, 0.5

#: The same for flat blocks at half the size, where the spread of coarse camera noise is up to 0.5,
#: and more if JPEG suppresses weak noise.
_EVEN = (0.6, 0.95)

#: Coarse noise below the first of these levels may have that larger spread, for images in [0, 1].
#: From the second on JPEG does not change it, and mistaking texture for it does more harm: its
#: spread is multiplied by this factor.
_STRENGTHS, _STRICTER = (2.5 / 255, 6 / 255), 1.9

#: Share of the classes of brightness that must show coarse noise: below the first the estimate is
#: dropped, from the second on fully trusted. A clear sky is not enough. And the share of a class's
#: blocks that is used.
_AGREE, _COARSE_SHARE = (0.4, 0.6), 0.2

#: Coarse noise at half size keeps only its low frequencies: factor by which it was stronger.
_LOST = 1.3

#: Factor to the sigma of white noise that works best against coarse noise: that of cameras, which
#: smooth flat areas most; and that of film and of scans, blurred alike everywhere, at this ratio of
#: the levels at half and at full size, or at this level, and above.
_SERVES, _BLURRED, _STRONG = (3, 1.5), (3.85, 4.15), (5 / 255, 12 / 255)

#: Grain of a soft picture in a JPEG file of high quality looks like weak noise: up to the first of
#: these levels it is kept, from the second on all is removed. And the mean quantiser step of the
#: luminance below which a file has high quality: 90 and more.
_FAINT, _FINE = (3.5 / 255, 6 / 255), 12

#: Kinds of noise, and the least error of a JPEG file worth removing, as a standard deviation of
#: samples in [0, 1]: about that of quality 85.
KINDS = ("none", "white", "photon", "camera", "jpeg")
_JPEG_ERROR = 4 / 255


class PhotonNoise(NamedTuple):
    """Noise of variance ``gain * (x - pedestal) + sigma**2`` at brightness x.

    Attributes
    ----------
    gain : float
        The level that one photon adds to a sample, in the unit of the image.
    sigma : float
        Standard deviation in the dark.
    pedestal : float
        Brightness without any light.
    """

    gain: float
    sigma: float = 0.0
    pedestal: float = 0.0


class Noise(NamedTuple):
    """The noise of a picture.

    Attributes
    ----------
    kind : {"none", "white", "photon", "camera", "jpeg"}
        ``"camera"`` is noise coarser than the pixels, by brightness, as cameras, film and
        scanners leave; ``"jpeg"`` the error of a JPEG file alone.
    sigma : (channels,) float64 ndarray
        Standard deviation in each channel, its mean over the picture, in the unit of the image.
    photons : PhotonNoise or None
        For ``"photon"``.
    brightness : (n_classes,) ndarray or None
        For ``"camera"``, if known: of each class, on the first plane of
        `restore.imaging.jpeg.to_planes`.
    levels : (n_classes, channels) ndarray or None
        For ``"camera"``, if known: standard deviation in each plane.
    """

    kind: str
    sigma: np.ndarray
    photons: PhotonNoise | None = None
    brightness: np.ndarray | None = None
    levels: np.ndarray | None = None


def estimate_noise(
    image: ArrayLike, coding: Coding | None = None, kind: str = "auto", *, pool: Pool | None = None
) -> Noise:
    """Estimate the noise of a picture.

    White noise is measured at high frequencies, where there is least picture content, and trusted
    as far as the flattest blocks agree. Photon noise is white noise whose variance is linear in the
    brightness. Noise that is weaker at high frequencies than at middle ones was processed by a
    camera, or is texture: a network learned on both distinguishes them
    (`restore.imaging.noise_map`).

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
    coding : Coding, optional
        The quantisation of the JPEG file that it was read from.
    kind : {"auto", "white", "photon", "camera"}
        Estimate this kind only.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Noise

    Raises
    ------
    ValueError
        If the image does not suit the kind: camera noise can be estimated only in finite images in
        [0, 1].
    """
    work = working(as_image(image))
    channels = work.image.shape[2]
    none = np.zeros(channels)
    finished = work.unit == 1 and bool(work.known.all())
    shown = min(work.image.shape[:2]) >= _TOO_SMALL
    if kind == "camera" and not finished:
        raise ValueError("camera noise is looked for in finite images in [0, 1] only")
    white, ratio, halves = _white(work.image, pool)
    if kind == "white":
        return Noise("white", work.unit * white)
    # photon noise is white, unlike a camera's noise, which depends on the brightness as well
    counted = kind == "auto" and not coding and white.any() and ratio < _COARSER
    counted = counted or kind == "photon"
    photons = estimate_photon_noise(image, pool=pool) if counted else None
    coarse = kind == "camera" or coding or (shown and ratio > _COARSE)
    if photons is None and kind != "photon" and finished and coarse:
        seen = halves if coding or ratio > _COARSER else []
        found = _camera(work.image, coding, seen, ratio, kind == "auto", pool)
        if (
            kind == "camera"
            or coding
            or np.linalg.norm(white) < _WHITE * np.linalg.norm(found.sigma)
        ):
            return found
    if photons:
        mean = float(work.image[work.known].mean()) * work.unit
        level = np.sqrt(photons.gain * max(mean - photons.pedestal, 0) + photons.sigma**2)
        return Noise("photon", none + level, photons)
    if kind == "photon" or not white.any():
        return Noise("none", none)
    return Noise("white", work.unit * white)


def _white(image: Floats, pool: Pool | None) -> tuple[Floats, float, list[Blocks]]:
    """White noise of each channel, its ratio at half size, and the blocks there."""
    blocks = [Blocks(plane, pool) for plane in np.moveaxis(image, 2, 0)]
    sigmas = np.array([of_plane.sigma() for of_plane in blocks])
    white = sigmas * [_whiteness(of_plane) for of_plane in blocks]
    height, width, channels = image.shape
    if min(height, width) < 2 * SIDE:
        return white, 1.0, []
    even = image[: height // 2 * 2, : width // 2 * 2]
    half = even.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))
    halves = [Blocks(plane, pool) for plane in np.moveaxis(half, 2, 0)]
    halved = 2 * np.array([of_plane.sigma() for of_plane in halves])
    return white, float(np.linalg.norm(halved) / max(float(np.linalg.norm(sigmas)), 1e-12)), halves


def _camera(
    image: Floats, coding: Coding | None, halves: list[Blocks], ratio: float, doubted: bool,
    pool: Pool | None,
) -> Noise:  # fmt: skip
    """Noise by brightness, or JPEG artefacts.

    The network estimates sensor noise; noise smoothed by a camera shows at half size, in blocks of
    nearly the same energy (`_evenness`). If the latter is stronger it is returned; for a picture
    that is no JPEG file without a map, as the equivalent white noise. `doubted` ignores weak noise
    if JPEG has hardly changed it.
    """
    planes = jpeg.to_planes(image)
    brightness, levels = noise_map.noise_levels(planes, coding, pool=pool)
    if halves and min(image.shape[:2]) >= _TOO_SMALL:
        evenness, coarse = np.transpose([_evenness(blocks) for blocks in halves])
        trusted = np.interp(evenness.mean(), _AGREE, (0, 1))
        if coding:
            variances = np.square(jpeg.axes(len(planes))) @ np.square(_LOST * trusted * coarse)
            levels = np.maximum(levels, np.sqrt(variances).astype(np.float32))
        elif trusted > 0.5 and _LOST * np.linalg.norm(coarse) > np.linalg.norm(
            _in_channels(levels)
        ):
            serves = np.interp(ratio, _BLURRED, _SERVES), np.interp(coarse, _STRONG, _SERVES)
            return Noise("camera", trusted * np.minimum(*serves) * coarse)
    if doubted and coding and np.mean(coding.tables[0]) < _FINE:
        levels *= np.interp(levels, _FAINT, (0, 1))
    if levels.any():
        return Noise("camera", _in_channels(levels), None, brightness, levels)
    if coding:
        error = np.sqrt(coding.error(planes, pool=pool).mean(axis=(1, 2)))
        if np.linalg.norm(error) > _JPEG_ERROR * np.sqrt(len(error)):
            return Noise("jpeg", _in_channels(error[None]))
    return Noise("none", np.zeros(len(planes)))


def _in_channels(levels: Floats) -> Floats:
    """Standard deviations in the channels, from those in the planes of JPEG."""
    mixing = jpeg.from_planes(np.eye(levels.shape[1], dtype=np.float32)[:, None])[0]
    return np.sqrt(np.square(mixing).T @ np.square(levels).mean(axis=0))


def _whiteness(blocks: Blocks) -> float:
    """Degree to which the flattest blocks of a plane are white noise and not texture, 0 to 1."""
    squares = blocks.squares(blocks.flattest())
    high = squares[:, blocks.high]
    if not high.any():
        return 0.0
    tilt = squares[:, blocks.middle].mean() / high.mean() - 1
    return float(np.interp(_spread(high) + _TILT * max(tilt, 0), _WHITE_EVEN, (1, 0)))


def _evenness(blocks: Blocks) -> tuple[float, float]:
    """Coarse noise in a plane at half size: share of its classes that show it, and its level.

    The level is that of white noise at full size with the same variance at low frequencies.
    """
    found, levels = [], []
    for flattest in _classes(blocks, _COARSE_SHARE):
        level = 2 * np.sqrt(blocks.variance(flattest))
        strict = np.interp(np.log(max(level, 1e-12)), np.log(_STRENGTHS), (1, _STRICTER))
        spread = _spread(blocks.squares(flattest)[:, blocks.high])
        found.append(np.interp(strict * spread, _EVEN, (1, 0)))
        levels.append(level)
    if len(found) < _FEWEST_CLASSES or not any(found):
        return 0.0, 0.0
    order = np.argsort(levels, kind="stable")
    shares = np.cumsum(np.array(found)[order])
    median = order[np.searchsorted(shares, shares[-1] / 2)]
    return float(np.mean(found)), float(levels[median])


def _spread(squares: Floats) -> float:
    """Standard deviation, over blocks, of the logarithm of the mean of (blocks, squares)."""
    if len(squares) == 0:
        return np.inf
    energies = squares.mean(axis=1)
    return float(np.log(np.maximum(energies, 1e-6 * energies.mean() + 1e-30)).std())


def estimate_photon_noise(image: ArrayLike, *, pool: Pool | None = None) -> PhotonNoise | None:
    """Estimate photon noise, if the picture's noise is of that kind.

    The variance is measured over blocks of similar brightness, those with the least picture
    content, and a line is fitted to the variances from below, since picture content only adds to
    them.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    PhotonNoise or None
        None if the noise does not grow with the brightness like photon noise.

    References
    ----------
    Foi, Trimeche, Katkovnik & Egiazarian, "Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data", IEEE TIP 17(10), 2008 (the model); Colom & Buades,
    "Analysis and extension of the percentile method, estimating a noise curve from a single
    image", IPOL 3, 2013 (the curve).
    """
    work = working(as_image(image))
    means, variances = np.concatenate(_noise_curves(work, pool), axis=1)
    if len(means) < _FEWEST_CLASSES or not variances.all():
        return None
    gain, offset = line_below(means, variances)
    darkest, brightest = gain * np.percentile(means, (5, 95)) + offset
    if gain <= 0 or brightest < _CONTRAST * max(darkest, 0):
        return None
    misfit = np.median(np.abs(variances / np.maximum(gain * means + offset, 1e-12) - 1))
    constant = np.median(np.abs(variances / np.median(variances) - 1))
    if misfit > min(_MISFIT, _GAINED * constant):
        return None
    found = gain, np.sqrt(max(offset, 0)), max(-offset, 0) / gain
    return PhotonNoise(*(float(work.unit * value) for value in found))


def noise_curves(image: ArrayLike, *, pool: Pool | None = None) -> list[Floats]:
    """Brightness and variance at high frequencies of the flattest blocks.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
    pool : Pool, optional

    Returns
    -------
    list of (2, n_classes) float64 ndarray
        For each channel, from the dark to the bright, in the unit of the image.
    """
    work = working(as_image(image))
    unit = np.array([[work.unit], [work.unit**2]])
    return [unit * curve for curve in _noise_curves(work, pool)]


def _noise_curves(work: Working, pool: Pool | None) -> list[Floats]:
    curves = []
    for plane in np.moveaxis(work.image, 2, 0):
        blocks = Blocks(plane, pool)
        curve = [
            (blocks.means[flattest].mean(), blocks.variance(flattest))
            for flattest in _classes(blocks, _CLASS_SHARE)
        ]
        curves.append(np.array(curve, float).reshape(-1, 2).T)
    return curves


def _classes(blocks: Blocks, share: float) -> Iterator[Integers]:
    """Indices of the flattest usable blocks by class of brightness, the darkest first."""
    order = np.argsort(blocks.means, kind="stable")
    order = order[np.isfinite(blocks.energies[order])]
    for members in np.array_split(order, max(1, min(_CLASSES, len(order) // _CLASS_BLOCKS))):
        if len(members):
            count = int(np.ceil(share * len(members)))
            yield members[np.argpartition(blocks.energies[members], count - 1)[:count]]


def line_below(means: Floats, variances: Floats) -> tuple[float, float]:
    """The slope and the offset of a line fitted to variances by brightness, from below.

    Least squares of the relative error, with smaller weights for points further above the line:
    picture content only adds to the variance.
    """
    slope, offset = 0.0, float(np.median(variances))
    for _ in range(20):
        fitted = np.maximum(slope * means + offset, 0.1 * np.median(variances))
        above = np.maximum(variances / fitted - 1, 0)
        weights = 1 / (fitted * (1 + (above / 0.1) ** 2))
        columns = np.stack([means, np.ones_like(means)], axis=1) * weights[:, None]
        (slope, offset), *_ = np.linalg.lstsq(columns, variances * weights, rcond=None)
    return slope, offset


def estimate_sigma(image: ArrayLike, *, pool: Pool | None = None) -> Floats:
    """Standard deviation of white noise in each channel of an image.

    Every 8x8 block is transformed by the DCT. The blocks with the least energy in
    the low ones are kept, and sigma^2 is the median over the high frequencies of their
    mean square.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        Blocks with NaN, infinity or saturated samples are left out.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (channels,) float64 ndarray
        In the unit of the image, of integers in that of [0, 1]; 0 if no block is usable.

    References
    ----------
    Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images",
    IGARSS 2007; Colom & Buades, "Analysis and extension of the percentile method,
    estimating a noise curve from a single image", IPOL 3, 2013.
    """
    work = working(as_image(image))
    planes = np.moveaxis(work.image, 2, 0)
    return work.unit * np.array([Blocks(plane, pool).sigma() for plane in planes])
