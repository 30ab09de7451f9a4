"""The noise level: estimated blindly, and made the same for bright and dark."""

import numpy as np
import scipy.fft

from restore import bands

_SIDE = 8

#: Cosine frequencies u + v below it tell how much picture a block holds; the rest is
#: looked at for noise alone. The two are independent for white noise, so that choosing
#: blocks by the former does not bias the latter.
_SPLIT = 9

#: Share of the blocks, those with least picture in them, that the noise is measured on.
_SHARE = 0.005

_FEWEST, _MOST = 256, 250_000


#: Noise this many times stronger at half the size than at full size, in the unit of white
#: noise, is coarser than the pixels. White noise gives 1, pictures without noise up to 2.3,
#: JPEG files of cameras 3 to 4.
_COARSE = 2.5

#: Sigma that serves against such noise, in estimates at half the size: what reaches the low
#: frequencies, where most of it is. Found on photographs of three cameras.
_COARSE_GAIN = 6


def estimate_noise(image):
    """The sigma to denoise each channel with, and whether the noise is coarse.

    Noise that went through a camera's processing and JPEG is smooth, and next to nothing of
    it is left in the high frequencies that `estimate_sigma` looks at. It shows at half the
    size, and needs a sigma well above its standard deviation.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray

    Returns
    -------
    sigmas : (channels,) float64 ndarray
        In the unit of the image.
    coarse : bool
    """
    sigmas = estimate_sigma(image)
    height, width, channels = image.shape
    if min(height, width) < 2 * _SIDE:
        return sigmas, False
    even = image[: height // 2 * 2, : width // 2 * 2]
    half = even.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))
    halved = 2 * estimate_sigma(half)
    coarse = bool(np.linalg.norm(halved) > _COARSE * np.linalg.norm(sigmas))
    return (_COARSE_GAIN * halved if coarse else sigmas), coarse


def stabilise(image, gain, sigma):
    """Give noise of variance ``gain * x + sigma**2`` at brightness x the variance 1.

        f(y) = 2 / gain sqrt(gain y + 3/8 gain^2 + sigma^2)

    Parameters
    ----------
    image : float32 ndarray
    gain, sigma : float
        In the unit of the image; `gain` is what one photon adds.

    References
    ----------
    Starck, Murtagh & Bijaoui, "Image processing and data analysis", 1998, section 2.3.3
    (generalised Anscombe transform).
    """
    inside = gain * image + (3 / 8 * gain**2 + sigma**2)
    return np.float32(2 / gain) * np.sqrt(np.maximum(inside, 0))


def unstabilise(stable, gain, sigma):
    """The brightness whose noisy samples have the mean `stable` after `stabilise`.

    References
    ----------
    Makitalo & Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE TIP 22(1), 2013, eq. 10 (closed form of the exact unbiased
    inverse).
    """
    darkest = 2 * np.sqrt(3 / 8 + (sigma / gain) ** 2)
    z = np.maximum(stable, np.float32(darkest))
    root = np.sqrt(1.5)
    photons = z**2 / 4 + root / 4 / z - 11 / 8 / z**2 + 5 / 8 * root / z**3 - 1 / 8
    return (gain * np.maximum(photons - (sigma / gain) ** 2, 0)).astype(np.float32)


def estimate_sigma(image):
    """Standard deviation of white noise in each channel of an image.

    Every 8x8 block is taken to cosine frequencies. The blocks with the least energy in
    the low ones are kept, and sigma^2 is the median over the high frequencies of their
    mean square.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        Blocks with NaN, infinity or saturated samples are left out.

    Returns
    -------
    (channels,) float64 ndarray
        In the unit of the image; 0 where no block is usable.

    References
    ----------
    Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images",
    IGARSS 2007; Colom & Buades, "Analysis and extension of the percentile method,
    estimating a noise curve from a single image", IPOL 3, 2013.
    """
    return np.array([_estimate_plane(plane) for plane in np.moveaxis(image, 2, 0)])


def _estimate_plane(plane):
    height, width = plane.shape
    if height < _SIDE or width < _SIDE:
        repeats = [(0, max(0, _SIDE - side)) for side in plane.shape]
        plane = np.pad(plane, repeats, mode="symmetric")
    stride = max(1, int(np.sqrt(plane.size / _MOST)))
    windows = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE))[::stride, ::stride]
    blocks = windows.reshape(-1, _SIDE * _SIDE)
    # A sensor's or a file's limits clip the noise: blocks that touch them say nothing.
    finite = plane[np.isfinite(plane)]
    if finite.size == 0:
        return 0.0
    clipped = (blocks <= finite.min()) | (blocks >= finite.max())
    usable = np.isfinite(blocks).all(axis=1) & (clipped.mean(axis=1) < 0.05)
    blocks = blocks[usable]
    if len(blocks) == 0:
        return 0.0
    transform = scipy.fft.dct(np.eye(_SIDE), axis=0, norm="ortho")
    frequency = np.add.outer(np.arange(_SIDE), np.arange(_SIDE)).ravel()
    with bands.one_blas_thread():
        spectra = blocks @ np.kron(transform, transform).T.astype(np.float32)
    low = (frequency > 0) & (frequency < _SPLIT)
    energies = np.einsum("pk,pk->p", spectra[:, low], spectra[:, low])
    count = min(len(blocks), max(_FEWEST, int(_SHARE * len(blocks))))
    flattest = np.argpartition(energies, count - 1)[:count]
    squares = spectra[flattest][:, frequency >= _SPLIT].astype(np.float64) ** 2
    return float(np.sqrt(np.median(squares.mean(axis=0))))
