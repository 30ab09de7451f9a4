"""Blind estimation of the noise level."""

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
