"""How wide a blur is, found in the blurred picture itself.

Photographs have a power spectrum of about C f^-b at frequency f. A blur multiplies it by the
square of its own, and noise adds a constant.
"""

import numpy as np

from restore.imaging.colour import luminance
from restore.tasks.deconvolution import blurs

#: Side of the windows that spectra are taken of, samples between them, and the share of them,
#: those with most contrast, that count.
SIDE, STRIDE, SHARE = 64, 32, 0.4

#: Exponents b that photographs have, and how far one may be from the usual one at the cost of an
#: error of the fit of one.
EXPONENTS, USUAL, SPREAD = np.linspace(1.4, 3.2, 19), 2.3, 0.35

#: Widths that are tried: standard deviations of Gaussians, radii of discs.
SIGMAS, RADII = np.geomspace(0.4, 6, 40), np.geomspace(0.8, 12, 60)

#: Standard deviation of the logarithm of the power of one frequency, beside the model.
MISFIT = 0.15


def estimate(image, sigma):
    """The Gaussian or the disc that a picture is blurred by.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        No smaller than 64 x 64.
    sigma : float
        Standard deviation of its noise, in the unit of the image.

    Returns
    -------
    name : {"gaussian", "defocus"}
    width : float
        Its standard deviation or its radius, in pixels.

    Raises
    ------
    ValueError
        If the picture is too small.

    References
    ----------
    Field, "Relations between the statistics of natural images and the response properties of
    cortical cells", JOSA A 4(12), 1987, :doi:`10.1364/JOSAA.4.002379`, for the spectrum.
    """
    if min(image.shape[:2]) < SIDE:
        raise ValueError(
            f"the picture is smaller than {SIDE} x {SIDE}: too small to find its blur in; give the "
            "blur with --gaussian, --defocus or --kernel"
        )
    frequencies, power = spectrum(luminance(image))
    noise = max(sigma, 0.3 / 255) ** 2
    best = (np.inf, None, None)
    for name, make, widths in (
        ("gaussian", blurs.gaussian, SIGMAS),
        ("defocus", blurs.defocus, RADII),
    ):
        for width in widths:
            cost = misfit(frequencies, power, radial(make(width)), noise)
            best = min(best, (cost, name, float(width)))
    return best[1:]


def spectrum(plane):
    """The mean power of a plane's windows by frequency; of white noise it is its variance."""
    rows, columns = (np.arange(0, n - SIDE + 1, STRIDE) for n in plane.shape)
    window = np.hanning(SIDE + 2)[1:-1]
    window = np.outer(window, window) / np.sqrt((window**2).mean() ** 2)
    patches = np.stack([plane[y : y + SIDE, x : x + SIDE] for y in rows for x in columns])
    patches = window * (patches - patches.mean(axis=(1, 2), keepdims=True))
    energy = patches.var(axis=(1, 2))
    chosen = np.argsort(-energy, kind="stable")[: max(1, round(SHARE * len(energy)))]
    powers = np.abs(np.fft.fft2(patches[chosen])) ** 2 / SIDE**2
    return _rings(powers.mean(axis=0))


def radial(kernel):
    """The power of a kernel at the frequencies of `spectrum`."""
    if max(kernel.shape) > SIDE:
        kernel = kernel[
            tuple(slice((n - SIDE + 1) // 2, (n - SIDE + 1) // 2 + SIDE - 1) for n in kernel.shape)
        ]
    return _rings(np.abs(np.fft.fft2(kernel, (SIDE, SIDE))) ** 2)[1]


def misfit(frequencies, power, blur, noise):
    """How far the power is from that of a blurred photograph with noise, at its best."""
    shapes = blur * frequencies ** -EXPONENTS[:, None]
    # the level is the median one that single frequencies ask for, where there is more than noise
    signal = np.maximum(power - noise, 1e-3 * noise)
    told = power > 2 * noise
    if not told.any():
        return np.inf
    levels = np.median((np.log(signal) - np.log(shapes + 1e-12))[:, told], axis=1)
    model = np.exp(levels)[:, None] * shapes + noise
    errors = np.abs(np.log(power) - np.log(model)) / MISFIT
    costs = np.minimum(errors, 4).sum(axis=1) + ((EXPONENTS - USUAL) / SPREAD) ** 2
    return float(costs.min())


def _rings(plane):
    """Means over rings of a plane of frequencies, without the lowest; and their frequencies."""
    across = np.fft.fftfreq(SIDE)
    distance = np.hypot(across[:, None], across)
    ring = np.rint(distance * SIDE).astype(int)
    inner = (ring >= 2) & (ring <= SIDE // 2)
    counts = np.bincount(ring[inner], minlength=SIDE // 2 + 1)[2:]
    sums = np.bincount(ring[inner], plane[inner], minlength=SIDE // 2 + 1)[2:]
    middles = np.bincount(ring[inner], distance[inner], minlength=SIDE // 2 + 1)[2:]
    return middles / counts, sums / counts
