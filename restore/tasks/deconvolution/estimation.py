"""Estimating the width of a blur from the picture, and testing whether a given one is possible.

Photographs have a power spectrum of about C f^-b at frequency f. A blur multiplies it by its
squared transfer function, and noise adds a constant.
"""

import numpy as np
from scipy import ndimage

from restore.imaging.colour import luminance
from restore.tasks.deconvolution import blurs
from restore.typing import Array, Flags, Floats

#: Side of the windows for spectra, the stride between them, and the share of them, those with most
#: contrast, that is used.
SIDE, STRIDE, SHARE = 64, 32, 0.4

#: Range of exponents b of photographs, and the deviation from the usual one that costs as much as a
#: fit error of one.
EXPONENTS, USUAL, SPREAD = np.linspace(1.4, 3.2, 19), 2.3, 0.35

#: Candidate widths: standard deviations of Gaussians, radii of discs.
SIGMAS, RADII = np.geomspace(0.4, 6, 40), np.geomspace(0.8, 12, 60)

#: Standard deviation of the logarithm of the power at one frequency from the model.
MISFIT = 0.15

#: Power of a blur above which it keeps a frequency, and below which it erases one; number of each
#: that is needed.
KEPT, ERASED, FEWEST = 0.3, 0.03, 8

#: Factor by which the power at erased frequencies may exceed the expected one: photographs differ
#: from the law by up to 4. The noise level assumed beyond that, in standard deviations of the
#: excess, which lies at few frequencies.
ALLOWED, MORE = 6.0, 2.0

#: Pixels over which windows fade to 0 near unknown samples.
FADE = 12


def estimate(image: Floats, sigma: float) -> tuple[str, float]:
    """Estimate the Gaussian or the disc that a picture is blurred by.

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
    fits = []
    for name, make, widths in (
        ("gaussian", blurs.gaussian, SIGMAS),
        ("defocus", blurs.defocus, RADII),
    ):
        for width in widths:
            cost = misfit(frequencies, power, radial(make(width)), noise)
            fits.append((cost, name, float(width)))
    _, name, width = min(fits)
    return name, width


def unexplained(plane: Floats, kernel: Array, sigma: float, known: Flags) -> float:
    """Noise level equivalent to detail that the blur would have erased.

    With K the blur's transfer, C f^-b fitted to the power where |K|^2 is large, and n the noise,
    the picture's power P at the frequencies that K erases is expected to be |K|^2 C f^-b + n. A
    picture that is sharper than the blur allows has more power there, and deblurring would amplify
    it.

    Parameters
    ----------
    plane : (height, width) float32 ndarray
    kernel : (rows, columns) ndarray
    sigma : float
        Standard deviation of the noise of the plane.
    known : (height, width) bool ndarray
        Windows near unknown samples are not used.

    Returns
    -------
    float
        A standard deviation; 0 if the blur may be right, or if that cannot be determined.
    """
    beyond = [(0, max(0, SIDE - n)) for n in plane.shape]
    padded = np.pad(plane, beyond, mode="symmetric")
    power = _power(padded, np.pad(known, beyond, mode="symmetric"))
    if power is None:
        return 0.0
    noise = max(sigma, 0.3 / 255) ** 2
    # a kernel larger than the plane of frequencies is evaluated at these
    tiles = np.pad(kernel, [(0, -n % SIDE) for n in kernel.shape])
    tiles = tiles.reshape(len(tiles) // SIDE, SIDE, -1, SIDE).sum(axis=(0, 2))
    transfer = np.abs(np.fft.fft2(tiles)) ** 2
    distance = _distance()
    seen = distance >= 2.5 / SIDE
    # a window mixes each frequency with its neighbours
    around = _smeared(transfer)
    kept, erased = seen & (around > KEPT), seen & (around < ERASED)
    if min(kept.sum(), erased.sum()) < FEWEST:
        return 0.0
    told = np.log(np.maximum(power - noise, 1e-3 * noise)[kept])
    fits = []
    for exponent in EXPONENTS:
        shape = _smeared(transfer * np.maximum(distance, 1 / SIDE) ** -exponent)
        errors = told - np.log(shape[kept])
        level = np.median(errors)
        cost = np.abs(errors - level).mean() + MISFIT / 8 * ((exponent - USUAL) / SPREAD) ** 2
        fits.append((cost, np.exp(level) * shape[erased].mean()))
    expected, left = min(fits)[1] + noise, power[erased].mean()
    return MORE * float(np.sqrt(left - expected)) if left > ALLOWED * expected else 0.0


def spectrum(plane: Floats) -> tuple[Floats, Floats]:
    """The mean power of a plane's windows by frequency; for white noise this is its variance."""
    power = _power(plane)
    assert power is not None  # all is known
    return _rings(power)


def _power(plane: Floats, known: Flags | None = None) -> Floats | None:
    """The mean power (`SIDE`, `SIDE`) of windows with most contrast; None if none is known.

    The windows fade to 0 towards samples that are not known.
    """
    rows, columns = (np.arange(0, n - SIDE + 1, STRIDE) for n in plane.shape)
    window = np.hanning(SIDE + 2)[1:-1]
    window = np.outer(window, window) / np.sqrt((window**2).mean() ** 2)
    places = [np.s_[y : y + SIDE, x : x + SIDE] for y in rows for x in columns]
    if known is not None and not known.all():
        faded = np.minimum(ndimage.distance_transform_edt(known) / FADE, 1)
        windows = [window * (0.5 - 0.5 * np.cos(np.pi * faded[place])) for place in places]
        strengths = [np.sqrt(np.mean(one**2)) for one in windows]
        usable = [number for number, one in enumerate(strengths) if one > 0.5]
        if not usable:
            return None
        places = [places[number] for number in usable]
        window = np.stack([windows[number] / strengths[number] for number in usable])
    patches = np.stack([plane[place] for place in places])
    means = (window * patches).mean(axis=(1, 2)) / np.mean(window, axis=(-2, -1))
    patches = window * (patches - means[:, None, None])
    energy = patches.var(axis=(1, 2))
    chosen = np.argsort(-energy, kind="stable")[: max(1, round(SHARE * len(energy)))]
    powers = np.abs(np.fft.fft2(patches[chosen])) ** 2 / SIDE**2
    return powers.mean(axis=0)


def radial(kernel: Floats) -> Floats:
    """The power of a kernel at the frequencies of `spectrum`."""
    if max(kernel.shape) > SIDE:
        kernel = kernel[
            tuple(slice((n - SIDE + 1) // 2, (n - SIDE + 1) // 2 + SIDE - 1) for n in kernel.shape)
        ]
    return _rings(np.abs(np.fft.fft2(kernel, (SIDE, SIDE))) ** 2)[1]


def misfit(frequencies: Floats, power: Floats, blur: Floats, noise: float) -> float:
    """The distance of the power from the best fit of a blurred photograph with noise."""
    shapes = blur * frequencies ** -EXPONENTS[:, None]
    # the level is the median over the frequencies at which there is more than noise
    signal = np.maximum(power - noise, 1e-3 * noise)
    told = power > 2 * noise
    if not told.any():
        return np.inf
    levels = np.median((np.log(signal) - np.log(shapes + 1e-12))[:, told], axis=1)
    model = np.exp(levels)[:, None] * shapes + noise
    errors = np.abs(np.log(power) - np.log(model)) / MISFIT
    costs = np.minimum(errors, 4).sum(axis=1) + ((EXPONENTS - USUAL) / SPREAD) ** 2
    return float(costs.min())


def _distance() -> Floats:
    """The radial frequency at each point of a plane of frequencies, in cycles per pixel."""
    across = np.fft.fftfreq(SIDE)
    return np.hypot(across[:, None], across)


def _smeared(plane: Floats) -> Floats:
    """A plane of power, smoothed like by a Hann window."""
    for axis in (0, 1):
        plane = ndimage.convolve1d(plane, np.array([1, 4, 1]) / 6, axis=axis, mode="wrap")
    return plane


def _rings(plane: Floats) -> tuple[Floats, Floats]:
    """Means over rings of a plane of frequencies, without the lowest, and their frequencies."""
    distance = _distance()
    ring = np.rint(distance * SIDE).astype(int)
    inner = (ring >= 2) & (ring <= SIDE // 2)
    counts = np.bincount(ring[inner], minlength=SIDE // 2 + 1)[2:]
    sums = np.bincount(ring[inner], plane[inner], minlength=SIDE // 2 + 1)[2:]
    middles = np.bincount(ring[inner], distance[inner], minlength=SIDE // 2 + 1)[2:]
    return middles / counts, sums / counts
